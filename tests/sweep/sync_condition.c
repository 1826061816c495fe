/* SPDX-License-Identifier: MIT */
/* The condition: notifiers and waiters are killed.
 *
 * Tickets are given from 1 on, so `granted` is the number of those who have
 * been notified: these must return, each of them, and no other before it is
 * notified too. A notification whose receiver was killed in line goes to the
 * next. The lock goes on, and its dead owner is told of once. */
#include "sync_stage.h"

#include "os/clock.h"
#include "sync/condition.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* The victim's id, what its wait returned, that it has done all; how often
 * somebody was told of a dead owner; the id of who has the lock; that the
 * victim has given it up to wait, and that it had when somebody notified. */
enum { VICTIM, RESULT, DONE, TOLD, INSIDE, GAVE_UP_LOCK, MUST_KNOW };

#define PENDING 1000 /* no result yet */

static mp_condition *condition;
static mp_lock *lock;  /* of the condition; NULL: an rlock of its own */
static unsigned twice; /* an rlock is held so many times, and once more */

/* What was seen just before the kill. */
static struct {
    int owned;   /* the victim had the lock, */
    int in_line; /* or it stood in line */
    unsigned granted;
} seen;

static struct mp__lock *
inner(void)
{
    return lock ? &lock->lock : &condition->own.lock;
}

static void
enter_and_tell(void)
{
    sync_enter();
    mp__store(&sweep.note[VICTIM], mp__me.id);
    mp__store(&sweep.note[RESULT], PENDING);
}

static unsigned
granted(void)
{
    return (unsigned)mp__load(&condition->granted);
}

/* Who has begun to leave the line has the lock, and what it was notified of. */
static int
stands_in_line(struct mp__participant *part)
{
    size_t index = (size_t)(part - mp__participant_at(0));

    return mp__load(&part->condition) == (uintptr_t)condition &&
           mp__load(&condition->line[index / 64]) >> index % 64 & 1;
}

static void
look(void)
{
    uint64_t id = mp__load(&sweep.note[VICTIM]);
    struct mp__participant *victim = mp__participant_find(id);

    seen.owned = mp__load(&inner()->owner) == id;
    seen.in_line = victim && stands_in_line(victim);
    seen.granted = granted();
}

static int
is_victim(void)
{
    return mp__load(&sweep.note[VICTIM]) == mp__me.id;
}

/* ---- The lock ---- */

/* What there is to say about getting the lock; NULL: nothing. */
static const char *
come_inside(int r)
{
    uint64_t mark = mp__swap(&sweep.note[INSIDE], mp__me.id);

    if (r == -EOWNERDEAD) {
        mp__add(&sweep.note[TOLD], 1);
        return NULL;
    }
    if (r != 0 && r != -ETIMEDOUT)
        return mp_strerror(r);
    return mark ? "somebody else has the lock" : NULL;
}

static const char *
go_outside(void)
{
    return mp__swap(&sweep.note[INSIDE], 0) == mp__me.id
               ? NULL
               : "somebody else came in";
}

static const char *
acquire(void)
{
    const char *wrong =
        come_inside(mp_condition_acquire(condition, mp_timeout(SWEEP_BOUND)));

    for (unsigned i = 0; i < twice && !wrong; i++)
        if (mp_condition_acquire(condition, MP_NOW) < 0)
            wrong = "it is no rlock";
    return wrong;
}

static const char *
release(void)
{
    const char *wrong = go_outside();

    for (unsigned i = 0; i < twice + 1 && !wrong; i++)
        if (mp_condition_release(condition) < 0)
            wrong = "it is not held";
    return wrong;
}

static const char *
wait_once(mp_time deadline, int *ret)
{
    const char *wrong = acquire(), *next;

    if (!wrong)
        wrong = go_outside();
    if (is_victim())
        mp__store(&sweep.note[GAVE_UP_LOCK], 1);
    *ret = mp_condition_wait(condition, deadline);
    if (is_victim())
        mp__store(&sweep.note[GAVE_UP_LOCK], 0);
    next = come_inside(*ret);
    wrong = wrong ? wrong : next;
    next = release();
    return wrong ? wrong : next;
}

static const char *
notify(size_t n)
{
    const char *wrong = acquire(), *next;

    mp__store(&sweep.note[MUST_KNOW], mp__load(&sweep.note[GAVE_UP_LOCK]));
    if (mp_condition_notify(condition, n) < 0)
        wrong = mp_last_error();
    next = release();
    return wrong ? wrong : next;
}

/* ---- The condition ---- */

static void
begin(void)
{
    int r = mp_condition_create(&condition, MP_CONDITION_ATTR(.lock = lock));

    sync_begin();
    if (!sweep_check(r == 0, "cannot create a condition: %s", mp_strerror(r)))
        return;
    twice = lock ? 0 : 1;
    mp__store(&condition->spins, 1);
    mp__store(&inner()->gate.spins, 1);
}

static void
make(void)
{
    lock = NULL;
    begin();
}

static void
make_with_lock(void)
{
    sweep_check(mp_lock_create(&lock, NULL) == 0, "cannot create a lock");
    begin();
}

static void
destroy(void)
{
    int r = mp_condition_destroy(condition);

    sweep_check(r == 0, "cannot destroy it: %s", mp_strerror(r));
    if (lock)
        sweep_check(mp_lock_destroy(lock) == 0, "cannot destroy its lock");
}

/* ---- Those who wait, and who notify ---- */

static void
actor_waits(struct sweep_actor *actor)
{
    int r;
    const char *wrong = wait_once(MP_FOREVER, &r);

    if (wrong)
        sweep_complain(actor, "%s", wrong);
    sync_linger(actor);
}

static void
actor_notifies_two(struct sweep_actor *actor)
{
    const char *wrong = notify(2);

    if (wrong)
        sweep_complain(actor, "%s", wrong);
    sync_linger(actor);
}

/* `n` of them stand in line, asleep. */
static void
bring_in_line(unsigned n)
{
    size_t length = mp__line_length(condition) + n;

    while (n-- > 0)
        sync_bring_asleep(actor_waits);
    sweep_check(mp__line_length(condition) == length, "they are not in line");
}

static void
notify_now(size_t n)
{
    const char *wrong = notify(n);

    sweep_check(!wrong, "the harness: %s", wrong);
}

/* ---- What must hold after a kill ---- */

/* Those up to `n` return; the rest stays asleep. */
static int
check_notified(unsigned n)
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
        size_t n = mp__line_length(condition);

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
static void
check_rest(void)
{
    unsigned told;

    if (!await_in_line())
        return;
    notify_now(SIZE_MAX);
    if (!sync_check_waiters())
        return;
    sync_waiters = 0;
    bring_in_line(1);
    notify_now(1);
    if (!sync_check_waiters())
        return;
    told = (unsigned)mp__load(&sweep.note[TOLD]);
    sweep_check(told == (unsigned)seen.owned,
                "%u were told that the owner is dead, not %d", told,
                seen.owned);
    mp__reap();
    sweep_check(mp__line_length(condition) == 0 && !mp__line_any(condition),
                "somebody is still in line");
    sweep_check(mp__load(&inner()->owner) == 0, "the lock is held");
}

/* ---- Notifiers ---- */

static void
make_awaited(void)
{
    make();
    bring_in_line(3);
}

static void
make_awaited_with_lock(void)
{
    make_with_lock();
    bring_in_line(3);
}

static void
victim_notifies(size_t n)
{
    notify(n);
    mp__store(&sweep.note[DONE], 1);
}

static void
victim_notifies_one(void)
{
    victim_notifies(1);
}

static void
victim_notifies_two(void)
{
    victim_notifies(2);
}

static void
victim_notifies_all(void)
{
    victim_notifies(SIZE_MAX);
}

static void
check_all_or_none(unsigned n)
{
    sweep_check(seen.granted == n ||
                    (seen.granted == 0 && !mp__load(&sweep.note[DONE])),
                "%u were notified, not %u", seen.granted, n);
    if (check_notified(seen.granted))
        check_rest();
}

static void
check_one(void)
{
    check_all_or_none(1);
}

static void
check_two(void)
{
    check_all_or_none(2);
}

static void
check_all(void)
{
    check_all_or_none(3);
}

static void
check_none(void)
{
    check_all_or_none(0);
}

/* The only one in line is dead, and nobody has looked. */
static void
make_left_by_dead(void)
{
    make();
    bring_in_line(1);
    kill(sync_waiter[0]->pid, SIGKILL);
    waitpid(sync_waiter[0]->pid, NULL, 0);
    sync_waiter[0]->pid = 0;
    sync_waiters = 0;
}

/* ---- Waiters: a ticket for each, and one too few of notifications ---- */

static void
victim_waits(void)
{
    int r = PENDING;

    wait_once(MP_FOREVER, &r);
    mp__store(&sweep.note[RESULT], (uint64_t)r);
}

/* The victim comes first. */
static void
come_behind_and_notify(void)
{
    bring_in_line(2);
    notify_now(1);
}

/* Whoever was notified before it died in line has passed that on. One too many
 * may be notified where one who was not notified yet dies before another who
 * was is buried; `most`, if that cannot be. */
static void
check_passed_on(unsigned least, unsigned most)
{
    if (seen.in_line)
        least++;
    for (unsigned i = 0; i < least; i++)
        if (!sweep_await_done(sync_waiter[i], 1))
            return;
    for (unsigned i = most; i < sync_waiters; i++)
        sweep_check(!mp__load(&sync_waiter[i]->done),
                    "waiter %u was notified too", i);
    check_rest();
}

static void
check_first(void)
{
    int died_before = sweep.sleeps == 0;

    if (died_before)
        come_behind_and_notify();
    check_passed_on(died_before && !seen.in_line ? 1 : 0, 1);
}

static void
make_one_in_line(void)
{
    make();
    bring_in_line(1);
}

static void
come_behind_and_notify_two(void)
{
    bring_in_line(2);
    notify_now(2);
}

static void
check_second(void)
{
    int died_before = sweep.sleeps == 0;

    if (died_before)
        come_behind_and_notify_two();
    check_passed_on(died_before && !seen.in_line ? 2 : 1, 2);
}

/* ---- One was notified and is dead: the victim, or who comes after it, buries
 * it, and is notified in its stead. */

static void
notify_and_kill_first(void)
{
    const char *wrong;

    bring_in_line(2);
    wrong = acquire();
    sweep_check(mp_condition_notify(condition, 1) == 0, "%s", mp_last_error());
    kill(sync_waiter[0]->pid, SIGKILL);
    waitpid(sync_waiter[0]->pid, NULL, 0);
    sync_waiter[0]->pid = 0;
    sync_waiter[0] = sync_waiter[1];
    sync_waiter[1] = sync_waiter[2];
    sync_waiters = 2;
    sweep_check(!wrong && !release(), "the harness: %s", wrong);
}

static void
check_buried(void)
{
    int died_before = sweep.sleeps == 0;

    if (died_before)
        notify_and_kill_first();
    check_passed_on(died_before && !seen.in_line ? 1 : 0, 2);
}

/* ---- It gives up, while another notifies: it has been notified, or has not
 * and returns that. */

#define PATIENCE       0.02
#define PATIENCE_FIRST 0.5

static mp_time impatience;

static void
enter_impatiently(void)
{
    enter_and_tell();
    impatience = mp_timeout(sweep.recording ? PATIENCE_FIRST : PATIENCE);
}

static void
victim_gives_up(void)
{
    int r = PENDING;

    wait_once(impatience, &r);
    mp__store(&sweep.note[RESULT], (uint64_t)r);
}

static void
let_time_pass(void)
{
    mp_time late = mp_timeout(sweep.recording ? PATIENCE_FIRST : PATIENCE);

    bring_in_line(1);
    while (mp__now() < late)
        usleep(500);
}

static void
check_gave_up(void)
{
    if (sync_waiters == 0)
        bring_in_line(1);
    notify_now(1);
    if (check_notified(1))
        check_rest();
}

static void
notify_meanwhile(void)
{
    sync_bring_any(actor_notifies_two);
}

/* Whoever notifies two has the lock: either the victim has given it up, to wait,
 * or it comes too late. */
static void
check_met_giving_up(void)
{
    int r = (int)mp__load(&sweep.note[RESULT]);
    int must_know = (int)mp__load(&sweep.note[MUST_KNOW]);

    if (!sync_check_waiters())
        return;
    sweep_check(sweep.asleep || r == (must_know ? 0 : -ETIMEDOUT),
                "it was %snotified, and its wait returned %d",
                must_know ? "" : "not ", r);
    check_rest();
}

/* ---- Races ---- */

/* The victim's death must not be what wakes them. */
static void
look_met(void)
{
    look();
    for (unsigned i = 0; i < seen.granted && i < sync_waiters; i++)
        if (sweep.completed)
            sweep_await_done(sync_waiter[i], 1);
}

static void
come_any(void)
{
    sync_bring_any(actor_waits);
}

static void
check_met(void)
{
    unsigned n = granted();

    if (check_notified(n < sync_waiters ? n : sync_waiters))
        check_rest();
}

static void
come_and_notify_any(void)
{
    sync_bring_any(actor_waits);
    sync_bring_any(actor_notifies_two);
}

static void
notify_all(void)
{
    notify_now(SIZE_MAX);
}

/* ---- They come and go ---- */

static void
victim_creates(void)
{
    mp_condition *made;

    if (mp_condition_create(&made, NULL) == 0)
        mp__store(&sweep.note[DONE], (uintptr_t)made);
}

static void
check_created(void)
{
    lock = NULL;
    condition = (mp_condition *)(uintptr_t)mp__load(&sweep.note[DONE]);
    if (condition)
        destroy();
    make();
    seen.owned = 0;
    check_rest();
}

static void
victim_destroys(void)
{
    if (mp_condition_destroy(condition) == 0)
        mp__store(&sweep.note[DONE], 1);
}

static void
check_destroyed(void)
{
    int r = mp_condition_destroy(condition);

    sweep_check(r == -EBADF || !mp__load(&sweep.note[DONE]),
                "it is destroyed twice");
    make();
    seen.owned = 0;
    check_rest();
}

#define CONDITION(name, make, victim) \
    name, make, enter_and_tell, victim, .look = look, .teardown = destroy

const struct sweep_scenario sweep_condition[] = {
    {CONDITION("condition.notify", make_awaited, victim_notifies_one),
     .check = check_one},
    {CONDITION("condition.notify-two", make_awaited, victim_notifies_two),
     .check = check_two, .stride = 5},
    {CONDITION("condition.notify-all", make_awaited, victim_notifies_all),
     .check = check_all, .stride = 2},
    {CONDITION("condition.notify-none", make, victim_notifies_all),
     .check = check_none},
    {CONDITION("condition.notify-dead", make_left_by_dead,
               victim_notifies_all),
     .check = check_none},
    {CONDITION("condition.lock-notify-all", make_awaited_with_lock,
               victim_notifies_all),
     .check = check_all, .stride = 5},
    {CONDITION("condition.first-in-line", make, victim_waits),
     .wake = come_behind_and_notify, .check = check_first},
    {CONDITION("condition.lock-first-in-line", make_with_lock, victim_waits),
     .wake = come_behind_and_notify, .check = check_first},
    {CONDITION("condition.second-in-line", make_one_in_line, victim_waits),
     .wake = come_behind_and_notify_two, .check = check_second},
    {CONDITION("condition.behind-dead", make_one_in_line, victim_waits),
     .wake = notify_and_kill_first, .check = check_buried},
    {"condition.gives-up", make, enter_impatiently, victim_gives_up,
     .wake = let_time_pass, .look = look, .check = check_gave_up,
     .teardown = destroy},
    {"condition.meet-gives-up", make_one_in_line, enter_impatiently,
     victim_gives_up, .beside = notify_meanwhile, .look = look,
     .check = check_met_giving_up, .teardown = destroy, .meet = 1},
    {"condition.meet", make, enter_and_tell, victim_notifies_one,
     .beside = come_any, .look = look_met, .check = check_met,
     .teardown = destroy, .meet = 1},
    {CONDITION("condition.meet-wait", make, victim_waits),
     .beside = come_and_notify_any, .wake = notify_all, .check = check_rest,
     .meet = 1, .stride = 2},
    {"condition.create", NULL, sync_enter, victim_creates,
     .check = check_created, .teardown = destroy, .may_lose = 1},
    {"condition.destroy", make, sync_enter, victim_destroys,
     .check = check_destroyed, .teardown = destroy, .may_lose = 1},
    {0},
};
