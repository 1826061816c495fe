/* SPDX-License-Identifier: MIT */
/* The internal mutex.
 *
 * The word holds the owner's thread id, always with FUTEX_WAITERS: so the
 * kernel, when the owner dies, wakes one sleeper, marks the word OWNER_DIED,
 * and the next owner repairs. The thread's pending slot names the word all the
 * time from before the attempt until after the release: a thread that dies
 * between releasing and waking is replaced by the kernel, which wakes one
 * sleeper of a pending word that has no owner.
 *
 * Who sleeps is told by `waiters`, beside the word, which only ever errs on
 * the side of "somebody does": sleepers set it, after writing into their
 * participant's slot what they sleep on; only the owner clears it, and then
 * looks through the participants and sets it again if one sleeps here. A new
 * owner after a death sets it, for the dead may have cleared it and not yet
 * looked. Keeping this in the word itself cannot be made to work: each release
 * would erase what the next owner has to know.
 *
 * After the wake-up of a sleeper that then dies, or gives up because its time
 * is over, the flag still stands, and whoever holds the mutex wakes the next.
 */
#include "region/mutex.h"

#include "os/clock.h"
#include "region/layout.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>

#define SPINS        100        /* looks at the word before sleeping */
#define SETTLE_MOST  1000000000 /* ns: a new thread has the dead one's id */
#define SCRUB_PERIOD 16 /* releases with the flag up between two scrubs */

static mp__repair_fn *repairs[MP__MUTEX_KINDS];

void
mp__mutex_repair_with(enum mp__mutex_kind kind, mp__repair_fn *repair)
{
    repairs[kind] = repair;
}

void
mp__mutex_init(struct mp__mutex *mutex, enum mp__mutex_kind kind)
{
    memset(mutex, 0, sizeof(*mutex));
    mutex->kind = (uint32_t)kind;
}

static int
has_owner(uint32_t word)
{
    return (word & FUTEX_TID_MASK) != 0;
}

/* Takes the word if nobody owns it. *seen: what it held before. After a death
 * OWNER_DIED stays in it until the repair is done. */
static int
try_word(struct mp__mutex *mutex, uint32_t *seen)
{
    *seen = mp__load_relaxed(&mutex->word);
    return !has_owner(*seen) &&
           mp__cas(&mutex->word, seen,
                   mp__me.word | (*seen & FUTEX_OWNER_DIED));
}

static int
spin_for_word(struct mp__mutex *mutex, uint32_t *seen)
{
    int n = mp__view.cpus > 1 ? SPINS : 1;

    while (n-- > 0) {
        if (try_word(mutex, seen))
            return 1;
        mp__cpu_relax();
    }
    return 0;
}

/* The kernel marks the words of the dead. Where it did not (no robust list;
 * its memory gone before the list was read), an owner that the system does not
 * know any more is dead all the same. */
static int
take_from_vanished(struct mp__mutex *mutex, uint32_t *seen)
{
    uint32_t word = mp__load(&mutex->word);

    if (!has_owner(word) || kill((pid_t)(word & FUTEX_TID_MASK), 0) == 0 ||
        errno != ESRCH)
        return 0;
    *seen = word | FUTEX_OWNER_DIED;
    return mp__cas(&mutex->word, &word, mp__me.word | FUTEX_OWNER_DIED);
}

/* Sleeps until the word is ours, or the time is over. */
static int
sleep_for_word(struct mp__mutex *mutex, mp_time deadline, uint32_t *seen)
{
    if (deadline != MP_NOW)
        mp__store_relaxed(&mp__me.part->waiting_since, (uint64_t)mp__now());
    for (;;) {
        int r = mp__expired(deadline);

        if (r < 0)
            return r;
            /* In every round, and in this order: a scrub may have run. */
#ifdef MP__MUTATION_FLAG_BEFORE_WAITING
        mp__store(&mutex->waiters, 1);
        mp__store(&mp__me.part->waiting, (uintptr_t)mutex);
#else
        mp__store(&mp__me.part->waiting, (uintptr_t)mutex);
        mp__store(&mutex->waiters, 1);
#endif
        *seen = mp__load(&mutex->word);
        if (has_owner(*seen)) {
            r = mp__futex_wait(&mutex->word, *seen, mp__slice_end(deadline));
            if (spin_for_word(mutex, seen))
                return 0;
            if (r == -EINTR)
                return r;
            if (r == -ETIMEDOUT && take_from_vanished(mutex, seen))
                return 0;
        } else if (try_word(mutex, seen)) {
            return 0;
        }
    }
}

int
mp__mutex_lock_slow(struct mp__mutex *mutex, mp_time deadline)
{
    uint32_t seen;
    int r;

    if (!spin_for_word(mutex, &seen)) {
        r = sleep_for_word(mutex, deadline, &seen);
        mp__store(&mp__me.part->waiting, 0);
        if (r < 0) {
            mp__robust_disarm(mp__me.head);
            return r;
        }
    }
    if (seen & FUTEX_OWNER_DIED) {
#ifndef MP__MUTATION_NO_DIRTY_FLAG
        mp__store(&mutex->waiters, 1);
#endif
        if (repairs[mutex->kind])
            repairs[mutex->kind](mutex);
        mp__store(&mutex->word, mp__me.word);
    }
    return 0;
}

void
mp__mutex_settle(struct mp__mutex *mutex, uint32_t dead)
{
    mp_time until = mp__now() + SETTLE_MOST;

    for (;;) {
        uint32_t word = mp__load(&mutex->word);
        uint32_t owner = word & FUTEX_TID_MASK;

        if (owner == 0) {
            if (mp__mutex_lock_until(mutex, MP_NOW) == 0) {
                mp__mutex_unlock(mutex);
                return;
            }
        } else if (!(word & FUTEX_OWNER_DIED) &&
                   (owner != dead || mp__now() > until)) {
            return;
        }
        sched_yield();
    }
}

/* Lowers the flag if no participant sleeps here. The mutex is held. */
static void
scrub(struct mp__mutex *mutex)
{
    uint32_t high = mp__participants_high();

    mp__store(&mutex->waiters, 0);
#ifndef MP__MUTATION_NO_RESCAN
    for (uint32_t i = 0; i < high; i++) {
        if (mp__load(&mp__participant_at(i)->waiting) == (uintptr_t)mutex) {
            mp__store(&mutex->waiters, 1);
            return;
        }
    }
#else
    (void)high;
#endif
}

void
mp__mutex_unlock_slow(struct mp__mutex *mutex)
{
    if (++mutex->uses >= SCRUB_PERIOD) {
        mutex->uses = 0;
        scrub(mutex);
    }
    mp__swap(&mutex->word, 0);
    if (mp__load(&mutex->waiters))
        mp__futex_wake(&mutex->word, 1);
    mp__robust_disarm(mp__me.head);
}
