/* SPDX-License-Identifier: MIT */
/* mp_pool_stats(): what the tallies of all posts come to (progress/tally.c). */
#include "base/error.h"
#include "os/clock.h"
#include "pool/far.h"
#include "progress/tally.h"

#include <errno.h>
#include <string.h>

static int
has_worker(struct mp__post *post)
{
    enum mp__stage stage = mp__post_stage(post);

    return stage == MP__STAGE_UP || stage == MP__STAGE_RELIEVED ||
           stage == MP__STAGE_LEAVING;
}

/* The rest is what has not begun; it never will, once the pool has ended. */
static void
count_tasks(mp_pool *pool, mp_pool_statistics *s)
{
    struct mp__tasks t;
    uint64_t begun;

    mp__tally_tasks(pool, &t);
    begun = t.done + t.failed + t.cancelled + t.running;
    s->submitted = t.submitted;
    s->done = t.done;
    s->failed = t.failed;
    s->cancelled = t.cancelled;
    s->running = t.running;
    s->queued = t.submitted > begun ? t.submitted - begun : 0;
    if (mp__pool_state(pool) >= MP__POOL_TERMINATED) {
        s->cancelled += s->queued;
        s->queued = 0;
    }
}

/* Into the five, if it belongs there. */
static void
rank(mp_pool_statistics *s, uint64_t task, uint64_t time)
{
    const double seconds = (double)time / 1e9;
    size_t at = MP__LENGTH(s->slowest);

    while (at > 0 && seconds > s->slowest[at - 1].seconds)
        at--;
    if (at == MP__LENGTH(s->slowest))
        return;
    memmove(&s->slowest[at + 1], &s->slowest[at],
            (MP__LENGTH(s->slowest) - 1 - at) * sizeof(s->slowest[0]));
    s->slowest[at].task = task;
    s->slowest[at].seconds = seconds;
}

static void
rank_slowest(struct mp__tally *tally, mp_pool_statistics *s)
{
    for (size_t i = 0; i < MP__LENGTH(tally->slowest); i++) {
        uint64_t time = mp__load(&tally->slowest[i].time);
        uint64_t task = mp__load(&tally->slowest[i].task);

        if (time && mp__load(&tally->slowest[i].time) == time)
            rank(s, task, time);
    }
}

/* Sums of times, in ns. */
struct times {
    uint64_t busy, manned, waits, waited, waited_most;
};

static void
add_times(struct mp__post *post, uint64_t now, struct times *t)
{
    struct mp__tally *tally = &post->tally;
    uint64_t since = mp__load(&tally->since);
    uint64_t arrived = mp__load(&tally->arrived);
    uint64_t until = has_worker(post) ? now : (uint64_t)post->vacated;
    uint64_t most = mp__load(&tally->waited_most);

    t->busy += mp__load(&tally->busy);
    if (since && since < now)
        t->busy += now - since;
    t->manned += mp__load(&tally->manned);
    if (arrived && until > arrived)
        t->manned += until - arrived;
    t->waits += mp__load(&tally->waits);
    t->waited += mp__load(&tally->waited);
    if (most > t->waited_most)
        t->waited_most = most;
}

static void
read_tallies(mp_pool *pool, mp_pool_statistics *s)
{
    const uint64_t now = (uint64_t)mp__now();
    struct times t = {0};

    for (uint32_t i = 0; i < mp__posts(pool); i++) {
        struct mp__post *post = mp__post_at(pool, i);

        s->retried += mp__load(&post->tally.retried);
        s->items += mp__load(&post->tally.items);
        rank_slowest(&post->tally, s);
        add_times(post, now, &t);
    }
    s->uptime = (double)(now - (uint64_t)pool->made) / 1e9;
    if (t.manned)
        s->busy = (double)t.busy / (double)t.manned;
    if (s->busy > 1)
        s->busy = 1;
    if (t.waits)
        s->wait_mean = (double)t.waited / (double)t.waits / 1e9;
    s->wait_most = (double)t.waited_most / 1e9;
}

int
mp_pool_stats(mp_pool *pool, mp_pool_statistics *ret_statistics)
{
    mp_pool_statistics s = {0};
    int r = mp__object_enter(pool, MP__SLAB_POOL, "mp_pool_stats", "a pool");
    uint64_t size;

    if (r < 0)
        return r == -EREMOTE ? mp__pool_far_stats(pool, ret_statistics) : r;
    size = ret_statistics ? ret_statistics->size : 0;
    if (size < sizeof(s.size) || size > 65536)
        return mp__fail(-EINVAL,
                        "mp_pool_stats: ret_statistics->size is not set");
    r = mp_pool_workers(pool, NULL, 0); /* which looks after them */
    if (r < 0)
        return r;
    s.size = size;
    s.workers = (uint64_t)r;
    count_tasks(pool, &s);
    read_tallies(pool, &s);
    s.deaths = mp__load(&pool->died_in_all);
    s.replaced = mp__load(&pool->replaced);
    memset(ret_statistics, 0, size);
    memcpy(ret_statistics, &s, size < sizeof(s) ? size : sizeof(s));
    return 0;
}
