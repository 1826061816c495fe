/* SPDX-License-Identifier: MIT */
/* Messages one way through queues that do more than hand them on:
 *
 * queue.stream.SIZE.joinable: each message is told to be done.
 * queue.stream.SIZE.redeliver: the same, and what a consumer has and has not
 * done is given to another one should it die. Nobody else does that.
 * queue.stream.SIZE.priority: eight priorities in turn; the consumer takes
 * what is most urgent of what is there. */
#include "kernel.h"
#include "limit.h"
#include "stream.h"

#include <mproc.h>

static ALWAYS_INLINE void
queue_put(void *channel, const void *data, size_t size)
{
    int r = mp_queue_put((mp_queue *)channel, data, size, MP_FOREVER);

    if (__builtin_expect(r < 0, 0))
        fail("mp_queue_put: %s", mp_last_error());
}

static ALWAYS_INLINE void
queue_put_priority(void *channel, const void *data, size_t size)
{
    int r =
        mp_queue_put_priority((mp_queue *)channel, data, size,
                              (int64_t)(stream_number(data) % 8), MP_FOREVER);

    if (__builtin_expect(r < 0, 0))
        fail("mp_queue_put_priority: %s", mp_last_error());
}

static ALWAYS_INLINE void
queue_get(void *channel, void *buf, size_t size)
{
    ssize_t r = mp_queue_get((mp_queue *)channel, buf, size, MP_FOREVER);

    if (__builtin_expect(r != (ssize_t)size, 0))
        fail("mp_queue_get: %s", mp_last_error());
}

static ALWAYS_INLINE void
queue_finish(void *channel, void *buf, size_t size)
{
    queue_get(channel, buf, size);
    if (__builtin_expect(mp_queue_task_done((mp_queue *)channel) < 0, 0))
        fail("mp_queue_task_done: %s", mp_last_error());
}

STREAM_CREW(plain, queue_put, queue_get)
STREAM_CREW(task, queue_put, queue_finish)
STREAM_CREW(priority, queue_put_priority, queue_get)

static double
run(const struct load *load, mp_queue_attr attr, crew_fn *crew)
{
    struct stream s = {.load = load};
    mp_queue *q;

    attr.max_bytes = stream_room(load->size);
    s.any_order = attr.order != MP_QUEUE_FIFO;
    if (mp_queue_create(&q, &attr) < 0)
        fail("mp_queue_create: %s", mp_last_error());
    s.channel = q;
    return stream_run(&s, crew);
}

static double
queue_plain(const struct load *load)
{
    return run(load, *MP_QUEUE_ATTR(.order = MP_QUEUE_FIFO),
               plain_stream_crew);
}

static double
queue_joinable(const struct load *load)
{
    return run(load, *MP_QUEUE_ATTR(.joinable = 1), task_stream_crew);
}

static double
queue_redeliver(const struct load *load)
{
    return run(load, *MP_QUEUE_ATTR(.redeliver = 1), task_stream_crew);
}

static double
queue_priority(const struct load *load)
{
    return run(load, *MP_QUEUE_ATTR(.order = MP_QUEUE_PRIORITY),
               priority_stream_crew);
}

#define RING                                                            \
    {                                                                   \
        "limit", LIMIT, ring_stream, NULL,                              \
            "SPSC ring of 1 MiB, spinning, cached indices, no wake-ups" \
    }

static const struct contender joinable[] = {
    {"mproc", OURS, queue_joinable, NULL, NULL},
    RING,
    {"plain", BESIDE, queue_plain, NULL, NULL},
    {"cpython", PEER, NULL, "cpython", NULL},
    {0},
};

static const struct contender redeliver[] = {
    {"mproc", OURS, queue_redeliver, NULL, NULL},
    RING,
    {"plain", BESIDE, queue_plain, NULL, NULL},
    {"cpython", BESIDE, NULL, "cpython", NULL},
    {0},
};

static const struct contender priority[] = {
    {"mproc", OURS, queue_priority, NULL, NULL},
    RING,
    {"plain", BESIDE, queue_plain, NULL, NULL},
    {"posix_mq", PEER, mq_priority, NULL, NULL},
    {"boost", PEER, NULL, "boost", NULL},
    {0},
};

const struct bench queue_task_benches[] = {
    {"queue.stream.64B.joinable",
     "stream_joinable",
     {64, 1, 1, 0, 256},
     joinable},
    {"queue.stream.64B.redeliver",
     "stream_joinable",
     {64, 1, 1, 0, 256},
     redeliver},
    {"queue.stream.64B.priority",
     "stream_priority",
     {64, 1, 1, 0, 256},
     priority},
    {0},
};
