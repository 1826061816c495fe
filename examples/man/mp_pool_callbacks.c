/* SPDX-License-Identifier: MIT */
/* A program that waits in poll(), and is called when a task has ended. */
#include <mproc.h>
#include <poll.h>
#include <stdio.h>

enum { TASKS = 5 };

struct count {
    int done, failed;
    long sum;
};

static int
cube(mp_task *task)
{
    const long *n = mp_task_arg(task, NULL);
    long cubed = *n * *n * *n;

    if (*n == 3)
        return mp_task_fail(task, "no threes, please");
    return mp_task_return(task, &cubed, sizeof(cubed));
}

static void
add(mp_result *result, void *arg)
{
    struct count *count = arg;
    long cubed = 0;

    mp_result_get(result, &cubed, sizeof(cubed), MP_NOW);
    count->sum += cubed;
    count->done++;
}

static void
complain(mp_result *result, void *arg)
{
    struct count *count = arg;

    printf("a task failed: %s\n", mp_result_error(result));
    count->failed++;
}

int
main(void)
{
    struct count count = {0};
    struct pollfd due = {.events = POLLIN};
    mp_pool *pool;

    if (mp_pool_create(&pool, 2, NULL) < 0) {
        fprintf(stderr, "%s\n", mp_last_error());
        return 1;
    }
    for (long n = 1; n <= TASKS; n++) {
        if (mp_pool_apply_async(pool, cube, &n, sizeof(n),
                                MP_TASK_ATTR(.callback = add,
                                             .error_callback = complain,
                                             .callback_arg = &count),
                                NULL) < 0)
            return 1;
    }

    due.fd = mp_pool_fd(pool); /* ... among others */
    while (count.done + count.failed < TASKS && poll(&due, 1, -1) > 0)
        mp_pool_callbacks(pool, MP_NOW);
    printf("%d done, %d failed, sum %ld\n", count.done, count.failed,
           count.sum);

    mp_pool_close(pool);
    mp_pool_join(pool, MP_FOREVER);
    mp_pool_destroy(pool);
    return 0;
}
