/* SPDX-License-Identifier: MIT */
/* RLock: attributes, handles, how often it is held, and by whom. Deaths are in
 * test-death.c, what Python says of it in conformance-rlock.c. */
#include "os/clock.h"
#include "sync/kit.h"
#include "sync/rlock.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

struct stage {
    mp_rlock *lock, *other;
    mp_time deadline;
    int expected; /* result of everybody's acquire */
    int rounds;
    mp__a32 got, inside;
    uint64_t count;
};

static mp_rlock *
rlock_with(const mp_lock_attr *attr)
{
    mp_rlock *lock;

    must(mp_rlock_create(&lock, attr));
    return lock;
}

static struct stage *
rlock_stage(void)
{
    struct stage *stage = mp_new(struct stage);

    ck_assert_ptr_nonnull(stage);
    stage->lock = rlock_with(NULL);
    stage->deadline = MP_FOREVER;
    return stage;
}

static void
end_stage(struct stage *stage)
{
    must(mp_rlock_destroy(stage->lock));
    must(mp_free(stage));
}

/* ---- Making ---- */

static int
create(const void *attr)
{
    mp_rlock *untouched = (mp_rlock *)&errno, *lock = untouched;
    int r = mp_rlock_create(&lock, attr);

    if (r < 0)
        ck_assert_ptr_eq(lock, untouched);
    else
        must(mp_rlock_destroy(lock));
    return r;
}

START_TEST(rlock_attributes_are_checked)
{
    attributes_are_checked(create, sizeof(mp_lock_attr), 0);
    must_fail(mp_rlock_create(NULL, NULL), -EINVAL, "ret_lock");
    must_fail(create(MP_LOCK_ATTR(.flags = MP_LOCK_HANDOVER)), -EINVAL,
              "mp_rlock_create");
}
END_TEST

static int
acquire_now(void *lock)
{
    return mp_rlock_acquire(lock, MP_NOW);
}

static int
release(void *lock)
{
    return mp_rlock_release(lock);
}

static int
locked(void *lock)
{
    return mp_rlock_locked(lock);
}

static int
owner(void *lock)
{
    return mp_rlock_owner(lock);
}

static int
waiters(void *lock)
{
    return mp_rlock_waiters(lock, NULL, 0);
}

static int
destroy(void *lock)
{
    return mp_rlock_destroy(lock);
}

START_TEST(rlock_handles_are_checked)
{
    const struct handle_call calls[] = {
        {"mp_rlock_acquire", acquire_now}, {"mp_rlock_release", release},
        {"mp_rlock_locked", locked},       {"mp_rlock_owner", owner},
        {"mp_rlock_waiters", waiters},     {"mp_rlock_destroy", destroy},
    };
    mp_rlock *gone = rlock_with(NULL);

    must(mp_rlock_destroy(gone));
    calls_refuse_strangers(calls, LENGTH(calls), KIND_RLOCK, gone);
}
END_TEST

START_TEST(rlock_destroyed_gives_its_memory_back)
{
    static mp_rlock *locks[1000];
    uint64_t use = heap_use();

    for (size_t i = 0; i < LENGTH(locks); i++)
        locks[i] = rlock_with(MP_LOCK_ATTR(.name = "one of many"));
    for (size_t i = 0; i < LENGTH(locks); i++)
        must(mp_rlock_destroy(locks[i]));
    ck_assert_uint_eq(heap_use(), use);
}
END_TEST

/* ---- Alone ---- */

START_TEST(rlock_is_free_when_released_as_often)
{
    mp_rlock *lock = rlock_with(NULL);

    for (int depth = 1; depth <= 10000; depth++)
        ck_assert_int_eq(
            mp_rlock_acquire(lock, depth % 2 ? MP_NOW : MP_FOREVER), 0);
    ck_assert_int_eq(mp_rlock_owner(lock), getpid());
    must_fail(mp_rlock_destroy(lock), -EBUSY, "mp_rlock_destroy");
    for (int depth = 10000; depth > 0; depth--) {
        ck_assert_int_eq(mp_rlock_locked(lock), 1);
        must(mp_rlock_release(lock));
    }
    ck_assert_int_eq(mp_rlock_locked(lock), 0);
    ck_assert_int_eq(mp_rlock_owner(lock), 0);
    must_fail(mp_rlock_release(lock), -EPERM, "mp_rlock_release");
    must(mp_rlock_destroy(lock));
}
END_TEST

START_TEST(rlock_counts_to_its_limit)
{
    mp_rlock *lock = rlock_with(NULL);

    ck_assert_int_eq(mp_rlock_acquire(lock, MP_NOW), 0);
    lock->again = UINT32_MAX - 2; /* it would take a minute */
    ck_assert_int_eq(mp_rlock_acquire(lock, MP_NOW), 0);
    must_fail(mp_rlock_acquire(lock, MP_NOW), -EOVERFLOW, "mp_rlock_acquire");
    must_fail(mp_rlock_acquire(lock, MP_FOREVER), -EOVERFLOW, "4294967295");
    must(mp_rlock_release(lock));
    ck_assert_int_eq(mp_rlock_acquire(lock, MP_NOW), 0);
    lock->again = 0;
    must(mp_rlock_release(lock));
    ck_assert_int_eq(mp_rlock_locked(lock), 0);
    must(mp_rlock_destroy(lock));
}
END_TEST

static int
use_quietly(void *arg)
{
    struct stage *stage = arg;

    return mp_rlock_acquire(stage->lock, MP_FOREVER) != 0 ||
           mp_rlock_acquire(stage->lock, MP_FOREVER) != 0 ||
           mp_rlock_acquire(stage->other, MP_NOW) != -EAGAIN ||
           mp_rlock_locked(stage->lock) != 1 ||
           mp_rlock_owner(stage->lock) <= 0 ||
           mp_rlock_waiters(stage->lock, NULL, 0) != 0 ||
           mp_rlock_release(stage->lock) != 0 ||
           mp_rlock_release(stage->lock) != 0 ||
           mp_rlock_release(stage->lock) != -EPERM;
}

START_TEST(rlock_without_contention_makes_no_system_call)
{
    struct stage *stage = rlock_stage();

    stage->other = rlock_with(NULL);
    ck_assert_int_eq(mp_rlock_acquire(stage->other, MP_NOW), 0);
    needs_no_system_call(use_quietly, stage);
    must(mp_rlock_release(stage->other));
    must(mp_rlock_destroy(stage->other));
    end_stage(stage);
}
END_TEST

/* ---- With others ---- */

static int
try_in_vain(void *arg, int unused)
{
    struct stage *stage = arg;

    (void)unused;
    ck_assert_int_eq(mp_rlock_acquire(stage->lock, MP_NOW), -EAGAIN);
    ck_assert_int_eq(mp_rlock_acquire(stage->lock, 1), -ETIMEDOUT);
    must_fail(mp_rlock_release(stage->lock), -EPERM, "does not hold");
    must_fail(mp_rlock_destroy(stage->lock), -EBUSY, "mp_rlock_destroy");
    return 0;
}

/* Also the child that fork makes of the very thread that holds it. */
START_TEST(rlock_belongs_to_one_thread)
{
    struct stage *stage = rlock_stage();

    ck_assert_int_eq(mp_rlock_acquire(stage->lock, MP_NOW), 0);
    kin_run((enum kin_how)_i, 2, try_in_vain, stage);
    ck_assert_int_eq(mp_rlock_acquire(stage->lock, MP_NOW), 0);
    must(mp_rlock_release(stage->lock));
    kin_run((enum kin_how)_i, 1, try_in_vain, stage);
    must(mp_rlock_release(stage->lock));
    end_stage(stage);
}
END_TEST

static int
acquire_twice(void *arg, int unused)
{
    struct stage *stage = arg;
    int r = mp_rlock_acquire(stage->lock, stage->deadline);

    (void)unused;
    mp__add(&stage->got, 1);
    ck_assert_int_eq(r, stage->expected);
    if (r < 0)
        return 0;
    must(mp_rlock_acquire(stage->lock, MP_NOW));
    must(mp_rlock_release(stage->lock));
    must(mp_rlock_release(stage->lock));
    return 0;
}

START_TEST(rlock_released_is_had_by_all_who_wait)
{
    struct stage *stage = rlock_stage();
    pid_t pids[8] = {0};
    struct kin *kin;

    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(mp_rlock_acquire(stage->lock, MP_NOW), 0);
    kin = kin_start((enum kin_how)_i, 5, acquire_twice, stage);
    wait_until(mp_rlock_waiters(stage->lock, pids, 8) == 5, 20);
    kin_await_sleep(kin);
    for (int i = 0; i < 5; i++)
        ck_assert_int_ne(pids[i], 0);
    ck_assert_int_eq(pids[5], 0);
    must_fail(mp_rlock_waiters(stage->lock, NULL, 1), -EINVAL, "pids");
    must(mp_rlock_release(stage->lock));
    kin_await_sleep(kin);
    ck_assert_uint_eq(mp__load(&stage->got), 0);
    must(mp_rlock_release(stage->lock));
    kin_end(kin);
    ck_assert_uint_eq(mp__load(&stage->got), 5);
    end_stage(stage);
}
END_TEST

START_TEST(G35_rlock_sleepers_leave_at_their_deadline)
{
    struct stage *stage = rlock_stage();

    ck_assert_int_eq(mp_rlock_acquire(stage->lock, MP_NOW), 0);
    stage->deadline = mp_timeout(0.1);
    stage->expected = -ETIMEDOUT;
    kin_run((enum kin_how)_i, 4, acquire_twice, stage);
    ck_assert_int_ge(mp__now(), stage->deadline);
    must(mp_rlock_release(stage->lock));
    ck_assert_int_eq(mp_rlock_locked(stage->lock), 0);
    end_stage(stage);
}
END_TEST

START_TEST(rlock_sleepers_are_interrupted)
{
    struct stage *stage = rlock_stage();
    struct kin *kin;

    catch_signals();
    ck_assert_int_eq(mp_rlock_acquire(stage->lock, MP_NOW), 0);
    stage->expected = -EINTR;
    kin = kin_start((enum kin_how)_i, 2, acquire_twice, stage);
    wait_until(mp_rlock_waiters(stage->lock, NULL, 0) == 2, 20);
    for (int i = 0; i < 2; i++)
        kin_interrupt(kin, i, SIGUSR1);
    kin_end(kin);
    must(mp_rlock_release(stage->lock));
    end_stage(stage);
}
END_TEST

static int
count_alone(void *arg, int unused)
{
    struct stage *stage = arg;

    (void)unused;
    for (int n = 0; n < stage->rounds; n++) {
        int depth = 1 + n % 3;

        for (int i = 0; i < depth; i++)
            must(mp_rlock_acquire(stage->lock, MP_FOREVER));
        ck_assert_uint_eq(mp__add(&stage->inside, 1), 0);
        stage->count++;
        ck_assert_uint_eq(mp__sub(&stage->inside, 1), 1);
        for (int i = 0; i < depth; i++)
            must(mp_rlock_release(stage->lock));
    }
    return 0;
}

START_TEST(rlock_is_held_by_one_at_a_time)
{
    struct stage *stage = rlock_stage();

    stage->rounds = mp_test_scale() > 1 ? 500 : 4000;
    kin_run((enum kin_how)_i, 5, count_alone, stage);
    ck_assert_uint_eq(stage->count, 5 * (uint64_t)stage->rounds);
    end_stage(stage);
}
END_TEST

static void
add_waiting(Suite *suite, const char *name, void (*believe)(void))
{
    TCase *tcase = mp_test_case(suite, name, 60);

    tcase_add_checked_fixture(tcase, believe, NULL);
    tcase_add_loop_test(tcase, rlock_belongs_to_one_thread, 0, 2);
    tcase_add_loop_test(tcase, rlock_released_is_had_by_all_who_wait, 0, 2);
    tcase_add_loop_test(tcase, G35_rlock_sleepers_leave_at_their_deadline, 0,
                        2);
    tcase_add_loop_test(tcase, rlock_sleepers_are_interrupted, 0, 2);
    tcase_add_loop_test(tcase, rlock_is_held_by_one_at_a_time, 0, 2);
}

int
main(void)
{
    Suite *suite = suite_create("rlock");
    TCase *tcase = mp_test_case(suite, "alone", 30);

    tcase_add_test(tcase, rlock_attributes_are_checked);
    tcase_add_test(tcase, rlock_handles_are_checked);
    tcase_add_test(tcase, rlock_destroyed_gives_its_memory_back);
    tcase_add_test(tcase, rlock_is_free_when_released_as_often);
    tcase_add_test(tcase, rlock_counts_to_its_limit);
    tcase_add_test(tcase, rlock_without_contention_makes_no_system_call);
    add_waiting(suite, "full", NULL);
    add_waiting(suite, "sliced", believe_in_sliced);
    add_waiting(suite, "no-waitv", believe_in_no_waitv);
    return mp_test_main(suite);
}
