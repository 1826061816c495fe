/* SPDX-License-Identifier: MIT */
/* Pools used by others than their owner: by any process of the family, by
 * tasks, by submitters that are killed. */
#include "pool/crew.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

struct errand {
    mp_pool *pool;
    mp_result *result;
};

static int
submit_from_child(void *arg)
{
    struct errand *errand = arg;
    char text[16];
    mp_result *result;

    if (mp_result_get(errand->result, text, sizeof(text), MP_FOREVER) != 6 ||
        strcmp(text, "hello") != 0)
        return 1;
    if (mp_pool_apply(errand->pool, echo, "child", 6, &result) < 0 ||
        mp_result_get(result, text, sizeof(text), MP_NOW) != 6 ||
        strcmp(text, "child") != 0 || mp_result_free(result) < 0)
        return 2;
    return mp_result_free(errand->result) < 0 ? 3 : 0;
}

START_TEST(G32_any_process_may_submit_and_wait)
{
    struct errand errand;
    mp_process *process;
    int code;

    use_method(_i);
    errand.pool = pool_of(1);
    must(mp_pool_apply_async(errand.pool, echo, "hello", 6, NULL,
                             &errand.result));
    must(mp_process_start(&process, submit_from_child, &errand, sizeof(errand),
                          NULL));
    must(mp_process_join(process, MP_FOREVER));
    must(mp_process_exitcode(process, &code));
    ck_assert_int_eq(code, 0);
    must(mp_process_close(process));
    ck_assert_int_eq(mp_result_wait(errand.result, MP_NOW), -EBADF);
    end_pool(errand.pool);
}
END_TEST

static int
submit_from_task(mp_task *task)
{
    mp_pool *pool = *(mp_pool **)mp_task_arg(task, NULL);
    mp_result *result;
    pid_t pid;

    if (mp_pool_apply(pool, return_pid, NULL, 0, &result) < 0 ||
        mp_result_get(result, &pid, sizeof(pid), MP_NOW) != sizeof(pid) ||
        mp_result_free(result) < 0)
        return mp_task_fail(task, "%s", mp_last_error());
    return mp_task_return(task, &pid, sizeof(pid));
}

static int
use_own_pool(mp_task *task)
{
    mp_result *result;
    mp_pool *pool;
    pid_t pid;
    int r = mp_pool_create(&pool, 1, NULL);

    if (r == 0)
        r = mp_pool_apply(pool, return_pid, NULL, 0, &result);
    if (r == 0)
        r = (int)mp_result_get(result, &pid, sizeof(pid), MP_NOW);
    if (r < 0 || mp_result_free(result) < 0 || mp_pool_destroy(pool) < 0)
        return mp_task_fail(task, "%s", mp_last_error());
    return mp_task_return(task, &pid, sizeof(pid));
}

static pid_t
pid_of(mp_pool *pool, mp_task_fn f, mp_pool *arg)
{
    mp_result *result;
    pid_t pid = 0;

    must(mp_pool_apply(pool, f, &arg, sizeof(arg), &result));
    must(mp_result_get(result, &pid, sizeof(pid), MP_NOW));
    must(mp_result_free(result));
    return pid;
}

START_TEST(G32_tasks_may_submit)
{
    mp_pool *pool, *other;
    pid_t worker;

    use_method(_i);
    pool = pool_of(2);
    other = pool_of(1);
    worker = pid_of(other, return_pid, NULL);
    ck_assert_int_eq(pid_of(pool, submit_from_task, other), worker);
    ck_assert_int_ne(pid_of(pool, submit_from_task, pool), worker);
    ck_assert_int_ne(pid_of(pool, use_own_pool, NULL), worker);
    end_pool(pool);
    end_pool(other);
}
END_TEST

/* Submits without end until it is killed. */
static int
submit_for_ever(void *arg)
{
    mp_pool *pool = *(mp_pool **)arg;
    mp_result *result;

    for (;;) {
        if (mp_pool_apply_async(pool, echo, "abc", 4, NULL, &result) < 0 ||
            mp_result_wait(result, MP_FOREVER) < 0 ||
            mp_result_free(result) < 0)
            return 1;
    }
}

START_TEST(killed_submitter_harms_nobody)
{
    mp_pool *pool = pool_of(2);
    mp_result *result;

    for (int i = 0; i < 20; i++) {
        mp_process *process;
        int code;

        must(mp_process_start(&process, submit_for_ever, &pool, sizeof(pool),
                              NULL));
        for (int k = 0; k < 50 * i; k++)
            must(mp_pool_apply(pool, echo, "x", 2, NULL));
        must(mp_process_kill(process));
        must(mp_process_join(process, MP_FOREVER));
        must(mp_process_exitcode(process, &code));
        ck_assert_int_eq(code, -SIGKILL);
        must(mp_process_close(process));
        must(mp_pool_apply(pool, echo, "y", 2, &result));
        ck_assert_int_eq(end_of(result), 2);
        must(mp_result_free(result));
    }
    end_pool(pool);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("others");
    TCase *others = pool_case(suite, "others", 60);

    tcase_add_loop_test(others, G32_any_process_may_submit_and_wait, MP_FORK,
                        MP_FORKSERVER + 1);
    tcase_add_loop_test(others, G32_tasks_may_submit, MP_FORK,
                        MP_FORKSERVER + 1);
    tcase_add_test(others, killed_submitter_harms_nobody);
    return pool_main(suite);
}
