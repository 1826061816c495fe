/* SPDX-License-Identifier: MIT */
/* Pools inside of pools: how deep, and with how many processors. */
#include "pool/crew.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define FROM MP_FORK
#define TO   (MP_FORKSERVER + 1)

/* Runs f in a pool of one worker of its own; what it returned. */
static long
run_inside(mp_task_fn f, const void *arg, size_t size, int *ret_value)
{
    mp_result *result;
    mp_pool *pool;
    long r = mp_pool_create(&pool, 1, NULL);

    if (r < 0)
        return r;
    r = mp_pool_apply(pool, f, arg, size, &result);
    if (r == 0) {
        r = mp_result_get(result, ret_value, sizeof(*ret_value), MP_NOW);
        mp_result_free(result);
    }
    if (mp_pool_close(pool) < 0 || mp_pool_join(pool, MP_FOREVER) < 0 ||
        mp_pool_destroy(pool) < 0)
        return -EIO;
    return r;
}

/* Makes pools inside of each other until it may not: returns how many. */
static int
dive(mp_task *task)
{
    int deeper = 0;
    long r = run_inside(dive, NULL, 0, &deeper);

    if (r < 0 && r != -ELOOP)
        return mp_task_fail(task, "%s", mp_last_error());
    deeper++;
    return mp_task_return(task, &deeper, sizeof(deeper));
}

START_TEST(B24_pools_are_inside_each_other_up_to_a_depth)
{
    int depth = 0;

    use_method(_i);
    ck_assert_int_ge(run_inside(dive, NULL, 0, &depth), 0);
    ck_assert_int_eq(depth, MP_POOL_DEPTH);
}
END_TEST

/* Far down, it says why not. */
static int
dive_for_text(mp_task *task)
{
    int value;
    long r = run_inside(dive_for_text, NULL, 0, &value);

    return mp_task_fail(task, "%s", r < 0 ? mp_last_error() : "no error");
}

START_TEST(B24_the_error_says_how_deep)
{
    int value;

    ck_assert_int_lt(run_inside(dive_for_text, NULL, 0, &value), 0);
    expect_text("inside of 8 pools already");
}
END_TEST

static int
add_one(const void *item, void *result, void *ctx)
{
    (void)ctx;
    *(int *)result = *(const int *)item + 1;
    return 0;
}

static int
map_inside(const void *item, void *result, void *ctx)
{
    int in[50], out[50];
    mp_pool *pool;
    int sum = 0, r;

    (void)ctx;
    for (int i = 0; i < 50; i++)
        in[i] = *(const int *)item;
    r = mp_pool_create(&pool, 2, NULL);
    if (r == 0)
        r = mp_pool_map(pool, add_one, in, sizeof(int), out, sizeof(int), 50,
                        NULL);
    if (r < 0)
        return r;
    for (int i = 0; i < 50; i++)
        sum += out[i];
    *(int *)result = sum;
    return mp_pool_destroy(pool);
}

START_TEST(B24_maps_inside_of_maps)
{
    enum { ITEMS = 8 };
    int in[ITEMS], out[ITEMS];
    mp_pool *pool;

    use_method(_i);
    for (int i = 0; i < ITEMS; i++)
        in[i] = i;
    pool = pool_of(2);
    must(mp_pool_map(pool, map_inside, in, sizeof(int), out, sizeof(int),
                     ITEMS, NULL));
    for (int i = 0; i < ITEMS; i++)
        ck_assert_int_eq(out[i], 50 * (i + 1));
    end_pool(pool);
}
END_TEST

/* ---- Processors ---- */

/* How many workers a pool has that leaves it to mproc, and OMP_NUM_THREADS in
 * them. */
struct share {
    int workers, threads;
};

static int
read_threads(mp_task *task)
{
    const char *value = getenv("OMP_NUM_THREADS");
    int threads = value ? atoi(value) : -1;

    return mp_task_return(task, &threads, sizeof(threads));
}

static int
look_inside(mp_task *task)
{
    struct share share = {0};
    mp_result *result;
    mp_pool *pool;
    int r = mp_pool_create(&pool, 0, NULL);

    if (r == 0)
        share.workers = mp_pool_workers(pool, NULL, 0);
    if (r == 0)
        r = mp_pool_apply(pool, read_threads, NULL, 0, &result);
    if (r == 0 && mp_result_get(result, &share.threads, sizeof(int), MP_NOW) !=
                      sizeof(int))
        r = -EIO;
    if (r < 0)
        return mp_task_fail(task, "%s", mp_last_error());
    mp_result_free(result);
    mp_pool_destroy(pool);
    return mp_task_return(task, &share, sizeof(share));
}

static struct share
share_in_pool_of(int workers, int32_t threads)
{
    struct share share;
    mp_result *result;
    mp_pool *pool;

    must(mp_pool_create(&pool, workers, MP_POOL_ATTR(.threads = threads)));
    must(mp_pool_apply(pool, look_inside, NULL, 0, &result));
    ck_assert_msg(mp_result_get(result, &share, sizeof(share), MP_NOW) ==
                      sizeof(share),
                  "%s", mp_last_error());
    must(mp_result_free(result));
    end_pool(pool);
    return share;
}

START_TEST(B24_pools_share_the_processors)
{
    int cpus = mp_cpu_count();

    unsetenv("OMP_NUM_THREADS");
    use_method(_i);
    for (int workers = 1; workers <= 4; workers++) {
        int expected = cpus / workers > 1 ? cpus / workers : 1;
        struct share share = share_in_pool_of(workers, 0);

        ck_assert_int_eq(share.workers, expected);
        ck_assert_int_eq(share.threads, 1); /* a worker for each of them */
    }
}
END_TEST

START_TEST(B24_what_the_user_sets_holds_inside_too)
{
    setenv("OMP_NUM_THREADS", "7", 1);
    use_method(_i);
    ck_assert_int_eq(share_in_pool_of(1, 0).threads, 7);
    unsetenv("OMP_NUM_THREADS");
    ck_assert_int_eq(share_in_pool_of(1, 5).threads, 1);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("nested");
    TCase *depth = pool_case(suite, "depth", 60);
    TCase *share = pool_case(suite, "share", 60);

    tcase_add_loop_test(depth, B24_pools_are_inside_each_other_up_to_a_depth,
                        FROM, TO);
    tcase_add_test(depth, B24_the_error_says_how_deep);
    tcase_add_loop_test(depth, B24_maps_inside_of_maps, FROM, TO);
    tcase_add_loop_test(share, B24_pools_share_the_processors, FROM, TO);
    tcase_add_loop_test(share, B24_what_the_user_sets_holds_inside_too, FROM,
                        TO);
    return pool_main(suite);
}
