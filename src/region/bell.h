/* SPDX-License-Identifier: MIT */
/* The bell: sleep until a word changes, or until somebody dies; no kill can
 * swallow a wake-up.
 *
 *   waiter:   while (*data == seen) mp__bell_wait(bell, data, seen, ...)
 *   notifier: mp__bell_arm(bell); COMMIT to *data (one store or RMW);
 *             mp__bell_ring(bell, n)
 *
 * Neither may hold a mutex meanwhile: both use the thread's one pending
 * slot. */
#pragma once

#include "base/atomic.h"
#include "os/futex.h"
#include "region/participant.h"

struct mp__bell {
    mp__a32 word;    /* always 0: a futex to sleep on */
    mp__a32 waiters; /* how many may sleep: may only over-report */
};

/* Sleeps while `*data == seen` and none of the `n` participants in `watch`
 * (at most 120) is dead. 0: look again (also now and then for no reason);
 * -EAGAIN, -ETIMEDOUT, -EINTR. */
int mp__bell_wait(struct mp__bell *bell, mp__a32 *data, uint32_t seen,
                  struct mp__participant *const *watch, unsigned n,
                  mp_time deadline);

static inline void
mp__bell_arm(struct mp__bell *bell)
{
#ifndef MP__MUTATION_NOT_ARMED
    mp__robust_arm(mp__me.head, &bell->word);
#else
    (void)bell;
#endif
}

/* Wakes up to `n` waiters (INT_MAX: all). */
void mp__bell_ring(struct mp__bell *bell, int n);
