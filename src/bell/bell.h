/* SPDX-License-Identifier: MIT */
/* The bell: sleep until a word changes, or until somebody dies; no kill can
 * swallow a wake-up.
 *
 *   waiter:   while (*data == seen) mp__bell_wait(bell, data, seen, ...)
 *   notifier: mp__bell_arm(bell); COMMIT to *data (one store or RMW);
 *             mp__bell_ring(bell, n)
 *
 * mp__bell_wait() is for news that concern all who wait. Where one of them is
 * to be woken, or a waiter has to be known before it sleeps, it arms the bell
 * itself and uses mp__bell_sleep().
 *
 * Neither may hold a mutex meanwhile: both use the thread's one pending
 * slot. */
#pragma once

#include "base/atomic.h"
#include "os/futex.h"
#include "region/participant.h"

static inline void
mp__bell_arm(struct mp__bell *bell)
{
#ifndef MP__MUTATION_NOT_ARMED
    mp__robust_arm(mp__me.head, &bell->word);
#else
    (void)bell;
#endif
}

static inline void
mp__bell_disarm(void)
{
    mp__robust_disarm(mp__me.head);
}

/* Wakes up to `n` waiters (INT_MAX: all), and disarms. */
void mp__bell_ring(struct mp__bell *bell, int n);

/* ---- Sleeping ---- */

/* What a sleep ends with, beside the bell: a word that has changed, a life
 * that is over. */
struct mp__watch {
    unsigned n, lives; /* words in all; the last of them are lives */
    int partial;       /* not all had room: sleep for a moment only */
    struct mp__futex_word words[MP__FUTEX_WAITV_MAX];
};

void mp__watch_begin(struct mp__watch *watch, struct mp__bell *bell);
/* With a futex word of the caller's in place of a bell: see
 * mp__watch_sleep(). */
void mp__watch_begin_at(struct mp__watch *watch, mp__a32 *word, uint32_t seen);
/* Words before lives. */
void mp__watch_word(struct mp__watch *watch, mp__a32 *word, uint32_t seen);
/* 0: that participant is dead, and not watched. 1: it is watched, once, or there
 * was no room. */
int mp__watch_life(struct mp__watch *watch, uint64_t participant);

/* Sleeps once on what is watched, without a bell; for a moment only if not all
 * can be watched. Of those who watch a life the kernel wakes one: who is woken
 * by a death must call mp__reap(), which wakes the others. 0, -ETIMEDOUT,
 * -EINTR. */
int mp__watch_sleep(const struct mp__watch *watch, mp_time until);

#define MP__SLICE_OVER 1

/* Sleeps once. The bell is armed by the caller, and stays armed. `object`: for
 * whom it sleeps, for reports. 0: woken, or something has changed;
 * MP__SLICE_OVER: nothing has, for a while; -ETIMEDOUT, -EINTR. */
int mp__bell_sleep(struct mp__bell *bell, const struct mp__watch *watch,
                   const void *object, mp_time deadline);

/* The same, for `slice` ns at the most: then MP__SLICE_OVER. */
int mp__bell_nap(struct mp__bell *bell, const struct mp__watch *watch,
                 const void *object, mp_time slice, mp_time deadline);

/* Sleeps while `*data == seen` and none of the `n` participants in `watch`
 * (at most 120) is dead; arms and disarms the bell. Wakes all others when
 * there are news. 0: look again (also now and then for no reason); -EAGAIN,
 * -ETIMEDOUT, -EINTR. */
int mp__bell_wait(struct mp__bell *bell, mp__a32 *data, uint32_t seen,
                  struct mp__participant *const *watch, unsigned n,
                  mp_time deadline);
