/* SPDX-License-Identifier: MIT */
/* Condition: a lock, and a line of those who gave it up to wait.
 *
 * The lock is what the threads share; who has it says so in its word, and who
 * waits for it again is a waiter of the lock like any other. A waiter stands
 * in line (condition_line.c) from before it gives the lock up until it has it
 * back. So whoever dies in between, be it asleep or notified, is found there.
 *
 * To wait is to begin (join the line, give the lock up), to look until one is
 * notified, or as long as one likes, and to end: get the lock back, leave the
 * line. A thread sleeps in the second step, and for the lock in the third. One
 * that acts for others, and must not sleep, looks and tries instead; it may quit
 * in between, as a dead thread would: another gets its notification. */
#include "sync/condition.h"

#include "base/attr.h"
#include "base/error.h"
#include "os/clock.h"

#include <errno.h>
#include <sched.h>
#include <stddef.h>

_Static_assert(offsetof(mp_condition_attr, name) ==
                   offsetof(struct mp__sync_attr, name),
               "");

/* ---- The lock ---- */

struct mp__lock *
mp__condition_lock(mp_condition *condition)
{
    return condition->lock ? &condition->lock->lock : &condition->rlock->lock;
}

static int
lock_is_there(const mp_condition *condition)
{
    if (condition->lock)
        return mp__object_ok(condition->lock, MP__SLAB_LOCK);
    return condition->rlock == &condition->own ||
           mp__object_ok(condition->rlock, MP__SLAB_RLOCK);
}

static int
enter(const mp_condition *condition, const char *function)
{
    int r = mp__object_enter(condition, MP__SLAB_CONDITION, function,
                             "a condition");

    if (MP__LIKELY(r == 0) && MP__UNLIKELY(!lock_is_there(condition)))
        return mp__fail(-EBADF, "%s: the condition's lock has been destroyed",
                        function);
    return r;
}

/* The same, and the caller must hold the lock. */
static int
enter_held(mp_condition *condition, const char *function)
{
    int r = enter(condition, function);

    if (MP__LIKELY(r == 0) &&
        MP__UNLIKELY(!mp__lock_is_mine(mp__condition_lock(condition))))
        return mp__fail(
            -EPERM, "%s: the calling thread does not hold the lock", function);
    return r;
}

/* Gives the lock up; how often it was held. */
static uint32_t
give_up(mp_condition *condition)
{
    if (condition->rlock)
        return mp__rlock_release_all(condition->rlock);
    mp__lock_release(&condition->lock->lock);
    return 1;
}

/* 0 or -EOWNERDEAD; -EAGAIN. Who has notified us holds the lock as a rule, for
 * another moment, and may have been pushed off this very processor by our waking
 * up: to let it run costs less than to sleep a second time. */
static int
get_back(mp_condition *condition, uint32_t times, mp_time deadline)
{
    int r;

    if (mp__load_relaxed(&mp__condition_lock(condition)->owner) &&
        deadline != MP_NOW)
        sched_yield();
    do
        r = condition->rlock
                ? mp__rlock_acquire_again(condition->rlock, times, deadline)
                : mp__lock_acquire(&condition->lock->lock, condition->lock,
                                   deadline);
    while (r == -EINTR);
    return r;
}

/* ---- Waiting in steps ---- */

void
mp__condition_begin(mp_condition *condition, struct mp__condition_wait *wait)
{
#ifdef MP__MUTATION_JOIN_LATE
    wait->times = give_up(condition);
    wait->ticket = mp__line_join(condition);
#else
    wait->ticket = mp__line_join(condition);
    wait->times = give_up(condition);
#endif
}

int
mp__condition_end(mp_condition *condition,
                  const struct mp__condition_wait *wait, mp_time deadline)
{
    int r = get_back(condition, wait->times, deadline), notified;

    if (r == -EAGAIN)
        return r;
    notified = mp__line_leave(condition, wait->ticket);
    return r < 0 ? r : !notified;
}

void
mp__condition_undo(mp_condition *condition, int r)
{
    struct mp__lock *lock = mp__condition_lock(condition);

    if (!mp__lock_is_mine(lock))
        return;
    if (r != 1)
        mp__line_notify(condition, 1);
    if (condition->rlock)
        condition->rlock->again = 0;
    if (r == -EOWNERDEAD)
        mp__lock_leave_behind(lock);
    else
        mp__lock_release(lock);
}

/* ---- Condition ---- */

static int
check_locks(const mp_condition_attr *a)
{
    if (a->lock && a->rlock)
        return mp__fail(-EINVAL, "mp_condition_create: attr->lock and "
                                 "attr->rlock are both given");
    if (a->lock && !mp__object_ok(a->lock, MP__SLAB_LOCK))
        return mp__fail_handle("mp_condition_create", a->lock, "a lock");
    if (a->rlock && !mp__object_ok(a->rlock, MP__SLAB_RLOCK))
        return mp__fail_handle("mp_condition_create", a->rlock, "an rlock");
    return 0;
}

int
mp_condition_create(mp_condition **ret_condition,
                    const mp_condition_attr *attr)
{
    mp_condition *condition;
    mp_condition_attr a;
    int r;

    if (ret_condition == NULL)
        return mp__fail(-EINVAL, "mp_condition_create: ret_condition is NULL");
    r = mp__attr_read(&a, sizeof(a), attr, 0, "mp_condition_create");
    if (r < 0 || (r = mp__enter()) < 0 || (r = check_locks(&a)) < 0)
        return r;
    condition = mp__object_alloc(MP__SLAB_CONDITION, sizeof(*condition));
    if (condition == NULL)
        return -ENOMEM;
    condition->lock = a.lock;
    condition->rlock = a.lock ? NULL : a.rlock ? a.rlock : &condition->own;
    mp__lock_init(&condition->own.lock, 0);
    mp__store_relaxed(&condition->spins, MP__SPINS_FIRST);
    mp__sync_name(condition->name, a.name);
    mp__object_publish(condition, MP__SLAB_CONDITION);
    *ret_condition = condition;
    return 0;
}

int
mp_condition_destroy(mp_condition *condition)
{
    size_t waiting;
    int r;

    if (condition == NULL)
        return 0;
    r = mp__object_enter(condition, MP__SLAB_CONDITION, "mp_condition_destroy",
                         "a condition");
    if (r < 0)
        return (int)MP__FAR(r, condition, MP__FAR_PLAIN, "");
    /* In this order: who waits stands in line before it gives its lock up. */
    if (mp__participant_find(mp__load(&condition->own.lock.owner)))
        return mp__fail(-EBUSY, "mp_condition_destroy: its lock is held");
    mp__line_settle(condition);
    waiting = mp__line_length(condition);
    if (waiting)
        return mp__fail(-EBUSY, "mp_condition_destroy: %zu %s in it", waiting,
                        waiting == 1 ? "thread waits" : "threads wait");
    return mp__sync_destroy(condition, sizeof(*condition), MP__SLAB_CONDITION,
                            "mp_condition_destroy");
}

int
mp_condition_acquire(mp_condition *condition, mp_time deadline)
{
    int r = enter(condition, "mp_condition_acquire");

    if (MP__UNLIKELY(r < 0))
        return (int)MP__FAR(r, condition, deadline, "");
    if (condition->lock)
        return mp__lock_acquire(&condition->lock->lock, condition->lock,
                                deadline);
    r = mp__rlock_acquire(condition->rlock, deadline);
    if (MP__UNLIKELY(r == -EOVERFLOW))
        return mp__fail(r, "mp_condition_acquire: the lock is held "
                           "4294967295 times already");
    return r;
}

int
mp_condition_release(mp_condition *condition)
{
    int r = enter(condition, "mp_condition_release");

    if (MP__UNLIKELY(r < 0))
        return (int)MP__FAR(r, condition, MP__FAR_PLAIN, "");
    r = condition->lock ? mp__lock_release(&condition->lock->lock)
                        : mp__rlock_release(condition->rlock);
    if (MP__UNLIKELY(r == -EOVERFLOW))
        return mp__fail(r, "mp_condition_release: the lock is not held");
    if (MP__UNLIKELY(r == -EPERM))
        return mp__fail(r, "mp_condition_release: the calling thread does not "
                           "hold the lock");
    return r;
}

/* ---- Waiting ---- */

/* What is left of a deadline, in ns: as it travels. */
static mp_time
left_of(mp_time deadline)
{
    mp_time now = mp__now();

    if (deadline == MP_NOW || deadline == MP_FOREVER)
        return deadline;
    return deadline > now ? deadline - now : 1;
}

/* Until when a call of that deadline may take: at its end the lock is to be got
 * back, which takes as long as it takes. */
static mp_time
with_grace(mp_time deadline)
{
    mp_time now = mp__now();

    if (deadline == MP_NOW || deadline >= MP_FOREVER - MP__WAIT_GRACE)
        return deadline;
    return (deadline > now ? deadline : now) + MP__WAIT_GRACE;
}

/* In a condition elsewhere. `r`: mp__object_enter()'s. */
MP__COLD static int
wait_far(int r, mp_condition *condition, mp_time deadline)
{
    uint64_t ticket = 0;
    uint32_t times = 0;

    if (r != -EREMOTE)
        return r;
    do
        r = (int)mp__far_call(
            condition, "mp_condition_wait", with_grace(deadline), "qQI > QI",
            left_of(deadline), ticket, times, &ticket, &times);
    while (r == MP__WAIT_GOES_ON);
    if (r == -ETIMEDOUT)
        return mp__fail(-EPIPE, "mp_condition_wait: the manager does not "
                                "answer: the lock is lost");
    return r == MP__WAIT_OVER ? -ETIMEDOUT : r;
}

static int
wait_until(mp_condition *condition, mp_time deadline, const char *function)
{
    int r = enter_held(condition, function), ended;
    struct mp__condition_wait wait;

    if (MP__UNLIKELY(r < 0))
        return wait_far(r, condition, deadline);
    if (deadline == MP_NOW)
        return -EAGAIN;
    mp__condition_begin(condition, &wait);
    r = mp__line_wait(condition, wait.ticket, deadline);
    ended = mp__condition_end(condition, &wait, MP_FOREVER);
#ifdef MP__MUTATION_LATE_IS_LOST
    return ended < 0 ? ended : r;
#else
    return ended > 0 ? r : ended; /* 0: perhaps while it waited for the lock */
#endif
}

int
mp_condition_wait(mp_condition *condition, mp_time deadline)
{
    return wait_until(condition, deadline, "mp_condition_wait");
}

/* Whether the caller holds the lock; a wait at home, that is over at once, asks
 * for no more. */
static int
expect_held(mp_condition *condition, const char *function)
{
    int r = enter_held(condition, function);

    if (MP__UNLIKELY(r == -EREMOTE))
        r = wait_far(r, condition, MP_NOW);
    return r == -EAGAIN ? 0 : r;
}

int
mp_condition_wait_for(mp_condition *condition, int (*predicate)(void *arg),
                      void *arg, mp_time deadline)
{
    int r = expect_held(condition, "mp_condition_wait_for");

    if (r == 0 && predicate == NULL)
        r = mp__fail(-EINVAL, "mp_condition_wait_for: predicate is NULL");
    while (r == 0) {
        int value = predicate(arg);

        if (value != 0)
            return value;
        r = wait_until(condition, deadline, "mp_condition_wait_for");
        if (r == -ETIMEDOUT && (value = predicate(arg)) != 0)
            return value;
    }
    return r;
}

/* ---- Notifying ---- */

static int
notify(mp_condition *condition, size_t n, const char *function)
{
    int r = enter_held(condition, function);

    if (MP__UNLIKELY(r == -EREMOTE))
        return (int)mp__far_call(condition, "mp_condition_notify",
                                 MP__FAR_PLAIN, "z", n);
    if (r < 0)
        return r;
    if (n == 0)
        return mp__fail(-EINVAL, "%s: n is 0", function);
    if (!mp__line_any(condition))
        return 0;
    mp__line_settle(condition);
    mp__line_notify(condition, n);
    return 0;
}

int
mp_condition_notify(mp_condition *condition, size_t n)
{
    return notify(condition, n, "mp_condition_notify");
}

int
mp_condition_notify_all(mp_condition *condition)
{
    return notify(condition, SIZE_MAX, "mp_condition_notify_all");
}
