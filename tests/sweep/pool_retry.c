/* SPDX-License-Identifier: MIT */
/* Other attempts: a task has killed its worker. Who grants it another attempt
 * is killed, and then who is to make that attempt. The task is done all the
 * same, and has not run more often than its workers have died. */
#include "pool_stage.h"

#include "os/clock.h"

#include <unistd.h>

static const mp_task_attr again = {.size = sizeof(again), .retries = 3};

/* ---- The keeper is killed ---- */

static void
make_pool_with_dead(void)
{
    mp_time deadline = mp_timeout(SWEEP_BOUND);
    struct mp__post *post;

    pool_make(1);
    post = mp__post_at(pool, 0);
    pool_work->result[0] = pool_submit(0, POOL_DIES_FIRST, &again);
    pool_await_run(0);
    while (mp__participant_find(mp__load(&post->participant)) &&
           mp__now() < deadline)
        usleep(50);
    post->retry = MP_FOREVER; /* the victim starts nobody */
}

static void
victim_looks_after_pool(void)
{
    mp_pool_workers(pool, NULL, 0);
}

static void
check_done_twice(void)
{
    mp__post_at(pool, 0)->retry = 0;
    sweep_check(pool_settle(pool_work->result[0], 0, 2) == POOL_DONE,
                "the task died, though it may be tried again");
    pool_await_workers(1);
    pool_use_and_end();
}

/* An idle one is dead. */
static void
make_pool_with_idle_dead(void)
{
    mp_process *worker = NULL;

    pool_make(1);
    pool_work->result[0] = pool_submit(0, POOL_WELL, NULL);
    sweep_check(pool_settle(pool_work->result[0], 0, 1) == POOL_DONE,
                "a task died");
    if (sweep_check(mp_pool_workers(pool, &worker, 1) == 1, "no worker"))
        mp_process_kill(worker);
    while (mp_process_is_alive(worker) == 1)
        usleep(50);
}

static void
check_full(void)
{
    pool_await_workers(1);
    pool_use_and_end();
}

/* ---- The successor is killed ---- */

static void
make_pool_with_successor(void)
{
    pool_owner_submits(0, POOL_DIES_FIRST, &again);
    pool_make_other(NULL, 2);
}

static void
check_resumed(void)
{
    unsigned most = sweep.completed ? 2 : 3;

    sweep_check(pool_settle(pool_work->result[0], 0, most) == POOL_DONE,
                "the task died, though it may be tried again");
    pool_use_and_end();
}

const struct sweep_scenario sweep_pool_retry[] = {
    {"pool.keeper-grants", make_pool_with_dead, pool_enter_library,
     victim_looks_after_pool, .wake = pool_enter_library,
     .check = check_done_twice, .teardown = pool_free, .may_lose = 4,
     .stride = 3},
    {"pool.keeper-replaces", make_pool_with_idle_dead, pool_enter_library,
     victim_looks_after_pool, .wake = pool_enter_library, .check = check_full,
     .teardown = pool_free, .may_lose = 4, .stride = 53},
    {"pool.worker-resumes", make_pool_with_successor, .check = check_resumed,
     .adopt = 1, .teardown = pool_free, .may_lose = 4},
    {0},
};
