/* SPDX-License-Identifier: MIT */
/* Conditions and barriers, served: guests that stand in line, or have a seat,
 * beside threads that sleep there. */
#include "service/guest-kit.h"

#include "sync/barrier.h"
#include "sync/condition.h"
#include "sync/kit.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#define PARK   MP__CALL_PARK
#define HOUR   (mp_time)3600000000000
#define SECOND (mp_time)1000000000

/* ---- Conditions ---- */

struct stage {
    mp_condition *condition;
    mp_lock *lock; /* its; NULL: an RLock of its own */
    struct mp__guest a, b;
    mp__a32 back; /* sleepers that have been notified */
};

/* With a Lock, or (`own`) an RLock. */
static struct stage *
stage_new(int own)
{
    struct stage *stage = mp_alloc(sizeof(*stage));

    stage->a = guest_new();
    stage->b = guest_new();
    if (!own)
        must(mp_lock_create(&stage->lock, NULL));
    must(mp_condition_create(&stage->condition,
                             MP_CONDITION_ATTR(.lock = stage->lock)));
    return stage;
}

/* Guests that are still there end. */
static void
stage_end(struct stage *stage)
{
    if (stage->a.self.part)
        guest_end(&stage->a);
    if (stage->b.self.part)
        guest_end(&stage->b);
    ck_assert_uint_eq(mp__line_length(stage->condition), 0);
    must(mp_condition_acquire(stage->condition, MP_NOW)); /* it is free */
    must(mp_condition_release(stage->condition));
    must(mp_condition_destroy(stage->condition));
    if (stage->lock)
        must(mp_lock_destroy(stage->lock));
    must(mp_free(stage));
}

static void
acquire(struct stage *stage, const struct mp__guest *guest)
{
    struct ask a;

    must(ask(&a, guest, "condition_acquire", stage->condition, MP_NOW, ""));
}

/* Parks a wait, of so many ns. */
static void
waits(struct stage *stage, const struct mp__guest *guest, struct ask *a,
      mp_time left)
{
    acquire(stage, guest);
    ck_assert_int_eq(ask(a, guest, "condition_wait", stage->condition,
                         MP_FOREVER, "qQI", left, (uint64_t)0, 0u),
                     PARK);
}

static void
notify(struct stage *stage, size_t n)
{
    must(mp_condition_acquire(stage->condition, MP_NOW));
    must(mp_condition_notify(stage->condition, n));
    must(mp_condition_release(stage->condition));
}

static int
sleeps_in_line(void *arg, int i)
{
    struct stage *stage = arg;
    int r = mp_condition_acquire(stage->condition, MP_FOREVER);

    (void)i;
    if (r == 0)
        r = mp_condition_wait(stage->condition, MP_FOREVER);
    mp__add(&stage->back, 1);
    return r || mp_condition_release(stage->condition);
}

/* One that sleeps behind all who are there. */
static struct kin *
sleeper(struct stage *stage)
{
    size_t before = mp__line_length(stage->condition);
    struct kin *kin = kin_start(PROCESSES, 1, sleeps_in_line, stage);

    while (mp__line_length(stage->condition) == before)
        usleep(1000);
    kin_await_sleep(kin);
    return kin;
}

START_TEST(condition_guest_waits_and_is_notified)
{
    struct stage *stage = stage_new(_i);
    mp_condition *c = stage->condition;
    struct ask a, b;

    ck_assert_int_eq(ask(&a, &stage->a, "condition_wait", c, MP_FOREVER, "qQI",
                         HOUR, (uint64_t)0, 0u),
                     -EPERM);
    waits(stage, &stage->a, &a, MP_FOREVER);
    waits(stage, &stage->b, &b, HOUR);
    must_fail(mp_condition_destroy(c), -EBUSY, "2 threads wait");
    ck_assert_int_eq(ask_again(&a), PARK);
    notify(stage, 1); /* the first */
    ck_assert_int_eq(ask_again(&b), PARK);
    must(mp_condition_acquire(c, MP_NOW));
    ck_assert_int_eq(ask_again(&a), PARK); /* for the lock */
    must(mp_condition_release(c));
    ck_assert_int_eq(ask_again(&a), 0);
    ck_assert_int_eq(mp_condition_acquire(c, MP_NOW), -EAGAIN);
    ck_assert_int_eq(
        ask(&a, &stage->a, "condition_notify", c, MP_NOW, "z", (size_t)5), 0);
    ck_assert_int_eq(ask_again(&b), PARK);
    must(ask_now(&stage->a, "condition_release", c));
    ck_assert_int_eq(ask_again(&b), 0);
    ck_assert_int_eq(ask_now(&stage->b, "condition_notify_all", c), 0);
    ck_assert_int_eq(ask(&a, &stage->b, "condition_wait", c, MP_NOW, "qQI",
                         MP_NOW, (uint64_t)0, 0u),
                     -EAGAIN);
    must(ask_now(&stage->b, "condition_release", c));
    ck_assert_int_eq(ask_now(&stage->b, "condition_notify_all", c), -EPERM);
    stage_end(stage);
}
END_TEST

START_TEST(condition_guest_has_its_rlock_back_as_often)
{
    struct stage *stage = stage_new(1);
    struct ask a;

    acquire(stage, &stage->a);
    acquire(stage, &stage->a);
    waits(stage, &stage->a, &a, MP_FOREVER);
    notify(stage, 1);
    ck_assert_int_eq(ask_again(&a), 0);
    for (int i = 0; i < 3; i++)
        must(ask_now(&stage->a, "condition_release", stage->condition));
    ck_assert_int_eq(ask_now(&stage->a, "condition_release", stage->condition),
                     -EPERM);
    stage_end(stage);
}
END_TEST

START_TEST(condition_guests_time_is_over)
{
    struct stage *stage = stage_new(_i);
    mp_condition *c = stage->condition;
    struct ask a;

    acquire(stage, &stage->a);
    ck_assert_int_eq(ask(&a, &stage->a, "condition_wait", c, MP_FOREVER, "qQI",
                         (mp_time)1, (uint64_t)0, 0u),
                     MP__WAIT_OVER); /* the lock was free */
    must(ask_now(&stage->a, "condition_release", c));
    waits(stage, &stage->a, &a, SECOND / 100);
    must(mp_condition_acquire(c, MP_NOW));
    usleep(20000);
    ck_assert_int_eq(ask_again(&a), PARK); /* for the lock */
    must(mp_condition_notify(c, 1));       /* late, but in time */
    must(mp_condition_release(c));
    ck_assert_int_eq(ask_again(&a), 0);
    must(ask_now(&stage->a, "condition_release", c));
    stage_end(stage);
}
END_TEST

/* The call's own deadline comes, and the lock is not back yet: it goes on by
 * another call, in the same place of the line. */
START_TEST(condition_wait_goes_on_by_another_call)
{
    struct stage *stage = stage_new(_i);
    mp_condition *c = stage->condition;
    uint64_t ticket;
    uint32_t times;
    struct ask a, b;

    acquire(stage, &stage->a);
    if (_i)
        acquire(stage, &stage->a);
    ck_assert_int_eq(ask(&a, &stage->a, "condition_wait", c, MP_FOREVER, "qQI",
                         SECOND / 1000, (uint64_t)0, 0u),
                     PARK);
    must(mp_condition_acquire(c, MP_NOW));
    usleep(5000);
    ck_assert_int_eq(ask_last(&a), MP__WAIT_GOES_ON);
    given(&a, "[QI]", &ticket, &times);
    ck_assert_uint_eq(times, _i ? 2 : 1);
    must_fail(mp_condition_destroy(c), -EBUSY, "");
    ck_assert_int_eq(ask(&b, &stage->a, "condition_wait", c, MP_FOREVER, "qQI",
                         (mp_time)1, ticket + 1, times),
                     -EPERM);
    ck_assert_int_eq(ask(&b, &stage->b, "condition_wait", c, MP_FOREVER, "qQI",
                         (mp_time)1, ticket, times),
                     -EPERM);
    ck_assert_int_eq(ask(&b, &stage->a, "condition_wait", c, MP_FOREVER, "qQI",
                         (mp_time)1, ticket, 0u),
                     -EINVAL);
    ck_assert_int_eq(ask(&b, &stage->a, "condition_wait", c, MP_FOREVER, "qQI",
                         (mp_time)1, ticket, times),
                     PARK);
    must(mp_condition_release(c));
    ck_assert_int_eq(ask_again(&b), MP__WAIT_OVER);
    for (uint32_t i = 0; i < times; i++)
        must(ask_now(&stage->a, "condition_release", c));
    stage_end(stage);
}
END_TEST

/* How a guest leaves that was notified, and has done nothing about it. */
enum leaving {
    CANCELED_IN_LINE,
    CANCELED_WITH_LOCK,
    ENDED_IN_LINE,
    ENDED_WITH_LOCK,
};

static void
leave_notified(struct stage *stage, struct ask *a, enum leaving way)
{
    if (way == CANCELED_WITH_LOCK || way == ENDED_WITH_LOCK)
        ck_assert_int_eq(ask_again(a), 0);
    if (way == CANCELED_IN_LINE || way == CANCELED_WITH_LOCK)
        ask_cancel(a);
    else
        guest_end(&stage->a);
}

/* Its notification goes to one who sleeps. After a death with the lock that is
 * told by the lock, and the notification is lost with it, as at home. */
START_TEST(G04_condition_notification_of_a_guest_that_left_to_a_sleeper)
{
    static const enum leaving ways[] = {CANCELED_IN_LINE, CANCELED_WITH_LOCK,
                                        ENDED_IN_LINE};
    struct stage *stage = stage_new(_i % 2);
    struct kin *kin;
    struct ask a;

    waits(stage, &stage->a, &a, MP_FOREVER);
    kin = sleeper(stage);
    notify(stage, 1);
    ck_assert_uint_eq(mp__load(&stage->back), 0);
    leave_notified(stage, &a, ways[_i / 2]);
    kin_end(kin);
    stage_end(stage);
}
END_TEST

/* ... or to another guest. */
START_TEST(G04_condition_notification_of_a_guest_that_left_to_a_guest)
{
    enum leaving way = (enum leaving)(_i / 2);
    struct stage *stage = stage_new(_i % 2);
    struct ask a, b;

    waits(stage, &stage->a, &a, MP_FOREVER);
    waits(stage, &stage->b, &b, MP_FOREVER);
    notify(stage, 1);
    leave_notified(stage, &a, way);
    if (way == ENDED_WITH_LOCK) {
        ck_assert_int_eq(ask_again(&b), PARK);
        ck_assert_int_eq(mp_condition_acquire(stage->condition, MP_NOW),
                         -EOWNERDEAD);
        must(mp_condition_notify_all(stage->condition));
        must(mp_condition_release(stage->condition));
    }
    ck_assert_int_eq(ask_again(&b), 0);
    must(ask_now(&stage->b, "condition_release", stage->condition));
    stage_end(stage);
}
END_TEST

/* A local process is notified and killed: its heir is a guest. */
START_TEST(G04_condition_notification_of_the_dead_to_a_guest)
{
    struct stage *stage = stage_new(_i);
    struct kin *kin = sleeper(stage);
    struct ask a;

    waits(stage, &stage->a, &a, MP_FOREVER);
    must(mp_condition_acquire(stage->condition, MP_NOW));
    must(mp_condition_notify(stage->condition, 1));
    kin_await_sleep(kin); /* at the lock */
    kin_kill(kin, 0);
    kin_end(kin);
    must(mp_condition_release(stage->condition));
    ck_assert_int_eq(ask_again(&a), 0);
    must(ask_now(&stage->a, "condition_release", stage->condition));
    stage_end(stage);
}
END_TEST

/* Not notified: nothing is left of it. */
START_TEST(G04_condition_guest_leaves_the_line)
{
    struct stage *stage = stage_new(_i % 2);
    struct ask a;

    waits(stage, &stage->a, &a, MP_FOREVER);
    if (_i / 2)
        ask_cancel(&a);
    else
        guest_end(&stage->a);
    ck_assert_uint_eq(mp__line_length(stage->condition), 0);
    notify(stage, SIZE_MAX);
    ck_assert(!mp__line_any(stage->condition));
    stage_end(stage);
}
END_TEST

/* A lock that was left behind, and got back in vain. */
START_TEST(G02_condition_lock_of_the_dead_got_back_in_vain)
{
    struct stage *stage = stage_new(_i);
    mp_condition *c = stage->condition;
    struct ask a, b;

    waits(stage, &stage->a, &a, MP_FOREVER);
    ck_assert_int_eq(
        ask(&b, &stage->b, "condition_acquire", c, MP_FOREVER, ""), 0);
    ck_assert_int_eq(ask_now(&stage->b, "condition_notify_all", c), 0);
    guest_end(&stage->b);
    ck_assert_int_eq(ask_again(&a), -EOWNERDEAD);
    ask_cancel(&a);
    ck_assert_int_eq(
        ask(&a, &stage->a, "condition_acquire", c, MP_FOREVER, ""),
        -EOWNERDEAD);
    ask_cancel(&a);
    ck_assert_int_eq(mp_condition_acquire(c, MP_NOW), -EOWNERDEAD);
    must(mp_condition_release(c));
    must(ask(&a, &stage->a, "condition_acquire", c, MP_FOREVER, ""));
    ask_cancel(&a);
    stage_end(stage);
}
END_TEST

/* ---- Barriers ---- */

static int
sits(void *arg, int i)
{
    int r = mp_barrier_wait(arg, MP_FOREVER);

    (void)i;
    return r < 0;
}

/* Is told that it is broken. */
static int
sits_in_vain(void *arg, int i)
{
    (void)i;
    return mp_barrier_wait(arg, MP_FOREVER) != -ECANCELED;
}

static mp_barrier *
barrier_for(uint32_t parties)
{
    mp_barrier *barrier;

    must(mp_barrier_create(&barrier, parties, NULL));
    return barrier;
}

static ssize_t
comes(struct ask *a, const struct mp__guest *guest, mp_barrier *barrier,
      int with_action)
{
    return ask(a, guest, "barrier_wait", barrier, MP_FOREVER, "b",
               with_action);
}

START_TEST(barrier_of_guests_and_sleepers)
{
    struct mp__guest g[3] = {guest_new(), guest_new(), guest_new()};
    mp_barrier *barrier = barrier_for(5);
    struct ask a[3];

    for (int round = 0; round < 4; round++) {
        struct kin *kin;
        int seen = 0;

        ck_assert_int_eq(comes(&a[0], &g[0], barrier, 0), PARK);
        kin = kin_start(PROCESSES, 2, sits, barrier);
        kin_await_sleep(kin);
        ck_assert_int_eq(
            ask(&a[1], &g[1], "barrier_wait", barrier, MP_NOW, "b", 0),
            -EAGAIN);
        ck_assert_int_eq(comes(&a[1], &g[1], barrier, 0), PARK);
        ck_assert_int_eq(ask_now(NULL, "barrier_n_waiting", barrier), 4);
        must_fail(mp_barrier_destroy(barrier), -EBUSY, "4 threads wait");
        ck_assert_int_eq(ask_again(&a[0]), PARK);
        seen |= 1 << comes(&a[2], &g[2], barrier, 0);
        seen |= 1 << ask_again(&a[1]);
        seen |= 1 << ask_again(&a[0]);
        ck_assert_int_eq(__builtin_popcount((unsigned)seen), 3);
        ck_assert_int_lt(seen, 1 << 5);
        kin_end(kin);
    }
    ck_assert_int_eq(ask_now(NULL, "barrier_parties", barrier), 5);
    ck_assert_int_eq(ask_now(NULL, "barrier_broken", barrier), 0);
    for (int i = 0; i < 3; i++)
        guest_end(&g[i]);
    must(mp_barrier_destroy(barrier));
}
END_TEST

/* How a seated guest breaks the barrier. */
enum breaking {
    GUEST_ENDS,
    GUEST_IS_CANCELED,
    GUEST_IS_LATE,
    WAYS_TO_BREAK,
};

/* Sleepers came before the guest, and after it. */
START_TEST(G04_barrier_broken_by_a_guest_that_leaves)
{
    struct mp__guest g = guest_new(), h = guest_new();
    mp_barrier *barrier = barrier_for(8);
    struct kin *before, *after;
    struct ask a, b;

    before = kin_start(PROCESSES, 2, sits_in_vain, barrier);
    kin_await_sleep(before);
    ck_assert_int_eq(comes(&a, &g, barrier, 0), PARK);
    kin_await_sleep(before); /* they watch it */
    after =
        kin_start(PROCESSES, _i / WAYS_TO_BREAK * 2, sits_in_vain, barrier);
    kin_await_sleep(after);
    ck_assert_int_eq(comes(&b, &h, barrier, 0), PARK);
    switch (_i % WAYS_TO_BREAK) {
    case GUEST_ENDS:
        guest_end(&g);
        break;
    case GUEST_IS_CANCELED:
        ask_cancel(&a);
        break;
    default:
        ck_assert_int_eq(ask_last(&a), -ETIMEDOUT);
    }
    /* Between a guest and a sleeper there may be another guest, who looks. */
    ck_assert_int_eq(ask_again(&b), -ECANCELED);
    kin_end(before);
    kin_end(after);
    ck_assert_int_eq(ask_now(NULL, "barrier_broken", barrier), 1);
    ck_assert_int_eq(comes(&b, &h, barrier, 0), -ECANCELED);
    must(ask_now(NULL, "barrier_reset", barrier));
    ck_assert_int_eq(comes(&b, &h, barrier, 0), PARK);
    must(ask_now(NULL, "barrier_abort", barrier));
    ck_assert_int_eq(ask_again(&b), -ECANCELED);
    if (g.self.part)
        guest_end(&g);
    guest_end(&h);
    must(mp_barrier_destroy(barrier));
}
END_TEST

static int
seats_guests(void *arg, int i)
{
    struct mp__guest g = guest_new(), h = guest_new();
    struct ask a, b;

    (void)i;
    if (comes(&a, &g, arg, 0) != PARK || comes(&b, &h, arg, 0) != PARK)
        return 1;
    for (;;)
        pause();
}

START_TEST(G04_barrier_broken_when_the_host_is_killed)
{
    mp_barrier *barrier = barrier_for(7);
    struct kin *before = kin_start(PROCESSES, 2, sits_in_vain, barrier), *host,
               *after;

    kin_await_sleep(before);
    host = kin_start(PROCESSES, 1, seats_guests, barrier);
    while (mp_barrier_n_waiting(barrier) < 4)
        usleep(1000);
    after = kin_start(PROCESSES, _i, sits_in_vain, barrier);
    kin_await_sleep(before);
    kin_await_sleep(after);
    kin_kill(host, 0);
    kin_end(host);
    kin_end(before);
    kin_end(after);
    must(mp_barrier_destroy(barrier));
}
END_TEST

START_TEST(barrier_action_of_a_guest)
{
    struct mp__guest g = guest_new(), h = guest_new();
    mp_barrier *barrier = barrier_for(3);
    struct kin *kin =
        kin_start(PROCESSES, 1, _i == 0 ? sits : sits_in_vain, barrier);
    struct ask a, b, c;
    uint64_t state;
    uint32_t seat;

    kin_await_sleep(kin);
    ck_assert_int_eq(comes(&a, &g, barrier, 1), PARK);
    ck_assert_int_eq(comes(&b, &h, barrier, 1), MP__BARRIER_ACTS);
    given(&b, "[QI]", &state, &seat);
    ck_assert_int_eq(ask_again(&a), PARK);
    ck_assert_int_eq(
        ask(&c, &g, "barrier_acted", barrier, MP_NOW, "QIb", state, seat, 1),
        -EPERM);
    ck_assert_int_eq(ask(&c, &h, "barrier_acted", barrier, MP_NOW, "QIb",
                         state, seat + 1, 1),
                     -EPERM);
    ck_assert_int_eq(ask(&c, &h, "barrier_acted", barrier, MP_NOW, "QIb",
                         state, UINT_MAX, 1),
                     -EPERM);
    if (_i == 0) { /* well */
        must(ask(&c, &h, "barrier_acted", barrier, MP_NOW, "QIb", state, seat,
                 1));
        must(ask_again(&a));
        kin_end(kin);
        ck_assert_int_eq(ask(&c, &h, "barrier_acted", barrier, MP_NOW, "QIb",
                             state, seat, 1),
                         -EPERM);
    } else {
        if (_i == 1)
            guest_end(&h);
        else if (_i == 2)
            ask_cancel(&b);
        else if (_i == 3)
            ck_assert_int_eq(ask(&c, &h, "barrier_acted", barrier, MP_NOW,
                                 "QIb", state, seat, 0),
                             -ECANCELED);
        else
            must(mp_barrier_reset(barrier));
        ck_assert_int_eq(ask_again(&a), -ECANCELED);
        kin_end(kin);
        if (_i == 4)
            ck_assert_int_eq(ask(&c, &h, "barrier_acted", barrier, MP_NOW,
                                 "QIb", state, seat, 1),
                             -ECANCELED);
    }
    guest_end(&g);
    if (h.self.part)
        guest_end(&h);
    must(mp_barrier_destroy(barrier));
}
END_TEST

START_TEST(barrier_one_party_of_a_guest)
{
    struct mp__guest g = guest_new();
    mp_barrier *barrier = barrier_for(1);
    struct ask a;

    ck_assert_int_eq(ask(&a, &g, "barrier_wait", barrier, MP_NOW, "b", 0), 0);
    ck_assert_int_eq(comes(&a, &g, barrier, 0), 0);
    guest_end(&g);
    must(mp_barrier_destroy(barrier));
}
END_TEST

START_TEST(G04_barrier_broken_by_a_registered_guest)
{
    struct mp__guest g = guest_new();
    mp_barrier *barrier = barrier_for(3);
    struct kin *kin;

    must(ask_now(&g, "barrier_register", barrier));
    must(ask_now(&g, "barrier_unregister", barrier));
    must(ask_now(&g, "barrier_register", barrier));
    kin = kin_start(PROCESSES, 2, sits_in_vain, barrier);
    kin_await_sleep(kin);
    guest_end(&g);
    kin_end(kin);
    must(mp_barrier_destroy(barrier));
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("wait-guest");
    TCase *tcase = mp_test_case(suite, "condition", 10);

    tcase_add_loop_test(tcase, condition_guest_waits_and_is_notified, 0, 2);
    tcase_add_test(tcase, condition_guest_has_its_rlock_back_as_often);
    tcase_add_loop_test(tcase, condition_guests_time_is_over, 0, 2);
    tcase_add_loop_test(tcase, condition_wait_goes_on_by_another_call, 0, 2);
    tcase_add_loop_test(
        tcase, G04_condition_notification_of_a_guest_that_left_to_a_sleeper, 0,
        6);
    tcase_add_loop_test(
        tcase, G04_condition_notification_of_a_guest_that_left_to_a_guest, 0,
        8);
    tcase_add_loop_test(
        tcase, G04_condition_notification_of_the_dead_to_a_guest, 0, 2);
    tcase_add_loop_test(tcase, G04_condition_guest_leaves_the_line, 0, 4);
    tcase_add_loop_test(tcase, G02_condition_lock_of_the_dead_got_back_in_vain,
                        0, 2);

    /* Who should be woken is woken, or the test fails. */
    tcase = mp_test_case(suite, "barrier", 10);
    tcase_add_checked_fixture(tcase, rely_on_wake_ups, NULL);
    tcase_add_test(tcase, barrier_of_guests_and_sleepers);
    tcase_add_loop_test(tcase, G04_barrier_broken_by_a_guest_that_leaves, 0,
                        2 * WAYS_TO_BREAK);
    tcase_add_loop_test(tcase, G04_barrier_broken_when_the_host_is_killed, 0,
                        2);
    tcase_add_loop_test(tcase, barrier_action_of_a_guest, 0, 5);
    tcase_add_test(tcase, barrier_one_party_of_a_guest);
    tcase_add_test(tcase, G04_barrier_broken_by_a_registered_guest);
    return mp_test_main(suite);
}
