/* SPDX-License-Identifier: MIT */
/* A task and its result: one cell, known to the worker as mp_task and to the
 * submitter as mp_result. */
#pragma once

#include "pool/pool.h"

/* The state word: {post: 24 | SETTLED | ABANDONED | phase: 3}. */
enum mp__task_phase {
    MP__TASK_QUEUED = 1,
    MP__TASK_RUNNING,    /* at the post in the state word */
    MP__TASK_LOST,       /* will not run: its error is being written */
    MP__TASK_DONE,       /* ended: from here on nothing changes */
    MP__TASK_FAILED,     /* ended, with `code` and `text` */
    MP__TASK_CANCELLED,  /* ended, by mp_result_cancel() */
    MP__TASK_TERMINATED, /* ended, by the end of its pool */
};
#define MP__TASK_PHASE     7u
#define MP__TASK_ABANDONED 8u  /* nobody will ask for the result */
#define MP__TASK_SETTLED   16u /* neither queue nor worker knows it any more */
#define MP__TASK_POST      8u  /* shift */

#define MP__TASK_TEXT 200u
#define MP__TASK_ARG  80u

/* Who writes: the submitter until the task is queued, then who took it from
 * the queue until it is settled (its worker, or who buries that worker), then
 * nobody. Whoever sets the second of ABANDONED and SETTLED frees the cell. */
struct mp_task {
    struct mp__object object;
    mp__a32 state; /* the commit of the task's end */
    int32_t code;
    struct mp__bell bell;
    mp_pool *pool;
    uint64_t pool_id;
    struct mp__function function;
    uint64_t number; /* of the task in its pool, from 1 */
    uint64_t arg_size;
    uint64_t result_size;
    void *result_block; /* NULL: the result lies inline */
    union {
        void *arg_block; /* beyond MP__TASK_ARG bytes */
        char arg[MP__TASK_ARG];
    } MP__ALIGNED(16);
    union { /* a task has one or the other */
        char result[MP__TASK_TEXT];
        char text[MP__TASK_TEXT];
    };
} MP__ALIGNED(MP__LINE);

static inline enum mp__task_phase
mp__task_phase(uint32_t state)
{
    return (enum mp__task_phase)(state & MP__TASK_PHASE);
}

static inline int
mp__task_has_ended(uint32_t state)
{
    return mp__task_phase(state) >= MP__TASK_DONE;
}

/* Gives the cell back; nobody may know it any more. */
void mp__task_release(struct mp_task *task);

/* Ends a task that was seen in `state` and that its pool will not run any
 * more. 1 if the state may have changed by that, 0 if the pool will. */
int mp__task_overtake(struct mp_task *task, uint32_t state);

/* Runs a task that was just taken from the queue by the worker at post
 * `w`. */
void mp__task_run(struct mp_task *task, struct mp__worker *w, uint32_t post);

/* For a task that was taken from the queue of a pool at its end. */
void mp__task_drop(struct mp_task *task);

/* Settles the task that the dead worker of post `w` had taken, if any. 1 if
 * there was one. */
int mp__task_settle(struct mp__worker *w, uint32_t post,
                    const struct mp__obituary *obituary);
