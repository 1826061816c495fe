/* SPDX-License-Identifier: MIT */
/* RLock: a lock, and how often its owner has acquired it again. Only the owner
 * reads and writes that count; it is 0 while the lock is free, and who takes
 * it over from a dead owner sets it so. */
#include "sync/rlock.h"

#include "base/attr.h"
#include "base/error.h"

#include <errno.h>

static int
enter(const mp_rlock *lock, const char *function)
{
    return mp__object_enter(lock, MP__SLAB_RLOCK, function, "an rlock");
}

/* ---- Below the handle ---- */

/* The lock is not free. */
MP__COLD static int
acquire_slow(mp_rlock *lock, mp_time deadline)
{
    int r;

    if (mp__lock_is_mine(&lock->lock)) {
        if (lock->again == UINT32_MAX - 1)
            return mp__fail(-EOVERFLOW, "mp_rlock_acquire: the lock is held "
                                        "4294967295 times already");
        lock->again++;
        return 0;
    }
    r = mp__lock_acquire_slow(&lock->lock, lock, deadline);
    if (r == -EOWNERDEAD)
        lock->again = 0;
    return r;
}

int
mp__rlock_acquire(mp_rlock *lock, mp_time deadline)
{
    uint64_t owner = 0;

    if (MP__LIKELY(mp__cas(&lock->lock.owner, &owner, mp__me.id)))
        return 0;
    return acquire_slow(lock, deadline);
}

int
mp__rlock_release(mp_rlock *lock)
{
    if (MP__UNLIKELY(!mp__lock_is_mine(&lock->lock)))
        return mp__fail(-EPERM, "mp_rlock_release: the calling thread does "
                                "not hold the lock");
    if (lock->again) {
        lock->again--;
        return 0;
    }
    return mp__lock_release(&lock->lock);
}

uint32_t
mp__rlock_release_all(mp_rlock *lock)
{
    uint32_t again = lock->again;

    lock->again = 0;
    mp__lock_release(&lock->lock);
    return again + 1;
}

int
mp__rlock_acquire_again(mp_rlock *lock, uint32_t count, mp_time deadline)
{
    int r = mp__rlock_acquire(lock, deadline);

    if (r == 0 || r == -EOWNERDEAD)
        lock->again = count - 1;
    return r;
}

mp_rlock *
mp__rlock_make(const char *name)
{
    mp_rlock *lock = mp__object_alloc(MP__SLAB_RLOCK, sizeof(*lock));

    if (lock == NULL)
        return NULL;
    mp__lock_init(&lock->lock, 0);
    mp__sync_name(lock->name, name);
    mp__object_publish(lock, MP__SLAB_RLOCK);
    return lock;
}

int
mp__rlock_unmake(mp_rlock *lock, const char *function)
{
    if (mp__participant_find(mp__load(&lock->lock.owner)))
        return mp__fail(-EBUSY, "%s: the lock is held", function);
    return mp__sync_destroy(lock, sizeof(*lock), MP__SLAB_RLOCK, function);
}

/* ---- RLock ---- */

int
mp_rlock_create(mp_rlock **ret_lock, const mp_lock_attr *attr)
{
    mp_rlock *lock;
    mp_lock_attr a;
    int r;

    if (ret_lock == NULL)
        return mp__fail(-EINVAL, "mp_rlock_create: ret_lock is NULL");
    r = mp__attr_read(&a, sizeof(a), attr, 0, "mp_rlock_create");
    if (r < 0 || (r = mp__enter()) < 0)
        return r;
    lock = mp__rlock_make(a.name);
    if (lock == NULL)
        return -ENOMEM;
    *ret_lock = lock;
    return 0;
}

int
mp_rlock_destroy(mp_rlock *lock)
{
    int r = lock ? enter(lock, "mp_rlock_destroy") : 1;

    if (r != 0)
        return r < 0 ? (int)MP__FAR(r, lock, MP__FAR_PLAIN, "") : 0;
    return mp__rlock_unmake(lock, "mp_rlock_destroy");
}

int
mp_rlock_acquire(mp_rlock *lock, mp_time deadline)
{
    int r = enter(lock, "mp_rlock_acquire");

    if (MP__UNLIKELY(r < 0))
        return (int)MP__FAR(r, lock, deadline, "");
    return mp__rlock_acquire(lock, deadline);
}

int
mp_rlock_release(mp_rlock *lock)
{
    int r = enter(lock, "mp_rlock_release");

    if (MP__UNLIKELY(r < 0))
        return (int)MP__FAR(r, lock, MP__FAR_PLAIN, "");
    return mp__rlock_release(lock);
}

int
mp_rlock_locked(mp_rlock *lock)
{
    int r = enter(lock, "mp_rlock_locked");

    if (r < 0)
        return (int)MP__FAR(r, lock, MP__FAR_PLAIN, "");
    return mp__load(&lock->lock.owner) != 0;
}

pid_t
mp_rlock_owner(mp_rlock *lock)
{
    int r = enter(lock, "mp_rlock_owner");

    if (r < 0)
        return (int)MP__FAR(r, lock, MP__FAR_PLAIN, "");
    return mp__sync_pid(mp__load(&lock->lock.owner));
}

int
mp_rlock_waiters(mp_rlock *lock, pid_t *pids, size_t n)
{
    int r = enter(lock, "mp_rlock_waiters");

    if (r < 0)
        return mp__sync_far_waiters(r, lock, pids, n, "mp_rlock_waiters");
    return mp__sync_waiters(lock, sizeof(*lock), pids, n, "mp_rlock_waiters");
}
