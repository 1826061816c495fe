/* SPDX-License-Identifier: MIT */
/* queue.stream.SIZE.zerocopy: messages one way that are made where the queue
 * has them, by reserve and commit, and read there, by take and done. Every
 * word is written and read: see filled.h. Boost, ZeroMQ and nng have ways of
 * their own to spare copies, and use them. */
#include "filled.h"
#include "kernel.h"
#include "limit.h"

#include <mproc.h>

static ALWAYS_INLINE void
ok(int r, const char *what)
{
    if (__builtin_expect(r < 0, 0))
        fail("%s: %s", what, mp_last_error());
}

static void
made_put(void *channel, const void *data, size_t size)
{
    void *message;

    ok(mp_queue_reserve((mp_queue *)channel, size, &message, MP_FOREVER),
       "mp_queue_reserve");
    filled_write(message, size, stream_number(data));
    ok(mp_queue_commit((mp_queue *)channel, message), "mp_queue_commit");
}

static void
read_get(void *channel, void *buf, size_t size)
{
    mp_message message;

    ok(mp_queue_take((mp_queue *)channel, &message, MP_FOREVER),
       "mp_queue_take");
    if (message.size != size)
        fail("a message was cut");
    stream_stamp(buf, size, filled_read(message.data, size));
    ok(mp_message_done((mp_queue *)channel, &message), "mp_message_done");
}

static void
queue_put(void *channel, const void *data, size_t size)
{
    ok(mp_queue_put((mp_queue *)channel, data, size, MP_FOREVER),
       "mp_queue_put");
}

static void
queue_get(void *channel, void *buf, size_t size)
{
    if (mp_queue_get((mp_queue *)channel, buf, size, MP_FOREVER) !=
        (ssize_t)size)
        fail("mp_queue_get: %s", mp_last_error());
}

STREAM_CREW(zerocopy, made_put, read_get)
FILLED_CREW(copied, queue_put, queue_get)

static double
run(const struct load *load, crew_fn *crew)
{
    const mp_queue_attr *attr =
        MP_QUEUE_ATTR(.max_bytes = stream_room(load->size));
    struct stream s = {.load = load};
    mp_queue *q;

    ok(mp_queue_create(&q, attr), "mp_queue_create");
    s.channel = q;
    return stream_run(&s, crew);
}

static double
queue_zerocopy(const struct load *load)
{
    return run(load, zerocopy_stream_crew);
}

static double
queue_copied(const struct load *load)
{
    return run(load, copied_filled_stream_crew);
}

static const struct contender fillers[] = {
    {"mproc", OURS, queue_zerocopy, NULL, NULL},
    {"limit", LIMIT, no_copy, NULL,
     "every word written and read, in one warm shared buffer, one after the "
     "other in one process"},
    {"copied", BESIDE, queue_copied, NULL, NULL},
    {"pipe", PEER, pipe_filled, NULL, NULL},
    {"socketpair", PEER, socket_filled, NULL, NULL},
    {"zeromq", PEER, NULL, "zeromq", NULL},
    {"nng", PEER, NULL, "nng", NULL},
    {"boost", PEER, NULL, "boost", NULL},
    {"cpython", PEER, NULL, "cpython", NULL},
    {0},
};

const struct bench queue_zerocopy_benches[] = {
    {"queue.stream.64KiB.zerocopy",
     "stream_filled",
     {1 << 16, 1, 1, 0, 64},
     fillers},
    {"queue.stream.1MiB.zerocopy",
     "stream_filled",
     {1 << 20, 1, 1, 0, 16},
     fillers},
    {"queue.stream.64MiB.zerocopy",
     "stream_filled",
     {1 << 26, 1, 1, 0, 8},
     fillers},
    {0},
};
