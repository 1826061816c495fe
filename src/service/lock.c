/* SPDX-License-Identifier: MIT */
/* Lock and RLock, served.
 *
 * The owner is the guest that stands for the caller's thread. Whoever gets the
 * lock after it has died is told, as at home. A lock that was given, but whose
 * answer never arrived, is released; and if that answer was -EOWNERDEAD, it is
 * left behind once more, so that the next one hears of it. */
#include "service/sync.h"

#include "sync/rlock.h"

#define PIDS_MOST 256u

/* ---- Lock ---- */

static ssize_t
serve_lock_acquire(struct mp__call *call)
{
    return mp__serve_given(call, mp_lock_acquire(call->object, MP_NOW));
}

static void
cancel_lock_acquire(struct mp__call *call)
{
    enum mp__served served = mp__serve_cancelled(call);
    mp_lock *lock = call->object;

    if (served == MP__SERVED_LEFT)
        mp__lock_leave_behind(&lock->lock);
    else if (served == MP__SERVED_GIVEN && mp__lock_is_mine(&lock->lock))
        mp__lock_release(&lock->lock);
}

static ssize_t
serve_lock_waiters(struct mp__call *call)
{
    pid_t pids[PIDS_MOST];
    size_t n;
    int r = mp__call_args(call, "z", &n), found;

    if (r < 0)
        return r;
    if (n > PIDS_MOST)
        n = PIDS_MOST;
    found = call->op->slab == MP__SLAB_LOCK
                ? mp_lock_waiters(call->object, pids, n)
                : mp_rlock_waiters(call->object, pids, n);
    if (found < 0)
        return found;
    r = mp__call_give(call, "*i", pids, (size_t)found < n ? (size_t)found : n);
    return r < 0 ? r : found;
}

MP__SERVE_PLAIN(lock_release)
MP__SERVE_PLAIN(lock_locked)
MP__SERVE_PLAIN(lock_is_robust)
MP__SERVE_PLAIN(lock_owner)

/* ---- RLock ---- */

static ssize_t
serve_rlock_acquire(struct mp__call *call)
{
    return mp__serve_given(call, mp_rlock_acquire(call->object, MP_NOW));
}

static void
cancel_rlock_acquire(struct mp__call *call)
{
    enum mp__served served = mp__serve_cancelled(call);
    mp_rlock *lock = call->object;

    if (served == MP__SERVED_LEFT)
        mp__lock_leave_behind(&lock->lock);
    else if (served == MP__SERVED_GIVEN && mp__lock_is_mine(&lock->lock))
        mp__rlock_release(lock);
}

MP__SERVE_PLAIN(rlock_release)
MP__SERVE_PLAIN(rlock_locked)
MP__SERVE_PLAIN(rlock_owner)

static const struct mp__op ops[] = {
    {"lock_destroy", MP__SLAB_LOCK, .serve = mp__serve_destroy},
    {"lock_acquire", MP__SLAB_LOCK, .serve = serve_lock_acquire, .guest = 1,
     .cancel = cancel_lock_acquire},
    {"lock_release", MP__SLAB_LOCK, .serve = serve_lock_release, .guest = 1},
    {"lock_locked", MP__SLAB_LOCK, .serve = serve_lock_locked},
    {"lock_is_robust", MP__SLAB_LOCK, .serve = serve_lock_is_robust},
    {"lock_owner", MP__SLAB_LOCK, .serve = serve_lock_owner},
    {"lock_waiters", MP__SLAB_LOCK, .serve = serve_lock_waiters},
    {"rlock_destroy", MP__SLAB_RLOCK, .serve = mp__serve_destroy},
    {"rlock_acquire", MP__SLAB_RLOCK, .serve = serve_rlock_acquire, .guest = 1,
     .cancel = cancel_rlock_acquire},
    {"rlock_release", MP__SLAB_RLOCK, .serve = serve_rlock_release,
     .guest = 1},
    {"rlock_locked", MP__SLAB_RLOCK, .serve = serve_rlock_locked},
    {"rlock_owner", MP__SLAB_RLOCK, .serve = serve_rlock_owner},
    {"rlock_waiters", MP__SLAB_RLOCK, .serve = serve_lock_waiters},
};

void
mp__serve_lock(void)
{
    mp__ops_register(ops, MP__LENGTH(ops));
}
