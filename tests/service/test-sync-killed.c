/* SPDX-License-Identifier: MIT */
/* Programs of other families are killed while they hold something, or wait: to
 * others each is a dead thread, wherever they are. And so is their server. */
#include "service/stage.h"

#include "sync/condition.h"

#include <errno.h>

const struct role roles[] = {{"puppet", stage_puppet}, {NULL, NULL}};

/* ---- A program ---- */

static int
gets_lock_of_the_dead(void *arg, int i)
{
    int r = mp_lock_acquire(arg, MP_FOREVER);

    (void)i;
    return r != -EOWNERDEAD || mp_lock_release(arg);
}

/* By one who sleeps in the family, by another program, by both. */
START_TEST(G02_lock_of_a_killed_program)
{
    struct stage *stage = stage_new(_i % 2);
    mp_lock *lock = stage->things.lock;
    struct kin *kin = NULL;
    long r;

    must(puppet_do(stage->a, "lock_acquire", -1));
    if (_i / 2 == 0) {
        kin = kin_start(PROCESSES, 1, gets_lock_of_the_dead, lock);
        kin_await_sleep(kin);
    } else {
        queue_at_the_lock(stage, stage->b);
    }
    kill_a(stage);
    if (kin) {
        kin_end(kin);
        r = puppet_do(stage->b, "lock_acquire", 0);
        ck_assert_int_eq(r, 0);
    } else {
        ck_assert_int_eq(puppet_hear(stage->b), -EOWNERDEAD);
    }
    must(puppet_do(stage->b, "lock_release", 0));
    ck_assert_int_eq(mp_lock_locked(lock), 0);
    stage_end(stage);
}
END_TEST

START_TEST(G02_rlock_of_a_killed_program)
{
    struct stage *stage = stage_new(_i);

    must(puppet_do(stage->a, "rlock_acquire", -1));
    must(puppet_do(stage->a, "rlock_acquire", -1));
    puppet_say(stage->b, "rlock_acquire", -1);
    await(mp_rlock_waiters(stage->things.rlock, NULL, 0) == 1);
    kill_a(stage);
    ck_assert_int_eq(puppet_hear(stage->b), -EOWNERDEAD);
    must(puppet_do(stage->b, "rlock_release", 0)); /* it was held once */
    ck_assert_int_eq(mp_rlock_locked(stage->things.rlock), 0);
    stage_end(stage);
}
END_TEST

static int
takes_permit(void *arg, int i)
{
    (void)i;
    return mp_semaphore_acquire(arg, MP_FOREVER);
}

START_TEST(G02_semaphore_permits_of_a_killed_program)
{
    struct stage *stage = stage_new(_i);
    mp_semaphore *tracked = stage->things.tracked;
    struct kin *kin;

    must(puppet_do(stage->a, "tracked_acquire", -1));
    must(puppet_do(stage->a, "tracked_acquire", -1));
    kin = kin_start(PROCESSES, 1, takes_permit, tracked);
    kin_await_sleep(kin);
    puppet_say(stage->b, "tracked_acquire", -1);
    kill_a(stage);
    kin_end(kin);
    ck_assert_int_eq(puppet_hear(stage->b), 0);
    must(puppet_do(stage->b, "tracked_release", 0));
    ck_assert_int_eq(mp_semaphore_value(tracked), 2);
    stage_end(stage);
}
END_TEST

/* A waiter that was killed, before it was notified and after. */
START_TEST(G04_condition_waiter_of_a_killed_program)
{
    struct stage *stage = stage_new(_i % 2);
    mp_condition *condition = stage->things.condition;
    int notified = _i / 2;

    must(puppet_do(stage->a, "condition_acquire", -1));
    puppet_say(stage->a, "condition_wait", -1);
    await(mp__line_length(condition) == 1);
    must(puppet_do(stage->b, "condition_acquire", -1));
    puppet_say(stage->b, "condition_wait", -1);
    await(mp__line_length(condition) == 2);
    must(mp_condition_acquire(condition, MP_FOREVER));
    if (notified)
        must(mp_condition_notify(condition, 1));
    kill_a(stage);
    await(mp__line_length(condition) == 1);
    if (!notified)
        must(mp_condition_notify(condition, 1));
    must(mp_condition_release(condition));
    ck_assert_int_eq(puppet_hear(stage->b), 0);
    must(puppet_do(stage->b, "condition_release", 0));
    stage_end(stage);
}
END_TEST

START_TEST(G04_barrier_party_of_a_killed_program)
{
    struct stage *stage = stage_new(_i % 2);
    mp_barrier *barrier = stage->things.barrier;
    struct kin *kin = kin_start(PROCESSES, 1, sits_in_vain, barrier);
    int acting = _i / 2;

    kin_await_sleep(kin);
    puppet_say(acting ? stage->b : stage->a, "barrier_wait", -1);
    await(mp_barrier_n_waiting(barrier) == 2);
    if (acting) {
        ck_assert_int_eq(puppet_do(stage->a, "barrier_hang", 0), 1);
    }
    kill_a(stage);
    kin_end(kin);
    if (!acting)
        puppet_say(stage->b, "barrier_wait", -1);
    ck_assert_int_eq(puppet_hear(stage->b), -ECANCELED);
    ck_assert_int_eq(mp_barrier_broken(barrier), 1);
    stage_end(stage);
}
END_TEST

START_TEST(G04_barrier_registered_program_killed)
{
    struct stage *stage = stage_new(_i);
    mp_barrier *barrier = stage->things.barrier;
    struct kin *kin;

    must(puppet_do(stage->a, "barrier_register", 0));
    kin = kin_start(PROCESSES, 1, sits_in_vain, barrier);
    kin_await_sleep(kin);
    puppet_say(stage->b, "barrier_wait", -1);
    await(mp_barrier_n_waiting(barrier) == 2);
    kill_a(stage);
    kin_end(kin);
    ck_assert_int_eq(puppet_hear(stage->b), -ECANCELED);
    stage_end(stage);
}
END_TEST

/* ---- The server ---- */

static void
kill_server(struct stage *stage)
{
    mp_process *server = mp_manager_process(stage->manager);

    must(mp_process_kill(server));
    must(mp_process_join(server, MP_FOREVER));
    must(mp_process_close(server));
}

/* What programs held is given back at once; what they wait for has failed; and
 * when there is another server they go on. */
START_TEST(sync_server_killed_and_started_again)
{
    struct stage *stage = stage_new(_i);
    struct things *t = &stage->things;
    struct kin *kin;

    must(puppet_do(stage->a, "lock_acquire", -1));
    must(puppet_do(stage->a, "tracked_acquire", -1));
    must(puppet_do(stage->b, "condition_acquire", -1));
    puppet_say(stage->b, "condition_wait", 60000);
    await(mp__line_length(t->condition) == 1);
    kin = kin_start(PROCESSES, 1, gets_lock_of_the_dead, t->lock);
    kin_await_sleep(kin);
    kill_server(stage);
    kin_end(kin);
    ck_assert_int_eq(mp_semaphore_value(t->tracked), 2);
    ck_assert_uint_eq(mp__line_length(t->condition), 0);
    must(mp_condition_acquire(t->condition, MP_NOW));
    must(mp_condition_notify_all(t->condition));
    must(mp_condition_release(t->condition));
    ck_assert_int_eq(must(mp_manager_restart(stage->manager)), 1);
    ck_assert_int_eq(puppet_hear(stage->b), -EPIPE);
    ck_assert_int_eq(puppet_do(stage->b, "condition_release", 0), -EPERM);
    ck_assert_int_eq(puppet_do(stage->a, "tracked_release", 0), -EPIPE);
    ck_assert_int_eq(puppet_do(stage->a, "tracked_release", 0), -EPERM);
    must(puppet_do(stage->a, "lock_acquire", 20000));
    must(puppet_do(stage->a, "lock_release", 0));
    stage_end(stage);
}
END_TEST

int
main(int argc, char **argv)
{
    Suite *suite = suite_create("served-sync-killed");
    TCase *tcase = mp_test_case(suite, "killed", 60);
    tcase_add_loop_test(tcase, G02_lock_of_a_killed_program, 0, 4);
    tcase_add_loop_test(tcase, G02_rlock_of_a_killed_program, 0, 2);
    tcase_add_loop_test(tcase, G02_semaphore_permits_of_a_killed_program, 0,
                        2);
    tcase_add_loop_test(tcase, G04_condition_waiter_of_a_killed_program, 0, 4);
    tcase_add_loop_test(tcase, G04_barrier_party_of_a_killed_program, 0, 4);
    tcase_add_loop_test(tcase, G04_barrier_registered_program_killed, 0, 2);
    tcase_add_loop_test(tcase, sync_server_killed_and_started_again, 0, 2);
    return kit_main(argc, argv, suite);
}
