/* SPDX-License-Identifier: MIT */
/* Guests: what one holds is its own, not its host's; and it is given back as a
 * dead thread's is, when the guest ends and when its host is killed. */
#include "region/guest.h"
#include "region/kin.h"

#include <errno.h>
#include <unistd.h>

static int
acquire_as(const struct mp__guest *guest, mp_lock *lock)
{
    struct mp__self host = mp__guest_act(guest);
    int r = mp_lock_acquire(lock, MP_NOW);

    mp__guest_rest(&host);
    return r;
}

static mp_lock *
new_lock(void)
{
    mp_lock *lock;

    must(mp_lock_create(&lock, NULL));
    return lock;
}

START_TEST(a_guest_is_a_participant_of_its_own)
{
    struct mp__guest a, b;
    uint64_t id;

    must(mp__enter());
    must(mp__guest_begin(&a));
    must(mp__guest_begin(&b));
    ck_assert_uint_ne(a.self.id, b.self.id);
    ck_assert_uint_ne(a.self.id, mp__me.id);
    ck_assert_ptr_eq(mp__participant_find(a.self.id), a.self.part);
    id = a.self.id;
    mp__guest_end(&a);
    ck_assert_ptr_null(mp__participant_find(id));
    ck_assert(mp__participant_buried(id));
    ck_assert_ptr_nonnull(mp__participant_find(b.self.id));
    ck_assert_ptr_nonnull(mp__participant_find(mp__me.id));
    mp__guest_end(&b);
}
END_TEST

START_TEST(what_a_guest_holds_its_host_does_not)
{
    struct mp__guest guest;
    mp_rlock *rlock;
    struct mp__self host;

    must(mp_rlock_create(&rlock, NULL));
    must(mp__guest_begin(&guest));
    host = mp__guest_act(&guest);
    must(mp_rlock_acquire(rlock, MP_NOW));
    mp__guest_rest(&host);
    ck_assert_int_eq(mp_rlock_acquire(rlock, MP_NOW), -EAGAIN);
    ck_assert_int_eq(mp_rlock_release(rlock), -EPERM);
    host = mp__guest_act(&guest);
    must(mp_rlock_acquire(rlock, MP_NOW));
    must(mp_rlock_release(rlock));
    must(mp_rlock_release(rlock));
    mp__guest_rest(&host);
    must(mp_rlock_acquire(rlock, MP_NOW));
    must(mp_rlock_release(rlock));
    mp__guest_end(&guest);
    must(mp_rlock_destroy(rlock));
}
END_TEST

START_TEST(the_lock_of_an_ended_guest_is_a_dead_owners)
{
    mp_lock *lock = new_lock();
    struct mp__guest guest;

    must(mp__guest_begin(&guest));
    must(acquire_as(&guest, lock));
    ck_assert_int_eq(mp_lock_acquire(lock, MP_NOW), -EAGAIN);
    mp__guest_end(&guest);
    ck_assert_int_eq(mp_lock_acquire(lock, MP_NOW), -EOWNERDEAD);
    must(mp_lock_release(lock));
    must(mp_lock_destroy(lock));
}
END_TEST

/* ---- Others wait ---- */

static int
wait_for_lock(void *arg, int i)
{
    (void)i;
    return mp_lock_acquire(arg, mp_timeout(60)) == -EOWNERDEAD
               ? mp_lock_release(arg)
               : 1;
}

/* The sleeper is woken by the guest's end alone. */
START_TEST(who_sleeps_is_woken_when_the_guest_ends)
{
    mp_lock *lock = new_lock();
    struct mp__guest guest;
    struct kin *kin;

    must(mp__guest_begin(&guest));
    must(acquire_as(&guest, lock));
    kin = kin_start((enum kin_how)_i, 1, wait_for_lock, lock);
    kin_await_sleep(kin);
    mp__guest_end(&guest);
    kin_end(kin);
    must(mp_lock_destroy(lock));
}
END_TEST

struct inn {
    mp_lock *lock;
    mp_semaphore *semaphore;
    mp__a32 full;
};

/* Three guests hold something; then their host waits to be killed. */
static int
host_guests(void *arg, int i)
{
    struct inn *inn = arg;
    struct mp__guest guests[3];
    struct mp__self host;

    (void)i;
    for (int g = 0; g < 3; g++)
        if (mp__guest_begin(&guests[g]) < 0)
            return 1;
    if (acquire_as(&guests[0], inn->lock) < 0)
        return 2;
    for (int g = 1; g < 3; g++) {
        host = mp__guest_act(&guests[g]);
        if (mp_semaphore_acquire(inn->semaphore, MP_NOW) < 0)
            return 3;
        mp__guest_rest(&host);
    }
    mp__store(&inn->full, 1);
    for (;;)
        pause();
}

START_TEST(the_guests_of_a_killed_host_die_with_it)
{
    struct inn *inn = mp_alloc(sizeof(*inn));
    struct kin *host, *waiter;

    inn->lock = new_lock();
    mp__store(&inn->full, 0);
    must(mp_semaphore_create(&inn->semaphore, 2,
                             MP_SEMAPHORE_ATTR(.tracked = 1)));
    host = kin_start(PROCESSES, 1, host_guests, inn);
    wait_until(mp__load(&inn->full), 20);
    ck_assert_int_eq(mp_semaphore_acquire(inn->semaphore, MP_NOW), -EAGAIN);
    waiter = kin_start(PROCESSES, 1, wait_for_lock, inn->lock);
    kin_await_sleep(waiter);
    kin_kill(host, 0);
    kin_end(waiter);
    kin_end(host);
    must(mp_semaphore_acquire(inn->semaphore, mp_timeout(20)));
    must(mp_semaphore_acquire(inn->semaphore, mp_timeout(20)));
    must(mp_semaphore_release(inn->semaphore));
    must(mp_semaphore_release(inn->semaphore));
    must(mp_semaphore_destroy(inn->semaphore));
    must(mp_lock_destroy(inn->lock));
    must(mp_free(inn));
}
END_TEST

/* ---- Many ---- */

#define CROWD 1800

static int
fill_the_inn(void *arg, int i)
{
    static struct mp__guest guests[CROWD];
    mp_lock *lock = arg;
    int n = 0, r;

    (void)i;
    while (n < CROWD && (r = mp__guest_begin(&guests[n])) == 0)
        n++;
    if (n == CROWD || r != -EAGAIN || acquire_as(&guests[0], lock) < 0)
        return 1;
    /* One goes, and there is room for one. */
    mp__guest_end(&guests[n - 1]);
    if (mp__guest_begin(&guests[n - 1]) != 0 ||
        mp__guest_begin(&guests[n]) != -EAGAIN)
        return 2;
    for (;;)
        pause();
}

/* The kernel looks at a limited number of what a dying thread held: the first
 * guest, and the host's own life, are the last of it. */
START_TEST(a_host_of_many_dies_whole)
{
    mp_lock *lock = new_lock();
    struct kin *host = kin_start(PROCESSES, 1, fill_the_inn, lock);
    uint32_t id;

    wait_until(mp_lock_locked(lock) == 1 && mp__load(&host->begun[0]), 60);
    kin_await_sleep(host);
    id = mp__load(&host->begun[0]);
    ck_assert_uint_ne(id, 0);
    kin_kill(host, 0);
    kin_end(host);
    ck_assert_int_eq(mp_lock_acquire(lock, mp_timeout(20)), -EOWNERDEAD);
    mp__reap();
    for (uint32_t i = 0; i < mp__participants_high(); i++) {
        struct mp__participant *part = mp__participant_at(i);

        if (mp__load(&part->tid) == id)
            ck_assert_ptr_null(mp__participant_find(mp__participant_id(part)));
    }
    must(mp_lock_release(lock));
    must(mp_lock_destroy(lock));
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("guest");
    TCase *tcase = mp_test_case(suite, "guest", 60);

    tcase_add_test(tcase, a_guest_is_a_participant_of_its_own);
    tcase_add_test(tcase, what_a_guest_holds_its_host_does_not);
    tcase_add_test(tcase, the_lock_of_an_ended_guest_is_a_dead_owners);
    tcase_add_loop_test(tcase, who_sleeps_is_woken_when_the_guest_ends, 0, 2);
    tcase_add_test(tcase, the_guests_of_a_killed_host_die_with_it);
    tcase = mp_test_case(suite, "crowd", 120);
    tcase_add_test(tcase, a_host_of_many_dies_whole);
    return mp_test_main(suite);
}
