/* SPDX-License-Identifier: MIT */
/* Maps: who is at them, and how they end.
 *
 * A job is in the pool's list, those of a higher priority first; hints in the
 * task queue make workers look there. A worker that joins one writes it into
 * its post, under the pool's mutex: that pins the job, which is freed by the
 * last to leave after its caller has retired it. A hint may be stale; it then
 * costs a look.
 *
 * A caller who waits for its map is the job's owner: with it the map dies, and
 * whoever looks for work retires it. A job with a handle is detached: it goes
 * on when who submitted it dies, once it is `open`, and is retired by
 * mp_result_free(); or before it has ended, and then it stays in the list
 * until nothing is left of it.
 *
 * The end has three steps. The last item ends (range.c), or the pool does:
 * that is all there is to know, and anybody can find it out. `verdict` keeps
 * what was found, for good: posts and pools go on to other things. It is set
 * once, under the job's mutex, and so is `cancelled`, before it or never. Then
 * who is to be told is told, first the inbox, then `done`. Who dies on the way
 * was a worker, and pinned the job: who buries it goes through the steps
 * again; or had the handle, and whoever asks next does. So an inbox may be
 * told twice, and never too seldom.
 *
 * A handle may outlive the pool. Then the posts are gone, and nothing that
 * asks for them may be called: the verdict is that of a pool that was
 * terminated. */
#include "task/job.h"

#include "base/error.h"
#include "os/clock.h"
#include "region/heap.h"
#include "task/inbox.h"

#include <limits.h>
#include <stdio.h>

_Static_assert(sizeof(struct mp__job) <= MP__SLAB_CELL_MAX, "one cell");

/* ---- The list: under the pool's mutex ---- */

static int
is_pinned(mp_pool *pool, struct mp__job *job)
{
    for (uint32_t i = 0; i < mp__posts(pool); i++)
        if (mp__load(&mp__post_at(pool, i)->job) == job)
            return 1;
    return 0;
}

static struct mp__job **
link_to(mp_pool *pool, const struct mp__job *job)
{
    struct mp__job **link = &pool->jobs;

    while (*link && *link != job)
        link = &(*link)->next;
    return link;
}

static int
is_listed(mp_pool *pool, const struct mp__job *job)
{
    return *link_to(pool, job) != NULL;
}

/* Takes the job out of the list if nobody needs it: 1, free it. A detached one
 * still needs to be done. */
static int
unlink_if_unused(mp_pool *pool, struct mp__job *job)
{
    struct mp__job **link = link_to(pool, job);

    if (!*link || !job->retired || is_pinned(pool, job))
        return 0;
    if (job->detached && mp__load(&job->cursor) < job->n &&
        mp__pool_state(pool) < MP__POOL_TERMINATED)
        return 0;
    *link = job->next; /* one store: whole at every instant */
    return 1;
}

static void
free_job(struct mp__job *job)
{
    mp__object_retire(job, MP__SLAB_JOB);
    mp__notice_free(atomic_load(&job->notice));
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
    while (*link && (*link)->priority >= job->priority)
        link = &(*link)->next;
    job->next = *link;
    /* release: a job is whole when it is in the list */
    __atomic_store_n(link, job, __ATOMIC_RELEASE);
    mp__mutex_unlock(&pool->mutex);
}

void
mp__job_retire(struct mp__job *job)
{
    mp_pool *pool = job->pool;
    int unused = 1;

    if (mp__pool_is(pool, job->pool_id)) {
        mp__mutex_lock(&pool->mutex);
        if (mp__pool_is(pool, job->pool_id) && is_listed(pool, job)) {
            job->retired = 1;
            unused = unlink_if_unused(pool, job);
        }
        mp__mutex_unlock(&pool->mutex);
    }
    if (unused)
        free_job(job);
}

/* ---- Joining and leaving ---- */

static int
can_be_joined(struct mp__job *job)
{
    /* acquire: pairs with call_workers() of pool/map.c, for the whole job */
    return mp__load_acquire(&job->open) && mp__load(&job->cursor) < job->n;
}

/* One whose caller has died is retired in his stead. */
static void
retire_orphan(struct mp__job *job)
{
    if (!mp__job_has_caller(job)) {
        mp__store(&job->stop, 1);
        job->detached = 0;
        job->retired = 1;
    } else if (job->unwanted && mp__is_dead(job->caller)) {
        job->retired = 1; /* its items are done all the same */
    }
}

/* The first job that has items left goes into the post; `*ret_unused`: one on
 * the way that nobody is at, nor will be. */
static struct mp__job *
pick_job(mp_pool *pool, struct mp__post *post, struct mp__job **ret_unused)
{
    struct mp__job *next;

    for (struct mp__job *job = pool->jobs; job; job = next) {
        next = job->next;
        retire_orphan(job);
        if (job->retired && !*ret_unused && unlink_if_unused(pool, job)) {
            *ret_unused = job;
        } else if ((!job->retired || job->detached) && can_be_joined(job)) {
            mp__store(&post->from, 0);
            mp__store(&post->to, 0);
            mp__store(&post->at, 0);
            mp__store(&post->again, 0);
            mp__store(&post->attempt, 0);
            mp__store(&post->job, job);
            return job;
        }
    }
    return NULL;
}

struct mp__job *
mp__job_join(mp_pool *pool, struct mp__post *post)
{
    struct mp__job *unused = NULL;
    struct mp__job *job = NULL;

    mp__mutex_lock(&pool->mutex);
    if (mp__pool_state(pool) < MP__POOL_TERMINATED)
        job = pick_job(pool, post, &unused);
    mp__mutex_unlock(&pool->mutex);
    if (unused)
        free_job(unused);
    return job;
}

void
mp__job_leave(mp_pool *pool, struct mp__post *post)
{
    struct mp__job *job;
    int unused;

    mp__mutex_lock(&pool->mutex);
    job = mp__load(&post->job);
    mp__store(&post->job, NULL);
    unused = job && unlink_if_unused(pool, job);
    mp__mutex_unlock(&pool->mutex);
    if (unused)
        free_job(job);
}

/* Without the mutex: what is read of another job may be stale, and it may be
 * free by now. That costs a look under the mutex. */
int
mp__job_outranked(mp_pool *pool, const struct mp__job *job)
{
    struct mp__job *first = __atomic_load_n(&pool->jobs, __ATOMIC_ACQUIRE);

    return first && first != job && first->priority > job->priority &&
           !mp__load(&first->stop) && can_be_joined(first);
}

/* ---- The end ---- */

/* What the end of the pool makes of a job that is not complete, if nobody is at
 * it any more. From then on nobody joins it. */
static enum mp__verdict
fate(struct mp__job *job)
{
    mp_pool *pool = job->pool;
    enum mp__pool_state state;
    int pinned;

    if (!mp__pool_is(pool, job->pool_id))
        return MP__JOB_TERMINATED;
    state = mp__pool_state(pool);
    if (MP__LIKELY(state < MP__POOL_TERMINATED))
        return MP__JOB_OPEN;
    mp__mutex_lock(&pool->mutex);
    pinned = is_pinned(pool, job);
    mp__mutex_unlock(&pool->mutex);
    if (pinned)
        return MP__JOB_OPEN;
    return state == MP__POOL_BROKEN ? MP__JOB_BROKEN : MP__JOB_TERMINATED;
}

int
mp__job_has_ended(struct mp__job *job)
{
    enum mp__verdict verdict = (enum mp__verdict)mp__load(&job->verdict);
    enum mp__verdict otherwise;

    if (verdict)
        return 1;
    otherwise = fate(job);
    mp__mutex_lock(&job->mutex);
    verdict = (enum mp__verdict)mp__load(&job->verdict);
    if (!verdict) {
        if (mp__pool_is(job->pool, job->pool_id) && mp__job_is_complete(job))
            verdict =
                mp__load(&job->cancelled) ? MP__JOB_CANCELLED : MP__JOB_DONE;
        else
            verdict = otherwise;
        if (verdict == MP__JOB_BROKEN)
            snprintf(job->why, sizeof(job->why), "pool %s is broken: %s",
                     job->pool->name, job->pool->why);
        mp__store(&job->verdict, verdict);
    }
    mp__mutex_unlock(&job->mutex);
    return verdict != MP__JOB_OPEN;
}

/* `told`: POLLED if those who poll have been; else 0, and if there are any
 * nothing is done: 0. */
static int
end_and_ring(struct mp__job *job, uint32_t told)
{
    uint32_t untold, done;

    mp__bell_arm(&job->bell);
    done = mp__load(&job->done);
    do
        untold = done & MP__JOB_POLLED & ~told;
    while (!untold && !(done & MP__JOB_ENDED) &&
           !mp__cas(&job->done, &done, done | MP__JOB_ENDED));
    mp__bell_ring(&job->bell, INT_MAX);
    return !untold;
}

void
mp__job_announce(struct mp__job *job)
{
    struct mp__notice *notice;
    unsigned teller;

    if (mp__job_is_done(job) || !mp__job_has_ended(job))
        return;
    if (job->inbox && mp__pool_is(job->pool, job->pool_id))
        mp__inbox_put(job->inbox, job, job->number);
    if (MP__LIKELY(end_and_ring(job, 0)))
        return;
    notice = atomic_load(&job->notice);
    teller = mp__notice_begin(notice);
    end_and_ring(job, MP__JOB_POLLED);
    mp__notice_end(notice, teller);
}

void
mp__job_stop(struct mp__job *job)
{
    mp__store(&job->stop, 1);
    mp__mutex_lock(&job->mutex);
    mp__store(&job->cursor, job->n);
    mp__mutex_unlock(&job->mutex);
}

int
mp__job_cancel(struct mp__job *job)
{
    mp__mutex_lock(&job->mutex);
    if (!mp__load(&job->verdict) && !mp__load(&job->cancelled) &&
        !mp__job_is_complete(job)) {
        job->cancel_time = mp__now();
        mp__store(&job->cancelled, 1);
        mp__store(&job->stop, 1);
        mp__store(&job->cursor, job->n);
    }
    mp__mutex_unlock(&job->mutex);
    return (int)mp__load(&job->cancelled);
}

void
mp__job_note(struct mp__job *job, uint64_t index, int code, const char *text)
{
    uint64_t lowest;
    struct mp__failure *failure;

    mp__add(&job->failed, 1);
    if (mp__load_relaxed(&job->failure) >> 1 < index)
        return;
    mp__mutex_lock(&job->mutex);
    lowest = mp__load(&job->failure);
    if (index <= lowest >> 1) {
        failure = &job->failures[~lowest & 1];
        failure->code = code;
        snprintf(failure->text, sizeof(failure->text), "item %llu failed: %s",
                 (unsigned long long)index, text ? text : mp_strerror(code));
        mp__store(&job->failure, index << 1 | (~lowest & 1));
    }
    mp__mutex_unlock(&job->mutex);
}

/* ---- The list as a whole ---- */

int
mp__job_pending(mp_pool *pool)
{
    int pending = 0;

    mp__mutex_lock(&pool->mutex);
    for (struct mp__job *job = pool->jobs; job && !pending; job = job->next)
        pending = (!job->retired || job->detached) &&
                  mp__job_has_caller(job) && !mp__job_is_done(job);
    mp__mutex_unlock(&pool->mutex);
    return pending;
}

/* One at a time: a job that is not in the list any more may be freed by who has
 * its handle. */
void
mp__job_forget_all(mp_pool *pool)
{
    struct mp__job *job;
    int unused;

    do {
        mp__mutex_lock(&pool->mutex);
        job = pool->jobs;
        if (job) {
            retire_orphan(job);
            pool->jobs = job->next;
        }
        unused = job && job->retired;
        mp__mutex_unlock(&pool->mutex);
        if (unused)
            free_job(job);
    } while (job);
}
