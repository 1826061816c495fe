/* SPDX-License-Identifier: MIT */
/* Condition: who is notified and in which order, and how a wait ends. */
#include "os/clock.h"
#include "sync/condition-kit.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

/* The first `n` have been notified, and nobody else. */
static void
first_are_back(struct stage *stage, uint32_t n, uint32_t all)
{
    await_back(stage, n);
    for (uint32_t i = 0; i < all; i++)
        ck_assert_int_eq(mp__load(&stage->is_back[i]) != 0, i < n);
    ck_assert_uint_eq(granted(stage), n);
    await_line(stage, all - n);
}

START_TEST(condition_in_use_is_not_destroyed)
{
    struct stage *stage = stage_with((enum lock_kind)(_i / 2));
    struct kin *kin = line_of(stage, (enum kin_how)(_i % 2), 2);

    must_fail(mp_condition_destroy(stage->condition), -EBUSY, "2 threads");
    acquire(stage);
    if (_i / 2 == OWN)
        must_fail(mp_condition_destroy(stage->condition), -EBUSY, "held");
    must(mp_condition_notify_all(stage->condition));
    must(mp_condition_destroy(stage->other));
    stage->other = NULL;
    /* Until they have the lock back. */
    ck_assert_int_eq(mp_condition_destroy(stage->condition), -EBUSY);
    release(stage);
    end_line(stage, kin);
    end_stage(stage);
}
END_TEST

/* ---- Notifying ---- */

START_TEST(condition_notifies_the_first_in_line)
{
    struct stage *stage = stage_with((enum lock_kind)(_i / 2));
    struct kin *kin = line_of(stage, (enum kin_how)(_i % 2), 6);

    notify(stage, 1);
    first_are_back(stage, 1, 6);
    notify(stage, 3);
    first_are_back(stage, 4, 6);
    notify(stage, 1);
    first_are_back(stage, 5, 6);
    notify(stage, 10);
    first_are_back(stage, 6, 6);
    end_line(stage, kin);
    notify(stage, 1); /* is not kept for those to come */
    ck_assert_uint_eq(granted(stage), 6);
    end_stage(stage);
}
END_TEST

/* Twice for the same: the second goes to others. */
START_TEST(condition_notifies_each_once)
{
    struct stage *stage = stage_with((enum lock_kind)(_i / 2));
    struct kin *kin = line_of(stage, (enum kin_how)(_i % 2), 4);

    acquire(stage);
    for (int i = 0; i < 3; i++)
        must(mp_condition_notify(stage->condition, 1));
    ck_assert_uint_eq(mp__load(&stage->back), 0);
    release(stage);
    first_are_back(stage, 3, 4);
    notify(stage, 1);
    end_line(stage, kin);
    end_stage(stage);
}
END_TEST

START_TEST(condition_notifies_a_crowd)
{
    struct stage *stage = stage_with((enum lock_kind)(_i / 2));
    struct kin *kin = line_of(stage, (enum kin_how)(_i % 2), CROWD);

    notify(stage, CROWD - 4);
    first_are_back(stage, CROWD - 4, CROWD);
    notify(stage, 1);
    first_are_back(stage, CROWD - 3, CROWD);
    notify(stage, SIZE_MAX);
    end_line(stage, kin);
    end_stage(stage);
}
END_TEST

static int
wait_for_each_turn(void *arg, int unused)
{
    struct stage *stage = arg;

    (void)unused;
    acquire(stage);
    for (int round = 1; round <= stage->rounds; round++) {
        if (mp__add(&stage->back, 1) + 1 == CROWD)
            must(mp_condition_notify_all(stage->other));
        while (mp__load(&stage->turn) < (uint32_t)round)
            must(mp_condition_wait(stage->condition, MP_FOREVER));
    }
    release(stage);
    return 0;
}

/* All at once, again and again; who is back first waits again at once. */
START_TEST(condition_notifies_all)
{
    struct stage *stage = stage_with(_i / 2 ? LOCK : RLOCK);
    struct kin *kin;

    stage->rounds = mp_test_scale() > 1 ? 10 : 100;
    kin = kin_start((enum kin_how)(_i % 2), CROWD, wait_for_each_turn, stage);
    acquire(stage);
    for (int round = 1; round <= stage->rounds; round++) {
        while (mp__load(&stage->back) < CROWD)
            must(mp_condition_wait(stage->other, MP_FOREVER));
        mp__store(&stage->back, 0);
        mp__store(&stage->turn, (uint32_t)round);
        must(mp_condition_notify_all(stage->condition));
    }
    release(stage);
    kin_end(kin);
    end_stage(stage);
}
END_TEST

static int
take_turns(void *arg, int i)
{
    struct stage *stage = arg;
    mp_condition *mine = i ? stage->other : stage->condition;
    mp_condition *theirs = i ? stage->condition : stage->other;

    acquire(stage);
    for (int round = 0; round < stage->rounds; round++) {
        while (mp__load(&stage->turn) % 2 != (uint32_t)i)
            ck_assert_int_eq(mp_condition_wait(mine, MP_FOREVER), 0);
        mp__add(&stage->turn, 1);
        must(mp_condition_notify(theirs, 1));
    }
    release(stage);
    return 0;
}

START_TEST(condition_rally_loses_no_notification)
{
    struct stage *stage = stage_with(_i / 2 ? LOCK : RLOCK);

    stage->rounds =
        mp__view.tier != MP__TIER_FULL || mp_test_scale() > 1 ? 300 : 10000;
    kin_run((enum kin_how)(_i % 2), 2, take_turns, stage);
    ck_assert_uint_eq(mp__load(&stage->turn), 2u * (unsigned)stage->rounds);
    end_stage(stage);
}
END_TEST

#define MAKERS 2
#define TAKERS 5

static void
make_items(struct stage *stage, int i)
{
    unsigned seed = (unsigned)i;

    for (int left = stage->rounds; left > 0;) {
        int n = 1 + rand_r(&seed) % 3;

        if (n > left)
            n = left;
        left -= n;
        acquire(stage);
        stage->items += (uint64_t)n;
        if (rand_r(&seed) % 8 == 0)
            must(mp_condition_notify_all(stage->condition));
        else
            must(mp_condition_notify(stage->condition, (size_t)n));
        release(stage);
    }
}

/* As many as there are in all; some give up in between. */
static void
take_items(struct stage *stage, int i)
{
    unsigned seed = (unsigned)i;

    acquire(stage);
    while (stage->taken < (uint64_t)(MAKERS * stage->rounds)) {
        mp_time deadline = rand_r(&seed) % 4
                               ? MP_FOREVER
                               : mp_timeout((rand_r(&seed) % 200) * 1e-6);

        if (stage->items == 0) {
            mp_condition_wait(stage->condition, deadline);
            continue;
        }
        stage->items--;
        stage->taken++;
        release(stage);
        acquire(stage);
    }
    must(mp_condition_notify_all(stage->condition));
    release(stage);
}

static int
make_or_take(void *arg, int i)
{
    if (i < MAKERS)
        make_items(arg, i);
    else
        take_items(arg, i);
    return 0;
}

/* A notification is never lost to one who gives up. */
START_TEST(condition_leaves_no_item_and_no_taker)
{
    struct stage *stage = stage_with((enum lock_kind)(_i / 2));

    stage->rounds =
        mp__view.tier != MP__TIER_FULL || mp_test_scale() > 1 ? 500 : 5000;
    kin_run((enum kin_how)(_i % 2), MAKERS + TAKERS, make_or_take, stage);
    ck_assert_uint_eq(stage->items, 0);
    ck_assert_uint_eq(mp__line_length(stage->condition), 0);
    end_stage(stage);
}
END_TEST

/* ---- wait_for ---- */

static int
third_look(void *arg)
{
    struct stage *stage = arg;

    return mp__add(&stage->turn, 1) < 3 ? 0 : 9;
}

static int
wait_for_item(void *arg, int unused)
{
    struct stage *stage = arg;

    (void)unused;
    acquire(stage);
    ck_assert_int_eq(
        mp_condition_wait_for(stage->condition, third_look, stage, MP_FOREVER),
        9);
    release(stage);
    return 0;
}

START_TEST(condition_wait_for_looks_at_each_notification)
{
    struct stage *stage = stage_with((enum lock_kind)(_i / 2));
    struct kin *kin =
        kin_start((enum kin_how)(_i % 2), 1, wait_for_item, stage);

    for (int i = 0; i < 3; i++) {
        await_line(stage, 1);
        acquire(stage);
        ck_assert_uint_eq(mp__load(&stage->turn), 1 + (uint32_t)i);
        must(mp_condition_notify(stage->condition, 1));
        release(stage);
        wait_until(mp__load(&stage->turn) == 2 + (uint32_t)i, 20);
    }
    kin_end(kin);
    end_stage(stage);
}
END_TEST

/* ---- Two conditions, one lock ---- */

static int
wait_in_the_other(void *arg, int unused)
{
    struct stage *stage = arg;

    (void)unused;
    acquire(stage);
    ck_assert_int_eq(mp_condition_wait(stage->other, MP_FOREVER), 0);
    release(stage);
    return 0;
}

START_TEST(condition_of_two_with_one_lock)
{
    struct stage *stage = stage_with(_i / 2 ? LOCK : RLOCK);
    struct kin *others =
        kin_start((enum kin_how)(_i % 2), 2, wait_in_the_other, stage);
    struct kin *kin = line_of(stage, (enum kin_how)(_i % 2), 2);

    wait_until(mp__line_length(stage->other) == 2, 20);
    notify(stage, SIZE_MAX);
    end_line(stage, kin);
    ck_assert_uint_eq(mp__line_length(stage->other), 2);
    ck_assert_uint_eq(mp__load(&stage->other->granted), 0);
    acquire(stage);
    must(mp_condition_notify_all(stage->other));
    release(stage);
    kin_end(others);
    end_stage(stage);
}
END_TEST

/* ---- Deadlines and signals ---- */

/* It has given up, but has not got the lock yet: so it is first in line. */
START_TEST(condition_notified_after_the_deadline)
{
    struct stage *stage = stage_with((enum lock_kind)(_i / 2));
    struct kin *kin;

    stage->deadline = mp_timeout(0.2);
    kin = kin_start((enum kin_how)(_i % 2), 1, wait_in_line, stage);
    await_line(stage, 1);
    acquire(stage);
    await_at_the_lock(stage, 1);
    must(mp_condition_notify(stage->condition, 1));
    release(stage);
    end_line(stage, kin);
    end_stage(stage);
}
END_TEST

START_TEST(condition_wait_times_out_among_others)
{
    struct stage *stage = stage_with((enum lock_kind)(_i / 2));
    struct kin *kin = line_of(stage, (enum kin_how)(_i % 2), 2);

    acquire(stage);
    ck_assert_int_eq(mp_condition_wait(stage->condition, mp_timeout(0.05)),
                     -ETIMEDOUT);
    ck_assert_uint_eq(mp__line_length(stage->condition), 2);
    must(mp_condition_notify(stage->condition, 2));
    release(stage);
    end_line(stage, kin);
    end_stage(stage);
}
END_TEST

START_TEST(condition_wait_is_interrupted)
{
    struct stage *stage = stage_with((enum lock_kind)(_i / 2));
    struct kin *kin;

    catch_signals();
    stage->expected = -EINTR;
    kin = line_of(stage, (enum kin_how)(_i % 2), 1);
    mp__store(&stage->over, 1);
    kin_interrupt(kin, 0, SIGUSR1);
    end_line(stage, kin);
    end_stage(stage);
}
END_TEST

/* Once it is notified, no signal keeps it from the lock. */
START_TEST(condition_wait_for_the_lock_is_not_interrupted)
{
    struct stage *stage = stage_with((enum lock_kind)(_i / 2));
    struct kin *kin;

    catch_signals();
    kin = line_of(stage, (enum kin_how)(_i % 2), 1);
    acquire(stage);
    must(mp_condition_notify(stage->condition, 1));
    for (int i = 0; i < 20; i++) {
        await_at_the_lock(stage, 1);
        kin_signal(kin, 0, SIGUSR1);
    }
    release(stage);
    end_line(stage, kin);
    end_stage(stage);
}
END_TEST

/* Many slices, and never a return for nothing. */
START_TEST(condition_wait_outlasts_slices)
{
    struct stage *stage = stage_with((enum lock_kind)(_i / 2));
    struct kin *kin;
    mp_time until;

    mp__view.slice = 1000000;
    kin = line_of(stage, (enum kin_how)(_i % 2), 3);
    until = mp__now() + 100 * mp__view.slice;
    wait_until(mp__now() > until, 20);
    ck_assert_uint_eq(mp__line_length(stage->condition), 3);
    ck_assert_uint_eq(mp__load(&stage->back), 0);
    notify(stage, 1);
    first_are_back(stage, 1, 3);
    notify(stage, 2);
    end_line(stage, kin);
    end_stage(stage);
}
END_TEST

/* Each for processes and for threads, and for each kind of lock. */
static void
add_waiting(Suite *suite, const char *name, void (*believe)(void))
{
    TCase *tcase = mp_test_case(suite, name, 60);
    int n = 2 * LOCK_KINDS;

    tcase_add_checked_fixture(tcase, believe, NULL);
    tcase_add_loop_test(tcase, condition_in_use_is_not_destroyed, 0, n);
    tcase_add_loop_test(tcase, condition_wait_for_looks_at_each_notification,
                        0, n);
    tcase_add_loop_test(tcase, condition_notifies_the_first_in_line, 0, n);
    tcase_add_loop_test(tcase, condition_notifies_each_once, 0, n);
    tcase_add_loop_test(tcase, condition_notifies_a_crowd, 0, n);
    tcase_add_loop_test(tcase, condition_notifies_all, 0, 4);
    tcase_add_loop_test(tcase, condition_rally_loses_no_notification, 0, 4);
    tcase_add_loop_test(tcase, condition_leaves_no_item_and_no_taker, 0, n);
    tcase_add_loop_test(tcase, condition_of_two_with_one_lock, 0, 4);
    tcase_add_loop_test(tcase, condition_notified_after_the_deadline, 0, n);
    tcase_add_loop_test(tcase, condition_wait_times_out_among_others, 0, n);
    tcase_add_loop_test(tcase, condition_wait_is_interrupted, 0, n);
    tcase_add_loop_test(tcase, condition_wait_for_the_lock_is_not_interrupted,
                        0, n);
    tcase_add_loop_test(tcase, condition_wait_outlasts_slices, 0, n);
}

int
main(void)
{
    Suite *suite = suite_create("condition-wait");

    add_waiting(suite, "full", NULL);
    add_waiting(suite, "sliced", believe_in_sliced);
    add_waiting(suite, "no-waitv", believe_in_no_waitv);
    return mp_test_main(suite);
}
