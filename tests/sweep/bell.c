/* SPDX-License-Identifier: MIT */
/* The bell: notifiers are killed, and those who sleep on it. */
#include "sweep.h"

#include "bell/bell.h"

#include <limits.h>
#include <string.h>

static struct rung {
    struct mp__bell bell;
    mp__a32 data;
} * rung;

static struct sweep_actor *waiter[2];

static void
make_bell(void)
{
    rung = mp_alloc(sizeof(*rung));
    sweep_check(rung != NULL, "no memory");
}

static void
free_bell(void)
{
    mp_free(rung);
}

static void
enter_library(void)
{
    mp__enter();
}

static void
wait_for_data(struct sweep_actor *actor)
{
    while (mp__load(&rung->data) == 0)
        mp__bell_wait(&rung->bell, &rung->data, 0, NULL, 0, MP_FOREVER);
    sweep_done(actor);
}

static void
make_waiters(int n)
{
    int i;

    make_bell();
    for (i = 0; i < n; i++)
        waiter[i] = sweep_actor(wait_for_data);
    for (i = 0; i < n; i++)
        sweep_await_sleep(waiter[i]);
}

static void
make_one_waiter(void)
{
    make_waiters(1);
}

static void
make_two_waiters(void)
{
    make_waiters(2);
}

static void
notify(void)
{
    mp__bell_arm(&rung->bell);
    mp__store(&rung->data, 1);
    mp__bell_ring(&rung->bell, INT_MAX);
}

/* Once the victim has committed, no one else may be needed. */
static void
check_waiters(int n)
{
    int i;

    if (mp__load(&rung->data) == 0)
        notify();
    for (i = 0; i < n; i++)
        sweep_await_end(waiter[i]);
}

static void
check_one_waiter(void)
{
    check_waiters(1);
}

static void
check_two_waiters(void)
{
    check_waiters(2);
}

/* ---- A waiter comes while the victim is anywhere in between. */

static void
come_to_wait(void)
{
    waiter[0] = sweep_actor(wait_for_data);
    sweep_let_come(waiter[0]);
}

/* ---- Two sleep, there are permits for both, and the first is woken: should
 * it die before it has woken the second, the kernel does. */

static void
take_permit(void)
{
    uint32_t left;

    for (;;) {
        left = mp__load(&rung->data);
        if (left && mp__cas(&rung->data, &left, left - 1))
            return;
        mp__bell_wait(&rung->bell, &rung->data, 0, NULL, 0, MP_FOREVER);
    }
}

static void
actor_takes(struct sweep_actor *actor)
{
    take_permit();
    sweep_done(actor);
}

static void
give_permits(void)
{
    waiter[0] = sweep_actor(actor_takes);
    sweep_await_sleep(waiter[0]);
    mp__bell_arm(&rung->bell);
    mp__store(&rung->data, 2);
    mp__bell_ring(&rung->bell, 1);
}

static void
check_permit(void)
{
    if (!waiter[0])
        give_permits();
    sweep_await_end(waiter[0]);
    waiter[0] = NULL;
}

/* ---- Waiting for a death. */

static void
watch_victim(struct sweep_actor *actor)
{
    struct mp__participant *part =
        mp__participant_find(mp__load(&sweep.note[0]));

    while (mp__participant_find(mp__load(&sweep.note[0])))
        mp__bell_wait(&rung->bell, &rung->data, 0, &part, 1, MP_FOREVER);
    sweep_done(actor);
}

static void
enter_and_tell(void)
{
    mp__enter();
    mp__store(&sweep.note[0], mp__participant_id(mp__me.part));
}

static void
victim_lives(void)
{
    mp__store(&sweep.note[1], 1);
    mp__store(&sweep.note[1], 2);
}

static int
victim_is_known(void)
{
    return mp__load(&sweep.note[1]) == 1;
}

static void
come_to_watch(void)
{
    waiter[0] = sweep_actor(watch_victim);
    waiter[1] = sweep_actor(watch_victim);
    if (!sweep.killed) {
        sweep_await_sleep(waiter[0]);
        sweep_await_sleep(waiter[1]);
    }
}

static void
check_watchers(void)
{
    sweep_await_end(waiter[0]);
    sweep_await_end(waiter[1]);
}

const struct sweep_scenario sweep_bell[] = {
    {"bell.notify", make_one_waiter, enter_library, notify,
     .check = check_one_waiter, .teardown = free_bell},
    {"bell.notify-two-waiters", make_two_waiters, enter_library, notify,
     .check = check_two_waiters, .teardown = free_bell},
    {"bell.meet", make_bell, enter_library, notify, .beside = come_to_wait,
     .check = check_one_waiter, .teardown = free_bell, .meet = 1},
    {"bell.woken", make_bell, enter_library, take_permit, .wake = give_permits,
     .check = check_permit, .teardown = free_bell},
    {"bell.watch-death", make_bell, enter_and_tell, victim_lives,
     victim_is_known, come_to_watch, .check = check_watchers,
     .teardown = free_bell},
    {0},
};
