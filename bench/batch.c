/* SPDX-License-Identifier: MIT */
/* queue.stream.SIZE.many: messages one way, up to 64 at a call. Pipe and
 * socket pair can do that too; the others carry one message at a time. */
#include "batch.h"
#include "kernel.h"
#include "limit.h"

#include <mproc.h>

static void
queue_put_batch(void *channel, const void *items, size_t size, long n)
{
    ssize_t r = mp_queue_put_many((mp_queue *)channel, items, size, (size_t)n,
                                  MP_FOREVER);

    if (r != n)
        fail("mp_queue_put_many: %s", mp_last_error());
}

static long
queue_get_batch(void *channel, void *buf, size_t size, long n)
{
    ssize_t r = mp_queue_get_many((mp_queue *)channel, buf, size, (size_t)n,
                                  NULL, MP_FOREVER);

    if (r <= 0)
        fail("mp_queue_get_many: %s", mp_last_error());
    return r;
}

BATCH_CREW(queue, queue_put_batch, queue_get_batch)

static double
queue_batch(const struct load *load)
{
    const mp_queue_attr *attr =
        MP_QUEUE_ATTR(.max_bytes = stream_room(load->size));
    struct stream s = {.load = load};
    mp_queue *q;

    if (mp_queue_create(&q, attr) < 0)
        fail("mp_queue_create: %s", mp_last_error());
    s.channel = q;
    return stream_run(&s, queue_batch_crew);
}

static const struct contender batches[] = {
    {"mproc", OURS, queue_batch, NULL, NULL},
    {"limit", LIMIT, ring_batch, NULL,
     "SPSC ring of 1 MiB, spinning, 64 messages as one record"},
    {"pipe", PEER, pipe_batch, NULL, NULL},
    {"socketpair", PEER, socket_batch, NULL, NULL},
    {"posix_mq", PEER, mq_stream, NULL, NULL},
    {"zeromq", PEER, NULL, "zeromq", NULL},
    {"nng", PEER, NULL, "nng", NULL},
    {"boost", PEER, NULL, "boost", NULL},
    {"cpython", PEER, NULL, "cpython", NULL},
    {"cpython_simple", PEER, NULL, "cpython", NULL, "stream_simple"},
    {"cpython_pipe", PEER, NULL, "cpython", NULL, "stream_pipe"},
    {0},
};

const struct bench queue_batch_benches[] = {
    {"queue.stream.64B.many", "stream", {64, 1, 1, 0, 256}, batches},
    {0},
};
