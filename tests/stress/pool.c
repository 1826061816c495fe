/* SPDX-License-Identifier: MIT */
/* Submitters: they give tasks and maps to a pool whose workers are killed. A
 * task gives its result, or fails because its worker died; nothing else. */
#include "stress.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>

#define WORKERS 2
#define ITEMS   200

static int
triple(mp_task *task)
{
    uint64_t *n = mp_task_arg(task, NULL), x = *n * 3;

    return mp_task_return(task, &x, sizeof(x));
}

static int
triple_item(const void *item, void *out, void *ctx)
{
    (void)ctx;
    *(uint64_t *)out = *(const uint64_t *)item * 3;
    return 0;
}

int
stress_pool_warm_up(void)
{
    uint64_t item = 1, out = 0;
    mp_pool *pool;
    int r = mp_pool_create(&pool, 1, MP_POOL_ATTR(.method = MP_FORK));

    if (r == 0)
        r = mp_pool_map(pool, triple_item, &item, sizeof(item), &out,
                        sizeof(out), 1, NULL);
    if (r == 0)
        r = mp_pool_close(pool);
    if (r == 0)
        r = mp_pool_join(pool, MP_FOREVER);
    return r == 0 ? mp_pool_destroy(pool) : r;
}

int
stress_pool_create(void)
{
    return mp_pool_create(&stress->pool, WORKERS,
                          MP_POOL_ATTR(.method = MP_FORK));
}

int
stress_pool_kill_worker(uint64_t random)
{
    mp_process *list[WORKERS];
    int n = mp_pool_workers(stress->pool, list, WORKERS);

    if (n <= 0 || n > WORKERS)
        return 0;
    return mp_process_kill(list[random % (unsigned)n]) == 0;
}

int
stress_pool_end(void)
{
    int r = mp_pool_close(stress->pool);

    if (r == 0)
        r = mp_pool_join(stress->pool, mp_timeout(20));
    if (r == 0)
        r = mp_pool_destroy(stress->pool);
    if (r < 0)
        printf("VIOLATION: the pool does not end: %s (%s)\n", mp_strerror(r),
               mp_last_error());
    return r < 0;
}

static void
count_result(ssize_t r, int right)
{
    if (r == -ESRCH)
        mp__add(&stress->tasks_died, 1);
    else if (r < 0)
        stress_unexpected("a task", (int)r);
    else if (!right)
        mp__add(&stress->wrong_results, 1);
    else
        mp__add(&stress->tasks_done, 1);
}

static void
submit_task(uint64_t n)
{
    mp_result *result;
    uint64_t x = 0;
    ssize_t size;
    int r = mp_pool_apply_async(stress->pool, triple, &n, sizeof(n), NULL,
                                &result);

    if (r < 0) {
        stress_unexpected("apply_async", r);
        return;
    }
    do
        size = mp_result_get(result, &x, sizeof(x), MP_FOREVER);
    while (size == -EINTR);
    count_result(size, size == sizeof(x) && x == n * 3);
    mp_result_free(result);
}

static void
submit_map(uint64_t n)
{
    uint64_t in[ITEMS], out[ITEMS];
    int i, r, right = 0;

    for (i = 0; i < ITEMS; i++)
        in[i] = n + (unsigned)i;
    r = mp_pool_map(stress->pool, triple_item, in, sizeof(*in), out,
                    sizeof(*out), ITEMS, NULL);
    for (i = 0; i < ITEMS; i++)
        right += out[i] == in[i] * 3;
    count_result(r, right == ITEMS);
}

void
stress_submit(uint64_t random)
{
    if (random % 8 == 0)
        submit_map(random >> 8);
    else
        submit_task(random >> 8);
}
