/* SPDX-License-Identifier: MIT */
/* Single tasks. apply() waits for its task, so ten of them take ten times as
 * long; apply_async() returns at once with a result to be asked later. */
#include "tour.h"

#include <stdio.h>

enum { TASKS = 10, WORKERS = 5 };

/* In the worker: reads the argument, works, returns a text. */
static int
make_file_name(mp_task *task)
{
    const int *number = mp_task_arg(task, NULL);
    char name[32];
    int n;

    work_for(0.1);
    n = snprintf(name, sizeof(name), "file-%d", *number);
    say("made %s in process %d", name,
        (int)mp_process_pid(mp_current_process()));
    return mp_task_return(task, name, (size_t)n + 1);
}

/* Takes what a task has returned, and is done with the task. */
static void
log_result(mp_result *result)
{
    char name[32];

    MUST(mp_result_get(result, name, sizeof(name), MP_FOREVER));
    say("done: %s", name);
    MUST(mp_result_free(result));
}

static void
one_by_one(mp_pool *pool)
{
    double begin = seconds();

    for (int i = 0; i < TASKS; i++) {
        mp_result *result;

        MUST(mp_pool_apply(pool, make_file_name, &i, sizeof(i), &result));
        log_result(result);
    }
    say("one by one: %.1f s", seconds() - begin);
}

static void
all_at_once(mp_pool *pool)
{
    mp_result *results[TASKS];
    double begin = seconds();

    for (int i = 0; i < TASKS; i++)
        MUST(mp_pool_apply_async(pool, make_file_name, &i, sizeof(i), NULL,
                                 &results[i]));
    for (int i = 0; i < TASKS; i++)
        log_result(results[i]);
    say("%d at a time: %.1f s", WORKERS, seconds() - begin);
}

void
scene_apply(void)
{
    mp_pool *pool;

    MUST(mp_pool_create(&pool, WORKERS, NULL));
    one_by_one(pool);
    all_at_once(pool);

    /* Close: no more tasks are taken. Join: those taken have been done, and
     * the workers have gone home. */
    MUST(mp_pool_close(pool));
    MUST(mp_pool_join(pool, MP_FOREVER));
    MUST(mp_pool_destroy(pool));
}
