/* SPDX-License-Identifier: MIT */
/* Ten tasks, and a function that is called whenever one of them is done.
 *
 * Python: apply_async(f, (i,), callback=log) calls log() in the process that
 * submitted, with what the task returned; error_callback is called instead if
 * the task has failed. A thread of the pool's calls them, at any moment.
 *
 * Here: .callback and .error_callback of mp_pool_apply_async(). There is no
 * such thread: they are called when the program asks for them, by
 * mp_pool_callbacks(), or waits for the pool in some other call. */
#include "must.h"

enum { TASKS = 10, WORKERS = 5 };

static int
make_file_name(mp_task *task)
{
    const int *number = mp_task_arg(task, NULL);
    char name[32];
    int n;

    usleep(100 * 1000);
    if (*number == 7)
        return mp_task_fail(task, "file-7 is write-protected");
    n = snprintf(name, sizeof(name), "file-%d", *number);
    say("task %d runs in process %d\n", *number,
        (int)mp_process_pid(mp_current_process()));
    return mp_task_return(task, name, (size_t)n + 1);
}

static void
log_done(mp_result *result, void *arg)
{
    char name[32];

    (void)arg;
    MUST(mp_result_get(result, name, sizeof(name), MP_NOW));
    say("log: done: %s; process %d says so\n", name, (int)getpid());
}

static void
log_failure(mp_result *result, void *arg)
{
    (void)arg;
    say("log: failed: %s\n", mp_result_error(result));
}

int
main(void)
{
    double begin = seconds();
    mp_pool *pool;

    MUST(mp_pool_create(&pool, WORKERS, NULL));
    for (int i = 0; i < TASKS; i++)
        MUST(mp_pool_apply_async(
            pool, make_file_name, &i, sizeof(i),
            MP_TASK_ATTR(.callback = log_done, .error_callback = log_failure),
            NULL));
    MUST(mp_pool_close(pool));
    while (MUST(mp_pool_callbacks(pool, MP_FOREVER)) > 0)
        continue;
    MUST(mp_pool_join(pool, MP_FOREVER));
    say("process %d: all done in %.1f s\n", (int)getpid(), seconds() - begin);
    MUST(mp_pool_destroy(pool));
    return 0;
}
