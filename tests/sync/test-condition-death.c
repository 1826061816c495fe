/* SPDX-License-Identifier: MIT */
/* Condition: waiters, notifiers and owners are killed, and whoever waits gets
 * what is due.
 *
 * (Every single instruction is the kill sweep's business: tests/sweep.) */
#include "sync/condition-kit.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

/* ---- Waiters ---- */

START_TEST(G04_condition_waiter_killed_asleep)
{
    struct stage *stage = stage_with((enum lock_kind)(_i / 4));
    struct kin *kin = line_of(stage, PROCESSES, 4);

    kin_kill(kin, _i % 4);
    notify(stage, 2); /* the dead one does not count */
    await_back(stage, 2);
    await_line(stage, 1);
    ck_assert_uint_eq(mp__load(&stage->is_back[_i % 4 == 3 ? 2 : 3]), 0);
    notify(stage, 1);
    end_line(stage, kin);
    end_stage(stage);
}
END_TEST

START_TEST(G04_condition_all_waiters_killed_asleep)
{
    struct stage *stage = stage_with((enum lock_kind)_i);
    struct kin *kin = line_of(stage, PROCESSES, 5);

    for (int i = 0; i < 5; i++)
        kin_kill(kin, i);
    end_line(stage, kin);
    acquire(stage);
    must(mp_condition_notify_all(stage->condition));
    must(mp_condition_notify(stage->condition, 3));
    must(mp_condition_release(stage->condition));
    ck_assert(!mp__line_any(stage->condition)); /* nothing is left of them */
    ck_assert_uint_eq(granted(stage), 0);
    kin = line_of(stage, PROCESSES, 3);
    notify(stage, SIZE_MAX);
    end_line(stage, kin);
    end_stage(stage);
}
END_TEST

/* It cannot go on, since the lock is held, and then it is dead: another gets
 * its notification, one for one. */
START_TEST(G04_condition_notified_waiter_killed_before_it_is_back)
{
    int n = _i / 2 % 2 ? CROWD : 6, killed = _i / 4 ? 2 : 1;
    struct stage *stage = stage_with((enum lock_kind)(_i % 2));
    struct kin *kin = line_of(stage, PROCESSES, n);

    acquire(stage);
    must(mp_condition_notify(stage->condition, (size_t)killed));
    await_at_the_lock(stage, killed);
    for (int i = 0; i < killed; i++)
        kin_kill(kin, i);
    wait_until(granted(stage) == 2u * (size_t)killed, 20);
    await_at_the_lock(stage, killed);
    must(mp_condition_release(stage->condition));
    await_back(stage, (size_t)killed);
    for (int i = killed; i < 2 * killed; i++)
        ck_assert_uint_eq(mp__load(&stage->is_back[i]), 1);
    await_line(stage, (size_t)(n - 2 * killed));
    notify(stage, SIZE_MAX);
    end_line(stage, kin);
    end_stage(stage);
}
END_TEST

/* One after the other, as far as there is one. */
START_TEST(G04_condition_notification_passed_on_again_and_again)
{
    struct stage *stage = stage_with((enum lock_kind)_i);
    struct kin *kin = line_of(stage, PROCESSES, 4);

    acquire(stage);
    must(mp_condition_notify(stage->condition, 1));
    for (int i = 0; i < 4; i++) {
        wait_until(granted(stage) == (unsigned)i + 1, 20);
        await_at_the_lock(stage, 1);
        kin_kill(kin, i);
    }
    must(mp_condition_release(stage->condition));
    end_line(stage, kin);
    notify(stage, 1);
    ck_assert_uint_eq(granted(stage), 4);
    end_stage(stage);
}
END_TEST

START_TEST(G04_condition_slots_of_the_dead_are_clean)
{
    struct stage *stage = stage_with((enum lock_kind)_i);
    struct kin *kin = line_of(stage, PROCESSES, 3);
    mp_condition *gone = stage->condition;

    for (int i = 0; i < 3; i++)
        kin_kill(kin, i);
    end_line(stage, kin);
    /* The condition goes, and another comes in its place, before anybody
     * buries them. */
    must(mp__object_retire(gone, MP__SLAB_CONDITION));
    mp__object_free(gone, MP__SLAB_CONDITION);
    if (_i)
        must(mp_condition_create(&stage->condition,
                                 MP_CONDITION_ATTR(.lock = stage->lock)));
    mp__reap();
    for (uint32_t i = 0; i < mp__participants_high(); i++)
        ck_assert_uint_eq(mp__load(&mp__participant_at(i)->condition), 0);
    if (!_i)
        must(mp_condition_create(&stage->condition,
                                 MP_CONDITION_ATTR(.lock = stage->lock)));
    ck_assert_uint_eq(granted(stage), 0);
    kin = line_of(stage, PROCESSES, 3); /* in the same slots */
    notify(stage, 3);
    end_line(stage, kin);
    end_stage(stage);
}
END_TEST

/* ---- Notifiers ---- */

/* For the child. */
static size_t how_many;
static uint64_t target, woken;

/* What mp_condition_notify() does up to its commit, or to its first wake-up
 * behind that. */
static int
commit_and_die(void *arg)
{
    struct stage *stage = arg;
    mp_condition *c = stage->condition;
    uint64_t none = 0;

    must(mp_condition_acquire(c, MP_FOREVER));
    mp__bell_arm(&c->bell);
    mp__store(&c->ringer, mp__me.id);
    ck_assert(mp__cas(&c->granted, &none, target));
    for (uint32_t i = 0; woken && i < mp__participants_high(); i++) {
        struct mp__participant *part = mp__participant_at(i);

        if (mp__load(&part->condition) == (uintptr_t)c &&
            mp__load(&part->ticket) == woken)
            mp__futex_wake(&part->doorbell.word, 1);
    }
    return raise(SIGKILL);
}

/* Of `n` who wait all up to a ticket are notified by one who dies with it, and
 * with the lock; it may have woken one of them. */
static struct kin *
line_after_death(struct stage *stage, int n, uint64_t up_to, uint64_t ticket)
{
    struct kin *kin = line_of(stage, PROCESSES, n);

    target = up_to;
    woken = ticket;
    expect_killed(child(commit_and_die, stage), SIGKILL);
    return kin;
}

START_TEST(G04_condition_notifier_killed_after_its_commit)
{
    static const uint64_t tickets[] = {1, 5, 10, 33, CROWD};
    uint64_t n = tickets[_i / 2];
    struct stage *stage = stage_with((enum lock_kind)(_i % 2));
    struct kin *kin = line_after_death(stage, CROWD, n, 0);

    await_back(stage, n);
    ck_assert_uint_eq(mp__load(&stage->warned), 1);
    ck_assert_uint_eq(mp__line_length(stage->condition), CROWD - n);
    notify(stage, SIZE_MAX);
    end_line(stage, kin);
    end_stage(stage);
}
END_TEST

START_TEST(G04_condition_notifier_killed_after_its_first_wake_up)
{
    struct stage *stage = stage_with((enum lock_kind)(_i % 2));
    struct kin *kin =
        line_after_death(stage, CROWD, CROWD, (uint64_t)_i / 2 + 1);

    end_line(stage, kin);
    ck_assert_uint_eq(mp__load(&stage->warned), 1);
    end_stage(stage);
}
END_TEST

/* And so is one of those whom the kernel may have woken in its stead. */
START_TEST(G04_condition_notifier_and_waiter_killed)
{
    int rounds = mp_test_scale() > 1 ? 3 : 20;

    for (int round = 0; round < rounds; round++) {
        struct stage *stage = stage_with((enum lock_kind)(round % 2));
        struct kin *kin = line_after_death(stage, 6, 3, 0);

        if (kill(kin->pids[_i], SIGKILL) == 0) {
            reap(kin->pids[_i]);
            kin->pids[_i] = 0;
        }
        for (int i = 0; i < 3; i++)
            wait_until(i == _i || mp__load(&stage->is_back[i]), 20);
        notify(stage, SIZE_MAX);
        end_line(stage, kin);
        end_stage(stage);
    }
}
END_TEST

static int
notify_and_die(void *arg)
{
    struct stage *stage = arg;

    must(mp_condition_acquire(stage->condition, MP_FOREVER));
    must(mp_condition_notify(stage->condition, how_many));
    return raise(SIGKILL);
}

/* All are told that they are notified, one that the lock's owner died. */
START_TEST(G02_condition_owner_killed)
{
    struct stage *stage = stage_with((enum lock_kind)_i);
    struct kin *kin = line_of(stage, PROCESSES, 4);

    how_many = 1;
    expect_killed(child(notify_and_die, stage), SIGKILL);
    await_back(stage, 1);
    ck_assert_uint_eq(mp__load(&stage->warned), 1);
    how_many = 3;
    expect_killed(child(notify_and_die, stage), SIGKILL);
    end_line(stage, kin);
    ck_assert_uint_eq(mp__load(&stage->warned), 2);
    end_stage(stage);
}
END_TEST

/* ---- At any moment ---- */

static void
nap(long ns)
{
    struct timespec time = {.tv_nsec = ns};

    nanosleep(&time, NULL);
}

static int
notify_for_ever(void *arg, int i)
{
    struct stage *stage = arg;
    unsigned seed = (unsigned)i;

    for (;;) {
        acquire(stage);
        if (rand_r(&seed) % 2)
            mp_condition_notify_all(stage->condition);
        else
            mp_condition_notify(stage->condition, 1 + rand_r(&seed) % 3);
        mp_condition_release(stage->condition);
    }
    return 0;
}

static int
wait_again_and_again(void *arg, int i)
{
    struct stage *stage = arg;

    acquire(stage);
    while (!mp__load(&stage->stop)) {
        mp_condition_wait(stage->condition, MP_FOREVER);
        mp__add(&stage->is_back[i], 1);
    }
    mp_condition_release(stage->condition);
    return 0;
}

/* Killed wherever it happens to be; everybody else still gets around. */
START_TEST(G04_condition_notifiers_killed_at_any_moment)
{
    int rounds = mp_test_scale() > 1 ? 10 : 200;
    struct stage *stage = stage_with((enum lock_kind)_i);
    struct kin *kin = kin_start(PROCESSES, 4, wait_again_and_again, stage);

    for (int round = 0; round < rounds; round++) {
        struct kin *killed = kin_start(PROCESSES, 1, notify_for_ever, stage);
        uint32_t seen[4];

        wait_until(mp__load(&killed->begun[0]) != 0, 20);
        nap(round * 7919 % 1000000);
        kin_kill(killed, 0);
        kin_end(killed);
        for (int i = 0; i < 4; i++)
            seen[i] = mp__load(&stage->is_back[i]);
        await_line(stage, 4); /* none is under way */
        notify(stage, SIZE_MAX);
        for (int i = 0; i < 4; i++)
            wait_until(mp__load(&stage->is_back[i]) != seen[i], 20);
    }
    mp__store(&stage->stop, 1);
    notify(stage, SIZE_MAX);
    kin_end(kin);
    end_stage(stage);
}
END_TEST

/* Whoever hears that an owner died does not know what that one still meant to
 * do. */
static void
heed(struct stage *stage, int r)
{
    if (r == -EOWNERDEAD)
        must(mp_condition_notify_all(stage->condition));
}

static int
take_items(void *arg, int unused)
{
    struct stage *stage = arg;

    (void)unused;
    heed(stage, mp_condition_acquire(stage->condition, MP_FOREVER));
    while (!mp__load(&stage->stop)) {
        if (mp__load(&stage->items) == 0) {
            heed(stage, mp_condition_wait(stage->condition, MP_FOREVER));
            continue;
        }
        mp__sub(&stage->items, 1);
        must(mp_condition_release(stage->condition));
        heed(stage, mp_condition_acquire(stage->condition, MP_FOREVER));
    }
    must(mp_condition_release(stage->condition));
    return 0;
}

static void
put_items(struct stage *stage, unsigned n)
{
    heed(stage, mp_condition_acquire(stage->condition, MP_FOREVER));
    mp__add(&stage->items, n);
    must(mp_condition_notify(stage->condition, n));
    must(mp_condition_release(stage->condition));
}

/* All items have been taken. Who died holding the lock may have been woken for
 * one: that is told to whoever acquires next. */
static int
all_taken(struct stage *stage)
{
    int r = mp_condition_acquire(stage->condition, MP_FOREVER);
    uint64_t items = mp__load(&stage->items);

    heed(stage, r);
    must(mp_condition_release(stage->condition));
    return items == 0;
}

/* No item is left while a taker sleeps, whichever takers are killed. */
START_TEST(G04_condition_takers_killed_at_any_moment)
{
    int rounds = mp_test_scale() > 1 ? 20 : 400;
    struct stage *stage = stage_with((enum lock_kind)_i);
    struct kin *kin[6];
    unsigned seed = 1;

    for (size_t i = 0; i < LENGTH(kin); i++)
        kin[i] = kin_start(PROCESSES, 1, take_items, stage);
    for (int round = 0; round < rounds; round++) {
        int victim = rand_r(&seed) % (int)LENGTH(kin);

        put_items(stage, 1 + rand_r(&seed) % 3);
        nap(rand_r(&seed) % 200000);
        kin_kill(kin[victim], 0);
        kin_end(kin[victim]);
        kin[victim] = kin_start(PROCESSES, 1, take_items, stage);
        wait_until(all_taken(stage), 20);
    }
    acquire(stage);
    mp__store(&stage->stop, 1);
    must(mp_condition_notify_all(stage->condition));
    must(mp_condition_release(stage->condition));
    for (size_t i = 0; i < LENGTH(kin); i++)
        kin_end(kin[i]);
    end_stage(stage);
}
END_TEST

static void
add_tests(Suite *suite, const char *name, void (*believe)(void))
{
    TCase *tcase = mp_test_case(suite, name, 60);

    tcase_add_checked_fixture(tcase, believe, NULL);
    tcase_add_loop_test(tcase, G04_condition_waiter_killed_asleep, 0, 8);
    tcase_add_loop_test(tcase, G04_condition_all_waiters_killed_asleep, 0, 2);
    tcase_add_loop_test(
        tcase, G04_condition_notified_waiter_killed_before_it_is_back, 0, 8);
    tcase_add_loop_test(
        tcase, G04_condition_notification_passed_on_again_and_again, 0, 2);
    tcase_add_loop_test(tcase, G04_condition_slots_of_the_dead_are_clean, 0,
                        2);
    tcase_add_loop_test(tcase, G04_condition_notifier_killed_after_its_commit,
                        0, 10);
    tcase_add_loop_test(
        tcase, G04_condition_notifier_killed_after_its_first_wake_up, 0, 6);
    tcase_add_loop_test(tcase, G04_condition_notifier_and_waiter_killed, 0, 3);
    tcase_add_loop_test(tcase, G02_condition_owner_killed, 0, 2);
    tcase_add_loop_test(tcase, G04_condition_notifiers_killed_at_any_moment, 0,
                        2);
    tcase_add_loop_test(tcase, G04_condition_takers_killed_at_any_moment, 0,
                        2);
}

int
main(void)
{
    Suite *suite = suite_create("condition-death");

    add_tests(suite, "full", NULL);
    add_tests(suite, "sliced", believe_in_sliced);
    add_tests(suite, "no-waitv", believe_in_no_waitv);
    return mp_test_main(suite);
}
