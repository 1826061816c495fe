/* SPDX-License-Identifier: MIT */
/* Ten tasks for a pool of five, one after the other.
 *
 * Python: pool.apply(f, (i,)) runs one task in a worker and returns what it
 * returned. As it waits, the next task begins when this one has ended: in this
 * loop four workers of five have nothing to do.
 *
 * Here: mp_pool_apply() waits in the same way, and what the task returned is
 * in a result: mp_result_get(). Compare the time with that of
 * 2-5-apply-async.c. */
#include "must.h"

enum { TASKS = 10, WORKERS = 5 };

/* In the worker: reads the argument, works, returns its process id. */
static int
work(mp_task *task)
{
    const int *number = mp_task_arg(task, NULL);
    pid_t pid = mp_process_pid(mp_current_process());

    usleep(100 * 1000);
    say("task %d runs in process %d\n", *number, (int)pid);
    return mp_task_return(task, &pid, sizeof(pid));
}

int
main(void)
{
    double begin = seconds();
    mp_pool *pool;

    MUST(mp_pool_create(&pool, WORKERS, NULL));
    for (int i = 0; i < TASKS; i++) {
        mp_result *result;
        pid_t pid;

        MUST(mp_pool_apply(pool, work, &i, sizeof(i), &result));
        MUST(mp_result_get(result, &pid, sizeof(pid), MP_FOREVER));
        MUST(mp_result_free(result));
        say("  and has returned %d\n", (int)pid);
    }
    MUST(mp_pool_close(pool));
    MUST(mp_pool_join(pool, MP_FOREVER));
    say("one by one, ten times 0.1 s took %.1f s\n", seconds() - begin);
    MUST(mp_pool_destroy(pool));
    return 0;
}
