/* SPDX-License-Identifier: MIT */
/* Values and arrays between processes of each start method, and threads; and
 * when these are killed. */
#include "sync/crew.h"

#include <errno.h>
#include <string.h>

#define PARTIES 4
#define STEPS   200000

struct stage {
    mp_value *count, *sum, *turn;
    mp_array *array;
    mp__a64 done[KIN_MOST]; /* steps that have returned, of each */
    mp_rlock *locks[PARTIES];
};

static struct stage *
stage_new(void)
{
    struct stage *stage = mp_new(struct stage);

    ck_assert_ptr_nonnull(stage);
    must(mp_value_create(&stage->count, 'I', 0));
    must(mp_value_create(&stage->sum, 'd', 0.0));
    must(mp_value_create(&stage->turn, 'i', 0));
    must(mp_array_create(&stage->array, 'b', PARTIES, NULL));
    return stage;
}

static void
end_stage(struct stage *stage)
{
    must(mp_value_destroy(stage->count));
    must(mp_value_destroy(stage->sum));
    must(mp_value_destroy(stage->turn));
    must(mp_array_destroy(stage->array));
    must(mp_free(stage));
}

#define expect_value(value, expected)      \
    do {                                   \
        double now;                        \
        must(mp_value_get((value), &now)); \
        ck_assert(now == (expected));      \
    } while (0)

/* ---- Each start method ---- */

/* Waits until all have come: else they might do their part one by one. */
static int
meet(struct party *me)
{
    struct stage *stage = me->arg;

    expect(mp_value_add(stage->turn, 1), 0);
    party_await(mp_value_compare_exchange(stage->turn, PARTIES, PARTIES) == 1);
    return 0;
}

static int
add_up(struct party *me)
{
    struct stage *stage = me->arg;
    unsigned mine, last = 0;

    expect(meet(me), 0);
    for (int i = 0; i < STEPS; i++) {
        expect(mp_value_add_get(stage->count, 1, &mine), 0);
        expect(mine > last, 1);
        last = mine;
        expect(mp_value_add(stage->sum, 0.25), 0);
        expect(mp_array_add(stage->array, i % PARTIES, i & 4 ? 1 : -1), 0);
    }
    return 0;
}

START_TEST(G24_value_add_is_atomic)
{
    struct stage *stage = stage_new();
    signed char *items = mp_array_data(stage->array);

    crew_warm_up((enum way)_i);
    crew_run((enum way)_i, PARTIES, add_up, stage);
    expect_value(stage->count, PARTIES * STEPS);
    expect_value(stage->sum, PARTIES * STEPS * 0.25);
    for (int i = 0; i < PARTIES; i++)
        ck_assert_int_eq(items[i], 0);
    end_stage(stage);
}
END_TEST

/* Each in its turn changes all that it finds, by whichever function. */
static int
take_turn(struct party *me)
{
    struct stage *stage = me->arg;
    int x;

    party_await(mp_value_compare_exchange(stage->turn, me->i, -1) == 1);
    expect(mp_value_get(stage->count, &x), 0);
    expect(mp_value_set(stage->count, x * 2 + 1), 0);
    expect(mp_array_get(stage->array, me->i - PARTIES, &x), 0);
    expect(x, 0);
    expect(mp_array_set(stage->array, me->i, me->i * 10), 0);
    stage->locks[me->i] = mp_value_lock(stage->sum);
    expect(mp_rlock_acquire(stage->locks[me->i], MP_FOREVER), 0);
    expect(mp_value_add(stage->sum, 1), 0);
    expect(mp_rlock_release(stage->locks[me->i]), 0);
    expect(mp_value_set(stage->turn, me->i + 1), 0);
    return 0;
}

START_TEST(value_changed_is_seen_by_the_next)
{
    struct stage *stage = stage_new();
    signed char *items = mp_array_data(stage->array);

    crew_warm_up((enum way)_i);
    crew_run((enum way)_i, PARTIES, take_turn, stage);
    expect_value(stage->count, (1 << PARTIES) - 1);
    expect_value(stage->sum, PARTIES);
    for (int i = 0; i < PARTIES; i++) {
        ck_assert_int_eq(items[i], i * 10);
        ck_assert_ptr_eq(stage->locks[i], mp_value_lock(stage->sum));
    }
    end_stage(stage);
}
END_TEST

/* All at once ask for the lock: there is but one. */
static int
ask_for_lock(struct party *me)
{
    struct stage *stage = me->arg;

    expect(meet(me), 0);
    stage->locks[me->i] = mp_array_lock(stage->array);
    for (int i = 0; i < 500; i++) {
        int x;

        expect(mp_rlock_acquire(stage->locks[me->i], MP_FOREVER), 0);
        expect(mp_value_get(stage->count, &x), 0);
        expect(mp_value_set(stage->count, x + 1), 0);
        expect(mp_rlock_release(stage->locks[me->i]), 0);
    }
    return 0;
}

START_TEST(value_lock_is_one_for_all)
{
    struct stage *stage = stage_new();

    crew_warm_up((enum way)_i);
    crew_run((enum way)_i, PARTIES, ask_for_lock, stage);
    expect_value(stage->count, PARTIES * 500);
    for (int i = 0; i < PARTIES; i++)
        ck_assert_ptr_eq(stage->locks[i], mp_array_lock(stage->array));
    end_stage(stage);
}
END_TEST

/* ---- Killed ---- */

static int
add_for_ever(void *arg, int i)
{
    struct stage *stage = arg;

    for (;;) {
        must(mp_value_add(stage->sum, 0.5));
        mp__add(&stage->done[i], 1);
    }
    return 0;
}

/* What a process has added that was killed is what it knew of, and at the most
 * the one step that it was at. */
START_TEST(G24_value_add_of_the_killed_is_whole)
{
    struct stage *stage = stage_new();
    double sum, done = 0;

    for (int round = 0; round < 40; round++) {
        struct kin *kin = kin_start(PROCESSES, 2, add_for_ever, stage);
        uint64_t from[2] = {mp__load(&stage->done[0]),
                            mp__load(&stage->done[1])};

        for (int i = 0; i < 2; i++)
            wait_until(mp__load(&stage->done[i]) >
                           from[i] + (unsigned)round * 17,
                       20);
        kin_kill(kin, 0);
        kin_kill(kin, 1);
        kin_end(kin);
    }
    done = (double)(mp__load(&stage->done[0]) + mp__load(&stage->done[1]));
    must(mp_value_get(stage->sum, &sum));
    ck_assert_msg(sum >= done / 2 && sum <= done / 2 + 40,
                  "%.1f after %.0f steps", sum, done);
    end_stage(stage);
}
END_TEST

static int
die_holding(void *arg, int unused)
{
    struct stage *stage = arg;

    (void)unused;
    must(mp_rlock_acquire(mp_array_lock(stage->array), MP_FOREVER));
    mp__add(&stage->done[0], 1);
    for (;;)
        must(mp_array_set(stage->array, 0, 1));
    return 0;
}

START_TEST(value_lock_of_the_killed_is_told)
{
    struct stage *stage = stage_new();
    struct kin *kin = kin_start(PROCESSES, 1, die_holding, stage);
    mp_rlock *lock;

    wait_until(mp__load(&stage->done[0]) == 1, 20);
    lock = mp_array_lock(stage->array);
    ck_assert_int_eq(mp_rlock_acquire(lock, MP_NOW), -EAGAIN);
    must_fail(mp_array_destroy(stage->array), -EBUSY, "held");
    kin_kill(kin, 0);
    kin_end(kin);
    ck_assert_int_eq(mp_rlock_acquire(lock, MP_FOREVER), -EOWNERDEAD);
    must(mp_rlock_release(lock));
    end_stage(stage);
}
END_TEST

static int
make_for_ever(void *arg, int i)
{
    struct stage *stage = arg;

    for (;;) {
        mp_value *value;
        mp_array *array;

        must(mp_value_create(&value, 'i', i));
        must(mp_array_create(&array, 'i', 100, NULL));
        if (mp_value_lock(value) == NULL)
            return 1;
        must(mp_value_destroy(value));
        must(mp_array_destroy(array));
        mp__add(&stage->done[i], 1);
    }
    return 0;
}

/* Of each that is killed there may be left an object, its lock and its
 * items. */
START_TEST(value_maker_killed_leaves_the_heap_whole)
{
    struct stage *stage = stage_new();
    uint64_t use;

    for (int round = 0; round < 41; round++) {
        struct kin *kin = kin_start(PROCESSES, 2, make_for_ever, stage);
        uint64_t from = mp__load(&stage->done[0]);

        wait_until(mp__load(&stage->done[0]) > from + (unsigned)round * 3, 20);
        kin_kill(kin, 0);
        kin_kill(kin, 1);
        kin_end(kin);
        mp__reap();
        if (round == 0)
            use = heap_use();
    }
    ck_assert_uint_le(heap_use(), use + 40 * 2 * 3);
    end_stage(stage);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("shared");
    TCase *tcase = mp_test_case(suite, "shared", 60);

    tcase_add_loop_test(tcase, G24_value_add_is_atomic, 0, WAYS);
    tcase_add_loop_test(tcase, value_changed_is_seen_by_the_next, 0, WAYS);
    tcase_add_loop_test(tcase, value_lock_is_one_for_all, 0, WAYS);
    tcase_add_test(tcase, G24_value_add_of_the_killed_is_whole);
    tcase_add_test(tcase, value_lock_of_the_killed_is_told);
    tcase_add_test(tcase, value_maker_killed_leaves_the_heap_whole);
    return mp_test_main(suite);
}
