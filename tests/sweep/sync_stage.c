/* SPDX-License-Identifier: MIT */
/* What the scenarios of the synchronisation objects share. */
#include "sync_stage.h"
#include "trace.h"

#include "os/clock.h"
#include "sync/gate.h"

#include <unistd.h>

/* Seconds; in the first rounds the victim is single-stepped all the way. */
#define PATIENCE       0.02
#define PATIENCE_FIRST 0.5

struct sweep_actor *sync_waiter[SYNC_WAITERS];
unsigned sync_waiters;
mp_time sync_impatience;

/* The first slice of a sleep at a gate ends at once: whoever sleeps is past
 * it, and sleeps without an end. */
void
sync_begin(void)
{
    mp__gate_slice = 1;
    trace_nap = 200000;
    sweep_fast_seconds = 0.25;
    sync_waiters = 0;
}

void
sync_enter(void)
{
    mp__enter();
}

static mp_time
patience(void)
{
    return mp_timeout(sweep.recording ? PATIENCE_FIRST : PATIENCE);
}

void
sync_enter_impatiently(void)
{
    sync_enter();
    sync_impatience = patience();
}

void
sync_wait_too_long(void)
{
    mp_time late = patience();

    while (!mp__expired(late))
        usleep(500);
}

void
sync_linger(struct sweep_actor *actor)
{
    sweep_done(actor);
    for (;;)
        pause();
}

void
sync_bring(void (*run)(struct sweep_actor *))
{
    sync_waiter[sync_waiters++] = sweep_actor(run);
}

void
sync_bring_asleep(void (*run)(struct sweep_actor *))
{
    sync_bring(run);
    sweep_await_sleep(sync_waiter[sync_waiters - 1]);
}

void
sync_bring_any(void (*run)(struct sweep_actor *))
{
    sync_bring(run);
    sweep_let_come(sync_waiter[sync_waiters - 1]);
}

int
sync_check_waiters(void)
{
    int all = 1;

    for (unsigned i = 0; i < sync_waiters; i++)
        all &= sweep_await_done(sync_waiter[i], 1);
    return all;
}

void
sync_look_at_waiters(void)
{
    if (sweep.completed)
        sync_check_waiters();
}
