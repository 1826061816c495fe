/* SPDX-License-Identifier: MIT */
/* The event: who sets it, and those who wait for it, are killed. Once it has
 * been set, everybody who waits goes on, with nobody's help. */
#include "sync_stage.h"

#include "sync/event.h"

#include <errno.h>
#include <signal.h>

enum { SET, DONE };

static mp_event *event;

static void
make(void)
{
    int r = mp_event_create(&event, NULL);

    sync_begin();
    if (sweep_check(r == 0, "cannot create an event: %s", mp_strerror(r)))
        mp__store(&event->spins, 1);
}

static void
destroy(void)
{
    int r = mp_event_destroy(event);

    sweep_check(r == 0, "cannot destroy it: %s", mp_strerror(r));
}

static void
actor_waits(struct sweep_actor *actor)
{
    int r = mp_event_wait(event, MP_FOREVER);

    if (r < 0)
        sweep_complain(actor, "wait: %s", mp_strerror(r));
    sync_linger(actor);
}

static void
make_awaited(void)
{
    make();
    sync_bring_asleep(actor_waits);
    sync_bring_asleep(actor_waits);
    sync_bring_asleep(actor_waits);
}

/* ---- Who sets it ---- */

static void
victim_sets(void)
{
    mp_event_set(event);
    mp__store(&sweep.note[SET], 1);
}

static void
victim_sets_and_clears(void)
{
    victim_sets();
    mp_event_clear(event);
}

static int
has_been_set(void)
{
    return mp__load(&event->changes) != 0;
}

/* For those who come from now on. */
static void
check_rest(void)
{
    sync_waiters = 0;
    mp_event_clear(event);
    sweep_check(mp_event_is_set(event) == 0, "it cannot be cleared");
    sweep_check(mp_event_wait(event, MP_NOW) == -EAGAIN, "it is set");
    sync_bring_any(actor_waits);
    mp_event_set(event);
    sweep_check(mp_event_is_set(event) == 1, "it cannot be set");
    sync_check_waiters();
}

static void
check(void)
{
    sweep_check(has_been_set() || !mp__load(&sweep.note[SET]),
                "it was not set");
    if (!has_been_set())
        mp_event_set(event);
    if (sync_check_waiters())
        check_rest();
}

static void
come_any(void)
{
    sync_bring_any(actor_waits);
    sync_bring_any(actor_waits);
}

/* Who comes after it was cleared waits for the next time. */
static void
check_met(void)
{
    mp_event_set(event);
    check();
}

/* ---- Who waits for it ---- */

static void
victim_waits(void)
{
    mp_event_wait(event, MP_FOREVER);
}

static void
set(void)
{
    mp_event_set(event);
}

static void
set_and_clear(void)
{
    mp_event_set(event);
    mp_event_clear(event);
}

static void
actor_sets_and_dies(struct sweep_actor *actor)
{
    (void)actor;
    mp__bell_arm(&event->bell);
    mp__add(&event->changes, 1);
    raise(SIGKILL);
}

/* The first of those who sleep is woken by the kernel. */
static void
be_set_by_the_dead(void)
{
    sync_bring_asleep(actor_waits);
    sync_bring_asleep(actor_waits);
    sweep_actor(actor_sets_and_dies);
}

static void
check_cascade(void)
{
    if (sync_waiters == 0)
        be_set_by_the_dead();
    if (sync_check_waiters())
        check_rest();
}

#define EVENT(name, make, victim) \
    name, make, sync_enter, victim, .teardown = destroy

const struct sweep_scenario sweep_event[] = {
    {EVENT("event.set", make_awaited, victim_sets), .check = check},
    {EVENT("event.set-and-clear", make_awaited, victim_sets_and_clears),
     .check = check},
    {EVENT("event.set-again", make_awaited, victim_sets), .check = check,
     .before = victim_sets},
    {EVENT("event.wait", make, victim_waits), .wake = set, .check = check},
    {EVENT("event.cascade", make, victim_waits), .wake = be_set_by_the_dead,
     .check = check_cascade},
    {EVENT("event.meet", make, victim_sets), .beside = come_any,
     .look = sync_look_at_waiters, .check = check, .meet = 1},
    {EVENT("event.meet-clear", make, victim_sets_and_clears),
     .beside = come_any, .check = check_met, .meet = 1},
    {EVENT("event.meet-set", make, victim_waits), .wake = set,
     .beside = set_and_clear, .check = check, .meet = 1},
    {0},
};
