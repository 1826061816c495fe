/* SPDX-License-Identifier: MIT */
/* What mp_pool_stats() tells. */
#include "pool/crew.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static mp_pool_statistics
stats_of(mp_pool *pool)
{
    mp_pool_statistics s = {.size = sizeof(s)};

    must(mp_pool_stats(pool, &s));
    return s;
}

/* Its argument is how many milliseconds it takes, or a failure. */
static int
last(mp_task *task)
{
    int ms = *(int *)mp_task_arg(task, NULL);

    if (ms < 0)
        return ms;
    usleep((useconds_t)ms * 1000);
    return 0;
}

static mp_result *
submit_last(mp_pool *pool, int ms)
{
    mp_result *result;

    must(mp_pool_apply_async(pool, last, &ms, sizeof(ms), NULL, &result));
    return result;
}

static void
run_last(mp_pool *pool, int ms, int code)
{
    mp_result *result = submit_last(pool, ms);

    ck_assert_int_eq(end_of(result), code);
    must(mp_result_free(result));
}

START_TEST(tasks_are_counted_by_their_ends)
{
    mp_pool *pool;
    mp_pool_statistics s;

    use_method(_i);
    pool = pool_of(2);
    s = stats_of(pool);
    ck_assert_uint_eq(s.workers, 2);
    ck_assert_uint_eq(s.submitted + s.done + s.failed + s.cancelled, 0);
    ck_assert_uint_eq(s.slowest[0].task, 0);
    ck_assert(s.uptime > 0);
    for (int i = 0; i < 30; i++)
        run_last(pool, i % 3 ? 0 : -EDOM, i % 3 ? 0 : -EDOM);
    end_pool(pool);
    pool = pool_of(2);
    for (int i = 0; i < 30; i++)
        run_last(pool, i % 3 ? 0 : -EDOM, i % 3 ? 0 : -EDOM);
    must(mp_pool_close(pool));
    must(mp_pool_join(pool, MP_FOREVER));
    s = stats_of(pool);
    ck_assert_uint_eq(s.submitted, 30);
    ck_assert_uint_eq(s.done, 20);
    ck_assert_uint_eq(s.failed, 10);
    ck_assert_uint_eq(s.cancelled + s.running + s.queued, 0);
    ck_assert_uint_eq(s.retried + s.deaths + s.replaced + s.items, 0);
    ck_assert_uint_eq(s.workers, 0);
    must(mp_pool_destroy(pool));
}
END_TEST

START_TEST(what_runs_and_what_waits_is_seen)
{
    mp_pool *pool = pool_of(2);
    struct gate gate = gate_open();
    mp_result *results[5];
    mp_pool_statistics s;

    for (int i = 0; i < 5; i++)
        results[i] = submit_to_gate(pool, gate);
    gate_await(gate);
    gate_await(gate);
    s = stats_of(pool);
    ck_assert_uint_eq(s.submitted, 5);
    ck_assert_uint_eq(s.running, 2);
    ck_assert_uint_eq(s.queued, 3);
    must(mp_result_cancel(results[4])); /* queued */
    s = stats_of(pool);
    ck_assert_uint_eq(s.cancelled, 1);
    ck_assert_uint_eq(s.queued, 2);
    for (int i = 0; i < 4; i++)
        gate_let_go(gate);
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(end_of(results[i]), i < 4 ? 0 : -ECANCELED);
        must(mp_result_free(results[i]));
    }
    must(mp_pool_close(pool));
    must(mp_pool_join(pool, MP_FOREVER));
    s = stats_of(pool);
    ck_assert_uint_eq(s.done, 4);
    ck_assert_uint_eq(s.cancelled, 1);
    ck_assert_uint_eq(s.failed + s.running + s.queued, 0);
    must(mp_pool_destroy(pool));
    gate_close(gate);
}
END_TEST

START_TEST(a_cancelled_task_that_ran_counts_once)
{
    mp_pool *pool = pool_of(1);
    struct gate gate = gate_open();
    mp_result *result = submit_to_gate(pool, gate);
    mp_pool_statistics s;

    gate_await(gate);
    must(mp_result_cancel(result));
    ck_assert_int_eq(end_of(result), -ECANCELED);
    must(mp_result_free(result));
    run_last(pool, 0, 0);
    must(mp_pool_close(pool));
    must(mp_pool_join(pool, MP_FOREVER));
    s = stats_of(pool);
    ck_assert_uint_eq(s.submitted, 2);
    ck_assert_uint_eq(s.done, 1);
    ck_assert_uint_eq(s.cancelled, 1);
    ck_assert_uint_eq(s.failed + s.running + s.queued, 0);
    must(mp_pool_destroy(pool));
    gate_close(gate);
}
END_TEST

START_TEST(attempts_and_deaths_are_counted)
{
    mp_pool *pool = pool_of(1);
    mp_result *result;
    mp_pool_statistics s;

    must(mp_pool_apply_async(pool, kill_self, NULL, 0,
                             MP_TASK_ATTR(.retries = 2), &result));
    ck_assert_int_eq(end_of(result), -ESRCH);
    must(mp_result_free(result));
    must(mp_pool_close(pool));
    must(mp_pool_join(pool, MP_FOREVER));
    s = stats_of(pool);
    ck_assert_uint_eq(s.submitted, 1);
    ck_assert_uint_eq(s.failed, 1);
    ck_assert_uint_eq(s.retried, 2);
    ck_assert_uint_eq(s.deaths, 3);
    ck_assert_uint_eq(s.done + s.running + s.queued, 0);
    must(mp_pool_destroy(pool));
}
END_TEST

START_TEST(a_worker_that_was_replaced_did_not_die)
{
    mp_pool *pool;
    mp_pool_statistics s;

    must(mp_pool_create(&pool, 1, MP_POOL_ATTR(.tasks_per_worker = 1)));
    for (int i = 0; i < 3; i++)
        run_last(pool, 0, 0);
    must(mp_pool_close(pool));
    must(mp_pool_join(pool, MP_FOREVER));
    s = stats_of(pool);
    ck_assert_uint_eq(s.done, 3);
    ck_assert_uint_eq(s.deaths, 0);
    ck_assert_uint_ge(s.replaced, 2);
    must(mp_pool_destroy(pool));
}
END_TEST

START_TEST(what_a_terminated_pool_did_not_begin_is_cancelled)
{
    mp_pool *pool = pool_of(1);
    struct gate gate = gate_open();
    mp_result *result = submit_to_gate(pool, gate);
    mp_pool_statistics s;

    gate_await(gate);
    for (int i = 0; i < 10; i++)
        must(mp_pool_apply_async(pool, echo, NULL, 0, NULL, NULL));
    must(mp_pool_terminate(pool));
    must(mp_pool_join(pool, MP_FOREVER));
    s = stats_of(pool);
    ck_assert_uint_eq(s.submitted, 11);
    ck_assert_uint_eq(s.done + s.running + s.queued, 0);
    ck_assert_uint_eq(s.failed + s.cancelled, 11);
    must(mp_result_free(result));
    must(mp_pool_destroy(pool));
    gate_close(gate);
}
END_TEST

START_TEST(what_was_refused_was_not_submitted)
{
    mp_pool *pool = pool_of(1);

    run_last(pool, 0, 0);
    must(mp_pool_close(pool));
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(mp_pool_apply(pool, echo, NULL, 0, NULL), -ESHUTDOWN);
    ck_assert_uint_eq(stats_of(pool).submitted, 1);
    must(mp_pool_join(pool, MP_FOREVER));
    must(mp_pool_destroy(pool));
}
END_TEST

START_TEST(the_slowest_five_come_slowest_first)
{
    static const int ms[] = {0, 30, 0, 120, 0, 60, 0, 90, 0, 150, 0, 0};
    mp_pool *pool = pool_of(1);
    mp_result *results[12];
    mp_pool_statistics s;

    for (int i = 0; i < 12; i++)
        results[i] = submit_last(pool, ms[i]);
    for (int i = 0; i < 12; i++) {
        ck_assert_int_eq(end_of(results[i]), 0);
        must(mp_result_free(results[i]));
    }
    s = stats_of(pool);
    for (int i = 0; i < 5; i++) {
        uint64_t task = s.slowest[i].task;

        ck_assert_uint_ge(task, 1);
        ck_assert_uint_le(task, 12);
        ck_assert(s.slowest[i].seconds >= (double)ms[task - 1] / 1e3);
        ck_assert_int_ge(ms[task - 1], 30);
        if (i > 0)
            ck_assert(s.slowest[i].seconds <= s.slowest[i - 1].seconds);
    }
    end_pool(pool);
}
END_TEST

START_TEST(times_are_told)
{
    mp_pool *pool = pool_of(1);
    mp_result *first = submit_last(pool, 100), *second;
    mp_pool_statistics s;

    second = submit_last(pool, 1); /* which waits for the first */
    ck_assert_int_eq(end_of(second), 0);
    s = stats_of(pool);
    ck_assert(s.uptime >= 0.1);
    ck_assert(s.busy > 0 && s.busy <= 1);
    ck_assert(s.wait_most >= s.wait_mean);
    ck_assert(s.wait_most > 0 && s.wait_most < s.uptime);
    ck_assert_uint_eq(s.done, 2);
    must(mp_result_free(first));
    must(mp_result_free(second));
    end_pool(pool);
}
END_TEST

static int
nothing(const void *item, void *result, void *ctx)
{
    (void)result;
    (void)ctx;
    if (*(const int *)item == 500)
        raise(SIGKILL);
    return 0;
}

START_TEST(items_are_no_tasks)
{
    mp_pool *pool = pool_of(2);
    int in[1000];
    mp_pool_statistics s;

    for (int i = 0; i < 1000; i++)
        in[i] = i;
    must(mp_pool_map(pool, nothing, in, sizeof(int), NULL, 0, 500, NULL));
    ck_assert_int_eq(
        mp_pool_map(pool, nothing, in, sizeof(int), NULL, 0, 1000, NULL),
        -ESRCH);
    must(mp_pool_close(pool));
    must(mp_pool_join(pool, MP_FOREVER));
    s = stats_of(pool);
    ck_assert_uint_eq(s.items, 1500);
    ck_assert_uint_eq(s.submitted + s.done + s.failed, 0);
    ck_assert_uint_eq(s.deaths, 1);
    must(mp_pool_destroy(pool));
}
END_TEST

START_TEST(the_caller_says_how_large_its_struct_is)
{
    mp_pool *pool = pool_of(1);
    struct {
        mp_pool_statistics s;
        uint64_t more;
    } larger = {.s = {.size = sizeof(larger)}, .more = 7};
    mp_pool_statistics s = {0};

    ck_assert_int_eq(mp_pool_stats(pool, &s), -EINVAL);
    expect_text("size");
    ck_assert_int_eq(mp_pool_stats(pool, NULL), -EINVAL);
    ck_assert_int_eq(mp_pool_stats(NULL, &s), -EBADF);
    memset(&s, 0x55, sizeof(s));
    s.size = offsetof(mp_pool_statistics, submitted);
    must(mp_pool_stats(pool, &s));
    ck_assert_uint_eq(s.workers, 1);
    ck_assert_uint_eq(s.submitted, 0x5555555555555555);
    must(mp_pool_stats(pool, &larger.s));
    ck_assert_uint_eq(larger.s.workers, 1);
    ck_assert_uint_eq(larger.more, 0);
    end_pool(pool);
}
END_TEST

/* Counts agree with the answers, whenever workers die. */
START_TEST(after_a_storm_the_counts_are_exact)
{
    mp_pool *pool = pool_of(2);
    mp_result *results[400];
    mp_pool_statistics s;
    uint64_t done = 0, failed = 0;

    for (int i = 0; i < 400; i++)
        must(mp_pool_apply_async(pool, i % 20 ? echo : kill_self, NULL, 0,
                                 NULL, &results[i]));
    for (int i = 0; i < 400; i++) {
        if (end_of(results[i]) == 0)
            done++;
        else
            failed++;
        must(mp_result_free(results[i]));
    }
    must(mp_pool_close(pool));
    must(mp_pool_join(pool, MP_FOREVER));
    s = stats_of(pool);
    ck_assert_uint_eq(failed, 20);
    ck_assert_uint_eq(s.done, done);
    ck_assert_uint_eq(s.failed, failed);
    ck_assert_uint_eq(s.deaths, 20);
    ck_assert_uint_eq(s.running + s.queued + s.cancelled, 0);
    must(mp_pool_destroy(pool));
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("stats");
    TCase *tcase = pool_case(suite, "stats", 30);

    tcase_add_loop_test(tcase, tasks_are_counted_by_their_ends, MP_FORK,
                        MP_FORKSERVER + 1);
    tcase_add_test(tcase, what_runs_and_what_waits_is_seen);
    tcase_add_test(tcase, a_cancelled_task_that_ran_counts_once);
    tcase_add_test(tcase, attempts_and_deaths_are_counted);
    tcase_add_test(tcase, a_worker_that_was_replaced_did_not_die);
    tcase_add_test(tcase, what_a_terminated_pool_did_not_begin_is_cancelled);
    tcase_add_test(tcase, what_was_refused_was_not_submitted);
    tcase_add_test(tcase, the_slowest_five_come_slowest_first);
    tcase_add_test(tcase, times_are_told);
    tcase_add_test(tcase, items_are_no_tasks);
    tcase_add_test(tcase, the_caller_says_how_large_its_struct_is);
    tcase_add_test(tcase, after_a_storm_the_counts_are_exact);
    return pool_main(suite);
}
