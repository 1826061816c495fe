/* SPDX-License-Identifier: MIT */
/* What a pool has done: ten tasks, one of which is slow and one of which
 * fails. */
#include <mproc.h>
#include <stdio.h>
#include <unistd.h>

static int
work(mp_task *task)
{
    const int *n = mp_task_arg(task, NULL);

    if (*n == 4)
        usleep(50000);
    return *n == 7 ? mp_task_fail(task, "seven") : 0;
}

int
main(void)
{
    mp_pool_statistics stats = {.size = sizeof(stats)};
    mp_pool *pool;

    if (mp_pool_create(&pool, 2, NULL) < 0) {
        fprintf(stderr, "%s\n", mp_last_error());
        return 1;
    }
    for (int n = 1; n <= 10; n++) {
        if (mp_pool_apply_async(pool, work, &n, sizeof(n), NULL, NULL) < 0)
            return 1;
    }
    mp_pool_close(pool);
    mp_pool_join(pool, MP_FOREVER);

    if (mp_pool_stats(pool, &stats) < 0)
        return 1;
    printf("%d tasks: %d done, %d failed, %d queued\n", (int)stats.submitted,
           (int)stats.done, (int)stats.failed, (int)stats.queued);
    printf("the slowest was task %d, with %s\n", (int)stats.slowest[0].task,
           stats.slowest[0].seconds >= 0.05 ? "50 ms or more" : "less");
    mp_pool_destroy(pool);
    return 0;
}
