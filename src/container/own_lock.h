/* SPDX-License-Identifier: MIT */
/* The lock of a value or an array. It is made when somebody asks for it: most
 * never do. */
#pragma once

#include "report/describe.h"
#include "sync/rlock.h"

struct mp__own_lock {
    _Atomic(mp_rlock *) lock; /* NULL: not yet; set once */
};

/* Makes it if need be. `what` and `object`: whose lock it is, for reports.
 * NULL: no memory. */
mp_rlock *mp__own_lock_get(struct mp__own_lock *own, const char *what,
                           const void *object);

/* The lock of an object elsewhere: the same, for `r` of mp__object_enter(). */
MP__COLD mp_rlock *mp__own_lock_far(int r, const void *object,
                                    const char *function);

/* 0, or -EBUSY: a living thread holds it or waits for it. */
int mp__own_lock_idle(struct mp__own_lock *own, const char *function);

/* Ends it; its object has been ended already. */
void mp__own_lock_end(struct mp__own_lock *own);

/* Ends the object's line with how its lock stands, and adds one for each who
 * waits. */
void mp__own_lock_report(struct mp__report *report, struct mp__own_lock *own);
