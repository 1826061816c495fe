/* SPDX-License-Identifier: MIT */
/* Locks, semaphores and events, served: what guests hold, and what becomes of it
 * when they, or their host, are gone. */
#include "service/guest-kit.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#define PARK MP__CALL_PARK

struct pair {
    struct mp__guest a, b;
};

static struct pair
pair_new(void)
{
    return (struct pair){guest_new(), guest_new()};
}

static void
pair_end(struct pair *pair)
{
    guest_end(&pair->a);
    guest_end(&pair->b);
}

/* ---- Lock ---- */

START_TEST(lock_is_a_guests_until_it_releases_it)
{
    struct pair p = pair_new();
    struct ask a, b;
    mp_lock *lock;
    int pids[3];
    size_t n = 3;

    must(mp_lock_create(&lock, NULL));
    ck_assert_int_eq(ask(&a, &p.a, "lock_acquire", lock, MP_FOREVER, ""), 0);
    ck_assert_int_eq(ask(&b, &p.b, "lock_acquire", lock, MP_NOW, ""), -EAGAIN);
    ck_assert_int_eq(ask(&b, &p.b, "lock_acquire", lock, MP_FOREVER, ""),
                     PARK);
    ck_assert_int_eq(mp_lock_acquire(lock, MP_NOW), -EAGAIN);
    ck_assert_int_eq(ask_again(&b), PARK);
    ck_assert_int_eq(mp_lock_owner(lock), getpid());
    ck_assert_int_eq(mp_lock_waiters(lock, NULL, 0), 1);
    must_fail(mp_lock_destroy(lock), -EBUSY, "held");
    ck_assert_int_eq(ask_now(&p.a, "lock_release", lock), 0);
    must_fail(mp_lock_destroy(lock), -EBUSY, "1 thread waits");
    ck_assert_int_eq(ask_again(&b), 0);
    ck_assert_int_eq(mp_lock_waiters(lock, NULL, 0), 0);
    ck_assert_int_eq(ask_now(&p.a, "lock_locked", lock), 1);
    ck_assert_int_eq(ask_now(&p.a, "lock_owner", lock), getpid());
    ck_assert_int_eq(ask(&a, &p.a, "lock_acquire", lock, MP_FOREVER, ""),
                     PARK);
    ck_assert_int_eq(ask(&b, NULL, "lock_waiters", lock, MP_NOW, "z", n), 1);
    given(&b, "[*i]", pids, &n);
    ck_assert_uint_eq(n, 1);
    ck_assert_int_eq(pids[0], getpid());
    ask_cancel(&a);
    ck_assert_int_eq(mp_lock_waiters(lock, NULL, 0), 0);
    ck_assert_int_eq(ask_now(&p.b, "lock_release", lock), 0);
    ck_assert_int_eq(ask_now(&p.b, "lock_release", lock), -EOVERFLOW);
    ck_assert_int_eq(ask_now(NULL, "lock_is_robust", lock), 1);
    pair_end(&p);
    must(mp_lock_destroy(lock));
}
END_TEST

/* Who sleeps, who is parked, and who comes later. */
START_TEST(G02_lock_of_a_guest_that_ended)
{
    struct pair p = pair_new();
    struct ask a, b;
    mp_lock *lock;

    must(mp_lock_create(&lock, NULL));
    must(ask(&a, &p.a, "lock_acquire", lock, MP_FOREVER, ""));
    ck_assert_int_eq(ask(&b, &p.b, "lock_acquire", lock, MP_FOREVER, ""),
                     PARK);
    guest_end(&p.a);
    ck_assert_int_eq(mp_lock_owner(lock), -EOWNERDEAD);
    if (_i == 0)
        ck_assert_int_eq(ask_again(&b), -EOWNERDEAD);
    else
        ck_assert_int_eq(mp_lock_acquire(lock, MP_NOW), -EOWNERDEAD);
    if (_i == 0)
        ck_assert_int_eq(ask_now(&p.b, "lock_release", lock), 0);
    else
        must(mp_lock_release(lock));
    ck_assert_int_eq(mp_lock_acquire(lock, MP_NOW), 0);
    guest_end(&p.b);
    must(mp_lock_release(lock));
    must(mp_lock_destroy(lock));
}
END_TEST

static int
gets_it_from_the_dead(void *arg, int i)
{
    mp_lock *lock = arg;
    int r = mp_lock_acquire(lock, MP_FOREVER);

    (void)i;
    if (r == -EOWNERDEAD)
        r = mp_lock_release(lock);
    else if (r == 0)
        r = 1;
    return r;
}

START_TEST(G02_lock_of_a_guest_that_ended_wakes_who_sleeps)
{
    struct mp__guest guest = guest_new();
    struct kin *kin;
    struct ask a;
    mp_lock *lock;

    must(mp_lock_create(&lock, NULL));
    must(ask(&a, &guest, "lock_acquire", lock, MP_FOREVER, ""));
    kin = kin_start(PROCESSES, 1, gets_it_from_the_dead, lock);
    kin_await_sleep(kin);
    guest_end(&guest);
    kin_end(kin);
    must(mp_lock_destroy(lock));
}
END_TEST

/* Its answer has not arrived, and it has been abandoned. */
START_TEST(lock_that_was_given_in_vain_is_free)
{
    struct pair p = pair_new();
    struct ask a;
    mp_lock *lock;

    must(mp_lock_create(&lock, NULL));
    must(ask(&a, &p.a, "lock_acquire", lock, MP_FOREVER, ""));
    ask_cancel(&a);
    ck_assert_int_eq(mp_lock_locked(lock), 0);
    /* It is somebody else's meanwhile. */
    must(ask(&a, &p.a, "lock_acquire", lock, MP_FOREVER, ""));
    must(ask_now(&p.a, "lock_release", lock));
    must(mp_lock_acquire(lock, MP_NOW));
    ask_cancel(&a);
    ck_assert_int_eq(mp_lock_owner(lock), getpid());
    must(mp_lock_release(lock));
    must(mp_lock_destroy(lock));
    ask_cancel(&a); /* it is nobody's */
    pair_end(&p);
}
END_TEST

static int
gets_it_from_nobody_alive(void *arg, int i)
{
    mp_rlock *lock = arg;
    int r = mp_rlock_acquire(lock, MP_FOREVER);

    (void)i;
    return r == -EOWNERDEAD ? mp_rlock_release(lock) : 1;
}

/* What it would have been told, another is told. */
START_TEST(G02_lock_of_the_dead_given_in_vain_is_left_behind_again)
{
    struct pair p = pair_new();
    struct ask a, b, c;
    mp_rlock *rlock;
    mp_lock *lock;
    struct kin *kin;

    must(mp_lock_create(&lock, NULL));
    must(mp_rlock_create(&rlock, NULL));
    must(ask(&a, &p.a, "lock_acquire", lock, MP_FOREVER, ""));
    must(ask(&a, &p.a, "rlock_acquire", rlock, MP_FOREVER, ""));
    guest_end(&p.a);
    ck_assert_int_eq(ask(&b, &p.b, "lock_acquire", lock, MP_FOREVER, ""),
                     -EOWNERDEAD);
    ck_assert_int_eq(ask(&c, &p.b, "rlock_acquire", rlock, MP_FOREVER, ""),
                     -EOWNERDEAD);
    kin = kin_start(PROCESSES, 1, gets_it_from_nobody_alive, rlock);
    kin_await_sleep(kin);
    ask_cancel(&b);
    ask_cancel(&c);
    kin_end(kin);
    ck_assert_int_eq(mp_lock_owner(lock), -EOWNERDEAD);
    ck_assert_int_eq(mp_lock_locked(lock), 1);
    must(mp_describe(lock, stderr));
    ck_assert_int_eq(mp_lock_acquire(lock, MP_NOW), -EOWNERDEAD);
    must(mp_lock_release(lock));
    ck_assert_int_eq(mp_lock_acquire(lock, MP_NOW), 0);
    must(mp_lock_release(lock));
    guest_end(&p.b);
    must(mp_lock_destroy(lock));
    must(mp_rlock_destroy(rlock));
}
END_TEST

/* ---- RLock ---- */

START_TEST(rlock_counts_for_each_guest)
{
    struct pair p = pair_new();
    struct ask a, b;
    mp_rlock *lock;

    must(mp_rlock_create(&lock, NULL));
    for (int i = 0; i < 3; i++)
        must(ask(&a, &p.a, "rlock_acquire", lock, MP_FOREVER, ""));
    ck_assert_int_eq(ask(&b, &p.b, "rlock_acquire", lock, MP_FOREVER, ""),
                     PARK);
    ck_assert_int_eq(ask_now(&p.b, "rlock_release", lock), -EPERM);
    ck_assert_int_eq(mp_rlock_release(lock), -EPERM);
    ask_cancel(&a); /* the third was in vain */
    must(ask_now(&p.a, "rlock_release", lock));
    ck_assert_int_eq(ask_again(&b), PARK);
    ck_assert_int_eq(ask_now(NULL, "rlock_owner", lock), getpid());
    must(ask_now(&p.a, "rlock_release", lock));
    ck_assert_int_eq(ask_now(&p.a, "rlock_release", lock), -EPERM);
    ck_assert_int_eq(ask_again(&b), 0);
    ck_assert_int_eq(ask_now(NULL, "rlock_locked", lock), 1);
    guest_end(&p.b);
    ck_assert_int_eq(ask(&a, &p.a, "rlock_acquire", lock, MP_NOW, ""),
                     -EOWNERDEAD);
    must(ask_now(&p.a, "rlock_release", lock));
    ck_assert_int_eq(mp_rlock_locked(lock), 0);
    guest_end(&p.a);
    must(mp_rlock_destroy(lock));
}
END_TEST

/* ---- Semaphore ---- */

START_TEST(semaphore_permits_of_guests)
{
    struct pair p = pair_new();
    mp_semaphore *semaphore;
    struct ask a, b;

    must(mp_semaphore_create(&semaphore, 2, MP_SEMAPHORE_ATTR(.tracked = _i)));
    must(ask(&a, &p.a, "semaphore_acquire", semaphore, MP_FOREVER, ""));
    must(ask(&a, &p.a, "semaphore_acquire", semaphore, MP_FOREVER, ""));
    ck_assert_int_eq(
        ask(&b, &p.b, "semaphore_acquire", semaphore, MP_FOREVER, ""), PARK);
    ck_assert_int_eq(ask_now(NULL, "semaphore_locked", semaphore), 1);
    if (_i)
        ck_assert_int_eq(ask_now(&p.b, "semaphore_release", semaphore),
                         -EPERM);
    ask_cancel(&a); /* the second was in vain */
    ck_assert_int_eq(ask_now(NULL, "semaphore_value", semaphore), 1);
    ck_assert_int_eq(ask_again(&b), 0);
    guest_end(&p.a);
    ck_assert_int_eq(mp_semaphore_value(semaphore), _i ? 1 : 0);
    must(ask_now(&p.b, "semaphore_release", semaphore));
    ck_assert_int_eq(mp_semaphore_value(semaphore), _i ? 2 : 1);
    guest_end(&p.b);
    must(mp_semaphore_destroy(semaphore));
}
END_TEST

static int
takes_one(void *arg, int i)
{
    (void)i;
    return mp_semaphore_acquire(arg, MP_FOREVER);
}

START_TEST(G02_semaphore_permit_of_a_guest_that_ended_wakes_who_sleeps)
{
    struct mp__guest guest = guest_new();
    mp_semaphore *semaphore;
    struct kin *kin;
    struct ask a;

    must(mp_semaphore_create(&semaphore, 1, MP_SEMAPHORE_ATTR(.tracked = 1)));
    must(ask(&a, &guest, "semaphore_acquire", semaphore, MP_FOREVER, ""));
    kin = kin_start(PROCESSES, 1, takes_one, semaphore);
    kin_await_sleep(kin);
    guest_end(&guest);
    kin_end(kin);
    ck_assert_int_eq(mp_semaphore_value(semaphore), 1); /* it has ended */
    must(mp_semaphore_destroy(semaphore));
}
END_TEST

/* ---- Event ---- */

START_TEST(event_set_and_cleared_between_two_looks)
{
    struct ask a, b;
    mp_event *event;

    guest_new(); /* registers the operations */
    must(mp_event_create(&event, NULL));
    ck_assert_int_eq(ask(&a, NULL, "event_wait", event, MP_NOW, ""), -EAGAIN);
    ck_assert_int_eq(ask(&a, NULL, "event_wait", event, MP_FOREVER, ""), PARK);
    ck_assert_int_eq(ask_again(&a), PARK);
    must(mp_event_set(event));
    must(mp_event_clear(event));
    ck_assert_int_eq(ask(&b, NULL, "event_wait", event, MP_FOREVER, ""), PARK);
    ck_assert_int_eq(ask_again(&a), 0);
    ck_assert_int_eq(ask_again(&b), PARK);
    must(ask_now(NULL, "event_set", event));
    ck_assert_int_eq(ask_now(NULL, "event_is_set", event), 1);
    ck_assert_int_eq(ask_again(&b), 0);
    ck_assert_int_eq(ask(&b, NULL, "event_wait", event, MP_NOW, ""), 0);
    must(ask_now(NULL, "event_clear", event));
    ck_assert_int_eq(ask_now(NULL, "event_is_set", event), 0);
    must(mp_event_destroy(event));
}
END_TEST

/* ---- The host ---- */

struct held {
    mp_lock *lock;
    mp_rlock *rlock;
    mp_semaphore *semaphore;
    mp__a32 all; /* it has them */
};

static int
hosts_guests(void *arg, int i)
{
    struct held *held = arg;
    struct mp__guest a = guest_new(), b = guest_new();
    struct ask ask_a;

    (void)i;
    if (ask(&ask_a, &a, "lock_acquire", held->lock, MP_NOW, "") ||
        ask(&ask_a, &b, "rlock_acquire", held->rlock, MP_NOW, "") ||
        ask(&ask_a, &a, "semaphore_acquire", held->semaphore, MP_NOW, "") ||
        ask(&ask_a, &b, "semaphore_acquire", held->semaphore, MP_NOW, ""))
        return 1;
    mp__store(&held->all, 1);
    for (;;)
        pause();
}

/* A server that is killed: all its guests die with it. */
START_TEST(G02_lock_of_guests_whose_host_is_killed)
{
    struct held *held = mp_alloc(sizeof(*held));
    struct kin *server, *sleeper;

    must(mp_lock_create(&held->lock, NULL));
    must(mp_rlock_create(&held->rlock, NULL));
    must(mp_semaphore_create(&held->semaphore, 2,
                             MP_SEMAPHORE_ATTR(.tracked = 1)));
    server = kin_start(PROCESSES, 1, hosts_guests, held);
    while (!mp__load(&held->all))
        usleep(1000);
    ck_assert_int_eq(mp_lock_owner(held->lock), server->pids[0]);
    sleeper = kin_start(PROCESSES, 1, gets_it_from_the_dead, held->lock);
    kin_await_sleep(sleeper);
    kin_kill(server, 0);
    kin_end(sleeper);
    ck_assert_int_eq(mp_rlock_acquire(held->rlock, MP_NOW), -EOWNERDEAD);
    must(mp_rlock_release(held->rlock));
    ck_assert_int_eq(mp_semaphore_value(held->semaphore), 2);
    kin_end(server);
    must(mp_lock_destroy(held->lock));
    must(mp_rlock_destroy(held->rlock));
    must(mp_semaphore_destroy(held->semaphore));
    must(mp_free(held));
}
END_TEST

/* ---- What a client may send ---- */

START_TEST(arguments_from_outside_are_checked)
{
    static const char *const formats[] = {"", "n", "s", "q", "qq", "[]"};
    struct mp__guest guest = guest_new();
    mp_lock *lock;
    struct ask a;

    must(mp_lock_create(&lock, NULL));
    for (size_t i = 0; i < LENGTH(formats); i++) {
        ssize_t r =
            ask(&a, NULL, "lock_waiters", lock, MP_NOW, formats[i],
                i == 2 ? (uintptr_t) "text" : (uintptr_t)-1, (uintptr_t)-1);

        ck_assert_int_lt(r, 0);
        ck_assert_int_ne(r, PARK);
    }
    guest_end(&guest);
    must(mp_lock_destroy(lock));
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("sync-guest");
    TCase *tcase = mp_test_case(suite, "guest", 10);

    tcase_add_test(tcase, lock_is_a_guests_until_it_releases_it);
    tcase_add_loop_test(tcase, G02_lock_of_a_guest_that_ended, 0, 2);
    tcase_add_test(tcase, G02_lock_of_a_guest_that_ended_wakes_who_sleeps);
    tcase_add_test(tcase, lock_that_was_given_in_vain_is_free);
    tcase_add_test(tcase,
                   G02_lock_of_the_dead_given_in_vain_is_left_behind_again);
    tcase_add_test(tcase, rlock_counts_for_each_guest);
    tcase_add_loop_test(tcase, semaphore_permits_of_guests, 0, 2);
    tcase_add_test(
        tcase, G02_semaphore_permit_of_a_guest_that_ended_wakes_who_sleeps);
    tcase_add_test(tcase, event_set_and_cleared_between_two_looks);
    tcase_add_test(tcase, G02_lock_of_guests_whose_host_is_killed);
    tcase_add_test(tcase, arguments_from_outside_are_checked);
    return mp_test_main(suite);
}
