/* SPDX-License-Identifier: MIT */
/* The mutex: its holder and those who want it are killed.
 *
 * What it guards is a pair of numbers that are equal whenever it is free. A
 * victim that dies between the two stores leaves them unequal; the mutex of
 * kind JOB has a repair function here, which makes them equal again and
 * counts how often it ran. */
#include "sweep.h"
#include "trace.h"

#include "region/mutex.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static struct guarded {
    struct mp__mutex mutex;
    volatile uint64_t a, b;
    volatile uint64_t repairs;
} * guarded;

/* The victim has done all; it holds the mutex, or did. */
enum { NOTE_DONE, NOTE_HELD };

static void
repair_pair(struct mp__mutex *mutex)
{
    struct guarded *g = (struct guarded *)(void *)mutex;

    g->repairs++;
    if (g->a != g->b)
        g->b = g->a;
}

static void
make_guarded(void)
{
    mp__mutex_repair_with(MP__MUTEX_JOB, repair_pair);
    guarded = mp_alloc(sizeof(*guarded));
    if (sweep_check(guarded != NULL, "no memory"))
        mp__mutex_init(&guarded->mutex, MP__MUTEX_JOB);
}

static void
free_guarded(void)
{
    sweep_check(mp_free(guarded) == 0, "the mutex's memory is not live");
}

static void
enter_library(void)
{
    mp__enter();
}

/* Changes both numbers, as a holder of the mutex does. */
static int
change_pair(void)
{
    int whole;

    mp__mutex_lock(&guarded->mutex);
    whole = guarded->a == guarded->b;
    guarded->a++;
    guarded->b++;
    mp__mutex_unlock(&guarded->mutex);
    return whole;
}

static void
victim_changes(void)
{
    change_pair();
    mp__store(&sweep.note[NOTE_DONE], 1);
}

static void
actor_changes(struct sweep_actor *actor)
{
    if (!change_pair())
        sweep_complain(actor, "it was given a broken pair");
    sweep_done(actor);
}

static void
actor_waits_and_changes(struct sweep_actor *actor)
{
    while (!mp__load(&sweep.note[NOTE_HELD]))
        usleep(50);
    actor_changes(actor);
}

/* One more can change it, and all in all there were as many changes. */
static void
check_sum(uint64_t least, uint64_t most)
{
    struct sweep_actor *last = sweep_actor(actor_changes);

    if (!sweep_await_end(last))
        return;
    sweep_check(guarded->a == guarded->b, "the pair stayed broken");
    sweep_check(guarded->a >= least && guarded->a <= most,
                "%u changes, not %u to %u", (unsigned)guarded->a,
                (unsigned)least, (unsigned)most);
    sweep_check(mp__mutex_holder(&guarded->mutex) == 0,
                "the mutex is still held");
}

/* Beside the survivors' changes there may be one by the victim: there must be,
 * if it came to its end. */
static void
check_pair(unsigned survivors)
{
    unsigned done = (unsigned)mp__load(&sweep.note[NOTE_DONE]);

    check_sum(survivors + 1 + done, survivors + 2);
}

static void
check_alone(void)
{
    check_pair(0);
}

/* ---- Survivors asleep on the mutex that the victim holds. */

static struct sweep_actor *waiter[2];

static int
victim_holds(void)
{
    return mp__mutex_holder(&guarded->mutex) == (uint32_t)sweep.victim;
}

static void
come_one(void)
{
    waiter[0] = sweep_actor(actor_changes);
    if (victim_holds() && !sweep.killed)
        sweep_await_sleep(waiter[0]);
}

static void
come_two(void)
{
    come_one();
    waiter[1] = sweep_actor(actor_changes);
    if (victim_holds() && !sweep.killed)
        sweep_await_sleep(waiter[1]);
}

static void
check_one(void)
{
    if (sweep_await_end(waiter[0]))
        check_pair(1);
}

static void
check_two(void)
{
    if (sweep_await_end(waiter[0]) && sweep_await_end(waiter[1]))
        check_pair(2);
}

/* ---- The victim is one who waits, and the holder survives it. */

static struct sweep_actor *holder;

static void
actor_holds(struct sweep_actor *actor)
{
    mp__mutex_lock(&guarded->mutex);
    sweep_done(actor);
    while (!mp__load(&actor->value[0]))
        usleep(50);
    guarded->a++;
    guarded->b++;
    mp__mutex_unlock(&guarded->mutex);
}

static void
let_go(void)
{
    mp__store(&holder->value[0], 1);
}

static void
make_held(void)
{
    make_guarded();
    holder = sweep_actor(actor_holds);
    sweep_await_done(holder, 1);
    waiter[0] = sweep_actor(actor_changes);
    sweep_await_sleep(waiter[0]);
}

static void
check_held(void)
{
    let_go();
    if (sweep_await_end(holder) && sweep_await_end(waiter[0]))
        check_pair(2);
}

/* ---- The flag that says that somebody sleeps is lowered by a holder now and
 * then, who looks for sleepers afterwards. */

static void
make_about_to_scrub(void)
{
    make_guarded();
    guarded->mutex.uses = UINT32_MAX / 2;
}

/* The victim wants the mutex, and has just raised the flag: the holder gives
 * it back, lowering the flag if nobody seems to sleep, and takes it again. */
static void
actor_scrubs(struct sweep_actor *actor)
{
    mp__mutex_lock(&guarded->mutex);
    sweep_done(actor);
    while (!mp__load(&actor->value[1]))
        usleep(50);
    guarded->mutex.uses = UINT32_MAX / 2;
    mp__mutex_unlock(&guarded->mutex);
    mp__mutex_lock(&guarded->mutex);
    sweep_done(actor);
    while (!mp__load(&actor->value[0]))
        usleep(50);
    guarded->a++;
    guarded->b++;
    mp__mutex_unlock(&guarded->mutex);
}

static void
make_scrubber(void)
{
    make_guarded();
    holder = sweep_actor(actor_scrubs);
    sweep_await_done(holder, 1);
}

static int
flag_is_up(void)
{
    return mp__load(&guarded->mutex.waiters) != 0;
}

static void
scrub_and_hold(void)
{
    mp__store(&holder->value[1], 1);
    sweep_await_done(holder, 2);
}

static void
check_scrubbed(void)
{
    let_go();
    if (sweep_await_end(holder))
        check_pair(1);
}

/* ---- Somebody comes while the victim is anywhere in between. */

static void
come_any_time(void)
{
    waiter[0] = sweep_actor(actor_changes);
    sweep_let_come(waiter[0]);
}

/* ---- Barging: somebody takes the mutex between its release and what the
 * wake-up leads to, and the victim is killed while he has it. So he does not
 * wake anybody if he relies on the victim. */

static struct sweep_actor *barger;

/* The victim holds it before the sweep begins, and another sleeps. */
static void
make_waited_for(void)
{
    make_guarded();
    waiter[0] = sweep_actor(actor_waits_and_changes);
}

static void
hold_and_be_waited_for(void)
{
    enter_library();
    mp__mutex_lock(&guarded->mutex);
    mp__store(&sweep.note[NOTE_HELD], 1);
    while (!flag_is_up() || !trace_sleeps(waiter[0]->pid))
        usleep(50);
}

static void
victim_releases(void)
{
    mp__mutex_unlock(&guarded->mutex);
}

static int
victim_has_released(void)
{
    return mp__mutex_holder(&guarded->mutex) == 0;
}

static void
come_to_hold(void)
{
    barger = sweep_actor(actor_holds);
    if (!sweep.killed)
        sweep_await_done(barger, 1);
}

static void
check_barged(void)
{
    mp__store(&barger->value[0], 1);
    if (sweep_await_end(barger) && sweep_await_end(waiter[0]))
        check_sum(3, 3);
}

/* The victim sleeps first; another comes to sleep as well; the holder releases
 * it, which wakes the victim, and takes it again. */
static void
make_to_barge(void)
{
    make_guarded();
    holder = sweep_actor(actor_scrubs);
    sweep_await_done(holder, 1);
    waiter[0] = NULL;
}

static void
come_second_and_barge(void)
{
    if (waiter[0]) { /* the victim sleeps again */
        let_go();
        return;
    }
    waiter[0] = sweep_actor(actor_changes);
    sweep_await_sleep(waiter[0]);
    scrub_and_hold();
}

static void
check_barged_awake(void)
{
    if (!mp__load(&holder->value[1]))
        scrub_and_hold();
    let_go();
    if (!sweep_await_end(holder))
        return;
    if (waiter[0] && !sweep_await_end(waiter[0]))
        return;
    check_pair(waiter[0] ? 2 : 1);
}

/* One who had released it, before the holder took it again, died when it was
 * about to wake somebody, and nobody was asleep yet. */
static void
die_waking(struct sweep_actor *actor)
{
    (void)actor;
    mp__robust_arm(mp__me.head, &guarded->mutex.waking);
    mp__store(&guarded->mutex.waking, MP__MUTEX_WAKING);
    raise(SIGKILL);
}

static void
have_a_dead_waker(void)
{
    struct sweep_actor *dead = sweep_actor(die_waking);

    waitpid(dead->pid, NULL, 0);
    dead->pid = 0;
}

static void
make_only_held(void)
{
    make_guarded();
    holder = sweep_actor(actor_holds);
    sweep_await_done(holder, 1);
}

static void
check_only_held(void)
{
    let_go();
    if (sweep_await_end(holder))
        check_pair(1);
}

/* ---- The victim takes over from one that died inside, and repairs. */

static void
die_inside(struct sweep_actor *actor)
{
    (void)actor;
    mp__mutex_lock(&guarded->mutex);
    guarded->a++;
    raise(SIGKILL);
}

static void
make_dirty(void)
{
    struct sweep_actor *dead;

    make_guarded();
    dead = sweep_actor(die_inside);
    waitpid(dead->pid, NULL, 0);
    dead->pid = 0;
    sweep_check(guarded->a != guarded->b, "the dead did not break it");
}

static void
check_repaired(void)
{
    if (waiter[0] && !sweep_await_end(waiter[0]))
        return;
    check_pair(waiter[0] ? 2 : 1);
    sweep_check(guarded->repairs > 0, "nobody repaired");
    waiter[0] = NULL;
}

const struct sweep_scenario sweep_mutex[] = {
    {"mutex.uncontended", make_guarded, enter_library, victim_changes,
     .check = check_alone, .teardown = free_guarded},
    {"mutex.waiter", make_guarded, enter_library, victim_changes, victim_holds,
     come_one, .check = check_one, .teardown = free_guarded},
    {"mutex.two-waiters", make_guarded, enter_library, victim_changes,
     victim_holds, come_two, .check = check_two, .teardown = free_guarded},
    {"mutex.waiting", make_held, enter_library, victim_changes, .wake = let_go,
     .check = check_held, .teardown = free_guarded},
    {"mutex.scrub", make_about_to_scrub, enter_library, victim_changes,
     victim_holds, come_two, .check = check_two, .teardown = free_guarded},
    {"mutex.scrub-race", make_scrubber, enter_library, victim_changes,
     flag_is_up, scrub_and_hold, let_go, .check = check_scrubbed,
     .teardown = free_guarded},
    {"mutex.meet", make_guarded, enter_library, victim_changes,
     .beside = come_any_time, .check = check_one, .teardown = free_guarded,
     .meet = 1},
    {"mutex.barged", make_waited_for, hold_and_be_waited_for, victim_releases,
     victim_has_released, come_to_hold, .check = check_barged,
     .teardown = free_guarded},
    {"mutex.barged-awake", make_to_barge, enter_library, victim_changes,
     .wake = come_second_and_barge, .check = check_barged_awake,
     .teardown = free_guarded, .sleeps = 1},
    {"mutex.meet-dead-waker", make_only_held, enter_library, victim_changes,
     .wake = let_go, .beside = have_a_dead_waker, .check = check_only_held,
     .teardown = free_guarded, .meet = 1},
    {"mutex.repair", make_dirty, enter_library, victim_changes,
     .check = check_repaired, .teardown = free_guarded},
    {"mutex.repair-waiter", make_dirty, enter_library, victim_changes,
     victim_holds, come_one, .check = check_repaired,
     .teardown = free_guarded},
    {0},
};
