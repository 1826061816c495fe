/* SPDX-License-Identifier: MIT */
/* Barrier: how a wait ends, by a release or otherwise, for those who sleep in
 * it; and what an action can do. */
#include "os/clock.h"
#include "sync/kit.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

struct stage {
    mp_barrier *barrier;
    mp_time deadline;
    mp__a32 acted; /* the action runs */
    mp__a32 go;    /* it may return */
    mp__a32 results[KIN_MOST];
};

static struct stage *
stage_for(uint32_t parties)
{
    struct stage *stage = mp_new(struct stage);

    ck_assert_ptr_nonnull(stage);
    must(mp_barrier_create(&stage->barrier, parties, NULL));
    stage->deadline = MP_FOREVER;
    return stage;
}

static void
end_stage(struct stage *stage)
{
    must(mp_barrier_destroy(stage->barrier));
    must(mp_free(stage));
}

/* ---- Those who wait ---- */

static int
wait_once(void *arg, int i)
{
    struct stage *stage = arg;

    mp__store(&stage->results[i],
              (uint32_t)mp_barrier_wait(stage->barrier, stage->deadline));
    return mp__me.head->pending != NULL;
}

static struct kin *
sleepers(struct stage *stage, enum kin_how how, int n)
{
    struct kin *kin = kin_start(how, n, wait_once, stage);

    kin_await_sleep(kin);
    wait_until(mp_barrier_n_waiting(stage->barrier) == n, 20);
    kin_await_sleep(kin);
    return kin;
}

/* All have come to their ends, and with what result. */
static void
ended_with(struct kin *kin, struct stage *stage, int result)
{
    int n = kin->n;

    kin_end(kin);
    for (int i = 0; i < n; i++)
        ck_assert_int_eq((int)stage->results[i], result);
}

START_TEST(barrier_last_to_come_releases)
{
    struct stage *stage = stage_for(4);
    struct kin *kin = sleepers(stage, (enum kin_how)_i, 3);
    int sum = mp_barrier_wait(stage->barrier, MP_NOW);

    kin_end(kin);
    for (int i = 0; i < 3; i++)
        sum += (int)stage->results[i];
    ck_assert_int_eq(sum, 6);
    ck_assert_int_eq(mp_barrier_n_waiting(stage->barrier), 0);
    end_stage(stage);
}
END_TEST

START_TEST(barrier_in_use_is_not_destroyed)
{
    struct stage *stage = stage_for(3);
    struct kin *kin = sleepers(stage, (enum kin_how)_i, 2);

    must_fail(mp_barrier_destroy(stage->barrier), -EBUSY, "2 threads");
    ck_assert_int_eq(mp_barrier_wait(stage->barrier, MP_NOW) >= 0, 1);
    kin_end(kin);
    end_stage(stage);
}
END_TEST

static int
wait_and_destroy(void *arg, int unused)
{
    struct stage *stage = arg;
    int number = mp_barrier_wait(stage->barrier, MP_FOREVER);

    (void)unused;
    if (number == 0)
        must(mp_barrier_destroy(stage->barrier));
    return number < 0;
}

/* ... by one of them, as soon as it is released. */
START_TEST(barrier_is_destroyed_while_others_leave)
{
    for (int i = 0; i < 20; i++) {
        struct stage *stage = stage_for(4);

        kin_run((enum kin_how)_i, 4, wait_and_destroy, stage);
        must(mp_free(stage));
    }
}
END_TEST

START_TEST(barrier_aborted_wakes_all)
{
    struct stage *stage = stage_for(6);
    struct kin *kin = sleepers(stage, (enum kin_how)_i, 5);

    must(mp_barrier_abort(stage->barrier));
    ended_with(kin, stage, -ECANCELED);
    ck_assert_int_eq(mp_barrier_broken(stage->barrier), 1);
    ck_assert_int_eq(mp_barrier_n_waiting(stage->barrier), 0);
    end_stage(stage);
}
END_TEST

START_TEST(barrier_reset_wakes_all_and_is_whole)
{
    struct stage *stage = stage_for(6);
    struct kin *kin = sleepers(stage, (enum kin_how)_i, 5);

    must(mp_barrier_reset(stage->barrier));
    ck_assert_int_eq(mp_barrier_broken(stage->barrier), 0);
    ck_assert_int_eq(mp_barrier_n_waiting(stage->barrier), 0);
    ended_with(kin, stage, -ECANCELED);
    kin = sleepers(stage, (enum kin_how)_i, 5);
    ck_assert_int_eq(mp_barrier_wait(stage->barrier, MP_FOREVER) >= 0, 1);
    kin_end(kin);
    end_stage(stage);
}
END_TEST

START_TEST(barrier_deadline_of_one_breaks_it_for_all)
{
    struct stage *stage = stage_for(6);
    struct kin *kin = sleepers(stage, (enum kin_how)_i, 4);

    ck_assert_int_eq(mp_barrier_wait(stage->barrier, mp_timeout(0.05)),
                     -ETIMEDOUT);
    ended_with(kin, stage, -ECANCELED);
    end_stage(stage);
}
END_TEST

START_TEST(barrier_sleepers_leave_at_their_deadline)
{
    struct stage *stage = stage_for(6);
    int timed_out = 0;
    struct kin *kin;

    stage->deadline = mp_timeout(0.1);
    kin = kin_start((enum kin_how)_i, 5, wait_once, stage);
    kin_end(kin);
    ck_assert_int_ge(mp__now(), stage->deadline);
    for (int i = 0; i < 5; i++) {
        timed_out += (int)stage->results[i] == -ETIMEDOUT;
        if ((int)stage->results[i] != -ETIMEDOUT)
            ck_assert_int_eq((int)stage->results[i], -ECANCELED);
    }
    ck_assert_int_eq(timed_out, 1);
    end_stage(stage);
}
END_TEST

/* ---- Signals ---- */

START_TEST(barrier_interrupted_is_as_if_not_come)
{
    struct stage *stage = stage_for(4);
    struct kin *kin;

    catch_signals();
    kin = sleepers(stage, (enum kin_how)_i, 3);
    kin_interrupt(kin, 1, SIGUSR1);
    ck_assert_int_eq((int)stage->results[1], -EINTR);
    wait_until(mp_barrier_n_waiting(stage->barrier) == 2, 20);
    ck_assert_int_eq(mp_barrier_wait(stage->barrier, MP_NOW), -EAGAIN);
    kin_interrupt(kin, 0, SIGUSR1);
    kin_interrupt(kin, 2, SIGUSR1);
    ended_with(kin, stage, -EINTR);
    ck_assert_int_eq(mp_barrier_n_waiting(stage->barrier), 0);
    ck_assert_int_eq(mp_barrier_broken(stage->barrier), 0);
    kin = sleepers(stage, (enum kin_how)_i, 3);
    ck_assert_int_eq(mp_barrier_wait(stage->barrier, MP_NOW) >= 0, 1);
    kin_end(kin);
    end_stage(stage);
}
END_TEST

/* ---- The action ---- */

static int
fail_action(void *arg)
{
    (void)arg;
    return -EDOM;
}

START_TEST(barrier_action_that_fails_breaks_it)
{
    struct stage *stage = stage_for(4);
    struct kin *kin = sleepers(stage, (enum kin_how)_i, 3);

    ck_assert_int_eq(
        mp_barrier_wait_with(stage->barrier, fail_action, NULL, MP_NOW),
        -EDOM);
    ended_with(kin, stage, -ECANCELED);
    ck_assert_int_eq(mp_barrier_broken(stage->barrier), 1);
    end_stage(stage);
}
END_TEST

static int
abort_it(void *arg)
{
    struct stage *stage = arg;

    must_fail(mp_barrier_destroy(stage->barrier), -EBUSY, "in it");
    return mp_barrier_abort(stage->barrier);
}

static int
reset_it(void *arg)
{
    struct stage *stage = arg;

    return mp_barrier_reset(stage->barrier);
}

START_TEST(barrier_action_may_break_it)
{
    struct stage *stage = stage_for(3);
    struct kin *kin = sleepers(stage, (enum kin_how)_i, 2);

    must_fail(mp_barrier_wait_with(stage->barrier, abort_it, stage, MP_NOW),
              -ECANCELED, "mp_barrier_wait_with");
    ended_with(kin, stage, -ECANCELED);
    must(mp_barrier_reset(stage->barrier));
    kin = sleepers(stage, (enum kin_how)_i, 2);
    ck_assert_int_eq(
        mp_barrier_wait_with(stage->barrier, reset_it, stage, MP_NOW),
        -ECANCELED);
    ended_with(kin, stage, -ECANCELED);
    ck_assert_int_eq(mp_barrier_broken(stage->barrier), 0);
    end_stage(stage);
}
END_TEST

static int
stay(void *arg)
{
    struct stage *stage = arg;

    mp__store(&stage->acted, 1);
    wait_until(mp__load(&stage->go), 20);
    return 0;
}

static int
wait_and_stay(void *arg, int unused)
{
    struct stage *stage = arg;

    (void)unused;
    return mp_barrier_wait_with(stage->barrier, stay, stage, MP_FOREVER) !=
           -ECANCELED;
}

/* Whoever comes while the action runs is of the next round. */
START_TEST(barrier_full_while_the_action_runs)
{
    struct stage *stage = stage_for(2);
    struct kin *kin = sleepers(stage, (enum kin_how)_i, 1);
    struct kin *actor = kin_start((enum kin_how)_i, 1, wait_and_stay, stage);

    wait_until(mp__load(&stage->acted), 20);
    ck_assert_int_eq(mp_barrier_n_waiting(stage->barrier), 2);
    ck_assert_int_eq(mp_barrier_wait(stage->barrier, MP_NOW), -EAGAIN);
    catch_signals();
    must(mp_barrier_abort(stage->barrier));
    ended_with(kin, stage, -ECANCELED);
    must(mp_barrier_reset(stage->barrier));
    mp__store(&stage->go, 1);
    kin_end(actor);
    end_stage(stage);
}
END_TEST

/* Too late to withdraw. */
START_TEST(barrier_signal_while_the_action_runs)
{
    struct stage *stage = stage_for(2);
    struct kin *kin;

    catch_signals();
    kin = sleepers(stage, (enum kin_how)_i, 1);
    mp__store(&stage->go, 0);
    {
        struct kin *actor =
            kin_start((enum kin_how)_i, 1, wait_and_stay, stage);

        wait_until(mp__load(&stage->acted), 20);
        for (int i = 0; i < 50; i++) {
            kin_signal(kin, 0, SIGUSR1);
            kin_await_sleep_of(kin, 0);
        }
        ck_assert_int_eq(mp_barrier_n_waiting(stage->barrier), 2);
        must(mp_barrier_abort(stage->barrier));
        ended_with(kin, stage, -ECANCELED);
        mp__store(&stage->go, 1);
        kin_end(actor);
    }
    end_stage(stage);
}
END_TEST

static int
outstay(void *arg)
{
    struct stage *stage = arg;

    while (mp__now() <= stage->deadline + 20000000)
        usleep(1000);
    return 0;
}

/* Nobody who has come is late any more. */
START_TEST(barrier_deadline_while_the_action_runs)
{
    struct stage *stage = stage_for(2);
    struct kin *kin;
    int r;

    stage->deadline = mp_timeout(3);
    kin = sleepers(stage, (enum kin_how)_i, 1);
    r = mp_barrier_wait_with(stage->barrier, outstay, stage, MP_FOREVER);
    ck_assert_int_ge(r, 0);
    ended_with(kin, stage, 1 - r);
    end_stage(stage);
}
END_TEST

/* ---- ---- */

static void
add_waiting(Suite *suite, const char *name, void (*believe)(void))
{
    TCase *tcase = mp_test_case(suite, name, 60);

    tcase_add_checked_fixture(tcase, believe, NULL);
    tcase_add_loop_test(tcase, barrier_last_to_come_releases, 0, 2);
    tcase_add_loop_test(tcase, barrier_in_use_is_not_destroyed, 0, 2);
    tcase_add_loop_test(tcase, barrier_is_destroyed_while_others_leave, 0, 2);
    tcase_add_loop_test(tcase, barrier_aborted_wakes_all, 0, 2);
    tcase_add_loop_test(tcase, barrier_reset_wakes_all_and_is_whole, 0, 2);
    tcase_add_loop_test(tcase, barrier_deadline_of_one_breaks_it_for_all, 0,
                        2);
    tcase_add_loop_test(tcase, barrier_sleepers_leave_at_their_deadline, 0, 2);
    tcase_add_loop_test(tcase, barrier_interrupted_is_as_if_not_come, 0, 2);
    tcase_add_loop_test(tcase, barrier_action_that_fails_breaks_it, 0, 2);
    tcase_add_loop_test(tcase, barrier_action_may_break_it, 0, 2);
    tcase_add_loop_test(tcase, barrier_full_while_the_action_runs, 0, 2);
    tcase_add_loop_test(tcase, barrier_signal_while_the_action_runs, 0, 2);
    tcase_add_loop_test(tcase, barrier_deadline_while_the_action_runs, 0, 2);
}

int
main(void)
{
    Suite *suite = suite_create("barrier-wait");

    add_waiting(suite, "full", NULL);
    add_waiting(suite, "sliced", believe_in_sliced);
    add_waiting(suite, "no-waitv", believe_in_no_waitv);
    return mp_test_main(suite);
}
