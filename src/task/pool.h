/* SPDX-License-Identifier: MIT */
/* The pool's cell: what lies in the region, and who writes it. Its posts are in
 * post.h. */
#pragma once

#include "base/atomic.h"
#include "base/macros.h"
#include "bell/bell.h"
#include "module/function.h"
#include "queue/queue.h"
#include "region/mutex.h"
#include "region/object.h"

#include <mproc/pool.h>
#include <mproc/process.h>

#define MP__POOL_NAME_MAX    40u
#define MP__POOL_WORKERS_MAX 1000
#define MP__POOL_WHY         184u
#define MP__POSTS_STEP       16u /* posts are made so many at a time */
#define MP__POOL_LEVELS      7u  /* of priority: -3 to 3 */
#define MP__POOL_NORMAL      3u  /* the level of priority 0 */

struct mp__post;
struct mp__job;
struct mp__inbox;

/* How a pool is. It only ever moves forward, by one store under its mutex. */
enum mp__pool_state {
    MP__POOL_RUNNING,
    MP__POOL_CLOSED,     /* takes no more tasks */
    MP__POOL_TERMINATED, /* what has not ended is cancelled */
    MP__POOL_BROKEN,     /* gave up: see `why` */
};

struct mp_pool {
    struct mp__object object;
    uint64_t id;     /* differs from that of any other pool, also a dead one */
    mp_queue *queue; /* of tasks, and of hints that there is a map */
    /* By level. That of level MP__POOL_NORMAL is `queue`; the others are made
     * when they are needed: NULL until then. */
    _Atomic(mp_queue *) levels[MP__POOL_LEVELS];
    /* Posts: only ever more. A segment is there before `posts` says so. */
    _Atomic(struct mp__post *)
        segments[MP__POOL_WORKERS_MAX / MP__POSTS_STEP + 1];
    mp__a32 posts;
    mp__a32 filled; /* posts that have a worker, or one on its way: follows
                       from their stages; writer: who holds the mutex */
    mp__a32 wanted; /* workers: at most so many; under the mutex */
    uint32_t least; /* that stay when there is nothing to do; 0: all */
    mp_time idle;   /* ns, after which the others leave */
    mp__a32 state;  /* enum mp__pool_state */
    mp__a32 ready;  /* a worker has got past its initializer */
    int32_t method;
    struct mp__function initializer; /* module 0: none */
    struct mp__function finalizer;
    uint64_t tasks_per_worker, memory_soft, memory_hard; /* 0: none */
    mp_time task_timeout;                                /* ns; 0: none */
    uint32_t task_retries;
    uint32_t depth;    /* pools that it is inside of */
    uint32_t budget;   /* processors, for all its workers together */
    uint32_t progress; /* MP_POOL_PROGRESS */
    int32_t threads;   /* *_NUM_THREADS of the workers, as in mp_pool_attr */
    uint32_t cpus_count;
    uint32_t *cpus; /* a block: a processor for each worker, in turn; NULL:
                       any */
    mp_time made;
    char *trace; /* a block: the path of the file; NULL: none */
    void *initializer_arg;
    uint64_t initializer_size;
    mp_process *owner; /* who made the pool */
    char name[MP__POOL_NAME_MAX + 8];

    /* For those who submit. */
    MP__ALIGNED(MP__LINE) mp__a64 submitted;
    mp__a64 refused;                     /* of those: never in a queue */
    mp__a64 cancelled;                   /* tasks, by mp_result_cancel() */
    mp__a64 maps;                        /* for their numbers */
    _Atomic(struct mp__inbox *) inboxes; /* all; only ever more: inbox.h */

    /* For who looks after the workers. The mutex is never held while anything
     * is allocated or started. */
    MP__ALIGNED(MP__LINE) struct mp__mutex mutex;
    struct mp__bell bell;
    mp__a32 changes;        /* rung when a post has been looked after */
    mp__a32 deaths;         /* in a row, without anything having ended */
    mp__a64 died_in_all;    /* workers, not in order */
    mp__a64 replaced;       /* workers that left to be replaced */
    mp__a64 relieved;       /* workers that left of their own accord */
    mp__a64 ended;          /* by all workers, at the last death */
    mp_time died;           /* when that was */
    mp__a64 oom_kills;      /* mp__oom_kills() of late, */
    mp__a64 oom_looked;     /*   and when that was */
    struct mp__job *jobs;   /* maps, oldest first; linked by one store */
    char last[240];         /* how the last worker died that did nothing */
    char why[MP__POOL_WHY]; /* of a broken pool */
};

static inline enum mp__pool_state
mp__pool_state(struct mp_pool *pool)
{
    return (enum mp__pool_state)mp__load_acquire(&pool->state);
}

/* Whether `pool` is still the pool of that id. */
static inline int
mp__pool_is(struct mp_pool *pool, uint64_t id)
{
    return mp__object_ok(pool, MP__SLAB_POOL) && pool->id == id;
}

/* Moves the pool forward to `state`; 0 if it is there or beyond already. `why`
 * is a sentence for those who ask a broken pool; else NULL. */
int mp__pool_advance(struct mp_pool *pool, enum mp__pool_state state,
                     const char *why);

/* The result of a call on a pool that takes no tasks (any more): 0 while it
 * runs, else the code, with a text. */
int mp__pool_refusal(struct mp_pool *pool, const char *function);

/* ---- Its queues ---- */

/* A message in the queue that stands for "there is a map to work at". */
#define MP__HINT ((void *)(uintptr_t)1)

/* The queue of a level; NULL: there is none yet. */
static inline mp_queue *
mp__pool_level(struct mp_pool *pool, uint32_t level)
{
    return atomic_load_explicit(&pool->levels[level], memory_order_acquire);
}

/* The queue of a priority (-3 to 3); made if it is not there. NULL: no memory.
 * Then, for all that are there: tasks in them, and closing them. */
mp_queue *mp__pool_queue(mp_pool *pool, int priority);
size_t mp__pool_queued(mp_pool *pool);
void mp__pool_close_queues(mp_pool *pool);
