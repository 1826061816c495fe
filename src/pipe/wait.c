/* SPDX-License-Identifier: MIT */
/* The slow way into a pipe, and waiting in it.
 *
 * It is a queue's way (queue/queue_wait.c): the first of the waiting
 * receivers sleeps holding the receivers' mutex, on a flag, the others on the
 * mutex; likewise the senders. Who commits wakes before, never after.
 *
 * A sender that owns its side by bias is inside without an atomic operation:
 * its look at the flag may come before others see that it is inside. So who
 * has raised a flag, and wants to rely on it for longer than a nap, has the
 * owner of the other side fenced (bias.h). By then the owner is seen inside,
 * and may have looked before: another nap. Or it is not: what it has committed
 * is seen, or it will see the flag, and go the slow way to wake us.
 *
 * A sleeper watches the lives of all processes that hold the other end, and the
 * ring's `changes`, which go up whenever anybody comes or leaves. Each side
 * remembers what it has seen of both when it last asked who holds the other
 * end; as long as neither has changed, the answer has not. */
#include "pipe/pipe.h"

#include "bell/waiters.h"
#include "os/clock.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>

#define TURNS    2         /* given to others before we sleep for a mutex, */
#define LOOKS    64        /* and looks at it before each */
#define NAP      200000    /* ns: while the other side is stuck at work */
#define GRACE    10000000  /* ns: for a lock, where waiting is not allowed */
#define PATIENCE 100000000 /* ns: for a lock, till we ask if it is closed */

static struct mp__pipe_use
to_send(struct mp__pipe_end *end)
{
    struct mp__pipe_ring *ring = &end->peer->in;

    return (struct mp__pipe_use){
        .end = end,
        .ring = ring,
        .side = &ring->sender,
        .other = &ring->receiver,
        .word = &ring->head,
        .flag = &ring->sender_sleeps,
        .wakes = &ring->receiver_sleeps,
        .need = 1,
        .sending = 1,
    };
}

static struct mp__pipe_use
to_receive(struct mp__pipe_end *end)
{
    struct mp__pipe_ring *ring = &end->in;

    return (struct mp__pipe_use){
        .end = end,
        .ring = ring,
        .side = &ring->receiver,
        .other = &ring->sender,
        .word = &ring->tail,
        .flag = &ring->receiver_sleeps,
        .wakes = &ring->sender_sleeps,
    };
}

/* ---- The mutex ---- */

/* Whether the caller would have to wait anyway. */
static int
is_blocked(const struct mp__pipe_use *use)
{
    uint64_t used = mp__load(&use->ring->tail) - mp__load(&use->ring->head);

    if (mp__load(use->flag) & MP__PIPE_SLEEPER)
        return 1;
    return use->sending ? used + use->need > MP__PIPE_GRANULES : used == 0;
}

/* The mutex is held for moments, unless by a leader that sleeps. To give its
 * holder a turn costs less than to sleep and to be woken. */
static void
give_turns(const struct mp__pipe_use *use)
{
    int looks = mp__view.cpus > 1 ? LOOKS : 1;

    for (int turn = 0; turn < TURNS; turn++) {
        for (int n = 0; n < looks; n++) {
            if (mp__load_relaxed(&use->side->bias.mutex.word) == 0 ||
                mp__load_relaxed(use->flag) & MP__PIPE_SLEEPER)
                return;
            mp__cpu_relax();
        }
        sched_yield();
    }
}

/* Waiting is not allowed, or no more; but that somebody else is at it for a
 * moment is no reason to say that the pipe is empty, or full. */
static int
lock_soon(const struct mp__pipe_use *use, int r)
{
    mp_time until = mp__now() + GRACE;

    do {
        if (is_blocked(use))
            return r;
        sched_yield();
        if (mp__bias_lock(&use->side->bias, MP_NOW) == 0)
            return 0;
    } while (mp__now() < until);
    return r;
}

static const char *
function_of(int sending)
{
    return sending ? "mp_conn_send" : "mp_conn_recv";
}

MP__COLD static int
fail_closed(int sending)
{
    return mp__fail(-EBADF, "%s: this process has closed the connection",
                    function_of(sending));
}

static int
lock_anyhow(const struct mp__pipe_use *use, mp_time deadline)
{
    for (;;) {
        mp_time until = deadline == MP_NOW ? MP_NOW : mp__now() + PATIENCE;
        int r;

        if (until > deadline)
            until = deadline;
        r = mp__bias_lock(&use->side->bias, until);
        if (r == 0 || r == -EINTR)
            return r;
        r = mp__expired(deadline);
        if (r < 0)
            return lock_soon(use, r);
        if (mp__holders_left(&use->end->holders))
            return fail_closed(use->sending);
    }
}

static int
lock(const struct mp__pipe_use *use, mp_time deadline)
{
    int r;

    if (mp__load_relaxed(&use->side->bias.mutex.word))
        give_turns(use);
    r = mp__bias_lock(&use->side->bias, MP_NOW);
    if (r < 0)
        r = lock_anyhow(use, deadline);
    if (r < 0 || !mp__holders_left(&use->end->holders))
        return r;
    mp__bias_give_up(&use->side->bias);
    mp__mutex_unlock(&use->side->bias.mutex);
    return fail_closed(use->sending);
}

/* ---- Who is there ---- */

MP__COLD static int
fail_gone(const struct mp__pipe_use *use)
{
    return mp__fail(-EPIPE, "%s: the other end of the pipe is gone",
                    function_of(use->sending));
}

static int
hold(struct mp__pipe_end *end, int sending)
{
    int r = mp__holders_use(&end->holders);

    if (r == 1)
        mp__pipe_news(end);
    if (r == -EBADF)
        return fail_closed(sending);
    return r < 0 ? r : 0;
}

/* Remembers who was there when `changes` had been seen. As long as nobody is
 * known to be, everybody has to ask again. */
static void
remember(struct mp__pipe_side *side, uint32_t changes, uint64_t witness)
{
    struct mp__participant *part = mp__participant_find(witness);

    side->changes = changes;
    side->life = &side->never;
    side->life_seen = 1;
    if (part) {
        uint32_t alive = mp__participant_word_alive(part);

        /* Is what was just read of this life? */
        if (mp__participant_find(witness) == NULL)
            alive = 0;
        side->life = mp__participant_word(part);
        side->life_seen = alive;
    }
}

/* Whether what is remembered is not true any more. */
static int
is_outdated(const struct mp__pipe_use *use)
{
    return mp__pipe_has_news(use->ring, use->side) &&
           (use->side->life != &use->side->never ||
            mp__load(&use->ring->changes) != use->side->changes);
}

/* Something has changed: the mutex is left meanwhile. */
static int
catch_up(const struct mp__pipe_use *use, mp_time deadline)
{
    struct mp__holders *others = &use->end->peer->holders;
    uint32_t changes;
    uint64_t witness;
    int r;

    mp__mutex_unlock(&use->side->bias.mutex);
    changes = mp__load(&use->ring->changes);
    r = hold(use->end, use->sending);
    if (r < 0)
        return r;
    if (use->sending && mp__holders_gone(others))
        return fail_gone(use);
    witness = mp__holders_witness(others);
    r = lock(use, deadline);
    if (r == 0)
        remember(use->side, changes, witness);
    return r;
}

int
mp__pipe_begin(struct mp__pipe_use *ret_use, struct mp__pipe_end *end,
               int sending)
{
    int r = hold(end, sending);

    if (r < 0)
        mp__pipe_leave();
    else
        *ret_use = sending ? to_send(end) : to_receive(end);
    return r;
}

int
mp__pipe_lock(const struct mp__pipe_use *use, mp_time deadline)
{
    int r = lock(use, deadline);

    while (r == 0 && is_outdated(use))
        r = catch_up(use, deadline);
    if (r == 0 && use->sending && use->side->life == &use->side->never &&
        mp__holders_gone(&use->end->peer->holders)) {
        mp__mutex_unlock(&use->side->bias.mutex);
        return fail_gone(use);
    }
    return r;
}

ssize_t
mp__pipe_exit(const struct mp__pipe_use *use, ssize_t r)
{
    if (MP__UNLIKELY(mp__pollers_exist()) && !use->sending &&
        (r == -EAGAIN || r == -ETIMEDOUT))
        mp__pipe_arm(use->end);
    mp__pipe_leave();
    return r;
}

/* ---- Sleeping ---- */

/* Waits no longer: `r`, unless there is something after all, or never will
 * be. */
static int
end_wait(const struct mp__pipe_use *use, uint64_t seen, int r)
{
    if (mp__holders_gone(&use->end->peer->holders)) {
        /* What the last of them has sent, it has sent before. */
        if (!use->sending && mp__load(use->word) != seen)
            return 0;
        r = -EPIPE;
    }
    mp__mutex_unlock(&use->side->bias.mutex);
    return r == -EPIPE ? fail_gone(use) : r;
}

/* The kernel wakes one of those who watch a life. (To reap the dead, which
 * would wake the others, takes the hand that a large message is in.) */
static int
pass_on(const struct mp__watch *watch)
{
    int died = 0;

    for (unsigned i = watch->n - watch->lives; i < watch->n; i++) {
        if (mp__load(watch->words[i].word) == watch->words[i].seen)
            continue;
        mp__futex_wake(watch->words[i].word, INT_MAX);
        died = 1;
    }
    return died;
}

/* One sleep; the flag is up. -EOWNERDEAD: a holder of the other end has
 * died. */
static int
sleep_once(const struct mp__pipe_use *use, uint32_t up, mp_time until)
{
    struct mp__watch watch;
    int r;

    mp__watch_begin_at(&watch, use->flag, up);
    mp__watch_word(&watch, &use->ring->changes, use->side->changes);
    mp__holders_watch(&use->end->peer->holders, &watch);
    if (mp__holders_gone(&use->end->peer->holders))
        return -EPIPE;
    mp__wait_begin(use->flag);
    r = mp__watch_sleep(&watch, until);
    mp__wait_end();
    if (pass_on(&watch))
        return -EOWNERDEAD;
    return r;
}

/* The flag is up: how long we may rely on it. To have the owner of the other
 * side fenced costs more than most sleeps last: so the first one is a nap
 * without. */
static mp_time
trusted_until(const struct mp__pipe_use *use, uint64_t seen, int again,
              mp_time until)
{
    struct mp__bias *other = &use->other->bias;
    mp_time soon = mp__now() + NAP;

    if (soon >= until)
        return until;
    if (!again && mp__bias_has_owner(other))
        return soon;
    mp__bias_fence(other);
    return mp__bias_stays_held(other, use->word, seen) ? soon : until;
}

static int
sleep_for(const struct mp__pipe_use *use, uint64_t seen, mp_time deadline)
{
    mp_time slice_end = mp__slice_end(deadline);

    for (int again = 0;; again = 1) {
        uint32_t up = atomic_fetch_or(use->flag, MP__PIPE_SLEEPER);
        mp_time now = mp__now(), until = slice_end;
        int r;

#ifndef MP__MUTATION_PIPE_TRUST_FLAG
        until = trusted_until(use, seen, again, until);
#endif
        if (mp__load(use->word) != seen)
            return 0;
        r = sleep_once(use, up | MP__PIPE_SLEEPER, until);
        if (r == 0)
            mp__patience_slept(&use->side->patience, mp__now() - now);
        if (r != -ETIMEDOUT || again || until == slice_end)
            return r;
    }
}

int
mp__pipe_wait(const struct mp__pipe_use *use, uint64_t seen, mp_time deadline)
{
    int r = mp__expired(deadline);

    if (is_outdated(use))
        return catch_up(use, deadline);
    if (r == -EAGAIN)
        return end_wait(use, seen, r);
    if (!use->spun && mp__patience_spin(&use->side->patience, use->word, seen))
        return 0;
    if (r == 0)
        r = sleep_for(use, seen, deadline);
    if (r == -EOWNERDEAD)
        return catch_up(use, deadline);
    if (r == -EPIPE || (r < 0 && mp__load(use->word) == seen &&
                        (r == -EINTR || mp__expired(deadline) < 0)))
        return end_wait(use, seen, r);
    return 0;
}
