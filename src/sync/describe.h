/* SPDX-License-Identifier: MIT */
/* How the objects of this room are described. */
#pragma once

#include "report/describe.h"
#include "sync/lock.h"

/* Register it: of locks, semaphores, events; of conditions and barriers. */
void mp__sync_describe(void);
void mp__sync_describe_groups(void);

/* ": held by pid 12 (name) for at least 1.20 s". `again`: so many times more
 * than once. */
void mp__lock_report(struct mp__report *report, struct mp__lock *lock,
                     uint32_t again);

/* Of an rlock, which may change meanwhile. */
static inline uint32_t
mp__rlock_again(const mp_rlock *lock)
{
    return *(const volatile uint32_t *)&lock->again;
}
