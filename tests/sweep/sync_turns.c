/* SPDX-License-Identifier: MIT */
/* Something that one at a time can have. */
#include "sync_turns.h"

#include "os/clock.h"
#include "region/participant.h"

#include <errno.h>
#include <unistd.h>

struct sync_turns turns;

void
turns_begin(void)
{
    sync_begin();
    turns = (struct sync_turns){0};
}

/* ---- Being inside ---- */

/* What there is to say about a return of acquire; NULL: nothing. A mark of the
 * dead is all right if they are not told of. */
static const char *
come_inside(int r)
{
    uint64_t mark = mp__load(&sweep.note[TURN_INSIDE]);
    const char *wrong = NULL;

    if (r == -EOWNERDEAD && turns.tells)
        mp__add(&sweep.note[TURN_TOLD], 1);
    else if (r < 0)
        return mp_strerror(r);
    else if (mark && (turns.tells || mp__participant_find(mark)))
        wrong = "somebody else is inside";
    mp__store(&sweep.note[TURN_INSIDE], mp__me.id);
    return wrong;
}

static const char *
go_outside(void)
{
    if (mp__swap(&sweep.note[TURN_INSIDE], 0) != mp__me.id)
        return "somebody else came in";
    return turns.release() < 0 ? "it cannot be released" : NULL;
}

const char *
turns_pass(mp_time deadline)
{
    const char *wrong = come_inside(turns.acquire(deadline)), *later;

    later = go_outside();
    return wrong ? wrong : later;
}

void
turns_check_told(int owned)
{
    unsigned told = (unsigned)mp__load(&sweep.note[TURN_TOLD]);
    unsigned least = (unsigned)owned + turns.deaths, most = least;

    if (!turns.tells)
        return;
    /* The victim, and nobody else, may have been told of the one before. */
    if (owned && (turns.deaths || turns.may_be_too))
        least--;
    most += turns.may_be_too;
    sweep_check(told >= least && told <= most,
                "%u were told that the owner is dead, not %u to %u", told,
                least, most);
}

/* ---- The victim ---- */

void
turns_victim_gives_up(void)
{
    int r = turns.acquire(sync_impatience);

    if (r == -ETIMEDOUT)
        return;
    mp__store(&sweep.note[TURN_GOT], 1);
    if (come_inside(r))
        return;
    mp__store(&sweep.note[TURN_LEAVES], 1);
    go_outside();
    mp__store(&sweep.note[TURN_LEFT], 1);
}

void
turns_victim_passes(void)
{
    sync_impatience = MP_FOREVER;
    turns_victim_gives_up();
}

void
turns_victim_stays(void)
{
    int r = turns.acquire(MP_FOREVER);

    mp__store(&sweep.note[TURN_GOT], 1);
    come_inside(r);
}

/* ---- Those who wait ---- */

static void
actor_passes(struct sweep_actor *actor)
{
    const char *wrong = turns_pass(MP_FOREVER);

    if (wrong)
        sweep_complain(actor, "%s", wrong);
    sync_linger(actor);
}

int
turns_victim_is_inside(void)
{
    return mp__load(&sweep.note[TURN_GOT]) == 1;
}

static void
come(unsigned n)
{
    while (sync_waiters < n) {
        if (!sweep.killed && turns_victim_is_inside())
            sync_bring_asleep(actor_passes);
        else
            sync_bring(actor_passes);
    }
}

void
turns_come_one(void)
{
    come(1);
}

void
turns_come_three(void)
{
    come(3);
}

void
turns_come_any(void)
{
    sync_bring_any(actor_passes);
}

void
turns_come_two_any(void)
{
    sync_bring_any(actor_passes);
    sync_bring_any(actor_passes);
}

/* ---- The holder ---- */

/* What it is told: to let go, or to die. */
enum { LET_GO = 1, DIE = 2 };

static void
actor_holds(struct sweep_actor *actor)
{
    const char *wrong = come_inside(turns.acquire(MP_FOREVER));

    if (wrong)
        sweep_complain(actor, "%s", wrong);
    sweep_done(actor);
    while (!mp__load(&actor->value[0]))
        usleep(50);
    if (mp__load(&actor->value[0]) == DIE)
        _exit(0);
    wrong = go_outside();
    if (wrong)
        sweep_complain(actor, "%s", wrong);
    sync_linger(actor);
}

void
turns_have_holder(void)
{
    turns.holder = sweep_actor(actor_holds);
    sweep_await_done(turns.holder, 1);
}

void
turns_have_holder_and_waiter(void)
{
    turns_have_holder();
    sync_bring_asleep(actor_passes);
}

void
turns_let_go(void)
{
    mp__store(&turns.holder->value[0], LET_GO);
}

void
turns_let_go_meanwhile(void)
{
    turns_let_go();
    sweep_await_done(turns.holder, 2);
}

void
turns_queue_up_and_let_go(void)
{
    sync_bring_asleep(actor_passes);
    sync_bring_asleep(actor_passes);
    turns_let_go();
}

void
turns_check_held(void)
{
    turns_let_go();
    if (sweep_await_done(turns.holder, 2))
        turns.check();
}

void
turns_check_queued_up(void)
{
    if (sync_waiters == 0)
        turns_queue_up_and_let_go();
    turns_check_held();
}

/* ---- The thief ---- */

static void
steal(void)
{
    turns_let_go_meanwhile();
    turns.thief = sweep_actor(actor_holds);
    sweep_await_done(turns.thief, 1);
}

static void
finish_thief(void)
{
    mp__store(&turns.thief->value[0], turns.deaths ? DIE : LET_GO);
}

/* Those who sleep behind the victim watch the holder. */
void
turns_be_robbed(void)
{
    sync_bring_asleep(actor_passes);
    if (sweep.sleeps == 0)
        steal();
    else
        finish_thief();
}

void
turns_be_robbed_of_time(void)
{
    sync_bring_asleep(actor_passes);
    steal();
    sync_wait_too_long();
}

void
turns_check_robbed(void)
{
    if (!turns.thief)
        steal();
    if (sync_waiters == 0)
        sync_bring(actor_passes);
    finish_thief();
    turns.check();
}

/* ---- The dead ---- */

void
turns_forget_earlier(void)
{
    mp__store(&sweep.note[TURN_GOT], 0);
    mp__store(&sweep.note[TURN_LEAVES], 0);
    mp__store(&sweep.note[TURN_LEFT], 0);
    turns.may_be_too = 1;
}
