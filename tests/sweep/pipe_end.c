/* SPDX-License-Identifier: MIT */
/* The ends of a pipe: who alone holds one is killed, as it uses it or closes it;
 * who sleeps at the other end is told, after all that was sent. And who makes a
 * pipe, or gives the memory of one back: none of it is lost. */
#include "pipe_stage.h"

/* ---- The last sender ---- */

/* The harness lets go of the senders' end: it never used that. */
static void
make_for_sender(void)
{
    pipe_make(40);
    pipe_stage.one = pipe_receiver_to_end();
    sweep_await_sleep(pipe_stage.one);
}

/* Before the victim is inside of anything. */
static int
at_once(void)
{
    return 1;
}

static void
leave_to_victim(void)
{
    mp_conn_close(pipe_stage.b);
}

static void
victim_sends_and_closes(void)
{
    pipe_victim_sends();
    mp_conn_close(pipe_stage.b);
}

/* It gets all that was sent, then the end, and needs nobody for it. */
static void
check_end(void)
{
    unsigned n = pipe_victims_sends(1), i;

    if (!sweep_await_end(pipe_stage.one))
        return;
    sweep_check(mp__load(&pipe_stage.one->done) == n + 1,
                "%u were received, not %u", mp__load(&pipe_stage.one->done),
                n + 1);
    pipe_check_got(pipe_stage.one, 0, FIRST);
    for (i = 0; i < n; i++)
        pipe_check_got(pipe_stage.one, i + 1, VICTIM + i);
}

/* ---- The last receiver ---- */

static void
make_for_receiver(void)
{
    pipe_make_middle();
    pipe_send_first(FULL);
    pipe_stage.one = pipe_sender_to_end();
    sweep_await_sleep(pipe_stage.one);
}

static void
leave_receiving(void)
{
    mp_conn_close(pipe_stage.a);
}

static void
victim_receives_and_closes(void)
{
    pipe_victim_receives();
    mp_conn_close(pipe_stage.a);
}

static void
check_nobody_receives(void)
{
    sweep_await_end(pipe_stage.one);
}

/* ---- One of several holders closes ---- */

static void
make_for_two(void)
{
    pipe_make_small();
    pipe_stage.one = pipe_receiver(2);
    sweep_await_sleep(pipe_stage.one);
}

static void
enter_holding(void)
{
    mp__enter();
    mp_conn_poll(pipe_stage.a, MP_NOW);
}

static void
victim_closes(void)
{
    mp_conn_close(pipe_stage.a);
}

/* The others at that end go on. */
static void
check_others(void)
{
    pipe_send_bound(FIRST);
    pipe_send_bound(FIRST + 1);
    if (!sweep_await_end(pipe_stage.one))
        return;
    pipe_check_got(pipe_stage.one, 0, FIRST);
    pipe_check_got(pipe_stage.one, 1, FIRST + 1);
    pipe_check_rest(0, 0);
}

/* ---- Pipes are made and freed ---- */

static void
victim_makes(void)
{
    mp_conn *a, *b;
    int n = 0;

    if (mp_pipe(&a, &b, 1) < 0)
        return;
    mp_conn_send(a, &n, sizeof(n), MP_NOW);
    mp_conn_recv(b, &n, sizeof(n), MP_NOW);
    mp_conn_close(a);
    mp_conn_close(b);
}

static void
check_nothing(void)
{
}

#define PIPE(name, make, enter, victim, look_at)                           \
    name, make, enter, victim, .check = look_at, .teardown = pipe_destroy, \
                               .family = pipe_make_one_before,             \
                               .may_lose = PIPE_RECORDS

/* The death that costs a closer two cells: see pipe/close.c. */
#define PIPE_CELLS 2

const struct sweep_scenario sweep_pipe_end[] = {
    {PIPE("pipe.last-sender", make_for_sender, pipe_enter_sending,
          victim_sends_and_closes, check_end),
     .due = at_once, .beside = leave_to_victim},
    {PIPE("pipe.last-receiver", make_for_receiver, pipe_enter_receiving,
          victim_receives_and_closes, check_nobody_receives),
     .due = at_once, .beside = leave_receiving},
    {PIPE("pipe.close-one-of-two", make_for_two, enter_holding, victim_closes,
          check_others)},
    {"pipe.make", pipe_make_small, pipe_enter, victim_makes,
     .check = check_nothing, .teardown = pipe_destroy,
     .family = pipe_make_one_before, .may_lose = 1 + PIPE_CELLS},
    {0},
};
