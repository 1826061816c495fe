/* SPDX-License-Identifier: MIT */
/* The pool, seen from inside: what lies in the region, and who writes it. */
#pragma once

#include "base/atomic.h"
#include "base/macros.h"
#include "channel/queue.h"
#include "process/function.h"
#include "region/bell.h"
#include "region/heap.h"
#include "region/mutex.h"

#include <mproc/pool.h>
#include <mproc/process.h>

#define MP__POOL_NAME_MAX    40u
#define MP__POOL_WORKERS_MAX 1000
#define MP__POOL_WHY         184u

/* How a pool is. It only ever moves forward, by one store under its mutex. */
enum mp__pool_state {
    MP__POOL_RUNNING,
    MP__POOL_CLOSED,     /* takes no more tasks */
    MP__POOL_TERMINATED, /* what has not ended is cancelled */
    MP__POOL_BROKEN,     /* gave up: see `why` */
};

/* How a worker's post is. */
enum mp__stage {
    MP__STAGE_VACANT,   /* nobody; somebody is wanted */
    MP__STAGE_STARTING, /* a process is on its way */
    MP__STAGE_UP,       /* taken by a worker */
    MP__STAGE_LEAVING,  /* its worker has found the queue closed and empty */
    MP__STAGE_GONE,     /* nobody, for good */
};

struct mp__job;

/* A worker's post: workers come and die, posts stay.
 *
 * `keeper` is the lock of the post against others who look after it: the
 * participant who buries the dead worker and starts the next. A dead keeper
 * counts as none, and whoever follows does the same steps again. `stage` is
 * changed under the pool's mutex. */
struct mp__worker {
    mp__a64 keeper;      /* participant; 0: none */
    mp__a64 stage;       /* {epoch: 56 | enum mp__stage: 8} */
    mp__a64 participant; /* the worker's thread. Writer: the worker, as it
                            takes the post */
    _Atomic(mp_process *) process; /* writers: its starter, itself */
    _Atomic(mp_process *) buried;  /* whose handle is to be closed, if it */
    uint32_t buried_serial;        /* still is that one; writer: keeper */
    mp_time retry;    /* when to start again after a failure; writer: keeper */
    uint32_t refused; /* its initializer failed. Writer: the worker */
    uint32_t ready;   /* it is past its initializer. Writer: the worker */
    uint32_t starter; /* pid of who started it; writer: keeper */
    uint32_t foster;  /* it outlives its starter; writer: keeper */

    /* What the worker does: written by it alone, read after its death. */
    MP__ALIGNED(MP__LINE) struct mp__claim claim; /* see mp__queue_get_claim */
    mp__a64 begun; /* sequence of the message it has made its own */
    mp__a64 ended; /* how much it has done since the pool was made */
    _Atomic(struct mp__job *) job; /* the map it works at: pins the job.
                                      Writer: the worker, under the pool's
                                      mutex */
    mp__a64 from, to; /* its range, under the job's mutex; from == cursor of
                         the job: the range was not taken */
    mp__a64 at;       /* item of the range that is running; `to`: none */
} MP__ALIGNED(MP__LINE);

struct mp_pool {
    struct mp__object object;
    uint64_t id;     /* differs from that of any other pool, also a dead one */
    mp_queue *queue; /* of tasks, and of hints that there is a map */
    struct mp__worker *workers;
    uint32_t count; /* of posts */
    mp__a32 state;  /* enum mp__pool_state */
    mp__a32 ready;  /* a worker has got past its initializer */
    int32_t method;
    struct mp__function initializer; /* module 0: none */
    void *initializer_arg;
    uint64_t initializer_size;
    mp_process *owner; /* who made the pool */
    char name[MP__POOL_NAME_MAX + 8];

    /* For those who submit. */
    MP__ALIGNED(MP__LINE) mp__a64 submitted;

    /* For who looks after the workers. The mutex is never held while anything
     * is allocated or started. */
    MP__ALIGNED(MP__LINE) struct mp__mutex mutex;
    struct mp__bell bell;
    mp__a32 changes;        /* rung when a post has been looked after */
    mp__a32 deaths;         /* in a row, without anything having ended */
    mp__a64 ended;          /* by all workers, at the last death */
    mp_time died;           /* when that was */
    struct mp__job *jobs;   /* maps, oldest first; linked by one store */
    char last[164];         /* how the last worker died that did nothing */
    char why[MP__POOL_WHY]; /* of a broken pool */
};

static inline enum mp__pool_state
mp__pool_state(struct mp_pool *pool)
{
    return (enum mp__pool_state)mp__load_acquire(&pool->state);
}

static inline enum mp__stage
mp__worker_stage(struct mp__worker *w)
{
    return (enum mp__stage)(mp__load_acquire(&w->stage) & 0xff);
}

static inline uint64_t
mp__stage_word(uint64_t epoch, enum mp__stage stage)
{
    return epoch << 8 | (uint64_t)stage;
}

/* Changes the stage, not the epoch. The pool's mutex is held. */
static inline void
mp__worker_set_stage(struct mp__worker *w, enum mp__stage stage)
{
    uint64_t epoch = mp__load_relaxed(&w->stage) >> 8;

    /* release: what was written about the post is seen with its stage */
    mp__store_release(&w->stage, mp__stage_word(epoch, stage));
}

/* Whether `pool` is still the pool of that id. */
static inline int
mp__pool_is(struct mp_pool *pool, uint64_t id)
{
    return mp__object_ok(pool, MP__SLAB_POOL) && pool->id == id;
}

/* The result of a call on a pool that takes no tasks (any more): 0 while it
 * runs, else the code, with a text. */
int mp__pool_refusal(struct mp_pool *pool, const char *function);

/* What is known of a worker's death. */
struct mp__obituary {
    int code;        /* of what it was running */
    char who[96];    /* "worker Pool-1:2 (pid 4711)" */
    char how[64];    /* "killed by signal 9 (SIGKILL)" */
    const char *why; /* what to say instead; NULL: the two above */
};

/* A message in the queue that stands for "there is a map to work at". */
#define MP__HINT ((void *)(uintptr_t)1)

/* ---- attend.c: looking after the workers ---- */

/* Looks after all posts: settles what dead workers leave behind, starts their
 * successors, kills what a terminated pool still has. Cheap when there is
 * nothing to do. No mutex may be held. */
void mp__pool_attend(struct mp_pool *pool);

/* A part of the same, for those who are in a hurry. */
void mp__pool_glance(struct mp_pool *pool, uint64_t turn);

/* Starts a worker at a post that is vacant, and whose keeper is the caller. 0
 * or the error of mp_process_start(). */
int mp__pool_fill(struct mp_pool *pool, struct mp__worker *w);

/* Sleeps until `*data != seen`, a worker or a keeper of the pool died, or for
 * a while. 0 (look again), -EAGAIN, -ETIMEDOUT, -EINTR. */
int mp__pool_sleep(struct mp_pool *pool, struct mp__bell *bell, mp__a32 *data,
                   uint32_t seen, mp_time deadline);

/* Whether every post is without a worker for good, and without a keeper. */
int mp__pool_is_empty(struct mp_pool *pool);

/* Kills the workers of a pool that is terminated or broken. */
void mp__pool_kill(struct mp_pool *pool);

/* The pool gives up; `why` is a sentence about it. */
void mp__pool_break(struct mp_pool *pool, const char *why);

/* Registers how pools and results are described: describe.c. */
void mp__pool_describe(void);

/* ---- worker.c ---- */

/* What a worker is started with. */
struct mp__posting {
    struct mp_pool *pool;
    uint64_t pool_id;
    uint64_t epoch;
    uint32_t index;
};

int mp__worker_main(void *posting);

/* Whether the calling process is a worker of that pool. */
int mp__worker_is_of(struct mp_pool *pool);

/* Ends a process that is not the worker of post `w`: the function of a task
 * has forked, and returns in the child too. */
void mp__worker_check(struct mp__worker *w);
