/* SPDX-License-Identifier: MIT */
/* Workers that leave and come: one that has served its time is killed on its
 * way, and who changes the size of the pool. Afterwards there are as many as
 * there should be, and no task was lost that nobody was at. */
#include "pool_stage.h"

static void
make_pool_of_short_terms(void)
{
    pool_make_other(MP_POOL_ATTR(.tasks_per_worker = 1), 1);
    pool_submit_all();
}

static void
check_relieved(void)
{
    unsigned died = 0;

    for (uint64_t i = 0; i < POOL_TASKS; i++)
        died += pool_settle(pool_work->result[i], i, 1) == POOL_DIED;
    sweep_check(died <= 1, "%u tasks died with one worker", died);
    sweep_check(died == 0 || !sweep.completed, "a task was done, and died");
    pool_use_and_end();
}

static void
make_small_pool(void)
{
    pool_make(1);
    pool_await_workers(1);
}

static void
make_large_pool(void)
{
    pool_make(3);
    pool_await_workers(3);
}

static void
victim_grows_pool(void)
{
    mp_pool_resize(pool, 3);
}

static void
victim_shrinks_pool(void)
{
    mp_pool_resize(pool, 1);
}

static void
check_size(void)
{
    uint32_t wanted = mp__load(&pool->wanted);

    sweep_check(wanted == 1 || wanted == 3, "%u workers are wanted",
                (unsigned)wanted);
    pool_await_workers((int)wanted);
    pool_use_and_end();
}

const struct sweep_scenario sweep_pool_leave[] = {
    {"pool.worker-relieved", make_pool_of_short_terms, .check = check_relieved,
     .adopt = 1, .teardown = pool_free, .may_lose = 2},
    {"pool.grow", make_small_pool, pool_enter_library, victim_grows_pool,
     .wake = pool_enter_library, .check = check_size, .teardown = pool_free,
     .may_lose = 4, .stride = 53},
    {"pool.shrink", make_large_pool, pool_enter_library, victim_shrinks_pool,
     .wake = pool_enter_library, .check = check_size, .teardown = pool_free,
     .may_lose = 4, .stride = 11},
    {0},
};
