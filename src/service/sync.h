/* SPDX-License-Identifier: MIT */
/* What the handlers of locks, semaphores, events, conditions and barriers have in
 * common. */
#pragma once

#include "bell/waiters.h"
#include "service/service.h"

#include <errno.h>

/* An op whose function takes nothing but the object. */
#define MP__SERVE_PLAIN(function)                          \
    static ssize_t serve_##function(struct mp__call *call) \
    {                                                      \
        return mp_##function(call->object);                \
    }

/* mp__call_wait() for a guest: says where it waits, as a thread that sleeps does;
 * so it is seen by those who ask who waits, or want to destroy the object. */
static inline ssize_t
mp__serve_wait(struct mp__call *call, ssize_t r)
{
    r = mp__call_wait(call, r);
    if (r != MP__CALL_PARK)
        mp__wait_end();
    else if (mp__load_relaxed(&mp__me.part->waiting) == 0)
        mp__wait_begin(call->object);
    return r;
}

/* In state_words[0]: what an acquire has come to, for its cancel(). */
enum mp__served {
    MP__SERVED_NOTHING, /* it was parked */
    MP__SERVED_GIVEN,
    MP__SERVED_LEFT, /* given, and the last owner is dead */
};

static inline ssize_t
mp__serve_given(struct mp__call *call, int r)
{
    call->state_words[0] = r == 0             ? MP__SERVED_GIVEN
                           : r == -EOWNERDEAD ? MP__SERVED_LEFT
                                              : MP__SERVED_NOTHING;
    return mp__serve_wait(call, r);
}

/* Begins a cancel(): what is to be taken back. */
static inline enum mp__served
mp__serve_cancelled(const struct mp__call *call)
{
    mp__wait_end();
    if (!mp__object_ok(call->object, (enum mp__slab)call->op->slab))
        return MP__SERVED_NOTHING;
    return (enum mp__served)call->state_words[0];
}
