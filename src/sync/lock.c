/* SPDX-License-Identifier: MIT */
/* Lock.
 *
 * The word names the owner, a participant: so it is the record as well of who
 * died holding it. Acquiring is one compare-and-swap from nobody to oneself,
 * or from a dead owner to oneself, which only one can win; releasing is one
 * back to nobody. Nothing else has to be right: what there is beside the word
 * is for those who sleep (gate.c) and for reports.
 *
 * A lock that somebody else than the owner has released is a token: `handed`
 * is set, for good, and before that release. Its owner's death says nothing. */
#include "sync/lock.h"

#include "base/attr.h"
#include "base/error.h"
#include "os/clock.h"

#include <errno.h>

_Static_assert(sizeof(mp_lock_attr) == sizeof(struct mp__sync_attr), "");

/* ---- The lock ---- */

void
mp__lock_init(struct mp__lock *lock, int handover)
{
    mp__gate_init(&lock->gate);
    mp__store_relaxed(&lock->handed, (uint32_t)handover);
}

/* The half of the owner's id that differs between participants, as a futex:
 * who has the same half has another life word. */
static mp__a32 *
futex_of(mp__a64 *owner)
{
    _Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "");
    return (mp__a32 *)(void *)owner;
}

/* Takes the lock if it is free, or left behind. 0, -EOWNERDEAD, or -EAGAIN
 * with the owner in *owner. */
static int
take(struct mp__lock *lock, uint64_t *owner)
{
    *owner = mp__load(&lock->owner);
    while (*owner == 0 || (mp__participant_find(*owner) == NULL &&
                           !mp__load(&lock->handed))) {
        uint64_t last = *owner;

        if (mp__cas(&lock->owner, owner, mp__me.id))
            return last ? -EOWNERDEAD : 0;
    }
    return -EAGAIN;
}

/* For reports: since when the owner is known to hold it. */
static void
note_owner(struct mp__lock *lock, uint64_t owner)
{
    if (mp__load_relaxed(&lock->awaited_owner) == owner)
        return;
    mp__store_relaxed(&lock->awaited_since, (uint64_t)mp__now());
    mp__store_relaxed(&lock->awaited_owner, owner);
}

static int
sleep_for(struct mp__lock *lock, struct mp__gate_visit *visit, uint64_t owner,
          const void *object, mp_time deadline)
{
    struct mp__watch watch;

    mp__gate_watch(&lock->gate, &watch, futex_of(&lock->owner),
                   (uint32_t)owner);
#ifndef MP__MUTATION_OWNER_UNWATCHED
    if (!mp__watch_life(&watch, owner) && !mp__load(&lock->handed))
        return 0; /* it has just died */
#endif
    note_owner(lock, owner);
    return mp__gate_sleep(&lock->gate, visit, &watch, object, deadline);
}

/* Waits at the gate. The bell is armed. */
static int
wait_for(struct mp__lock *lock, struct mp__gate_visit *visit,
         const void *object, mp_time deadline)
{
    uint64_t owner;
    int r = 0;

    for (;;) {
        int taken;

        mp__gate_look(&lock->gate);
        taken = take(lock, &owner);
        if (taken != -EAGAIN)
            return taken;
        if (r < 0 || (r = mp__expired(deadline)) < 0)
            return r;
        if (!mp__sync_spin(&lock->gate.spins, futex_of(&lock->owner),
                           (uint32_t)owner))
            r = sleep_for(lock, visit, owner, object, deadline);
    }
}

int
mp__lock_acquire_slow(struct mp__lock *lock, const void *object,
                      mp_time deadline)
{
    struct mp__gate_visit visit = {0};
    uint64_t owner;
    int r = take(lock, &owner);

    if (r != -EAGAIN || deadline == MP_NOW)
        return r;
#ifndef MP__MUTATION_WAITER_UNARMED
    mp__bell_arm(&lock->gate.bell);
#endif
    r = wait_for(lock, &visit, object, deadline);
    mp__gate_leave(&lock->gate, &visit,
                   visit.slept && r < 0 && r != -EOWNERDEAD);
    mp__bell_disarm();
    return r;
}

void
mp__lock_wake(struct mp__lock *lock)
{
    mp__bell_arm(&lock->gate.bell);
    mp__gate_open(&lock->gate);
    mp__bell_disarm();
}

int
mp__lock_release_slow(struct mp__lock *lock)
{
    uint64_t owner = mp__load(&lock->owner);

#ifndef MP__MUTATION_RELEASE_UNARMED
    mp__bell_arm(&lock->gate.bell);
#endif
    do {
        if (owner == 0) {
            mp__bell_disarm();
            return -EOVERFLOW;
        }
        if (owner != mp__me.id)
            mp__store(&lock->handed, 1);
        mp__store_relaxed(&lock->awaited_owner, 0);
    } while (!mp__cas(&lock->owner, &owner, 0));
    if (mp__gate_waited(&lock->gate))
        mp__gate_open(&lock->gate);
    mp__bell_disarm();
    return 0;
}

void
mp__lock_leave_behind(struct mp__lock *lock)
{
    uint64_t owner = mp__me.id;

    mp__bell_arm(&lock->gate.bell);
    if (mp__cas(&lock->owner, &owner, MP__LOCK_DEAD) &&
        mp__gate_waited(&lock->gate))
        mp__gate_open(&lock->gate);
    mp__bell_disarm();
}

/* ---- Lock ---- */

static int
enter(const mp_lock *lock, const char *function)
{
    return mp__object_enter(lock, MP__SLAB_LOCK, function, "a lock");
}

int
mp_lock_create(mp_lock **ret_lock, const mp_lock_attr *attr)
{
    mp_lock_attr a;
    mp_lock *lock;
    int r;

    if (ret_lock == NULL)
        return mp__fail(-EINVAL, "mp_lock_create: ret_lock is NULL");
    r = mp__attr_read(&a, sizeof(a), attr, MP_LOCK_HANDOVER, "mp_lock_create");
    if (r < 0 || (r = mp__enter()) < 0)
        return r;
    lock = mp__object_alloc(MP__SLAB_LOCK, sizeof(*lock));
    if (lock == NULL)
        return -ENOMEM;
    mp__lock_init(&lock->lock, (a.flags & MP_LOCK_HANDOVER) != 0);
    mp__sync_name(lock->name, a.name);
    mp__object_publish(lock, MP__SLAB_LOCK);
    *ret_lock = lock;
    return 0;
}

int
mp_lock_destroy(mp_lock *lock)
{
    int r = lock ? enter(lock, "mp_lock_destroy") : 1;

    if (r != 0)
        return r < 0 ? (int)MP__FAR(r, lock, MP__FAR_PLAIN, "") : 0;
    if (mp__participant_find(mp__load(&lock->lock.owner)))
        return mp__fail(-EBUSY, "mp_lock_destroy: the lock is held");
    return mp__sync_destroy(lock, sizeof(*lock), MP__SLAB_LOCK,
                            "mp_lock_destroy");
}

int
mp_lock_acquire(mp_lock *lock, mp_time deadline)
{
    int r = enter(lock, "mp_lock_acquire");

    if (MP__UNLIKELY(r < 0))
        return (int)MP__FAR(r, lock, deadline, "");
    return mp__lock_acquire(&lock->lock, lock, deadline);
}

int
mp_lock_release(mp_lock *lock)
{
    int r = enter(lock, "mp_lock_release");

    if (MP__UNLIKELY(r < 0))
        return (int)MP__FAR(r, lock, MP__FAR_PLAIN, "");
    r = mp__lock_release(&lock->lock);
    if (MP__UNLIKELY(r < 0))
        return mp__fail(r, "mp_lock_release: the lock is not held");
    return 0;
}

int
mp_lock_locked(mp_lock *lock)
{
    int r = enter(lock, "mp_lock_locked");

    if (r < 0)
        return (int)MP__FAR(r, lock, MP__FAR_PLAIN, "");
    return mp__load(&lock->lock.owner) != 0;
}

int
mp_lock_is_robust(mp_lock *lock)
{
    int r = enter(lock, "mp_lock_is_robust");

    if (r < 0)
        return (int)MP__FAR(r, lock, MP__FAR_PLAIN, "");
    return !mp__load(&lock->lock.handed);
}

pid_t
mp_lock_owner(mp_lock *lock)
{
    int r = enter(lock, "mp_lock_owner");

    if (r < 0)
        return (int)MP__FAR(r, lock, MP__FAR_PLAIN, "");
    return mp__sync_pid(mp__load(&lock->lock.owner));
}

int
mp_lock_waiters(mp_lock *lock, pid_t *pids, size_t n)
{
    int r = enter(lock, "mp_lock_waiters");

    if (r < 0)
        return mp__sync_far_waiters(r, lock, pids, n, "mp_lock_waiters");
    return mp__sync_waiters(lock, sizeof(*lock), pids, n, "mp_lock_waiters");
}
