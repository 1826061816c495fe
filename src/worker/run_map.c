/* SPDX-License-Identifier: MIT */
/* Maps in the worker: running the items of its ranges (task/range.c).
 *
 * How many items to ask for at once? As many as take some 100 us by the
 * worker's own clock, for then the mutex costs nothing. */
#include "worker/run.h"

#include "base/error.h"
#include "os/clock.h"
#include "progress/tally.h"
#include "worker/limit.h"
#include "worker/relief.h"

#include <errno.h>

#define RANGE_TIME 100000 /* ns of work to take at once */
#define GROWTH     8u     /* most that one range may be larger than the last */

/* Items from `i` on, of which no more is to be known than whether they
 * fail. */
static void
run_fast(struct mp__job *job, struct mp__post *post, mp_map_fn f, uint64_t i)
{
    const size_t in_size = job->in_size, out_size = job->out_size;
    uintptr_t in = (uintptr_t)job->in + i * in_size; /* may stay 0 */
    uintptr_t out = (uintptr_t)job->out + i * out_size;
    const uint64_t to = mp__load(&post->to);
    void *ctx = job->ctx;
    int r;

    for (; i < to; i++, in += in_size, out += out_size) {
        if (MP__UNLIKELY(mp__load_relaxed(&job->stop)))
            break;
        /* relaxed: only death reads it, and f cannot be moved before it */
        mp__store_relaxed(&post->at, i);
        r = f((const void *)in, (void *)out, ctx);
        if (MP__UNLIKELY(r < 0))
            mp__job_note(job, i, r, NULL);
    }
}

/* The same with codes and limits. A code is written while the item is still
 * that of the post: if the worker dies before it has gone on, the item has
 * failed, and its code is written again. */
static void
run_watched(struct mp__job *job, struct mp__post *post, mp_map_fn f,
            uint64_t i)
{
    const uint64_t to = mp__load(&post->to);
    int unlimited, r;

    for (; i < to && !mp__load_relaxed(&job->stop); i++) {
        uintptr_t in = (uintptr_t)job->in + i * job->in_size;
        uintptr_t out = (uintptr_t)job->out + i * job->out_size;

        /* release: behind the code of the last item */
        mp__store_release(&post->at, i);
        unlimited = job->timeout ? mp__limit_begin(post, job->timeout, 0) : 0;
        r = unlimited ? unlimited : f((const void *)in, (void *)out, job->ctx);
        if (job->timeout)
            mp__limit_end(post);
        if (r < 0)
            mp__job_note(job, i, r, unlimited ? mp_last_error() : NULL);
        if (job->codes)
            job->codes[i] = r;
    }
}

/* Runs the items of the post's range from `from` on; when it has ended. */
static mp_time
run_range(struct mp__job *job, struct mp__post *post, mp_map_fn f,
          uint64_t from, mp_time begun)
{
    const uint64_t to = mp__load(&post->to);
    mp_time ended;

    mp__tally_range(post, from, to, begun);
    if (job->codes || job->timeout)
        run_watched(job, post, f, from);
    else
        run_fast(job, post, f, from);
    mp__worker_check(post);
    mp__store_release(&post->at, to);
    mp__store_relaxed(&post->ended, mp__load_relaxed(&post->ended) + 1);
    mp__store_relaxed(&post->served,
                      mp__load_relaxed(&post->served) + to - from);
    ended = mp__now();
    mp__tally_items(post, job, from, to, begun, ended);
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

/* What is left of the range of a worker that died at this post. An attempt is
 * used up once it is noted here: before that the next worker makes it. */
static mp_time
run_inherited(struct mp__job *job, struct mp__post *post, mp_map_fn f,
              mp_time begun)
{
    uint64_t at = mp__load(&post->at);
    uint64_t next = mp__job_resumes_at(post, at);

    if (at >= mp__load(&post->to))
        return begun;
    if (next == at) {
        mp__store(&post->attempt, mp__load(&post->again));
        mp__store_relaxed(&post->tally.retried,
                          mp__load_relaxed(&post->tally.retried) + 1);
    }
    return run_range(job, post, f, next, begun);
}

/* Until there is nothing left, or there is something better to do. */
static void
run_ranges(struct mp__job *job, struct mp__post *post, mp_map_fn f)
{
    uint64_t size = job->chunk ? job->chunk : 1;
    mp_time begun = run_inherited(job, post, f, mp__now()), ended;

    while (!mp__worker_should_leave(job->pool, post) &&
           !mp__job_outranked(job->pool, job) &&
           mp__job_take(job, post, size)) {
        uint64_t from = mp__load(&post->from);

        if (!job->chunk) /* what it waited for the mutex does not count */
            begun = mp__now();
        ended = run_range(job, post, f, from, begun);
        if (!job->chunk)
            size = next_size(mp__load(&post->to) - from, ended - begun);
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
mp__job_work(mp_pool *pool, struct mp__post *post)
{
    struct mp__job *job = mp__load(&post->job);
    mp__code *code;

    if (!job)
        job = mp__job_join(pool, post);
    while (job) {
        if (mp__function_import(&job->function, &code, "mp_pool_map") < 0)
            code = (mp__code *)no_function;
        run_ranges(job, post, (mp_map_fn)code);
        mp__job_announce(job);
        mp__job_leave(pool, post);
        job = mp__worker_should_leave(pool, post) ? NULL
                                                  : mp__job_join(pool, post);
    }
}
