/* SPDX-License-Identifier: MIT */
/* Semaphore, served. A tracked permit is the guest's, and free when it has died.
 * One that was given, but whose answer never arrived, is given back. */
#include "service/sync.h"

static ssize_t
serve_semaphore_acquire(struct mp__call *call)
{
    return mp__serve_given(call, mp_semaphore_acquire(call->object, MP_NOW));
}

static void
cancel_acquire(struct mp__call *call)
{
    if (mp__serve_cancelled(call) == MP__SERVED_GIVEN)
        mp_semaphore_release(call->object);
}

MP__SERVE_PLAIN(semaphore_release)
MP__SERVE_PLAIN(semaphore_value)
MP__SERVE_PLAIN(semaphore_locked)

static const struct mp__op ops[] = {
    {"semaphore_destroy", MP__SLAB_SEMAPHORE, .serve = mp__serve_destroy},
    {"semaphore_acquire", MP__SLAB_SEMAPHORE, .serve = serve_semaphore_acquire,
     .guest = 1, .cancel = cancel_acquire},
    {"semaphore_release", MP__SLAB_SEMAPHORE, .serve = serve_semaphore_release,
     .guest = 1},
    {"semaphore_value", MP__SLAB_SEMAPHORE, .serve = serve_semaphore_value},
    {"semaphore_locked", MP__SLAB_SEMAPHORE, .serve = serve_semaphore_locked},
};

void
mp__serve_semaphore(void)
{
    mp__ops_register(ops, MP__LENGTH(ops));
}
