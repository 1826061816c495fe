/* SPDX-License-Identifier: MIT */
/* The semaphore: those who take and give permits are killed.
 *
 * A permit that the victim has taken is gone with it, one that it has given is
 * there, and every other one is taken by whoever waits. Of a tracked semaphore
 * all come back, and its only permit goes round like a lock. */
#include "sync_turns.h"

#include "os/clock.h"
#include "sync/semaphore.h"

#include <errno.h>

/* What the victim notes: how many of its calls have returned; that it only
 * gives from now on; that it has made or ended one. */
enum { TOOK = TURN_NOTES, GAVE, GIVES, DONE };

#define PLENTY 3u /* permits, one for each who waits */

static mp_semaphore *semaphore;

static void
make_any(uint32_t value, int bounded, int tracked)
{
    int r = mp_semaphore_create(
        &semaphore, value,
        MP_SEMAPHORE_ATTR(.bounded = bounded, .tracked = tracked));

    turns_begin();
    if (sweep_check(r == 0, "cannot create a semaphore: %s", mp_strerror(r)))
        mp__store(&semaphore->gate.spins, 1);
}

static void
destroy(void)
{
    int r = mp_semaphore_destroy(semaphore);

    sweep_check(r == 0, "cannot destroy it: %s", mp_strerror(r));
}

static int
acquire(mp_time deadline)
{
    return mp_semaphore_acquire(semaphore, deadline);
}

static int
release(void)
{
    return mp_semaphore_release(semaphore);
}

static void
give(unsigned n)
{
    while (n-- > 0)
        sweep_check(release() == 0, "the harness cannot give");
}

/* As many permits as that can be taken, and given back. */
static void
check_value(unsigned value)
{
    unsigned i;

    sweep_check(mp_semaphore_value(semaphore) == (int)value,
                "there are %d permits, not %u", mp_semaphore_value(semaphore),
                value);
    for (i = 0; i < value; i++)
        sweep_check(acquire(MP_NOW) == 0, "permit %u cannot be taken", i);
    sweep_check(acquire(MP_NOW) == -EAGAIN, "there are too many permits");
    give(i);
}

/* What is there, when there were `all`, but for what the victim did: its last
 * call may not have returned. */
static void
check_conserved(int all)
{
    int value = mp_semaphore_value(semaphore);
    int took = (int)mp__load(&sweep.note[TOOK]);
    int gave = (int)mp__load(&sweep.note[GAVE]);
    int off = value - (all - took + gave);

    sweep_check(off == 0 || off == (mp__load(&sweep.note[GIVES]) ? 1 : -1),
                "there are %d permits: %d were taken and %d given of %d",
                value, took, gave, all);
    check_value((unsigned)value);
}

static void
victim_takes(unsigned nth)
{
    if (acquire(MP_FOREVER) == 0)
        mp__store(&sweep.note[TOOK], nth);
}

static void
victim_gives(unsigned nth)
{
    if (release() == 0)
        mp__store(&sweep.note[GAVE], nth);
}

/* ---- Nobody waits ---- */

static void
make_two(void)
{
    make_any(2, 0, 0);
}

static void
make_bounded(void)
{
    make_any(2, 1, 0);
}

static void
victim_takes_and_gives(void)
{
    victim_takes(1);
    victim_takes(2);
    mp__store(&sweep.note[GIVES], 1);
    victim_gives(1);
    victim_gives(2);
    victim_gives(3); /* refused if there is a bound */
}

static void
check_two(void)
{
    check_conserved(2);
}

static void
check_bounded(void)
{
    check_two();
    while (mp_semaphore_value(semaphore) < 2)
        give(1);
    sweep_check(release() == -EOVERFLOW, "it has no bound");
    check_value(2);
}

/* ---- Others wait for what the victim gives ---- */

static void
actor_takes(struct sweep_actor *actor)
{
    int r = acquire(MP_FOREVER);

    if (r < 0)
        sweep_complain(actor, "acquire: %s", mp_strerror(r));
    sync_linger(actor);
}

static void
make_wanted(void)
{
    make_any(0, 0, 0);
    sync_bring_asleep(actor_takes);
    sync_bring_asleep(actor_takes);
}

static void
victim_gives_two(void)
{
    mp__store(&sweep.note[GIVES], 1);
    victim_gives(1);
    victim_gives(2);
}

static unsigned
count_without(void)
{
    unsigned n = sync_waiters;

    for (unsigned i = 0; i < sync_waiters; i++)
        n -= mp__load(&sync_waiter[i]->done);
    return n;
}

/* Nobody sleeps beside a permit. */
static int
await_taken(void)
{
    mp_time deadline = mp_timeout(SWEEP_BOUND);

    while (mp_semaphore_value(semaphore) > 0 && count_without() > 0)
        if (mp__expired(deadline) < 0)
            return sweep_check(0, "%u sleep beside a permit", count_without());
    return 1;
}

/* As many again are given: what they need, and what the victim gave. */
static void
check_given(void)
{
    if (!await_taken())
        return;
    give(sync_waiters);
    if (sync_check_waiters())
        check_conserved(0);
}

/* ---- The victim waits, and others do. Then there is one for each. ---- */

static void
make_none(void)
{
    make_any(0, 0, 0);
}

static void
make_none_waiter(void)
{
    make_none();
    sync_bring_asleep(actor_takes);
}

static void
come_and_give(void)
{
    while (sync_waiters < PLENTY - 1)
        sync_bring_asleep(actor_takes);
    give(PLENTY);
}

static void
victim_takes_one(void)
{
    victim_takes(1);
}

static void
check_plenty(void)
{
    if (sweep.sleeps == 0)
        come_and_give();
    if (sync_check_waiters())
        check_conserved(1);
}

/* It is woken for nothing. */
static void
be_robbed(void)
{
    if (sweep.sleeps > 0) {
        come_and_give();
        return;
    }
    sync_bring_asleep(actor_takes);
    give(1);
    sweep_check(acquire(MP_NOW) == 0, "a permit cannot be stolen");
}

static void
check_robbed(void)
{
    if (sweep.sleeps < 2)
        come_and_give();
    if (sync_check_waiters())
        check_conserved(1);
}

/* ---- Races: the only permit goes round ---- */

static void
check_turns(void)
{
    const char *wrong;

    if (!sync_check_waiters())
        return;
    wrong = turns_pass(mp_timeout(SWEEP_BOUND));
    sweep_check(!wrong, "the last to come: %s", wrong);
    check_value(1);
}

static void
make_turns(int tracked)
{
    make_any(1, 0, tracked);
    turns.acquire = acquire;
    turns.release = release;
    turns.check = check_turns;
}

static void
make_one(void)
{
    make_turns(0);
}

static void
make_one_held(void)
{
    make_one();
    turns_have_holder();
}

/* Gives are met by those who come to take. */
static void
come_to_take_any(void)
{
    sync_bring_any(actor_takes);
    sync_bring_any(actor_takes);
}

/* ---- Tracked ---- */

static void
make_tracked(void)
{
    make_turns(1);
}

static void
make_tracked_held(void)
{
    make_tracked();
    turns_have_holder();
}

static void
make_tracked_held_waiter(void)
{
    make_tracked();
    turns_have_holder_and_waiter();
}

static void
make_tracked_to_be_robbed_by_dead(void)
{
    make_tracked_held();
    turns.deaths = 1;
}

/* Of two permits, one is another's. */
static void
make_tracked_two(void)
{
    make_any(2, 0, 1);
    sync_bring(actor_takes);
    sync_check_waiters();
}

static void
victim_takes_and_gives_one(void)
{
    victim_takes(1);
    mp__store(&sweep.note[GIVES], 1);
    victim_gives(1);
}

static int
victim_has_one(void)
{
    return mp__load(&sweep.note[TOOK]) && !mp__load(&sweep.note[GIVES]);
}

static void
actor_takes_and_gives(struct sweep_actor *actor)
{
    if (acquire(MP_FOREVER) < 0 || release() < 0)
        sweep_complain(actor, "a permit cannot be taken and given");
    sync_linger(actor);
}

static void
come_for_one_of_two(void)
{
    sync_bring(actor_takes_and_gives);
    sync_bring(actor_takes_and_gives);
    if (sweep.killed)
        return;
    sweep_await_sleep(sync_waiter[1]);
    sweep_await_sleep(sync_waiter[2]);
}

static void
check_one_of_two(void)
{
    if (sync_check_waiters())
        check_value(1);
}

/* Its permits come back, however many it had. */
static void
make_tracked_alone(void)
{
    make_any(2, 0, 1);
}

static void
check_tracked_alone(void)
{
    check_value(2);
    sweep_check(release() == -EPERM, "there is no owner");
}

#define SEMAPHORE(name, make, victim) \
    name, make, sync_enter, victim, .teardown = destroy

const struct sweep_scenario sweep_semaphore[] = {
    {SEMAPHORE("semaphore.alone", make_two, victim_takes_and_gives),
     .check = check_two},
    {SEMAPHORE("semaphore.bounded", make_bounded, victim_takes_and_gives),
     .check = check_bounded},
    {SEMAPHORE("semaphore.give", make_wanted, victim_gives_two),
     .check = check_given},
    {SEMAPHORE("semaphore.waiting", make_none_waiter, victim_takes_one),
     .wake = come_and_give, .check = check_plenty},
    {SEMAPHORE("semaphore.first-in-line", make_none, victim_takes_one),
     .wake = come_and_give, .check = check_plenty},
    {SEMAPHORE("semaphore.robbed", make_none, victim_takes_one),
     .wake = be_robbed, .sleeps = 1, .check = check_robbed},
    {SEMAPHORE("semaphore.meet", make_one, turns_victim_passes),
     .beside = turns_come_any, .look = sync_look_at_waiters,
     .check = check_turns, .meet = 1},
    {SEMAPHORE("semaphore.meet-two", make_one, turns_victim_passes),
     .beside = turns_come_two_any, .look = sync_look_at_waiters,
     .check = check_turns, .meet = 1},
    {SEMAPHORE("semaphore.meet-release", make_one_held, turns_victim_passes),
     .wake = turns_let_go, .beside = turns_let_go_meanwhile,
     .check = turns_check_held, .meet = 1},
    {SEMAPHORE("semaphore.meet-give", make_none, victim_gives_two),
     .beside = come_to_take_any, .check = check_given, .meet = 1},
    {SEMAPHORE("tracked.alone", make_tracked_alone, victim_takes_and_gives),
     .check = check_tracked_alone},
    {SEMAPHORE("tracked.waiter", make_tracked, turns_victim_passes),
     .due = turns_victim_is_inside, .beside = turns_come_one,
     .check = check_turns},
    {SEMAPHORE("tracked.three-waiters", make_tracked, turns_victim_passes),
     .due = turns_victim_is_inside, .beside = turns_come_three,
     .check = check_turns},
    {SEMAPHORE("tracked.one-of-two", make_tracked_two,
               victim_takes_and_gives_one),
     .due = victim_has_one, .beside = come_for_one_of_two,
     .check = check_one_of_two},
    {SEMAPHORE("tracked.waiting", make_tracked_held_waiter,
               turns_victim_passes),
     .wake = turns_let_go, .check = turns_check_held, .stride = 2},
    {SEMAPHORE("tracked.first-in-line", make_tracked_held,
               turns_victim_passes),
     .wake = turns_queue_up_and_let_go, .check = turns_check_queued_up},
    {SEMAPHORE("tracked.unwatched", make_tracked_held, turns_victim_stays),
     .wake = turns_queue_up_and_let_go, .check = turns_check_queued_up,
     .stride = 2},
    {SEMAPHORE("tracked.robbed-by-dead", make_tracked_to_be_robbed_by_dead,
               turns_victim_passes),
     .wake = turns_be_robbed, .sleeps = 1, .check = turns_check_robbed,
     .stride = 3},
    {"tracked.gives-up", make_tracked_to_be_robbed_by_dead,
     sync_enter_impatiently, turns_victim_gives_up,
     .wake = turns_be_robbed_of_time, .check = turns_check_robbed,
     .teardown = destroy, .stride = 3},
    {SEMAPHORE("tracked.heir", make_tracked, turns_victim_passes),
     .check = check_turns, .before = turns_victim_passes,
     .between = turns_forget_earlier},
    {SEMAPHORE("tracked.heir-waiter", make_tracked, turns_victim_passes),
     .due = turns_victim_is_inside, .beside = turns_come_one,
     .check = check_turns, .before = turns_victim_passes,
     .between = turns_forget_earlier},
    {SEMAPHORE("tracked.meet", make_tracked, turns_victim_passes),
     .beside = turns_come_any, .look = sync_look_at_waiters,
     .check = check_turns, .meet = 1},
    {SEMAPHORE("tracked.meet-release", make_tracked_held, turns_victim_passes),
     .wake = turns_let_go, .beside = turns_let_go_meanwhile,
     .check = turns_check_held, .meet = 1, .stride = 2},
    {0},
};
