/* SPDX-License-Identifier: MIT */
/* queue.idle.8: eight consumers wait for a second in which nothing comes. One
 * operation is that second, and its nanoseconds are those of processor time
 * of the eight together: 8,000,000,000 would be eight that never sleep. */
#include "idle.h"
#include "kernel.h"

#include <mproc.h>

static void
queue_put(void *channel, const void *data, size_t size)
{
    if (mp_queue_put((mp_queue *)channel, data, size, MP_FOREVER) < 0)
        fail("mp_queue_put: %s", mp_last_error());
}

static void
queue_get(void *channel, void *buf, size_t size)
{
    if (mp_queue_get((mp_queue *)channel, buf, size, MP_FOREVER) < 0)
        fail("mp_queue_get: %s", mp_last_error());
}

IDLE_CREW(queue, queue_put, queue_get)

static double
queue_idle(const struct load *load)
{
    struct stream s = {.load = load};
    mp_queue *q;

    if (mp_queue_create(&q, NULL) < 0)
        fail("mp_queue_create: %s", mp_last_error());
    s.channel = q;
    return idle_run(&s, queue_idle_crew);
}

static const struct contender sleepers[] = {
    {"mproc", OURS, queue_idle, NULL, NULL},
    {"limit", LIMIT, futex_idle, NULL,
     "eight processes asleep in a futex, woken one by one"},
    {"pipe", PEER, pipe_idle, NULL, NULL},
    {"boost", PEER, NULL, "boost", NULL},
    {"cpython", PEER, NULL, "cpython", NULL},
    {0},
};

const struct bench queue_idle_benches[] = {
    {"queue.idle.8", "idle", {8, 1, 8, 0, 1}, sleepers, 1},
    {0},
};
