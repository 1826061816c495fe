/* SPDX-License-Identifier: MIT */
/* The bell: nobody is left asleep, whoever dies when. */
#include "bell/bell.h"
#include "os/clock.h"
#include "region/kin.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

struct stage {
    struct mp__bell bell, back_bell;
    mp__a32 data, back;
    uint32_t rounds;
    mp_time deadline;
    mp__a64 watched; /* a participant's id */
};

static struct stage *
stage_new(void)
{
    struct stage *stage = mp_new(struct stage);

    ck_assert_ptr_nonnull(stage);
    stage->deadline = MP_FOREVER;
    return stage;
}

static void
set_and_ring(struct mp__bell *bell, mp__a32 *data, uint32_t value)
{
    mp__bell_arm(bell);
    mp__store(data, value);
    mp__bell_ring(bell, INT_MAX);
}

static void
wait_for(struct mp__bell *bell, mp__a32 *data, uint32_t value)
{
    uint32_t seen;

    while ((seen = mp__load(data)) != value)
        ck_assert_int_eq(mp__bell_wait(bell, data, seen, NULL, 0, MP_FOREVER),
                         0);
}

/* ---- Ringing ---- */

static int
rally(void *arg, int i)
{
    struct stage *stage = arg;

    for (uint32_t n = 1; n <= stage->rounds; n++) {
        if (i == 0)
            set_and_ring(&stage->bell, &stage->data, n);
        if (i == 0)
            wait_for(&stage->back_bell, &stage->back, n);
        else
            wait_for(&stage->bell, &stage->data, n);
        if (i == 1)
            set_and_ring(&stage->back_bell, &stage->back, n);
    }
    return 0;
}

START_TEST(bell_rally_loses_no_wake_up)
{
    struct stage *stage = stage_new();

    /* A lost one would cost a slice of a second each. */
    stage->rounds =
        mp__view.tier != MP__TIER_FULL || mp_test_scale() > 1 ? 500 : 20000;
    kin_run((enum kin_how)_i, 2, rally, stage);
    must(mp_free(stage));
}
END_TEST

static int
wait_for_one(void *arg, int unused)
{
    struct stage *stage = arg;

    (void)unused;
    wait_for(&stage->bell, &stage->data, 1);
    return 0;
}

START_TEST(bell_rung_wakes_all)
{
    struct stage *stage = stage_new();
    struct kin *kin = kin_start((enum kin_how)_i, 12, wait_for_one, stage);

    kin_await_sleep(kin);
    set_and_ring(&stage->bell, &stage->data, 1);
    kin_end(kin);
    ck_assert_uint_eq(mp__load(&stage->bell.waiters), 0);
    ck_assert_uint_eq(mp__load(&stage->bell.word), 0);
    must(mp_free(stage));
}
END_TEST

/* It is no lock: with no waiter, ringing is nothing but a look. */
START_TEST(bell_with_nobody_there)
{
    struct stage *stage = stage_new();

    for (uint32_t n = 1; n < 1000; n++)
        set_and_ring(&stage->bell, &stage->data, n);
    ck_assert_ptr_null(mp__me.head->pending);
    ck_assert_int_eq(
        mp__bell_wait(&stage->bell, &stage->data, 1, NULL, 0, MP_FOREVER),
        0); /* it differs: no sleep */
    ck_assert_int_eq(
        mp__bell_wait(&stage->bell, &stage->data, 1, NULL, 0, MP_NOW), 0);
    must(mp_free(stage));
}
END_TEST

/* ---- Deadlines and signals ---- */

static int
wait_until_deadline(void *arg, int unused)
{
    struct stage *stage = arg;
    int r;

    (void)unused;
    do
        r = mp__bell_wait(&stage->bell, &stage->data, 0, NULL, 0,
                          stage->deadline);
    while (r == 0 && mp__load(&stage->data) == 0);
    return r;
}

START_TEST(bell_wait_ends_at_its_deadline)
{
    struct stage *stage = stage_new();

    stage->deadline = MP_NOW;
    ck_assert_int_eq(wait_until_deadline(stage, 0), -EAGAIN);
    stage->deadline = 1;
    ck_assert_int_eq(wait_until_deadline(stage, 0), -ETIMEDOUT);
    stage->deadline = mp_timeout(0.1);
    ck_assert_int_eq(wait_until_deadline(stage, 0), -ETIMEDOUT);
    ck_assert_int_ge(mp__now(), stage->deadline);
    ck_assert_uint_eq(mp__load(&stage->bell.waiters), 0);
    ck_assert_ptr_null(mp__me.head->pending);
    must(mp_free(stage));
}
END_TEST

static void
on_signal(int sig)
{
    (void)sig;
}

static int
wait_for_signal(void *arg, int unused)
{
    return wait_until_deadline(arg, unused) == -EINTR ? 0 : 1;
}

START_TEST(bell_wait_is_interrupted)
{
    struct stage *stage = stage_new();
    struct sigaction action = {.sa_handler = on_signal};
    struct kin *kin;

    ck_assert_int_eq(sigaction(SIGUSR1, &action, NULL), 0);
    kin = kin_start((enum kin_how)_i, 1, wait_for_signal, stage);
    kin_await_sleep(kin);
    kin_interrupt(kin, 0, SIGUSR1);
    kin_end(kin);
    must(mp_free(stage));
}
END_TEST

/* ---- Death ---- */

static int
commit_and_die(void *arg)
{
    struct stage *stage = arg;

    must(mp__enter());
    mp__bell_arm(&stage->bell);
    mp__store(&stage->data, 1);
    return raise(SIGKILL);
}

/* The kernel rings in its stead: for one, who wakes the others. */
START_TEST(bell_notifier_killed_before_it_rings)
{
    struct stage *stage = stage_new();
    struct kin *kin = kin_start(PROCESSES, 5, wait_for_one, stage);

    if (mp__view.tier == MP__TIER_FULL) {
        mp__view.slice = (mp_time)3600 * 1000000000; /* ours, not theirs */
    }
    kin_await_sleep(kin);
    expect_killed(child(commit_and_die, stage), SIGKILL);
    kin_end(kin);
    must(mp_free(stage));
}
END_TEST

/* ... and where that one is killed as well, for the next. */
START_TEST(bell_woken_waiter_killed_wakes_the_next)
{
    int rounds = mp_test_scale() > 1 ? 5 : 60;

    for (int round = 0; round < rounds; round++) {
        struct stage *stage = stage_new();
        struct kin *kin = kin_start(PROCESSES, 3, wait_for_one, stage);
        pid_t victim = kin->pids[round % 3];

        kin_await_sleep(kin);
        expect_killed(child(commit_and_die, stage), SIGKILL);
        kill(victim, SIGKILL);
        reap(victim);
        kin->pids[round % 3] = 0;
        kin_end(kin);
        must(mp_free(stage));
    }
}
END_TEST

START_TEST(bell_waiter_killed_asleep_harms_nobody)
{
    struct stage *stage = stage_new();
    struct kin *kin = kin_start(PROCESSES, 3, wait_for_one, stage);

    kin_await_sleep(kin);
    kin_kill(kin, _i);
    set_and_ring(&stage->bell, &stage->data, 1);
    kin_end(kin);
    set_and_ring(&stage->bell, &stage->data, 2); /* one too many is counted */
    must(mp_free(stage));
}
END_TEST

static int
be_watched(void *arg, int unused)
{
    struct stage *stage = arg;

    (void)unused;
    mp__store(&stage->watched, mp__participant_id(mp__me.part));
    for (;;)
        pause();
    return 0;
}

static int
watch(void *arg, int unused)
{
    struct stage *stage = arg;
    struct mp__participant *part =
        mp__participant_find(mp__load(&stage->watched));
    uint64_t id = mp__load(&stage->watched);

    (void)unused;
    ck_assert_ptr_nonnull(part);
    while (mp__participant_find(id) != NULL)
        ck_assert_int_eq(
            mp__bell_wait(&stage->bell, &stage->data, 0, &part, 1, MP_FOREVER),
            0);
    return 0;
}

START_TEST(bell_watch_reports_a_death)
{
    struct stage *stage = stage_new();
    struct kin *victim = kin_start(PROCESSES, 1, be_watched, stage), *kin;

    wait_until(mp__load(&stage->watched) != 0, 20);
    kin = kin_start((enum kin_how)_i, 4, watch, stage);
    kin_await_sleep(kin);
    kin_kill(victim, 0);
    kin_end_of(kin, 0); /* the kernel wakes one, the reaper the rest */
    mp__reap();
    kin_end(kin);
    kin_end(victim);
    must(mp_free(stage));
}
END_TEST

START_TEST(bell_watch_of_the_dead_does_not_sleep)
{
    struct stage *stage = stage_new();
    struct kin *victim = kin_start(PROCESSES, 1, be_watched, stage);
    struct mp__participant *part;

    wait_until(mp__load(&stage->watched) != 0, 20);
    part = mp__participant_find(mp__load(&stage->watched));
    ck_assert_ptr_nonnull(part);
    kin_kill(victim, 0);
    ck_assert_int_eq(
        mp__bell_wait(&stage->bell, &stage->data, 0, &part, 1, MP_FOREVER), 0);
    ck_assert_ptr_null(mp__participant_find(mp__load(&stage->watched)));
    kin_end(victim);
    must(mp_free(stage));
}
END_TEST

static void
add_tests(Suite *suite, const char *name, void (*believe)(void))
{
    TCase *tcase = mp_test_case(suite, name, 60);

    tcase_add_checked_fixture(tcase, believe, NULL);
    tcase_add_loop_test(tcase, bell_rally_loses_no_wake_up, 0, 2);
    tcase_add_loop_test(tcase, bell_rung_wakes_all, 0, 2);
    tcase_add_test(tcase, bell_with_nobody_there);
    tcase_add_test(tcase, bell_wait_ends_at_its_deadline);
    tcase_add_loop_test(tcase, bell_wait_is_interrupted, 0, 2);
    tcase_add_test(tcase, bell_notifier_killed_before_it_rings);
    tcase_add_test(tcase, bell_woken_waiter_killed_wakes_the_next);
    tcase_add_loop_test(tcase, bell_waiter_killed_asleep_harms_nobody, 0, 3);
    tcase_add_loop_test(tcase, bell_watch_reports_a_death, 0, 2);
    tcase_add_test(tcase, bell_watch_of_the_dead_does_not_sleep);
}

int
main(void)
{
    Suite *suite = suite_create("bell");

    add_tests(suite, "full", NULL);
    add_tests(suite, "sliced", believe_in_sliced);
    add_tests(suite, "no-waitv", believe_in_no_waitv);
    return mp_test_main(suite);
}
