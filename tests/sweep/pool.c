/* SPDX-License-Identifier: MIT */
/* Tasks: a worker is killed while it takes a task, runs it, tells its result,
 * takes the next; a submitter is killed; and one that is called back. The
 * victim's task fails or is done, every other task is done once, and the pool
 * goes on with a new worker. */
#include "pool_stage.h"

/* What a worker was about to hand over or to free is lost with it: the cell of
 * a task and a block. */
#define WORKER_MAY_LOSE 2

static const mp_task_attr limited = {
    .size = sizeof(limited), .timeout = 100, .soft_timeout = 50};

static void
make_pool_with_tasks(void)
{
    pool_make_other(NULL, 1);
    pool_submit_all();
}

static void
check_tasks(void)
{
    unsigned died = 0;

    for (uint64_t i = 0; i < POOL_TASKS; i++)
        died += pool_settle(pool_work->result[i], i, 1) == POOL_DIED;
    sweep_check(died <= 1, "%u tasks died with one worker", died);
    sweep_check(died == 0 || !sweep.completed, "a task was done, and died");
    pool_use_and_end();
}

/* One at a level that there has not been, and one above it. */
static void
make_pool_with_levels(void)
{
    pool_make_other(NULL, 1);
    for (int i = 0; i < POOL_TASKS; i++)
        pool_work->result[i] = pool_submit(
            (uint64_t)i, POOL_WELL, MP_TASK_ATTR(.priority = 2 * i - 1));
}

static void
make_pool_with_limits(void)
{
    pool_make_other(NULL, 1);
    for (uint64_t i = 0; i < POOL_TASKS; i++)
        pool_work->result[i] = pool_submit(i, POOL_WELL, &limited);
}

static mp_result *
submit_told(uint64_t n)
{
    return pool_submit(n, POOL_WELL,
                       MP_TASK_ATTR(.callback = pool_note_call,
                                    .error_callback = pool_note_call,
                                    .callback_arg = pool_number(n)));
}

static void
make_pool_with_told(void)
{
    pool_make_other(NULL, 1);
    for (uint64_t i = 0; i < POOL_TASKS; i++)
        pool_work->result[i] = submit_told(i);
}

static void
check_told(void)
{
    for (uint64_t i = 0; i < POOL_TASKS; i++)
        pool_await_call(i);
    sweep_check(mp_pool_callbacks(pool, MP_NOW) == 0, "there are more calls");
    check_tasks();
    for (uint64_t i = 0; i < POOL_TASKS; i++)
        sweep_check(mp__load(&pool_work->called[i]) == 1,
                    "a task was told twice");
}

/* ---- A submitter is killed ---- */

static void
make_idle_pool(void)
{
    pool_make(1);
}

static void
note_submitted(mp_result *r)
{
    mp__store(&sweep.note[0], (uintptr_t)r);
}

static void
victim_submits(void)
{
    note_submitted(pool_submit(POOL_VICTIMS, POOL_WELL, NULL));
}

static void
victim_submits_above(void)
{
    note_submitted(
        pool_submit(POOL_VICTIMS, POOL_WELL, MP_TASK_ATTR(.priority = 3)));
}

static void
check_submitted(void)
{
    mp_result *r = (mp_result *)(uintptr_t)mp__load(&sweep.note[0]);

    if (r)
        sweep_check(pool_settle(r, POOL_VICTIMS, 1) == POOL_DONE,
                    "the task died without a worker");
    pool_use_and_end();
    sweep_check(mp__load(&pool_work->runs[POOL_VICTIMS]) <= 1,
                "the task ran twice");
}

/* ---- One that is called back */

static void
victim_is_called(void)
{
    mp_result *r = submit_told(POOL_VICTIMS);

    mp_pool_callbacks(pool, MP_FOREVER);
    mp_result_free(r);
}

static void
let_victim_sleep(void)
{
}

static void
check_others_calls(void)
{
    mp_result *r = submit_told(0);

    pool_await_call(0);
    sweep_check(pool_settle(r, 0, 1) == POOL_DONE, "a task died");
    sweep_check(mp__load(&pool_work->called[POOL_VICTIMS]) <= 1,
                "the victim was called twice");
    pool_use_and_end();
}

const struct sweep_scenario sweep_pool[] = {
    {"pool.worker-tasks", make_pool_with_tasks, .check = check_tasks,
     .adopt = 1, .teardown = pool_free, .may_lose = WORKER_MAY_LOSE},
    {"pool.worker-levels", make_pool_with_levels, .check = check_tasks,
     .adopt = 1, .teardown = pool_free, .may_lose = WORKER_MAY_LOSE},
    {"pool.worker-limits", make_pool_with_limits, .check = check_tasks,
     .adopt = 1, .teardown = pool_free, .may_lose = WORKER_MAY_LOSE},
    {"pool.worker-told", make_pool_with_told, .check = check_told, .adopt = 1,
     .teardown = pool_free, .may_lose = WORKER_MAY_LOSE},
    {"pool.submit", make_idle_pool, pool_enter_library, victim_submits,
     .check = check_submitted, .teardown = pool_free, .may_lose = 4},
    {"pool.submit-above", make_idle_pool, pool_enter_library,
     victim_submits_above, .check = check_submitted, .teardown = pool_free,
     .may_lose = 8},
    {"pool.called-back", make_idle_pool, pool_enter_library, victim_is_called,
     .wake = let_victim_sleep, .check = check_others_calls,
     .teardown = pool_free, .may_lose = 8, .stride = 3},
    {0},
};
