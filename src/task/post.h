/* SPDX-License-Identifier: MIT */
/* A post: where a worker works, and where it writes down what it is at.
 *
 * Workers come and die, posts stay. What a worker has in hand is in its post at
 * every instant, so that is all that its death has to tell. */
#pragma once

#include "module/backtrace.h"
#include "region/participant.h"
#include "task/pool.h"

struct mp__trace;

/* How a worker's post is. */
enum mp__stage {
    MP__STAGE_VACANT,   /* nobody; somebody is wanted */
    MP__STAGE_STARTING, /* a process is on its way */
    MP__STAGE_UP,       /* taken by a worker */
    MP__STAGE_RELIEVED, /* its worker leaves; another may be wanted */
    MP__STAGE_LEAVING,  /* its worker has found the queue closed and empty */
    MP__STAGE_GONE,     /* nobody, for good */
};

/* What was done at a post, by all its workers: progress/tally.h. Writer: the
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

/* Where a worker crashed: worker/crash.c. Writer: its signal handler. */
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

/* `keeper` is the lock of the post against others who look after it: the
 * participant who buries the dead worker and starts the next. A dead keeper
 * counts as none, and whoever follows does the same steps again. `stage` is
 * changed under the pool's mutex. */
struct mp__post {
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
    uint32_t number;  /* of the post, from 0 */
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
    mp__a64 expires;  /* when it is killed for what it runs: worker/limit.c; 0:
                         never */
    mp__a64 limit;    /* ... after how many ns. Both: writer: the worker */
    mp__a64 served;   /* tasks and items by this worker */
    struct mp__tally tally;
    _Atomic(struct mp__trace *) trace; /* events that are not in the file yet;
                                          a block: progress/trace.c. NULL: none */
    struct mp__crash crash;
} MP__ALIGNED(MP__LINE);

static inline uint32_t
mp__posts(struct mp_pool *pool)
{
    return mp__load_acquire(&pool->posts);
}

/* Post `i`, of those there are. */
static inline struct mp__post *
mp__post_at(struct mp_pool *pool, uint32_t i)
{
    return atomic_load_explicit(&pool->segments[i / MP__POSTS_STEP],
                                memory_order_relaxed) +
           i % MP__POSTS_STEP;
}

static inline enum mp__stage
mp__post_stage(struct mp__post *post)
{
    return (enum mp__stage)(mp__load_acquire(&post->stage) & 0xff);
}

static inline uint64_t
mp__stage_word(uint64_t epoch, enum mp__stage stage)
{
    return epoch << 8 | (uint64_t)stage;
}

static inline uint64_t
mp__post_epoch(struct mp__post *post)
{
    return mp__load(&post->stage) >> 8;
}

/* Whether that thread is dead; 0 is nobody. */
static inline int
mp__is_dead(uint64_t participant)
{
    return mp__participant_find(participant) == NULL;
}

/* ---- posts.c ---- */

/* Makes posts until there are enough for so many workers, under no mutex; 0,
 * -ENOMEM. */
int mp__posts_make(mp_pool *pool, uint32_t workers);
void mp__posts_free(mp_pool *pool); /* with the pool */

/* Changes a post's stage, and with it pool->filled. The pool's mutex is
 * held. */
void mp__post_set(mp_pool *pool, struct mp__post *post, uint64_t epoch,
                  enum mp__stage stage);

/* Posts that have a worker, or one on its way. */
static inline uint32_t
mp__posts_filled(mp_pool *pool)
{
    return mp__load(&pool->filled);
}

/* Whether a worker is wanted at a post that is vacant. No mutex may be held. */
int mp__posts_wanted(mp_pool *pool);
