/* SPDX-License-Identifier: MIT */
/* Maps that nobody waits for: their results, and how long they live. */
#include "pool/maps.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- Results ---- */

START_TEST(squares_of_any_number_of_items)
{
    mp_pool *pool;

    use_method(_i);
    pool = pool_of(2);
    for (int kind = 0; kind < 4; kind++) {
        map_squares(pool, 0, kind & 1, kind & 2);
        map_squares(pool, 1, kind & 1, kind & 2);
        map_squares(pool, 17, kind & 1, kind & 2);
        map_squares(pool, 100000, kind & 1, kind & 2);
    }
    end_pool(pool);
}
END_TEST

START_TEST(many_at_a_time_leave_no_memory)
{
    enum { MAPS = 20, ITEMS = 1000 };
    static int64_t out[MAPS][ITEMS];
    int *in = numbers(0, ITEMS);
    mp_pool *pool = pool_of(3);
    mp_result *results[MAPS];
    pid_t pids[3];
    uint64_t before;

    map_squares(pool, ITEMS, 0, 0);
    await_workers(pool, 3, pids); /* all are out of the map */
    before = heap_use();
    for (int i = 0; i < MAPS; i++)
        must(mp_pool_map_async(pool, square, in, sizeof(int), out[i],
                               sizeof(int64_t), ITEMS, NULL, &results[i]));
    for (int i = MAPS - 1; i >= 0; i--) {
        must(mp_result_wait(results[i], MP_FOREVER));
        expect_squares(out[i], ITEMS);
        must(mp_result_free(results[i]));
    }
    await_workers(pool, 3, pids);
    ck_assert_uint_eq(heap_use(), before);
    end_pool(pool);
    free(in);
}
END_TEST

START_TEST(results_are_copied_once)
{
    enum { ITEMS = 100 };
    int *in = numbers(0, ITEMS);
    int64_t out[ITEMS] = {0};
    mp_pool *pool = pool_of(1);
    mp_result *result;

    must(mp_pool_map_async(pool, square, in, sizeof(int), out, sizeof(int64_t),
                           ITEMS, NULL, &result));
    must(mp_result_wait(result, MP_FOREVER));
    expect_squares(out, ITEMS);
    out[3] = 7; /* the caller's again */
    must(mp_result_wait(result, MP_FOREVER));
    ck_assert_int_eq(out[3], 7);
    must(mp_result_free(result));
    end_pool(pool);
    free(in);
}
END_TEST

START_TEST(get_gives_all_results)
{
    enum { ITEMS = 1000 };
    static int64_t out[ITEMS];
    int *in = numbers(0, ITEMS);
    mp_pool *pool = pool_of(2);
    mp_result *result;

    must(mp_pool_map_async(pool, square, in, sizeof(int), NULL,
                           sizeof(int64_t), ITEMS, NULL, &result));
    ck_assert_int_eq(mp_result_get(result, out, sizeof(out), MP_FOREVER),
                     sizeof(out));
    expect_squares(out, ITEMS);
    ck_assert_int_eq(mp_result_size(result), sizeof(out));
    ck_assert_int_eq(mp_result_get(result, out, sizeof(out) - 1, MP_NOW),
                     -EMSGSIZE);
    must(mp_result_free(result));
    end_pool(pool);
    free(in);
}
END_TEST

struct question {
    mp_result *result;
    int64_t *answer;
    int64_t *forbidden; /* out of the asker's parent: not to be written */
};

static int
ask_for_results(void *arg)
{
    struct question *q = arg;
    int64_t results[100];

    if (q->forbidden)
        memset(q->forbidden, 0x55, sizeof(results));
    if (mp_result_wait(q->result, MP_FOREVER) < 0 ||
        mp_result_get(q->result, results, sizeof(results), MP_NOW) !=
            sizeof(results))
        return 1;
    for (int i = 0; i < 100; i++) {
        if (q->forbidden && q->forbidden[i] != 0x5555555555555555)
            return 2;
        *q->answer += results[i];
    }
    return 0;
}

START_TEST(any_process_may_ask)
{
    int *in = numbers(0, 100);
    static int64_t out[100];
    struct question q = {.answer = mp_new(int64_t)};
    mp_process *process;
    mp_pool *pool;
    int code;

    use_method(_i);
    pool = pool_of(2);
    must(mp_pool_map_async(pool, square, in, sizeof(int), out, sizeof(int64_t),
                           100, NULL, &q.result));
    q.forbidden = _i == MP_FORK ? out : NULL;
    must(mp_process_start(&process, ask_for_results, &q, sizeof(q), NULL));
    must(mp_process_join(process, MP_FOREVER));
    must(mp_process_exitcode(process, &code));
    ck_assert_int_eq(code, 0);
    ck_assert_int_eq(*q.answer, 328350);
    must(mp_process_close(process));
    must(mp_result_wait(q.result, MP_FOREVER));
    expect_squares(out, 100);
    must(mp_result_free(q.result));
    end_pool(pool);
    must(mp_free(q.answer));
    free(in);
}
END_TEST

/* ---- Codes and failures ---- */

static void
check_codes(mp_pool *pool, int shared, int waits)
{
    enum { ITEMS = 1000 };
    int *in = array(0, ITEMS, sizeof(int));
    int32_t *codes = array(shared, ITEMS + 1, sizeof(int32_t));
    mp_result *result;
    int r;

    for (int i = 0; i < ITEMS; i++)
        in[i] = i % 3 == 2 ? -i : i;
    codes[ITEMS] = 99;
    if (waits) {
        r = mp_pool_map(pool, end_as_told, in, sizeof(int), NULL, 0, ITEMS,
                        MP_MAP_ATTR(.codes = codes));
    } else {
        must(mp_pool_map_async(pool, end_as_told, in, sizeof(int), NULL, 0,
                               ITEMS, MP_MAP_ATTR(.codes = codes), &result));
        must(mp_result_wait(result, MP_FOREVER));
        ck_assert_int_eq(mp_result_successful(result), 0);
        mp_test_text(mp_result_error(result), "item 2 failed: ");
        r = (int)mp_result_get(result, NULL, 0, MP_NOW);
        must(mp_result_free(result));
    }
    ck_assert_int_eq(r, -2);
    expect_text("item 2 failed: ");
    for (int i = 0; i < ITEMS; i++)
        if (codes[i] != in[i])
            ck_abort_msg("item %d: %d", i, codes[i]);
    ck_assert_int_eq(codes[ITEMS], 99);
    free(in);
    free_array(shared, codes);
}

START_TEST(codes_of_all_items)
{
    mp_pool *pool;

    use_method(_i);
    pool = pool_of(3);
    for (int kind = 0; kind < 4; kind++)
        check_codes(pool, kind & 1, kind & 2);
    end_pool(pool);
}
END_TEST

START_TEST(bad_arguments_einval)
{
    mp_pool *pool = pool_of(1);
    int in[2] = {0};
    int64_t out[2];
    mp_result *result = NULL;

    ck_assert_int_eq(
        mp_pool_map_async(pool, NULL, in, 4, out, 8, 2, NULL, &result),
        -EINVAL);
    expect_text("mp_pool_map_async: the function is NULL");
    ck_assert_int_eq(
        mp_pool_map_async(pool, square, NULL, 4, out, 8, 2, NULL, &result),
        -EINVAL);
    ck_assert_int_eq(mp_pool_map_async(pool, square, in, 4, out, 8, SIZE_MAX,
                                       NULL, &result),
                     -EINVAL);
    ck_assert_int_eq(mp_pool_map_async((mp_pool *)in, square, in, 4, out, 8, 2,
                                       NULL, &result),
                     -EBADF);
    ck_assert_int_eq(
        mp_pool_map(pool, square, in, 4, out, 8, 2,
                    MP_MAP_ATTR(.callback_arg = in, .timeout = 0.0 / 0.0)),
        -EINVAL);
    expect_text(".timeout");
    ck_assert_ptr_null(result);
    must(mp_pool_map_async(pool, square, in, 4, out, 8, 2, NULL, &result));
    must(mp_result_free(result));
    ck_assert_int_eq(mp_result_free(result), -EBADF);
    must(mp_pool_close(pool));
    ck_assert_int_eq(
        mp_pool_map_async(pool, square, in, 4, out, 8, 2, NULL, &result),
        -ESHUTDOWN);
    must(mp_pool_join(pool, MP_FOREVER));
    must(mp_pool_destroy(pool));
}
END_TEST

/* ---- Without a handle ---- */

START_TEST(freed_or_unwanted_map_goes_on)
{
    enum { ITEMS = 6 };
    struct stop stop = make_stop();
    mp_pool *pool = pool_of(2);
    mp_result *result;
    pid_t pids[2];
    uint64_t before;

    map_squares(pool, 10, 0, 0);
    await_workers(pool, 2, pids);
    before = heap_use();
    map_to_gate(pool, &stop, ITEMS, _i ? &result : NULL);
    gate_await(stop.gate);
    gate_await(stop.gate);
    if (_i)
        must(mp_result_free(result));
    for (int i = 0; i < ITEMS; i++)
        gate_let_go(stop.gate);
    wait_until(mp__load(stop.done) == ITEMS, 60);
    for (int i = 2; i < ITEMS; i++)
        gate_await(stop.gate);
    await_workers(pool, 2, pids);
    ck_assert_uint_eq(heap_use(), before);
    end_pool(pool);
    end_stop(stop);
}
END_TEST

struct errand {
    mp_pool *pool;
    struct stop stop;
};

static int
submit_and_die(void *arg)
{
    struct errand *errand = arg;
    mp_result *result;

    if (mp_pool_map_async(errand->pool, stop_at_gate, NULL, 0, NULL, 0, 6,
                          MP_MAP_ATTR(.ctx = &errand->stop,
                                      .ctx_size = sizeof(errand->stop)),
                          &result) == 0)
        raise(SIGKILL);
    return 1;
}

START_TEST(items_go_on_when_the_caller_dies)
{
    struct errand errand;
    mp_process *process;

    use_method(_i);
    errand.pool = pool_of(2);
    errand.stop = make_stop();
    must(mp_process_start(&process, submit_and_die, &errand, sizeof(errand),
                          NULL));
    must(mp_process_join(process, MP_FOREVER));
    must(mp_process_close(process));
    for (int i = 0; i < 6; i++)
        gate_let_go(errand.stop.gate);
    wait_until(mp__load(errand.stop.done) == 6, 60);
    end_pool(errand.pool);
    end_stop(errand.stop);
}
END_TEST

START_TEST(closed_pool_does_the_rest)
{
    struct stop stop = make_stop();
    mp_pool *pool = pool_of(2);
    mp_result *result;

    map_to_gate(pool, &stop, 10, &result);
    must(mp_pool_close(pool));
    ck_assert_int_eq(mp_result_wait(result, MP_NOW), -EAGAIN);
    ck_assert_int_eq(mp_result_successful(result), -EAGAIN);
    ck_assert_int_eq(mp_result_wait(result, mp_timeout(0.02)), -ETIMEDOUT);
    for (int i = 0; i < 10; i++)
        gate_let_go(stop.gate);
    must(mp_pool_join(pool, MP_FOREVER));
    must(mp_pool_destroy(pool));
    ck_assert_uint_eq(mp__load(stop.done), 10);
    must(mp_result_wait(result, MP_NOW)); /* outlives its pool */
    ck_assert_int_eq(mp_result_successful(result), 1);
    must(mp_result_free(result));
    end_stop(stop);
}
END_TEST

/* What becomes of it when the pool ends before: `_i` says when it is asked. */
START_TEST(terminated_pool_cancels)
{
    struct stop stop = make_stop();
    mp_pool *pool = pool_of(2);
    mp_result *result;

    map_to_gate(pool, &stop, 10, &result);
    gate_await(stop.gate);
    must(mp_pool_terminate(pool));
    if (_i == 0)
        must(mp_result_wait(result, MP_FOREVER));
    must(mp_pool_destroy(pool));
    must(mp_result_wait(result, MP_FOREVER));
    ck_assert_int_eq(mp_result_get(result, NULL, 0, MP_NOW), -ECANCELED);
    mp_test_text(mp_result_error(result), "terminated");
    ck_assert_int_eq(mp_result_cancel(result), -EALREADY);
    must(mp_result_free(result));
    end_stop(stop);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("map-async");
    TCase *tcase = pool_case(suite, "results", 60);

    tcase_add_loop_test(tcase, squares_of_any_number_of_items, MP_FORK,
                        MP_FORKSERVER + 1);
    tcase_add_test(tcase, many_at_a_time_leave_no_memory);
    tcase_add_test(tcase, results_are_copied_once);
    tcase_add_test(tcase, get_gives_all_results);
    tcase_add_loop_test(tcase, any_process_may_ask, MP_FORK,
                        MP_FORKSERVER + 1);
    tcase_add_loop_test(tcase, codes_of_all_items, MP_FORK, MP_FORKSERVER + 1);
    tcase_add_test(tcase, bad_arguments_einval);

    tcase = pool_case(suite, "life", 60);
    tcase_add_loop_test(tcase, freed_or_unwanted_map_goes_on, 0, 2);
    tcase_add_loop_test(tcase, items_go_on_when_the_caller_dies, MP_FORK,
                        MP_FORKSERVER + 1);
    tcase_add_test(tcase, closed_pool_does_the_rest);
    tcase_add_loop_test(tcase, terminated_pool_cancels, 0, 2);

    return pool_main(suite);
}
