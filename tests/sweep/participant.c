/* SPDX-License-Identifier: MIT */
/* Participants: those who register, and those who bury the dead. A slot that
 * a kill makes useless would show as a table that grows. */
#include "sweep.h"

#include "os/futex.h"
#include "region/heap.h"
#include "region/participant.h"

#include <signal.h>
#include <sys/wait.h>

/* More than are ever alive at once here. */
#define SLOTS 8

static void
victim_registers(void)
{
    mp__enter();
}

static void
actor_registers(struct sweep_actor *actor)
{
    void *p = mp_alloc(64);

    if (!p || mp_free(p) < 0)
        sweep_complain(actor, "memory: %s", mp_last_error());
    if (!mp__participant_find(mp__participant_id(mp__me.part)))
        sweep_complain(actor, "it counts as dead");
}

static void
check_slots(void)
{
    struct sweep_actor *a = sweep_actor(actor_registers);
    struct sweep_actor *b = sweep_actor(actor_registers);

    sweep_await_end(a);
    sweep_await_end(b);
    mp__reap();
    sweep_check(mp__participants_high() <= SLOTS,
                "slots are lost: %u are in use", mp__participants_high());
}

/* ---- One that died with full hands. */

static mp__a64 *dead_id;

static void
die_with_hands_full(struct sweep_actor *actor)
{
    mp__store(&actor->value[0], mp__participant_id(mp__me.part));
    mp__block_alloc(64, 0);
    mp__block_alloc(100000, 0);
    raise(SIGKILL);
}

static void
make_dead(void)
{
    struct sweep_actor *dead = sweep_actor(die_with_hands_full);

    waitpid(dead->pid, NULL, 0);
    dead->pid = 0;
    dead_id = &dead->value[0];
}

static void
victim_reaps(void)
{
    mp__reap();
}

static void
check_reaped(void)
{
    sweep_check(!mp__participant_find(mp__load(dead_id)),
                "the dead counts as alive");
    check_slots();
}

/* Registration reaps: so the victim is one of the library before the other
 * dies. */
static struct sweep_actor *doomed;

static void
await_death(struct sweep_actor *actor)
{
    mp__store(&actor->value[0], mp__participant_id(mp__me.part));
    if (!mp__block_alloc(64, 0) || !mp__block_alloc(100000, 0))
        sweep_complain(actor, "no memory");
    sweep_done(actor);
    for (;;)
        mp__futex_wait(&actor->begun, 1, MP_FOREVER);
}

static void
make_doomed(void)
{
    doomed = sweep_actor(await_death);
    dead_id = &doomed->value[0];
    sweep_await_done(doomed, 1);
}

/* Waits for the death by its participant's word, which the kernel marks. */
static void
enter_and_kill(void)
{
    mp__enter();
    kill(doomed->pid, SIGKILL);
    while (mp__participant_find(mp__load(dead_id)))
        ;
}

static void
check_hands_emptied(void)
{
    waitpid(doomed->pid, NULL, 0);
    doomed->pid = 0;
    check_reaped();
}

const struct sweep_scenario sweep_participant[] = {
    {"participant.register", .victim = victim_registers, .check = check_slots},
    {"participant.register-reaps", make_dead, .victim = victim_registers,
     .check = check_reaped},
    {"participant.reap", make_doomed, enter_and_kill, victim_reaps,
     .check = check_hands_emptied},
    {0},
};
