/* SPDX-License-Identifier: MIT */
/* Workers that are replaced: after so many tasks, or when they have grown. */
#include "pool/crew.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FROM MP_FORK
#define TO   (MP_FORKSERVER + 1)
#define MIB  ((size_t)1 << 20)

static int
count_start(void *arg)
{
    mp__add(*(mp__a32 **)arg, 1);
    return 0;
}

static mp_pool *
pool_that_counts(int workers, mp_pool_attr attr, mp__a32 **ret_starts)
{
    mp_pool *pool;

    *ret_starts = mp_new(mp__a32);
    attr.size = sizeof(attr);
    attr.initializer = count_start;
    attr.initializer_arg = ret_starts;
    attr.initializer_size = sizeof(mp__a32 *);
    must(mp_pool_create(&pool, workers, &attr));
    return pool;
}

static mp_pool_statistics
stats_of(mp_pool *pool)
{
    mp_pool_statistics stats = {.size = sizeof(stats)};

    must(mp_pool_stats(pool, &stats));
    return stats;
}

/* ---- After so many tasks ---- */

START_TEST(B08_one_task_for_each_worker)
{
    enum { TASKS = 30 };
    mp_result *results[TASKS];
    mp__a32 *starts;
    mp_pool *pool;

    use_method(_i);
    pool = pool_that_counts(2, (mp_pool_attr){.tasks_per_worker = 1}, &starts);
    for (int i = 0; i < TASKS; i++)
        must(
            mp_pool_apply_async(pool, echo, &i, sizeof(i), NULL, &results[i]));
    for (int i = 0; i < TASKS; i++) {
        ck_assert_int_eq(end_of(results[i]), sizeof(i));
        must(mp_result_free(results[i]));
    }
    must(mp_pool_close(pool));
    must(mp_pool_join(pool, MP_FOREVER));
    ck_assert_uint_ge(mp__load(starts), TASKS);
    ck_assert_uint_eq(stats_of(pool).replaced, TASKS);
    ck_assert_uint_eq(stats_of(pool).deaths, 0);
    must(mp_pool_destroy(pool));
    must(mp_free((void *)starts));
}
END_TEST

START_TEST(B08_closed_pool_of_short_lived_workers_does_the_rest)
{
    enum { TASKS = 30 };
    mp_result *results[TASKS];
    mp_pool *pool;

    must(mp_pool_create(&pool, 2, MP_POOL_ATTR(.tasks_per_worker = 1)));
    for (int i = 0; i < TASKS; i++)
        must(
            mp_pool_apply_async(pool, echo, &i, sizeof(i), NULL, &results[i]));
    must(mp_pool_close(pool));
    must(mp_pool_join(pool, MP_FOREVER));
    for (int i = 0; i < TASKS; i++) {
        ck_assert_int_eq(
            mp_result_get(results[i], &(int){0}, sizeof(int), MP_NOW),
            sizeof(int));
        must(mp_result_free(results[i]));
    }
    must(mp_pool_destroy(pool));
}
END_TEST

/* arg: a queue for its pid. */
static int
tell_pid(mp_task *task)
{
    mp_queue **queue = mp_task_arg(task, NULL);
    pid_t pid = getpid();

    return mp_queue_put(*queue, &pid, sizeof(pid), MP_FOREVER);
}

START_TEST(B08_workers_succeed_each_other_while_the_owner_is_busy)
{
    enum { TASKS = 12 };
    mp_queue *queue;
    mp__a32 *starts;
    mp_pool *pool;
    pid_t pid;

    use_method(_i);
    must(mp_queue_create(&queue, NULL));
    pool = pool_that_counts(1, (mp_pool_attr){.tasks_per_worker = 1}, &starts);
    for (int i = 0; i < TASKS; i++)
        must(mp_pool_apply_async(pool, tell_pid, &queue, sizeof(queue), NULL,
                                 NULL));
    for (int i = 0; i < TASKS; i++) /* nobody is in a call on the pool */
        must(mp_queue_get(queue, &pid, sizeof(pid), MP_FOREVER));
    ck_assert_uint_ge(mp__load(starts), TASKS);
    end_pool(pool);
    must(mp_queue_destroy(queue));
    must(mp_free((void *)starts));
}
END_TEST

static int
add_one(const void *item, void *result, void *ctx)
{
    (void)item;
    (void)ctx;
    *(int *)result += 1;
    return 0;
}

START_TEST(B08_items_of_maps_count)
{
    enum { ITEMS = 60 };
    static const uint64_t chunks[] = {1, 7, 0};
    mp__a32 *starts;
    mp_pool *pool;
    int *out = mp_new_array(int, ITEMS);

    use_method(_i);
    for (int c = 0; c < 3; c++) {
        pool = pool_that_counts(2, (mp_pool_attr){.tasks_per_worker = 5},
                                &starts);
        memset(out, 0, ITEMS * sizeof(*out));
        must(mp_pool_map(pool, add_one, NULL, 0, out, sizeof(int), ITEMS,
                         MP_MAP_ATTR(.chunk = chunks[c])));
        for (int i = 0; i < ITEMS; i++)
            ck_assert_int_eq(out[i], 1);
        if (chunks[c] == 1)
            ck_assert_uint_ge(mp__load(starts), ITEMS / 5);
        end_pool(pool);
        must(mp_free((void *)starts));
    }
    must(mp_free(out));
}
END_TEST

START_TEST(worker_stays_until_its_number_is_reached)
{
    mp_pool *pool;
    mp_result *result;
    pid_t pid, last = 0;

    must(mp_pool_create(&pool, 1, MP_POOL_ATTR(.tasks_per_worker = 4)));
    for (int i = 0; i < 12; i++) {
        must(mp_pool_apply(pool, return_pid, NULL, 0, &result));
        ck_assert_int_eq(mp_result_get(result, &pid, sizeof(pid), MP_FOREVER),
                         sizeof(pid));
        must(mp_result_free(result));
        if (i % 4)
            ck_assert_int_eq(pid, last);
        else
            ck_assert_int_ne(pid, last);
        last = pid;
    }
    end_pool(pool);
}
END_TEST

/* Half of the workers die, the others leave. */
START_TEST(recycled_and_killed_at_once)
{
    enum { TASKS = 100 };
    mp_result *results[TASKS];
    mp_pool *pool;

    must(mp_pool_create(&pool, 3, MP_POOL_ATTR(.tasks_per_worker = 2)));
    for (int i = 0; i < TASKS; i++)
        must(mp_pool_apply_async(pool, i % 3 ? echo : kill_self, &i, sizeof(i),
                                 NULL, &results[i]));
    for (int i = 0; i < TASKS; i++) {
        ck_assert_int_eq(end_of(results[i]), i % 3 ? (int)sizeof(i) : -ESRCH);
        must(mp_result_free(results[i]));
    }
    ck_assert_uint_eq(stats_of(pool).deaths, (TASKS + 2) / 3);
    end_pool(pool);
}
END_TEST

START_TEST(recycling_leaves_no_memory)
{
    uint64_t before;
    mp_pool *pool;

    before = heap_use();
    must(mp_pool_create(&pool, 2, MP_POOL_ATTR(.tasks_per_worker = 1)));
    for (int i = 0; i < 50; i++)
        must(mp_pool_apply(pool, echo, NULL, 0, NULL));
    end_pool(pool);
    ck_assert_uint_eq(heap_use(), before);
}
END_TEST

/* ---- Grown too large ---- */

/* Never given back. */
static int
leak(mp_task *task)
{
    static volatile char *kept[8];
    static size_t n;
    size_t *size = mp_task_arg(task, NULL);
    volatile char *p = kept[n++ % 8] = malloc(*size);
    pid_t pid = getpid();

    if (!p)
        return -ENOMEM;
    for (size_t i = 0; i < *size; i += 4096)
        p[i] = 1;
    return mp_task_return(task, &pid, sizeof(pid));
}

static pid_t
leak_in(mp_pool *pool, size_t size)
{
    mp_result *result;
    pid_t pid;

    must(mp_pool_apply(pool, leak, &size, sizeof(size), &result));
    ck_assert_int_eq(mp_result_get(result, &pid, sizeof(pid), MP_FOREVER),
                     sizeof(pid));
    must(mp_result_free(result));
    return pid;
}

START_TEST(B28_worker_that_has_grown_is_replaced)
{
    mp__a32 *starts;
    mp_pool *pool;
    volatile char *big;

    use_method(_i);
    big = malloc(128 * MIB); /* what it got by fork() is not its own */
    for (size_t i = 0; i < 128 * MIB; i += 4096)
        big[i] = 1;
    pool =
        pool_that_counts(1, (mp_pool_attr){.memory_soft = 64 * MIB}, &starts);
    for (int i = 0; i < 4; i++)
        leak_in(pool, 1 * MIB);
    ck_assert_uint_eq(stats_of(pool).replaced, 0);
    /* The look at it comes a moment after the task, before the next one. */
    for (int i = 0; i < 3; i++)
        leak_in(pool, 100 * MIB);
    must(mp_pool_close(pool));
    must(mp_pool_join(pool, MP_FOREVER));
    ck_assert_uint_ge(stats_of(pool).replaced, 2);
    ck_assert_uint_eq(stats_of(pool).deaths, 0);
    must(mp_pool_destroy(pool));
    must(mp_free((void *)starts));
    free((void *)big);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("recycle");
    TCase *tasks = pool_case(suite, "tasks", 60);
    TCase *memory = pool_case(suite, "memory", 60);

    tcase_add_loop_test(tasks, B08_one_task_for_each_worker, FROM, TO);
    tcase_add_test(tasks,
                   B08_closed_pool_of_short_lived_workers_does_the_rest);
    tcase_add_loop_test(tasks,
                        B08_workers_succeed_each_other_while_the_owner_is_busy,
                        FROM, TO);
    tcase_add_loop_test(tasks, B08_items_of_maps_count, FROM, TO);
    tcase_add_test(tasks, worker_stays_until_its_number_is_reached);
    tcase_add_test(tasks, recycled_and_killed_at_once);
    tcase_add_test(tasks, recycling_leaves_no_memory);
    tcase_add_loop_test(memory, B28_worker_that_has_grown_is_replaced, FROM,
                        TO);
    return pool_main(suite);
}
