/* SPDX-License-Identifier: MIT */
/* Maps, as the workers see them.
 *
 * A job is in the pool's list; hints in the task queue make workers look
 * there. A worker that joins one writes it into its post, under the pool's
 * mutex: that pins the job, which is freed by the last to leave after its
 * caller has retired it. A hint may be stale; it then costs a look.
 *
 * Ranges of items are handed out under the job's mutex. The worker writes the
 * range into its post, `from` first, and commits by moving the cursor. A
 * worker that dies before that has a range that begins at the cursor: repair
 * makes such a range void before the cursor moves again. `at` is the item that
 * is running: items before it are done, and when the worker dies, `at` is the
 * one that fails. The range stays with the post, and the successor goes on
 * behind `at`. Nothing counts finished items: the job is done when the cursor
 * is at the end and no post has anything left of its range.
 *
 * How many items to take at once? As many as take some 100 us by the worker's
 * own clock, for then the mutex costs nothing; but not more than a fair part
 * of what is left, so that all workers end together. */
#include "pool/job.h"

#include "base/error.h"
#include "os/clock.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

_Static_assert(sizeof(struct mp__job) <= MP__SLAB_CELL_MAX, "one cell");

#define RANGE_TIME 100000 /* ns of work to take at once */
#define GROWTH     8u     /* most that one range may be larger than the last */
#define TAPER      32u    /* least part of it that is worth the trouble */

/* ---- Joining and leaving: under the pool's mutex ---- */

static int
is_pinned(mp_pool *pool, struct mp__job *job)
{
    for (uint32_t i = 0; i < pool->count; i++)
        if (mp__load(&pool->workers[i].job) == job)
            return 1;
    return 0;
}

static void
unlink_job(mp_pool *pool, struct mp__job *job)
{
    struct mp__job **link = &pool->jobs;

    while (*link && *link != job)
        link = &(*link)->next;
    if (*link)
        *link = job->next; /* one store: whole at every instant */
}

/* Takes the job out of the list if nobody needs it: 1, free it. */
static int
unlink_if_unused(mp_pool *pool, struct mp__job *job)
{
    if (!job->retired || is_pinned(pool, job))
        return 0;
    unlink_job(pool, job);
    return 1;
}

void
mp__job_free(struct mp__job *job)
{
    mp__object_retire(job, MP__SLAB_JOB);
    for (size_t i = 0; i < MP__LENGTH(job->blocks); i++)
        if (job->blocks[i])
            mp__block_free(job->blocks[i]);
    mp__object_free(job, MP__SLAB_JOB);
}

void
mp__job_list(mp_pool *pool, struct mp__job *job)
{
    struct mp__job **link = &pool->jobs;

    mp__mutex_lock(&pool->mutex);
    while (*link)
        link = &(*link)->next;
    *link = job;
    mp__mutex_unlock(&pool->mutex);
}

void
mp__job_retire(mp_pool *pool, struct mp__job *job)
{
    int unused;

    mp__mutex_lock(&pool->mutex);
    job->retired = 1;
    unused = unlink_if_unused(pool, job);
    mp__mutex_unlock(&pool->mutex);
    if (unused)
        mp__job_free(job);
}

static int
has_caller(struct mp__job *job)
{
    return mp__participant_find(job->caller) != NULL;
}

/* The oldest job that has items left goes into the post. One whose caller has
 * died is retired on the way, and `*ret_unused` if nobody is at it. */
static struct mp__job *
pick_job(mp_pool *pool, struct mp__worker *w, struct mp__job **ret_unused)
{
    struct mp__job *next;

    for (struct mp__job *job = pool->jobs; job; job = next) {
        next = job->next;
        if (!job->retired && !has_caller(job)) {
            mp__store(&job->stop, 1);
            job->retired = 1;
        }
        if (job->retired) {
            if (!*ret_unused && unlink_if_unused(pool, job))
                *ret_unused = job;
        } else if (mp__load_acquire(&job->open) &&
                   mp__load(&job->cursor) < job->n) {
            mp__store(&w->from, 0);
            mp__store(&w->to, 0);
            mp__store(&w->at, 0);
            mp__store(&w->job, job);
            return job;
        }
    }
    return NULL;
}

static struct mp__job *
join_job(mp_pool *pool, struct mp__worker *w)
{
    struct mp__job *unused = NULL;
    struct mp__job *job;

    mp__mutex_lock(&pool->mutex);
    job = pick_job(pool, w, &unused);
    mp__mutex_unlock(&pool->mutex);
    if (unused)
        mp__job_free(unused);
    return job;
}

static void
leave_job(mp_pool *pool, struct mp__worker *w)
{
    struct mp__job *job;
    int unused;

    mp__mutex_lock(&pool->mutex);
    job = mp__load(&w->job);
    mp__store(&w->job, NULL);
    unused = job && unlink_if_unused(pool, job);
    mp__mutex_unlock(&pool->mutex);
    if (unused)
        mp__job_free(job);
}

/* ---- Ranges: under the job's mutex ---- */

/* A range that its worker did not live to commit begins at the cursor. */
static void
repair_job(struct mp__mutex *mutex)
{
    struct mp__job *job = MP__CONTAINER(mutex, struct mp__job, mutex);

    for (uint32_t i = 0; i < job->pool->count; i++) {
        struct mp__worker *w = &job->pool->workers[i];

#ifndef MP__MUTATION_RANGE_NOT_VOID
        if (mp__load(&w->job) == job &&
            mp__load(&w->from) == mp__load(&job->cursor))
            mp__store(&w->at, mp__load(&w->to));
#else
        (void)w;
#endif
    }
}

__attribute__((constructor)) static void
register_repair(void)
{
    mp__mutex_repair_with(MP__MUTEX_JOB, repair_job);
}

/* Whether all items have ended. */
static int
is_complete(struct mp__job *job)
{
    if (mp__load(&job->cursor) < job->n)
        return 0;
    for (uint32_t i = 0; i < job->pool->count; i++) {
        struct mp__worker *w = &job->pool->workers[i];

        if (mp__load(&w->job) == job && mp__load(&w->at) < mp__load(&w->to))
            return 0;
    }
    return 1;
}

int
mp__job_is_complete(struct mp__job *job)
{
    int complete;

    if (mp__load(&job->done))
        return 1;
    mp__mutex_lock(&job->mutex);
    complete = is_complete(job);
    mp__mutex_unlock(&job->mutex);
    return complete;
}

/* Tells the caller if that was the last item. The job must be pinned. */
static void
announce_if_complete(struct mp__job *job)
{
    if (!mp__job_is_complete(job))
        return;
    mp__bell_arm(&job->bell);
    mp__store(&job->done, 1);
    mp__bell_ring(&job->bell, INT_MAX);
}

/* Takes up to `wanted` items, but leaves enough for the others. */
static int
take_range(struct mp__job *job, struct mp__worker *w, uint64_t wanted)
{
    uint64_t cursor, size;
    int abandoned = !has_caller(job);

    mp__mutex_lock(&job->mutex);
    cursor = mp__load(&job->cursor);
    if (abandoned || mp__load(&job->stop)) {
        mp__store(&job->cursor, job->n);
        cursor = job->n;
    }
    size = job->n - cursor;
    if (job->chunk == 0) {
        uint64_t fair = size / (2 * job->pool->count);

        if (fair < wanted)
            wanted = fair > wanted / TAPER ? fair : wanted / TAPER;
        wanted += wanted == 0;
    }
    if (wanted < size)
        size = wanted;
    if (size) {
        /* In this order: from here until the commit the range is void. */
        mp__store_release(&w->from, cursor);
        mp__store_release(&w->to, cursor + size);
        mp__store_release(&w->at, cursor);
        mp__store(&job->cursor, cursor + size);
    }
    mp__mutex_unlock(&job->mutex);
    return size != 0;
}

/* Records a failure, if it is the one with the lowest index. */
static void
note_failure(struct mp__job *job, uint64_t index, int code, const char *text)
{
    uint64_t lowest;
    struct mp__failure *failure;

    if (mp__load_relaxed(&job->failure) >> 1 < index)
        return;
    mp__mutex_lock(&job->mutex);
    lowest = mp__load(&job->failure);
    if (index <= lowest >> 1) {
        failure = &job->failures[~lowest & 1];
        failure->code = code;
        snprintf(failure->text, sizeof(failure->text), "%s", text);
        mp__store(&job->failure, index << 1 | (~lowest & 1));
    }
    mp__mutex_unlock(&job->mutex);
}

/* ---- Working ---- */

/* Runs the items of the range from `i` on. */
static void
run_range(struct mp__job *job, struct mp__worker *w, mp_map_fn f, uint64_t i)
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
            note_failure(job, i, r, "");
    }
    mp__worker_check(w);
    mp__store_release(&w->at, to);
    mp__store_relaxed(&w->ended, mp__load_relaxed(&w->ended) + 1);
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

static void
run_ranges(struct mp__job *job, struct mp__worker *w, mp_map_fn f)
{
    uint64_t size = job->chunk ? job->chunk : 1;
    uint64_t at = mp__load(&w->at);

    if (at < mp__load(&w->to)) /* inherited: its item `at` has failed */
        run_range(job, w, f, at + 1);
    while (take_range(job, w, size)) {
        mp_time begun = job->chunk ? 0 : mp__now();
        uint64_t from = mp__load(&w->from);

        run_range(job, w, f, from);
        if (!job->chunk)
            size = next_size(mp__load(&w->to) - from, mp__now() - begun);
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
        job = join_job(pool, w);
    while (job) {
        if (mp__function_import(&job->function, &code, "mp_pool_map") < 0)
            code = (mp__code *)no_function;
        run_ranges(job, w, (mp_map_fn)code);
        announce_if_complete(job);
        leave_job(pool, w);
        job = join_job(pool, w);
    }
}

/* ---- Death ---- */

int
mp__job_settle(mp_pool *pool, struct mp__worker *w, int forsake,
               const struct mp__obituary *obituary)
{
    struct mp__job *job = mp__load(&w->job);
    char text[MP__JOB_TEXT];
    uint64_t at, to;

    if (!job)
        return 0;
    mp__mutex_lock(&job->mutex); /* a range it did not commit becomes void */
    mp__mutex_unlock(&job->mutex);
    at = mp__load(&w->at);
    to = mp__load(&w->to);
    if (at < to && obituary) {
        if (obituary->why)
            snprintf(text, sizeof(text), "pool broken: %.230s", obituary->why);
        else
            snprintf(text, sizeof(text), "%s died while running it: %s",
                     obituary->who, obituary->how);
        note_failure(job, at, obituary->code, text);
    }
    if (forsake || at + 1 >= to)
        mp__store(&w->at, to);
    announce_if_complete(job);
    if (forsake)
        leave_job(pool, w);
    return at < to;
}

int
mp__job_pending(mp_pool *pool)
{
    int pending = 0;

    mp__mutex_lock(&pool->mutex);
    for (struct mp__job *job = pool->jobs; job && !pending; job = job->next)
        pending = !job->retired && has_caller(job) && !mp__load(&job->done);
    mp__mutex_unlock(&pool->mutex);
    return pending;
}

void
mp__job_forget_all(mp_pool *pool)
{
    struct mp__job *job, *next;

    mp__mutex_lock(&pool->mutex);
    job = pool->jobs;
    pool->jobs = NULL;
    mp__mutex_unlock(&pool->mutex);
    for (; job; job = next) {
        next = job->next;
        if (job->retired || !has_caller(job))
            mp__job_free(job);
    }
}
