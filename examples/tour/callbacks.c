/* SPDX-License-Identifier: MIT */
/* A callback is called when its task is done, in the process that submitted
 * it: here by mp_pool_join(), while it waits. A task that fails has another. */
#include "tour.h"

#include <stdio.h>

enum { TASKS = 10, WORKERS = 5 };

static int
make_file_name(mp_task *task)
{
    const int *number = mp_task_arg(task, NULL);
    char name[32];
    int n;

    work_for(0.05);
    if (*number == 7)
        return mp_task_fail(task, "file-7 is write-protected");
    n = snprintf(name, sizeof(name), "file-%d", *number);
    return mp_task_return(task, name, (size_t)n + 1);
}

/* The result is freed behind it: nobody else has asked for it. */
static void
log_done(mp_result *result, void *arg)
{
    int *count = arg;
    char name[32];

    MUST(mp_result_get(result, name, sizeof(name), MP_NOW));
    say("log: done: %s", name);
    ++*count;
}

static void
log_failure(mp_result *result, void *arg)
{
    (void)arg;
    say("log: failed: %s", mp_result_error(result));
}

void
scene_callbacks(void)
{
    mp_pool *pool;
    int count = 0;

    MUST(mp_pool_create(&pool, WORKERS, NULL));
    for (int i = 0; i < TASKS; i++)
        MUST(mp_pool_apply_async(pool, make_file_name, &i, sizeof(i),
                                 MP_TASK_ATTR(.callback = log_done,
                                              .error_callback = log_failure,
                                              .callback_arg = &count),
                                 NULL));
    MUST(mp_pool_close(pool));
    MUST(mp_pool_join(pool, MP_FOREVER));
    say("%d of %d tasks are done", count, TASKS);
    MUST(mp_pool_destroy(pool));
}
