/* SPDX-License-Identifier: MIT */
/* The biased lock.
 *
 * Its owner says `busy` by a plain store, then looks whether it still is the
 * owner. Everybody else takes the mutex; so does the owner whenever it has to
 * sleep, to wake somebody, or to do what a death must not leave half done. So
 * `busy` is a matter of moments, and a death in there leaves nothing to be
 * repaired.
 *
 * Who comes second, with the mutex held, stores that the bias is revoked, and
 * has the owner fenced (os/membarrier.h): by then the owner has either seen
 * that, or what it has stored is seen here. Then it waits until the owner is
 * out, or dead. The interrupt that this takes is paid once; after that, the
 * lock is the mutex, for all: it would cost more to go to and fro. Nor would
 * that be safe: the former owner may be between its two looks for any time, and
 * is about to write `busy`, which therefore must be nobody's again while it
 * lives. Only the owner itself can give the bias up for another.
 *
 * Deaths. The owner: whoever comes next finds it dead and is the owner. Who
 * revokes: the next one finds REVOKING in the word, and does the same again.
 *
 * Where a process cannot be fenced (a system without that call, or one that
 * forbids it) none of its threads becomes an owner. */
#include "pipe/bias.h"

#include "os/clock.h"
#include "os/membarrier.h"

#include <errno.h>
#include <sched.h>

#define YIELDS 20      /* turns given to the owner before we sleep */
#define LOOKS  20      /* before each */
#define NAP    1000000 /* ns: while the owner is stopped inside */

void
mp__bias_init(struct mp__bias *bias, enum mp__mutex_kind kind)
{
    mp__mutex_init(&bias->mutex, kind);
    mp__store_relaxed(&bias->owner, 0);
    mp__store_relaxed(&bias->busy, 0);
}

static int
is_dead(uint64_t owner)
{
    return owner == 0 || mp__participant_find(owner) == NULL;
}

/* Gives the owner a turn, and a nap when that has not helped. */
static int
let_run(struct mp__bias *bias, int turn, mp_time deadline)
{
    mp_time until;
    int r;

    if (turn < YIELDS) {
        for (int n = 0; n < LOOKS; n++) {
            if (!mp__load_acquire(&bias->busy))
                return 0;
            mp__cpu_relax();
        }
        sched_yield();
        return 0;
    }
    r = mp__expired(deadline);
    if (r < 0)
        return r;
    until = mp__now() + NAP;
    r = mp__futex_wait(&bias->busy, 1, until < deadline ? until : deadline);
    return r == -EINTR ? r : 0;
}

/* Takes the bias from an owner that is alive. */
static int
revoke(struct mp__bias *bias, uint64_t owner, mp_time deadline)
{
    int r = 0;

    mp__store(&bias->owner, owner | MP__BIAS_REVOKING);
    mp__membarrier();
    for (int turn = 0; r == 0 && mp__load_acquire(&bias->busy); turn++) {
        if (is_dead(owner))
            break;
        r = let_run(bias, turn, deadline);
    }
    if (r == 0) {
        mp__store_relaxed(&bias->busy, 0); /* of a dead one */
        mp__store(&bias->owner, MP__BIAS_SHARED);
    }
    return r;
}

/* The mutex is held. */
static int
settle(struct mp__bias *bias, mp_time deadline)
{
    uint64_t owner = mp__load(&bias->owner);
    uint64_t id = owner & ~MP__BIAS_REVOKING;

    if (owner == mp__me.id || owner == MP__BIAS_SHARED)
        return 0;
    if (!is_dead(id) && id != mp__me.id)
        return revoke(bias, id, deadline);
    mp__store_relaxed(&bias->busy, 0);
    /* seq_cst: who is about to sleep, and has found no owner that would have to
     * be fenced, has raised its flag before. */
    mp__store(&bias->owner, id != mp__me.id && mp__membarrier_join() == 0
                                ? mp__me.id
                                : MP__BIAS_SHARED);
    return 0;
}

int
mp__bias_lock(struct mp__bias *bias, mp_time deadline)
{
    int r = mp__mutex_lock_until(&bias->mutex, deadline);

    if (r < 0)
        return r;
    r = settle(bias, deadline);
    if (r < 0)
        mp__mutex_unlock(&bias->mutex);
    return r;
}

void
mp__bias_give_up(struct mp__bias *bias)
{
    if (mp__load_relaxed(&bias->owner) == mp__me.id)
        mp__store(&bias->owner, 0);
}

int
mp__bias_has_owner(struct mp__bias *bias)
{
    uint64_t owner = mp__load(&bias->owner) & ~MP__BIAS_REVOKING;

    return owner != 0 && owner != MP__BIAS_SHARED && owner != mp__me.id;
}

void
mp__bias_fence(struct mp__bias *bias)
{
    if (mp__bias_has_owner(bias))
        mp__membarrier();
}

/* As mp__mutex_stays_held(). */
static int
stays_busy(struct mp__bias *bias, mp__a64 *word, uint64_t seen)
{
    for (int i = 0; i < YIELDS; i++) {
        for (int n = 0; n < LOOKS; n++) {
            if (!mp__load_acquire(&bias->busy) ||
                (word && mp__load_acquire(word) != seen))
                return 0;
            mp__cpu_relax();
        }
        sched_yield();
    }
    return !is_dead(mp__load(&bias->owner) & ~MP__BIAS_REVOKING);
}

int
mp__bias_stays_held(struct mp__bias *bias, mp__a64 *word, uint64_t seen)
{
    return mp__mutex_stays_held(&bias->mutex, word, seen) ||
           stays_busy(bias, word, seen);
}
