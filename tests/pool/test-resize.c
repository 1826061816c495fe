/* SPDX-License-Identifier: MIT */
/* How many workers there are: resized, and with the work. */
#include "pool/crew.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FROM MP_FORK
#define TO   (MP_FORKSERVER + 1)

static int
alive(mp_pool *pool)
{
    return (int)must(mp_pool_workers(pool, NULL, 0));
}

/* So many can be at work at once, and no more. */
static void
expect_workers(mp_pool *pool, int count)
{
    pid_t pids[64];

    await_workers(pool, count, pids);
    wait_until(alive(pool) == count, 20);
}

/* ---- Resized ---- */

START_TEST(bad_sizes_einval)
{
    mp_pool *pool = pool_of(1);

    ck_assert_int_eq(mp_pool_resize(pool, 0), -EINVAL);
    expect_text("mp_pool_resize: 0 workers");
    ck_assert_int_eq(mp_pool_resize(pool, -1), -EINVAL);
    ck_assert_int_eq(mp_pool_resize(pool, 1001), -EINVAL);
    ck_assert_int_eq(mp_pool_resize(NULL, 1), -EBADF);
    expect_workers(pool, 1);
    must(mp_pool_close(pool));
    ck_assert_int_eq(mp_pool_resize(pool, 2), -ESHUTDOWN);
    expect_text("closed");
    must(mp_pool_terminate(pool));
    ck_assert_int_eq(mp_pool_resize(pool, 2), -ECANCELED);
    must(mp_pool_join(pool, MP_FOREVER));
    ck_assert_int_eq(alive(pool), 0);
    must(mp_pool_destroy(pool));
    ck_assert_int_eq(mp_pool_resize(pool, 2), -EBADF);
}
END_TEST

START_TEST(B38_pool_grows_and_shrinks)
{
    static const int sizes[] = {1, 3, 20, 5, 5, 1, 40, 2};
    mp_pool *pool;

    use_method(_i);
    pool = pool_of(2);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        must(mp_pool_resize(pool, sizes[i]));
        expect_workers(pool, sizes[i]);
    }
    end_pool(pool);
}
END_TEST

START_TEST(B38_workers_that_are_at_something_end_it_first)
{
    enum { WORKERS = 4 };
    struct gate gate = gate_open();
    mp_pool *pool = pool_of(WORKERS);
    mp_pool_statistics stats = {.size = sizeof(stats)};
    mp_result *results[WORKERS], *queued;

    for (int i = 0; i < WORKERS; i++)
        results[i] = submit_to_gate(pool, gate);
    for (int i = 0; i < WORKERS; i++)
        gate_await(gate);
    must(mp_pool_apply_async(pool, return_pid, NULL, 0, NULL, &queued));
    must(mp_pool_resize(pool, 1));
    ck_assert_int_eq(alive(pool), WORKERS);
    for (int i = 0; i < WORKERS; i++)
        gate_let_go(gate);
    for (int i = 0; i < WORKERS; i++) {
        ck_assert_int_eq(end_of(results[i]), 0);
        must(mp_result_free(results[i]));
    }
    ck_assert_int_eq(end_of(queued), sizeof(pid_t));
    must(mp_result_free(queued));
    expect_workers(pool, 1);
    must(mp_pool_stats(pool, &stats));
    ck_assert_uint_eq(stats.deaths, 0);
    ck_assert_uint_eq(stats.replaced, 0); /* nobody came in their place */
    end_pool(pool);
    gate_close(gate);
}
END_TEST

static int
add_one(const void *item, void *result, void *ctx)
{
    mp_pool *pool = *(mp_pool **)ctx;
    int number = *(const int *)item;

    *(int *)result += 1;
    if (number % 100 == 50)
        return mp_pool_resize(pool, 1 + number / 100 % 4);
    return 0;
}

START_TEST(B38_resized_in_the_middle_of_a_map)
{
    enum { ITEMS = 3000 };
    mp_pool *pool = pool_of(3);
    int *in = mp_new_array(int, ITEMS), *out = mp_new_array(int, ITEMS);

    for (int i = 0; i < ITEMS; i++)
        in[i] = i;
    must(mp_pool_map(
        pool, add_one, in, sizeof(int), out, sizeof(int), ITEMS,
        MP_MAP_ATTR(.ctx = &pool, .ctx_size = sizeof(pool), .chunk = 7)));
    for (int i = 0; i < ITEMS; i++)
        ck_assert_int_eq(out[i], 1);
    must(mp_pool_resize(pool, 2));
    expect_workers(pool, 2);
    end_pool(pool);
    must(mp_free(in));
    must(mp_free(out));
}
END_TEST

static int
resize_for_ever(void *arg)
{
    mp_pool *pool = *(mp_pool **)arg;

    for (int i = 0;; i++)
        if (mp_pool_resize(pool, 1 + i % 5) < 0)
            return 1;
}

START_TEST(resizer_killed_anywhere)
{
    mp_pool *pool;
    mp_process *resizer;

    for (int i = 0; i < 20; i++) {
        pool = pool_of(3);
        must(mp_process_start(&resizer, resize_for_ever, &pool, sizeof(pool),
                              NULL));
        for (int k = 0; k <= i * 3; k++)
            must(mp_pool_apply(pool, echo, NULL, 0, NULL));
        must(mp_process_kill(resizer));
        must(mp_process_join(resizer, MP_FOREVER));
        must(mp_process_close(resizer));
        must(mp_pool_resize(pool, 2));
        expect_workers(pool, 2);
        end_pool(pool);
    }
}
END_TEST

START_TEST(resizing_leaves_no_memory)
{
    uint64_t before;
    mp_pool *pool;

    before = heap_use();
    pool = pool_of(1);
    for (int i = 0; i < 10; i++) {
        must(mp_pool_resize(pool, i % 2 ? 2 : 20));
        must(mp_pool_apply(pool, echo, NULL, 0, NULL));
    }
    end_pool(pool);
    ck_assert_uint_eq(heap_use(), before);
}
END_TEST

/* ---- With the work ---- */

static mp_pool *
pool_that_breathes(int most, int least)
{
    mp_pool *pool;

    must(mp_pool_create(&pool, most,
                        MP_POOL_ATTR(.least = least, .idle_timeout = 0.02)));
    return pool;
}

START_TEST(B38_idle_workers_leave_and_come_back)
{
    mp_pool_statistics stats = {.size = sizeof(stats)};
    mp_pool *pool;
    pid_t pids[4];

    use_method(_i);
    pool = pool_that_breathes(4, 1);
    for (int i = 0; i < 3; i++) {
        wait_until(alive(pool) == 1, 20);
        await_workers(pool, 4, pids);
    }
    must(mp_pool_stats(pool, &stats));
    ck_assert_uint_eq(stats.deaths, 0);
    end_pool(pool);
}
END_TEST

START_TEST(B38_submission_alone_brings_them_back)
{
    struct gate gate = gate_open();
    mp_pool *pool = pool_that_breathes(3, 1);
    mp_result *results[3];

    wait_until(alive(pool) == 1, 20);
    for (int i = 0; i < 3; i++)
        results[i] = submit_to_gate(pool, gate);
    for (int i = 0; i < 3; i++) /* all are at work at once */
        gate_await(gate);
    for (int i = 0; i < 3; i++)
        gate_let_go(gate);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(end_of(results[i]), 0);
        must(mp_result_free(results[i]));
    }
    end_pool(pool);
    gate_close(gate);
}
END_TEST

START_TEST(B38_a_map_brings_them_back)
{
    enum { ITEMS = 1000 };
    mp_pool *pool = pool_that_breathes(3, 1);
    mp_pool *none = pool;
    int in[ITEMS] = {0}, out[ITEMS] = {0};

    wait_until(alive(pool) == 1, 20);
    must(mp_pool_map(pool, add_one, in, sizeof(int), out, sizeof(int), ITEMS,
                     MP_MAP_ATTR(.ctx = &none, .ctx_size = sizeof(none))));
    for (int i = 0; i < ITEMS; i++)
        ck_assert_int_eq(out[i], 1);
    wait_until(alive(pool) == 1, 20);
    end_pool(pool);
}
END_TEST

START_TEST(the_least_are_replaced_when_they_die)
{
    mp_pool *pool = pool_that_breathes(5, 2);
    mp_process *list[8];

    wait_until(alive(pool) == 2, 20);
    for (int i = 0; i < 5; i++) {
        int n = (int)must(mp_pool_workers(pool, list, 8));

        for (int k = 0; k < n; k++)
            must(mp_process_kill(list[k]));
        wait_until(alive(pool) == 2, 20);
        must(mp_pool_apply(pool, echo, NULL, 0, NULL));
    }
    end_pool(pool);
}
END_TEST

/* Submits at the moment when workers leave. */
START_TEST(no_task_is_missed_while_workers_leave)
{
    mp_pool *pool;

    must(mp_pool_create(&pool, 4,
                        MP_POOL_ATTR(.least = 1, .idle_timeout = 0.01)));
    for (int i = 0; i < 100; i++) {
        mp_result *results[4];

        for (int k = 0; k < 4; k++)
            must(mp_pool_apply_async(pool, echo, NULL, 0, NULL, &results[k]));
        for (int k = 0; k < 4; k++) {
            ck_assert_int_eq(end_of(results[k]), 0);
            must(mp_result_free(results[k]));
        }
        usleep(9500 + (useconds_t)i * 20); /* about when they leave */
    }
    end_pool(pool);
}
END_TEST

START_TEST(resize_of_a_pool_that_breathes_is_its_most)
{
    mp_pool *pool = pool_that_breathes(2, 1);
    pid_t pids[6];

    must(mp_pool_resize(pool, 6));
    await_workers(pool, 6, pids);
    wait_until(alive(pool) == 1, 20);
    must(mp_pool_resize(pool, 1));
    expect_workers(pool, 1);
    end_pool(pool);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("resize");
    TCase *resize = pool_case(suite, "resize", 120);
    TCase *work = pool_case(suite, "work", 60);

    tcase_add_test(resize, bad_sizes_einval);
    tcase_add_loop_test(resize, B38_pool_grows_and_shrinks, FROM, TO);
    tcase_add_test(resize, B38_workers_that_are_at_something_end_it_first);
    tcase_add_test(resize, B38_resized_in_the_middle_of_a_map);
    tcase_add_test(resize, resizer_killed_anywhere);
    tcase_add_test(resize, resizing_leaves_no_memory);
    tcase_add_loop_test(work, B38_idle_workers_leave_and_come_back, FROM, TO);
    tcase_add_test(work, B38_submission_alone_brings_them_back);
    tcase_add_test(work, B38_a_map_brings_them_back);
    tcase_add_test(work, the_least_are_replaced_when_they_die);
    tcase_add_test(work, no_task_is_missed_while_workers_leave);
    tcase_add_test(work, resize_of_a_pool_that_breathes_is_its_most);
    return pool_main(suite);
}
