/* SPDX-License-Identifier: MIT */
/* A pipe's senders: killed while they send for the first time, by their bias,
 * or while they take it from another, and while they wait for room. A receiver
 * that is asleep gets what was committed without anybody's help. */
#include "pipe_stage.h"

#include <errno.h>

/* ---- Nobody waits ---- */

static void
check_send(void)
{
    pipe_check_rest(VICTIM, pipe_victims_sends(0));
}

/* FIRST came before. */
static void
check_send_again(void)
{
    unsigned n = pipe_victims_sends(1);

    pipe_receive_first(1);
    pipe_check_rest(VICTIM, n);
}

/* The harness has the bias: the victim takes it away. */
static void
make_owned(void)
{
    pipe_make_small();
    pipe_send_first(1);
}

/* Behind the last message that fits, the lap begins anew. */
static void
make_lap(void)
{
    pipe_make_middle();
    pipe_send_first(FULL);
    pipe_receive_first(FULL);
}

static void
check_lap(void)
{
    pipe_check_rest(VICTIM, pipe_victims_sends(FULL));
}

/* ---- A receiver is asleep ---- */

static void
make_asleep(size_t size)
{
    pipe_make(size);
    pipe_stage.one = pipe_receiver(3);
    sweep_await_sleep(pipe_stage.one);
}

static void
make_receiver_asleep(void)
{
    make_asleep(40);
}

static void
make_large_receiver_asleep(void)
{
    make_asleep(SIZE_MOST);
}

/* It got one message already, from the harness, which has the bias. */
static void
make_owned_receiver_asleep(void)
{
    pipe_make_small();
    pipe_send_first(1);
    pipe_stage.one = pipe_receiver(3);
    sweep_await_done(pipe_stage.one, 1);
    sweep_await_sleep(pipe_stage.one);
}

/* It gets what was committed without anybody's help, after `first` others. */
static void
check_woken_after(unsigned first)
{
    unsigned n = pipe_victims_sends(first), i;

    if (!sweep_await_done(pipe_stage.one, first + n))
        return;
    for (i = first + n; i < 3; i++)
        pipe_send_bound(LATER + i);
    if (!sweep_await_end(pipe_stage.one))
        return;
    for (i = 0; i < 3; i++)
        pipe_check_got(pipe_stage.one, i,
                       i < first       ? FIRST + i
                       : i < first + n ? VICTIM + i - first
                                       : LATER + i);
    pipe_check_rest(0, 0);
}

static void
check_woken(void)
{
    check_woken_after(0);
}

static void
check_woken_again(void)
{
    check_woken_after(1);
}

static void
make_two_asleep(void)
{
    pipe_make_small();
    pipe_stage.one = pipe_receiver(1);
    sweep_await_sleep(pipe_stage.one);
    pipe_stage.two = pipe_receiver(1);
    sweep_await_sleep(pipe_stage.two);
}

/* Each gets one; which one they do not know. */
static void
check_two_woken(void)
{
    unsigned n = pipe_victims_sends(0), got[2], i;

    for (i = n; i < 2; i++)
        pipe_send_bound(LATER + i);
    if (!sweep_await_end(pipe_stage.one) || !sweep_await_end(pipe_stage.two))
        return;
    got[0] = (unsigned)mp__load(&pipe_stage.one->value[0]);
    got[1] = (unsigned)mp__load(&pipe_stage.two->value[0]);
    for (i = 0; i < 2; i++) {
        unsigned id = i < n ? VICTIM + i : LATER + i;

        sweep_check((got[0] == id) != (got[1] == id),
                    "two receivers got %u and %u: not %u once", got[0], got[1],
                    id);
    }
    pipe_check_rest(0, 0);
}

/* ---- After a death ---- */

static unsigned earlier;

static void
count_earlier(void)
{
    earlier = pipe_sent();
    mp__store(&sweep.note[SENT], 0);
}

static void
victim_sends_second(void)
{
    if (mp_conn_send(pipe_stage.b, pipe_stage.prepared[1], pipe_stage.size,
                     MP_FOREVER) == 0)
        mp__add(&sweep.note[SENT], 1);
}

static void
check_after_two(void)
{
    unsigned n = pipe_victims_sends(earlier), all = earlier + n, i;

    if (!sweep_await_done(pipe_stage.one, all))
        return;
    for (i = all; i < 3; i++)
        pipe_send_bound(LATER + i);
    if (!sweep_await_end(pipe_stage.one))
        return;
    if (earlier)
        pipe_check_got(pipe_stage.one, 0, VICTIM);
    if (n)
        pipe_check_got(pipe_stage.one, earlier, VICTIM + 1);
    for (i = all; i < 3; i++)
        pipe_check_got(pipe_stage.one, i, LATER + i);
    pipe_check_rest(0, 0);
}

/* ---- Another sender comes, or is there first ---- */

static void
come_to_send(void)
{
    pipe_stage.one = pipe_sender(2);
    sweep_let_come(pipe_stage.one);
}

/* Each in its own order, whatever is between. */
static void
receive_all(unsigned victims, unsigned others)
{
    unsigned next_victim = VICTIM, next_other = BESIDE;

    while (next_victim < VICTIM + victims || next_other < BESIDE + others) {
        int id = pipe_receive(mp_timeout(SWEEP_BOUND));

        if (id == (int)next_victim)
            next_victim++;
        else if (id == (int)next_other)
            next_other++;
        else if (!sweep_check(0, "got %d, when %u or %u was next", id,
                              next_victim, next_other))
            return;
    }
}

/* The victim had sent FIRST. */
static void
check_two_senders(void)
{
    unsigned n;

    if (!sweep_await_end(pipe_stage.one))
        return;
    n = pipe_victims_sends(3);
    pipe_receive_first(1);
    receive_all(n, 2);
    pipe_check_rest(0, 0);
}

/* ---- The ring is full ---- */

static void
make_full(void)
{
    pipe_make_middle();
    pipe_send_first(FULL);
}

static void
make_room(void)
{
    int id = pipe_receive(MP_NOW);

    sweep_check(id > 0 || id == -EAGAIN, "receive: %d", id);
}

static int
victim_leads(void)
{
    struct mp__pipe_end *end = (struct mp__pipe_end *)(void *)pipe_stage.a;

    return mp__mutex_holder(&end->in.sender.bias.mutex) ==
           (uint32_t)sweep.victim;
}

static void
come_behind(void)
{
    pipe_stage.one = pipe_sender(1);
    if (!sweep.killed)
        sweep_await_sleep(pipe_stage.one);
}

/* What comes out: what was there first and is there still, in order; the
 * victim's once if it was committed, and the survivor's. Who comes makes the
 * leader look who is there, so that the two may change places. */
static void
check_full(void)
{
    unsigned next = FIRST, victims = 0, others = 0;
    int id = pipe_receive(mp_timeout(SWEEP_BOUND));

    if (sweep_check(id > 0, "receive: %d", id) && id < (int)VICTIM)
        next = (unsigned)id;
    while (id > 0) {
        if (id == (int)VICTIM)
            victims++;
        else if (id == (int)BESIDE)
            others++;
        else
            next += (unsigned)sweep_check(id == (int)next,
                                          "got %d instead of %u", id, next);
        if (pipe_received() == pipe_sent() && others)
            break;
        id = pipe_receive(mp_timeout(SWEEP_BOUND));
    }
    sweep_check(others == 1 && next == FIRST + FULL,
                "%u of a survivor, the first up to %u", others, next);
    sweep_check(victims == 1 || !mp__load(&sweep.note[SENT]),
                "the victim's message came %u times", victims);
    if (sweep_await_end(pipe_stage.one))
        pipe_check_rest(0, 0);
}

/* ---- A receiver comes while the victim is anywhere in between ---- */

static void
come_to_receive(void)
{
    pipe_stage.one = pipe_receiver(3);
    sweep_let_come(pipe_stage.one);
}

#define PIPE(name, make, enter, victim, look_at)                           \
    name, make, enter, victim, .check = look_at, .teardown = pipe_destroy, \
                               .family = pipe_make_one_before,             \
                               .may_lose = PIPE_RECORDS

const struct sweep_scenario sweep_pipe_send[] = {
    {PIPE("pipe.send", pipe_make_small, pipe_enter, pipe_victim_sends,
          check_send)},
    {PIPE("pipe.send-owner", pipe_make_small, pipe_enter_sending,
          pipe_victim_sends, check_send_again)},
    {PIPE("pipe.send-large", pipe_make_large, pipe_enter, pipe_victim_sends,
          check_send)},
    {PIPE("pipe.send-large-owner", pipe_make_large, pipe_enter_sending,
          pipe_victim_sends, check_send_again)},
    {PIPE("pipe.send-second", make_owned, pipe_enter, pipe_victim_sends,
          check_send_again)},
    {PIPE("pipe.send-lap", make_lap, pipe_enter, pipe_victim_sends_one,
          check_lap)},
    {PIPE("pipe.send-receiver-asleep", make_receiver_asleep, pipe_enter,
          pipe_victim_sends, check_woken)},
    {PIPE("pipe.send-owner-receiver-asleep", make_receiver_asleep,
          pipe_enter_sending, pipe_victim_sends, check_woken_again)},
    {PIPE("pipe.send-large-receiver-asleep", make_large_receiver_asleep,
          pipe_enter, pipe_victim_sends_one, check_woken)},
    {PIPE("pipe.send-second-receiver-asleep", make_owned_receiver_asleep,
          pipe_enter, pipe_victim_sends, check_woken_again)},
    {PIPE("pipe.send-two-receivers-asleep", make_two_asleep, pipe_enter,
          pipe_victim_sends, check_two_woken)},
    {PIPE("pipe.send-after-a-death", make_receiver_asleep, pipe_enter,
          victim_sends_second, check_after_two),
     .before = pipe_victim_sends_one, .between = count_earlier},
    {PIPE("pipe.send-large-after-a-death", make_large_receiver_asleep,
          pipe_enter, victim_sends_second, check_after_two),
     .before = pipe_victim_sends_one, .between = count_earlier},
    {PIPE("pipe.send-sender-comes", pipe_make_small, pipe_enter_sending,
          pipe_victim_sends, check_two_senders),
     .look = come_to_send},
    {PIPE("pipe.send-meet-sender", pipe_make_small, pipe_enter_sending,
          pipe_victim_sends, check_two_senders),
     .beside = come_to_send, .meet = 1},
    {PIPE("pipe.send-meet-receiver", pipe_make_small, pipe_enter,
          pipe_victim_sends_one, check_woken),
     .beside = come_to_receive, .meet = 1},
    {PIPE("pipe.send-owner-meet-receiver", pipe_make_small, pipe_enter_sending,
          pipe_victim_sends_one, check_woken_again),
     .beside = come_to_receive, .meet = 1},
    {PIPE("pipe.send-full-first", make_full, pipe_enter, pipe_victim_sends_one,
          check_full),
     .due = victim_leads, .beside = come_behind, .wake = make_room,
     .sleeps = 3},
    {0},
};
