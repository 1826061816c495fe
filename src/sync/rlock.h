/* SPDX-License-Identifier: MIT */
#pragma once

#include "sync/lock.h"

/* Below the handle. As mp_rlock_acquire() and mp_rlock_release(). */
int mp__rlock_acquire(mp_rlock *lock, mp_time deadline);
int mp__rlock_release(mp_rlock *lock);

/* For a condition. Releases the lock, which is the caller's, however often it
 * is held; returns how often. Acquires it that often; 0 or -EOWNERDEAD, or as
 * mp_rlock_acquire(). */
uint32_t mp__rlock_release_all(mp_rlock *lock);
int mp__rlock_acquire_again(mp_rlock *lock, uint32_t count, mp_time deadline);

/* Makes one; NULL: no memory. Ends one. */
mp_rlock *mp__rlock_make(const char *name);
int mp__rlock_unmake(mp_rlock *lock, const char *function);
