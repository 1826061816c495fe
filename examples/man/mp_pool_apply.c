/* SPDX-License-Identifier: MIT */
/* Tasks that end well, badly, too late, and at the second attempt. */
#include <errno.h>
#include <mproc.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

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

static int
loop(mp_task *task)
{
    (void)task;
    for (;;)
        pause();
    return 0;
}

static int
stumble(mp_task *task)
{
    int attempt = mp_task_attempt(task);

    if (attempt == 1)
        raise(SIGKILL);
    return mp_task_return(task, &attempt, sizeof(attempt));
}

static void
report(const char *what, mp_result *result)
{
    int number;
    ssize_t r = mp_result_get(result, &number, sizeof(number), MP_FOREVER);

    if (r == -EREMOTEIO)
        printf("%s: %s\n", what, mp_result_error(result));
    else if (r < 0)
        printf("%s: %s\n", what, mp_strerror((int)r));
    else
        printf("%s: %d\n", what, number);
    mp_result_free(result);
}

int
main(void)
{
    int arguments[2][2] = {{84, 2}, {1, 0}};
    mp_result *results[5];
    mp_pool *pool;

    if (mp_pool_create(&pool, 2, NULL) < 0 ||
        mp_pool_apply_async(pool, divide, arguments[0], sizeof(arguments[0]),
                            NULL, &results[0]) < 0 ||
        mp_pool_apply_async(pool, divide, arguments[1], sizeof(arguments[1]),
                            NULL, &results[1]) < 0 ||
        mp_pool_apply_async(pool, loop, NULL, 0, MP_TASK_ATTR(.timeout = 0.1),
                            &results[2]) < 0 ||
        mp_pool_apply_async(pool, stumble, NULL, 0, MP_TASK_ATTR(.retries = 2),
                            &results[3]) < 0 ||
        mp_pool_apply_async(pool, loop, NULL, 0, NULL, &results[4]) < 0) {
        fprintf(stderr, "%s\n", mp_last_error());
        return 1;
    }
    report("84 / 2", results[0]);
    report("1 / 0", results[1]);
    report("loop", results[2]);
    report("attempt", results[3]);
    mp_result_cancel(results[4]);
    report("the other loop", results[4]);

    mp_pool_close(pool);
    mp_pool_join(pool, MP_FOREVER);
    mp_pool_destroy(pool);
    return 0;
}
