/* SPDX-License-Identifier: MIT */
/* queue.stream.SIZE[.PxC]: P producers put, C consumers get, as fast as they
 * can, through a queue with room for 1 MiB (for two messages at the least).
 * queue.pingpong.SIZE: one message there and back by two queues. Other
 * ways to put and get: batch.c, zerocopy.c, tasks.c.
 *
 * Every contender copies the message out of the producer's memory and into
 * the consumer's. */
#include "kernel.h"
#include "limit.h"
#include "stream.h"

#include <mproc.h>

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)

static ALWAYS_INLINE void
queue_put(void *channel, const void *data, size_t size)
{
    int r = mp_queue_put((mp_queue *)channel, data, size, MP_FOREVER);

    if (__builtin_expect(r < 0, 0))
        fail("mp_queue_put: %s", mp_last_error());
}

static ALWAYS_INLINE void
queue_get(void *channel, void *buf, size_t size)
{
    ssize_t r = mp_queue_get((mp_queue *)channel, buf, size, MP_FOREVER);

    if (__builtin_expect(r != (ssize_t)size, 0))
        fail("mp_queue_get: %s", mp_last_error());
}

STREAM_CREW(queue, queue_put, queue_get)
BOUNCE_CREW(queue, queue_put, queue_get)

static mp_queue *
queue_new(size_t size)
{
    mp_queue *q;

    if (mp_queue_create(&q, MP_QUEUE_ATTR(.max_bytes = stream_room(size))) < 0)
        fail("mp_queue_create: %s", mp_last_error());
    return q;
}

static double
queue_stream(const struct load *load)
{
    struct stream s = {.load = load, .channel = queue_new(load->size)};

    return stream_run(&s, queue_stream_crew);
}

static double
queue_bounce(const struct load *load)
{
    struct stream s = {load, queue_new(load->size), queue_new(load->size)};

    return stream_run_bounce(&s, queue_bounce_crew);
}

static const struct contender small[] = {
    {"mproc", OURS, queue_stream, NULL, NULL},
    {"limit", LIMIT, ring_stream, NULL,
     "SPSC ring of 1 MiB, spinning, cached indices, no wake-ups"},
    {"pipe", PEER, pipe_stream, NULL, NULL},
    {"socketpair", PEER, socket_stream, NULL, NULL},
    {"posix_mq", PEER, mq_stream, NULL, NULL},
    {"zeromq", PEER, NULL, "zeromq", NULL},
    {"nng", PEER, NULL, "nng", NULL},
    {"boost", PEER, NULL, "boost", NULL},
    {"cpython", PEER, NULL, "cpython", NULL},
    {"cpython_simple", PEER, NULL, "cpython", NULL, "stream_simple"},
    {"cpython_pipe", PEER, NULL, "cpython", NULL, "stream_pipe"},
    {0},
};

static const struct contender crowd[] = {
    {"mproc", OURS, queue_stream, NULL, NULL},
    {"limit", LIMIT, ring_stream, NULL,
     "SPSC ring of 1 MiB, one producer to one consumer, spinning"},
    {"pipe", PEER, pipe_stream, NULL, NULL},
    {"socketpair", PEER, socket_stream, NULL, NULL},
    {"posix_mq", PEER, mq_stream, NULL, NULL},
    {"zeromq", PEER, NULL, "zeromq", NULL},
    {"nng", PEER, NULL, "nng", NULL},
    {"boost", PEER, NULL, "boost", NULL},
    {"cpython", PEER, NULL, "cpython", NULL},
    {"cpython_simple", PEER, NULL, "cpython", NULL, "stream_simple"},
    {0},
};

static const struct contender large[] = {
    {"mproc", OURS, queue_stream, NULL, NULL},
    {"limit", LIMIT, two_copies, NULL,
     "two memcpy of the message, in and out of one warm shared buffer, one "
     "after the other in one process"},
    {"ring", BESIDE, ring_stream, NULL, NULL},
    {"pipe", PEER, pipe_stream, NULL, NULL},
    {"socketpair", PEER, socket_stream, NULL, NULL},
    {"posix_mq", PEER, mq_stream, NULL, NULL},
    {"zeromq", PEER, NULL, "zeromq", NULL},
    {"nng", PEER, NULL, "nng", NULL},
    {"boost", PEER, NULL, "boost", NULL},
    {"cpython", PEER, NULL, "cpython", NULL},
    {"cpython_simple", PEER, NULL, "cpython", NULL, "stream_simple"},
    {"cpython_pipe", PEER, NULL, "cpython", NULL, "stream_pipe"},
    {0},
};

static const struct contender bounce[] = {
    {"mproc", OURS, queue_bounce, NULL, NULL},
    {"limit", LIMIT, slot_bounce, NULL,
     "two spinning processes, one shared buffer each way, message copied in "
     "and out"},
    {"futex", PEER, futex_bounce, NULL, NULL},
    {"pipe", PEER, pipe_bounce, NULL, NULL},
    {"socketpair", PEER, socket_bounce, NULL, NULL},
    {"posix_mq", PEER, mq_bounce, NULL, NULL},
    {"zeromq", PEER, NULL, "zeromq", NULL},
    {"nng", PEER, NULL, "nng", NULL},
    {"boost", PEER, NULL, "boost", NULL},
    {"cpython", PEER, NULL, "cpython", NULL},
    {"cpython_simple", PEER, NULL, "cpython", NULL, "bounce_simple"},
    {"cpython_pipe", PEER, NULL, "cpython", NULL, "bounce_pipe"},
    {0},
};

#define BOUNCE(name, size, pinned)                                          \
    {                                                                       \
        "queue.pingpong." name, "bounce", {size, 1, 1, pinned, 16}, bounce, \
            WAITS_MOST                                                      \
    }

/* size, producers, consumers, pinned, smallest number of messages: a multiple
 * of 4 x producers x consumers, for the share that goes first, which is to
 * touch all memory that is used in turn */
const struct bench queue_benches[] = {
    {"queue.stream.8B", "stream", {8, 1, 1, 0, 256}, small},
    {"queue.stream.64B", "stream", {64, 1, 1, 0, 256}, small},
    {"queue.stream.64B.pinned", "stream", {64, 1, 1, 1, 256}, small},
    {"queue.stream.256B", "stream", {256, 1, 1, 0, 256}, small},
    {"queue.stream.1KiB", "stream", {KIB, 1, 1, 0, 256}, small},
    {"queue.stream.4KiB", "stream", {4 * KIB, 1, 1, 0, 256}, small},
    {"queue.stream.16KiB", "stream", {16 * KIB, 1, 1, 0, 256}, small},
    {"queue.stream.64KiB", "stream", {64 * KIB, 1, 1, 0, 64}, large},
    {"queue.stream.256KiB", "stream", {256 * KIB, 1, 1, 0, 64}, large},
    {"queue.stream.1MiB", "stream", {MIB, 1, 1, 0, 16}, large},
    {"queue.stream.4MiB", "stream", {4 * MIB, 1, 1, 0, 16}, large},
    {"queue.stream.16MiB", "stream", {16 * MIB, 1, 1, 0, 16}, large},
    {"queue.stream.64MiB", "stream", {64 * MIB, 1, 1, 0, 8}, large},
    {"queue.stream.64B.2x2", "stream", {64, 2, 2, 0, 256}, crowd},
    {"queue.stream.64B.1x8", "stream", {64, 1, 8, 0, 256}, crowd},
    {"queue.stream.64B.8x1", "stream", {64, 8, 1, 0, 256}, crowd},
    {"queue.stream.64B.8x8", "stream", {64, 8, 8, 0, 256}, crowd},
    {"queue.stream.1KiB.2x2", "stream", {KIB, 2, 2, 0, 256}, crowd},
    {"queue.stream.1KiB.1x8", "stream", {KIB, 1, 8, 0, 256}, crowd},
    {"queue.stream.1KiB.8x1", "stream", {KIB, 8, 1, 0, 256}, crowd},
    {"queue.stream.1KiB.8x8", "stream", {KIB, 8, 8, 0, 256}, crowd},
    BOUNCE("64B", 64, 0),
    BOUNCE("64B.pinned", 64, 1),
    BOUNCE("1KiB", KIB, 0),
    BOUNCE("64KiB", 64 * KIB, 0),
    BOUNCE("1MiB", MIB, 0),
    {0},
};
