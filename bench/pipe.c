/* SPDX-License-Identifier: MIT */
/* pipe.stream.SIZE: one process sends, another one receives, as fast as they
 * can. pipe.pingpong.SIZE: one message there and back through a pipe for both
 * directions. Every contender copies the message out of the sender's memory and
 * into the receiver's. */
#include "kernel.h"
#include "limit.h"
#include "stream.h"

#include <mproc.h>

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)

/* One direction of a pipe. */
struct direction {
    mp_conn *in, *out;
};

static ALWAYS_INLINE void
conn_put(void *channel, const void *data, size_t size)
{
    struct direction *d = (struct direction *)channel;

    must(mp_conn_send(d->in, data, size, MP_FOREVER), "mp_conn_send");
}

static ALWAYS_INLINE void
conn_get(void *channel, void *buf, size_t size)
{
    struct direction *d = (struct direction *)channel;
    ssize_t r = mp_conn_recv(d->out, buf, size, MP_FOREVER);

    if (__builtin_expect(r != (ssize_t)size, 0))
        fail("mp_conn_recv: %s", mp_last_error());
}

STREAM_CREW(conn, conn_put, conn_get)
BOUNCE_CREW(conn, conn_put, conn_get)

static double
conn_stream(const struct load *load)
{
    struct direction there;
    struct stream s = {.load = load, .channel = &there};

    must(mp_pipe(&there.out, &there.in, 0), "mp_pipe");
    return stream_run(&s, conn_stream_crew);
}

static double
conn_bounce(const struct load *load)
{
    struct direction there, back;
    struct stream s = {load, &there, &back};

    must(mp_pipe(&there.in, &there.out, 1), "mp_pipe");
    back = (struct direction){.in = there.out, .out = there.in};
    return stream_run_bounce(&s, conn_bounce_crew);
}

static const struct contender small[] = {
    {"mproc", OURS, conn_stream, NULL, NULL},
    {"limit", LIMIT, ring_stream, NULL,
     "SPSC ring of 1 MiB, spinning, cached indices, no wake-ups"},
    {"pipe", PEER, pipe_stream, NULL, NULL},
    {"socketpair", PEER, socket_stream, NULL, NULL},
    {"zeromq", PEER, NULL, "zeromq", NULL},
    {"nng", PEER, NULL, "nng", NULL},
    {"cpython", PEER, NULL, "cpython", NULL, "stream_pipe"},
    {0},
};

static const struct contender large[] = {
    {"mproc", OURS, conn_stream, NULL, NULL},
    {"limit", LIMIT, two_copies, NULL,
     "two memcpy of the message, in and out of one warm shared buffer, one "
     "after the other in one process"},
    {"ring", BESIDE, ring_stream, NULL, NULL},
    {"pipe", PEER, pipe_stream, NULL, NULL},
    {"socketpair", PEER, socket_stream, NULL, NULL},
    {"zeromq", PEER, NULL, "zeromq", NULL},
    {"nng", PEER, NULL, "nng", NULL},
    {"cpython", PEER, NULL, "cpython", NULL, "stream_pipe"},
    {0},
};

static const struct contender bounce[] = {
    {"mproc", OURS, conn_bounce, NULL, NULL},
    {"limit", LIMIT, slot_bounce, NULL,
     "two spinning processes, one shared buffer each way, message copied in "
     "and out"},
    {"futex", PEER, futex_bounce, NULL, NULL},
    {"pipe", PEER, pipe_bounce, NULL, NULL},
    {"socketpair", PEER, socket_bounce, NULL, NULL},
    {"zeromq", PEER, NULL, "zeromq", NULL},
    {"nng", PEER, NULL, "nng", NULL},
    {"cpython", PEER, NULL, "cpython", NULL, "bounce_pipe"},
    {0},
};

#define BOUNCE(name, size, pinned)                                         \
    {                                                                      \
        "pipe.pingpong." name, "bounce", {size, 1, 1, pinned, 16}, bounce, \
            WAITS_MOST                                                     \
    }

/* size, producers, consumers, pinned, smallest number of messages: as in
 * queue.c */
const struct bench pipe_benches[] = {
    {"pipe.stream.8B", "stream", {8, 1, 1, 0, 256}, small},
    {"pipe.stream.8B.pinned", "stream", {8, 1, 1, 1, 256}, small},
    {"pipe.stream.64B", "stream", {64, 1, 1, 0, 256}, small},
    {"pipe.stream.64B.pinned", "stream", {64, 1, 1, 1, 256}, small},
    {"pipe.stream.1KiB", "stream", {KIB, 1, 1, 0, 256}, small},
    {"pipe.stream.64KiB", "stream", {64 * KIB, 1, 1, 0, 64}, large},
    {"pipe.stream.1MiB", "stream", {MIB, 1, 1, 0, 16}, large},
    {"pipe.stream.4MiB", "stream", {4 * MIB, 1, 1, 0, 16}, large},
    {"pipe.stream.16MiB", "stream", {16 * MIB, 1, 1, 0, 16}, large},
    {"pipe.stream.64MiB", "stream", {64 * MIB, 1, 1, 0, 8}, large},
    BOUNCE("64B", 64, 0),
    BOUNCE("64B.pinned", 64, 1),
    BOUNCE("64KiB", 64 * KIB, 0),
    {0},
};
