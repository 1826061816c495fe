/* SPDX-License-Identifier: MIT */
/* Maps a function over an array, then runs a task that fails. */
#include <mproc.h>
#include <stdio.h>

static int
square(const void *item, void *result, void *ctx)
{
    const int *number = item;
    int *squared = result;

    (void)ctx;
    *squared = *number * *number;
    return 0;
}

static int
divide(mp_task *task)
{
    const int *n = mp_task_arg(task, NULL);
    int quotient;

    if (n[1] == 0)
        return mp_task_fail(task, "%d cannot be divided by 0", n[0]);
    quotient = n[0] / n[1];
    return mp_task_return(task, &quotient, sizeof(quotient));
}

int
main(void)
{
    int numbers[] = {1, 2, 3, 4, 5}, squares[5];
    int arguments[2][2] = {{84, 2}, {1, 0}};
    mp_result *results[2];
    mp_pool *pool;
    int quotient;

    if (mp_pool_create(&pool, 2, NULL) < 0 ||
        mp_pool_map(pool, square, numbers, sizeof(int), squares, sizeof(int),
                    5, NULL) < 0) {
        fprintf(stderr, "%s\n", mp_last_error());
        return 1;
    }
    for (int i = 0; i < 5; i++)
        printf("%d%c", squares[i], i < 4 ? ' ' : '\n');

    for (int i = 0; i < 2; i++) {
        if (mp_pool_apply_async(pool, divide, arguments[i],
                                sizeof(arguments[i]), NULL, &results[i]) < 0)
            return 1;
    }
    for (int i = 0; i < 2; i++) {
        if (mp_result_get(results[i], &quotient, sizeof(quotient),
                          MP_FOREVER) < 0)
            printf("failed: %s\n", mp_result_error(results[i]));
        else
            printf("%d\n", quotient);
        mp_result_free(results[i]);
    }

    mp_pool_close(pool);
    mp_pool_join(pool, MP_FOREVER);
    mp_pool_destroy(pool);
    return 0;
}
