/* SPDX-License-Identifier: MIT */
/* queue.stream.SIZE[.PxC]: P producers put, C consumers get, as fast as they
 * can, through a queue with room for 1 MiB (64 MiB from messages of 1 MiB
 * on). queue.pingpong.SIZE: one message there and back by two queues.
 *
 * Every contender copies the message out of the producer's memory and into
 * the consumer's. */
#include "kernel.h"
#include "limit.h"
#include "stream.h"

#include <mproc.h>

#define ROOM ((uint64_t)1 << 20)
#define MIB  ((size_t)1 << 20)

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
    uint64_t room = size < MIB ? ROOM : 64 * ROOM;
    mp_queue *q;

    if (mp_queue_create(&q, MP_QUEUE_ATTR(.max_bytes = room)) < 0)
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
    {0},
};

static const struct contender many[] = {
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
    {0},
};

static const struct contender large[] = {
    {"mproc", OURS, queue_stream, NULL, NULL},
    {"limit", LIMIT, two_copies, NULL,
     "two memcpy of the message, in and out of one warm shared buffer, one "
     "after the other in one process"},
    {"pipe", PEER, pipe_stream, NULL, NULL},
    {"socketpair", PEER, socket_stream, NULL, NULL},
    {"zeromq", PEER, NULL, "zeromq", NULL},
    {"nng", PEER, NULL, "nng", NULL},
    {"boost", PEER, NULL, "boost", NULL},
    {"cpython", PEER, NULL, "cpython", NULL},
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
    {0},
};

/* size, producers, consumers, pinned, smallest number of messages: a multiple
 * of 4 x producers x consumers, for the share that goes first */
const struct bench queue_benches[] = {
    {"queue.stream.8B", "stream", {8, 1, 1, 0, 256}, small},
    {"queue.stream.64B", "stream", {64, 1, 1, 0, 256}, small},
    {"queue.stream.64B.pinned", "stream", {64, 1, 1, 1, 256}, small},
    {"queue.stream.1KiB", "stream", {1024, 1, 1, 0, 256}, small},
    {"queue.stream.64KiB", "stream", {65536, 1, 1, 0, 64}, small},
    {"queue.stream.1MiB", "stream", {MIB, 1, 1, 0, 16}, large},
    {"queue.stream.64MiB", "stream", {64 * MIB, 1, 1, 0, 4}, large},
    {"queue.stream.64B.2x2", "stream", {64, 2, 2, 0, 256}, many},
    {"queue.stream.64B.1x8", "stream", {64, 1, 8, 0, 256}, many},
    {"queue.stream.64B.8x1", "stream", {64, 8, 1, 0, 256}, many},
    {"queue.stream.64B.8x8", "stream", {64, 8, 8, 0, 256}, many},
    {"queue.pingpong.64B", "bounce", {64, 1, 1, 0, 64}, bounce},
    {"queue.pingpong.64B.pinned", "bounce", {64, 1, 1, 1, 64}, bounce},
    {"queue.pingpong.64KiB", "bounce", {65536, 1, 1, 0, 64}, bounce},
    {0},
};
