/* SPDX-License-Identifier: MIT */
/* The internal mutex.
 *
 * The word holds the owner's thread id, always with FUTEX_WAITERS: so the
 * kernel, when the owner dies, wakes one sleeper, marks the word OWNER_DIED,
 * and the next owner repairs.
 *
 * Who sleeps is told by `waiters`, beside the word, which only ever errs on
 * the side of "somebody does": sleepers set it, after writing into their
 * participant's slot what they sleep on; only the owner clears it, and then
 * looks through the participants and sets it again if one sleeps here. A new
 * owner after a death sets it, for the dead may have cleared it and not yet
 * looked. Keeping this in the word itself cannot be made to work: each release
 * would erase what the next owner has to know.
 *
 * A sleeper that has been woken is long on its way, and the mutex meanwhile
 * taken and released a hundred times: so `waking` says that one is, and only
 * who sets it wakes. Each sleeper clears it, then looks at the word: after the
 * releases that woke nobody. It is one of the two words that sleepers sleep on;
 * so who was queued before it was set is found by the wake-up, and who comes
 * after that does not sleep.
 *
 * Deaths. If a pending word has no owner, the kernel wakes one of its sleepers
 * for the dead, and `waking` never has one. Who sets it has it pending from
 * before that until it has woken one; who sleeps, until it has cleared it. All
 * others have the word pending, until they have released it and looked at the
 * flags: if it has an owner by then, he looks in his turn, and finds `waking`
 * clear, or set by one for whom the kernel would answer. */
#include "region/mutex.h"

#include "base/macros.h"
#include "os/clock.h"
#include "region/layout.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>

#define SPINS        100        /* looks at the word before sleeping */
#define SETTLE_MOST  1000000000 /* ns: a new thread has the dead one's id */
#define YIELDS       20 /* turns given to a holder before it counts as stuck */
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

/* Before a look at the word: whoever releases it from here on wakes one. */
static void
begin_look(struct mp__mutex *mutex)
{
#ifdef MP__MUTATION_LOOK_ARMED_EARLY
    mp__robust_arm(mp__me.head, &mutex->word);
#endif
    if (mp__load(&mutex->waking))
        mp__store(&mutex->waking, 0);
    /* pairs with the swap of the word and the look at `waking` in a release */
    atomic_thread_fence(memory_order_seq_cst);
    mp__robust_arm(mp__me.head, &mutex->word);
}

/* One sleep. Without futex_waitv the slices are short, and `waking` alone is
 * slept on. */
static int
sleep_once(struct mp__mutex *mutex, uint32_t seen, mp_time deadline)
{
    struct mp__futex_word words[] = {{&mutex->waking, 0},
                                     {&mutex->word, seen}};
    mp_time until = mp__slice_end(deadline);

#ifdef MP__MUTATION_WAKING_UNCOMPARED
    words[0].seen = mp__load(&mutex->waking);
#endif
    if (mp__view.tier >= MP__TIER_NO_WAITV)
        return mp__futex_wait(&mutex->waking, 0, until);
    return mp__futex_waitv(words, MP__LENGTH(words), until);
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
            mp__robust_arm(mp__me.head, &mutex->waking);
            r = sleep_once(mutex, *seen, deadline);
            begin_look(mutex);
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

/* The word was released, and somebody may sleep: sees to it that one looks. */
void
mp__mutex_rouse(struct mp__mutex *mutex)
{
    if (mp__load(&mutex->waking))
        return;
#ifndef MP__MUTATION_ROUSE_UNARMED
    mp__robust_arm(mp__me.head, &mutex->waking);
#endif
    if (mp__swap(&mutex->waking, MP__MUTEX_WAKING) == 0)
        mp__futex_wake(&mutex->waking, 1);
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
        mp__mutex_rouse(mutex);
    mp__robust_disarm(mp__me.head);
}

int
mp__mutex_stays_held(struct mp__mutex *mutex, mp__a64 *word, uint64_t seen)
{
    uint32_t holder = mp__load(&mutex->word) & FUTEX_TID_MASK;

    for (int i = 0; i < YIELDS && holder; i++) {
        for (int n = 0; n < 20; n++) {
            if ((mp__load(&mutex->word) & FUTEX_TID_MASK) != holder ||
                (word && mp__load_acquire(word) != seen))
                return 0;
            mp__cpu_relax();
        }
        sched_yield();
    }
    return holder != 0;
}
