/* SPDX-License-Identifier: MIT */
/* Processes that wait for an event in poll(): they, and those who set it, are
 * killed. Once it has been set, everybody who polls is told, with nobody's
 * help. */
#include "sync_stage.h"

#include "sync/event.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

enum { SET, ASKED, MISSED };

static mp_event *event;
static struct sweep_actor *pollers[2];

static int
is_readable(int timeout)
{
    struct pollfd p = {.fd = mp_event_fd(event), .events = POLLIN};

    return poll(&p, 1, timeout) == 1;
}

/* Sleeps in poll() alone until it is set. */
static void
actor_polls(struct sweep_actor *actor)
{
    do
        if (!is_readable(-1))
            sweep_complain(actor, "poll fails");
    while (mp_event_is_set(event) == 0);
    sweep_done(actor);
}

static void
make(void)
{
    int r = mp_event_create(&event, NULL);

    sync_begin();
    pollers[0] = pollers[1] = NULL;
    sweep_check(r == 0, "cannot create an event: %s", mp_strerror(r));
}

/* One that has been polled before. */
static void
make_polled(void)
{
    make();
    sweep_check(mp_event_fd(event) >= 0, "no descriptor");
    mp_event_is_set(event);
}

static void
make_poller(void)
{
    make();
    pollers[0] = sweep_actor(actor_polls);
    sweep_await_sleep(pollers[0]);
}

static void
make_pollers(void)
{
    make_poller();
    pollers[1] = sweep_actor(actor_polls);
    sweep_await_sleep(pollers[1]);
}

static void
make_poller_and_dead_one(void)
{
    make_pollers();
    kill(pollers[1]->pid, SIGKILL);
    waitpid(pollers[1]->pid, NULL, 0);
    pollers[1]->pid = 0;
    pollers[1] = NULL;
}

static void
destroy(void)
{
    int r = mp_event_destroy(event);

    sweep_check(r == 0, "cannot destroy it: %s", mp_strerror(r));
}

static void
come_to_poll(void)
{
    pollers[1] = sweep_actor(actor_polls);
    sweep_let_come(pollers[1]);
}

/* ---- Who sets it ---- */

static void
victim_sets(void)
{
    mp_event_set(event);
    mp__store(&sweep.note[SET], 1);
}

static void
check(void)
{
    int set = mp_event_is_set(event) == 1;

    sweep_check(set || !mp__load(&sweep.note[SET]), "it was not set");
    if (!set)
        mp_event_set(event);
    for (unsigned i = 0; i < 2; i++)
        if (pollers[i] && !sweep_await_end(pollers[i]))
            return;
}

/* ---- Who polls ---- */

static void
enter_with_fd(void)
{
    sync_enter();
    mp_event_fd(event);
}

static void
victim_arms(void)
{
    mp_event_is_set(event);
}

static void
victim_opens_and_arms(void)
{
    mp_event_fd(event);
    mp_event_is_set(event);
}

/* It finds nothing, and meanwhile, at some point, it is set: before it asks
 * whether the descriptor is readable it notes that. What comes later the answer
 * need not tell. */
static int came_late;

static void
victim_finds_and_asks(void)
{
    int set = mp_event_is_set(event);

    mp__store(&sweep.note[ASKED], 1);
    if (set == 0 && !is_readable(0))
        mp__store(&sweep.note[MISSED], 1);
}

static void
set_beside(void)
{
    came_late = mp__load(&sweep.note[ASKED]) != 0;
    mp_event_set(event);
}

static void
check_told(void)
{
    sweep_check(came_late || !mp__load(&sweep.note[MISSED]),
                "the poller was not told");
}

#define EVENT(name, make, enter, victim) \
    name, make, enter, victim, .teardown = destroy, .check = check

const struct sweep_scenario sweep_event_poll[] = {
    {EVENT("event.fd-set", make_poller, sync_enter, victim_sets)},
    {EVENT("event.fd-set-two-pollers", make_pollers, sync_enter, victim_sets)},
    {EVENT("event.fd-set-beside-a-dead-poller", make_poller_and_dead_one,
           sync_enter, victim_sets)},
    {EVENT("event.fd-set-after-a-death", make_pollers, sync_enter,
           victim_sets),
     .before = victim_sets},
    {EVENT("event.fd-set-first-poller-comes", make, sync_enter, victim_sets),
     .look = come_to_poll, .may_lose = 1},
    {EVENT("event.fd-set-poller-comes", make_polled, sync_enter, victim_sets),
     .look = come_to_poll},
    {EVENT("event.fd-set-meet-first-poller", make, sync_enter, victim_sets),
     .beside = come_to_poll, .meet = 1},
    {EVENT("event.fd-set-meet-poller", make_poller, sync_enter, victim_sets),
     .beside = come_to_poll, .meet = 1},
    {EVENT("event.fd-arm", make_poller, enter_with_fd, victim_arms)},
    {EVENT("event.fd-open-and-arm", make, sync_enter, victim_opens_and_arms),
     .may_lose = 1},
    {"event.fd-arm-meet-set", make, enter_with_fd, victim_finds_and_asks,
     .teardown = destroy, .beside = set_beside, .check = check_told,
     .meet = 1},
    {0},
};
