/* SPDX-License-Identifier: MIT */
/* Ranges: how the workers share out the items of a map.
 *
 * Ranges of items are handed out under the job's mutex. The worker writes the
 * range into its post, `from` first, and commits by moving the cursor. A
 * worker that dies before that has a range that begins at the cursor: repair
 * makes such a range void before the cursor moves again. `at` is the item that
 * is running: items before it are done, and when the worker dies, `at` is the
 * one that fails, or is tried again (keeper/settle_map.c). The range stays
 * with the post, and the successor goes on in it. Nothing counts finished
 * items: all have ended when the cursor is at the end and no post has anything
 * left of its range.
 *
 * How many items does a worker get? As many as it wants, but not more than a
 * fair part of what is left, so that all workers end together; and never more
 * than a small part of all, for what comes next may cost a thousand times as
 * much as what was measured, and whoever takes it has it. */
#include "task/job.h"

#define TAPER 32u /* least part of it that is worth the trouble */
#define SHARE 32u /* ranges for each worker, at the least */

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
        struct mp__post *post = mp__post_at(job->pool, i);

#ifndef MP__MUTATION_RANGE_NOT_VOID
        if (mp__load(&post->job) == job &&
            mp__load(&post->from) == mp__load(&job->cursor))
            mp__store(&post->at, mp__load(&post->to));
#else
        (void)post;
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
        struct mp__post *post = mp__post_at(job->pool, i);

        if (mp__load(&post->job) == job &&
            mp__load(&post->at) < mp__load(&post->to))
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
        struct mp__post *post = mp__post_at(job->pool, i);
        uint64_t to = mp__load(&post->to), at = mp__load(&post->at);

        if (mp__load(&post->job) == job && at < to)
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
bounded_size(struct mp__job *job, struct mp__post *post, uint64_t size)
{
    uint64_t most = job->pool->tasks_per_worker;
    uint64_t served = mp__load_relaxed(&post->served);

    if (MP__LIKELY(most == 0) || size + served <= most)
        return size;
    return served < most ? most - served : 1;
}

int
mp__job_take(struct mp__job *job, struct mp__post *post, uint64_t wanted)
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
        wanted = bounded_size(job, post, wanted);
        if (wanted < left)
            left = wanted;
        /* In this order: from here until the commit the range is void. */
        mp__store_release(&post->from, cursor);
        mp__store_release(&post->to, cursor + left);
        mp__store_release(&post->at, cursor);
        mp__store(&job->cursor, cursor + left);
    }
    mp__mutex_unlock(&job->mutex);
    return left != 0;
}

/* ---- After a death ---- */

uint64_t
mp__job_resumes_at(struct mp__post *post, uint64_t at)
{
    uint64_t again = mp__load(&post->again);

    return again && again >> 16 == at && again != mp__load(&post->attempt)
               ? at
               : at + 1;
}
