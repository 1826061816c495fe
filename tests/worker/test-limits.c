/* SPDX-License-Identifier: MIT */
/* Time limits of tasks. */
#include "pool/crew.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SHORT 0.05 /* s: will surely be over */
#define LONG  100. /* s: will never be */

static double
now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static mp_result *
submit(mp_pool *pool, mp_task_fn f, double hard, double soft)
{
    mp_result *result;

    must(mp_pool_apply_async(
        pool, f, NULL, 0, MP_TASK_ATTR(.timeout = hard, .soft_timeout = soft),
        &result));
    return result;
}

static int
wait_for_ever(mp_task *task)
{
    while (task)
        pause();
    return 0;
}

/* Nothing that a function does is in the way of its limit. */
static int
resist(mp_task *task)
{
    volatile int more = task != NULL;
    sigset_t all;

    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    while (more)
        ;
    return 0;
}

/* ---- Hard ---- */

START_TEST(hard_limit_kills_the_worker)
{
    mp_task_fn deadly[] = {wait_for_ever, resist};
    mp_pool *pool;

    use_method(_i);
    pool = pool_of(1);
    for (int i = 0; i < 2; i++) {
        mp_result *result = submit(pool, deadly[i], SHORT, 0), *after;

        must(mp_pool_apply_async(pool, echo, "after", 6, NULL, &after));
        ck_assert_int_eq(end_of(result), -ETIMEDOUT);
        expect_text("died while running task ");
        expect_text("time limit");
        ck_assert_int_eq(mp_result_ready(result), 1);
        ck_assert_int_eq(mp_result_successful(result), 0);
        ck_assert_int_eq(end_of(after), 6);
        must(mp_result_free(result));
        must(mp_result_free(after));
    }
    end_pool(pool);
}
END_TEST

START_TEST(limit_of_an_impatient_waiter_is_another)
{
    mp_pool *pool = pool_of(1);
    mp_result *result = submit(pool, wait_for_ever, 0.5, 0);

    ck_assert_int_eq(mp_result_get(result, NULL, 0, mp_timeout(0.001)),
                     -ETIMEDOUT);
    ck_assert_int_eq(mp_result_ready(result), 0);
    ck_assert_int_eq(end_of(result), -ETIMEDOUT);
    ck_assert_int_eq(mp_result_ready(result), 1);
    must(mp_result_free(result));
    end_pool(pool);
}
END_TEST

/* Takes longer than any limit before it, and longer than SHORT. */
static int
outlast(mp_task *task)
{
    double until = now() + 3 * SHORT;

    while (now() < until)
        ;
    return return_pid(task);
}

START_TEST(limit_ends_with_its_task)
{
    mp_pool *pool = pool_of(1);
    pid_t pids[3];

    for (int i = 0; i < 3; i++) {
        mp_result *result = submit(pool, return_pid, SHORT, SHORT / 2), *after;

        must(mp_result_get(result, &pids[0], sizeof(pid_t), MP_FOREVER));
        after = submit(pool, outlast, 0, 0);
        must(mp_result_get(after, &pids[1], sizeof(pid_t), MP_FOREVER));
        ck_assert_int_eq(pids[0], pids[1]);
        must(mp_result_free(after));
        after = submit(pool, outlast, LONG, 0);
        must(mp_result_get(after, &pids[2], sizeof(pid_t), MP_FOREVER));
        ck_assert_int_eq(pids[0], pids[2]);
        must(mp_result_free(after));
        must(mp_result_free(result));
    }
    end_pool(pool);
}
END_TEST

START_TEST(many_limited_tasks_one_worker)
{
    enum { TASKS = 500 };
    mp_pool *pool = pool_of(1);
    mp_result *results[TASKS];
    pid_t first = 0, pid;

    for (int i = 0; i < TASKS; i++)
        results[i] = submit(pool, return_pid, LONG, i % 2 ? LONG : 0);
    for (int i = 0; i < TASKS; i++) {
        must(mp_result_get(results[i], &pid, sizeof(pid), MP_FOREVER));
        first = first ? first : pid;
        ck_assert_int_eq(pid, first);
        must(mp_result_free(results[i]));
    }
    end_pool(pool);
}
END_TEST

/* The function returns in a child, too, which has no limit and must not end
 * that of the worker. */
static int
fork_and_wait(mp_task *task)
{
    pid_t pid = fork();

    if (pid == 0)
        return 0;
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    return wait_for_ever(task);
}

START_TEST(child_of_a_task_leaves_its_limit_alone)
{
    mp_pool *pool = pool_of(1);
    mp_result *result = submit(pool, fork_and_wait, 0.3, 0);

    ck_assert_int_eq(end_of(result), -ETIMEDOUT);
    expect_text("time limit");
    must(mp_result_free(result));
    end_pool(pool);
}
END_TEST

/* A death before the limit is over is not blamed on it. */
START_TEST(death_within_the_limit_is_a_death)
{
    mp_pool *pool = pool_of(1);
    mp_result *result = submit(pool, kill_self, LONG, 0);

    ck_assert_int_eq(end_of(result), -ESRCH);
    ck_assert_ptr_null(strstr(mp_last_error(), "time limit"));
    must(mp_result_free(result));
    end_pool(pool);
}
END_TEST

static int
run_pool_inside(mp_task *task)
{
    mp_result *result;
    mp_pool *pool;
    long r = mp_pool_create(&pool, 1, MP_POOL_ATTR(.method = MP_FORK));

    if (r == 0) {
        /* Its worker has copies of this one's timers, which are none. */
        r = mp_pool_apply_async(
            pool, wait_for_ever, NULL, 0,
            MP_TASK_ATTR(.timeout = SHORT, .soft_timeout = SHORT), &result);
        if (r == 0)
            r = mp_result_get(result, NULL, 0, MP_FOREVER);
        mp_result_free(result);
        mp_pool_destroy(pool);
    }
    return mp_task_return(task, &r, sizeof(r));
}

START_TEST(limits_inside_of_limits)
{
    mp_pool *pool = pool_of(1);
    mp_result *result = submit(pool, run_pool_inside, LONG, LONG);
    long r = 0;

    ck_assert_int_eq(mp_result_get(result, &r, sizeof(r), MP_FOREVER),
                     sizeof(r));
    ck_assert_int_eq(r, -ETIMEDOUT);
    must(mp_result_free(result));
    end_pool(pool);
}
END_TEST

/* ---- Soft ---- */

static int
await_soft_limit(mp_task *task)
{
    int before = mp_task_cancelled(task);

    while (mp_task_cancelled(task) == 0)
        ;
    return mp_task_return(task, &before, sizeof(before));
}

START_TEST(soft_limit_asks_the_task_to_end)
{
    mp_pool *pool;
    mp_result *result;
    int before = 77;

    use_method(_i);
    pool = pool_of(1);
    result = submit(pool, await_soft_limit, LONG, 0.2);
    ck_assert_int_eq(
        mp_result_get(result, &before, sizeof(before), MP_FOREVER),
        sizeof(before));
    ck_assert_int_eq(before, 0);
    must(mp_result_free(result));
    end_pool(pool);
}
END_TEST

/* Whether a sleep was interrupted, and not for nothing. */
static int
sleep_long(mp_task *task)
{
    struct timespec time = {.tv_sec = 5};
    int interrupted = nanosleep(&time, NULL) < 0 && errno == EINTR &&
                      mp_task_cancelled(task) == 1;

    return mp_task_return(task, &interrupted, sizeof(interrupted));
}

START_TEST(soft_limit_interrupts_what_blocks)
{
    mp_pool *pool;
    int interrupted = 0;

    use_method(_i);
    pool = pool_of(1);
    /* On a busy machine the time may be over before the sleep begins. */
    for (int i = 0; i < 5 && !interrupted; i++) {
        mp_result *result = submit(pool, sleep_long, LONG, 0.1);

        must(mp_result_get(result, &interrupted, sizeof(interrupted),
                           MP_FOREVER));
        must(mp_result_free(result));
    }
    ck_assert_int_eq(interrupted, 1);
    end_pool(pool);
}
END_TEST

START_TEST(hard_limit_after_the_soft_one)
{
    mp_pool *pool = pool_of(1);
    mp_result *result = submit(pool, wait_for_ever, 2 * SHORT, SHORT);

    ck_assert_int_eq(end_of(result), -ETIMEDOUT);
    must(mp_result_free(result));
    end_pool(pool);
}
END_TEST

static int
look_whether_cancelled(mp_task *task)
{
    int is = mp_task_cancelled(task);

    return mp_task_return(task, &is, sizeof(is));
}

START_TEST(soft_limit_ends_with_its_task)
{
    mp_pool *pool = pool_of(1);
    mp_result *first = submit(pool, await_soft_limit, 0, SHORT);
    double limits[] = {0, LONG};

    ck_assert_int_eq(end_of(first), sizeof(int));
    must(mp_result_free(first));
    for (int i = 0; i < 2; i++) {
        mp_result *result = submit(pool, look_whether_cancelled, 0, limits[i]);
        int is = 77;

        must(mp_result_get(result, &is, sizeof(is), MP_FOREVER));
        ck_assert_int_eq(is, 0);
        must(mp_result_free(result));
    }
    end_pool(pool);
}
END_TEST

static mp__a32 *urgent;

static void
note_urgent(int number)
{
    (void)number;
    mp__store(urgent, 1);
}

static int
await_urgent(mp_task *task)
{
    (void)task;
    while (!mp__load(urgent))
        ;
    return 0;
}

START_TEST(handler_of_the_program_stays)
{
    struct sigaction action = {.sa_handler = note_urgent};
    mp_result *result;
    mp_pool *pool;

    use_method(MP_FORK);
    urgent = mp_new(mp__a32);
    ck_assert_int_eq(sigaction(SIGURG, &action, NULL), 0);
    pool = pool_of(1);
    result = submit(pool, await_urgent, 0, SHORT);
    ck_assert_int_eq(end_of(result), 0);
    must(mp_result_free(result));
    end_pool(pool);
    mp_free(urgent);
}
END_TEST

/* ---- What a pool says for all its tasks ---- */

START_TEST(limit_of_the_pool_unless_the_task_has_its_own)
{
    double own[] = {-1, LONG};
    mp_result *result;
    mp_pool *pool;
    pid_t pid;

    must(mp_pool_create(&pool, 1, MP_POOL_ATTR(.task_timeout = 2 * SHORT)));
    must(mp_pool_apply(pool, wait_for_ever, NULL, 0, &result));
    ck_assert_int_eq(end_of(result), -ETIMEDOUT);
    must(mp_result_free(result));
    for (int i = 0; i < 2; i++) {
        result = submit(pool, outlast, own[i], 0);
        must(mp_result_get(result, &pid, sizeof(pid), MP_FOREVER));
        must(mp_result_free(result));
    }
    end_pool(pool);
}
END_TEST

/* ---- Mistakes ---- */

START_TEST(bad_limits_einval)
{
    mp_pool *pool = pool_of(1);
    mp_result *result;

    ck_assert_int_eq(mp_pool_apply_async(pool, echo, NULL, 0,
                                         MP_TASK_ATTR(.timeout = NAN),
                                         &result),
                     -EINVAL);
    expect_text(".timeout");
    ck_assert_int_eq(mp_pool_apply_async(pool, echo, NULL, 0,
                                         MP_TASK_ATTR(.soft_timeout = -1),
                                         &result),
                     -EINVAL);
    expect_text(".soft_timeout");
    ck_assert_int_eq(mp_pool_apply_async(pool, echo, NULL, 0,
                                         MP_TASK_ATTR(.soft_timeout = NAN),
                                         &result),
                     -EINVAL);
    expect_text(".soft_timeout");
    ck_assert_int_eq(mp_task_cancelled(NULL), -EBADF);
    end_pool(pool);
}
END_TEST

/* Limits that are as good as none. */
START_TEST(very_long_limits)
{
    static const double limits[] = {INFINITY, 1e300, 5e9, 3e9};
    mp_pool *pool = pool_of(1);
    pid_t pid;

    for (int i = 0; i < 4; i++) {
        mp_result *result = submit(pool, return_pid, limits[i], limits[i]);

        must(mp_result_get(result, &pid, sizeof(pid), MP_FOREVER));
        must(mp_result_free(result));
    }
    end_pool(pool);
}
END_TEST

START_TEST(very_short_limit_kills)
{
    mp_pool *pool = pool_of(1);
    mp_result *result = submit(pool, wait_for_ever, 1e-12, 1e-12);

    ck_assert_int_eq(end_of(result), -ETIMEDOUT);
    must(mp_result_free(result));
    end_pool(pool);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("limits");
    TCase *tcase = pool_case(suite, "hard", 30);

    tcase_add_loop_test(tcase, hard_limit_kills_the_worker, MP_FORK,
                        MP_FORKSERVER + 1);
    tcase_add_test(tcase, limit_of_an_impatient_waiter_is_another);
    tcase_add_test(tcase, limit_ends_with_its_task);
    tcase_add_test(tcase, many_limited_tasks_one_worker);
    tcase_add_test(tcase, child_of_a_task_leaves_its_limit_alone);
    tcase_add_test(tcase, death_within_the_limit_is_a_death);
    tcase_add_test(tcase, limits_inside_of_limits);
    tcase = pool_case(suite, "soft", 60);
    tcase_add_loop_test(tcase, soft_limit_asks_the_task_to_end, MP_FORK,
                        MP_FORKSERVER + 1);
    tcase_add_loop_test(tcase, soft_limit_interrupts_what_blocks, MP_FORK,
                        MP_FORKSERVER + 1);
    tcase_add_test(tcase, hard_limit_after_the_soft_one);
    tcase_add_test(tcase, soft_limit_ends_with_its_task);
    tcase_add_test(tcase, handler_of_the_program_stays);
    tcase = pool_case(suite, "values", 30);
    tcase_add_test(tcase, limit_of_the_pool_unless_the_task_has_its_own);
    tcase_add_test(tcase, bad_limits_einval);
    tcase_add_test(tcase, very_long_limits);
    tcase_add_test(tcase, very_short_limit_kills);
    return pool_main(suite);
}
