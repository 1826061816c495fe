/* SPDX-License-Identifier: MIT */
/* The barrier: those who come to it, and who break it, are killed.
 *
 * Three parties. If the round of the victim was complete, the others have got
 * different numbers; if it was not, and the victim had a seat, or ended the
 * turn, all of them were cancelled; if it had not come, they wait for another
 * to come in its stead. In any case the next round works, after a reset if the
 * barrier is broken. */
#include "sync_stage.h"

#include "os/clock.h"
#include "sync/barrier.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* The victim's id, and that it has done all. */
enum { VICTIM, DONE };

#define PARTIES 3u

static mp_barrier *barrier;
static uint64_t first_state; /* in which the victim's operation begins */

/* What was seen just before the kill. */
static struct {
    int released;
    int over; /* the turn */
    int seated;
    int registered;
} seen;

static void
enter_and_tell(void)
{
    sync_enter();
    mp__store(&sweep.note[VICTIM], mp__me.id);
}

static int
is_over(uint64_t state)
{
    return mp__barrier_turn(state) != mp__barrier_turn(first_state);
}

static int
is_released(uint64_t state)
{
    return ((state ^ first_state) & MP__BARRIER_PARITY) != 0;
}

static void
look(void)
{
    uint64_t id = mp__load(&sweep.note[VICTIM]);
    uint64_t seat = mp__seat_of(first_state, id);
    uint64_t state = mp__load(&barrier->state);

    seen.over = is_over(state);
    seen.released = is_released(state);
    seen.seated = seen.registered = 0;
    for (unsigned i = 0; i < PARTIES; i++) {
        seen.seated |= mp__load(&barrier->seats[i]) == seat;
        seen.registered |= mp__load(&barrier->roster[i]) == id;
    }
}

static void
make(void)
{
    int r = mp_barrier_create(&barrier, PARTIES, NULL);

    sync_begin();
    if (!sweep_check(r == 0, "cannot create a barrier: %s", mp_strerror(r)))
        return;
    mp__store(&barrier->spins, 1);
    /* Turn 0 looks for long. */
    mp_barrier_reset(barrier);
    first_state = mp__load(&barrier->state);
}

static void
destroy(void)
{
    int r = mp_barrier_destroy(barrier);

    sweep_check(r == 0, "cannot destroy it: %s", mp_strerror(r));
}

/* ---- Those who come ---- */

static void
actor_waits(struct sweep_actor *actor)
{
    mp__store(&actor->value[0],
              (uint64_t)mp_barrier_wait(barrier, MP_FOREVER));
    sync_linger(actor);
}

static void
make_two_there(void)
{
    make();
    sync_bring_asleep(actor_waits);
    sync_bring_asleep(actor_waits);
}

static void
make_one_there(void)
{
    make();
    sync_bring_asleep(actor_waits);
}

static void
bring_to(unsigned n)
{
    while (sync_waiters < n)
        sync_bring_any(actor_waits);
}

static void
bring_both(void)
{
    bring_to(2);
}

static void
victim_waits(void)
{
    if (mp_barrier_wait(barrier, MP_FOREVER) >= 0)
        mp__store(&sweep.note[DONE], 1);
}

/* ---- What must hold after a kill ---- */

static int
number(unsigned i)
{
    return (int)mp__load(&sync_waiter[i]->value[0]);
}

/* `more`: that of one more party; or negative. */
static int
check_numbers(int more)
{
    unsigned seen_numbers = more >= 0 ? 1u << more : 0;

    if (!sync_check_waiters())
        return 0;
    for (unsigned i = 0; i < sync_waiters; i++) {
        int n = number(i);

        if (!sweep_check(n >= 0 && n < (int)PARTIES, "waiter %u got %d", i,
                         n) ||
            !sweep_check(!(seen_numbers & 1u << n), "%d was got twice", n))
            return 0;
        seen_numbers |= 1u << n;
    }
    return 1;
}

static int
check_cancelled(void)
{
    if (!sync_check_waiters())
        return 0;
    for (unsigned i = 0; i < sync_waiters; i++)
        if (!sweep_check(number(i) == -ECANCELED, "waiter %u got %d", i,
                         number(i)))
            return 0;
    return 1;
}

/* The harness comes last. */
static int
complete_round(void)
{
    int r = mp_barrier_wait(barrier, mp_timeout(SWEEP_BOUND));

    return sweep_check(r >= 0, "the harness got %d", r) && check_numbers(r);
}

static void
check_next_round(void)
{
    if (mp_barrier_broken(barrier) == 1)
        mp_barrier_reset(barrier);
    sweep_check(mp_barrier_broken(barrier) == 0, "it stays broken");
    sync_waiters = 0;
    bring_both();
    if (complete_round())
        sweep_check(mp_barrier_n_waiting(barrier) == 0, "somebody waits");
}

/* The first two have not come before the victim, or the victim was the last;
 * see the beginning. */
static void
check(void)
{
    int well;

    bring_both();
    if (seen.released)
        well = check_numbers(-1);
    else if (seen.over || seen.seated || seen.registered)
        well = check_cancelled();
    else
        well = complete_round();
    if (well)
        check_next_round();
}

/* It is complete, or all were cancelled, and nobody else is needed. */
static void
check_met(void)
{
    bring_both();
    if (!sync_check_waiters())
        return;
    if (number(0) < 0 ? check_cancelled() : check_numbers(-1))
        check_next_round();
}

/* ---- The action ---- */

static int
act_a_little(void *arg)
{
    (void)arg;
    mp_free(mp_alloc(100));
    return 0;
}

static int
act_in_vain(void *arg)
{
    (void)arg;
    return -EPROTO;
}

static void
victim_acts(void)
{
    mp_barrier_wait_with(barrier, act_a_little, NULL, MP_FOREVER);
}

static void
victim_acts_in_vain(void)
{
    mp_barrier_wait_with(barrier, act_in_vain, NULL, MP_FOREVER);
}

/* Another acts, until it is told to end, or to die. */
enum { END = 1, DIE = 2 };

static struct sweep_actor *acting;

static int
act_until_told(void *arg)
{
    struct sweep_actor *actor = arg;

    sweep_done(actor);
    while (!mp__load(&actor->value[1]))
        usleep(50);
    if (mp__load(&actor->value[1]) == DIE)
        _exit(0);
    return 0;
}

static void
actor_acts(struct sweep_actor *actor)
{
    int r;

    sweep_done(actor);
    while (!mp__load(&actor->value[2]))
        usleep(50);
    r = mp_barrier_wait_with(barrier, act_until_told, actor, MP_FOREVER);
    mp__store(&actor->value[0], (uint64_t)r);
    sync_linger(actor);
}

/* The victim sleeps first, and is woken to watch who acts. That one has got its
 * place among the participants before the other sleeper, so that its seat is
 * not the one beside the victim, which would be watched anyway. */
static void
come_and_act(void)
{
    acting = sweep_actor(actor_acts);
    if (!sweep_await_done(acting, 1))
        return;
    sync_bring_asleep(actor_waits);
    mp__store(&acting->value[2], 1);
    sweep_await_done(acting, 2);
}

static void
see_the_action_end(void)
{
    if (sweep.sleeps == 0)
        come_and_act();
    else
        mp__store(&acting->value[1], END);
}

static void
see_the_actor_die(void)
{
    if (sweep.sleeps == 0)
        come_and_act();
    else
        mp__store(&acting->value[1], DIE);
}

static void
make_without_action(void)
{
    make();
    acting = NULL;
}

/* Whether the victim dies or not, the round goes as the action does, if there
 * is one; its seat is of a turn that is over then. */
static void
check_action(uint64_t what)
{
    if (!acting) {
        check();
        return;
    }
    mp__store(&acting->value[1], what);
    if (!sync_check_waiters())
        return;
    if (number(0) < 0 ? check_cancelled() : check_numbers(-1))
        check_next_round();
}

static void
check_action_ended(void)
{
    check_action(END);
    if (acting && seen.released)
        sweep_check(sweep_await_done(acting, 3), "who acted got no number");
}

static void
check_actor_died(void)
{
    check_action(DIE);
}

/* ---- It is broken, or reset ---- */

static void
victim_aborts(void)
{
    mp_barrier_abort(barrier);
}

static void
victim_resets(void)
{
    mp_barrier_reset(barrier);
}

static void
victim_registers(void)
{
    mp_barrier_register(barrier);
    mp__store(&sweep.note[DONE], 1);
    mp_barrier_unregister(barrier);
}

/* Who has registered comes in the end, and stays registered. */
static void
victim_registers_and_waits(void)
{
    mp_barrier_register(barrier);
    victim_waits();
}

/* The others have got their numbers already, if it was the last. */
static void
check_registered(void)
{
    int well;

    if (seen.released)
        well = check_numbers(-1);
    else if (seen.seated || seen.registered)
        well = check_cancelled();
    else
        well = complete_round();
    if (!well)
        return;
    sweep_check(mp_barrier_broken(barrier) ==
                    ((seen.seated && !seen.released) || seen.registered),
                "broken: %d", mp_barrier_broken(barrier));
    check_next_round();
}

/* A reset of what was broken, after an earlier victim of the same. */
static void
make_broken(void)
{
    make_one_there();
    mp_barrier_abort(barrier);
    sync_check_waiters();
    sync_waiters = 0;
    first_state = mp__load(&barrier->state);
}

static void
check_reset(void)
{
    sweep_check(seen.over || mp_barrier_broken(barrier) == 1,
                "it is whole, and was not reset");
    check_next_round();
}

/* ---- Time is over ---- */

static void
enter_impatiently(void)
{
    sync_enter_impatiently();
    mp__store(&sweep.note[VICTIM], mp__me.id);
}

static void
victim_gives_up(void)
{
    mp_barrier_wait(barrier, sync_impatience);
}

static void
check_gave_up(void)
{
    int well;

    if (seen.over || seen.seated)
        well = check_cancelled();
    else {
        bring_both();
        well = complete_round();
    }
    if (well)
        check_next_round();
}

/* ---- It is slow to leave: the others have come again, and one more, for whom
 * there is no seat until the victim has left. */

static void
actor_waits_twice(struct sweep_actor *actor)
{
    mp__store(&actor->value[0],
              (uint64_t)mp_barrier_wait(barrier, MP_FOREVER));
    sweep_done(actor);
    mp__store(&actor->value[1],
              (uint64_t)mp_barrier_wait(barrier, MP_FOREVER));
    sync_linger(actor);
}

static void
make_two_there_twice(void)
{
    make();
    sync_bring_asleep(actor_waits_twice);
    sync_bring_asleep(actor_waits_twice);
}

/* It has woken the others. */
static int
is_slow_to_leave(void)
{
    if (!is_released(mp__load(&barrier->state)))
        return 0;
    usleep(1000);
    return mp__load(&sync_waiter[0]->done) && mp__load(&sync_waiter[1]->done);
}

static struct sweep_actor *third;

static void
come_again(void)
{
    third = NULL;
    if (sweep.killed)
        return;
    for (unsigned i = 0; i < 2; i++)
        sweep_let_come(sync_waiter[i]);
    third = sweep_actor(actor_waits);
    sweep_let_come(third);
}

static void
check_came_again(void)
{
    unsigned numbers = 0;

    if (!third) {
        if (!seen.released && seen.seated)
            check_cancelled();
        sweep_actors_clear();
        mp_barrier_reset(barrier);
        check_next_round();
        return;
    }
    for (unsigned i = 0; i < 2; i++) {
        if (!sweep_await_done(sync_waiter[i], 2))
            return;
        numbers |= 1u << (mp__load(&sync_waiter[i]->value[1]) & 31);
    }
    if (!sweep_await_done(third, 1))
        return;
    numbers |= 1u << (mp__load(&third->value[0]) & 31);
    if (sweep_check(numbers == 7, "the numbers are 0x%x", numbers))
        check_next_round();
}

/* ---- One who waits dies while the victim is about to ---- */

static void
kill_first(void)
{
    if (!sync_waiter[0]->pid)
        return;
    kill(sync_waiter[0]->pid, SIGKILL);
    waitpid(sync_waiter[0]->pid, NULL, 0);
    sync_waiter[0]->pid = 0;
}

static void
check_met_death(void)
{
    kill_first();
    sync_waiters = 0;
    sweep_check(mp_barrier_broken(barrier) == 1, "it is whole");
    sweep_check(sweep.asleep || (int)mp__load(&sweep.note[DONE]) == -ECANCELED,
                "the victim got %d", (int)mp__load(&sweep.note[DONE]));
    check_next_round();
}

static void
victim_waits_and_tells(void)
{
    mp__store(&sweep.note[DONE],
              (uint64_t)mp_barrier_wait(barrier, MP_FOREVER));
}

#define BARRIER(name, make, victim) \
    name, make, enter_and_tell, victim, .look = look, .teardown = destroy

const struct sweep_scenario sweep_barrier[] = {
    {BARRIER("barrier.last", make_two_there, victim_waits), .check = check},
    {BARRIER("barrier.middle", make_one_there, victim_waits),
     .wake = bring_both, .check = check},
    {BARRIER("barrier.first", make, victim_waits), .wake = bring_both,
     .check = check},
    {BARRIER("barrier.action", make_two_there, victim_acts), .check = check,
     .may_lose = 1},
    {BARRIER("barrier.action-in-vain", make_two_there, victim_acts_in_vain),
     .check = check},
    {BARRIER("barrier.sees-action", make_without_action, victim_waits),
     .wake = see_the_action_end, .sleeps = 1, .check = check_action_ended,
     .stride = 3},
    {BARRIER("barrier.sees-actor-die", make_without_action, victim_waits),
     .wake = see_the_actor_die, .sleeps = 1, .check = check_actor_died,
     .stride = 3},
    {BARRIER("barrier.abort", make_two_there, victim_aborts), .check = check},
    {BARRIER("barrier.reset", make_two_there, victim_resets), .check = check},
    {BARRIER("barrier.reset-broken", make_broken, victim_resets),
     .check = check_reset, .before = victim_resets},
    {BARRIER("barrier.register", make_two_there, victim_registers),
     .check = check_registered},
    {BARRIER("barrier.register-and-wait", make_two_there,
             victim_registers_and_waits),
     .check = check_registered},
    {"barrier.gives-up", make_one_there, enter_impatiently, victim_gives_up,
     .look = look, .check = check_gave_up, .teardown = destroy},
    {BARRIER("barrier.slow-to-leave", make_two_there_twice, victim_waits),
     .due = is_slow_to_leave, .beside = come_again, .check = check_came_again},
    {"barrier.meet", make, enter_and_tell, victim_waits, .teardown = destroy,
     .look = sync_look_at_waiters, .wake = bring_both, .beside = bring_both,
     .check = check_met, .meet = 1},
    {BARRIER("barrier.meet-death", make_one_there, victim_waits_and_tells),
     .wake = kill_first, .beside = kill_first, .check = check_met_death,
     .meet = 1},
    {0},
};
