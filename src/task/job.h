/* SPDX-License-Identifier: MIT */
/* A map: one function, an array of items, and a cursor.
 *
 * job.c tells who may touch it when, range.c how items are handed out. */
#pragma once

#include "bell/notice.h"
#include "task/post.h"

#define MP__JOB_TEXT  1400u
#define MP__JOB_LABEL 64u

/* The failed item with the lowest index so far. */
struct mp__failure {
    int64_t code;
    char text[MP__JOB_TEXT];
};

#define MP__JOB_ENDED  1u
#define MP__JOB_POLLED 2u

/* How a map has ended. */
enum mp__verdict {
    MP__JOB_OPEN,       /* it has not */
    MP__JOB_DONE,       /* all items have, see `failure` */
    MP__JOB_CANCELLED,  /* by mp_result_cancel() */
    MP__JOB_TERMINATED, /* by the end of its pool */
    MP__JOB_BROKEN,     /* the same; `why` */
};

struct mp__job {
    struct mp__object object;
    mp_pool *pool;
    uint64_t pool_id;
    struct mp__job *next; /* in pool->jobs, under the pool's mutex */
    uint64_t caller;      /* participant who waits for the map */
    struct mp__function function;
    const char *in;
    char *out;
    void *ctx;
    uint64_t in_size, out_size, n;
    uint64_t chunk;   /* asked for; 0: as time tells */
    void *blocks[4];  /* copies of in, out, ctx, codes that go with the job */
    mp__a32 open;     /* may be joined. Writer: caller; readers: workers */
    mp__a32 stop;     /* items that have not begun shall not begin */
    uint32_t retired; /* nobody waits for it; under the pool's mutex */
    uint64_t number;  /* of the map in its pool, from 1 */
    int32_t *codes;   /* of each item; NULL: not wanted */
    mp_time timeout;  /* ns for an item; 0: none */
    uint32_t retries;
    int32_t priority;
    struct mp__inbox *inbox;   /* who is to be told of its end; NULL: nobody */
    char label[MP__JOB_LABEL]; /* of the bar while the caller waits; "" none */
    mp_time submitted;         /* when, for the bar */

    /* Of a map that has a handle, and goes on when its caller dies. */
    uint32_t detached;
    uint32_t unwanted;   /* there is no handle, and no callback: it is retired
                            once it is submitted */
    uint32_t origin;     /* the process that submitted it: pid, */
    uint64_t mark;       /*   and mp__job_mark() there */
    char *copy_out;      /* where the results go in that process; NULL: they */
    int32_t *copy_codes; /*   are where they are wanted */
    uint32_t copied;     /* they are there; under the job's mutex */
    mp__a32 cancelled;   /* by mp_result_cancel(); set under the job's mutex */
    mp_time cancel_time; /* when that was */

    MP__ALIGNED(MP__LINE) struct mp__mutex mutex;
    mp__a64 cursor;  /* items below are taken: THE commit of a range */
    mp__a64 failure; /* {index: 63 | which of failures}; ~0: none */
    mp__a64 failed;  /* items, about: those that die may count twice */
    struct mp__bell bell;
    mp__a32 verdict; /* enum mp__verdict: how it has ended; set once, under
                        the mutex */
    mp__a32 done;    /* ENDED: it has, and whoever wants to know was told.
                        POLLED: there is a notice, who ends it tells that
                        before; never taken back */
    mp__notice_at notice; /* who polls for it; NULL: nobody does */
    struct mp__failure failures[2];
    char why[MP__POOL_WHY + MP__POOL_NAME_MAX + 32];
} MP__ALIGNED(MP__LINE);

/* Whether it has ended, and all were told. */
static inline int
mp__job_is_done(struct mp__job *job)
{
    return (mp__load(&job->done) & MP__JOB_ENDED) != 0;
}

/* Whether somebody will still want its result. */
static inline int
mp__job_has_caller(struct mp__job *job)
{
    return (job->detached && mp__load(&job->open)) ||
           !mp__is_dead(job->caller);
}

/* ---- job.c: who is at it, and how it ends ---- */

/* Puts the job into the pool's list, behind those of its priority. */
void mp__job_list(struct mp_pool *pool, struct mp__job *job);

/* Its caller, or who has its handle, does not want it any more: whoever leaves
 * it last frees it. */
void mp__job_retire(struct mp__job *job);

/* Joins the first job that has items left, and leaves it. */
struct mp__job *mp__job_join(struct mp_pool *pool, struct mp__post *post);
void mp__job_leave(struct mp_pool *pool, struct mp__post *post);

/* Whether a job of a higher priority has come, about. */
int mp__job_outranked(struct mp_pool *pool, const struct mp__job *job);

/* Whether it has ended. mp__job_announce() tells those who wait as well; the
 * job must be pinned, or the caller have its handle. */
int mp__job_has_ended(struct mp__job *job);
void mp__job_announce(struct mp__job *job);

/* Items are not to begin any more. */
void mp__job_stop(struct mp__job *job);

/* The same, because it is not wanted any more: 1; 0: it had ended before. */
int mp__job_cancel(struct mp__job *job);
#define MP__JOB_GRACE 1000000 /* ns in which workers may leave it then */

/* Records a failure, if it is the one with the lowest index; `text` NULL: the
 * code says it all. */
void mp__job_note(struct mp__job *job, uint64_t index, int code,
                  const char *text);

/* Whether a map is not finished. */
int mp__job_pending(struct mp_pool *pool);

/* Gives back the maps that nobody waits for, at the end of the pool. */
void mp__job_forget_all(struct mp_pool *pool);

/* ---- range.c ---- */

/* Takes about `wanted` items into the worker's post; 0: there are none left. */
int mp__job_take(struct mp__job *job, struct mp__post *post, uint64_t wanted);

/* Whether all items have ended. The job's mutex is held, the pool is there. */
int mp__job_is_complete(struct mp__job *job);

/* How many items have ended, at about this moment. */
uint64_t mp__job_count_ended(struct mp__job *job);

/* Where the next worker at the post goes on, after a death at item `at`: there,
 * if it is to be tried again, or behind it. */
uint64_t mp__job_resumes_at(struct mp__post *post, uint64_t at);

/* The words `again` and `attempt` of a post. */
static inline uint64_t
mp__job_attempt_word(uint64_t item, uint32_t attempt)
{
    return item << 16 | attempt;
}
