/* SPDX-License-Identifier: MIT */
/* Condition: a lock, and a line of those who gave it up to wait.
 *
 * The lock is what the threads share; who has it says so in its word, and who
 * waits for it again is a waiter of the lock like any other. A waiter stands
 * in line (condition_line.c) from before it gives the lock up until it has it
 * back. So whoever dies in between, be it asleep or notified, is found there. */
#include "sync/condition.h"

#include "base/attr.h"
#include "base/error.h"

#include <errno.h>
#include <sched.h>
#include <stddef.h>

_Static_assert(offsetof(mp_condition_attr, name) ==
                   offsetof(struct mp__sync_attr, name),
               "");

/* ---- The lock ---- */

static struct mp__lock *
lock_of(mp_condition *condition)
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
        MP__UNLIKELY(!mp__lock_is_mine(lock_of(condition))))
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

/* 0 or -EOWNERDEAD. Who has notified us holds the lock as a rule, for another
 * moment, and may have been pushed off this very processor by our waking up:
 * to let it run costs less than to sleep a second time. */
static int
get_back(mp_condition *condition, uint32_t times)
{
    int r;

    if (mp__load_relaxed(&lock_of(condition)->owner))
        sched_yield();
    do
        r = condition->rlock
                ? mp__rlock_acquire_again(condition->rlock, times, MP_FOREVER)
                : mp__lock_acquire(&condition->lock->lock, condition->lock,
                                   MP_FOREVER);
    while (r == -EINTR);
    return r;
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
        return r;
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
        return r;
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
        return r;
    r = condition->lock ? mp__lock_release(&condition->lock->lock)
                        : mp__rlock_release(condition->rlock);
    if (MP__UNLIKELY(r == -EOVERFLOW))
        return mp__fail(r, "mp_condition_release: the lock is not held");
    if (MP__UNLIKELY(r == -EPERM))
        return mp__fail(r, "mp_condition_release: the calling thread does not "
                           "hold the lock");
    return r;
}

static int
wait_until(mp_condition *condition, mp_time deadline, const char *function)
{
    int r = enter_held(condition, function), owner;
    uint64_t ticket;
    uint32_t times;

    if (r < 0)
        return r;
    if (deadline == MP_NOW)
        return -EAGAIN;
#ifdef MP__MUTATION_JOIN_LATE
    times = give_up(condition);
    ticket = mp__line_join(condition);
#else
    ticket = mp__line_join(condition);
    times = give_up(condition);
#endif
    r = mp__line_wait(condition, ticket, deadline);
    owner = get_back(condition, times);
#ifdef MP__MUTATION_LATE_IS_LOST
    mp__line_leave(condition, ticket);
#else
    if (mp__line_leave(condition, ticket))
        r = 0; /* perhaps while it waited for the lock */
#endif
    return owner < 0 ? owner : r;
}

int
mp_condition_wait(mp_condition *condition, mp_time deadline)
{
    return wait_until(condition, deadline, "mp_condition_wait");
}

int
mp_condition_wait_for(mp_condition *condition, int (*predicate)(void *arg),
                      void *arg, mp_time deadline)
{
    int r = enter_held(condition, "mp_condition_wait_for");

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

static int
notify(mp_condition *condition, size_t n, const char *function)
{
    int r = enter_held(condition, function);

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
