/* SPDX-License-Identifier: MIT */
/* Tasks that are tried again when their worker has died. */
#include "pool/crew.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* In the family's memory. */
static struct board {
    mp__a32 runs, starts;
    struct gate gate;
    uint32_t fatal_start; /* initializers from this one on exit */
    uint32_t slow_start;  /* this one waits at the gate */
} * board;

static void
make_board(void)
{
    board = mp_new(struct board);
    ck_assert_ptr_nonnull(board);
    board->fatal_start = board->slow_start = UINT32_MAX;
    board->gate = gate_open();
}

static void
drop_board(void)
{
    gate_close(board->gate);
    mp_free(board);
}

struct wish {
    struct board *board;
    int good; /* the attempt that ends well */
};

/* Dies in each attempt but one. */
static int
try(mp_task *task)
{
    struct wish *wish = mp_task_arg(task, NULL);
    int attempt = mp_task_attempt(task);

    mp__add(&wish->board->runs, 1);
    if (attempt != wish->good)
        raise(SIGKILL);
    return mp_task_return(task, &attempt, sizeof(attempt));
}

static mp_result *
submit(mp_pool *pool, mp_task_fn f, int good, uint32_t retries)
{
    struct wish wish = {board, good};
    mp_result *result;

    must(mp_pool_apply_async(pool, f, &wish, sizeof(wish),
                             MP_TASK_ATTR(.retries = retries), &result));
    return result;
}

/* ---- Trying again ---- */

START_TEST(task_is_tried_until_it_ends_well)
{
    mp_pool *pool;
    int attempt = 0;

    use_method(_i);
    make_board();
    pool = pool_of(1);
    for (int good = 1; good <= 4; good++) {
        mp_result *result = submit(pool, try, good, 3), *after;

        must(mp_pool_apply_async(pool, echo, "after", 6, NULL, &after));
        must(mp_result_get(result, &attempt, sizeof(attempt), MP_FOREVER));
        ck_assert_int_eq(attempt, good);
        ck_assert_uint_eq(mp__swap(&board->runs, 0), (unsigned)good);
        ck_assert_int_eq(end_of(after), 6);
        must(mp_result_free(result));
        must(mp_result_free(after));
    }
    end_pool(pool);
    drop_board();
}
END_TEST

START_TEST(retries_that_are_used_up_fail)
{
    mp_pool *pool;
    mp_result *result;

    use_method(_i);
    make_board();
    pool = pool_of(2);
    result = submit(pool, try, 0, 2);
    ck_assert_int_eq(end_of(result), -ESRCH);
    expect_text("task 1 lost its worker in each of 3 attempts; the last: "
                "worker ");
    expect_text("killed by signal 9 (SIGKILL)");
    ck_assert_uint_eq(mp__load(&board->runs), 3);
    must(mp_result_free(result));
    end_pool(pool);
    drop_board();
}
END_TEST

START_TEST(nothing_is_tried_again_unasked)
{
    uint32_t none[] = {0, MP_TASK_NO_RETRIES};
    mp_pool *pool = pool_of(1);

    make_board();
    for (int i = 0; i < 2; i++) {
        mp_result *result = submit(pool, try, 0, none[i]);

        ck_assert_int_eq(end_of(result), -ESRCH);
        ck_assert_uint_eq(mp__swap(&board->runs, 0), 1);
        must(mp_result_free(result));
    }
    end_pool(pool);
    drop_board();
}
END_TEST

START_TEST(retries_of_the_pool_unless_the_task_has_its_own)
{
    static const struct {
        uint32_t own, runs;
    } cases[] = {{0, 3}, {1, 2}, {5, 6}, {MP_TASK_NO_RETRIES, 1}};
    mp_pool *pool;

    make_board();
    must(mp_pool_create(&pool, 1, MP_POOL_ATTR(.task_retries = 2)));
    for (int i = 0; i < 4; i++) {
        mp_result *result = submit(pool, try, 0, cases[i].own);

        ck_assert_int_eq(end_of(result), -ESRCH);
        ck_assert_uint_eq(mp__swap(&board->runs, 0), cases[i].runs);
        must(mp_result_free(result));
    }
    end_pool(pool);
    drop_board();
}
END_TEST

static int
fail_orderly(mp_task *task)
{
    struct wish *wish = mp_task_arg(task, NULL);

    mp__add(&wish->board->runs, 1);
    return -EDOM;
}

START_TEST(failure_is_no_death)
{
    mp_pool *pool = pool_of(1);
    mp_result *result;

    make_board();
    result = submit(pool, fail_orderly, 0, 5);
    ck_assert_int_eq(end_of(result), -EDOM);
    ck_assert_uint_eq(mp__load(&board->runs), 1);
    must(mp_result_free(result));
    end_pool(pool);
    drop_board();
}
END_TEST

/* Gives a result, dies, and says nothing the next time. */
static int
return_and_die(mp_task *task)
{
    static const char bytes[5000];

    if (mp_task_attempt(task) > 1)
        return 0;
    if (mp_task_return(task, bytes, sizeof(bytes)) == 0)
        raise(SIGKILL);
    return -EPROTO;
}

START_TEST(result_of_a_lost_attempt_is_dropped)
{
    mp_pool *pool = pool_of(1);
    uint64_t before;

    must(mp_pool_apply(pool, echo, NULL, 0, NULL));
    before = heap_use();
    for (int i = 0; i < 3; i++) {
        mp_result *result;

        must(mp_pool_apply_async(pool, return_and_die, NULL, 0,
                                 MP_TASK_ATTR(.retries = 1), &result));
        ck_assert_int_eq(end_of(result), 0);
        must(mp_result_free(result));
    }
    ck_assert_uint_eq(heap_use(), before);
    end_pool(pool);
}
END_TEST

static int
hang_at_first(mp_task *task)
{
    int attempt = mp_task_attempt(task);

    while (attempt == 1)
        pause();
    return mp_task_return(task, &attempt, sizeof(attempt));
}

START_TEST(task_killed_for_its_time_is_tried_again)
{
    mp_pool *pool = pool_of(1);
    mp_result *result;
    int attempt = 0;

    must(mp_pool_apply_async(pool, hang_at_first, NULL, 0,
                             MP_TASK_ATTR(.timeout = 0.05, .retries = 50),
                             &result));
    must(mp_result_get(result, &attempt, sizeof(attempt), MP_FOREVER));
    ck_assert_int_ge(attempt, 2);
    must(mp_result_free(result));
    end_pool(pool);
}
END_TEST

START_TEST(task_that_nobody_asks_for_is_tried_again)
{
    mp_pool *pool = pool_of(1);
    struct wish wish = {0};

    make_board();
    wish = (struct wish){board, 3};
    must(mp_pool_apply_async(pool, try, &wish, sizeof(wish),
                             MP_TASK_ATTR(.retries = 4), NULL));
    end_pool(pool);
    ck_assert_uint_eq(mp__load(&board->runs), 3);
    drop_board();
}
END_TEST

START_TEST(many_tasks_many_deaths)
{
    enum { TASKS = 40 };
    mp_pool *pool = pool_of(2);
    mp_result *results[TASKS];
    int attempt = 0;

    make_board();
    for (int i = 0; i < TASKS; i++)
        results[i] = submit(pool, try, 1 + i % 3, 2);
    for (int i = 0; i < TASKS; i++) {
        must(mp_result_get(results[i], &attempt, sizeof(attempt), MP_FOREVER));
        ck_assert_int_eq(attempt, 1 + i % 3);
        must(mp_result_free(results[i]));
    }
    end_pool(pool);
    drop_board();
}
END_TEST

/* ---- While it waits for the next worker ---- */

static int
start(void *arg)
{
    struct board *b = *(struct board **)arg;
    uint32_t number = mp__add(&b->starts, 1) + 1;
    pid_t pid = getpid();
    char c;

    if (number >= b->fatal_start)
        raise(SIGKILL);
    if (number == b->slow_start) {
        mp_queue_put(b->gate.begun, &pid, sizeof(pid), MP_FOREVER);
        mp_queue_get(b->gate.pass, &c, 1, MP_FOREVER);
    }
    return 0;
}

static mp_pool *
pool_with_starts(int workers)
{
    mp_pool *pool;

    must(mp_pool_create(&pool, workers,
                        MP_POOL_ATTR(.initializer = start,
                                     .initializer_arg = &board,
                                     .initializer_size = sizeof(board))));
    return pool;
}

/* A task in its first attempt has died, and its next worker is on its way. */
static mp_result *
submit_and_await_death(mp_pool *pool)
{
    mp_result *result = submit(pool, try, 2, 1);

    while (mp_queue_size(board->gate.begun) == 0)
        ck_assert_int_eq(mp_result_wait(result, mp_timeout(0.001)),
                         -ETIMEDOUT);
    gate_await(board->gate);
    ck_assert_int_eq(mp_result_ready(result), 0);
    ck_assert_uint_eq(mp__load(&board->runs), 1);
    return result;
}

START_TEST(closed_pool_tries_again)
{
    mp_result *result;
    mp_pool *pool;

    make_board();
    board->slow_start = 2;
    pool = pool_with_starts(1);
    result = submit_and_await_death(pool);
    must(mp_pool_close(pool));
    gate_let_go(board->gate);
    must(mp_pool_join(pool, MP_FOREVER));
    ck_assert_int_eq(end_of(result), sizeof(int));
    must(mp_result_free(result));
    must(mp_pool_destroy(pool));
    drop_board();
}
END_TEST

START_TEST(terminated_pool_does_not)
{
    uint64_t before = 0;

    make_board();
    for (int i = 0; i < 3; i++) {
        mp_result *result;
        mp_pool *pool;

        mp__store(&board->starts, 0);
        mp__store(&board->runs, 0);
        board->slow_start = 2;
        pool = pool_with_starts(1);
        result = submit_and_await_death(pool);
        must(mp_pool_terminate(pool));
        ck_assert_int_eq(end_of(result), -ECANCELED);
        ck_assert_uint_eq(mp__load(&board->runs), 1);
        must(mp_result_free(result));
        must(mp_pool_destroy(pool));
        if (i > 0)
            ck_assert_uint_eq(heap_use(), before);
        before = heap_use();
    }
    drop_board();
}
END_TEST

START_TEST(cancelled_one_is_not_tried_again)
{
    mp_result *result;
    uint64_t before;
    mp_pool *pool;

    make_board();
    board->slow_start = 2;
    pool = pool_with_starts(1);
    must(mp_pool_apply(pool, echo, NULL, 0, NULL));
    before = heap_use();
    result = submit_and_await_death(pool);
    must(mp_result_cancel(result));
    ck_assert_int_eq(end_of(result), -ECANCELED);
    expect_text("cancelled after it had begun");
    ck_assert_int_eq(mp_result_cancel(result), -EALREADY);
    gate_let_go(board->gate);
    must(mp_pool_apply(pool, echo, NULL, 0, NULL));
    ck_assert_uint_eq(mp__load(&board->runs), 1);
    must(mp_result_free(result));
    ck_assert_uint_eq(heap_use(), before);
    end_pool(pool);
    drop_board();
}
END_TEST

/* A worker that dies on its way to the task takes no attempt from it. */
START_TEST(death_in_between_is_no_attempt)
{
    mp_result *result;
    mp_pool *pool;
    int attempt = 0;

    make_board();
    board->slow_start = 2;
    pool = pool_with_starts(1);
    result = submit(pool, try, 2, 1);
    while (mp_queue_size(board->gate.begun) == 0)
        ck_assert_int_eq(mp_result_wait(result, mp_timeout(0.001)),
                         -ETIMEDOUT);
    ck_assert_int_eq(kill(gate_await(board->gate), SIGKILL), 0);
    must(mp_result_get(result, &attempt, sizeof(attempt), MP_FOREVER));
    ck_assert_int_eq(attempt, 2);
    must(mp_result_free(result));
    end_pool(pool);
    drop_board();
}
END_TEST

/* No worker gets past its initializer any more, but another one is still
 * there: the pool is not broken, and yet the task must end. */
START_TEST(task_ends_when_its_post_is_given_up)
{
    mp_result *result, *blocker;
    mp_pool *pool;
    struct gate gate;
    pid_t pids[2];

    make_board();
    gate = gate_open();
    pool = pool_with_starts(2);
    await_workers(pool, 2, pids);
    board->fatal_start = 3;
    blocker = submit_to_gate(pool, gate);
    gate_await(gate);
    result = submit(pool, try, 2, 1);
    ck_assert_int_eq(end_of(result), -ESRCH);
    expect_text("task 4 lost its worker, and there is no other: ");
    ck_assert_uint_eq(mp__load(&board->runs), 1);
    gate_let_go(gate);
    ck_assert_int_eq(end_of(blocker), 0);
    must(mp_result_free(result));
    must(mp_result_free(blocker));
    must(mp_pool_terminate(pool));
    must(mp_pool_destroy(pool));
    gate_close(gate);
    drop_board();
}
END_TEST

START_TEST(task_ends_when_its_pool_breaks)
{
    mp_result *result;
    mp_pool *pool;
    pid_t pid;

    make_board();
    pool = pool_with_starts(1);
    await_workers(pool, 1, &pid);
    board->fatal_start = 2;
    result = submit(pool, try, 2, 1);
    ck_assert_int_eq(end_of(result), -ESRCH);
    ck_assert_uint_eq(mp__load(&board->runs), 1);
    must(mp_result_free(result));
    must(mp_pool_destroy(pool));
    drop_board();
}
END_TEST

/* ---- Mistakes ---- */

START_TEST(too_many_retries_einval)
{
    mp_pool *pool = pool_of(1);
    mp_result *result;

    ck_assert_int_eq(mp_pool_apply_async(pool, echo, NULL, 0,
                                         MP_TASK_ATTR(.retries = 5000),
                                         &result),
                     -EINVAL);
    expect_text(".retries");
    ck_assert_int_eq(mp_task_attempt(NULL), -EBADF);
    end_pool(pool);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("retries");
    TCase *tcase = pool_case(suite, "again", 30);

    tcase_add_loop_test(tcase, task_is_tried_until_it_ends_well, MP_FORK,
                        MP_FORKSERVER + 1);
    tcase_add_loop_test(tcase, retries_that_are_used_up_fail, MP_FORK,
                        MP_FORKSERVER + 1);
    tcase_add_test(tcase, nothing_is_tried_again_unasked);
    tcase_add_test(tcase, retries_of_the_pool_unless_the_task_has_its_own);
    tcase_add_test(tcase, failure_is_no_death);
    tcase_add_test(tcase, result_of_a_lost_attempt_is_dropped);
    tcase_add_test(tcase, task_killed_for_its_time_is_tried_again);
    tcase_add_test(tcase, task_that_nobody_asks_for_is_tried_again);
    tcase_add_test(tcase, many_tasks_many_deaths);
    tcase_add_test(tcase, too_many_retries_einval);
    tcase = pool_case(suite, "between", 30);
    tcase_add_test(tcase, closed_pool_tries_again);
    tcase_add_test(tcase, terminated_pool_does_not);
    tcase_add_test(tcase, cancelled_one_is_not_tried_again);
    tcase_add_test(tcase, death_in_between_is_no_attempt);
    tcase_add_test(tcase, task_ends_when_its_post_is_given_up);
    tcase_add_test(tcase, task_ends_when_its_pool_breaks);
    return pool_main(suite);
}
