/* SPDX-License-Identifier: MIT */
/* The pool, seen from inside: what lies in the region, and who writes it. */
#pragma once

#include "base/atomic.h"
#include "base/macros.h"
#include "channel/queue.h"
#include "os/backtrace.h"
#include "process/function.h"
#include "region/bell.h"
#include "region/heap.h"
#include "region/mutex.h"

#include <mproc/pool.h>
#include <mproc/process.h>

#define MP__POOL_NAME_MAX    40u
#define MP__POOL_WORKERS_MAX 1000
#define MP__POOL_WHY         184u
#define MP__POSTS_STEP       16u /* posts are made so many at a time */
#define MP__POOL_LEVELS      7u  /* of priority: -3 to 3 */
#define MP__POOL_NORMAL      3u  /* the level of priority 0 */

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
    MP__STAGE_RELIEVED, /* its worker leaves; another may be wanted */
    MP__STAGE_LEAVING,  /* its worker has found the queue closed and empty */
    MP__STAGE_GONE,     /* nobody, for good */
};

struct mp__job;
struct mp__trace;

/* What was done at a post, by all its workers: pool/stats.h. Writer: the
 * worker. */
struct mp__tally {
    mp__a64 done, failed; /* tasks */
    mp__a64 intent;       /* {count: 63 | failed: 1} that is to be stored when
                             a task has ended; 0: none */
    mp__a64 retried;      /* attempts beyond the first; items, too */
    mp__a64 items;        /* of maps */
    mp__a64 base;         /* items, less the index that the range began at */
    mp__a64 range;        /* 1 + the index behind its end; 0: there is none */
    mp__a64 busy;         /* ns, of what has ended */
    mp__a64 since;        /* when what is running began; 0: nothing is */
    mp__a64 arrived;      /* when the last worker came; 0: nobody has yet */
    mp__a64 manned;       /* ns that those before it were there */
    mp__a64 waits, waited, waited_most; /* tasks begun, and ns they waited */
    struct {
        mp__a64 task, time; /* ns; 0: none */
    } slowest[5];           /* in no order */
};

/* Where a worker crashed: pool/crash.h. Writer: its signal handler. */
enum mp__crash_cause {
    MP__CRASH_UNKNOWN,
    MP__CRASH_ACCESS, /* to memory that is not there, or not to be written */
    MP__CRASH_STACK,  /* no room is left on the stack */
};
struct mp__crash {
    mp__a64 epoch;    /* of the worker that crashed, see `stage`; 0: none */
    uint32_t cause;   /* enum mp__crash_cause */
    uint64_t touched; /* address that could not be accessed */
    struct mp__backtrace trace;
};

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
    uint32_t foster;  /* it outlives its starter; writer: keeper */
    uint32_t post;    /* its number, from 0 */
    mp_pool *pool;    /* that it is of */
    uint32_t cpu;     /* which of pool->cpus; writer: keeper */
    mp_time vacated;  /* when the last worker was buried; writer: keeper */
    uint64_t oom_kills; /* that there had been at its start; writer: keeper */
    mp__a32 idle;       /* it waits for something to do. Writer: the worker */

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
    mp__a64 again;    /* {item: 48 | attempt: 16}: item `at` is to be tried
                         again, in that attempt; 0: it is not. Writer: keeper */
    mp__a64 attempt;  /* the same of the attempt that was begun last. Writer:
                         the worker */
    mp__a64 expires;  /* when it is killed for what it runs: limit.h; 0:
                         never */
    mp__a64 limit;    /* ... after how many ns. Both: writer: the worker */
    mp__a64 served;   /* tasks and items by this worker */
    struct mp__tally tally;
    _Atomic(struct mp__trace *) trace; /* events that are not in the file yet;
                                          a block: trace.c. NULL: none */
    struct mp__crash crash;
} MP__ALIGNED(MP__LINE);

struct mp_pool {
    struct mp__object object;
    uint64_t id;     /* differs from that of any other pool, also a dead one */
    mp_queue *queue; /* of tasks, and of hints that there is a map */
    /* By level. That of level MP__POOL_NORMAL is `queue`; the others are made
     * when they are needed: NULL until then. */
    _Atomic(mp_queue *) levels[MP__POOL_LEVELS];
    /* Posts: only ever more. A segment is there before `posts` says so. */
    _Atomic(struct mp__worker *)
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

static inline uint32_t
mp__posts(struct mp_pool *pool)
{
    return mp__load_acquire(&pool->posts);
}

/* Post `i`, of those there are. */
static inline struct mp__worker *
mp__post(struct mp_pool *pool, uint32_t i)
{
    return atomic_load_explicit(&pool->segments[i / MP__POSTS_STEP],
                                memory_order_relaxed) +
           i % MP__POSTS_STEP;
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

static inline uint64_t
mp__worker_epoch(struct mp__worker *w)
{
    return mp__load(&w->stage) >> 8;
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
    int code;      /* of what it was running: -ESRCH, -ECANCELED (the pool is
                        terminated), -ETIMEDOUT (killed for its time) */
    char who[96];  /* "worker Pool-1:2 (pid 4711)" */
    char how[128]; /* "killed by signal 9 (SIGKILL), as the system had run
                        out of memory" */
    char where[2048]; /* a line for each function it was in; "": unknown */
    const char *why;  /* what to say instead; NULL: the above */
};

/* A message in the queue that stands for "there is a map to work at". */
#define MP__HINT ((void *)(uintptr_t)1)

/* Gives the cell, and all that goes with it, back: create.c. */
void mp__pool_free(mp_pool *pool);

/* ---- posts.c: how many workers there are, and are to be ---- */

/* Makes posts until there are enough for so many workers, under no mutex; 0,
 * -ENOMEM. */
int mp__posts_make(mp_pool *pool, uint32_t workers);
void mp__posts_free(mp_pool *pool); /* with the pool */

/* Changes a post's stage, and with it pool->filled. The pool's mutex is
 * held. */
void mp__post_set(mp_pool *pool, struct mp__worker *w, uint64_t epoch,
                  enum mp__stage stage);

/* Posts that have a worker, or one on its way. */
static inline uint32_t
mp__posts_filled(mp_pool *pool)
{
    return mp__load(&pool->filled);
}

/* Whether a worker is wanted at a post that is vacant. No mutex may be held. */
int mp__posts_wanted(mp_pool *pool);

/* Whether the post has work that only its own next worker can do: a task that
 * is to be tried again, a map's range. */
int mp__post_has_work(struct mp__worker *w);

/* The queue of a priority (-3 to 3); made if it is not there. NULL: no memory.
 * Then, for all that are there: tasks in them, and closing them. */
mp_queue *mp__pool_queue(mp_pool *pool, int priority);
size_t mp__pool_queued(mp_pool *pool);
void mp__pool_close_queues(mp_pool *pool);

/* Takes the next message into the worker's claim: that of the highest priority,
 * else waits. As mp__queue_get_claim(). */
int mp__pool_take(mp_pool *pool, struct mp__worker *w, mp_time deadline);
/* For the bury: which queue it was is not known. */
void mp__pool_settle_claim(mp_pool *pool, struct mp__worker *w);

/* ---- bury.c: the death of a worker ---- */

/* Sees to it that the worker of post `w` is dead, settles what it was at, and
 * vacates the post. The caller is its keeper. */
void mp__pool_bury(mp_pool *pool, struct mp__worker *w);
uint64_t mp__pool_work_done(mp_pool *pool);

/* How often the system has killed for want of memory, as of at most `age` ns
 * ago: to find that out takes as long as half a start. */
uint64_t mp__pool_oom_kills(mp_pool *pool, mp_time age);

/* Whether the worker has to be killed for what it is at, which was cancelled.
 * Takes no mutex; certain under the pool's. */
int mp__post_is_condemned(struct mp__worker *w);

/* ---- attend.c: looking after the workers ---- */

/* Looks after all posts: settles what dead workers leave behind, starts their
 * successors, kills what a terminated pool still has. Cheap when there is
 * nothing to do. No mutex may be held. */
void mp__pool_attend(struct mp_pool *pool);

/* A part of the same, for those who are in a hurry: before they submit. */
void mp__pool_glance(struct mp_pool *pool, uint64_t turn);

/* A part of the same, for a worker between two tasks, and for one that waits:
 * attends to the pool when somebody has been missing for a while, and nobody
 * else has. The first looks at one other worker, the second at all. */
void mp__pool_look_around(struct mp_pool *pool, struct mp__worker *w);
void mp__pool_look_at_all(struct mp_pool *pool, struct mp__worker *w);

/* Attends to the pool, and makes a post more if there is nobody, and none is
 * vacant: all who are there are leaving, and take their time. */
void mp__pool_recruit(struct mp_pool *pool);

/* After something was put into a queue: starts a worker, if one is wanted for
 * it. One load when all are there. */
static inline void
mp__pool_demand(struct mp_pool *pool)
{
    if (MP__UNLIKELY(mp__posts_filled(pool) <
                     mp__load_relaxed(&pool->wanted)) &&
        mp__posts_wanted(pool))
        mp__pool_recruit(pool);
}

/* Sleeps until `*data != seen`, a worker or a keeper of the pool died, or for
 * a while. 0 (look again), -EAGAIN, -ETIMEDOUT, -EINTR. */
int mp__pool_sleep(struct mp_pool *pool, struct mp__bell *bell, mp__a32 *data,
                   uint32_t seen, mp_time deadline);

/* Whether that thread is dead; 0 is nobody. */
static inline int
mp__is_dead(uint64_t participant)
{
    return mp__participant_find(participant) == NULL;
}

/* Whether every post is without a worker for good, and without a keeper. */
int mp__pool_is_empty(struct mp_pool *pool);

/* Kills the workers of a pool that is terminated or broken. */
void mp__pool_kill(struct mp_pool *pool);

/* The pool gives up; `why` is a sentence about it. */
void mp__pool_break(struct mp_pool *pool, const char *why);

/* Registers how pools and results are described: describe.c. */
void mp__pool_describe(void);

/* ---- birth.c: the start of a worker ---- */

/* Starts a worker at a post that is vacant, and whose keeper is the caller. 0,
 * also if there are enough by now; or the error of mp_process_start(). */
int mp__pool_fill(struct mp_pool *pool, struct mp__worker *w);

/* Starts workers until there are `count`, as far as there are posts that are
 * vacant. The same results. */
int mp__pool_staff(struct mp_pool *pool, uint32_t count);

/* Makes the caller the keeper of the post; 0: somebody else is, or the pool is
 * not that of `id` any more. Then: it is no longer, and all are told. */
int mp__post_keep(struct mp_pool *pool, uint64_t id, struct mp__worker *w);
void mp__post_resign(struct mp_pool *pool, struct mp__worker *w);

/* ---- budget.c: how deep inside of pools, and with how many processors ---- */

/* Of this process: pools it is inside of; processors that it may use. */
uint32_t mp__budget_depth(void);
uint32_t mp__budget_share(void);

#define MP__THREAD_VARIABLES 7u /* such as OMP_NUM_THREADS */

/* What a worker is to have of it, handed down by its starter. */
struct mp__budget {
    uint32_t depth, share;
    uint32_t threads;   /* the value of those variables; 0: left alone */
    uint32_t variables; /* bits: which are to be set to it */
};
struct mp__budget mp__budget_of_worker(struct mp_pool *pool);

/* For mp_process_start(): the variables. `list` ends with NULL. */
struct mp__budget_environment {
    char text[MP__THREAD_VARIABLES][48];
    const char *list[MP__THREAD_VARIABLES + 1];
};
void mp__budget_describe(const struct mp__budget *budget,
                         struct mp__budget_environment *ret_environment);

/* In the worker: that is its budget. The variables are set, unless they were
 * at its start. */
void mp__budget_take(const struct mp__budget *budget, int set);

/* ---- relief.c: workers that leave before the end of the pool ---- */

/* In a worker, at its beginning. */
void mp__relief_begin(void);

/* Whether the worker, between two tasks or ranges, is to leave its post: it
 * has served its time, grown too large, there are too many, or it was
 * dismissed. Cheap. */
int mp__worker_should_leave(mp_pool *pool, struct mp__worker *w);

/* The worker of this process takes nothing any more: somebody may be about to
 * kill it for a task that has ended meanwhile. */
void mp__worker_dismiss(void);

/* It leaves, if it still should (or, if `idle`, there is nothing to do): 1,
 * and it may take nothing any more. */
int mp__worker_relieve(mp_pool *pool, struct mp__worker *w, int idle);

/* One that has left its post sees to it that what is waiting will be done, if
 * nobody else is there. */
void mp__worker_hand_over(mp_pool *pool);

/* ---- worker.c ---- */

/* What a worker is started with. */
struct mp__posting {
    struct mp_pool *pool;
    uint64_t pool_id;
    uint64_t epoch;
    uint32_t post;
    struct mp__budget budget;
};

int mp__worker_main(void *posting);

/* Ends a process that is not the worker of post `w`: the function of a task
 * has forked, and returns in the child too. */
void mp__worker_check(struct mp__worker *w);
