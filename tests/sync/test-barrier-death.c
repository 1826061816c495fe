/* SPDX-License-Identifier: MIT */
/* Barrier: parties that are killed. On a kernel that does all we ask for,
 * nobody sleeps for less than an hour here: who should be woken is woken, or
 * the test fails. */
#include "sync/barrier-kit.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- Killed while they wait ---- */

START_TEST(G04_barrier_breaks_when_a_sleeper_is_killed)
{
    static const int crowds[] = {2, 3, 8};

    for (size_t i = 0; i < LENGTH(crowds); i++) {
        int n = crowds[i];
        struct stage *stage = stage_for((uint32_t)n + 1);

        for (int victim = 0; victim < n; victim++) {
            struct kin *kin = sleepers(stage, PROCESSES, n);

            kin_kill(kin, victim);
            ended_with(kin, stage, -ECANCELED, victim);
            ck_assert_int_eq(mp_barrier_broken(stage->barrier), 1);
            must(mp_barrier_reset(stage->barrier));
        }
        goes_round(stage, PROCESSES);
        end_stage(stage);
    }
}
END_TEST

/* Nobody is there to be woken: whoever comes next finds out. */
START_TEST(G04_barrier_broken_by_a_lonely_death)
{
    struct stage *stage = stage_for(3);
    struct kin *kin;

    for (int way = 0; way < 5; way++) {
        kin = sleepers(stage, PROCESSES, way == 1 ? 2 : 1);
        if (way == 1) {
            kill(kin->pids[0], SIGSTOP); /* it cannot notice */
            wait_until(process_state(kin->pids[0]) == 'T', 20);
            kin_kill(kin, 1);
        }
        kin_kill(kin, 0);
        kin_end(kin);
        if (way == 0)
            ck_assert_int_eq(mp_barrier_broken(stage->barrier), 1);
        else if (way == 2)
            ck_assert_int_eq(mp_barrier_n_waiting(stage->barrier), 0);
        else if (way == 3)
            ck_assert_int_eq(mp_barrier_wait(stage->barrier, MP_NOW),
                             -ECANCELED);
        ck_assert_int_eq(mp_barrier_wait(stage->barrier, MP_FOREVER),
                         -ECANCELED);
        must(mp_barrier_reset(stage->barrier));
    }
    goes_round(stage, PROCESSES);
    end_stage(stage);
}
END_TEST

static int
be_there(void *unused, int i)
{
    (void)unused;
    (void)i;
    for (;;)
        pause();
    return 0;
}

/* Its seat is no free one, whichever it is: those before it have others. */
START_TEST(G04_barrier_keeps_the_seat_of_the_dead)
{
    for (int before = 0; before < 4; before++) {
        struct stage *stage = stage_for(2);
        struct kin *others = kin_start(PROCESSES, before, be_there, NULL);
        struct kin *kin;

        kin_await_sleep(others);
        kin = sleepers(stage, PROCESSES, 1);
        kin_kill(kin, 0);
        kin_end(kin);
        ck_assert_int_eq(mp_barrier_wait(stage->barrier, MP_FOREVER),
                         -ECANCELED);
        for (int i = 0; i < before; i++)
            kin_kill(others, i);
        kin_end(others);
        end_stage(stage);
    }
}
END_TEST

/* Who is woken for the death dies as well. */
START_TEST(G04_barrier_breaks_when_many_are_killed)
{
    int rounds = mp_test_scale() > 1 ? 3 : 30;
    struct stage *stage = stage_for(7);

    for (int round = 0; round < rounds; round++) {
        struct kin *kin = sleepers(stage, PROCESSES, 6);

        for (int i = 0; i < 5; i++)
            kill(kin->pids[(i + round) % 6], SIGKILL);
        for (int i = 0; i < 5; i++) {
            reap(kin->pids[(i + round) % 6]);
            kin->pids[(i + round) % 6] = 0;
        }
        kin_end(kin);
        ck_assert_int_eq((int)stage->results[(5 + round) % 6], -ECANCELED);
        must(mp_barrier_reset(stage->barrier));
    }
    goes_round(stage, PROCESSES);
    end_stage(stage);
}
END_TEST

static int
go_rounds_until_broken(void *arg, int i)
{
    struct stage *stage = arg;
    int r;

    if (stage->registered)
        must(mp_barrier_register(stage->barrier));
    while ((r = mp_barrier_wait(stage->barrier, MP_FOREVER)) >= 0)
        if (i == 0)
            mp__add(&stage->rounds, 1);
    return r != -ECANCELED;
}

/* Whether the victim was just outside, and nobody can know of its death. */
static int
is_unaware(mp_barrier *barrier)
{
    uint64_t state = mp__load(&barrier->state);

    return !mp__barrier_has_dead(barrier, state) &&
           !(mp__load(&barrier->state) & MP__BARRIER_BROKEN);
}

/* At any moment: coming, sleeping, being released. */
START_TEST(G04_barrier_breaks_when_one_is_killed_at_random)
{
    int rounds = mp_test_scale() > 1 ? 5 : mp__view.tier > 1 ? 20 : 100;
    int parties = 2 + _i % 2 * 2;
    struct stage *stage = stage_for((uint32_t)parties);
    unsigned seed = 1;

    stage->registered = _i / 2;
    for (int round = 0; round < rounds; round++) {
        uint32_t seen = mp__load(&stage->rounds);
        struct kin *kin =
            kin_start(PROCESSES, parties, go_rounds_until_broken, stage);

        wait_until(mp__load(&stage->rounds) > seen, 20);
        for (int n = rand_r(&seed) % 20000; n > 0; n--)
            mp__cpu_relax();
        kin_kill(kin, round % parties);
        if (!stage->registered && is_unaware(stage->barrier) &&
            mp_barrier_wait(stage->barrier, MP_FOREVER) >= 0)
            must(mp_barrier_abort(stage->barrier));
        kin_end(kin);
        ck_assert_int_eq(mp_barrier_broken(stage->barrier), 1);
        must(mp_barrier_reset(stage->barrier));
    }
    stage->registered = 0;
    goes_round(stage, PROCESSES);
    end_stage(stage);
}
END_TEST

static int
release_and_die(void *arg)
{
    struct stage *stage = arg;
    mp_barrier *barrier = stage->barrier;
    uint64_t state;

    must(mp__enter());
    state = mp__load(&barrier->state);
    mp__bell_arm(mp__barrier_bell(barrier, state));
    mp__store(&barrier->actor, mp__me.id);
    mp__store(&barrier->state, mp__barrier_next(state) ^ MP__BARRIER_PARITY);
    return raise(SIGKILL);
}

/* The last to come dies before it has woken the others: the kernel wakes one,
 * and that one the rest. */
START_TEST(G04_barrier_release_reaches_all_though_the_last_dies)
{
    struct stage *stage = stage_for(6);
    struct kin *kin = sleepers_with(stage, PROCESSES, 5, wait_and_linger);

    expect_killed(child(release_and_die, stage), SIGKILL);
    wait_until(mp__load(&stage->through) == 5, 20);
    mp__store(&stage->go, 1);
    kin_end(kin);
    for (int i = 0; i < 5; i++)
        ck_assert_int_ge((int)stage->results[i], 0);
    goes_round(stage, PROCESSES);
    end_stage(stage);
}
END_TEST

/* ---- Killed after the release ---- */

static int
wait_and_die(void *arg, int unused)
{
    struct stage *stage = arg;

    (void)unused;
    return mp_barrier_wait(stage->barrier, MP_FOREVER) >= 0 ? raise(SIGKILL)
                                                            : 1;
}

static void
died(struct kin *kin)
{
    expect_killed(kin->pids[0], SIGKILL);
    kin->pids[0] = 0;
    kin_end(kin);
}

START_TEST(barrier_death_after_the_release_breaks_nothing)
{
    struct stage *stage = stage_for(3);

    for (int round = 0; round < 10; round++) {
        struct kin *victim = kin_start(PROCESSES, 1, wait_and_die, stage);
        struct kin *other = kin_start(PROCESSES, 1, wait_once, stage);

        ck_assert_int_ge(mp_barrier_wait(stage->barrier, MP_FOREVER), 0);
        kin_end(other);
        died(victim);
        ck_assert_int_eq(mp_barrier_broken(stage->barrier), 0);
    }
    goes_round(stage, PROCESSES);
    end_stage(stage);
}
END_TEST

static int
tell_and_wait(void *arg, int i)
{
    struct stage *stage = arg;

    mp__add(&stage->ready, 1);
    return wait_once(arg, i);
}

/* One is stopped, asleep, when the round is released: it keeps its seat. The
 * next round takes all seats. It gets what it came for when it goes on, and
 * its seat is free if it does not. */
START_TEST(barrier_next_round_waits_for_those_of_the_last)
{
    for (int way = 0; way < 3; way++) {
        struct stage *stage = stage_for(2);
        struct kin *slow = sleepers(stage, PROCESSES, 1), *fast;

        kill(slow->pids[0], SIGSTOP);
        wait_until(process_state(slow->pids[0]) == 'T', 20);
        if (way == 2)
            must(mp_barrier_reset(stage->barrier));
        else
            ck_assert_int_ge(mp_barrier_wait(stage->barrier, MP_NOW), 0);
        fast = kin_start(PROCESSES, 2, tell_and_wait, stage);
        wait_until(mp__load(&stage->ready) == 2, 20);
        kin_await_sleep(fast);
        ck_assert_int_eq(mp_barrier_n_waiting(stage->barrier), 1);
        ck_assert_int_eq(mp_barrier_wait(stage->barrier, MP_NOW), -EAGAIN);
        if (way == 0) {
            kin_kill(slow, 0);
            kin_end(slow);
            kin_end(fast);
            ck_assert_int_ge((int)stage->results[0], 0);
            ck_assert_int_ge((int)stage->results[1], 0);
        } else {
            mp__store(&stage->results[0], 77);
            kill(slow->pids[0], SIGCONT);
            kin_end(slow);
            kin_end(fast);
        }
        ck_assert_int_eq(mp_barrier_broken(stage->barrier), 0);
        end_stage(stage);
    }
}
END_TEST

/* ---- The action ---- */

static int
die(void *unused)
{
    (void)unused;
    return raise(SIGKILL);
}

static int
wait_with_death(void *arg, int unused)
{
    struct stage *stage = arg;

    (void)unused;
    return mp_barrier_wait_with(stage->barrier, die, NULL, MP_FOREVER);
}

START_TEST(G04_barrier_breaks_when_its_action_is_killed)
{
    for (int n = 1; n < 5; n++) {
        struct stage *stage = stage_for((uint32_t)n + 1);
        struct kin *kin = sleepers(stage, PROCESSES, n), *actor;

        actor = kin_start(PROCESSES, 1, wait_with_death, stage);
        died(actor);
        ended_with(kin, stage, -ECANCELED, -1);
        ck_assert_int_eq(mp_barrier_broken(stage->barrier), 1);
        must(mp_barrier_reset(stage->barrier));
        goes_round(stage, PROCESSES);
        end_stage(stage);
    }
}
END_TEST

static int
act_until_killed(void *arg)
{
    struct stage *stage = arg;

    mp__store(&stage->ready, 1);
    for (;;)
        pause();
    return 0;
}

static int
wait_with_pause(void *arg, int unused)
{
    struct stage *stage = arg;

    (void)unused;
    return mp_barrier_wait_with(stage->barrier, act_until_killed, stage,
                                MP_FOREVER);
}

/* ... also when those die that have been woken to watch it. */
START_TEST(G04_barrier_breaks_when_its_action_dies_late)
{
    for (int victims = 0; victims < 3; victims++) {
        struct stage *stage = stage_for(4);
        struct kin *kin = sleepers(stage, PROCESSES, 3), *actor;

        actor = kin_start(PROCESSES, 1, wait_with_pause, stage);
        wait_until(mp__load(&stage->ready), 20);
        kin_await_sleep(kin);
        kin_kill(actor, 0);
        for (int i = 0; i < victims; i++) {
            kill(kin->pids[i], SIGKILL);
            reap(kin->pids[i]);
            kin->pids[i] = 0;
        }
        kin_end(actor);
        kin_end(kin);
        ck_assert_int_eq((int)stage->results[2], -ECANCELED);
        end_stage(stage);
    }
}
END_TEST

/* More than one can watch: 160 threads here, and one that is killed. */
START_TEST(G04_barrier_of_more_than_can_be_watched_breaks)
{
    struct stage *stage = stage_for(200);
    struct kin *kin = kin_start(THREADS, 160, tell_and_wait, stage);
    struct kin *victim;

    wait_until(mp_barrier_n_waiting(stage->barrier) == 160, 20);
    victim = kin_start(PROCESSES, 1, tell_and_wait, stage);
    wait_until(mp_barrier_n_waiting(stage->barrier) == 161, 20);
    kin_kill(victim, 0);
    kin_end(victim);
    ended_with(kin, stage, -ECANCELED, -1);
    end_stage(stage);
}
END_TEST

/* ---- ---- */

static void
add_tests(Suite *suite, const char *name, void (*believe)(void))
{
    TCase *tcase = mp_test_case(suite, name, 60);

    tcase_add_checked_fixture(tcase, believe, NULL);
    tcase_add_test(tcase, G04_barrier_breaks_when_a_sleeper_is_killed);
    tcase_add_test(tcase, G04_barrier_broken_by_a_lonely_death);
    tcase_add_test(tcase, G04_barrier_keeps_the_seat_of_the_dead);
    tcase_add_test(tcase, G04_barrier_breaks_when_many_are_killed);
    tcase_add_loop_test(tcase, G04_barrier_breaks_when_one_is_killed_at_random,
                        0, 4);
    tcase_add_test(tcase,
                   G04_barrier_release_reaches_all_though_the_last_dies);
    tcase_add_test(tcase, barrier_death_after_the_release_breaks_nothing);
    tcase_add_test(tcase, barrier_next_round_waits_for_those_of_the_last);
    tcase_add_test(tcase, G04_barrier_breaks_when_its_action_is_killed);
    tcase_add_test(tcase, G04_barrier_breaks_when_its_action_dies_late);
    tcase_add_test(tcase, G04_barrier_of_more_than_can_be_watched_breaks);
}

int
main(void)
{
    Suite *suite = suite_create("barrier-death");

    add_tests(suite, "full", NULL);
    add_tests(suite, "sliced", believe_in_sliced);
    add_tests(suite, "no-waitv", believe_in_no_waitv);
    return mp_test_main(suite);
}
