/* SPDX-License-Identifier: MIT */
/* A task and its result: one cell, known to the worker as mp_task and to the
 * submitter as mp_result. */
#pragma once

#include "bell/notice.h"
#include "task/pool.h"

/* The state word: {post: 12 | attempt: 12 | POLLED | CANCELLING | SETTLED |
 * ABANDONED | phase: 4}. Post and attempt are of RUNNING and AGAIN only. */
enum mp__task_phase {
    MP__TASK_QUEUED = 1,
    MP__TASK_AGAIN, /* waits for the next worker at the post in the state word,
                       to be tried again */
    MP__TASK_RUNNING,    /* at the post in the state word */
    MP__TASK_LOST,       /* will not run: its error is being written */
    MP__TASK_DONE,       /* ended: from here on nothing changes */
    MP__TASK_FAILED,     /* ended, with `code` and `text` */
    MP__TASK_CANCELLED,  /* ended, by mp_result_cancel() */
    MP__TASK_TERMINATED, /* ended, by the end of its pool */
};
#define MP__TASK_PHASE     15u
#define MP__TASK_ABANDONED 16u /* nobody will ask for the result */
#define MP__TASK_SETTLED   32u /* neither queue nor worker knows it any more */
#define MP__TASK_CANCELLING \
    64u /* its worker is to be killed; CANCELLED: it had
                                   begun */
#define MP__TASK_POLLED \
    128u /* there is a notice: who ends it tells that
                                 before. Never taken back before the end */
#define MP__TASK_KEPT     (MP__TASK_ABANDONED | MP__TASK_POLLED)
#define MP__TASK_ATTEMPT  8u  /* shift */
#define MP__TASK_POST     20u /* shift */
#define MP__TASK_ATTEMPTS 0xfffu
#define MP__TASK_RETRIES  (MP__TASK_ATTEMPTS - 1)

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
    char *text_block;   /* a text that is longer than `text`; NULL: `text` */
    uint32_t retries;
    int32_t priority;
    mp_time timeout, soft_timeout; /* ns; 0: none */
    mp_time submitted;             /* when */
    struct mp__inbox *inbox; /* who is to be told of its end; NULL: nobody */
    mp__notice_at notice;    /* who polls for it; NULL: nobody does */
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

static inline uint32_t
mp__task_attempt(uint32_t state)
{
    return state >> MP__TASK_ATTEMPT & MP__TASK_ATTEMPTS;
}

static inline int
mp__task_has_ended(uint32_t state)
{
    return mp__task_phase(state) >= MP__TASK_DONE;
}

static inline int
mp__task_is_at(uint32_t state, enum mp__task_phase phase, uint32_t post)
{
    return mp__task_phase(state) == phase && state >> MP__TASK_POST == post;
}

/* ---- task.c: the cell, and the steps of its state ---- */

/* Gives the cell back; nobody may know it any more. */
void mp__task_release(struct mp_task *task);

/* From QUEUED, or AGAIN at that post, to RUNNING there. 0: it has ended. */
int mp__task_begin(struct mp_task *task, uint32_t post);

/* Ends a task in the hand of the caller, who has written what comes with the
 * end. Whose cell it is then nobody knows. 1: it was CANCELLING, and has ended
 * as CANCELLED. */
int mp__task_end(struct mp_task *task, enum mp__task_phase phase);

/* The queue's side is through with a task that somebody else has ended. */
void mp__task_let_go(struct mp_task *task);

/* A step of a task that is in nobody's hand, from `seen` to a phase, perhaps
 * with CANCELLING. 1 if it was as `seen`. */
int mp__task_step(struct mp_task *task, uint32_t seen, uint32_t phase);

/* Ends a task that was seen in `state` and that its pool will not run any
 * more. 1 if the state may have changed by that, 0 if the pool will. */
int mp__task_overtake(struct mp_task *task, uint32_t state);

/* For a task that was taken from the queue of a pool at its end. */
void mp__task_drop(struct mp_task *task);
