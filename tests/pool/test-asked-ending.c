/* SPDX-License-Identifier: MIT */
/* What users of process pools have asked for: that things end. Tasks that take
 * too long, or are not wanted any more; workers that are replaced; errors that
 * cannot be told; pools that are to be shut down. Each test is named after its
 * row in the list of such reports, or after our own guarantee. */
#include "pool/kit.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- B6: a timeout only stops the waiting; the task goes on, and takes its
 * worker away from the others. ---- */

static void
expect_timed_out(mp_pool *pool, struct gate gate, mp_task_fn f)
{
    mp_result *result =
        submit_stuck(pool, f, gate, MP_TASK_ATTR(.timeout = 0.1));
    pid_t pid = gate_await_or_end(gate, result);

    ck_assert_int_eq(mp_result_wait(result, soon()), 0);
    ck_assert_int_eq(mp_result_ready(result), 1);
    ck_assert_int_eq(mp_result_successful(result), 0);
    must_fail((int)mp_result_get(result, NULL, 0, MP_NOW), -ETIMEDOUT,
              "time limit");
    mp_test_text(mp_result_error(result), "time limit");
    if (pid)
        wait_until(is_gone(pid), 10); /* it really is killed */
    must(mp_result_free(result));
}

START_TEST(B06_timeout_really_kills)
{
    struct gate gate = gate_open();
    mp_pool *pool;

    use_method(_i);
    pool = pool_of(1);
    expect_timed_out(pool, gate, sleep_for_ever);
    expect_timed_out(pool, gate, spin_for_ever);
    expect_timed_out(pool, gate, wait_at_gate);
    must(mp_pool_apply(pool, echo, NULL, 0, NULL)); /* there is a worker */
    end_pool(pool);
    gate_close(gate);
}
END_TEST

START_TEST(B06_timeout_of_the_pool_holds_for_tasks_that_say_nothing)
{
    struct gate gate = gate_open();
    mp_result *result, *without;
    mp_pool *pool;

    must(mp_pool_create(&pool, 2, MP_POOL_ATTR(.task_timeout = 0.1)));
    without =
        submit_stuck(pool, wait_at_gate, gate, MP_TASK_ATTR(.timeout = -1));
    gate_await(gate);
    result = submit_stuck(pool, sleep_for_ever, gate, NULL);
    ck_assert_int_eq(mp_result_get(result, NULL, 0, soon()), -ETIMEDOUT);
    ck_assert_int_eq(mp_result_wait(without, mp_timeout(0.3)), -ETIMEDOUT);
    ck_assert_int_eq(mp_result_ready(without), 0);
    gate_let_go(gate);
    ck_assert_int_eq(mp_result_get(without, NULL, 0, soon()), 0);
    must(mp_result_free(result));
    must(mp_result_free(without));
    end_pool(pool);
    gate_close(gate);
}
END_TEST

/* The limit of a task that has ended must not hit the next one. */
START_TEST(B06_timeout_hits_no_other_task)
{
    struct gate gate = gate_open();
    mp_pool *pool = pool_of(1);
    mp_result *result;
    uint64_t late = 0;

    for (int i = 0; i < 3; i++) {
        must(mp_pool_apply_async(
            pool, echo, NULL, 0,
            MP_TASK_ATTR(.timeout = 0.1, .soft_timeout = 0.05), &result));
        late += end_of(result) == -ETIMEDOUT; /* on a busy machine */
        must(mp_result_free(result));
        result = submit_to_gate(pool, gate);
        gate_await(gate);
        ck_assert_int_eq(mp_result_wait(result, mp_timeout(0.2)), -ETIMEDOUT);
        ck_assert_int_eq(mp_result_ready(result), 0);
        gate_let_go(gate);
        ck_assert_int_eq(mp_result_get(result, NULL, 0, soon()), 0);
        must(mp_result_free(result));
    }
    ck_assert_uint_eq(stats_of(pool).deaths, late);
    end_pool(pool);
    gate_close(gate);
}
END_TEST

static int
give_up_when_told(mp_task *task)
{
    while (!mp_task_cancelled(task))
        ;
    return mp_task_fail(task, "gave up");
}

static int
give_up_when_interrupted(mp_task *task)
{
    int ends[2], r;
    char byte;

    if (pipe(ends) < 0)
        return -EPROTO;
    r = read(ends[0], &byte, 1) < 0 ? -errno : -EPROTO; /* nobody writes */
    return mp_task_cancelled(task) ? r : -EPROTO;
}

static int
give_up_at_queue(mp_task *task)
{
    struct gate *gate = mp_task_arg(task, NULL);
    char c;
    int r = (int)mp_queue_get(gate->pass, &c, 1, MP_FOREVER);

    return mp_task_cancelled(task) ? r : -EPROTO;
}

/* On a busy machine the time may be over before the function blocks: then it
 * is killed in the end, and gets more time. */
static void
expect_asked(mp_pool *pool, mp_task_fn f, struct gate gate, int code)
{
    pid_t before, after;
    long r = 0;

    for (double soft = 0.05; r != code; soft *= 2) {
        mp_result *result;

        ck_assert_msg(soft < 2, "ended with %ld, not %d", r, code);
        await_workers(pool, 1, &before);
        result = submit_stuck(
            pool, f, gate,
            MP_TASK_ATTR(.soft_timeout = soft, .timeout = 10 * soft));
        r = mp_result_get(result, NULL, 0, soon());
        must(mp_result_free(result));
    }
    await_workers(pool, 1, &after);
    ck_assert_int_eq(before, after); /* nobody was killed */
}

START_TEST(B06_soft_timeout_asks_first)
{
    struct gate gate = gate_open();
    mp_result *result;
    mp_pool *pool;

    use_method(_i);
    pool = pool_of(1);
    expect_asked(pool, give_up_when_told, gate, -EREMOTEIO);
    expect_asked(pool, give_up_when_interrupted, gate, -EINTR);
    expect_asked(pool, give_up_at_queue, gate, -EINTR);
    result = submit_stuck(pool, sleep_for_ever, gate,
                          MP_TASK_ATTR(.soft_timeout = 0.02, .timeout = 0.2));
    ck_assert_int_eq(mp_result_get(result, NULL, 0, soon()), -ETIMEDOUT);
    must(mp_result_free(result));
    end_pool(pool);
    gate_close(gate);
}
END_TEST

static int
item_hangs(const void *item, void *result, void *ctx)
{
    (void)ctx;
    while (*(const int *)item == 3)
        pause();
    *(int *)result = *(const int *)item;
    return 0;
}

START_TEST(B06_timeout_of_an_item_fails_that_item)
{
    int in[8] = {0, 1, 2, 3, 4, 5, 6, 7}, out[8];
    int32_t codes[8];
    mp_pool *pool;

    use_method(_i);
    pool = pool_of(2);
    must_fail(
        mp_pool_map(pool, item_hangs, in, sizeof(int), out, sizeof(int), 8,
                    MP_MAP_ATTR(.timeout = mp_test_scale(), .codes = codes)),
        -ETIMEDOUT, "item 3");
    for (int i = 0; i < 8; i++) {
        ck_assert_int_eq(codes[i], i == 3 ? -ETIMEDOUT : 0);
        ck_assert_int_eq(out[i], i == 3 ? 0 : i);
    }
    end_pool(pool);
}
END_TEST

/* ---- B7: a task that runs cannot be cancelled. ---- */

START_TEST(B07_cancel_of_a_running_task_kills_its_worker_alone)
{
    struct gate gate = gate_open();
    mp_result *result, *other, *next;
    mp_pool *pool;
    pid_t pid, others, after[2];

    use_method(_i);
    pool = pool_of(2);
    for (int i = 0; i < 4; i++) {
        other = submit_to_gate(pool, gate);
        others = gate_await(gate);
        result = submit_stuck(pool, i & 1 ? spin_for_ever : sleep_for_ever,
                              gate, MP_TASK_ATTR(.retries = 5));
        pid = gate_await(gate);
        must(mp_pool_apply_async(pool, echo, "next", 4, NULL, &next));
        ck_assert_int_eq(mp_result_cancel(result), 0);
        must_fail((int)mp_result_get(result, NULL, 0, soon()), -ECANCELED,
                  "cancel");
        ck_assert_int_eq(mp_result_cancel(result), -EALREADY);
        wait_until(is_gone(pid), 10);
        ck_assert_int_eq(mp_result_get(next, (char[4]){0}, 4, soon()), 4);
        ck_assert_int_eq(mp_result_ready(other), 0);
        gate_let_go(gate);
        ck_assert_int_eq(mp_result_get(other, NULL, 0, soon()), 0);
        await_workers(pool, 2, after);
        ck_assert(after[0] == others || after[1] == others);
        must(mp_result_free(result));
        must(mp_result_free(other));
        must(mp_result_free(next));
    }
    ck_assert_uint_eq(stats_of(pool).cancelled, 4);
    end_pool(pool);
    gate_close(gate);
}
END_TEST

static int
cancel_it(void *arg)
{
    return -mp_result_cancel(*(mp_result **)arg);
}

START_TEST(B07_any_process_may_cancel)
{
    struct gate gate = gate_open();
    mp_process *process;
    mp_result *result;
    mp_pool *pool;
    int code;

    use_method(_i);
    pool = pool_of(1);
    result = submit_stuck(pool, sleep_for_ever, gate, NULL);
    gate_await(gate);
    must(mp_process_start(&process, cancel_it, &result, sizeof(result), NULL));
    ck_assert_int_eq(mp_result_get(result, NULL, 0, soon()), -ECANCELED);
    must(mp_process_join(process, MP_FOREVER));
    must(mp_process_exitcode(process, &code));
    ck_assert_int_eq(code, 0);
    must(mp_process_close(process));
    must(mp_result_free(result));
    end_pool(pool);
    gate_close(gate);
}
END_TEST

/* A task that is about to end: done or cancelled, nothing else, and what the
 * canceller was told is true. */
START_TEST(B07_cancel_races_with_the_end)
{
    enum { TIMES = 300 };
    mp_pool *pool = pool_of(2);
    mp__a32 *runs = mp_new(mp__a32);
    int cancelled = 0;

    for (int i = 0; i < TIMES; i++) {
        mp_result *result;
        int r;

        must(mp_pool_apply_async(pool, count_run, &runs, sizeof(runs), NULL,
                                 &result));
        for (int pause = i * 37 % 2000; pause > 0; pause--)
            mp__cpu_relax();
        r = mp_result_cancel(result);
        ck_assert(r == 0 || r == -EALREADY);
        cancelled += r == 0;
        ck_assert_int_eq(mp_result_get(result, NULL, 0, soon()),
                         r == 0 ? -ECANCELED : 0);
        must(mp_result_free(result));
    }
    ck_assert_uint_ge(mp__load(runs) + (unsigned)cancelled, TIMES);
    ck_assert_uint_eq(stats_of(pool).cancelled, cancelled);
    end_pool(pool);
    must(mp_free((void *)runs));
}
END_TEST

/* ---- B8: workers that are replaced after so many tasks: deadlock. ---- */

static int
come(void *arg)
{
    tide_in(*(struct tide **)arg);
    return 0;
}

static void
go(void *arg)
{
    tide_out(*(struct tide **)arg);
}

static mp_pool *
short_lived(struct tide *tide, int workers, uint64_t tasks)
{
    mp_pool *pool;

    must(mp_pool_create(&pool, workers,
                        MP_POOL_ATTR(.tasks_per_worker = tasks,
                                     .initializer = come, .finalizer = go,
                                     .initializer_arg = &tide,
                                     .initializer_size = sizeof(tide))));
    return pool;
}

START_TEST(B08_one_task_per_worker)
{
    enum { TASKS = 40 };
    struct tide *tide = tide_new();
    mp__a32 *runs = mp_new(mp__a32);
    mp_pool *pool;

    use_method(_i);
    pool = short_lived(tide, 2, 1);
    for (int i = 0; i < TASKS; i++)
        must(mp_pool_apply_async(pool, count_run, &runs, sizeof(runs), NULL,
                                 NULL));
    must(mp_pool_close(pool));
    must(mp_pool_join(pool, soon())); /* nobody else is in a call */
    ck_assert_uint_eq(mp__load(runs), TASKS);
    ck_assert_uint_ge(mp__load(&tide->runs), TASKS);
    ck_assert_uint_eq(mp__load(&tide->now), 0); /* all finalized */
    ck_assert_uint_eq(stats_of(pool).deaths, 0);
    ck_assert_uint_eq(stats_of(pool).done, TASKS);
    must(mp_pool_destroy(pool));
    must(mp_free(tide));
    must(mp_free((void *)runs));
}
END_TEST

static int
double_it(const void *item, void *result, void *ctx)
{
    (void)ctx;
    *(int *)result = *(const int *)item * 2;
    return 0;
}

START_TEST(B08_few_items_per_worker)
{
    enum { ITEMS = 100 };
    struct tide *tide = tide_new();
    int in[ITEMS], out[ITEMS];
    mp_pool *pool;

    for (int i = 0; i < ITEMS; i++)
        in[i] = i;
    for (uint64_t tasks = 1; tasks <= 30; tasks += 29) {
        pool = short_lived(tide, 2, tasks);
        must(mp_pool_map(pool, double_it, in, sizeof(int), out, sizeof(int),
                         ITEMS, MP_MAP_ATTR(.chunk = 1)));
        for (int i = 0; i < ITEMS; i++)
            ck_assert_int_eq(out[i], 2 * i);
        end_pool(pool);
        ck_assert_uint_ge(mp__load(&tide->runs), ITEMS / tasks);
        ck_assert_uint_eq(mp__load(&tide->now), 0);
    }
    must(mp_free(tide));
}
END_TEST

/* ---- B9, G29: an error that cannot be told, or a message that cannot be
 * read, hangs the pool or kills it. ---- */

static int
fail_oddly(mp_task *task)
{
    static const int codes[] = {-1, -4095, -4096, -100000, INT_MIN};
    int which = *(int *)mp_task_arg(task, NULL);
    char text[5000];

    memset(text, '%', sizeof(text) - 1);
    memcpy(text, "\xff\x01%s%n\n\"", 8);
    text[sizeof(text) - 1] = 0;
    mp_task_fail(task, "%s", text);
    return codes[which];
}

START_TEST(B09_no_error_is_too_odd_to_be_told)
{
    static const int codes[] = {-1, -4095, -4096, -100000, INT_MIN};
    mp_pool *pool;
    pid_t before, after;

    use_method(_i);
    pool = pool_of(1);
    await_workers(pool, 1, &before);
    for (int i = 0; i < (int)LENGTH(codes); i++) {
        mp_result *result;

        must(mp_pool_apply(pool, fail_oddly, &i, sizeof(i), &result));
        ck_assert_int_eq(mp_result_get(result, NULL, 0, MP_NOW), codes[i]);
        mp_test_text(mp_result_error(result), "\xff\x01%s%n\n\"%%%%");
        must(mp_result_free(result));
    }
    await_workers(pool, 1, &after);
    ck_assert_int_eq(before, after);
    end_pool(pool);
}
END_TEST

static int
return_too_much(mp_task *task)
{
    static char some[16];

    return mp_task_return(task, some, (size_t)1 << 50);
}

START_TEST(B09_result_too_large_fails_its_task)
{
    mp_pool *pool = pool_of(1);
    mp_result *result;

    must(mp_pool_apply(pool, return_too_much, NULL, 0, &result));
    ck_assert_int_eq(mp_result_get(result, NULL, 0, MP_NOW), -ENOMEM);
    must(mp_result_free(result));
    must(mp_pool_apply(pool, echo, NULL, 0, NULL));
    end_pool(pool);
}
END_TEST

/* A function of a library whose file is gone when the worker needs it. */
static mp_task_fn
vanishing_function(void **ret_library)
{
    char path[] = "/tmp/mp-test-plugin-XXXXXX", command[512];
    int fd = mkstemp(path);
    void *f;

    ck_assert_int_ge(fd, 0);
    close(fd);
    snprintf(command, sizeof(command), "cp '%s' '%s'",
             getenv("MP_TEST_PLUGIN"), path);
    ck_assert_int_eq(system(command), 0);
    *ret_library = dlopen(path, RTLD_NOW);
    ck_assert_msg(*ret_library != NULL, "%s", dlerror());
    f = dlsym(*ret_library, "plugin_target");
    ck_assert_ptr_nonnull(f);
    unlink(path);
    return (mp_task_fn)(uintptr_t)f;
}

START_TEST(G29_function_that_cannot_be_found_fails_its_task_only)
{
    mp_result *before, *result, *after;
    mp_task_fn f;
    void *library;
    mp_pool *pool;
    pid_t pids[2];

    use_method(_i);
    pool = pool_of(1);
    await_workers(pool, 1, &pids[0]);
    f = vanishing_function(&library);
    must(mp_pool_apply_async(pool, echo, "1", 1, NULL, &before));
    must(mp_pool_apply_async(pool, f, NULL, 0, NULL, &result));
    must(mp_pool_apply_async(pool, echo, "2", 1, NULL, &after));
    ck_assert_int_eq(end_of(before), 1);
    ck_assert_int_eq(end_of(after), 1);
    ck_assert_int_lt(end_of(result), 0);
    ck_assert_ptr_nonnull(mp_result_error(result));
    mp_test_text(mp_result_error(result), "mp-test-plugin");
    await_workers(pool, 1, &pids[1]);
    ck_assert_int_eq(pids[0], pids[1]);
    must(mp_result_free(before));
    must(mp_result_free(result));
    must(mp_result_free(after));
    end_pool(pool);
    dlclose(library);
}
END_TEST

/* ---- B44, G28: shutting down never returns. ---- */

static int
initialize_slowly(void *arg)
{
    struct gate *gate = *(struct gate **)arg;
    pid_t pid = getpid();

    mp_queue_put(gate->begun, &pid, sizeof(pid), MP_FOREVER);
    for (;;)
        pause();
    return 0;
}

START_TEST(B44_join_returns_in_time_and_terminate_always_works)
{
    struct gate gate = gate_open(), *setup = mp_new(struct gate);
    mp_result *results[3];
    mp_pool *busy, *starting;
    pid_t pids[4];

    use_method(_i);
    *setup = gate;
    busy = pool_of(3);
    must(mp_pool_create(&starting, 1,
                        MP_POOL_ATTR(.initializer = initialize_slowly,
                                     .initializer_arg = &setup,
                                     .initializer_size = sizeof(setup))));
    pids[3] = gate_await(gate);
    for (int i = 0; i < 3; i++) {
        results[i] =
            submit_stuck(busy, i ? spin_for_ever : sleep_for_ever, gate, NULL);
        pids[i] = gate_await(gate);
    }
    ck_assert_int_eq(kill(pids[2], SIGSTOP), 0);
    must(mp_pool_close(busy));
    ck_assert_int_eq(mp_pool_join(busy, MP_NOW), -EAGAIN);
    ck_assert_int_eq(mp_pool_join(busy, mp_timeout(0.05)), -ETIMEDOUT);
    must(mp_pool_terminate(busy));
    must(mp_pool_join(busy, soon()));
    must(mp_pool_destroy(busy));
    must(mp_pool_destroy(starting)); /* without more ado */
    for (int i = 0; i < 4; i++)
        wait_until(is_gone(pids[i]), 10);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(end_of(results[i]), -ECANCELED);
        must(mp_result_free(results[i]));
    }
    must(mp_free(setup));
    gate_close(gate);
}
END_TEST

static void
add_endings(Suite *suite)
{
    TCase *end = pool_case(suite, "end", 60);
    const int from = METHODS_FROM, to = METHODS_TO;

    tcase_add_loop_test(end, B08_one_task_per_worker, from, to);
    tcase_add_test(end, B08_few_items_per_worker);
    tcase_add_loop_test(end, B09_no_error_is_too_odd_to_be_told, from, to);
    tcase_add_test(end, B09_result_too_large_fails_its_task);
    tcase_add_loop_test(
        end, G29_function_that_cannot_be_found_fails_its_task_only, from, to);
    tcase_add_loop_test(
        end, B44_join_returns_in_time_and_terminate_always_works, from, to);
}

int
main(void)
{
    Suite *suite = suite_create("asked-ending");
    TCase *time = pool_case(suite, "time", 60);
    TCase *cancel = pool_case(suite, "cancel", 60);
    const int from = METHODS_FROM, to = METHODS_TO;

    tcase_add_loop_test(time, B06_timeout_really_kills, from, to);
    tcase_add_test(time,
                   B06_timeout_of_the_pool_holds_for_tasks_that_say_nothing);
    tcase_add_test(time, B06_timeout_hits_no_other_task);
    tcase_add_loop_test(time, B06_soft_timeout_asks_first, from, to);
    tcase_add_loop_test(time, B06_timeout_of_an_item_fails_that_item, from,
                        to);
    tcase_add_loop_test(
        cancel, B07_cancel_of_a_running_task_kills_its_worker_alone, from, to);
    tcase_add_loop_test(cancel, B07_any_process_may_cancel, from, to);
    tcase_add_test(cancel, B07_cancel_races_with_the_end);
    add_endings(suite);
    return pool_main(suite);
}
