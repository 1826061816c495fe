/* SPDX-License-Identifier: MIT */
/* What workers note about their work: for mp_pool_stats(), and the trace. */
#pragma once

#include "task/job.h"
#include "task/task.h"

/* A worker has come to its post. */
void mp__tally_arrive(struct mp__post *post);

/* A task begins, and is about to end. Returns the time, for the other. */
mp_time mp__tally_begin(struct mp__post *post, mp_task *task);
void mp__tally_end(struct mp__post *post, mp_task *task, mp_time begun,
                   int failed);
/* Who buries a worker: the task that it was at is about to fail (1), or it was
 * at a map, or is not to be counted (0). */
void mp__tally_death(struct mp__post *post, int task);

/* The task has ended so (1), or is not to be counted (0): it was cancelled, or
 * will be tried again. May be done again. */
static inline void
mp__tally_settle(struct mp__post *post, int counts)
{
    uint64_t intent = mp__load_relaxed(&post->tally.intent);

    if (intent && counts)
        mp__store_relaxed(intent & 1 ? &post->tally.failed : &post->tally.done,
                          intent >> 1);
    /* release: pairs with mp__tally_tasks() */
    mp__store_release(&post->tally.intent, 0);
}

/* Items `from` to `to` of a map begin to be run. */
static inline void
mp__tally_range(struct mp__post *post, uint64_t from, uint64_t to,
                mp_time begun)
{
    mp__store_relaxed(&post->tally.since, (uint64_t)begun);
    mp__store_relaxed(&post->tally.base,
                      mp__load_relaxed(&post->tally.items) - from);
    mp__store_release(&post->tally.range, to + 1);
}

/* For who buries a worker whose range ends at `to`: it died at item `at` (`to`:
 * at none), and those below `below` have ended. */
void mp__tally_rest(struct mp__post *post, uint64_t at, uint64_t below,
                    uint64_t to);

/* They were run. */
void mp__tally_items(struct mp__post *post, struct mp__job *job, uint64_t from,
                     uint64_t to, mp_time begun, mp_time ended);

/* For a bar: what the pool has done so far, of how many tasks. */
struct mp__tasks {
    uint64_t submitted, done, failed, cancelled, running;
};
void mp__tally_tasks(mp_pool *pool, struct mp__tasks *ret_tasks);
