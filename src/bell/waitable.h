/* SPDX-License-Identifier: MIT */
/* What mp_wait() knows of an object. Rooms above register theirs by a
 * constructor function. */
#pragma once

#include "bell/pollers.h"
#include "region/object.h"

struct mp__waitable {
    enum mp__slab slab;
    /* 1: it is ready; 0: it is not; -EAGAIN: only its descriptor can tell. No
     * system call, as a rule. NULL: -EAGAIN. */
    int (*look)(void *object);
    /* Readable when it may be ready. */
    int (*fd)(void *object);
    /* Its descriptor is readable. 1: it is ready; 0: it is not, and the
     * descriptor will be readable when it is; below 0: an error. Never waits.
     * NULL: 1. */
    int (*ready)(void *object);
    /* Whose pollers its descriptor is one of; NULL: it is none, or not yet. */
    struct mp__pollers *(*pollers)(void *object);
};
void mp__waitable_register(const struct mp__waitable *waitable);
