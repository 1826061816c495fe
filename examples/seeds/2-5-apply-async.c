/* SPDX-License-Identifier: MIT */
/* Ten tasks for a pool of five, five at a time.
 *
 * Python: pool.apply_async(f, (i,)) returns at once, with an AsyncResult whose
 * get() waits for what the task returns. So all ten are submitted first; five
 * begin, and each of the others when a worker is free.
 *
 * Here: mp_pool_apply_async() gives a result, which mp_result_get() waits for.
 * A task whose worker is killed has an error for a result, and get() returns
 * it: in Python it would wait for ever. */
#include "must.h"

enum { TASKS = 10, WORKERS = 5 };

static int
work(mp_task *task)
{
    const int *number = mp_task_arg(task, NULL);
    int squared = *number * *number;

    usleep(100 * 1000);
    say("task %d runs in process %d\n", *number,
        (int)mp_process_pid(mp_current_process()));
    return mp_task_return(task, &squared, sizeof(squared));
}

int
main(void)
{
    mp_result *results[TASKS];
    double begin = seconds();
    mp_pool *pool;
    int squared;

    MUST(mp_pool_create(&pool, WORKERS, NULL));
    for (int i = 0; i < TASKS; i++)
        MUST(
            mp_pool_apply_async(pool, work, &i, sizeof(i), NULL, &results[i]));
    for (int i = 0; i < TASKS; i++) {
        MUST(mp_result_get(results[i], &squared, sizeof(squared), MP_FOREVER));
        MUST(mp_result_free(results[i]));
        say("task %d has returned %d\n", i, squared);
    }
    MUST(mp_pool_close(pool));
    MUST(mp_pool_join(pool, MP_FOREVER));
    say("five at a time, ten times 0.1 s took %.1f s\n", seconds() - begin);
    MUST(mp_pool_destroy(pool));
    return 0;
}
