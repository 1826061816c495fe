/* SPDX-License-Identifier: MIT */
/* Locks, semaphores, events, conditions, barriers, values and arrays, used by
 * programs of other families, and by the family at the same time. */
#include "service/stage.h"

#include "os/clock.h"
#include "sync/condition.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#define MS   ((mp_time)1000000)
#define LATE 3000 /* ms: what a busy machine may be late */

const struct role roles[] = {{"puppet", stage_puppet}, {NULL, NULL}};

/* ---- Together ---- */

START_TEST(sync_lock_of_two_programs_and_the_family)
{
    struct stage *stage = stage_new(_i);
    struct things *t = &stage->things;
    pid_t server;
    int n;

    ck_assert_int_eq(puppet_do(stage->a, "lock_acquire", -1), 0);
    ck_assert_int_eq(puppet_do(stage->a, "lock_acquire", 0), -EAGAIN);
    ck_assert_int_eq(mp_lock_acquire(t->lock, MP_NOW), -EAGAIN);
    server = mp_lock_owner(t->lock);
    ck_assert_int_eq(puppet_do(stage->b, "lock_owner", 0), server);
    queue_at_the_lock(stage, stage->b);
    ck_assert_int_eq(puppet_do(stage->a, "lock_waiters", -1), 1);
    ck_assert_int_eq(puppet_do(stage->a, "lock_waiters", 0), server);
    ck_assert_int_eq(puppet_do(stage->a, "lock_release", 0), 0);
    ck_assert_int_eq(puppet_hear(stage->b), 0);
    ck_assert_int_eq(puppet_do(stage->a, "lock_locked", 0), 1);
    ck_assert_int_eq(puppet_do(stage->b, "lock_release", 0), 0);
    ck_assert_int_eq(puppet_do(stage->b, "lock_release", 0), -EOVERFLOW);
    puppet_say(stage->a, "count_up", 200);
    puppet_say(stage->b, "count_up", 200);
    for (int i = 0; i < 200; i++) {
        must(mp_lock_acquire(t->lock, MP_FOREVER));
        must(mp_value_get(t->count, &n));
        must(mp_value_set(t->count, n + 1));
        must(mp_lock_release(t->lock));
    }
    ck_assert_int_eq(puppet_hear(stage->a), 0);
    ck_assert_int_eq(puppet_hear(stage->b), 0);
    must(mp_value_get(t->count, &n));
    ck_assert_int_eq(n, 600);
    stage_end(stage);
}
END_TEST

START_TEST(sync_rlock_belongs_to_a_thread)
{
    struct stage *stage = stage_new(_i);
    mp_rlock *rlock = stage->things.rlock;

    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(puppet_do(stage->a, "rlock_acquire", -1), 0);
    ck_assert_int_eq(puppet_do(stage->a, "thread_acquires_rlock", 0), -EAGAIN);
    ck_assert_int_eq(puppet_do(stage->a, "child_releases_rlock", 0), -EPERM);
    ck_assert_int_eq(puppet_do(stage->b, "rlock_release", 0), -EPERM);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(mp_rlock_acquire(rlock, MP_NOW), -EAGAIN);
        ck_assert_int_eq(puppet_do(stage->a, "rlock_release", 0), 0);
    }
    must(mp_rlock_acquire(rlock, MP_NOW));
    must(mp_rlock_release(rlock));
    /* The thread ends, its process goes on. */
    ck_assert_int_eq(puppet_do(stage->a, "thread_acquires_rlock", 0), 0);
    ck_assert_int_eq(mp_rlock_acquire(rlock, mp_timeout(20)), -EOWNERDEAD);
    must(mp_rlock_release(rlock));
    stage_end(stage);
}
END_TEST

START_TEST(sync_semaphore_event_and_cells)
{
    struct stage *stage = stage_new(_i);
    struct things *t = &stage->things;

    ck_assert_int_eq(puppet_do(stage->a, "tracked_acquire", 0), 0);
    must(mp_semaphore_acquire(t->tracked, MP_NOW));
    puppet_say(stage->b, "tracked_acquire", -1);
    ck_assert_int_eq(puppet_do(stage->a, "tracked_value", 0), 0);
    must(mp_semaphore_release(t->tracked));
    ck_assert_int_eq(puppet_hear(stage->b), 0);
    ck_assert_int_eq(puppet_do(stage->b, "tracked_release", 0), 0);
    ck_assert_int_eq(puppet_do(stage->b, "tracked_release", 0), -EPERM);
    ck_assert_int_eq(puppet_do(stage->a, "tracked_release", 0), 0);

    puppet_say(stage->a, "event_wait", -1);
    ck_assert_int_eq(puppet_do(stage->b, "event_is_set", 0), 0);
    must(mp_event_set(t->event));
    ck_assert_int_eq(puppet_hear(stage->a), 0);
    ck_assert_int_eq(puppet_do(stage->b, "event_clear", 0), 0);
    ck_assert_int_eq(mp_event_is_set(t->event), 0);
    puppet_say(stage->a, "event_wait", -1);
    ck_assert_int_eq(puppet_do(stage->b, "event_set", 0), 0);
    ck_assert_int_eq(puppet_hear(stage->a), 0);
    ck_assert_int_eq(puppet_do(stage->a, "event_fd", 0), -EREMOTE);

    ck_assert_int_eq(puppet_do(stage->a, "cells", 0), 0);
    kill_a(stage); /* it holds the lock of the value */
    ck_assert_int_eq(mp_rlock_acquire(mp_value_lock(t->count), mp_timeout(20)),
                     -EOWNERDEAD);
    must(mp_rlock_release(mp_value_lock(t->count)));
    stage_end(stage);
}
END_TEST

START_TEST(sync_condition_of_two_programs_and_the_family)
{
    struct stage *stage = stage_new(_i);
    struct things *t = &stage->things;

    ck_assert_int_eq(puppet_do(stage->a, "condition_wait", -1), -EPERM);
    ck_assert_int_eq(puppet_do(stage->a, "condition_notify", 1), -EPERM);
    ck_assert_int_eq(puppet_do(stage->a, "condition_wait_for_three", -1),
                     -EPERM);
    ck_assert_int_eq(puppet_do(stage->a, "condition_acquire", -1), 0);
    ck_assert_int_eq(puppet_do(stage->a, "condition_wait", 0), -EAGAIN);
    ck_assert_int_eq(puppet_do(stage->a, "condition_acquire", -1), 0);
    puppet_say(stage->a, "condition_wait", -1);
    ck_assert_int_eq(puppet_do(stage->b, "condition_acquire", -1), 0);
    puppet_say(stage->b, "condition_wait_for_three", 60000);
    await(mp__line_length(t->condition) == 2);
    must(mp_condition_acquire(t->condition, MP_FOREVER));
    must(mp_condition_notify(t->condition, 1));
    ck_assert(puppet_is_busy(stage->a));
    must(mp_condition_release(t->condition));
    ck_assert_int_eq(puppet_hear(stage->a), 0);
    must(mp_value_set(t->count, 3));
    ck_assert_int_eq(puppet_do(stage->a, "condition_notify_all", 0), 0);
    /* It has it twice again. */
    ck_assert_int_eq(puppet_do(stage->a, "condition_release", 0), 0);
    ck_assert_int_eq(mp_condition_acquire(t->condition, MP_NOW), -EAGAIN);
    ck_assert_int_eq(puppet_do(stage->a, "condition_release", 0), 0);
    ck_assert_int_eq(puppet_hear(stage->b), 33);
    ck_assert_int_eq(puppet_do(stage->b, "condition_wait_for_three", 0), 33);
    ck_assert_int_eq(puppet_do(stage->b, "condition_release", 0), 0);
    stage_end(stage);
}
END_TEST

/* It has to have its lock back. */
START_TEST(sync_condition_wait_is_not_ended_by_signals)
{
    struct stage *stage = stage_new(_i);
    mp_condition *condition = stage->things.condition;

    must(puppet_do(stage->a, "catch_signals", 0));
    must(puppet_do(stage->a, "condition_acquire", -1));
    puppet_say(stage->a, "condition_wait", -1);
    await(mp__line_length(condition) == 1);
    for (int i = 0; i < 50; i++) {
        kill(stage->a->pid, SIGUSR1);
        usleep(1000);
    }
    ck_assert(puppet_is_busy(stage->a));
    must(mp_condition_acquire(condition, MP_FOREVER));
    must(mp_condition_notify_all(condition));
    must(mp_condition_release(condition));
    ck_assert_int_eq(puppet_hear(stage->a), 0);
    ck_assert_int_eq(puppet_do(stage->a, "condition_release", 0), 0);
    stage_end(stage);
}
END_TEST

static int
sits(void *arg, int i)
{
    (void)i;
    return mp_barrier_wait(arg, MP_FOREVER) < 0;
}

START_TEST(sync_barrier_of_two_programs_and_the_family)
{
    struct stage *stage = stage_new(_i);
    struct things *t = &stage->things;
    int n;

    for (int round = 0; round < 20; round++) {
        int seen = 0;

        puppet_say(stage->a, "barrier_wait", -1);
        puppet_say(stage->b, "barrier_wait", 60000);
        seen |= 1 << must(mp_barrier_wait(t->barrier, MP_FOREVER));
        seen |= 1 << must(puppet_hear(stage->a));
        seen |= 1 << must(puppet_hear(stage->b));
        ck_assert_int_eq(seen, 7);
    }
    for (int r = 0; r >= -7; r -= 7) {
        struct kin *kin =
            kin_start(PROCESSES, 1, r ? sits_in_vain : sits, t->barrier);

        puppet_say(stage->a, "barrier_wait", -1);
        await(mp_barrier_n_waiting(t->barrier) == 2);
        must(mp_value_set(t->count, 0));
        if (r == 0)
            must(puppet_do(stage->b, "barrier_wait_with", r));
        else
            ck_assert_int_eq(puppet_do(stage->b, "barrier_wait_with", r), r);
        ck_assert_int_eq(puppet_hear(stage->a) < 0 ? -ECANCELED : 0,
                         r ? -ECANCELED : 0);
        must(mp_value_get(t->count, &n));
        ck_assert_int_eq(n, 10);
        kin_end(kin);
    }
    ck_assert_int_eq(puppet_do(stage->a, "barrier_broken", 0), 1);
    stage_end(stage);
}
END_TEST

START_TEST(sync_mistakes_and_what_is_destroyed)
{
    struct stage *stage = stage_new(_i);
    struct things *t = &stage->things;

    ck_assert_int_eq(puppet_do(stage->a, "mistakes", 0), 0);
    must(puppet_do(stage->b, "lock_acquire", -1));
    ck_assert_int_eq(puppet_do(stage->a, "lock_destroy", 0), -EBUSY);
    must(puppet_do(stage->b, "lock_release", 0));
    must(puppet_do(stage->a, "lock_destroy", 0));
    ck_assert_int_eq(mp_lock_acquire(t->lock, MP_NOW), -EBADF);
    ck_assert_int_eq(puppet_do(stage->a, "lock_acquire", -1), -EBADF);
    ck_assert_int_eq(puppet_do(stage->b, "lock_acquire", -1), -EBADF);
    t->lock = NULL;
    /* Under the eyes of one who waits. */
    puppet_say(stage->a, "event_wait", -1);
    must(mp_event_destroy(t->event));
    t->event = NULL;
    ck_assert_int_eq(puppet_hear(stage->a), -EBADF);
    stage_end(stage);
}
END_TEST

/* ---- Deadlines ---- */

static void
times_out(struct remote *remote, const char *trick)
{
    mp_time begun = mp__now();
    long r = puppet_do(remote, trick, 50);
    mp_time taken = mp__now() - begun;

    ck_assert_int_eq(r, -ETIMEDOUT);
    ck_assert_int_ge(taken, 50 * MS);
    ck_assert_int_lt(taken, LATE * MS);
}

START_TEST(sync_deadlines_hold)
{
    struct stage *stage = stage_new(_i);
    struct things *t = &stage->things;

    must(mp_lock_acquire(t->lock, MP_NOW));
    times_out(stage->a, "lock_acquire");
    must(mp_lock_release(t->lock));
    ck_assert_int_eq(puppet_do(stage->b, "lock_acquire", 0), 0);
    ck_assert_int_eq(puppet_do(stage->b, "lock_release", 0), 0);
    must(mp_rlock_acquire(t->rlock, MP_NOW));
    times_out(stage->a, "rlock_acquire");
    must(mp_rlock_release(t->rlock));
    for (int i = 0; i < 2; i++)
        must(mp_semaphore_acquire(t->tracked, MP_NOW));
    times_out(stage->a, "tracked_acquire");
    for (int i = 0; i < 2; i++)
        must(mp_semaphore_release(t->tracked));
    ck_assert_int_eq(mp_semaphore_value(t->tracked), 2);
    times_out(stage->a, "event_wait");
    must(mp_condition_acquire(t->condition, MP_NOW));
    times_out(stage->a, "condition_acquire");
    must(mp_condition_release(t->condition));
    must(puppet_do(stage->a, "condition_acquire", 1000));
    times_out(stage->a, "condition_wait");
    must(puppet_do(stage->a, "condition_release", 0));
    times_out(stage->a, "barrier_wait");
    await(mp_barrier_broken(t->barrier) == 1); /* the server is on its way */
    ck_assert_int_eq(puppet_do(stage->b, "barrier_wait", -1), -ECANCELED);
    ck_assert_int_eq(puppet_do(stage->b, "barrier_reset", 0), 0);
    ck_assert_int_eq(mp_barrier_broken(t->barrier), 0);
    stage_end(stage);
}
END_TEST

/* Late, but it has its lock back. */
START_TEST(sync_condition_waits_for_its_lock_beyond_its_deadline)
{
    struct stage *stage = stage_new(_i);
    mp_condition *condition = stage->things.condition;

    must(puppet_do(stage->a, "condition_acquire", -1));
    puppet_say(stage->a, "condition_wait", 30);
    must(mp_condition_acquire(condition, MP_FOREVER));
    usleep(200000);
    ck_assert(puppet_is_busy(stage->a));
    must(mp_condition_release(condition));
    ck_assert_int_eq(puppet_hear(stage->a), -ETIMEDOUT);
    ck_assert_int_eq(mp_condition_acquire(condition, MP_NOW), -EAGAIN);
    must(puppet_do(stage->a, "condition_release", 0));
    stage_end(stage);
}
END_TEST

int
main(int argc, char **argv)
{
    Suite *suite = suite_create("served-sync");
    TCase *tcase = mp_test_case(suite, "together", 60);

    tcase_add_loop_test(tcase, sync_lock_of_two_programs_and_the_family, 0, 2);
    tcase_add_loop_test(tcase, sync_rlock_belongs_to_a_thread, 0, 2);
    tcase_add_loop_test(tcase, sync_semaphore_event_and_cells, 0, 2);
    tcase_add_loop_test(tcase, sync_condition_of_two_programs_and_the_family,
                        0, 2);
    tcase_add_loop_test(tcase, sync_condition_wait_is_not_ended_by_signals, 0,
                        2);
    tcase_add_loop_test(tcase, sync_barrier_of_two_programs_and_the_family, 0,
                        2);
    tcase_add_loop_test(tcase, sync_mistakes_and_what_is_destroyed, 0, 2);
    tcase_add_loop_test(tcase, sync_deadlines_hold, 0, 2);
    tcase_add_loop_test(
        tcase, sync_condition_waits_for_its_lock_beyond_its_deadline, 0, 2);
    return kit_main(argc, argv, suite);
}
