/* SPDX-License-Identifier: MIT */
/* Lock: attributes, handles, results, waiting, handing over. Deaths are in
 * test-death.c, what Python says of it in conformance-lock.c. */
#include "os/clock.h"
#include "sync/kit.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MOST 8

struct stage {
    mp_lock *lock, *other;
    mp_time deadline;
    int expected; /* result of everybody's acquire */
    int rounds;
    mp__a32 got;
    mp__a32 inside;
    uint64_t count;
};

static mp_lock *
lock_with(const mp_lock_attr *attr)
{
    mp_lock *lock;

    must(mp_lock_create(&lock, attr));
    return lock;
}

static struct stage *
lock_stage(void)
{
    struct stage *stage = mp_new(struct stage);

    ck_assert_ptr_nonnull(stage);
    stage->lock = lock_with(NULL);
    stage->deadline = MP_FOREVER;
    return stage;
}

static void
end_stage(struct stage *stage)
{
    must(mp_lock_destroy(stage->lock));
    must(mp_free(stage));
}

/* ---- Making ---- */

static int
create(const void *attr)
{
    mp_lock *untouched = (mp_lock *)&errno, *lock = untouched;
    int r = mp_lock_create(&lock, attr);

    if (r < 0)
        ck_assert_ptr_eq(lock, untouched);
    else
        must(mp_lock_destroy(lock));
    return r;
}

START_TEST(lock_attributes_are_checked)
{
    char name[200];

    attributes_are_checked(create, sizeof(mp_lock_attr), MP_LOCK_HANDOVER);
    must_fail(mp_lock_create(NULL, NULL), -EINVAL, "ret_lock");
    memset(name, 'x', sizeof(name));
    name[31] = '\0';
    must(create(MP_LOCK_ATTR(.name = name)));
    must(create(MP_LOCK_ATTR(.name = "")));
}
END_TEST

START_TEST(lock_is_made_free_and_robust)
{
    mp_lock *lock = lock_with(NULL);

    ck_assert(mp_memory_contains(lock, 64));
    ck_assert_int_eq(mp_lock_locked(lock), 0);
    ck_assert_int_eq(mp_lock_is_robust(lock), 1);
    ck_assert_int_eq(mp_lock_owner(lock), 0);
    ck_assert_int_eq(mp_lock_waiters(lock, NULL, 0), 0);
    must(mp_lock_destroy(lock));
}
END_TEST

static int
acquire_now(void *lock)
{
    return mp_lock_acquire(lock, MP_NOW);
}

static int
acquire_for_ever(void *lock)
{
    return mp_lock_acquire(lock, MP_FOREVER);
}

static int
ask_for_waiters(void *lock)
{
    return mp_lock_waiters(lock, NULL, 0);
}

static int
destroy(void *lock)
{
    return mp_lock_destroy(lock);
}

static int
release(void *lock)
{
    return mp_lock_release(lock);
}

static int
locked(void *lock)
{
    return mp_lock_locked(lock);
}

static int
is_robust(void *lock)
{
    return mp_lock_is_robust(lock);
}

static int
owner(void *lock)
{
    return mp_lock_owner(lock);
}

START_TEST(lock_handles_are_checked)
{
    const struct handle_call calls[] = {
        {"mp_lock_acquire", acquire_now},
        {"mp_lock_acquire", acquire_for_ever},
        {"mp_lock_release", release},
        {"mp_lock_locked", locked},
        {"mp_lock_is_robust", is_robust},
        {"mp_lock_owner", owner},
        {"mp_lock_waiters", ask_for_waiters},
        {"mp_lock_destroy", destroy},
    };
    mp_lock *gone = lock_with(NULL);

    must(mp_lock_destroy(gone));
    calls_refuse_strangers(calls, LENGTH(calls), KIND_LOCK, gone);
}
END_TEST

START_TEST(lock_destroyed_gives_its_memory_back)
{
    static mp_lock *locks[2000];
    uint64_t use = heap_use();

    for (size_t i = 0; i < LENGTH(locks); i++) {
        locks[i] = lock_with(MP_LOCK_ATTR(.name = "one of many"));
        ck_assert_int_eq(mp_lock_acquire(locks[i], MP_NOW), 0);
    }
    for (size_t i = 0; i < LENGTH(locks); i++) {
        ck_assert_int_eq(mp_lock_acquire(locks[i], MP_NOW), -EAGAIN);
        ck_assert_int_eq(mp_lock_release(locks[i]), 0);
        must(mp_lock_destroy(locks[i]));
    }
    ck_assert_uint_eq(heap_use(), use);
}
END_TEST

/* ---- Without anybody else ---- */

START_TEST(lock_held_by_the_caller_is_held)
{
    mp_lock *lock = lock_with(NULL);
    mp_time until;

    ck_assert_int_eq(mp_lock_acquire(lock, MP_FOREVER), 0);
    ck_assert_int_eq(mp_lock_owner(lock), getpid());
    ck_assert_int_eq(mp_lock_acquire(lock, MP_NOW), -EAGAIN);
    ck_assert_int_eq(mp_lock_acquire(lock, 1), -ETIMEDOUT);
    ck_assert_int_eq(mp_lock_acquire(lock, -1), -ETIMEDOUT);
    until = mp_timeout(0.05);
    ck_assert_int_eq(mp_lock_acquire(lock, until), -ETIMEDOUT);
    ck_assert_int_ge(mp__now(), until);
    ck_assert_int_eq(mp_lock_is_robust(lock), 1);
    must_fail(mp_lock_destroy(lock), -EBUSY, "mp_lock_destroy");
    must(mp_lock_release(lock));
    ck_assert_int_eq(mp_lock_owner(lock), 0);
    must(mp_lock_destroy(lock));
}
END_TEST

/* A lock that is free is had, whatever the deadline. */
START_TEST(lock_that_is_free_needs_no_time)
{
    const mp_time deadlines[] = {MP_NOW, 1, -5, INT64_MIN, MP_FOREVER};
    mp_lock *lock = lock_with(NULL);

    for (size_t i = 0; i < LENGTH(deadlines); i++) {
        ck_assert_int_eq(mp_lock_acquire(lock, deadlines[i]), 0);
        must(mp_lock_release(lock));
    }
    must(mp_lock_destroy(lock));
}
END_TEST

START_TEST(lock_that_is_free_is_not_released)
{
    mp_lock *lock = lock_with(NULL);

    must_fail(mp_lock_release(lock), -EOVERFLOW, "mp_lock_release");
    ck_assert_int_eq(mp_lock_locked(lock), 0);
    ck_assert_int_eq(mp_lock_is_robust(lock), 1); /* nothing is changed */
    ck_assert_int_eq(mp_lock_acquire(lock, MP_NOW), 0);
    must(mp_lock_release(lock));
    must_fail(mp_lock_release(lock), -EOVERFLOW, "mp_lock_release");
    must(mp_lock_destroy(lock));
}
END_TEST

static int
use_quietly(void *arg)
{
    struct stage *stage = arg;

    return mp_lock_acquire(stage->lock, MP_FOREVER) != 0 ||
           mp_lock_locked(stage->lock) != 1 ||
           mp_lock_is_robust(stage->lock) != 1 ||
           mp_lock_owner(stage->lock) <= 0 ||
           mp_lock_waiters(stage->lock, NULL, 0) != 0 ||
           mp_lock_acquire(stage->lock, MP_NOW) != -EAGAIN ||
           mp_lock_acquire(stage->other, MP_NOW) != -EAGAIN ||
           mp_lock_release(stage->lock) != 0 ||
           mp_lock_release(stage->lock) != -EOVERFLOW;
}

/* So MP_NOW does not sleep either. */
START_TEST(lock_without_contention_makes_no_system_call)
{
    struct stage *stage = lock_stage();

    stage->other = lock_with(NULL);
    ck_assert_int_eq(mp_lock_acquire(stage->other, MP_NOW), 0);
    needs_no_system_call(use_quietly, stage);
    must(mp_lock_release(stage->other));
    must(mp_lock_destroy(stage->other));
    end_stage(stage);
}
END_TEST

/* ---- Waiting ---- */

static int
acquire_and_release(void *arg, int unused)
{
    struct stage *stage = arg;
    int r = mp_lock_acquire(stage->lock, stage->deadline);

    (void)unused;
    mp__add(&stage->got, 1);
    ck_assert_int_eq(r, stage->expected);
    if (r == 0)
        must(mp_lock_release(stage->lock));
    return 0;
}

START_TEST(lock_released_is_had_by_all_who_wait)
{
    struct stage *stage = lock_stage();
    struct kin *kin;

    ck_assert_int_eq(mp_lock_acquire(stage->lock, MP_NOW), 0);
    kin = kin_start((enum kin_how)_i, MOST, acquire_and_release, stage);
    wait_until(mp_lock_waiters(stage->lock, NULL, 0) == MOST, 20);
    kin_await_sleep(kin);
    ck_assert_uint_eq(mp__load(&stage->got), 0);
    ck_assert_int_eq(mp_lock_acquire(stage->lock, MP_NOW), -EAGAIN);
    must(mp_lock_release(stage->lock));
    kin_end(kin);
    ck_assert_int_eq(mp_lock_locked(stage->lock), 0);
    end_stage(stage);
}
END_TEST

static int
keep_until_told(void *arg, int unused)
{
    struct stage *stage = arg;

    (void)unused;
    ck_assert_int_eq(mp_lock_acquire(stage->lock, MP_FOREVER), 0);
    mp__add(&stage->got, 1);
    ck_assert_int_eq(mp_lock_acquire(stage->other, MP_FOREVER), 0);
    must(mp_lock_release(stage->other));
    must(mp_lock_release(stage->lock));
    return 0;
}

START_TEST(lock_tells_its_owner_and_who_waits)
{
    struct stage *stage = lock_stage();
    pid_t pids[MOST] = {0};
    struct kin *kin;
    int seen = 0;

    stage->other = lock_with(NULL);
    ck_assert_int_eq(mp_lock_acquire(stage->other, MP_NOW), 0);
    kin = kin_start((enum kin_how)_i, 4, keep_until_told, stage);
    wait_until(mp_lock_waiters(stage->lock, NULL, 0) == 3, 20);
    wait_until(mp_lock_waiters(stage->other, NULL, 0) == 1, 20);
    ck_assert_int_eq(mp_lock_waiters(stage->lock, pids, MOST), 3);
    ck_assert_int_eq(pids[3], 0);
    for (int i = 0; i < 4; i++) {
        int is_owner = kin->pids[i] == mp_lock_owner(stage->lock);
        int waits = kin->pids[i] == pids[0] || kin->pids[i] == pids[1] ||
                    kin->pids[i] == pids[2];

        ck_assert(is_owner || waits);
        ck_assert(_i == THREADS || is_owner != waits);
        seen += is_owner;
    }
    ck_assert_int_eq(seen, _i == THREADS ? 4 : 1);
    memset(pids, 0, sizeof(pids));
    ck_assert_int_eq(mp_lock_waiters(stage->lock, pids, 2), 3);
    ck_assert_int_eq(pids[2], 0);
    must_fail(mp_lock_waiters(stage->lock, NULL, 1), -EINVAL, "pids");
    must(mp_lock_release(stage->other));
    kin_end(kin);
    ck_assert_int_eq(mp_lock_owner(stage->lock), 0);
    ck_assert_int_eq(mp_lock_waiters(stage->lock, pids, MOST), 0);
    must(mp_lock_destroy(stage->other));
    end_stage(stage);
}
END_TEST

START_TEST(lock_in_use_is_not_destroyed)
{
    struct stage *stage = lock_stage();
    struct kin *kin;

    stage->other = lock_with(NULL);
    ck_assert_int_eq(mp_lock_acquire(stage->other, MP_NOW), 0);
    kin = kin_start((enum kin_how)_i, 2, keep_until_told, stage);
    wait_until(mp_lock_waiters(stage->lock, NULL, 0) == 1, 20);
    must_fail(mp_lock_destroy(stage->lock), -EBUSY, "mp_lock_destroy");
    must_fail(mp_lock_destroy(stage->other), -EBUSY, "mp_lock_destroy");
    must(mp_lock_release(stage->other));
    kin_end(kin);
    must(mp_lock_destroy(stage->other));
    end_stage(stage);
}
END_TEST

START_TEST(G35_lock_sleepers_leave_at_their_deadline)
{
    struct stage *stage = lock_stage();

    ck_assert_int_eq(mp_lock_acquire(stage->lock, MP_NOW), 0);
    stage->deadline = mp_timeout(0.1);
    stage->expected = -ETIMEDOUT;
    kin_run((enum kin_how)_i, 4, acquire_and_release, stage);
    ck_assert_int_ge(mp__now(), stage->deadline);
    must(mp_lock_release(stage->lock));
    ck_assert_int_eq(mp_lock_locked(stage->lock), 0);
    end_stage(stage);
}
END_TEST

/* Who gives up waiting leaves the lock to those who do not. */
static int
wait_briefly_or_long(void *arg, int i)
{
    struct stage *stage = arg;

    if (i % 2 == 0) {
        ck_assert_int_eq(mp_lock_acquire(stage->lock, stage->deadline),
                         -ETIMEDOUT);
        return 0;
    }
    ck_assert_int_eq(mp_lock_acquire(stage->lock, MP_FOREVER), 0);
    must(mp_lock_release(stage->lock));
    return 0;
}

START_TEST(lock_sleepers_gone_leave_the_others_in_place)
{
    struct stage *stage = lock_stage();
    struct kin *kin;

    ck_assert_int_eq(mp_lock_acquire(stage->lock, MP_NOW), 0);
    stage->deadline = mp_timeout(0.1);
    kin = kin_start((enum kin_how)_i, 6, wait_briefly_or_long, stage);
    for (int i = 0; i < 6; i += 2)
        kin_end_of(kin, i);
    wait_until(mp_lock_waiters(stage->lock, NULL, 0) == 3, 20);
    must(mp_lock_release(stage->lock));
    kin_end(kin);
    end_stage(stage);
}
END_TEST

START_TEST(lock_sleepers_are_interrupted)
{
    struct stage *stage = lock_stage();
    struct kin *kin;

    catch_signals();
    ck_assert_int_eq(mp_lock_acquire(stage->lock, MP_NOW), 0);
    stage->expected = -EINTR;
    kin = kin_start((enum kin_how)_i, 3, acquire_and_release, stage);
    wait_until(mp_lock_waiters(stage->lock, NULL, 0) == 3, 20);
    for (int i = 3; i-- > 0;) {
        kin_interrupt(kin, i, SIGUSR1);
        ck_assert_uint_eq(mp__load(&stage->got), (uint32_t)(3 - i));
    }
    kin_end(kin);
    ck_assert_int_eq(mp_lock_owner(stage->lock), getpid());
    must(mp_lock_release(stage->lock));
    end_stage(stage);
}
END_TEST

static int
count_alone(void *arg, int unused)
{
    struct stage *stage = arg;

    (void)unused;
    for (int n = 0; n < stage->rounds; n++) {
        must(mp_lock_acquire(stage->lock, MP_FOREVER));
        ck_assert_uint_eq(mp__add(&stage->inside, 1), 0);
        stage->count++;
        ck_assert_uint_eq(mp__sub(&stage->inside, 1), 1);
        must(mp_lock_release(stage->lock));
    }
    return 0;
}

START_TEST(lock_is_held_by_one_at_a_time)
{
    struct stage *stage = lock_stage();

    stage->rounds = mp_test_scale() > 1 ? 500 : 8000;
    kin_run((enum kin_how)_i, 5, count_alone, stage);
    ck_assert_uint_eq(stage->count, 5 * (uint64_t)stage->rounds);
    end_stage(stage);
}
END_TEST

/* Two who take turns: each holds a lock that the other waits for. */
static int
take_turns(void *arg, int i)
{
    struct stage *stage = arg;
    mp_lock *mine = i ? stage->other : stage->lock;
    mp_lock *next = i ? stage->lock : stage->other;

    for (int n = 0; n < stage->rounds; n++) {
        must(mp_lock_acquire(mine, MP_FOREVER));
        must(mp_lock_release(next));
    }
    return 0;
}

START_TEST(lock_rally_loses_no_wake_up)
{
    struct stage *stage = lock_stage();

    stage->rounds = mp_test_scale() > 1 ? 500 : 4000;
    stage->other = lock_with(MP_LOCK_ATTR(.flags = MP_LOCK_HANDOVER));
    ck_assert_int_eq(mp_lock_acquire(stage->other, MP_NOW), 0);
    kin_run((enum kin_how)_i, 2, take_turns, stage);
    must(mp_lock_release(stage->other));
    must(mp_lock_destroy(stage->other));
    end_stage(stage);
}
END_TEST

/* ---- Handing over ---- */

static int
release_it(void *arg, int unused)
{
    struct stage *stage = arg;

    (void)unused;
    must(mp_lock_release(stage->lock));
    return 0;
}

static int
acquire_it(void *arg, int unused)
{
    struct stage *stage = arg;

    (void)unused;
    ck_assert_int_eq(mp_lock_acquire(stage->lock, stage->deadline), 0);
    return 0;
}

START_TEST(lock_released_by_another_is_a_token)
{
    struct stage *stage = lock_stage();

    ck_assert_int_eq(mp_lock_acquire(stage->lock, MP_NOW), 0);
    must(mp_lock_release(stage->lock));
    ck_assert_int_eq(mp_lock_is_robust(stage->lock), 1);
    ck_assert_int_eq(mp_lock_acquire(stage->lock, MP_NOW), 0);
    kin_run((enum kin_how)_i, 1, release_it, stage);
    ck_assert_int_eq(mp_lock_is_robust(stage->lock), 0);
    kin_run((enum kin_how)_i, 1, acquire_it, stage);
    ck_assert_int_eq(mp_lock_locked(stage->lock), 1);
    ck_assert_int_eq(mp_lock_owner(stage->lock), -EOWNERDEAD);
    ck_assert_int_eq(mp_lock_acquire(stage->lock, MP_NOW), -EAGAIN);
    ck_assert_int_eq(mp_lock_acquire(stage->lock, mp_timeout(0.05)),
                     -ETIMEDOUT);
    must(mp_lock_release(stage->lock));
    ck_assert_int_eq(mp_lock_is_robust(stage->lock), 0); /* for good */
    end_stage(stage);
}
END_TEST

START_TEST(lock_made_for_handover_knows_no_owner)
{
    struct stage *stage = lock_stage();
    struct kin *kin;

    must(mp_lock_destroy(stage->lock));
    stage->lock = lock_with(MP_LOCK_ATTR(.flags = MP_LOCK_HANDOVER));
    ck_assert_int_eq(mp_lock_is_robust(stage->lock), 0);
    kin_run((enum kin_how)_i, 1, acquire_it, stage);
    kin = kin_start((enum kin_how)_i, 3, acquire_and_release, stage);
    wait_until(mp_lock_waiters(stage->lock, NULL, 0) == 3, 20);
    kin_await_sleep(kin);
    ck_assert_uint_eq(mp__load(&stage->got), 0);
    ck_assert_int_eq(mp_lock_acquire(stage->lock, MP_NOW), -EAGAIN);
    must(mp_lock_release(stage->lock));
    kin_end(kin);
    end_stage(stage);
}
END_TEST

static void
add_waiting(Suite *suite, const char *name, void (*believe)(void))
{
    TCase *tcase = mp_test_case(suite, name, 60);

    tcase_add_checked_fixture(tcase, believe, NULL);
    tcase_add_loop_test(tcase, lock_released_is_had_by_all_who_wait, 0, 2);
    tcase_add_loop_test(tcase, lock_tells_its_owner_and_who_waits, 0, 2);
    tcase_add_loop_test(tcase, lock_in_use_is_not_destroyed, 0, 2);
    tcase_add_loop_test(tcase, G35_lock_sleepers_leave_at_their_deadline, 0,
                        2);
    tcase_add_loop_test(tcase, lock_sleepers_gone_leave_the_others_in_place, 0,
                        2);
    tcase_add_loop_test(tcase, lock_sleepers_are_interrupted, 0, 2);
    tcase_add_loop_test(tcase, lock_is_held_by_one_at_a_time, 0, 2);
    tcase_add_loop_test(tcase, lock_released_by_another_is_a_token, 0, 2);
    tcase_add_loop_test(tcase, lock_made_for_handover_knows_no_owner, 0, 2);
}

int
main(void)
{
    Suite *suite = suite_create("lock");
    TCase *tcase = mp_test_case(suite, "alone", 30);

    tcase_add_test(tcase, lock_attributes_are_checked);
    tcase_add_test(tcase, lock_is_made_free_and_robust);
    tcase_add_test(tcase, lock_handles_are_checked);
    tcase_add_test(tcase, lock_destroyed_gives_its_memory_back);
    tcase_add_test(tcase, lock_held_by_the_caller_is_held);
    tcase_add_test(tcase, lock_that_is_free_needs_no_time);
    tcase_add_test(tcase, lock_that_is_free_is_not_released);
    tcase_add_test(tcase, lock_without_contention_makes_no_system_call);
    add_waiting(suite, "full", NULL);
    add_waiting(suite, "sliced", believe_in_sliced);
    add_waiting(suite, "no-waitv", believe_in_no_waitv);
    tcase = mp_test_case(suite, "wake-ups", 60);
    tcase_add_checked_fixture(tcase, rely_on_wake_ups, NULL);
    tcase_add_loop_test(tcase, lock_rally_loses_no_wake_up, 0, 2);
    tcase_add_loop_test(tcase, lock_released_is_had_by_all_who_wait, 0, 2);
    tcase_add_loop_test(tcase, lock_sleepers_gone_leave_the_others_in_place, 0,
                        2);
    tcase_add_loop_test(tcase, lock_is_held_by_one_at_a_time, 0, 2);
    return mp_test_main(suite);
}
