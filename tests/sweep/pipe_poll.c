/* SPDX-License-Identifier: MIT */
/* Processes that wait for a pipe's messages in poll(): they, those who send, and
 * who holds the other end are killed. A survivor's descriptor is readable
 * whenever there is a message, or nobody holds the other end any more: so
 * whatever was sent is received, and then the end, without anybody's help. */
#include "sync_stage.h"

#include "os/clock.h"
#include "pipe/pipe.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>

enum { SENT, ASKED, MISSED };

static mp_conn *a, *b;
static struct sweep_actor *pollers[2];

static int
is_readable(int timeout)
{
    struct pollfd p = {.fd = mp_conn_fd(a), .events = POLLIN};

    return poll(&p, 1, timeout) == 1;
}

/* Takes what it is told of, to the end. */
static void
actor_polls(struct sweep_actor *actor)
{
    uint64_t message;
    ssize_t r = 0;

    while (r != -EPIPE) {
        if (!is_readable(-1))
            sweep_complain(actor, "poll fails");
        while ((r = mp_conn_recv(a, &message, sizeof(message), MP_NOW)) > 0)
            sweep_done(actor);
        if (r != -EAGAIN && r != -EPIPE)
            sweep_complain(actor, "recv: %s", mp_strerror((int)r));
    }
}

static void
make(void)
{
    int r = mp_pipe(&a, &b, 1);

    sync_begin();
    pollers[0] = pollers[1] = NULL;
    sweep_check(r == 0, "cannot make a pipe: %s", mp_strerror(r));
}

static void
come_to_poll(void)
{
    unsigned i = pollers[0] != NULL;

    pollers[i] = sweep_actor(actor_polls);
    sweep_let_come(pollers[i]);
}

/* What the first pipe leaves to the others. */
static void
make_one_before(void)
{
    make();
    mp_conn_close(a);
    mp_conn_close(b);
}

/* The victim alone will hold the other end. */
static void
make_poller(void)
{
    make();
    pollers[0] = sweep_actor(actor_polls);
    sweep_await_sleep(pollers[0]);
}

/* The harness holds it, too; without having sent, or as the senders' owner. */
static void
make_held(void)
{
    make();
    sweep_check(mp_conn_poll(b, MP_NOW) == 0, "something is there already");
}

static void
make_both_held(void)
{
    make_held();
    mp_conn_poll(a, MP_NOW);
}

static void
make_held_with_poller(void)
{
    make_held();
    pollers[0] = sweep_actor(actor_polls);
    sweep_await_sleep(pollers[0]);
}

static int
send_one(void)
{
    uint64_t message = 1;
    int r = mp_conn_send(b, &message, sizeof(message), mp_timeout(10));

    return sweep_check(r == 0, "send: %s", mp_strerror(r));
}

static void
make_sender_with_poller(void)
{
    make_held_with_poller();
    if (send_one())
        sweep_await_done(pollers[0], 1);
}

static void
end_actor(struct sweep_actor *actor)
{
    if (actor && actor->pid > 0) {
        kill(actor->pid, SIGKILL);
        waitpid(actor->pid, NULL, 0);
        actor->pid = 0;
    }
}

static void
destroy(void)
{
    for (unsigned i = 0; i < 2; i++)
        end_actor(pollers[i]);
    mp_conn_close(a);
    mp_conn_close(b);
    mp__reap();
    mp__pipes_collect(1);
}

/* ---- Who sends is killed ---- */

static void
enter_and_hold(void)
{
    sync_enter();
    mp_conn_poll(b, MP_NOW);
}

static void
victim_sends(void)
{
    uint64_t message = 2;

    for (int i = 0; i < 2; i++) {
        mp_conn_send(b, &message, sizeof(message), MP_FOREVER);
        mp__store(&sweep.note[SENT], (uint64_t)i + 1);
    }
}

/* No second message comes to tell of the first. */
static void
victim_sends_one(void)
{
    uint64_t message = 2;

    mp_conn_send(b, &message, sizeof(message), MP_FOREVER);
    mp__store(&sweep.note[SENT], 1);
}

static void
victim_sends_and_closes(void)
{
    victim_sends();
    mp_conn_close(b);
}

static unsigned
taken(void)
{
    unsigned n = 0;

    for (unsigned i = 0; i < 2; i++)
        n += pollers[i] ? mp__load(&pollers[i]->done) : 0;
    return n;
}

static int
await_ends(void)
{
    for (unsigned i = 0; i < 2; i++)
        if (pollers[i] && !sweep_await_end(pollers[i]))
            return 0;
    return 1;
}

/* The victim was the last who held the other end. */
static void
check_end(void)
{
    if (await_ends())
        sweep_check(taken() >= mp__load(&sweep.note[SENT]),
                    "%u messages were received, %u sent", taken(),
                    (unsigned)mp__load(&sweep.note[SENT]));
}

/* It was, or had not come to it. */
static void
check_close(void)
{
    mp_conn_close(b);
    check_end();
}

/* What was sent is received before anything else happens. */
static int
await_taken(void)
{
    mp_time deadline = mp_timeout(SWEEP_BOUND);

    while (pollers[0] && taken() < mp__load(&sweep.note[SENT])) {
        if (mp__expired(deadline))
            return sweep_check(0, "a message is there and no poller comes");
        sched_yield();
    }
    return 1;
}

/* It was not. */
static void
check(void)
{
    uint64_t sent = mp__load(&sweep.note[SENT]) + 2;

    if (!await_taken() || !send_one() || !send_one())
        return;
    mp_conn_close(b);
    if (await_ends())
        sweep_check(taken() >= sent, "%u messages were received, %u sent",
                    taken(), (unsigned)sent);
}

/* ---- Who polls is killed ---- */

static void
enter_with_fd(void)
{
    sync_enter();
    mp_conn_fd(a);
}

static void
victim_arms(void)
{
    uint64_t message;

    mp_conn_recv(a, &message, sizeof(message), MP_NOW);
}

static void
victim_opens_and_arms(void)
{
    mp_conn_fd(a);
    victim_arms();
}

/* It finds nothing, and meanwhile, at some point, something comes: see
 * queue_poll.c. */
static int came_late;

static void
victim_finds_and_asks(void)
{
    uint64_t message;
    ssize_t r = mp_conn_recv(a, &message, sizeof(message), MP_NOW);

    mp__store(&sweep.note[ASKED], 1);
    if (r == -EAGAIN && !is_readable(0))
        mp__store(&sweep.note[MISSED], 1);
}

static void
send_beside(void)
{
    came_late = mp__load(&sweep.note[ASKED]) != 0;
    send_one();
}

static void
close_beside(void)
{
    came_late = mp__load(&sweep.note[ASKED]) != 0;
    mp_conn_close(b);
}

static void
check_told(void)
{
    sweep_check(came_late || !mp__load(&sweep.note[MISSED]),
                "the poller was not told");
}

/* A process that the library has not started, and that is killed, leaves its
 * record behind: the victims and the pollers. */
#define PIPE(name, make, enter, victim)             \
    name, make, enter, victim, .teardown = destroy, \
                               .family = make_one_before, .may_lose = 4

const struct sweep_scenario sweep_pipe_poll[] = {
    {PIPE("pipe.fd-send", make_held_with_poller, sync_enter, victim_sends),
     .check = check},
    {PIPE("pipe.fd-send-second-sender", make_sender_with_poller, sync_enter,
          victim_sends),
     .check = check},
    {PIPE("pipe.fd-send-after-a-death", make_held_with_poller, sync_enter,
          victim_sends),
     .before = victim_sends, .check = check},
    {PIPE("pipe.fd-send-poller-comes", make_held, sync_enter, victim_sends),
     .look = come_to_poll, .check = check},
    {PIPE("pipe.fd-send-meet", make_held, enter_and_hold, victim_sends_one),
     .beside = come_to_poll, .check = check, .meet = 1},
    {PIPE("pipe.fd-last-holder", make_poller, enter_and_hold,
          victim_sends_and_closes),
     .check = check_end},
    {PIPE("pipe.fd-last-holder-comes", make_poller, sync_enter,
          victim_sends_and_closes),
     .check = check_close},
    {PIPE("pipe.fd-arm", make_held_with_poller, enter_with_fd, victim_arms),
     .check = check},
    {PIPE("pipe.fd-open-and-arm", make_held_with_poller, sync_enter,
          victim_opens_and_arms),
     .check = check},
    {PIPE("pipe.fd-arm-meet-send", make_both_held, enter_with_fd,
          victim_finds_and_asks),
     .beside = send_beside, .check = check_told, .meet = 1},
    {PIPE("pipe.fd-arm-meet-close", make_both_held, enter_with_fd,
          victim_finds_and_asks),
     .beside = close_beside, .check = check_told, .meet = 1},
    {0},
};
