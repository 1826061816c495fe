/* SPDX-License-Identifier: MIT */
/* Priorities of tasks. */
#include "pool/crew.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TASKS = 70, LEVELS = 7 };

/* In the family's memory: what ran, in that order. */
static struct log {
    mp__a32 count;
    struct entry {
        int32_t priority, number;
    } entry[TASKS + 1];
} * book;

struct order {
    struct log *book;
    struct entry entry;
};

static int
note(mp_task *task)
{
    const struct order *order = mp_task_arg(task, NULL);

    order->book->entry[mp__add(&order->book->count, 1)] = order->entry;
    return 0;
}

static mp_result *
submit(mp_pool *pool, int priority, int number)
{
    struct order order = {book, {priority, number}};
    mp_result *result;

    must(mp_pool_apply_async(pool, note, &order, sizeof(order),
                             MP_TASK_ATTR(.priority = priority), &result));
    return result;
}

/* Submits TASKS tasks of all priorities, mixed, while the worker waits. */
static void
submit_all(mp_pool *pool, mp_result **results)
{
    for (int i = 0; i < TASKS; i++)
        results[i] = submit(pool, i * 5 % LEVELS - 3, i);
}

static void
check_order(void)
{
    ck_assert_uint_eq(mp__load(&book->count), TASKS);
    for (int i = 1; i < TASKS; i++) {
        struct entry *a = &book->entry[i - 1], *b = &book->entry[i];

        ck_assert_msg(
            a->priority > b->priority ||
                (a->priority == b->priority && a->number < b->number),
            "task %d of priority %d before %d of %d", a->number, a->priority,
            b->number, b->priority);
    }
}

static void
get_all(mp_result **results, long code)
{
    for (int i = 0; i < TASKS; i++) {
        ck_assert_int_eq(end_of(results[i]), code);
        must(mp_result_free(results[i]));
    }
}

static void
make_book(void)
{
    book = mp_new(struct log);
    ck_assert_ptr_nonnull(book);
}

START_TEST(higher_ones_first_then_in_order)
{
    mp_result *results[TASKS], *blocker;
    struct gate gate;
    mp_pool *pool;

    use_method(_i);
    make_book();
    gate = gate_open();
    pool = pool_of(1);
    blocker = submit_to_gate(pool, gate);
    gate_await(gate);
    submit_all(pool, results);
    gate_let_go(gate);
    get_all(results, 0);
    check_order();
    must(mp_result_free(blocker));
    end_pool(pool);
    gate_close(gate);
    mp_free(book);
}
END_TEST

START_TEST(sleeping_worker_is_woken_for_any)
{
    mp_pool *pool = pool_of(1);
    pid_t pid;

    make_book();
    await_workers(pool, 1, &pid);
    for (int priority = -3; priority <= 3; priority++) {
        mp_result *result;

        wait_until(process_state(pid) == 'S', 10);
        result = submit(pool, priority, 0);
        ck_assert_int_eq(end_of(result), 0);
        must(mp_result_free(result));
    }
    end_pool(pool);
    mp_free(book);
}
END_TEST

START_TEST(closed_pool_does_all_of_them)
{
    mp_result *results[TASKS], *blocker;
    struct gate gate = gate_open();
    mp_pool *pool = pool_of(2);

    make_book();
    blocker = submit_to_gate(pool, gate);
    gate_await(gate);
    submit_all(pool, results);
    must(mp_pool_close(pool));
    gate_let_go(gate);
    must(mp_pool_join(pool, MP_FOREVER));
    get_all(results, 0);
    must(mp_result_free(blocker));
    must(mp_pool_destroy(pool));
    gate_close(gate);
    mp_free(book);
}
END_TEST

START_TEST(terminated_pool_cancels_all_of_them)
{
    mp_result *results[TASKS], *blocker;
    struct gate gate = gate_open();
    mp_pool *pool = pool_of(1);

    make_book();
    blocker = submit_to_gate(pool, gate);
    gate_await(gate);
    submit_all(pool, results);
    must(mp_pool_destroy(pool));
    get_all(results, -ECANCELED);
    ck_assert_int_eq(end_of(blocker), -ECANCELED);
    must(mp_result_free(blocker));
    ck_assert_uint_eq(mp__load(&book->count), 0);
    gate_close(gate);
    mp_free(book);
}
END_TEST

START_TEST(deadly_tasks_of_all_priorities)
{
    mp_pool *pool = pool_of(1);
    mp_result *results[TASKS], *dead[LEVELS];

    make_book();
    submit_all(pool, results);
    for (int i = 0; i < LEVELS; i++)
        must(mp_pool_apply_async(pool, kill_self, NULL, 0,
                                 MP_TASK_ATTR(.priority = i - 3), &dead[i]));
    get_all(results, 0);
    for (int i = 0; i < LEVELS; i++) {
        ck_assert_int_eq(end_of(dead[i]), -ESRCH);
        must(mp_result_free(dead[i]));
    }
    ck_assert_uint_eq(mp__load(&book->count), TASKS);
    end_pool(pool);
    mp_free(book);
}
END_TEST

START_TEST(cancelled_one_of_a_high_priority_never_begins)
{
    mp_result *results[TASKS], *blocker;
    struct gate gate = gate_open();
    mp_pool *pool = pool_of(1);

    make_book();
    blocker = submit_to_gate(pool, gate);
    gate_await(gate);
    submit_all(pool, results);
    for (int i = 0; i < TASKS; i++)
        must(mp_result_cancel(results[i]));
    gate_let_go(gate);
    ck_assert_int_eq(end_of(blocker), 0);
    get_all(results, -ECANCELED);
    must(mp_result_free(blocker));
    end_pool(pool);
    ck_assert_uint_eq(mp__load(&book->count), 0);
    gate_close(gate);
    mp_free(book);
}
END_TEST

START_TEST(other_priorities_einval)
{
    static const int bad[] = {4, -4, 1 << 30, -(1 << 30)};
    mp_pool *pool = pool_of(1);
    mp_result *result;

    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(mp_pool_apply_async(pool, echo, NULL, 0,
                                             MP_TASK_ATTR(.priority = bad[i]),
                                             &result),
                         -EINVAL);
        expect_text(".priority");
    }
    end_pool(pool);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("priority");
    TCase *tcase = pool_case(suite, "order", 20);

    tcase_add_loop_test(tcase, higher_ones_first_then_in_order, MP_FORK,
                        MP_FORKSERVER + 1);
    tcase_add_test(tcase, sleeping_worker_is_woken_for_any);
    tcase_add_test(tcase, other_priorities_einval);
    tcase = pool_case(suite, "ends", 20);
    tcase_add_test(tcase, closed_pool_does_all_of_them);
    tcase_add_test(tcase, terminated_pool_cancels_all_of_them);
    tcase_add_test(tcase, deadly_tasks_of_all_priorities);
    tcase_add_test(tcase, cancelled_one_of_a_high_priority_never_begins);
    return pool_main(suite);
}
