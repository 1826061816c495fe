/* SPDX-License-Identifier: MIT */
/* A semaphore: a number of permits that threads and processes of one family
 * take and give. Python's Semaphore and BoundedSemaphore.
 *
 * Process death. A process may be killed at any instruction of any function
 * here: the permit is taken, or given, whole or not at all; a killed waiter
 * takes none, and nobody is left asleep beside a permit.
 *
 * Permits have no owner, as in Python: one process may take what another
 * gives, so a permit that a dead process had is gone. With .tracked they have
 * owners: the permits of a thread that dies come back, exactly. Who sleeps
 * already gets them within 10 ms, who comes later at once.
 *
 * All functions are thread-safe, and none may be called in a signal handler.
 * Without contention none makes a system call. Who comes just in time
 * overtakes those who sleep. A handle that is not a live semaphore gives
 * -EBADF. One of another family (manager.h) may be used alike; tracked permits are
 * the calling thread's. */
#ifndef MPROC_SEMAPHORE_H
#define MPROC_SEMAPHORE_H

#include <mproc/base.h>

MP__BEGIN

typedef struct mp_semaphore mp_semaphore;

/* The most permits a semaphore can have. */
#define MP_SEMAPHORE_MAX 0x7fffffffu
/* ... and a tracked one, which keeps a word for each. */
#define MP_SEMAPHORE_TRACKED_MAX 65536u

typedef struct mp_semaphore_attr {
    uint32_t size;    /* set by MP_SEMAPHORE_ATTR */
    uint32_t flags;   /* none yet: 0 */
    const char *name; /* for mp_describe(); copied, up to 31 bytes of it */
    int bounded; /* 1: never more permits than at first (BoundedSemaphore) */
    int tracked; /* 1: a permit belongs to the thread that took it, returns
                    when that dies, and is given back by it only; implies
                    .bounded */
} mp_semaphore_attr;

/* MP_SEMAPHORE_ATTR(.bounded = 1): attributes for this call. */
#define MP_SEMAPHORE_ATTR(...) MP__ATTR(mp_semaphore_attr, __VA_ARGS__)

/* Makes a semaphore with `value` permits, 0 to MP_SEMAPHORE_MAX (tracked: 1 to
 * MP_SEMAPHORE_TRACKED_MAX). Errors: -EINVAL, -E2BIG (a field this library
 * does not know), -ENOMEM. */
MP_API int mp_semaphore_create(mp_semaphore **ret_semaphore, uint32_t value,
                               const mp_semaphore_attr *attr);

/* Gives the semaphore's memory back. NULL is allowed. -EBUSY: a living thread
 * waits for a permit. */
MP_API int mp_semaphore_destroy(mp_semaphore *semaphore);

/* Takes a permit, waiting until `deadline` while there is none. -EAGAIN (the
 * deadline is MP_NOW: never sleeps), -ETIMEDOUT, -EINTR (a signal handler
 * ran): none was taken. */
MP_API int mp_semaphore_acquire(mp_semaphore *semaphore, mp_time deadline);

/* Gives a permit. -EOVERFLOW: there are as many as there may be. -EPERM: the
 * semaphore is tracked, and the calling thread has none of its permits. */
MP_API int mp_semaphore_release(mp_semaphore *semaphore);

/* The number of permits, exact at the moment of the call. Of a tracked one,
 * permits of the dead count as returned, and if others take and give at the
 * same time, some of that may be counted and some not. Never waits. */
MP_API int mp_semaphore_value(mp_semaphore *semaphore);

/* 1: there is no permit; 0: there is. */
MP_API int mp_semaphore_locked(mp_semaphore *semaphore);

MP__END

#endif
