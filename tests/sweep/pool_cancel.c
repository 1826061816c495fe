/* SPDX-License-Identifier: MIT */
/* Cancelling: who cancels is killed, and workers whose tasks are cancelled at
 * every instruction of theirs, with or without a kill. A cancelled task never
 * ends otherwise, and nothing else ever ends with it. */
#include "pool_stage.h"

static int cancelled; /* by the harness, of task 0 */

static void
victim_cancels(void)
{
    mp__store(&sweep.note[0],
              (uint64_t)(1 + (mp_result_cancel(pool_work->result[0]) == 0)));
}

/* ---- The canceller is killed ---- */

/* One worker, which is held: task 0 waits. */
static void
make_pool_with_queued(void)
{
    pool_make(1);
    pool_work->result[1] = pool_submit(1, POOL_HELD, NULL);
    pool_await_run(1);
    pool_work->result[0] =
        pool_submit(0, POOL_WELL,
                    MP_TASK_ATTR(.callback = pool_note_call,
                                 .error_callback = pool_note_call));
}

static void
check_cancelled(void)
{
    enum pool_outcome how;

    sweep_check(!sweep.completed || mp__load(&sweep.note[0]) == 2,
                "it was not cancelled");
    pool_release();
    sweep_check(pool_settle(pool_work->result[1], 1, 1) == POOL_DONE,
                "another task ended with it");
    how = pool_settle(pool_work->result[0], 0, 1);
    sweep_check(how == POOL_CANCELLED ||
                    (how == POOL_DONE && !sweep.completed),
                "the task has not been cancelled, but: %d", (int)how);
}

static void
check_queued(void)
{
    int ran;

    check_cancelled();
    ran = mp__load(&pool_work->runs[0]) != 0;
    sweep_check(!ran || !sweep.completed, "it ran all the same");
    pool_await_call(0);
    pool_use_and_end();
}

/* Two workers at one task each. */
static void
make_pool_with_running(void)
{
    pool_make(2);
    for (uint64_t i = 0; i < POOL_TASKS; i++)
        pool_work->result[i] = pool_submit(i, POOL_HELD, NULL);
    for (uint64_t i = 0; i < POOL_TASKS; i++)
        pool_await_run(i);
}

static void
check_running(void)
{
    check_cancelled();
    pool_await_workers(2);
    pool_use_and_end();
}

/* ---- The worker is the victim ---- */

/* Cancels as somebody who is killed after the commit: the victim may stand with
 * a mutex in its hand, so nothing else can be called. */
static void
cancel_task(void)
{
    mp_task *task = (mp_task *)pool_work->result[0];
    uint32_t seen;

    cancelled = 0;
    while (!cancelled && !mp__task_has_ended(seen = mp__load(&task->state)))
        if (mp__task_phase(seen) == MP__TASK_RUNNING)
            cancelled =
                mp__cas(&task->state, &seen, seen | MP__TASK_CANCELLING);
        else
            cancelled = mp__task_step(task, seen, MP__TASK_CANCELLED);
}

static void
make_pool_with_tasks(void)
{
    pool_make_other(NULL, 1);
    pool_submit_all();
}

static void
check_first(unsigned may_die)
{
    enum pool_outcome how = pool_settle(pool_work->result[0], 0, 1);

    if (cancelled)
        sweep_check(how == POOL_CANCELLED, "it was cancelled, but: %d",
                    (int)how);
    else
        sweep_check(how == POOL_DONE || (how == POOL_DIED && may_die),
                    "it was not cancelled, but: %d", (int)how);
}

static void
check_met(void)
{
    check_first(0);
    sweep_check(pool_settle(pool_work->result[1], 1, 1) == POOL_DONE,
                "another task ended with it");
    pool_use_and_end();
}

static void
check_killed(void)
{
    enum pool_outcome how;

    check_first(1);
    how = pool_settle(pool_work->result[1], 1, 1);
    sweep_check(how == POOL_DONE || how == POOL_DIED,
                "another task was cancelled with it");
    pool_use_and_end();
}

const struct sweep_scenario sweep_pool_cancel[] = {
    {"pool.cancel-queued", make_pool_with_queued, pool_enter_library,
     victim_cancels, .check = check_queued, .teardown = pool_free,
     .may_lose = 2},
    {"pool.cancel-running", make_pool_with_running, pool_enter_library,
     victim_cancels, .wake = pool_enter_library, .check = check_running,
     .teardown = pool_free, .may_lose = 4, .stride = 53},
    {"pool.worker-meets-cancel", make_pool_with_tasks, .beside = cancel_task,
     .check = check_met, .adopt = 1, .meet = 1, .teardown = pool_free,
     .may_lose = 2},
    {"pool.worker-cancelled", make_pool_with_tasks, .look = cancel_task,
     .check = check_killed, .adopt = 1, .teardown = pool_free, .may_lose = 2},
    {0},
};
