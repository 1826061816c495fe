/* SPDX-License-Identifier: MIT */
/* Waiting in a queue.
 *
 * The first of the waiting consumers sleeps holding the consumers' mutex, on a
 * flag; the others sleep on the mutex. (Likewise the producers.) So the one
 * who sleeps for a message has the mutex in its pending slot all the time: if
 * it dies, the kernel hands its place to the next, and no wake-up is lost
 * between two words.
 *
 * Wake before commit. A producer that finds the flag up wakes the sleeper
 * before it commits its message, never after: were it to die in between, the
 * message would be there and nobody awake. A sleeper that is woken too early
 * must not sleep again on the flag alone: it raises the flag, then looks
 * whether the producers' mutex is held. If it is, that producer may have
 * looked at the flag already, and may be about to commit; so the sleeper only
 * naps. If it is not, either the commit is done and seen, or the next producer
 * will see the flag. A dead producer leaves its mutex dirty, and repair wakes
 * the sleeper.
 *
 * Spinning pays while the other side runs on another processor, and costs it
 * time when it does not: each side remembers how long it has paid lately.
 *
 * Two that run side by side, one putting what the other takes at once, pass
 * the lines of the queue to and fro for each message, which costs more than
 * all the rest. So who has seen the other side go on by a little lingers for a
 * moment, if that has paid lately: if more comes than came before. */
#include "bell/waiters.h"
#include "os/clock.h"
#include "queue/consume.h"

#include <errno.h>
#include <sched.h>

#define TURNS 2        /* given to others before we sleep for a mutex, */
#define LOOKS 64       /* and looks at it before each */
#define NAP   200000   /* ns: while the other side is stuck at work */
#define GRACE 10000000 /* ns: for a lock, where waiting is not allowed */

/* The mutex is held for moments, unless by a leader that sleeps. If more want
 * to run than there are processors, the holder may just not run: to give it a
 * turn costs less than to sleep and to be woken. */
static int
try_by_turns(struct mp__mutex *mutex, mp__a32 *leader_sleeps)
{
    int looks = mp__view.cpus > 1 ? LOOKS : 1;

    for (int turn = 0; turn < TURNS; turn++) {
        for (int n = 0; n < looks; n++) {
            if (mp__load_relaxed(&mutex->word) == 0 && mp__mutex_try(mutex))
                return 1;
            if (mp__load_relaxed(leader_sleeps) & MP__FLAG_SLEEPER)
                return 0;
            mp__cpu_relax();
        }
        sched_yield();
    }
    return 0;
}

int
mp__side_lock_slow(struct mp_queue *queue, struct mp__side *side,
                   int (*blocked)(struct mp_queue *), mp_time deadline)
{
    mp_time until;
    int r;

    if (try_by_turns(&side->mutex, side == &queue->consumers
                                       ? &queue->consumer_sleeps
                                       : &queue->producer_sleeps))
        return 0;
    r = mp__mutex_lock_slow(&side->mutex, deadline);
    if (r == 0 || r == -EINTR)
        return r;
    /* Somebody else is at it, for a moment as a rule. That is no reason to
     * say that the queue is empty, or full. */
    until = mp__now() + GRACE;
    do {
        if (blocked(queue))
            return r;
        sched_yield();
        if (mp__mutex_lock_until(&side->mutex, MP_NOW) == 0)
            return 0;
    } while (mp__now() < until);
    return r;
}

void
mp__side_wake_slow(mp__a32 *flag)
{
    uint32_t up = mp__swap(flag, 0);

    if (up & MP__FLAG_SLEEPER)
        mp__futex_wake(flag, 1);
    if (up & MP__FLAG_POLLER)
        mp__poll_wake(MP__CONTAINER(flag, struct mp_queue, consumer_sleeps));
}

/* For reports: a wait is one, however many sleeps it takes. */
static void
tell_where(struct mp__side *side, mp__a32 *flag, uint64_t seen, mp_time now)
{
    if (side->sleeper != mp__me.id || side->sleeper_seen != seen) {
        side->sleeper = mp__me.id;
        side->sleeper_seen = seen;
        side->sleeper_since = now;
    }
    mp__wait_resume(flag, side->sleeper_since);
}

int
mp__side_wait(struct mp_queue *queue, struct mp__side *side, mp_time deadline,
              uint64_t seen)
{
    int consuming = side == &queue->consumers;
    mp__a32 *flag =
        consuming ? &queue->consumer_sleeps : &queue->producer_sleeps;
    mp__a64 *word = consuming ? &queue->tail : &queue->head;
    struct mp__side *other = consuming ? &queue->producers : &queue->consumers;
    mp_time now, until;
    uint32_t up;
    int r = mp__expired(deadline);

    if (r == -EAGAIN)
        return r;
    if (mp__patience_spin(&side->patience, word, seen))
        return 0;
    if (r < 0)
        return r;
    up = atomic_fetch_or(flag, MP__FLAG_SLEEPER) | MP__FLAG_SLEEPER;
    now = mp__now();
    until = mp__slice_end(deadline);
#ifndef MP__MUTATION_TRUST_FLAG
    /* Our flag is up: who takes that mutex from now on sees it. */
    if (mp__mutex_stays_held(&other->mutex, word, seen) && until > now + NAP)
        until = now + NAP;
#else
    (void)other;
#endif
    if (mp__load(word) != seen || mp__load(&queue->closing) != MP__QUEUE_OPEN)
        return 0;
    tell_where(side, flag, seen, now);
    r = consuming && queue->mode & MP__QUEUE_RETURNS
            ? mp__shelf_sleep(queue, flag, up, until)
            : mp__futex_wait(flag, up, until);
    mp__wait_end();
    if (r == 0)
        mp__patience_slept(&side->patience, mp__now() - now);
    return r == -EINTR ? r : 0;
}
