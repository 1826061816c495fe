/* SPDX-License-Identifier: MIT */
/* A pipe's receivers: killed while they receive for the first time, by their
 * bias, or while they take it from another, and while they wait. What they have
 * not taken the next one gets; a sender that waits for room gets it without
 * anybody's help. */
#include "pipe_stage.h"

/* ---- Nobody waits ---- */

static void
make_three(void)
{
    pipe_make_small();
    pipe_send_first(3);
}

static void
make_three_large(void)
{
    pipe_make_large();
    pipe_send_first(3);
}

/* The harness has the bias: the victim takes it away. */
static void
make_owned(void)
{
    pipe_make_small();
    pipe_send_first(4);
    pipe_receive_first(1);
}

static void
check_rest_of(unsigned all, unsigned before)
{
    unsigned gone = before + pipe_victims_receives(before);

    pipe_check_rest(FIRST + gone, all - gone);
}

static void
check_receive(void)
{
    check_rest_of(3, 0);
}

static void
check_receive_after_one(void)
{
    check_rest_of(3, 1);
}

static void
check_receive_second(void)
{
    check_rest_of(4, 1);
}

/* ---- A sender waits for room ---- */

static void
make_full(void)
{
    pipe_make_middle();
    pipe_send_first(FULL);
    pipe_stage.one = pipe_sender(2);
    sweep_await_sleep(pipe_stage.one);
}

/* It has sent as many as the victim has made room for, without help. */
static void
check_room(void)
{
    unsigned n = pipe_victims_receives(0), i;

    if (!sweep_await_done(pipe_stage.one, n < 2 ? n : 2))
        return;
    for (i = n; i < FULL; i++)
        sweep_check(pipe_receive(mp_timeout(SWEEP_BOUND)) == (int)(FIRST + i),
                    "message %u is lost", i);
    for (i = 0; i < 2; i++)
        sweep_check(pipe_receive(mp_timeout(SWEEP_BOUND)) == (int)(BESIDE + i),
                    "message %u of a survivor is lost", i);
    if (sweep_await_end(pipe_stage.one))
        pipe_check_rest(0, 0);
}

/* ---- The victim waits for a message ---- */

static unsigned woken;

static void
make_empty(void)
{
    pipe_make_small();
    woken = 0;
}

static void
wake_by_sending(void)
{
    pipe_send_bound(FIRST + woken++);
}

static void
come_to_receive(void)
{
    pipe_stage.one = pipe_receiver(1);
    sweep_let_come(pipe_stage.one);
}

/* What the victim has not taken, or what is sent after it, the survivor gets. */
static void
check_waiting(void)
{
    unsigned n = pipe_received(), got;

    while (woken < 2)
        wake_by_sending();
    if (!sweep_await_end(pipe_stage.one))
        return;
    got = (unsigned)mp__load(&pipe_stage.one->value[0]);
    sweep_check(got == FIRST || got == FIRST + 1,
                "the survivor got %u, when %u were received", got, n);
    sweep_check(pipe_received() == 2 || pipe_receive(MP_NOW) > 0,
                "a message is lost");
    pipe_check_rest(0, 0);
}

/* ---- A sender comes while the victim is anywhere in between ---- */

static void
come_to_send(void)
{
    pipe_stage.one = pipe_sender(1);
    sweep_let_come(pipe_stage.one);
}

static void
make_one(void)
{
    pipe_make_small();
    pipe_send_first(1);
}

static void
check_met(void)
{
    sweep_check(pipe_victims_receives(0) == 1, "the victim got nothing");
    if (sweep_await_end(pipe_stage.one))
        pipe_check_rest(BESIDE, 1);
}

#define PIPE(name, make, enter, victim, look_at)                           \
    name, make, enter, victim, .check = look_at, .teardown = pipe_destroy, \
                               .family = pipe_make_one_before,             \
                               .may_lose = PIPE_RECORDS

const struct sweep_scenario sweep_pipe_receive[] = {
    {PIPE("pipe.receive", make_three, pipe_enter, pipe_victim_receives,
          check_receive)},
    {PIPE("pipe.receive-owner", make_three, pipe_enter_receiving,
          pipe_victim_receives, check_receive_after_one)},
    {PIPE("pipe.receive-large", make_three_large, pipe_enter,
          pipe_victim_receives, check_receive)},
    {PIPE("pipe.receive-large-owner", make_three_large, pipe_enter_receiving,
          pipe_victim_receives, check_receive_after_one)},
    {PIPE("pipe.receive-second", make_owned, pipe_enter, pipe_victim_receives,
          check_receive_second)},
    {PIPE("pipe.receive-sender-asleep", make_full, pipe_enter,
          pipe_victim_receives, check_room)},
    {PIPE("pipe.receive-asleep", make_empty, pipe_enter,
          pipe_victim_receives_one, check_waiting),
     .look = come_to_receive, .wake = wake_by_sending},
    {PIPE("pipe.receive-meet-sender", make_one, pipe_enter,
          pipe_victim_receives_one, check_met),
     .beside = come_to_send, .meet = 1},
    {0},
};
