/* SPDX-License-Identifier: MIT */
/* The bell.
 *
 * A waiter sleeps on three kinds of word at once: the bell's own, which is
 * always 0, the data word, and the life words of those whose death would
 * matter. The kernel enqueues in that order and compares as it goes: the
 * waiter is on the bell before the data word is compared, so a commit either
 * makes the compare fail or finds the waiter asleep.
 *
 * A notifier that dies between its commit and the wake-up still has the bell's
 * word in its pending slot: the kernel then wakes one waiter in its stead, and
 * does so again if that one dies before it has looked; for waiters have the
 * word pending too. Whoever is woken and finds news wakes the others.
 *
 * `waiters` counts; a flag would not do, because no one could ever lower it
 * safely. A waiter that dies asleep is never subtracted: the count may belong
 * to another object in the same cell by then. It costs one idle system call
 * to each later ring of that object. */
#include "region/bell.h"

#include "os/clock.h"
#include "region/layout.h"

#include <errno.h>
#include <limits.h>

#define WATCH_MOST 120

static int
somebody_died(struct mp__participant *const *watch, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (mp__load(mp__participant_word(watch[i])) !=
            mp__participant_word_alive(watch[i]))
            return 1;
    return 0;
}

/* The kernel wakes one of those who watch a life; the bell is still armed, so
 * that another is woken should this one die before it has woken the rest. */
static void
pass_deaths_on(struct mp__participant *const *watch, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (somebody_died(&watch[i], 1))
            mp__futex_wake(mp__participant_word(watch[i]), INT_MAX);
}

/* One sleep. Without futex_waitv the slices are short, and the bell alone is
 * slept on: what happens between the look and the sleep is seen by the next
 * look. */
static int
sleep_once(struct mp__bell *bell, mp__a32 *data, uint32_t seen,
           struct mp__participant *const *watch, unsigned n, mp_time until)
{
    struct mp__futex_word words[2 + WATCH_MOST];

    if (mp__view.tier >= MP__TIER_NO_WAITV)
        return mp__futex_wait(&bell->word, 0, until);
    words[0] = (struct mp__futex_word){&bell->word, 0};
    words[1] = (struct mp__futex_word){data, seen};
    for (unsigned i = 0; i < n; i++)
        words[2 + i] =
            (struct mp__futex_word){mp__participant_word(watch[i]),
                                    mp__participant_word_alive(watch[i])};
    return mp__futex_waitv(words, 2 + n, until);
}

int
mp__bell_wait(struct mp__bell *bell, mp__a32 *data, uint32_t seen,
              struct mp__participant *const *watch, unsigned n,
              mp_time deadline)
{
    int r = mp__expired(deadline);

    if (mp__load(data) != seen || somebody_died(watch, n))
        return 0;
    if (r < 0)
        return r;
    if (n > WATCH_MOST)
        n = WATCH_MOST;
    mp__bell_arm(bell);
    mp__add(&bell->waiters, 1);
    r = mp__load(data) == seen
            ? sleep_once(bell, data, seen, watch, n, mp__slice_end(deadline))
            : 0;
    mp__sub(&bell->waiters, 1);
    /* One wake-up by the kernel stands for all that a dead notifier owed. */
    if (mp__load(data) != seen && mp__load(&bell->waiters))
        mp__futex_wake(&bell->word, INT_MAX);
#ifndef MP__MUTATION_NO_DEATH_CASCADE
    pass_deaths_on(watch, n);
#endif
    mp__robust_disarm(mp__me.head);
    if (r == -ETIMEDOUT)
        return 0; /* of a slice: the caller looks, and comes back */
    return mp__load(data) != seen ? 0 : r;
}

void
mp__bell_ring(struct mp__bell *bell, int n)
{
    /* seq_cst: pairs with the count that a waiter raises before it looks at
     * the data word for the last time. */
    atomic_thread_fence(memory_order_seq_cst);
    if (mp__load(&bell->waiters))
        mp__futex_wake(&bell->word, n);
    mp__robust_disarm(mp__me.head);
}
