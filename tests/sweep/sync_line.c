/* SPDX-License-Identifier: MIT */
/* The line of those who wait in a condition, and its lock. */
#include "sync_line.h"

#include "os/clock.h"
#include "sync/condition.h"

#include <errno.h>
#include <unistd.h>

mp_condition *line_condition;
struct line_seen line_seen;

static mp_lock *lock;  /* of the condition; NULL: an rlock of its own */
static unsigned twice; /* an rlock is held so many times, and once more */

static struct mp__lock *
inner(void)
{
    return lock ? &lock->lock : &line_condition->own.lock;
}

void
line_enter(void)
{
    sync_enter();
    mp__store(&sweep.note[LINE_VICTIM], mp__me.id);
    mp__store(&sweep.note[LINE_RESULT], LINE_PENDING);
}

unsigned
line_granted(void)
{
    return (unsigned)mp__load(&line_condition->granted);
}

/* Who has begun to leave the line has the lock, and what it was notified of. */
static int
stands_in_line(struct mp__participant *part)
{
    size_t index = (size_t)(part - mp__participant_at(0));

    return mp__load(&part->condition) == (uintptr_t)line_condition &&
           mp__load(&line_condition->line[index / 64]) >> index % 64 & 1;
}

void
line_look(void)
{
    uint64_t id = mp__load(&sweep.note[LINE_VICTIM]);
    struct mp__participant *victim = mp__participant_find(id);

    line_seen.owned = mp__load(&inner()->owner) == id;
    line_seen.in_line = victim && stands_in_line(victim);
    line_seen.granted = line_granted();
}

static int
is_victim(void)
{
    return mp__load(&sweep.note[LINE_VICTIM]) == mp__me.id;
}

/* ---- The lock ---- */

/* What there is to say about getting the lock; NULL: nothing. */
static const char *
come_inside(int r)
{
    uint64_t mark = mp__swap(&sweep.note[LINE_INSIDE], mp__me.id);

    if (r == -EOWNERDEAD) {
        mp__add(&sweep.note[LINE_TOLD], 1);
        return NULL;
    }
    if (r != 0 && r != -ETIMEDOUT)
        return mp_strerror(r);
    return mark ? "somebody else has the lock" : NULL;
}

static const char *
go_outside(void)
{
    return mp__swap(&sweep.note[LINE_INSIDE], 0) == mp__me.id
               ? NULL
               : "somebody else came in";
}

const char *
line_acquire(void)
{
    const char *wrong = come_inside(
        mp_condition_acquire(line_condition, mp_timeout(SWEEP_BOUND)));

    for (unsigned i = 0; i < twice && !wrong; i++)
        if (mp_condition_acquire(line_condition, MP_NOW) < 0)
            wrong = "it is no rlock";
    return wrong;
}

const char *
line_release(void)
{
    const char *wrong = go_outside();

    for (unsigned i = 0; i < twice + 1 && !wrong; i++)
        if (mp_condition_release(line_condition) < 0)
            wrong = "it is not held";
    return wrong;
}

const char *
line_wait(mp_time deadline, int *ret)
{
    const char *wrong = line_acquire(), *next;

    if (!wrong)
        wrong = go_outside();
    if (is_victim())
        mp__store(&sweep.note[LINE_GAVE_UP_LOCK], 1);
    *ret = mp_condition_wait(line_condition, deadline);
    if (is_victim())
        mp__store(&sweep.note[LINE_GAVE_UP_LOCK], 0);
    next = come_inside(*ret);
    wrong = wrong ? wrong : next;
    next = line_release();
    return wrong ? wrong : next;
}

const char *
line_notify(size_t n)
{
    const char *wrong = line_acquire(), *next;

    mp__store(&sweep.note[LINE_MUST_KNOW],
              mp__load(&sweep.note[LINE_GAVE_UP_LOCK]));
    if (mp_condition_notify(line_condition, n) < 0)
        wrong = mp_last_error();
    next = line_release();
    return wrong ? wrong : next;
}

/* ---- The condition ---- */

static void
begin(void)
{
    int r =
        mp_condition_create(&line_condition, MP_CONDITION_ATTR(.lock = lock));

    sync_begin();
    if (!sweep_check(r == 0, "cannot create a condition: %s", mp_strerror(r)))
        return;
    twice = lock ? 0 : 1;
    mp__store(&line_condition->spins, 1);
    mp__store(&inner()->gate.spins, 1);
}

void
line_make(void)
{
    lock = NULL;
    begin();
}

void
line_make_with_lock(void)
{
    sweep_check(mp_lock_create(&lock, NULL) == 0, "cannot create a lock");
    begin();
}

void
line_destroy(void)
{
    int r = mp_condition_destroy(line_condition);

    sweep_check(r == 0, "cannot destroy it: %s", mp_strerror(r));
    if (lock)
        sweep_check(mp_lock_destroy(lock) == 0, "cannot destroy its lock");
}

/* ---- Those who wait, and who notify ---- */

void
line_actor_waits(struct sweep_actor *actor)
{
    int r;
    const char *wrong = line_wait(MP_FOREVER, &r);

    if (wrong)
        sweep_complain(actor, "%s", wrong);
    sync_linger(actor);
}

void
line_actor_notifies_two(struct sweep_actor *actor)
{
    const char *wrong = line_notify(2);

    if (wrong)
        sweep_complain(actor, "%s", wrong);
    sync_linger(actor);
}

/* `n` of them stand in line, asleep. */
void
line_bring(unsigned n)
{
    size_t length = mp__line_length(line_condition) + n;

    while (n-- > 0)
        sync_bring_asleep(line_actor_waits);
    sweep_check(mp__line_length(line_condition) == length,
                "they are not in line");
}

void
line_notify_now(size_t n)
{
    const char *wrong = line_notify(n);

    sweep_check(!wrong, "the harness: %s", wrong);
}

/* ---- What must hold after a kill ---- */

/* Those up to `n` return; the rest stays asleep. */
int
line_check_notified(unsigned n)
{
    unsigned i;

    for (i = 0; i < n; i++)
        if (!sweep_await_done(sync_waiter[i], 1))
            return 0;
    for (; i < sync_waiters; i++)
        if (!sweep_check(mp__load(&sync_waiter[i]->done) == 0,
                         "waiter %u of those %u returned too", i, n))
            return 0;
    return 1;
}

/* Whoever has yet to come into line is there; or has left it. */
static int
await_in_line(void)
{
    mp_time deadline = mp_timeout(SWEEP_BOUND);

    for (;;) {
        size_t n = mp__line_length(line_condition);

        for (unsigned i = 0; i < sync_waiters; i++)
            n += mp__load(&sync_waiter[i]->done);
        if (n >= sync_waiters)
            return 1;
        if (mp__expired(deadline) < 0)
            return sweep_check(0, "somebody does not come into line");
        usleep(50);
    }
}

/* All who are left are notified; then all goes on with others. */
void
line_check_rest(void)
{
    unsigned told;

    if (!await_in_line())
        return;
    line_notify_now(SIZE_MAX);
    if (!sync_check_waiters())
        return;
    sync_waiters = 0;
    line_bring(1);
    line_notify_now(1);
    if (!sync_check_waiters())
        return;
    told = (unsigned)mp__load(&sweep.note[LINE_TOLD]);
    sweep_check(told == (unsigned)line_seen.owned,
                "%u were told that the owner is dead, not %d", told,
                line_seen.owned);
    mp__reap();
    sweep_check(mp__line_length(line_condition) == 0 &&
                    !mp__line_any(line_condition),
                "somebody is still in line");
    sweep_check(mp__load(&inner()->owner) == 0, "the lock is held");
}
