/* SPDX-License-Identifier: MIT */
/* The condition: notifiers and waiters are killed. Whoever has been notified
 * must return, each of them, and no other before it is notified too. A
 * notification whose receiver was killed in line goes to the next. */
#include "sync_line.h"

#include "sync/condition.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

/* ---- Notifiers ---- */

static void
make_awaited(void)
{
    line_make();
    line_bring(3);
}

static void
make_awaited_with_lock(void)
{
    line_make_with_lock();
    line_bring(3);
}

static void
victim_notifies(size_t n)
{
    line_notify(n);
    mp__store(&sweep.note[LINE_DONE], 1);
}

static void
victim_notifies_one(void)
{
    victim_notifies(1);
}

static void
victim_notifies_two(void)
{
    victim_notifies(2);
}

static void
victim_notifies_all(void)
{
    victim_notifies(SIZE_MAX);
}

static void
check_all_or_none(unsigned n)
{
    sweep_check(line_seen.granted == n || (line_seen.granted == 0 &&
                                           !mp__load(&sweep.note[LINE_DONE])),
                "%u were notified, not %u", line_seen.granted, n);
    if (line_check_notified(line_seen.granted))
        line_check_rest();
}

static void
check_one(void)
{
    check_all_or_none(1);
}

static void
check_two(void)
{
    check_all_or_none(2);
}

static void
check_all(void)
{
    check_all_or_none(3);
}

static void
check_none(void)
{
    check_all_or_none(0);
}

/* The only one in line is dead, and nobody has looked. */
static void
make_left_by_dead(void)
{
    line_make();
    line_bring(1);
    kill(sync_waiter[0]->pid, SIGKILL);
    waitpid(sync_waiter[0]->pid, NULL, 0);
    sync_waiter[0]->pid = 0;
    sync_waiters = 0;
}

/* ---- Waiters: a ticket for each, and one too few of notifications ---- */

static void
victim_waits(void)
{
    int r = LINE_PENDING;

    line_wait(MP_FOREVER, &r);
    mp__store(&sweep.note[LINE_RESULT], (uint64_t)r);
}

/* The victim comes first. */
static void
come_behind_and_notify(void)
{
    line_bring(2);
    line_notify_now(1);
}

/* Whoever was notified before it died in line has passed that on. One too many
 * may be notified where one who was not notified yet dies before another who
 * was is buried; `most`, if that cannot be. */
static void
check_passed_on(unsigned least, unsigned most)
{
    if (line_seen.in_line)
        least++;
    for (unsigned i = 0; i < least; i++)
        if (!sweep_await_done(sync_waiter[i], 1))
            return;
    for (unsigned i = most; i < sync_waiters; i++)
        sweep_check(!mp__load(&sync_waiter[i]->done),
                    "waiter %u was notified too", i);
    line_check_rest();
}

static void
check_first(void)
{
    int died_before = sweep.sleeps == 0;

    if (died_before)
        come_behind_and_notify();
    check_passed_on(died_before && !line_seen.in_line ? 1 : 0, 1);
}

static void
make_one_in_line(void)
{
    line_make();
    line_bring(1);
}

static void
come_behind_and_notify_two(void)
{
    line_bring(2);
    line_notify_now(2);
}

static void
check_second(void)
{
    int died_before = sweep.sleeps == 0;

    if (died_before)
        come_behind_and_notify_two();
    check_passed_on(died_before && !line_seen.in_line ? 2 : 1, 2);
}

/* ---- One was notified and is dead: the victim, or who comes after it, buries
 * it, and is notified in its stead. */

static void
notify_and_kill_first(void)
{
    const char *wrong;

    line_bring(2);
    wrong = line_acquire();
    sweep_check(mp_condition_notify(line_condition, 1) == 0, "%s",
                mp_last_error());
    kill(sync_waiter[0]->pid, SIGKILL);
    waitpid(sync_waiter[0]->pid, NULL, 0);
    sync_waiter[0]->pid = 0;
    sync_waiter[0] = sync_waiter[1];
    sync_waiter[1] = sync_waiter[2];
    sync_waiters = 2;
    sweep_check(!wrong && !line_release(), "the harness: %s", wrong);
}

static void
check_buried(void)
{
    int died_before = sweep.sleeps == 0;

    if (died_before)
        notify_and_kill_first();
    check_passed_on(died_before && !line_seen.in_line ? 1 : 0, 2);
}

/* ---- It gives up, while another notifies: it has been notified, or has not
 * and returns that. */

static void
enter_impatiently(void)
{
    line_enter();
    sync_enter_impatiently();
}

static void
victim_gives_up(void)
{
    int r = LINE_PENDING;

    line_wait(sync_impatience, &r);
    mp__store(&sweep.note[LINE_RESULT], (uint64_t)r);
}

static void
let_time_pass(void)
{
    line_bring(1);
    sync_wait_too_long();
}

static void
check_gave_up(void)
{
    if (sync_waiters == 0)
        line_bring(1);
    line_notify_now(1);
    if (line_check_notified(1))
        line_check_rest();
}

static void
notify_meanwhile(void)
{
    sync_bring_any(line_actor_notifies_two);
}

/* Whoever notifies two has the lock: either the victim has given it up, to wait,
 * or it comes too late. */
static void
check_met_giving_up(void)
{
    int r = (int)mp__load(&sweep.note[LINE_RESULT]);
    int must_know = (int)mp__load(&sweep.note[LINE_MUST_KNOW]);

    if (!sync_check_waiters())
        return;
    sweep_check(sweep.asleep || r == (must_know ? 0 : -ETIMEDOUT),
                "it was %snotified, and its wait returned %d",
                must_know ? "" : "not ", r);
    line_check_rest();
}

/* ---- Races ---- */

/* The victim's death must not be what wakes them. */
static void
look_met(void)
{
    line_look();
    for (unsigned i = 0; i < line_seen.granted && i < sync_waiters; i++)
        if (sweep.completed)
            sweep_await_done(sync_waiter[i], 1);
}

static void
come_any(void)
{
    sync_bring_any(line_actor_waits);
}

static void
check_met(void)
{
    unsigned n = line_granted();

    if (line_check_notified(n < sync_waiters ? n : sync_waiters))
        line_check_rest();
}

static void
come_and_notify_any(void)
{
    sync_bring_any(line_actor_waits);
    sync_bring_any(line_actor_notifies_two);
}

static void
notify_all(void)
{
    line_notify_now(SIZE_MAX);
}

#define CONDITION(name, make, victim) \
    name, make, line_enter, victim, .look = line_look, .teardown = line_destroy

const struct sweep_scenario sweep_condition[] = {
    {CONDITION("condition.notify", make_awaited, victim_notifies_one),
     .check = check_one},
    {CONDITION("condition.notify-two", make_awaited, victim_notifies_two),
     .check = check_two, .stride = 5},
    {CONDITION("condition.notify-all", make_awaited, victim_notifies_all),
     .check = check_all, .stride = 2},
    {CONDITION("condition.notify-none", line_make, victim_notifies_all),
     .check = check_none},
    {CONDITION("condition.notify-dead", make_left_by_dead,
               victim_notifies_all),
     .check = check_none},
    {CONDITION("condition.lock-notify-all", make_awaited_with_lock,
               victim_notifies_all),
     .check = check_all, .stride = 5},
    {CONDITION("condition.first-in-line", line_make, victim_waits),
     .wake = come_behind_and_notify, .check = check_first},
    {CONDITION("condition.lock-first-in-line", line_make_with_lock,
               victim_waits),
     .wake = come_behind_and_notify, .check = check_first},
    {CONDITION("condition.second-in-line", make_one_in_line, victim_waits),
     .wake = come_behind_and_notify_two, .check = check_second},
    {CONDITION("condition.behind-dead", make_one_in_line, victim_waits),
     .wake = notify_and_kill_first, .check = check_buried},
    {"condition.gives-up", line_make, enter_impatiently, victim_gives_up,
     .wake = let_time_pass, .look = line_look, .check = check_gave_up,
     .teardown = line_destroy},
    {"condition.meet-gives-up", make_one_in_line, enter_impatiently,
     victim_gives_up, .beside = notify_meanwhile, .look = line_look,
     .check = check_met_giving_up, .teardown = line_destroy, .meet = 1},
    {"condition.meet", line_make, line_enter, victim_notifies_one,
     .beside = come_any, .look = look_met, .check = check_met,
     .teardown = line_destroy, .meet = 1},
    {CONDITION("condition.meet-wait", line_make, victim_waits),
     .beside = come_and_notify_any, .wake = notify_all,
     .check = line_check_rest, .meet = 1, .stride = 2},
    {0},
};
