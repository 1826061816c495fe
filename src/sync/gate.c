/* SPDX-License-Identifier: MIT */
/* The gate.
 *
 * Whoever makes room for one waiter wakes one, not more: a crowd that runs for
 * one lock costs as many switches as it has heads. And while one is on its
 * way, which takes longer than a thousand uses of a free lock, no other is
 * woken. `waking` says so: set by who wakes, cleared by each waiter before it
 * looks. Who finds it set has nothing to do: the one on its way will look
 * after that. It is also one of the words that a waiter sleeps on; so who was
 * queued before it was set is found by the wake-up, and who comes after that
 * does not sleep.
 *
 * Deaths. Everybody here has the bell armed: if one dies between its commit
 * and the wake-up, or between being woken and looking, the kernel wakes
 * another. If there is no other, `waking` stays set, and the next who comes to
 * wait clears it.
 *
 * Who sleeps for a lock also watches the life of its owner (for a tracked
 * permit: of all who have one), as it was when it looked last. The owner
 * changes while it sleeps. So it looks again soon, unless nothing has happened
 * during a whole slice: only then it sleeps for long, and is counted as `calm`.
 * A waiter that gets the lock, and so is the owner whom nobody watches, wakes
 * one more when there are calm ones, to watch it. Others who get the lock come
 * after a release, which has woken one. So the death of an owner is noticed at
 * once, or at the end of a short slice. */
#include "sync/gate.h"

#include "bell/waiters.h"

mp_time mp__gate_slice = 8000000;

void
mp__gate_init(struct mp__gate *gate)
{
    mp__store_relaxed(&gate->spins, MP__SPINS_FIRST);
}

void
mp__gate_open(struct mp__gate *gate)
{
    if (mp__swap(&gate->waking, 1) == 0)
        mp__futex_wake(&gate->bell.word, 1);
}

void
mp__gate_watch(struct mp__gate *gate, struct mp__watch *watch, mp__a32 *word,
               uint32_t seen)
{
    mp__watch_begin(watch, &gate->bell);
#ifndef MP__MUTATION_WAKING_UNSEEN
    mp__watch_word(watch, &gate->waking, 0);
#endif
    mp__watch_word(watch, word, seen);
}

int
mp__gate_sleep(struct mp__gate *gate, struct mp__gate_visit *visit,
               const struct mp__watch *watch, const void *object,
               mp_time deadline)
{
    int lasting = visit->calm || watch->lives == 0;
    int r;

    if (!visit->slept)
        mp__wait_begin(object);
    if (visit->calm)
        mp__add(&gate->calm, 1);
    r = lasting ? mp__bell_sleep(&gate->bell, watch, object, deadline)
                : mp__bell_nap(&gate->bell, watch, object, mp__gate_slice,
                               deadline);
    if (visit->calm)
        mp__sub(&gate->calm, 1);
    visit->slept = 1;
    visit->calm = r == MP__SLICE_OVER && watch->lives > 0;
    return r == MP__SLICE_OVER ? 0 : r;
}

void
mp__gate_leave(struct mp__gate *gate, const struct mp__gate_visit *visit,
               int more)
{
    if (visit->slept)
        mp__wait_end();
    mp__gate_look(gate);
#ifdef MP__MUTATION_HEIR_UNWATCHED
    if (!more)
        return;
#endif
#ifdef MP__MUTATION_LEAVE_SILENTLY
    more = 0;
#endif
    if (mp__gate_waited(gate) &&
        (more || (visit->slept && mp__load(&gate->calm))))
        mp__gate_open(gate);
}
