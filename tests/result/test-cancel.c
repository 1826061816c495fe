/* SPDX-License-Identifier: MIT */
/* Cancelling tasks: before they begin, while they run, as they end. */
#include "pool/crew.h"

#include "task/task.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void
expect_cancelled(mp_result *result)
{
    ck_assert_int_eq(end_of(result), -ECANCELED);
    ck_assert_int_eq(mp_result_ready(result), 1);
    ck_assert_int_eq(mp_result_successful(result), 0);
    ck_assert_int_eq(mp_result_cancel(result), -EALREADY);
}

/* ---- While it runs ---- */

START_TEST(G28_cancelled_task_is_killed_and_no_other)
{
    mp_result *victim, *other, *after;
    struct gate gate;
    mp_pool *pool;
    pid_t pid, pids[2];

    use_method(_i);
    gate = gate_open();
    pool = pool_of(2);
    for (int i = 0; i < 4; i++) {
        victim = submit_to_gate(pool, gate);
        pid = gate_await(gate);
        other = submit_to_gate(pool, gate);
        gate_await(gate);
        must(mp_pool_apply_async(pool, echo, "after", 6, NULL, &after));
        must(mp_result_cancel(victim));
        expect_cancelled(victim);
        ck_assert_str_eq(mp_result_error(victim),
                         "cancelled after it had begun");
        ck_assert_int_ne(kill(pid, 0), 0);
        ck_assert_int_eq(end_of(after), 6);
        ck_assert_int_eq(mp_result_ready(other), 0);
        gate_let_go(gate);
        ck_assert_int_eq(end_of(other), 0);
        must(mp_result_free(victim));
        must(mp_result_free(other));
        must(mp_result_free(after));
    }
    await_workers(pool, 2, pids);
    end_pool(pool);
    gate_close(gate);
}
END_TEST

/* More cancelled tasks than a pool has lives: these deaths do not count. */
START_TEST(cancelling_does_not_break_the_pool)
{
    struct gate gate = gate_open();
    mp_pool *pool = pool_of(1);

    for (int i = 0; i < 25; i++) {
        mp_result *victim = submit_to_gate(pool, gate);

        gate_await(gate);
        must(mp_result_cancel(victim));
        must(mp_result_free(victim));
    }
    must(mp_pool_apply(pool, echo, NULL, 0, NULL));
    end_pool(pool);
    gate_close(gate);
}
END_TEST

START_TEST(cancelled_task_is_not_tried_again)
{
    struct gate gate = gate_open();
    mp_pool *pool = pool_of(1);
    mp_result *victim;

    must(mp_pool_apply_async(pool, wait_at_gate, &gate, sizeof(gate),
                             MP_TASK_ATTR(.retries = 3), &victim));
    gate_await(gate);
    must(mp_result_cancel(victim));
    expect_cancelled(victim);
    must(mp_pool_apply(pool, echo, NULL, 0, NULL));
    ck_assert_uint_eq(mp_queue_size(gate.begun), 0);
    must(mp_result_free(victim));
    end_pool(pool);
    gate_close(gate);
}
END_TEST

/* The canceller is killed after its step: whoever comes by kills. */
START_TEST(canceller_that_dies_is_helped)
{
    struct gate gate = gate_open();
    mp_pool *pool = pool_of(1);
    mp_result *victim = submit_to_gate(pool, gate);

    gate_await(gate);
    atomic_fetch_or(&((mp_task *)victim)->state, MP__TASK_CANCELLING);
    expect_cancelled(victim);
    must(mp_result_free(victim));
    must(mp_pool_apply(pool, echo, NULL, 0, NULL));
    end_pool(pool);
    gate_close(gate);
}
END_TEST

static int
wait_or_return(mp_task *task)
{
    mp__a32 **go = mp_task_arg(task, NULL);
    pid_t pid = getpid();

    mp__store(*go, 1);
    while (mp__load(*go) != 2)
        ;
    return mp_task_return(task, &pid, sizeof(pid));
}

/* Nobody comes by: the worker itself ends the task so, and leaves. */
START_TEST(worker_sees_at_the_end_that_it_is_cancelled)
{
    mp__a32 *go = mp_new(mp__a32);
    mp_pool *pool = pool_of(1);
    mp_result *victim, *after;
    pid_t pid, next = 0;

    await_workers(pool, 1, &pid);
    must(mp_pool_apply_async(pool, wait_or_return, &go, sizeof(go), NULL,
                             &victim));
    must(mp_pool_apply_async(pool, return_pid, NULL, 0, NULL, &after));
    wait_until(mp__load(go) == 1, 10);
    atomic_fetch_or(&((mp_task *)victim)->state, MP__TASK_CANCELLING);
    mp__store(go, 2);
    wait_until(mp__task_has_ended(mp__load(&((mp_task *)victim)->state)), 10);
    expect_cancelled(victim);
    must(mp_result_get(after, &next, sizeof(next), MP_FOREVER));
    ck_assert_int_ne(next, pid);
    must(mp_result_free(victim));
    must(mp_result_free(after));
    end_pool(pool);
    mp_free(go);
}
END_TEST

static int
cancel_another(mp_task *task)
{
    mp_result **victim = mp_task_arg(task, NULL);

    return mp_result_cancel(*victim);
}

START_TEST(task_cancels_another)
{
    struct gate gate = gate_open();
    mp_pool *pool = pool_of(2);
    mp_result *victim = submit_to_gate(pool, gate), *canceller;

    gate_await(gate);
    must(mp_pool_apply(pool, cancel_another, &victim, sizeof(victim),
                       &canceller));
    ck_assert_int_eq(end_of(canceller), 0);
    expect_cancelled(victim);
    must(mp_result_free(canceller));
    must(mp_result_free(victim));
    end_pool(pool);
    gate_close(gate);
}
END_TEST

static int
cancel_what_comes(mp_task *task)
{
    mp_queue **queue = mp_task_arg(task, NULL);
    mp_result *victim;

    if (mp_queue_get(*queue, &victim, sizeof(victim), MP_FOREVER) < 0)
        return -EPROTO;
    mp_result_cancel(victim); /* itself */
    return 0;
}

START_TEST(task_cancels_itself)
{
    mp_pool *pool = pool_of(1);
    mp_result *victim;
    mp_queue *queue;

    must(mp_queue_create(&queue, NULL));
    must(mp_pool_apply_async(pool, cancel_what_comes, &queue, sizeof(queue),
                             NULL, &victim));
    must(mp_queue_put(queue, &victim, sizeof(victim), MP_FOREVER));
    ck_assert_int_eq(end_of(victim), -ECANCELED);
    must(mp_result_free(victim));
    must(mp_pool_apply(pool, echo, NULL, 0, NULL));
    end_pool(pool);
    must(mp_queue_destroy(queue));
}
END_TEST

static int
cancel_in_child(void *arg)
{
    return mp_result_cancel(*(mp_result **)arg) == 0 ? 0 : 1;
}

START_TEST(another_process_cancels)
{
    struct gate gate = gate_open();
    mp_pool *pool = pool_of(1);
    mp_result *victim = submit_to_gate(pool, gate);

    gate_await(gate);
    expect_exit(child(cancel_in_child, &victim), 0);
    expect_cancelled(victim);
    must(mp_result_free(victim));
    must(mp_pool_apply(pool, echo, NULL, 0, NULL));
    end_pool(pool);
    gate_close(gate);
}
END_TEST

START_TEST(cancelled_and_freed_at_once_leaves_nothing)
{
    struct gate gate = gate_open();
    mp_pool *pool = pool_of(1);
    uint64_t before;

    must(mp_pool_apply(pool, echo, NULL, 0, NULL));
    before = heap_use();
    for (int i = 0; i < 5; i++) {
        mp_result *victim = submit_to_gate(pool, gate);

        gate_await(gate);
        must(mp_result_cancel(victim));
        must(mp_result_free(victim));
    }
    must(mp_pool_apply(pool, echo, NULL, 0, NULL));
    ck_assert_uint_eq(heap_use(), before);
    end_pool(pool);
    gate_close(gate);
}
END_TEST

START_TEST(cancelled_in_a_closed_pool)
{
    struct gate gate = gate_open();
    mp_pool *pool = pool_of(1);
    mp_result *victim = submit_to_gate(pool, gate), *queued;

    gate_await(gate);
    must(mp_pool_apply_async(pool, echo, "queued", 7, NULL, &queued));
    must(mp_pool_close(pool));
    must(mp_result_cancel(victim));
    must(mp_pool_join(pool, MP_FOREVER));
    expect_cancelled(victim);
    ck_assert_int_eq(end_of(queued), 7);
    must(mp_result_free(victim));
    must(mp_result_free(queued));
    must(mp_pool_destroy(pool));
    gate_close(gate);
}
END_TEST

/* ---- At any instant ---- */

/* Tasks that last about as long as it takes to cancel them, one after another:
 * each is either done or cancelled, as mp_result_cancel() has said, and those
 * that nobody cancels are all done. */
START_TEST(no_other_task_is_ever_hit)
{
    enum { ROUNDS = 400, OTHERS = 3 };
    mp_pool *pool;
    unsigned cancelled = 0;

    use_method(MP_FORK);
    pool = pool_of(_i);
    for (int round = 0; round < ROUNDS; round++) {
        mp_result *victim, *others[OTHERS];
        int r;

        must(mp_pool_apply_async(pool, echo, "victim", 7, NULL, &victim));
        for (int i = 0; i < OTHERS; i++)
            must(mp_pool_apply_async(pool, echo, &round, sizeof(round), NULL,
                                     &others[i]));
        for (volatile int i = round * 40; i > 0; i--)
            ;
        r = mp_result_cancel(victim);
        cancelled += r == 0;
        ck_assert_msg(r == 0 || r == -EALREADY, "cancel: %d", r);
        ck_assert_int_eq(end_of(victim), r == 0 ? -ECANCELED : 7);
        must(mp_result_free(victim));
        for (int i = 0; i < OTHERS; i++) {
            ck_assert_msg(end_of(others[i]) == sizeof(round), "round %d: %s",
                          round, mp_result_error(others[i]));
            must(mp_result_free(others[i]));
        }
    }
    ck_assert_uint_gt(cancelled, 0);
    end_pool(pool);
}
END_TEST

/* Two who cancel the same: one is told that it was its doing, or both. */
START_TEST(two_cancel_the_same)
{
    mp_pool *pool = pool_of(2);

    for (int round = 0; round < 50; round++) {
        struct gate gate = gate_open();
        mp_result *victim = submit_to_gate(pool, gate);
        pid_t pid;

        gate_await(gate);
        pid = child(cancel_in_child, &victim);
        mp_result_cancel(victim);
        ck_assert_int_ge(reap(pid), 0);
        expect_cancelled(victim);
        must(mp_result_free(victim));
        gate_close(gate);
    }
    end_pool(pool);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("cancel");
    TCase *tcase = pool_case(suite, "running", 30);

    tcase_add_loop_test(tcase, G28_cancelled_task_is_killed_and_no_other,
                        MP_FORK, MP_FORKSERVER + 1);
    tcase_add_test(tcase, cancelling_does_not_break_the_pool);
    tcase_add_test(tcase, cancelled_task_is_not_tried_again);
    tcase_add_test(tcase, canceller_that_dies_is_helped);
    tcase_add_test(tcase, worker_sees_at_the_end_that_it_is_cancelled);
    tcase_add_test(tcase, task_cancels_another);
    tcase_add_test(tcase, task_cancels_itself);
    tcase_add_test(tcase, another_process_cancels);
    tcase_add_test(tcase, cancelled_and_freed_at_once_leaves_nothing);
    tcase_add_test(tcase, cancelled_in_a_closed_pool);
    tcase = pool_case(suite, "any-time", 60);
    tcase_add_loop_test(tcase, no_other_task_is_ever_hit, 1, 3);
    tcase_add_test(tcase, two_cancel_the_same);
    return pool_main(suite);
}
