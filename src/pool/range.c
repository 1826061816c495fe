/* SPDX-License-Identifier: MIT */
/* Ranges: how the workers share out the items of a map.
 *
 * Ranges of items are handed out under the job's mutex. The worker writes the
 * range into its post, `from` first, and commits by moving the cursor. A
 * worker that dies before that has a range that begins at the cursor: repair
 * makes such a range void before the cursor moves again. `at` is the item that
 * is running: items before it are done, and when the worker dies, `at` is the
 * one that fails, or is tried again (job_death.c). The range stays with the
 * post, and the successor goes on in it. Nothing counts finished items: all
 * have ended when the cursor is at the end and no post has anything left of
 * its range.
 *
 * How many items to take at once? As many as take some 100 us by the worker's
 * own clock, for then the mutex costs nothing. But not more than a fair part
 * of what is left, so that all workers end together; and never more than a
 * small part of all, for what comes next may cost a thousand times as much as
 * what was measured, and whoever takes it has it. */
#include "base/error.h"
#include "os/clock.h"
#include "pool/job.h"
#include "pool/limit.h"
#include "pool/stats.h"

#include <errno.h>

#define RANGE_TIME 100000 /* ns of work to take at once */
#define GROWTH     8u     /* most that one range may be larger than the last */
#define TAPER      32u    /* least part of it that is worth the trouble */
#define SHARE      32u    /* ranges for each worker, at the least */

/* ---- Under the job's mutex ---- */

/* A range that its worker did not live to commit begins at the cursor. The
 * end of a cancelled job is moved after that. */
static void
repair_job(struct mp__mutex *mutex)
{
    struct mp__job *job = MP__CONTAINER(mutex, struct mp__job, mutex);

    if (!mp__pool_is(job->pool, job->pool_id))
        return; /* no posts, no ranges */
    for (uint32_t i = 0; i < mp__posts(job->pool); i++) {
        struct mp__worker *w = mp__post(job->pool, i);

#ifndef MP__MUTATION_RANGE_NOT_VOID
        if (mp__load(&w->job) == job &&
            mp__load(&w->from) == mp__load(&job->cursor))
            mp__store(&w->at, mp__load(&w->to));
#else
        (void)w;
#endif
    }
    if (mp__load(&job->cancelled)) {
        mp__store(&job->stop, 1);
        mp__store(&job->cursor, job->n);
    }
}

__attribute__((constructor)) static void
register_repair(void)
{
    mp__mutex_repair_with(MP__MUTEX_JOB, repair_job);
}

int
mp__job_is_complete(struct mp__job *job)
{
    if (mp__load(&job->cursor) < job->n)
        return 0;
    for (uint32_t i = 0; i < mp__posts(job->pool); i++) {
        struct mp__worker *w = mp__post(job->pool, i);

        if (mp__load(&w->job) == job && mp__load(&w->at) < mp__load(&w->to))
            return 0;
    }
    return 1;
}

/* Without the mutex: a range that is just being taken may count or not. */
uint64_t
mp__job_count_ended(struct mp__job *job)
{
    uint64_t taken = mp__load(&job->cursor), running = 0;

    for (uint32_t i = 0; i < mp__posts(job->pool); i++) {
        struct mp__worker *w = mp__post(job->pool, i);
        uint64_t to = mp__load(&w->to), at = mp__load(&w->at);

        if (mp__load(&w->job) == job && at < to)
            running += to - at;
    }
    return running < taken ? taken - running : 0;
}

/* How many of `left` items to take, if `wanted` take the time they should. */
static uint64_t
fair_size(struct mp__job *job, uint64_t left, uint64_t wanted)
{
    uint64_t workers = mp__load_relaxed(&job->pool->wanted);
    uint64_t share = job->n / (SHARE * workers);
    uint64_t fair = left / (2 * workers);

    if (wanted > share)
        wanted = share;
    if (fair < wanted)
        wanted = fair > wanted / TAPER ? fair : wanted / TAPER;
    return wanted + (wanted == 0);
}

/* As many as the worker may still do before it is replaced. */
static uint64_t
bounded_size(struct mp__job *job, struct mp__worker *w, uint64_t size)
{
    uint64_t most = job->pool->tasks_per_worker;
    uint64_t served = mp__load_relaxed(&w->served);

    if (MP__LIKELY(most == 0) || size + served <= most)
        return size;
    return served < most ? most - served : 1;
}

/* Takes about `wanted` items; 0: there are none left. */
static int
take_range(struct mp__job *job, struct mp__worker *w, uint64_t wanted)
{
    uint64_t cursor, left;
    int abandoned = !mp__job_has_caller(job);

    mp__mutex_lock(&job->mutex);
    cursor = mp__load(&job->cursor);
    if (abandoned || mp__load(&job->stop)) {
        mp__store(&job->cursor, job->n);
        cursor = job->n;
    }
    left = job->n - cursor;
    if (left) {
        if (job->chunk == 0)
            wanted = fair_size(job, left, wanted);
        wanted = bounded_size(job, w, wanted);
        if (wanted < left)
            left = wanted;
        /* In this order: from here until the commit the range is void. */
        mp__store_release(&w->from, cursor);
        mp__store_release(&w->to, cursor + left);
        mp__store_release(&w->at, cursor);
        mp__store(&job->cursor, cursor + left);
    }
    mp__mutex_unlock(&job->mutex);
    return left != 0;
}

/* ---- Running ---- */

/* Items from `i` on, of which no more is to be known than whether they
 * fail. */
static void
run_fast(struct mp__job *job, struct mp__worker *w, mp_map_fn f, uint64_t i)
{
    const size_t in_size = job->in_size, out_size = job->out_size;
    uintptr_t in = (uintptr_t)job->in + i * in_size; /* may stay 0 */
    uintptr_t out = (uintptr_t)job->out + i * out_size;
    const uint64_t to = mp__load(&w->to);
    void *ctx = job->ctx;
    int r;

    for (; i < to; i++, in += in_size, out += out_size) {
        if (MP__UNLIKELY(mp__load_relaxed(&job->stop)))
            break;
        /* relaxed: only death reads it, and f cannot be moved before it */
        mp__store_relaxed(&w->at, i);
        r = f((const void *)in, (void *)out, ctx);
        if (MP__UNLIKELY(r < 0))
            mp__job_note(job, i, r, NULL);
    }
}

/* The same with codes and limits. A code is written while the item is still
 * that of the post: if the worker dies before it has gone on, the item has
 * failed, and its code is written again. */
static void
run_watched(struct mp__job *job, struct mp__worker *w, mp_map_fn f, uint64_t i)
{
    const uint64_t to = mp__load(&w->to);
    int unlimited, r;

    for (; i < to && !mp__load_relaxed(&job->stop); i++) {
        uintptr_t in = (uintptr_t)job->in + i * job->in_size;
        uintptr_t out = (uintptr_t)job->out + i * job->out_size;

        /* release: behind the code of the last item */
        mp__store_release(&w->at, i);
        unlimited = job->timeout ? mp__limit_begin(w, job->timeout, 0) : 0;
        r = unlimited ? unlimited : f((const void *)in, (void *)out, job->ctx);
        if (job->timeout)
            mp__limit_end(w);
        if (r < 0)
            mp__job_note(job, i, r, unlimited ? mp_last_error() : NULL);
        if (job->codes)
            job->codes[i] = r;
    }
}

/* Runs the items of the post's range from `from` on; when it has ended. */
static mp_time
run_range(struct mp__job *job, struct mp__worker *w, mp_map_fn f,
          uint64_t from, mp_time begun)
{
    const uint64_t to = mp__load(&w->to);
    mp_time ended;

    mp__tally_range(w, from, to, begun);
    if (job->codes || job->timeout)
        run_watched(job, w, f, from);
    else
        run_fast(job, w, f, from);
    mp__worker_check(w);
    mp__store_release(&w->at, to);
    mp__store_relaxed(&w->ended, mp__load_relaxed(&w->ended) + 1);
    mp__store_relaxed(&w->served, mp__load_relaxed(&w->served) + to - from);
    ended = mp__now();
    mp__tally_items(w, job, from, to, begun, ended);
    return ended;
}

/* The next size of range, after one of `size` items took `time` ns. */
static uint64_t
next_size(uint64_t size, mp_time time)
{
    uint64_t most = size * GROWTH;
    uint64_t wanted;

    if (time < RANGE_TIME / (mp_time)GROWTH)
        return most;
    wanted = (uint64_t)((double)size * RANGE_TIME / (double)time);
    return wanted < 1 ? 1 : wanted < most ? wanted : most;
}

uint64_t
mp__job_resumes_at(struct mp__worker *w, uint64_t at)
{
    uint64_t again = mp__load(&w->again);

    return again && again >> 16 == at && again != mp__load(&w->attempt)
               ? at
               : at + 1;
}

/* What is left of the range of a worker that died at this post. An attempt is
 * used up once it is noted here: before that the next worker makes it. */
static mp_time
run_inherited(struct mp__job *job, struct mp__worker *w, mp_map_fn f,
              mp_time begun)
{
    uint64_t at = mp__load(&w->at);
    uint64_t next = mp__job_resumes_at(w, at);

    if (at >= mp__load(&w->to))
        return begun;
    if (next == at) {
        mp__store(&w->attempt, mp__load(&w->again));
        mp__store_relaxed(&w->tally.retried,
                          mp__load_relaxed(&w->tally.retried) + 1);
    }
    return run_range(job, w, f, next, begun);
}

/* Until there is nothing left, or there is something better to do. */
static void
run_ranges(struct mp__job *job, struct mp__worker *w, mp_map_fn f)
{
    uint64_t size = job->chunk ? job->chunk : 1;
    mp_time begun = run_inherited(job, w, f, mp__now()), ended;

    while (!mp__worker_should_leave(job->pool, w) &&
           !mp__job_outranked(job->pool, job) && take_range(job, w, size)) {
        uint64_t from = mp__load(&w->from);

        if (!job->chunk) /* what it waited for the mutex does not count */
            begun = mp__now();
        ended = run_range(job, w, f, from, begun);
        if (!job->chunk)
            size = next_size(mp__load(&w->to) - from, ended - begun);
        begun = ended;
    }
}

/* In place of a function that this process does not have. */
static int
no_function(const void *item, void *result, void *ctx)
{
    (void)item;
    (void)result;
    (void)ctx;
    return -ENOENT;
}

void
mp__job_work(mp_pool *pool, struct mp__worker *w)
{
    struct mp__job *job = mp__load(&w->job);
    mp__code *code;

    if (!job)
        job = mp__job_join(pool, w);
    while (job) {
        if (mp__function_import(&job->function, &code, "mp_pool_map") < 0)
            code = (mp__code *)no_function;
        run_ranges(job, w, (mp_map_fn)code);
        mp__job_announce(job);
        mp__job_leave(pool, w);
        job = mp__worker_should_leave(pool, w) ? NULL : mp__job_join(pool, w);
    }
}
