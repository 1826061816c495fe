/* SPDX-License-Identifier: MIT */
/* Tasks and their results. */
#include "pool/crew.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- Arguments and results ---- */

static unsigned char
pattern(size_t i)
{
    return (unsigned char)(i * 31 + i / 256);
}

START_TEST(bytes_of_any_size_come_back)
{
    static const size_t sizes[] = {0,   1,   64,   80,    81,     200,
                                   201, 512, 4096, 65536, 1 << 20};
    mp_pool *pool;

    use_method(_i);
    pool = pool_of(2);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        size_t size = sizes[i];
        unsigned char *arg = malloc(size + 1), *back = malloc(size + 1);
        mp_result *result;

        for (size_t k = 0; k < size; k++)
            arg[k] = pattern(k);
        back[size] = 77;
        must(mp_pool_apply_async(pool, echo, arg, size, NULL, &result));
        memset(arg, 0, size); /* it was copied */
        ck_assert_int_eq(mp_result_get(result, back, size, MP_FOREVER), size);
        for (size_t k = 0; k < size; k++)
            if (back[k] != pattern(k))
                ck_abort_msg("byte %zu of %zu: %d", k, size, back[k]);
        ck_assert_uint_eq(back[size], 77);
        must(mp_result_free(result));
        free(arg);
        free(back);
    }
    end_pool(pool);
}
END_TEST

static int
check_arg(mp_task *task)
{
    size_t size = 99;
    char *arg = mp_task_arg(task, &size);

    if (mp_task_arg(task, NULL) != arg)
        return mp_task_fail(task, "two arguments");
    if (size == 0)
        return arg == NULL ? 0 : mp_task_fail(task, "size 0, but not NULL");
    if ((uintptr_t)arg % 16 != 0)
        return mp_task_fail(task, "%p is not aligned", (void *)arg);
    memset(arg, 0, size); /* it is the worker's */
    return 0;
}

START_TEST(argument_is_the_workers_own)
{
    static const size_t sizes[] = {0, 8, 80, 81, 5000};
    static char arg[5000];
    mp_pool *pool = pool_of(1);

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        mp_result *result;

        memset(arg, 1, sizeof(arg));
        must(mp_pool_apply(pool, check_arg, arg, sizes[i], &result));
        ck_assert_msg(mp_result_successful(result) == 1, "%s",
                      mp_result_error(result));
        ck_assert_int_eq(arg[0], 1);
        must(mp_result_free(result));
    }
    end_pool(pool);
}
END_TEST

static int
return_twice(mp_task *task)
{
    static const char big[3000];

    mp_task_return(task, "first", 6);
    mp_task_return(task, big, sizeof(big));
    mp_task_return(task, big, sizeof(big) - 1);
    return mp_task_return(task, "last", 5);
}

START_TEST(last_return_counts)
{
    mp_pool *pool = pool_of(1);
    mp_result *result;
    char text[16];

    must(mp_pool_apply(pool, return_twice, NULL, 0, &result));
    ck_assert_int_eq(mp_result_size(result), 5);
    ck_assert_int_eq(mp_result_get(result, text, 4, MP_NOW), -EMSGSIZE);
    expect_text("5 bytes");
    ck_assert_int_eq(mp_result_get(result, NULL, 5, MP_NOW), -EINVAL);
    for (int i = 0; i < 2; i++) { /* as often as one likes */
        ck_assert_int_eq(mp_result_get(result, text, sizeof(text), MP_NOW), 5);
        ck_assert_str_eq(text, "last");
    }
    ck_assert_ptr_null(mp_result_error(result));
    must(mp_result_free(result));
    end_pool(pool);
}
END_TEST

/* ---- Failure ---- */

static int
fail_as_told(mp_task *task)
{
    int *code = mp_task_arg(task, NULL);
    int r = mp_task_fail(task, "no such file: %s", "/nowhere");

    if (r != -EREMOTEIO)
        return -EPROTO;
    if (*code == 0)
        return r;
    mp_task_return(task, "fine", 5);
    return *code;
}

static int
fail_without_text(mp_task *task)
{
    (void)task;
    return -ENOSPC;
}

static void
expect_failure(mp_pool *pool, mp_task_fn f, int arg, int code,
               const char *text)
{
    mp_result *result;

    must(mp_pool_apply(pool, f, &arg, sizeof(arg), &result));
    ck_assert_int_eq(mp_result_ready(result), 1);
    ck_assert_int_eq(mp_result_successful(result), 0);
    mp_test_text(mp_result_error(result), text);
    ck_assert_int_eq(mp_result_get(result, NULL, 0, MP_FOREVER), code);
    expect_text(text);
    ck_assert_int_eq(mp_result_wait(result, MP_NOW), 0);
    must(mp_result_free(result));
}

START_TEST(failure_has_code_and_text)
{
    mp_pool *pool = pool_of(1);
    mp_result *result;
    int positive = 3;
    char text[16];

    expect_failure(pool, fail_as_told, 0, -EREMOTEIO,
                   "no such file: /nowhere");
    expect_failure(pool, fail_as_told, -EACCES, -EACCES,
                   "no such file: /nowhere");
    expect_failure(pool, fail_without_text, 0, -ENOSPC, mp_strerror(-ENOSPC));
    /* A function that is content in the end has not failed. */
    must(mp_pool_apply(pool, fail_as_told, &positive, sizeof(positive),
                       &result));
    ck_assert_int_eq(mp_result_get(result, text, sizeof(text), MP_NOW), 5);
    ck_assert_str_eq(text, "fine");
    must(mp_result_free(result));
    end_pool(pool);
}
END_TEST

static int
fail_at_length(mp_task *task)
{
    return mp_task_fail(task, "%0500d", 7);
}

START_TEST(failure_text_is_cut_at_199_bytes)
{
    mp_pool *pool = pool_of(1);
    mp_result *result;

    must(mp_pool_apply(pool, fail_at_length, NULL, 0, &result));
    ck_assert_uint_eq(strlen(mp_result_error(result)), 199);
    must(mp_result_free(result));
    end_pool(pool);
}
END_TEST

/* ---- Waiting ---- */

START_TEST(waiting_obeys_its_deadline)
{
    struct gate gate = gate_open();
    mp_pool *pool = pool_of(1);
    mp_result *result = submit_to_gate(pool, gate);

    gate_await(gate);
    ck_assert_int_eq(mp_result_ready(result), 0);
    ck_assert_int_eq(mp_result_successful(result), -EAGAIN);
    ck_assert_ptr_null(mp_result_error(result));
    ck_assert_int_eq(mp_result_wait(result, MP_NOW), -EAGAIN);
    ck_assert_int_eq(mp_result_size(result), -EAGAIN);
    ck_assert_int_eq(mp_result_wait(result, mp_timeout(0.02)), -ETIMEDOUT);
    ck_assert_int_eq(mp_result_get(result, NULL, 0, mp_timeout(-1)),
                     -ETIMEDOUT);
    gate_let_go(gate);
    ck_assert_int_eq(mp_result_wait(result, MP_FOREVER), 0);
    ck_assert_int_eq(mp_result_wait(result, MP_NOW), 0);
    ck_assert_int_eq(mp_result_ready(result), 1);
    ck_assert_int_eq(mp_result_successful(result), 1);
    must(mp_result_free(result));
    end_pool(pool);
    gate_close(gate);
}
END_TEST

START_TEST(interrupted_apply_gives_the_result)
{
    struct gate gate = gate_open();
    mp_pool *pool = pool_of(1);
    mp_result *result = NULL;
    struct interruption *interruption = interrupt_me();

    ck_assert_int_eq(
        mp_pool_apply(pool, wait_at_gate, &gate, sizeof(gate), &result),
        -EINTR);
    interrupt_end(interruption);
    gate_let_go(gate);
    ck_assert_int_eq(end_of(result), 0);
    must(mp_result_free(result));
    end_pool(pool);
    gate_close(gate);
}
END_TEST

static int
append(mp_task *task)
{
    mp_queue *queue = ((mp_queue **)mp_task_arg(task, NULL))[0];
    uintptr_t number = ((uintptr_t *)mp_task_arg(task, NULL))[1];

    return mp_queue_put(queue, &number, sizeof(number), MP_FOREVER);
}

START_TEST(one_worker_keeps_the_order)
{
    enum { TASKS = 5000 };
    mp_pool *pool = pool_of(1);
    mp_queue *queue;
    uintptr_t number;

    must(mp_queue_create(&queue, NULL));
    for (uintptr_t i = 0; i < TASKS; i++) {
        uintptr_t arg[2] = {(uintptr_t)queue, i};

        must(mp_pool_apply_async(pool, append, arg, sizeof(arg), NULL, NULL));
    }
    for (uintptr_t i = 0; i < TASKS; i++) {
        must(mp_queue_get(queue, &number, sizeof(number), MP_FOREVER));
        ck_assert_uint_eq(number, i);
    }
    end_pool(pool);
    must(mp_queue_destroy(queue));
}
END_TEST

static int
count_run(mp_task *task)
{
    mp__a32 *runs = *(mp__a32 **)mp_task_arg(task, NULL);

    mp__add(runs, 1);
    return mp_task_return(task, &runs, sizeof(runs));
}

START_TEST(each_of_many_runs_once)
{
    enum { TASKS = 20000 };
    mp_pool *pool = pool_of(3);
    mp__a32 *runs = mp_new_array(mp__a32, TASKS);
    mp_result **results = calloc(TASKS, sizeof(*results));

    for (int i = 0; i < TASKS; i++) {
        mp__a32 *mine = &runs[i];

        must(mp_pool_apply_async(pool, count_run, &mine, sizeof(mine), NULL,
                                 &results[i]));
    }
    for (int i = TASKS - 1; i >= 0; i--) {
        mp__a32 *back;

        ck_assert_int_eq(
            mp_result_get(results[i], &back, sizeof(back), MP_FOREVER),
            sizeof(back));
        ck_assert_ptr_eq(back, &runs[i]);
        must(mp_result_free(results[i]));
    }
    for (int i = 0; i < TASKS; i++)
        ck_assert_uint_eq(mp__load(&runs[i]), 1);
    end_pool(pool);
    must(mp_free((void *)runs));
    free(results);
}
END_TEST

/* ---- Cancelling and giving back ---- */

START_TEST(G28_cancelled_task_never_begins)
{
    struct gate gate = gate_open();
    mp_pool *pool = pool_of(1);
    mp__a32 *runs = mp_new(mp__a32);
    mp_result *blocker = submit_to_gate(pool, gate), *result;

    gate_await(gate);
    must(mp_pool_apply_async(pool, count_run, &runs, sizeof(runs), NULL,
                             &result));
    ck_assert_int_eq(mp_result_cancel(result), 0);
    ck_assert_int_eq(mp_result_ready(result), 1);
    ck_assert_int_eq(mp_result_successful(result), 0);
    ck_assert_int_eq(mp_result_get(result, NULL, 0, MP_FOREVER), -ECANCELED);
    ck_assert_int_eq(mp_result_size(result), -ECANCELED);
    mp_test_text(mp_result_error(result), "cancelled");
    ck_assert_int_eq(mp_result_cancel(result), -EALREADY);
    gate_let_go(gate);
    ck_assert_int_eq(end_of(blocker), 0);
    ck_assert_int_eq(mp_result_cancel(blocker), -EALREADY);
    must(mp_pool_apply(pool, echo, NULL, 0, NULL)); /* behind it */
    ck_assert_uint_eq(mp__load(runs), 0);
    must(mp_result_free(result));
    must(mp_result_free(blocker));
    end_pool(pool);
    must(mp_free((void *)runs));
    gate_close(gate);
}
END_TEST

START_TEST(cancelled_and_freed_leaves_nothing)
{
    struct gate gate = gate_open();
    mp_pool *pool = pool_of(1);
    mp_result *blocker, *result;
    uint64_t before;

    must(mp_pool_apply(pool, echo, NULL, 0, NULL));
    before = heap_use();
    blocker = submit_to_gate(pool, gate);
    gate_await(gate);
    for (int i = 0; i < 50; i++) {
        must(mp_pool_apply_async(pool, echo, "x", 1, NULL, &result));
        must(mp_result_cancel(result));
        must(mp_result_free(result));
    }
    gate_let_go(gate);
    ck_assert_int_eq(end_of(blocker), 0);
    must(mp_result_free(blocker));
    must(mp_pool_apply(pool, echo, NULL, 0, NULL));
    ck_assert_uint_eq(heap_use(), before);
    end_pool(pool);
    gate_close(gate);
}
END_TEST

START_TEST(task_outlives_its_freed_result)
{
    struct gate gate = gate_open();
    mp_pool *pool = pool_of(1);
    mp_result *result;
    uint64_t before;

    must(mp_pool_apply(pool, echo, NULL, 0, NULL));
    before = heap_use();
    result = submit_to_gate(pool, gate);
    gate_await(gate);
    must(mp_result_free(result));
    gate_let_go(gate);
    must(mp_pool_apply(pool, echo, NULL, 0, NULL)); /* behind it */
    ck_assert_uint_eq(heap_use(), before);
    end_pool(pool);
    gate_close(gate);
}
END_TEST

static void
expect_no_result(mp_result *result)
{
    ck_assert_int_eq(mp_result_wait(result, MP_FOREVER), -EBADF);
    ck_assert_int_eq(mp_result_ready(result), -EBADF);
    ck_assert_int_eq(mp_result_successful(result), -EBADF);
    ck_assert_int_eq(mp_result_get(result, NULL, 0, MP_FOREVER), -EBADF);
    expect_text("a result");
    ck_assert_ptr_null(mp_result_error(result));
    ck_assert_int_eq(mp_result_cancel(result), -EBADF);
    if (result)
        ck_assert_int_eq(mp_result_free(result), -EBADF);
}

START_TEST(foreign_results_ebadf)
{
    static char zeroes[1024];
    struct gate gate = gate_open();
    mp_pool *pool = pool_of(1);
    mp_result *done, *running = submit_to_gate(pool, gate);

    must(mp_result_free(NULL));
    must(mp_pool_apply_async(pool, echo, NULL, 0, NULL, &done));
    gate_await(gate);
    must(mp_result_free(running)); /* the task goes on, the handle does not */
    expect_no_result(running);
    gate_let_go(gate);
    ck_assert_int_eq(end_of(done), 0);
    must(mp_result_free(done));
    expect_no_result(done);
    expect_no_result(NULL);
    expect_no_result((mp_result *)(void *)pool);
    expect_no_result((mp_result *)(void *)zeroes);
    expect_no_result((mp_result *)(void *)((char *)done + 1));
    end_pool(pool);
    gate_close(gate);
}
END_TEST

START_TEST(bad_arguments_einval)
{
    static const mp_task_attr unknown = {.size = sizeof(unknown), .flags = 1};
    mp_pool *pool = pool_of(1);
    mp_result *result = NULL;

    ck_assert_int_eq(mp_pool_apply(pool, NULL, NULL, 0, &result), -EINVAL);
    expect_text("function is NULL");
    ck_assert_int_eq(mp_pool_apply_async(pool, NULL, NULL, 0, NULL, &result),
                     -EINVAL);
    ck_assert_int_eq(mp_pool_apply(pool, echo, NULL, 1, &result), -EINVAL);
    expect_text("arg is NULL");
    ck_assert_int_eq(
        mp_pool_apply_async(pool, echo, NULL, 0, &unknown, &result), -EINVAL);
    ck_assert_int_eq(mp_pool_apply(pool, echo, "", SIZE_MAX / 2, &result),
                     -ENOMEM);
    ck_assert_ptr_null(result);
    must(mp_pool_apply_async(pool, echo, NULL, 0, MP_TASK_ATTR(.flags = 0),
                             NULL));
    end_pool(pool);
}
END_TEST

static int
abuse_other_task(mp_task *task)
{
    mp_task *other = *(mp_task **)mp_task_arg(task, NULL);
    size_t size;

    if (mp_task_arg(other, &size) != NULL ||
        mp_task_return(other, "x", 1) != -EBADF ||
        mp_task_fail(other, "x") != -EBADF ||
        mp_task_return(task, NULL, 1) != -EINVAL)
        return mp_task_fail(task, "not refused");
    return 0;
}

START_TEST(only_the_running_task_is_a_task)
{
    mp_pool *pool = pool_of(1);
    mp_result *first, *second;

    must(mp_pool_apply(pool, echo, NULL, 0, &first));
    must(
        mp_pool_apply(pool, abuse_other_task, &first, sizeof(first), &second));
    ck_assert_msg(mp_result_successful(second) == 1, "%s",
                  mp_result_error(second));
    ck_assert_int_eq(mp_task_return((mp_task *)(void *)first, "x", 1), -EBADF);
    must(mp_result_free(first));
    must(mp_result_free(second));
    end_pool(pool);
}
END_TEST

static int
fork_and_return(mp_task *task)
{
    pid_t pid = fork();

    if (pid == 0) /* and returns, like a careless program */
        return mp_task_fail(task, "the child's");
    while (waitpid(pid, NULL, 0) < 0)
        ;
    return mp_task_return(task, "parent", 7);
}

START_TEST(forked_child_of_a_task_is_no_worker)
{
    mp_pool *pool = pool_of(1);
    mp_result *result;
    char text[8];

    for (int i = 0; i < 10; i++) {
        must(mp_pool_apply(pool, fork_and_return, NULL, 0, &result));
        ck_assert_int_eq(mp_result_get(result, text, sizeof(text), MP_NOW), 7);
        ck_assert_str_eq(text, "parent");
        must(mp_result_free(result));
    }
    end_pool(pool);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("task");
    TCase *bytes = pool_case(suite, "bytes", 30);
    TCase *wait = pool_case(suite, "wait", 60);
    TCase *cancel = pool_case(suite, "cancel", 30);

    tcase_add_loop_test(bytes, bytes_of_any_size_come_back, MP_FORK,
                        MP_FORKSERVER + 1);
    tcase_add_test(bytes, argument_is_the_workers_own);
    tcase_add_test(bytes, last_return_counts);
    tcase_add_test(bytes, failure_has_code_and_text);
    tcase_add_test(bytes, failure_text_is_cut_at_199_bytes);
    tcase_add_test(wait, waiting_obeys_its_deadline);
    tcase_add_test(wait, interrupted_apply_gives_the_result);
    tcase_add_test(wait, one_worker_keeps_the_order);
    tcase_add_test(wait, each_of_many_runs_once);
    tcase_add_test(cancel, G28_cancelled_task_never_begins);
    tcase_add_test(cancel, cancelled_and_freed_leaves_nothing);
    tcase_add_test(cancel, task_outlives_its_freed_result);
    tcase_add_test(cancel, foreign_results_ebadf);
    tcase_add_test(cancel, bad_arguments_einval);
    tcase_add_test(cancel, only_the_running_task_is_a_task);
    tcase_add_test(cancel, forked_child_of_a_task_is_no_worker);
    return pool_main(suite);
}
