/* SPDX-License-Identifier: MIT */
/* What the scenarios of the pool share: a pool, tasks and items that tell how
 * often they have run, and what must be true of each answer.
 *
 * A worker is a process that the library makes; to be the victim it offers
 * itself to the harness in its initializer. Then its parent, the pool's owner,
 * is another process: the harness cannot be both parent and tracer, for the
 * library's waiting for the end of its child would see the halts. Where the
 * victim is somebody else the pool is the harness's own. */
#pragma once

#include "task/post.h"
#include "task/task.h"
#include "sweep.h"

#define POOL_TASKS   2
#define POOL_LATER   POOL_TASKS       /* the task after the kill */
#define POOL_VICTIMS (POOL_TASKS + 1) /* the one that the victim submits */
#define POOL_NUMBERS (POOL_TASKS + 2)
#define POOL_ITEMS   6

/* How a task goes. */
enum pool_way {
    POOL_WELL,
    POOL_HELD,       /* waits until pool_release() */
    POOL_DIES_FIRST, /* kills its worker in the first attempt */
};

enum pool_outcome { POOL_DONE, POOL_DIED, POOL_CANCELLED };

/* In the family's memory. */
struct pool_work {
    mp_pool *pool;
    mp_result *result[POOL_NUMBERS];
    mp__a32 runs[POOL_NUMBERS];
    mp__a32 born, released;
    mp__a32 called[POOL_NUMBERS]; /* back */
    uint64_t in[POOL_ITEMS], out[POOL_ITEMS];
    mp__a32 items_run[POOL_ITEMS];
};
extern struct pool_work *pool_work;
extern mp_pool *pool;

/* Setups. The harness's own pool; or another's, whose worker number `victim`
 * (from 1) is offered. If it ends in order, it sleeps in its finalizer, so that
 * it is the harness that kills it. */
void pool_make(int workers);
void pool_make_other(const mp_pool_attr *attr, unsigned victim);

/* That other process submits a task, and looks after the pool from then on. */
void pool_owner_submits(uint64_t n, enum pool_way way,
                        const mp_task_attr *attr);

mp_result *pool_submit(uint64_t n, enum pool_way way,
                       const mp_task_attr *attr);
void pool_submit_all(void); /* POOL_TASKS that go well */
void pool_release(void);

/* Waits until task `n` runs. */
void pool_await_run(uint64_t n);

/* Waits until the pool has so many workers. */
void pool_await_workers(int n);

/* Waits for the answer, frees the result. The task must not have run more than
 * `attempts` times. */
enum pool_outcome pool_settle(mp_result *r, uint64_t n, unsigned attempts);

/* The pool goes on, and ends in order. */
void pool_use_and_end(void);
void pool_free(void); /* teardown */

/* A callback whose argument is the number of the task. */
void pool_note_call(mp_result *result, void *arg);
void *pool_number(uint64_t n);
/* Runs callbacks until that of task `n` was called, once. */
void pool_await_call(uint64_t n);

/* prepare of victims that are no workers */
void pool_enter_library(void);
