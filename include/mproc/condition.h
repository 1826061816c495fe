/* SPDX-License-Identifier: MIT */
/* A condition: wait, holding a lock, until somebody says that what the lock
 * guards has changed. Python's Condition.
 *
 *     mp_condition_acquire(c, MP_FOREVER);
 *     while (nothing_to_do())
 *         mp_condition_wait(c, MP_FOREVER);
 *     ...
 *     mp_condition_release(c);
 *
 * Process death. A waiter that is killed leaves nothing behind; a notification
 * that it had got and could not use goes to another who waits. A process that
 * is killed in mp_condition_notify(c, 1) or mp_condition_notify_all() has
 * notified all that it was to, or none. Whoever dies holding the lock, the
 * next to get it is told by -EOWNERDEAD: of acquire, or of a wait when it gets
 * the lock back. It should notify all: the dead may have been notified, and
 * not have done anything about it.
 *
 * Waiters are notified in the order in which they began to wait. Spurious
 * returns of a wait are rare (they follow a death), but look at the state
 * again as above.
 *
 * All functions are thread-safe, and none may be called in a signal handler.
 * Notifying nobody makes no system call. A handle that is not a live condition
 * gives -EBADF.
 *
 * A condition of another family (manager.h): predicates run here. A wait is not
 * ended by signals, for it must have the lock back when it returns; if it has
 * lost it, as the manager was not to be reached any more, that is -EPIPE. */
#ifndef MPROC_CONDITION_H
#define MPROC_CONDITION_H

#include <mproc/lock.h>

MP__BEGIN

typedef struct mp_condition mp_condition;

typedef struct mp_condition_attr {
    uint32_t size;    /* set by MP_CONDITION_ATTR */
    uint32_t flags;   /* none yet: 0 */
    const char *name; /* for mp_describe(); copied, up to 31 bytes of it */
    mp_lock *lock;    /* the lock to use; must outlive the condition. */
    mp_rlock *rlock;  /* Neither: an RLock of its own */
} mp_condition_attr;

/* MP_CONDITION_ATTR(.lock = lock): attributes for this call. */
#define MP_CONDITION_ATTR(...) MP__ATTR(mp_condition_attr, __VA_ARGS__)

/* Makes a condition. Several may share a lock. Errors: -EINVAL (both locks
 * given), -EBADF (the lock is none), -E2BIG (a field this library does not
 * know), -ENOMEM. */
MP_API int mp_condition_create(mp_condition **ret_condition,
                               const mp_condition_attr *attr);

/* Gives the condition's memory back, and that of its own lock. NULL is
 * allowed. -EBUSY: a living thread waits in it, or holds its own lock. */
MP_API int mp_condition_destroy(mp_condition *condition);

/* Acquire and release the condition's lock: mp_lock_acquire() and
 * mp_lock_release(), or those of RLock. */
MP_API int mp_condition_acquire(mp_condition *condition, mp_time deadline);
MP_API int mp_condition_release(mp_condition *condition);

/* Gives up the lock (an RLock entirely, however often it was acquired), waits
 * until notified or until `deadline`, and gets the lock back, for which it
 * waits without limit, as often as it was held before.
 *
 * 0: notified. -ETIMEDOUT: not. -EINTR: a signal handler ran; not notified.
 * -EAGAIN: the deadline is MP_NOW; the lock was not given up. -EOWNERDEAD: as
 * 0 or not, and the lock's last owner died holding it. The lock is held in
 * all these cases. -EPERM: the calling thread does not hold it. */
MP_API int mp_condition_wait(mp_condition *condition, mp_time deadline);

/* Waits until predicate(arg), called with the lock held, does not return 0,
 * and returns that: at once if it need not wait; a negative result of the
 * predicate too. Errors as mp_condition_wait(), and -EINVAL (predicate is
 * NULL); -ETIMEDOUT and -EAGAIN only if the predicate gives 0 even then. */
MP_API int mp_condition_wait_for(mp_condition *condition,
                                 int (*predicate)(void *arg), void *arg,
                                 mp_time deadline);

/* Notifies the `n` who have waited longest (all, if fewer wait). -EPERM: the
 * calling thread does not hold the lock. -EINVAL: n is 0. */
MP_API int mp_condition_notify(mp_condition *condition, size_t n);

/* Notifies all who wait. -EPERM as above. */
MP_API int mp_condition_notify_all(mp_condition *condition);

MP__END

#endif
