/* SPDX-License-Identifier: MIT */
/* Two victims.
 *
 * Of all pairs of points a few hundred are run, spread evenly over both paths.
 * The order of the deaths goes round. The other one may come to wait for the
 * victim: then it is killed in that sleep, or, if the victim is the first to
 * die, goes on from there to its point, repairing what the victim has left.
 *
 * The path of the other one is not recorded: it depends on where the victim
 * stands. Only its length is, so that there is something to choose from. */
#include "pair.h"
#include "sweep.h"
#include "symbols.h"

#include <stdio.h>

#define WAKES_MOST 4 /* a wake-up may go to one who dies of it */

enum order {
    VICTIM_FIRST, /* both have come to their points; this one is killed, */
    OTHER_FIRST,  /* or this one, */
    VICTIM_LIVES, /* or this one alone: the victim goes on to its end */
    VICTIM_EARLY, /* the victim is killed before the other one begins */
    BEHIND_FIRST, /* the other one has come to its sleep behind the victim, or
                     to its end, if it need not wait; then the victim is killed
                     and the other one goes on, */
    BEHIND_LAST,  /* or it is killed, and the victim goes on */
    ORDERS,
    TO_THE_END, /* as VICTIM_EARLY, and the other one is not killed */
};

static const char *const told[] = {
    [VICTIM_FIRST] = "killed after the victim",
    [OTHER_FIRST] = "killed before the victim",
    [VICTIM_LIVES] = "killed, and the victim went on",
    [VICTIM_EARLY] = "begun after the victim's death",
    [BEHIND_FIRST] = "killed after the victim, whom it had waited for",
    [BEHIND_LAST] = "killed as it waited for the victim, which went on",
    [TO_THE_END] = "not killed",
};

static struct {
    struct trace trace;
    enum trace_event event;
    enum order order;
    uint32_t goal, position; /* steps */
    uint32_t length;
    uintptr_t pc;
} other = {.order = TO_THE_END};

/* What is left of n * factor, a number of [0, 1): with these two factors
 * pairs are spread evenly over a square. */
static double
spread(uint32_t n, double factor)
{
    double x = (n + 1) * factor;

    return x - (double)(uint64_t)x;
}

/* A step in which the victim slept. */
static int
choose_sleep(const struct path *path, uint32_t n, uint32_t *ret_point)
{
    uint32_t i, sleeps = 0;

    for (i = 0; i < path->length; i++)
        sleeps += path->step[i].asleep;
    if (sleeps == 0)
        return 0;
    n %= sleeps;
    for (i = 0; !path->step[i].asleep || n-- > 0; i++)
        ;
    *ret_point = i;
    return 1;
}

uint32_t
pair_choose(uint32_t n, const struct path *path, int *ret_asleep)
{
    uint32_t turn = n / ORDERS, point;

    other.order = (enum order)(n % ORDERS);
    /* A repair makes its way longer than it was when recorded. */
    other.goal =
        (uint32_t)(spread(n, 0.5698402910) * 1.25 * (other.length + 1));
    *ret_asleep = turn % 4 == 0 && choose_sleep(path, turn / 4, &point);
    if (!*ret_asleep)
        point = (uint32_t)(spread(n, 0.7548776662) * (path->length + 1));
    return point;
}

void
pair_begin(void)
{
    other.position = 0;
    other.event = trace_start(&other.trace, sweep.scenario->other_prepare,
                              sweep.scenario->other);
    sweep_check(other.event == TRACE_HALTED, "the other one does not start");
}

/* It may never sleep behind one who stands still, but nap and look. */
static uint32_t
far_enough(void)
{
    return 3 * other.length + 1000;
}

static void
step_to(uint32_t goal)
{
    while (other.event == TRACE_HALTED && other.position < goal) {
        other.event = trace_step_whole(&other.trace);
        other.position++;
    }
}

/* Waits until a sleeper goes on; it may have to be woken. */
static enum trace_event
await_waking(struct trace *t)
{
    enum trace_event event = trace_wait(t);
    int i;

    for (i = 0; i < WAKES_MOST && event == TRACE_ASLEEP; i++) {
        if (!sweep.scenario->wake)
            break;
        sweep.scenario->wake();
        event = trace_wait(t);
    }
    return event;
}

/* The victim is dead. */
static void
go_on(uint32_t goal)
{
    step_to(goal);
    while (other.event == TRACE_ASLEEP && other.position < goal) {
        other.event = await_waking(&other.trace);
        sweep_check(other.event != TRACE_ASLEEP, "the other one hangs");
        step_to(goal);
    }
}

static void
kill_victim(struct trace *victim)
{
    trace_kill(victim);
    sweep.killed = 1;
}

static void
kill_other(void)
{
    sweep.other_completed = other.event == TRACE_AT_END;
    sweep_check(other.event != TRACE_GONE && other.event != TRACE_STUCK,
                "the other one ended by itself, signal %d, or hangs",
                other.trace.signal);
    if (other.event != TRACE_GONE)
        other.pc = trace_pc(&other.trace);
    trace_kill(&other.trace);
}

static void
let_live(struct trace *victim)
{
    enum trace_event event;

    if (sweep.completed)
        return;
    event = sweep.asleep ? await_waking(victim) : trace_finish(victim);
    if (event == TRACE_HALTED)
        event = trace_finish(victim);
    if (event == TRACE_ASLEEP)
        event = await_waking(victim);
    sweep.completed = event == TRACE_AT_END;
    sweep_check(sweep.completed, "the victim, which lived, hangs");
}

void
pair_end(struct trace *victim)
{
    switch (other.order) {
    case VICTIM_FIRST:
        step_to(other.goal);
        kill_victim(victim);
        go_on(other.goal);
        kill_other();
        break;
    case BEHIND_FIRST:
        step_to(far_enough());
        kill_victim(victim);
        go_on(other.position + other.goal);
        kill_other();
        break;
    case OTHER_FIRST:
        step_to(other.goal);
        kill_other();
        kill_victim(victim);
        break;
    case VICTIM_LIVES:
    case BEHIND_LAST:
        step_to(other.order == VICTIM_LIVES ? other.goal : far_enough());
        kill_other();
        let_live(victim);
        kill_victim(victim);
        break;
    default:
        kill_victim(victim);
        go_on(other.order == TO_THE_END ? PATH_NEVER : other.goal);
        kill_other();
    }
    if (other.order == TO_THE_END)
        other.length = other.position;
}

void
pair_tell(char *text, size_t size)
{
    char name[128] = "its end";

    if (!sweep.other_completed)
        symbols_name(other.pc, name, sizeof(name));
    snprintf(text, size, "the other one at %u of %u (%s), %s", other.position,
             other.length, name, told[other.order]);
}
