/* SPDX-License-Identifier: MIT */
/* Those who wait for a lock, a permit or an event die, asleep or just woken;
 * and those who work with them, at any moment. The others go on. (Those who
 * hold something die in test-death.c.) */
#include "bell/waiters.h"
#include "sync/kit.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#define BOUND   10 /* seconds; a wake-up lost costs less on slow kernels */
#define PERMITS 5

struct stage {
    mp_lock *lock;
    mp_semaphore *semaphore; /* tracked, of PERMITS */
    mp_event *event;
    mp__a32 got;  /* who has what he waited for */
    mp__a32 dead; /* of these, from the dead */
    mp__a32 stop;
    uint64_t left, right; /* what the lock guards: equal */
};

static struct stage *
death_stage(void)
{
    struct stage *stage = mp_new(struct stage);

    ck_assert_ptr_nonnull(stage);
    must(mp_lock_create(&stage->lock, NULL));
    must(mp_semaphore_create(&stage->semaphore, PERMITS,
                             MP_SEMAPHORE_ATTR(.tracked = 1)));
    must(mp_event_create(&stage->event, NULL));
    return stage;
}

static void
end_stage(struct stage *stage)
{
    must(mp_lock_destroy(stage->lock));
    must(mp_semaphore_destroy(stage->semaphore));
    must(mp_event_destroy(stage->event));
    must(mp_free(stage));
}

static unsigned
sleepers(const void *object)
{
    return mp__waiters_of(object, 64, NULL, 0);
}

/* ---- Asleep, or just woken ---- */

static int
sleep_for_lock(void *arg, int unused)
{
    struct stage *stage = arg;
    int r = mp_lock_acquire(stage->lock, MP_FOREVER);

    (void)unused;
    ck_assert(r == 0 || r == -EOWNERDEAD);
    mp__add(&stage->dead, r == -EOWNERDEAD);
    must(mp_lock_release(stage->lock));
    mp__add(&stage->got, 1);
    return 0;
}

START_TEST(G04_lock_waiters_killed_harm_nobody)
{
    for (unsigned killed = 1; killed < 16; killed++) {
        struct stage *stage = death_stage();
        struct kin *kin;

        must(mp_lock_acquire(stage->lock, MP_NOW));
        kin = kin_start(PROCESSES, 4, sleep_for_lock, stage);
        wait_until(mp_lock_waiters(stage->lock, NULL, 0) == 4, 20);
        kin_await_sleep(kin);
        for (int i = 0; i < 4; i++)
            if (killed & 1u << i)
                kin_kill(kin, i);
        ck_assert_int_eq(mp_lock_waiters(stage->lock, NULL, 0),
                         4 - __builtin_popcount(killed));
        must(mp_lock_release(stage->lock));
        wait_until(mp__load(&stage->got) + __builtin_popcount(killed) == 4,
                   BOUND);
        ck_assert_uint_eq(mp__load(&stage->dead), 0);
        kin_end(kin);
        end_stage(stage);
    }
}
END_TEST

/* The one that is woken, maybe, before it can do anything. */
START_TEST(G04_lock_waiter_killed_when_it_is_woken)
{
    int rounds = mp_test_scale() > 1 ? 5 : 60;

    for (int round = 0; round < rounds; round++) {
        struct stage *stage = death_stage();
        struct kin *kin;

        must(mp_lock_acquire(stage->lock, MP_NOW));
        kin = kin_start(PROCESSES, 3, sleep_for_lock, stage);
        wait_until(mp_lock_waiters(stage->lock, NULL, 0) == 3, 20);
        kin_await_sleep(kin);
        must(mp_lock_release(stage->lock));
        kill(kin->pids[round % 3], SIGKILL);
        reap(kin->pids[round % 3]); /* it may have been through */
        kin->pids[round % 3] = 0;
        wait_until(mp__load(&stage->got) >= 2, BOUND);
        kin_end(kin);
        end_stage(stage);
    }
}
END_TEST

static int
sleep_for_permit(void *arg, int unused)
{
    struct stage *stage = arg;

    (void)unused;
    must(mp_semaphore_acquire(stage->semaphore, MP_FOREVER));
    mp__add(&stage->got, 1);
    wait_until(mp__load(&stage->stop), 60);
    must(mp_semaphore_release(stage->semaphore));
    return 0;
}

START_TEST(G04_semaphore_waiters_killed_take_nothing)
{
    struct stage *stage = death_stage();
    struct kin *kin;

    for (int i = 0; i < PERMITS; i++)
        must(mp_semaphore_acquire(stage->semaphore, MP_NOW));
    kin = kin_start(PROCESSES, 4, sleep_for_permit, stage);
    wait_until(sleepers(stage->semaphore) == 4, 20);
    kin_await_sleep(kin);
    kin_kill(kin, _i);
    kin_kill(kin, (_i + 1) % 4);
    for (int i = 0; i < PERMITS; i++)
        must(mp_semaphore_release(stage->semaphore));
    wait_until(mp__load(&stage->got) == 2, BOUND);
    ck_assert_int_eq(mp_semaphore_value(stage->semaphore), PERMITS - 2);
    mp__store(&stage->stop, 1);
    kin_end(kin);
    ck_assert_int_eq(mp_semaphore_value(stage->semaphore), PERMITS);
    end_stage(stage);
}
END_TEST

/* ---- Permits without an owner ---- */

static int
take_permit_and_die(void *arg)
{
    struct stage *stage = arg;

    must(mp_semaphore_acquire(stage->semaphore, MP_NOW));
    return raise(SIGKILL);
}

/* Without .tracked they are gone, as in Python. */
START_TEST(semaphore_permits_of_the_dead_are_gone)
{
    struct stage *stage = death_stage();

    must(mp_semaphore_destroy(stage->semaphore));
    must(mp_semaphore_create(&stage->semaphore, 2, NULL));
    expect_killed(child(take_permit_and_die, stage), SIGKILL);
    ck_assert_int_eq(mp_semaphore_value(stage->semaphore), 1);
    expect_killed(child(take_permit_and_die, stage), SIGKILL);
    ck_assert_int_eq(mp_semaphore_acquire(stage->semaphore, MP_NOW), -EAGAIN);
    must(mp_semaphore_release(stage->semaphore));
    ck_assert_int_eq(mp_semaphore_value(stage->semaphore), 1);
    end_stage(stage);
}
END_TEST

/* ---- Events ---- */

static int
sleep_for_event(void *arg, int unused)
{
    struct stage *stage = arg;

    (void)unused;
    must(mp_event_wait(stage->event, MP_FOREVER));
    mp__add(&stage->got, 1);
    return 0;
}

static int
set_and_die(void *arg)
{
    struct stage *stage = arg;

    must(mp_event_set(stage->event));
    return raise(SIGKILL);
}

START_TEST(G04_event_waiters_killed_harm_nobody)
{
    for (int round = 0; round < 10; round++) {
        struct stage *stage = death_stage();
        struct kin *kin = kin_start(PROCESSES, 5, sleep_for_event, stage);

        wait_until(sleepers(stage->event) == 5, 20);
        kin_await_sleep(kin);
        kin_kill(kin, round % 5);
        kin_kill(kin, (round + 2) % 5);
        expect_killed(child(set_and_die, stage), SIGKILL);
        wait_until(mp__load(&stage->got) == 3, BOUND);
        kin_end(kin);
        end_stage(stage);
    }
}
END_TEST

/* ---- A storm ---- */

/* Takes the lock, changes what it guards in two steps, and a permit too. The
 * next one puts right what is half done, and only then. */
static int
work(void *arg)
{
    struct stage *stage = arg;

    while (!mp__load(&stage->stop)) {
        int r = mp_lock_acquire(stage->lock, MP_FOREVER);

        if (r == -EOWNERDEAD)
            stage->right = stage->left;
        else if (r != 0 || stage->left != stage->right)
            return 1;
        stage->left++;
        if (stage->left % 64 == 0)
            must(mp_semaphore_acquire(stage->semaphore, MP_FOREVER));
        stage->right++;
        must(mp_lock_release(stage->lock));
        if (stage->left % 3 == 0 &&
            mp_semaphore_release(stage->semaphore) == -EINVAL)
            return 2;
    }
    while (mp_semaphore_release(stage->semaphore) == 0)
        ;
    return 0;
}

START_TEST(G02_workers_killed_at_random)
{
    struct stage *stage = death_stage();
    int kills = mp_test_scale() > 1 ? 20 : 100;
    pid_t pids[6];
    uint64_t seen;

    srand(4711);
    for (size_t i = 0; i < LENGTH(pids); i++)
        pids[i] = child(work, stage);
    for (int n = 0; n < kills; n++) {
        size_t i = (size_t)rand() % LENGTH(pids);
        useconds_t pause = (useconds_t)rand() % 2000;

        usleep(pause);
        ck_assert_int_eq(kill(pids[i], SIGKILL), 0);
        expect_killed(pids[i], SIGKILL);
        pids[i] = child(work, stage);
        if (n % 10 == 0) { /* they get on with it */
            seen = *(volatile uint64_t *)&stage->left;
            wait_until(*(volatile uint64_t *)&stage->left > seen, BOUND);
        }
    }
    mp__store(&stage->stop, 1);
    for (size_t i = 0; i < LENGTH(pids); i++)
        expect_exit(pids[i], 0);
    ck_assert_int_eq(mp_semaphore_value(stage->semaphore), PERMITS);
    ck_assert_int_le(mp_lock_acquire(stage->lock, MP_NOW), 0);
    must(mp_lock_release(stage->lock));
    end_stage(stage);
}
END_TEST

static void
add_tests(Suite *suite, const char *name, void (*believe)(void))
{
    TCase *tcase = mp_test_case(suite, name, 60);

    tcase_add_checked_fixture(tcase, believe, NULL);
    tcase_add_test(tcase, G04_lock_waiters_killed_harm_nobody);
    tcase_add_test(tcase, G04_lock_waiter_killed_when_it_is_woken);
    tcase_add_loop_test(tcase, G04_semaphore_waiters_killed_take_nothing, 0,
                        4);
    tcase_add_test(tcase, semaphore_permits_of_the_dead_are_gone);
    tcase_add_test(tcase, G04_event_waiters_killed_harm_nobody);
    tcase_add_test(tcase, G02_workers_killed_at_random);
}

int
main(void)
{
    Suite *suite = suite_create("waiter-death");
    TCase *tcase;

    add_tests(suite, "full", NULL);
    add_tests(suite, "sliced", believe_in_sliced);
    add_tests(suite, "no-waitv", believe_in_no_waitv);
    tcase = mp_test_case(suite, "wake-ups", 60);
    tcase_add_checked_fixture(tcase, rely_on_wake_ups, NULL);
    tcase_add_test(tcase, G04_lock_waiters_killed_harm_nobody);
    tcase_add_test(tcase, G04_event_waiters_killed_harm_nobody);
    return mp_test_main(suite);
}
