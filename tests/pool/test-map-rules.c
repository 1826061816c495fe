/* SPDX-License-Identifier: MIT */
/* What may be asked of a map: to be cancelled, to call back, to go first, and
 * to wear out its workers. */
#include "pool/maps.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- Cancelling ---- */

START_TEST(cancel_kills_its_workers_alone)
{
    enum { ITEMS = 10 };
    struct stop stop = make_stop(), other = make_stop();
    int32_t codes[ITEMS];
    mp_pool *pool = pool_of(3);
    mp_result *result, *task;
    pid_t victims[2], bystander;

    task = submit_to_gate(pool, other.gate);
    bystander = gate_await(other.gate);
    must(mp_pool_map_async(pool, stop_at_gate, NULL, 0, NULL, 0, ITEMS,
                           MP_MAP_ATTR(.ctx = &stop, .ctx_size = sizeof(stop),
                                       .codes = codes, .chunk = 3,
                                       .retries = 5),
                           &result));
    victims[0] = gate_await(stop.gate);
    victims[1] = gate_await(stop.gate);
    must(mp_result_cancel(result));
    ck_assert_int_eq(mp_result_ready(result), 1);
    ck_assert_int_eq(mp_result_wait(result, MP_NOW), 0);
    ck_assert_int_eq(mp_result_get(result, NULL, 0, MP_NOW), -ECANCELED);
    mp_test_text(mp_result_error(result), "cancelled");
    ck_assert_int_eq(mp_result_cancel(result), 0); /* it is, is it not */
    for (int i = 0; i < ITEMS; i++)
        ck_assert_int_eq(codes[i], -ECANCELED);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(kill(victims[i], 0), -1);
    ck_assert_int_eq(kill(bystander, 0), 0);
    gate_let_go(other.gate);
    ck_assert_int_eq(end_of(task), 0);
    must(mp_result_free(task));
    must(mp_result_free(result));
    ck_assert_uint_eq(mp_queue_size(stop.gate.begun), 0);
    map_squares(pool, 1000, 0, 0); /* all is well */
    ck_assert_int_eq(mp_pool_workers(pool, NULL, 0), 3);
    end_pool(pool);
    end_stop(stop);
    end_stop(other);
}
END_TEST

START_TEST(cancelled_before_it_began_runs_nothing)
{
    struct stop stop = make_stop();
    mp_pool *pool = pool_of(1);
    mp_result *task = submit_to_gate(pool, stop.gate), *result;
    pid_t pid = gate_await(stop.gate);

    map_to_gate(pool, &stop, 10, &result);
    must(mp_result_cancel(result));
    ck_assert_int_eq(mp_result_get(result, NULL, 0, MP_NOW), -ECANCELED);
    must(mp_result_free(result));
    gate_let_go(stop.gate);
    ck_assert_int_eq(end_of(task), 0);
    must(mp_result_free(task));
    must(mp_pool_apply(pool, return_pid, NULL, 0, &task));
    pid_t same;
    ck_assert_int_eq(mp_result_get(task, &same, sizeof(same), MP_NOW),
                     sizeof(same));
    ck_assert_int_eq(same, pid); /* nobody was killed for it */
    must(mp_result_free(task));
    ck_assert_uint_eq(mp_queue_size(stop.gate.begun), 0);
    end_pool(pool);
    end_stop(stop);
}
END_TEST

START_TEST(ended_map_ealready)
{
    int in[3] = {1, -2, 3};
    mp_pool *pool = pool_of(2);
    mp_result *result;

    must(mp_pool_map_async(pool, end_as_told, in, sizeof(int), NULL, 0, 3,
                           NULL, &result));
    must(mp_result_wait(result, MP_FOREVER));
    ck_assert_int_eq(mp_result_cancel(result), -EALREADY);
    ck_assert_int_eq(mp_result_get(result, NULL, 0, MP_NOW), -2);
    must(mp_result_free(result));
    end_pool(pool);
}
END_TEST

/* Cancelled at any moment: whatever was first, the codes agree. */
START_TEST(cancel_races_with_the_end)
{
    enum { ITEMS = 200 };
    int in[ITEMS], cancelled = 0;
    int32_t codes[ITEMS];
    mp_pool *pool = pool_of(2);
    mp_result *result;

    for (int i = 0; i < ITEMS; i++)
        in[i] = i;
    for (int round = 0; round < 200; round++) {
        int r, rest = 0;

        must(mp_pool_map_async(pool, end_as_told, in, sizeof(int), NULL, 0,
                               ITEMS, MP_MAP_ATTR(.codes = codes, .chunk = 1),
                               &result));
        for (volatile int i = 0; i < round * 500; i++)
            ;
        r = mp_result_cancel(result);
        must(mp_result_wait(result, MP_FOREVER));
        for (int i = 0; i < ITEMS; i++)
            if (codes[i] != i)
                rest += codes[i] == -ECANCELED ? 1 : 1000000;
        ck_assert_int_lt(rest, 1000000);
        ck_assert_int_eq(mp_result_get(result, NULL, 0, MP_NOW),
                         r == 0 ? -ECANCELED : 0);
        if (r < 0)
            ck_assert_int_eq(rest, 0);
        cancelled += r == 0;
        must(mp_result_free(result));
    }
    ck_assert_int_gt(cancelled, 0);
    end_pool(pool);
}
END_TEST

/* ---- Callbacks ---- */

static int called_well, called_badly;
static long called_with;

static void
note_end(mp_result *result, void *arg)
{
    int64_t *out = arg;

    called_well++;
    ck_assert_int_eq(mp_result_ready(result), 1);
    called_with += out[9]; /* the results are there */
}

static void
note_failure(mp_result *result, void *arg)
{
    (void)arg;
    called_badly++;
    mp_test_text(mp_result_error(result), "item 1 failed");
}

START_TEST(callbacks_are_called_once)
{
    int *in = numbers(0, 10), bad[3] = {0, -5, 0};
    int64_t out[10], none[10];
    mp_pool *pool = pool_of(2);
    mp_result *result;
    uint64_t before;

    map_squares(pool, 10, 0, 0);
    must(mp_pool_map_async(
        pool, square, in, sizeof(int), out, 8, 10,
        MP_MAP_ATTR(.callback = note_end, .callback_arg = out), NULL));
    while (mp_pool_callbacks(pool, MP_FOREVER) != 0)
        ;
    before = heap_use();
    must(mp_pool_map_async(pool, square, in, sizeof(int), out, 8, 10,
                           MP_MAP_ATTR(.callback = note_end,
                                       .error_callback = note_failure,
                                       .callback_arg = out),
                           NULL));
    must(mp_pool_map_async(pool, end_as_told, bad, sizeof(int), NULL, 0, 3,
                           MP_MAP_ATTR(.callback = note_end,
                                       .error_callback = note_failure,
                                       .callback_arg = none),
                           &result));
    must(mp_result_wait(result, MP_FOREVER));
    while (mp_pool_callbacks(pool, MP_FOREVER) != 0)
        ;
    must(mp_pool_map_async(
        pool, square, NULL, 0, NULL, 0, 0,
        MP_MAP_ATTR(.callback = note_end, .callback_arg = out),
        NULL)); /* no items: ended at once */
    while (mp_pool_callbacks(pool, MP_FOREVER) != 0)
        ;
    ck_assert_int_eq(called_well, 3);
    ck_assert_int_eq(called_with, 3 * 81);
    ck_assert_int_eq(called_badly, 1);
    must(mp_result_free(result));
    wait_until(heap_use() <= before, 10);
    end_pool(pool);
    free(in);
}
END_TEST

/* ---- Order ---- */

struct roll {
    mp__a32 next;
    int order[100];
};

static int
sign_roll(const void *item, void *result, void *ctx)
{
    struct roll *roll = ctx;

    (void)result;
    roll->order[mp__add(&roll->next, 1)] = *(const int *)item;
    return 0;
}

static void
map_roll(mp_pool *pool, struct roll *roll, int base, int32_t priority,
         mp_result **result)
{
    int in[10];

    for (int i = 0; i < 10; i++)
        in[i] = base + i;
    must(mp_pool_map_async(
        pool, sign_roll, in, sizeof(int), NULL, 0, 10,
        MP_MAP_ATTR(.ctx = roll, .priority = priority, .chunk = 1), result));
}

START_TEST(maps_of_higher_priority_go_first)
{
    struct gate gate = gate_open();
    struct roll *roll = mp_new(struct roll);
    mp_pool *pool = pool_of(1);
    mp_result *task = submit_to_gate(pool, gate), *results[5];

    gate_await(gate);
    map_roll(pool, roll, 200, 0, &results[0]);
    map_roll(pool, roll, 400, -5, &results[1]);
    map_roll(pool, roll, 100, 1000, &results[2]);
    map_roll(pool, roll, 300, 0, &results[3]); /* same one: as they came */
    map_roll(pool, roll, 0, 1001, &results[4]);
    gate_let_go(gate);
    for (int i = 0; i < 5; i++) {
        must(mp_result_wait(results[i], MP_FOREVER));
        must(mp_result_free(results[i]));
    }
    for (int i = 0; i < 50; i++)
        ck_assert_int_eq(roll->order[i], i / 10 * 100 + i % 10);
    ck_assert_int_eq(end_of(task), 0);
    must(mp_result_free(task));
    end_pool(pool);
    must(mp_free(roll));
    gate_close(gate);
}
END_TEST

/* Item 3 waits at the gate. */
struct held_roll {
    struct roll roll;
    struct gate gate;
};

static int
sign_held_roll(const void *item, void *result, void *ctx)
{
    struct held_roll *held = ctx;
    pid_t pid = getpid();
    char c;

    if (*(const int *)item == 3) {
        mp_queue_put(held->gate.begun, &pid, sizeof(pid), MP_FOREVER);
        mp_queue_get(held->gate.pass, &c, 1, MP_FOREVER);
    }
    return sign_roll(item, result, &held->roll);
}

START_TEST(running_map_gives_way)
{
    struct held_roll *held = mp_new(struct held_roll);
    mp_pool *pool = pool_of(1);
    mp_result *low, *high;
    int in[10];

    held->gate = gate_open();
    for (int i = 0; i < 10; i++)
        in[i] = i;
    must(mp_pool_map_async(pool, sign_held_roll, in, sizeof(int), NULL, 0, 10,
                           MP_MAP_ATTR(.ctx = held, .chunk = 1), &low));
    gate_await(held->gate);
    map_roll(pool, &held->roll, 100, 1, &high);
    gate_let_go(held->gate);
    must(mp_result_wait(low, MP_FOREVER));
    must(mp_result_wait(high, MP_FOREVER));
    for (int i = 0; i < 20; i++)
        ck_assert_int_eq(held->roll.order[i], i < 4    ? i
                                              : i < 14 ? 100 + i - 4
                                                       : i - 10);
    must(mp_result_free(low));
    must(mp_result_free(high));
    end_pool(pool);
    gate_close(held->gate);
    must(mp_free(held));
}
END_TEST

/* ---- Workers that leave ---- */

START_TEST(items_count_for_tasks_per_worker)
{
    enum { ITEMS = 60, EACH = 7 };
    pid_t pids[ITEMS], waits[2];
    mp_pool *pool;

    must(mp_pool_create(&pool, 2, MP_POOL_ATTR(.tasks_per_worker = EACH)));
    for (int chunk = 0; chunk <= 30; chunk += 15) {
        must(mp_pool_map(pool, tell_pid, NULL, 0, pids, sizeof(pid_t), ITEMS,
                         MP_MAP_ATTR(.chunk = (uint64_t)chunk)));
        for (int i = 0; i < ITEMS; i++) {
            int same = 0;

            for (int k = 0; k < ITEMS; k++)
                same += pids[k] == pids[i];
            ck_assert_int_le(same, EACH);
        }
    }
    await_workers(pool, 2, waits);
    end_pool(pool);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("map-rules");
    TCase *tcase = pool_case(suite, "cancel", 60);

    tcase_add_test(tcase, cancel_kills_its_workers_alone);
    tcase_add_test(tcase, cancelled_before_it_began_runs_nothing);
    tcase_add_test(tcase, ended_map_ealready);
    tcase_add_test(tcase, cancel_races_with_the_end);

    tcase = pool_case(suite, "rules", 60);
    tcase_add_test(tcase, callbacks_are_called_once);
    tcase_add_test(tcase, maps_of_higher_priority_go_first);
    tcase_add_test(tcase, running_map_gives_way);
    tcase_add_test(tcase, items_count_for_tasks_per_worker);
    return pool_main(suite);
}
