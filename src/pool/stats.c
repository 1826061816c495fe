/* SPDX-License-Identifier: MIT */
/* Statistics.
 *
 * Each post has a tally, written by its worker alone, with plain stores: a task
 * costs two readings of the clock, and nothing that is shared. Who wants to
 * know adds them up.
 *
 * The count of a task must agree with how it has ended, whenever the worker is
 * killed. So before the end is committed, the tally's `intent` says what its
 * count is going to be; it is stored after the end, and the intent taken back.
 * Who buries a worker finds either a task that has not ended, and writes the
 * intent itself; or one that has, and stores the count, again perhaps. Times
 * are not that exact: a death may lose a few.
 *
 * Items of maps are counted by the range: their count is `base` and the index of
 * the first that has not ended. So that may be stored again, too.
 *
 * `slowest` is in no order. A pair is replaced in three stores, the time first
 * by 0 and then, last, by the other time: who reads the same time before and
 * after the number has a pair that was there. */
#include "pool/far.h"
#include "pool/stats.h"

#include "base/error.h"
#include "os/clock.h"
#include "pool/trace.h"

#include <errno.h>
#include <string.h>

/* The shortest of the slowest at this process's post: what takes no longer is
 * not worth a look. */
static uint64_t shortest;

/* When this process has ended its last task, or range. */
static mp_time last_ended;

static void
bump(mp__a64 *count, uint64_t n)
{
    mp__store_relaxed(count, mp__load_relaxed(count) + n);
}

/* ---- The worker ---- */

static unsigned
find_shortest(const struct mp__tally *tally)
{
    unsigned at = 0;

    for (unsigned i = 1; i < MP__LENGTH(tally->slowest); i++)
        if (mp__load_relaxed(&tally->slowest[i].time) <
            mp__load_relaxed(&tally->slowest[at].time))
            at = i;
    shortest = mp__load_relaxed(&tally->slowest[at].time);
    return at;
}

MP__COLD static void
note_slow(struct mp__tally *tally, uint64_t number, uint64_t time)
{
    unsigned at = find_shortest(tally);

    mp__store_release(&tally->slowest[at].time, 0);
    mp__store_release(&tally->slowest[at].task, number);
    mp__store_release(&tally->slowest[at].time, time);
    find_shortest(tally);
}

void
mp__tally_arrive(struct mp__worker *w)
{
    struct mp__tally *tally = &w->tally;
    uint64_t arrived = mp__load(&tally->arrived);

    if (arrived && (uint64_t)w->vacated > arrived)
        bump(&tally->manned, (uint64_t)w->vacated - arrived);
    mp__store(&tally->arrived, (uint64_t)mp__now());
    find_shortest(tally);
    last_ended = 0;
}

/* Now, nearly: a task that was there before the last one ended begins with that
 * end. To read the clock is a fifth of what a small task costs. */
static mp_time
time_of_beginning(const mp_task *task)
{
    return task->submitted < last_ended ? last_ended : mp__now();
}

mp_time
mp__tally_begin(struct mp__worker *w, mp_task *task)
{
    struct mp__tally *tally = &w->tally;
    mp_time begun = time_of_beginning(task);
    uint64_t waited = (uint64_t)(begun - task->submitted);

    if (MP__UNLIKELY(mp__trace_on))
        mp__trace_begin(task);
    mp__store_relaxed(&tally->since, (uint64_t)begun);
    if (MP__UNLIKELY(mp__task_attempt(mp__load_relaxed(&task->state)) > 1)) {
        bump(&tally->retried, 1);
        return begun;
    }
    bump(&tally->waits, 1);
    bump(&tally->waited, waited);
    if (waited > mp__load_relaxed(&tally->waited_most))
        mp__store_relaxed(&tally->waited_most, waited);
    return begun;
}

void
mp__tally_end(struct mp__worker *w, mp_task *task, mp_time begun, int failed)
{
    struct mp__tally *tally = &w->tally;
    mp_time ended = mp__now();
    uint64_t time = (uint64_t)(ended - begun);
    uint64_t count = mp__load_relaxed(failed ? &tally->failed : &tally->done);

    last_ended = ended;
    bump(&tally->busy, time);
    mp__store_relaxed(&tally->since, 0);
    if (MP__UNLIKELY(time > shortest))
        note_slow(tally, task->number, time);
    if (MP__UNLIKELY(mp__trace_on))
        mp__trace_task(task, begun, ended, failed);
    /* release: before the end of the task, for who buries this worker */
    mp__store_release(&tally->intent, (count + 1) << 1 | (unsigned)failed);
}

void
mp__tally_items(struct mp__worker *w, struct mp__job *job, uint64_t from,
                uint64_t to, mp_time begun, mp_time ended)
{
    mp__store_relaxed(&w->tally.items, mp__load_relaxed(&w->tally.base) + to);
    mp__store_release(&w->tally.range, 0);
    last_ended = ended;
    bump(&w->tally.busy, (uint64_t)(ended - begun));
    mp__store_relaxed(&w->tally.since, 0);
    if (MP__UNLIKELY(mp__trace_on))
        mp__trace_items(job, from, to, begun, ended);
}

/* ---- Who buries it ---- */

void
mp__tally_death(struct mp__worker *w, int task)
{
    struct mp__tally *tally = &w->tally;
    uint64_t since = mp__load(&tally->since);

    mp__store(&tally->since, 0);
    if (since)
        bump(&tally->busy, (uint64_t)mp__now() - since);
    mp__store(&tally->intent,
              task ? (mp__load(&tally->failed) + 1) << 1 | 1 : 0);
}

void
mp__tally_rest(struct mp__worker *w, uint64_t at, uint64_t below, uint64_t to)
{
    struct mp__tally *tally = &w->tally;

    if (mp__load(&tally->range) && at < to)
        mp__trace_lost_items(
            w, mp__load(&tally->items) - mp__load(&tally->base), at);
    mp__tally_death(w, 0);
    if (mp__load(&tally->range) == 0) {
        if (at >= to)
            return;
        mp__tally_range(w, at, to, 0); /* which it had no time to do */
    }
    mp__store(&tally->items, mp__load(&tally->base) + below);
    if (below == to)
        mp__store(&tally->range, 0);
}

/* ---- Reading ---- */

static int
has_worker(struct mp__worker *w)
{
    enum mp__stage stage = mp__worker_stage(w);

    return stage == MP__STAGE_UP || stage == MP__STAGE_RELIEVED ||
           stage == MP__STAGE_LEAVING;
}

/* Who knows that a task has ended finds it counted, if only by the intent. */
static void
add_ends(struct mp__worker *w, struct mp__tasks *t)
{
    uint64_t intent = mp__load(&w->tally.intent); /* before the counts */
    uint64_t done = mp__load(&w->tally.done);
    uint64_t failed = mp__load(&w->tally.failed);

    if (intent & 1)
        failed = intent >> 1 > failed ? intent >> 1 : failed;
    else
        done = intent >> 1 > done ? intent >> 1 : done;
    t->done += done;
    t->failed += failed;
}

void
mp__tally_tasks(mp_pool *pool, struct mp__tasks *ret_tasks)
{
    struct mp__tasks t = {.cancelled = mp__load(&pool->cancelled)};
    uint64_t refused = mp__load(&pool->refused);

    for (uint32_t i = 0; i < mp__posts(pool); i++) {
        struct mp__worker *w = mp__post(pool, i);

        add_ends(w, &t);
        t.running += mp__load(&w->tally.since) && !mp__load(&w->job);
    }
    t.submitted = mp__load(&pool->submitted) - refused; /* never too few */
    *ret_tasks = t;
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
add_times(struct mp__worker *w, uint64_t now, struct times *t)
{
    struct mp__tally *tally = &w->tally;
    uint64_t since = mp__load(&tally->since);
    uint64_t arrived = mp__load(&tally->arrived);
    uint64_t until = has_worker(w) ? now : (uint64_t)w->vacated;
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
        struct mp__worker *w = mp__post(pool, i);

        s->retried += mp__load(&w->tally.retried);
        s->items += mp__load(&w->tally.items);
        rank_slowest(&w->tally, s);
        add_times(w, now, &t);
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
