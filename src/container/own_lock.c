/* SPDX-License-Identifier: MIT */
/* The lock of a value or an array: an RLock like any other, with a name that
 * says whose it is.
 *
 * `lock` is set once, by compare-and-swap: who comes second ends the one that
 * it has made. Who dies in between loses a free lock, of some 300 bytes. It
 * goes after its object: as long as there is the object, there is the lock. */
#include "container/own_lock.h"

#include "base/error.h"
#include "bell/waiters.h"
#include "container/container.h"
#include "sync/describe.h"

#include <errno.h>
#include <stdio.h>

/* Here, for whoever is linked with any object of this room needs it. */
__attribute__((constructor)) static void
register_descriptions(void)
{
    mp__container_describe();
}

mp_rlock *
mp__own_lock_get(struct mp__own_lock *own, const char *what,
                 const void *object)
{
    mp_rlock *lock = mp__load(&own->lock), *made;
    char name[MP__SYNC_NAME];

    if (lock)
        return lock;
    snprintf(name, sizeof(name), "%s %p", what, object);
    made = mp__rlock_make(name);
    if (made == NULL || mp__cas(&own->lock, &lock, made))
        return made;
    mp__rlock_unmake(made, "mp_rlock_destroy");
    return lock;
}

mp_rlock *
mp__own_lock_far(int r, const void *object, const char *function)
{
    mp_rlock *lock = NULL;

    if (r == -EREMOTE)
        mp__far_call(object, function, MP__FAR_PLAIN, "> h", &lock);
    return lock;
}

int
mp__own_lock_idle(struct mp__own_lock *own, const char *function)
{
    mp_rlock *lock = mp__load(&own->lock);

    if (lock && mp__participant_find(mp__load(&lock->lock.owner)))
        return mp__fail(-EBUSY, "%s: its lock is held", function);
    if (lock && mp__waiters_of(lock, sizeof(*lock), NULL, 0))
        return mp__fail(-EBUSY, "%s: its lock is waited for", function);
    return 0;
}

void
mp__own_lock_end(struct mp__own_lock *own)
{
    mp_rlock *lock = mp__load(&own->lock);

    if (lock && mp__object_ok(lock, MP__SLAB_RLOCK))
        mp__rlock_unmake(lock, "mp_rlock_destroy");
}

void
mp__own_lock_report(struct mp__report *report, struct mp__own_lock *own)
{
    mp_rlock *lock = mp__load(&own->lock);
    struct mp__waiting waiting;

    if (lock == NULL || !mp__object_ok(lock, MP__SLAB_RLOCK)) {
        mp__report(report, "\n");
        return;
    }
    mp__waiting_in(&waiting, lock, sizeof(*lock));
    mp__report(report, "; its lock");
    mp__lock_report(report, &lock->lock, mp__rlock_again(lock));
    mp__report(report, "; ");
    mp__report_count(report, waiting.n);
    mp__report(report, "\n");
    mp__report_waiting(report, &waiting, "");
}
