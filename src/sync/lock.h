/* SPDX-License-Identifier: MIT */
/* The lock inside of Lock, RLock and Condition. */
#pragma once

#include "sync/gate.h"
#include "sync/sync.h"

#include <mproc/lock.h>

struct mp__lock {
    mp__a64 owner; /* participant id; 0: free. The commit word */
    struct mp__gate gate;
    mp__a32 handed;        /* 1: has been released by another than its owner */
    mp__a64 awaited_owner; /* whom somebody had to wait for, */
    mp__a64 awaited_since; /* and since when; 0: nobody had to */
};

struct mp_lock {
    struct mp__object object;
    struct mp__lock lock;
    char name[MP__SYNC_NAME];
} MP__ALIGNED(MP__LINE);

struct mp_rlock {
    struct mp__object object;
    struct mp__lock lock;
    uint32_t again; /* how often the owner acquired it after the first time */
    char name[MP__SYNC_NAME];
} MP__ALIGNED(MP__LINE);

void mp__lock_init(struct mp__lock *lock, int handover);

MP__COLD int mp__lock_acquire_slow(struct mp__lock *lock, const void *object,
                                   mp_time deadline);
MP__COLD int mp__lock_release_slow(struct mp__lock *lock);
MP__COLD void mp__lock_wake(struct mp__lock *lock);

/* The caller, the owner, gives up what it got from a dead one, and has not looked
 * at: the next to get it is told of a death, too. */
#define MP__LOCK_DEAD ((uint64_t)MP__PARTICIPANTS_ALL + 1) /* nobody's id */
void mp__lock_leave_behind(struct mp__lock *lock);

/* As mp_lock_acquire(). `object`: whose lock it is, for reports. */
static inline int
mp__lock_acquire(struct mp__lock *lock, const void *object, mp_time deadline)
{
    uint64_t owner = 0;

    if (MP__LIKELY(mp__cas(&lock->owner, &owner, mp__me.id)))
        return 0;
    return mp__lock_acquire_slow(lock, object, deadline);
}

/* As mp_lock_release(): -EOVERFLOW if nobody holds it.
 *
 * When nobody waits the bell need not be armed before the commit: whoever
 * comes in between sees us as the owner, and watches our life. */
static inline int
mp__lock_release(struct mp__lock *lock)
{
    uint64_t owner = mp__me.id;

    if (MP__UNLIKELY(mp__load_relaxed(&lock->awaited_owner) |
                     mp__load_relaxed(&lock->gate.bell.waiters)) ||
        MP__UNLIKELY(!mp__cas(&lock->owner, &owner, 0)))
        return mp__lock_release_slow(lock);
#ifndef MP__MUTATION_RELEASE_BLINDLY
    if (MP__UNLIKELY(mp__gate_waited(&lock->gate)))
        mp__lock_wake(lock);
#endif
    return 0;
}

static inline int
mp__lock_is_mine(const struct mp__lock *lock)
{
    return mp__load_relaxed(&lock->owner) == mp__me.id;
}
