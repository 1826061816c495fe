/* SPDX-License-Identifier: MIT */
/* What is counted.
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
 * Items of maps are counted by the range: their count is `base` and the index
 * of the first that has not ended. So that may be stored again, too.
 *
 * `slowest` is in no order. A pair is replaced in three stores, the time first
 * by 0 and then, last, by the other time: who reads the same time before and
 * after the number has a pair that was there. */
#include "progress/tally.h"

#include "os/clock.h"
#include "progress/trace.h"

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
mp__tally_arrive(struct mp__post *post)
{
    struct mp__tally *tally = &post->tally;
    uint64_t arrived = mp__load(&tally->arrived);

    if (arrived && (uint64_t)post->vacated > arrived)
        bump(&tally->manned, (uint64_t)post->vacated - arrived);
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
mp__tally_begin(struct mp__post *post, mp_task *task)
{
    struct mp__tally *tally = &post->tally;
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
mp__tally_end(struct mp__post *post, mp_task *task, mp_time begun, int failed)
{
    struct mp__tally *tally = &post->tally;
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
mp__tally_items(struct mp__post *post, struct mp__job *job, uint64_t from,
                uint64_t to, mp_time begun, mp_time ended)
{
    mp__store_relaxed(&post->tally.items,
                      mp__load_relaxed(&post->tally.base) + to);
    mp__store_release(&post->tally.range, 0);
    last_ended = ended;
    bump(&post->tally.busy, (uint64_t)(ended - begun));
    mp__store_relaxed(&post->tally.since, 0);
    if (MP__UNLIKELY(mp__trace_on))
        mp__trace_items(job, from, to, begun, ended);
}

/* ---- Who buries it ---- */

void
mp__tally_death(struct mp__post *post, int task)
{
    struct mp__tally *tally = &post->tally;
    uint64_t since = mp__load(&tally->since);

    mp__store(&tally->since, 0);
    if (since)
        bump(&tally->busy, (uint64_t)mp__now() - since);
    mp__store(&tally->intent,
              task ? (mp__load(&tally->failed) + 1) << 1 | 1 : 0);
}

void
mp__tally_rest(struct mp__post *post, uint64_t at, uint64_t below, uint64_t to)
{
    struct mp__tally *tally = &post->tally;

    if (mp__load(&tally->range) && at < to)
        mp__trace_lost_items(
            post, mp__load(&tally->items) - mp__load(&tally->base), at);
    mp__tally_death(post, 0);
    if (mp__load(&tally->range) == 0) {
        if (at >= to)
            return;
        mp__tally_range(post, at, to, 0); /* which it had no time to do */
    }
    mp__store(&tally->items, mp__load(&tally->base) + below);
    if (below == to)
        mp__store(&tally->range, 0);
}

/* ---- Reading ---- */

/* Who knows that a task has ended finds it counted, if only by the intent. */
static void
add_ends(struct mp__post *post, struct mp__tasks *t)
{
    uint64_t intent = mp__load(&post->tally.intent); /* before the counts */
    uint64_t done = mp__load(&post->tally.done);
    uint64_t failed = mp__load(&post->tally.failed);

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
        struct mp__post *post = mp__post_at(pool, i);

        add_ends(post, &t);
        t.running += mp__load(&post->tally.since) && !mp__load(&post->job);
    }
    t.submitted = mp__load(&pool->submitted) - refused; /* never too few */
    *ret_tasks = t;
}
