/* SPDX-License-Identifier: MIT */
/* Processes that wait for a queue's messages in poll(): they, those who put,
 * and who closes are killed. A survivor's descriptor is readable whenever there
 * is a message, or the queue is closed: so whatever was committed is taken,
 * without anybody's help. */
#include "queue_stage.h"

#include "os/clock.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- Pollers: actors that take what they are told of, to the end. */

static int
is_readable(int timeout)
{
    struct pollfd p = {.fd = mp_queue_fd(stage.queue), .events = POLLIN};

    return poll(&p, 1, timeout) == 1;
}

static void
actor_polls(struct sweep_actor *actor)
{
    for (;;) {
        int id;

        if (!is_readable(-1))
            sweep_complain(actor, "poll fails");
        while ((id = stage_get(MP_NOW)) > 0) {
            mp__store(&actor->value[mp__load(&actor->done) % 64],
                      (uint64_t)id);
            if (stage.queue->mode & MP__QUEUE_JOINABLE)
                mp_queue_task_done(stage.queue);
            sweep_done(actor);
        }
        if (id == -ESHUTDOWN)
            return;
        if (id != -EAGAIN)
            sweep_complain(actor, "get: %d", id);
    }
}

static struct sweep_actor *
poller(void)
{
    struct sweep_actor *actor = sweep_actor(actor_polls);

    sweep_await_sleep(actor);
    return actor;
}

static void
make_poller(void)
{
    stage_make_small();
    stage.one = poller();
}

static void
make_two_pollers(void)
{
    make_poller();
    stage.two = poller();
}

/* A second one, whether or not it gets to sleep. */
static void
come_to_poll(void)
{
    stage.two = sweep_actor(actor_polls);
    sweep_let_come(stage.two);
}

/* ---- What must be so after a kill. */

/* Waits until what is there has been taken. */
static int
await_drained(void)
{
    mp_time deadline = mp_timeout(SWEEP_BOUND);

    while (stage_gets() != stage_puts()) {
        if (mp__now() > deadline)
            return sweep_check(0, "a message is there and no poller comes");
        sched_yield();
    }
    return 1;
}

static unsigned
taken_by(struct sweep_actor *actor)
{
    return actor ? mp__load(&actor->done) : 0;
}

/* The pollers have what was put, once: nobody else has taken any. */
static void
check_taken(void)
{
    mp_time deadline = mp_timeout(SWEEP_BOUND);

    while (taken_by(stage.one) + taken_by(stage.two) < stage_puts() &&
           mp__now() < deadline)
        sched_yield();
    sweep_check(taken_by(stage.one) + taken_by(stage.two) == stage_puts(),
                "of %u messages %u and %u were taken", stage_puts(),
                taken_by(stage.one), taken_by(stage.two));
}

static void
check_pollers_go_on(void)
{
    for (unsigned i = 0; i < 2; i++) {
        if (!await_drained() || !stage_put_bound(LATER + i))
            return;
    }
    if (await_drained())
        check_taken();
}

/* ---- A producer is killed. */

static void
victim_puts(void)
{
    stage_put(VICTIM, MP_FOREVER);
}

/* Its first page: it has to open what it pages with. */
static void
forget_voice(void)
{
    stage_enter();
    for (int fd = 3; fd < 100; fd++) {
        struct sockaddr_un name;
        socklen_t size = sizeof(name);

        if (getsockname(fd, (struct sockaddr *)&name, &size) == 0 &&
            size == sizeof(sa_family_t))
            close(fd);
    }
}

/* One is asleep; the other has died so. */
static void
make_poller_and_dead_one(void)
{
    make_two_pollers();
    kill(stage.two->pid, SIGKILL);
    waitpid(stage.two->pid, NULL, 0);
    stage.two->pid = 0;
    stage.two = NULL;
}

/* ---- A poller is killed while another sleeps. */

static void
victim_opens_and_arms(void)
{
    mp_queue_fd(stage.queue);
    stage_get(MP_NOW);
}

static void
enter_with_fd(void)
{
    stage_enter();
    mp_queue_fd(stage.queue);
}

static void
victim_arms(void)
{
    stage_get(MP_NOW);
}

/* ---- A poller finds nothing, and meanwhile, at some point, something comes.
 * Before it asks whether the descriptor is readable it notes that: what comes
 * later the answer need not tell. */

#define ASKED  1
#define MISSED 2

static void
victim_finds_and_asks(void)
{
    int id = stage_get(MP_NOW);

    mp__store(&sweep.note[RETURNED], (uint64_t)(id > 0));
    mp__store(&sweep.note[ASKED], 1);
    if (id == -EAGAIN && !is_readable(0))
        mp__store(&sweep.note[MISSED], 1);
}

static int came_late;

static void
put_beside(void)
{
    came_late = mp__load(&sweep.note[ASKED]) != 0;
    stage_put_bound(BESIDE);
}

static void
close_beside(void)
{
    came_late = mp__load(&sweep.note[ASKED]) != 0;
    mp_queue_close(stage.queue);
}

static void
check_told(void)
{
    sweep_check(came_late || !mp__load(&sweep.note[MISSED]),
                "the poller was not told");
    if (mp__load(&stage.queue->closing) != MP__QUEUE_OPEN)
        return;
    sweep_check(mp_queue_size(stage.queue) ==
                    1 - mp__load(&sweep.note[RETURNED]),
                "the message is lost");
}

/* ---- The queue is closed. */

static void
victim_closes(void)
{
    mp_queue_close(stage.queue);
}

static void
check_closed(void)
{
    if (mp__load(&stage.queue->closing) == MP__QUEUE_OPEN) {
        check_pollers_go_on();
        mp_queue_close(stage.queue);
    }
    if (sweep_await_end(stage.one) && stage.two)
        sweep_await_end(stage.two);
}

/* ---- The queue redelivers. What the dead had is noticed by who buries them:
 * a process that joins them, as a rule. */

static void
make_redelivering(unsigned messages)
{
    int r = mp_queue_create(&stage.queue, MP_QUEUE_ATTR(.redeliver = 1));

    sweep_check(r == 0, "cannot create a queue: %s", mp_strerror(r));
    stage.size = 40;
    stage.one = stage.two = NULL;
    stage_put_first(messages);
}

static void
make_redelivering_with_poller(void)
{
    make_redelivering(0);
    stage.one = poller();
}

static void
victim_puts_gets_and_is_done(void)
{
    stage_put(VICTIM, MP_FOREVER);
    if (stage_get(MP_NOW) > 0)
        mp_queue_task_done(stage.queue);
}

static void
actor_holds(struct sweep_actor *actor)
{
    stage_get(MP_FOREVER);
    stage_get(MP_FOREVER);
    sweep_done(actor);
    pause();
}

/* Two messages are taken by one who has died, and nobody knows yet. */
static void
make_poller_and_estate(void)
{
    struct sweep_actor *holder;

    make_redelivering(2);
    holder = sweep_actor(actor_holds);
    sweep_await_done(holder, 1);
    stage.one = poller();
    kill(holder->pid, SIGKILL);
    waitpid(holder->pid, NULL, 0);
    holder->pid = 0;
}

static void
victim_returns(void)
{
    stage_get(MP_NOW);
}

static int
await_finished(void)
{
    mp_time deadline = mp_timeout(SWEEP_BOUND);

    while (mp_queue_unfinished(stage.queue) > 0) {
        if (mp__now() > deadline)
            return sweep_check(0, "%u messages are left",
                               (unsigned)mp_queue_unfinished(stage.queue));
        sched_yield();
    }
    return 1;
}

static void
check_nothing_is_left(void)
{
    mp__reap();
    if (await_finished() && stage_put_bound(LATER))
        await_finished();
}

static void
take_and_close(void)
{
    stage_enter();
    stage_get(MP_NOW);
    mp_queue_close(stage.queue);
}

static void
make_one_message(void)
{
    make_redelivering(1);
}

/* It sleeps: the last message may come back. */
static void
come_to_poll_at_the_end(void)
{
    stage.one = sweep_actor(actor_polls);
    sweep_let_come(stage.one);
}

static void
victim_is_done(void)
{
    mp_queue_task_done(stage.queue);
}

static void
check_end_is_told(void)
{
    mp__reap();
    sweep_await_end(stage.one);
}

const struct sweep_scenario sweep_queue_poll[] = {
    {"queue.fd-put", make_poller, stage_enter, victim_puts,
     .check = check_pollers_go_on, .teardown = stage_destroy},
    {"queue.fd-put-first-page", make_poller, forget_voice, victim_puts,
     .check = check_pollers_go_on, .teardown = stage_destroy},
    {"queue.fd-put-two-pollers", make_two_pollers, stage_enter, victim_puts,
     .check = check_pollers_go_on, .teardown = stage_destroy},
    {"queue.fd-put-beside-a-dead-poller", make_poller_and_dead_one,
     stage_enter, victim_puts, .check = check_pollers_go_on,
     .teardown = stage_destroy},
    {"queue.fd-put-after-a-death", make_poller, stage_enter, victim_puts,
     .check = check_pollers_go_on, .teardown = stage_destroy,
     .before = victim_puts},
    {"queue.fd-put-poller-comes", stage_make_small, stage_enter, victim_puts,
     .look = come_to_poll, .check = check_pollers_go_on,
     .teardown = stage_destroy},
    {"queue.fd-put-second-poller-comes", make_poller, stage_enter, victim_puts,
     .look = come_to_poll, .check = check_pollers_go_on,
     .teardown = stage_destroy},
    {"queue.fd-put-meet", make_poller, stage_enter, victim_puts,
     .beside = come_to_poll, .check = check_pollers_go_on,
     .teardown = stage_destroy, .meet = 1},
    {"queue.fd-arm", make_poller, enter_with_fd, victim_arms,
     .check = check_pollers_go_on, .teardown = stage_destroy},
    {"queue.fd-open-and-arm", make_poller, stage_enter, victim_opens_and_arms,
     .check = check_pollers_go_on, .teardown = stage_destroy},
    {"queue.fd-arm-meet-put", stage_make_small, enter_with_fd,
     victim_finds_and_asks, .beside = put_beside, .check = check_told,
     .teardown = stage_destroy, .meet = 1},
    {"queue.fd-arm-meet-close", stage_make_small, enter_with_fd,
     victim_finds_and_asks, .beside = close_beside, .check = check_told,
     .teardown = stage_destroy, .meet = 1},
    {"queue.fd-close", make_two_pollers, stage_enter, victim_closes,
     .check = check_closed, .teardown = stage_destroy},
    {"queue.fd-close-poller-comes", make_poller, stage_enter, victim_closes,
     .look = come_to_poll, .check = check_closed, .teardown = stage_destroy},
    {"queue.fd-redeliver", make_redelivering_with_poller, stage_enter,
     victim_puts_gets_and_is_done, .check = check_nothing_is_left,
     .teardown = stage_destroy},
    {"queue.fd-return", make_poller_and_estate, stage_enter, victim_returns,
     .check = check_nothing_is_left, .teardown = stage_destroy},
    {"queue.fd-last-is-done", make_one_message, take_and_close, victim_is_done,
     .look = come_to_poll_at_the_end, .check = check_end_is_told,
     .teardown = stage_destroy},
    {0},
};
