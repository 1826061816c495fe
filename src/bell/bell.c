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
#include "bell/bell.h"

#include "bell/waiters.h"
#include "os/clock.h"
#include "region/layout.h"

#include <errno.h>
#include <limits.h>

#define LIVES_MOST    120u
#define PARTIAL_SLICE 8000000 /* ns: while not all can be watched */

static int
somebody_died(struct mp__participant *const *lives, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (mp__load(mp__participant_word(lives[i])) !=
            mp__participant_word_alive(lives[i]))
            return 1;
    return 0;
}

/* One sleep. Without futex_waitv the slices are short, and the bell alone is
 * slept on: what happens between the look and the sleep is seen by the next
 * look. */
static int
sleep_on(const struct mp__futex_word *words, unsigned n, mp_time until)
{
    if (n == 1 || mp__view.tier >= MP__TIER_NO_WAITV)
        return mp__futex_wait(words[0].word, words[0].seen, until);
    return mp__futex_waitv(words, n, until);
}

/* Says for reports who sleeps where, unless the caller has; whether it did. */
static int
tell_where(const void *object)
{
    if (object == NULL ||
        mp__load_relaxed(&mp__me.part->waiting) == (uintptr_t)object)
        return 0;
    mp__wait_begin(object);
    return 1;
}

void
mp__watch_begin_at(struct mp__watch *watch, mp__a32 *word, uint32_t seen)
{
    watch->words[0] = (struct mp__futex_word){word, seen};
    watch->n = 1;
    watch->lives = 0;
    watch->partial = 0;
}

void
mp__watch_begin(struct mp__watch *watch, struct mp__bell *bell)
{
    mp__watch_begin_at(watch, &bell->word, 0);
}

void
mp__watch_word(struct mp__watch *watch, mp__a32 *word, uint32_t seen)
{
    watch->words[watch->n++] = (struct mp__futex_word){word, seen};
}

static int
is_watched(const struct mp__watch *watch, const mp__a32 *life)
{
    for (unsigned i = watch->n - watch->lives; i < watch->n; i++)
        if (watch->words[i].word == life)
            return 1;
    return 0;
}

int
mp__watch_life(struct mp__watch *watch, uint64_t participant)
{
    struct mp__participant *part = mp__participant_find(participant);
    struct mp__futex_word word;

    if (part == NULL)
        return 0;
    word.word = mp__participant_word(part);
    word.seen = mp__participant_word_alive(part);
    /* Is what was just read of this life, not of the slot's next? */
    if (mp__participant_find(participant) == NULL)
        return 0;
    if (is_watched(watch, word.word))
        return 1;
    if (watch->n == MP__LENGTH(watch->words)) {
        watch->partial = 1;
        return 1;
    }
    watch->words[watch->n++] = word;
    watch->lives++;
    return 1;
}

/* The kernel wakes one of those who watch a life. A bell is still armed, so that
 * another is woken should this one die before it has woken the rest. */
static void
pass_on(const struct mp__watch *watch)
{
    for (unsigned i = watch->n - watch->lives; i < watch->n; i++)
        if (mp__load(watch->words[i].word) != watch->words[i].seen)
            mp__futex_wake(watch->words[i].word, INT_MAX);
}

static int
something_changed(const struct mp__watch *watch)
{
    for (unsigned i = 1; i < watch->n; i++)
        if (mp__load(watch->words[i].word) != watch->words[i].seen)
            return 1;
    return 0;
}

/* When to look again, at the latest, where not all is watched. */
static mp_time
before_long(mp_time until)
{
    mp_time soon = mp__now() + PARTIAL_SLICE;

    return soon < until ? soon : until;
}

int
mp__watch_sleep(const struct mp__watch *watch, mp_time until)
{
    int blind = watch->lives && mp__view.tier >= MP__TIER_NO_WAITV;

    if (watch->partial || blind)
        until = before_long(until);
    return sleep_on(watch->words, watch->n, until);
}

int
mp__bell_sleep(struct mp__bell *bell, const struct mp__watch *watch,
               const void *object, mp_time deadline)
{
    mp_time until = mp__slice_end(deadline);
    int told = tell_where(object);
    int r;

    if (watch->partial)
        until = before_long(until);
    mp__add(&bell->waiters, 1);
    r = something_changed(watch) ? 0 : sleep_on(watch->words, watch->n, until);
    mp__sub(&bell->waiters, 1);
    if (told)
        mp__wait_end();
#ifndef MP__MUTATION_NO_DEATH_CASCADE
    pass_on(watch);
#endif
    if (r == -ETIMEDOUT && until < deadline)
        return MP__SLICE_OVER;
    return r;
}

int
mp__bell_nap(struct mp__bell *bell, const struct mp__watch *watch,
             const void *object, mp_time slice, mp_time deadline)
{
    mp_time until = mp__now() + slice;
    int r;

    if (deadline <= until)
        return mp__bell_sleep(bell, watch, object, deadline);
    r = mp__bell_sleep(bell, watch, object, until);
    return r == -ETIMEDOUT ? MP__SLICE_OVER : r;
}

int
mp__bell_wait(struct mp__bell *bell, mp__a32 *data, uint32_t seen,
              struct mp__participant *const *lives, unsigned n,
              mp_time deadline)
{
    int r = mp__expired(deadline);
    struct mp__watch watch;

    if (mp__load(data) != seen || somebody_died(lives, n))
        return 0;
    if (r < 0)
        return r;
    mp__watch_begin(&watch, bell);
    mp__watch_word(&watch, data, seen);
    watch.lives = n < LIVES_MOST ? n : LIVES_MOST;
    for (unsigned i = 0; i < watch.lives; i++)
        mp__watch_word(&watch, mp__participant_word(lives[i]),
                       mp__participant_word_alive(lives[i]));
    mp__bell_arm(bell);
    r = mp__bell_sleep(bell, &watch, bell, deadline);
    /* One wake-up by the kernel stands for all that a dead notifier owed. */
    if (mp__load(data) != seen && mp__load(&bell->waiters))
        mp__futex_wake(&bell->word, INT_MAX);
    mp__bell_disarm();
    return r > 0 || mp__load(data) != seen ? 0 : r;
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
