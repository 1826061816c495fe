/* SPDX-License-Identifier: MIT */
/* The queue as a whole: closed, made, destroyed. */
#include "queue_stage.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

/* ---- The queue is closed. */

static void
actor_gets_end(struct sweep_actor *actor)
{
    int r = stage_get(MP_FOREVER);

    if (r != -ESHUTDOWN)
        sweep_complain(actor, "get of a closed queue: %d", r);
}

static void
actor_puts_end(struct sweep_actor *actor)
{
    int r = stage_put(BESIDE, MP_FOREVER);

    if (r != -ESHUTDOWN)
        sweep_complain(actor, "put into a closed queue: %d", r);
}

/* The closer's commit comes before its wake-ups, and if it dies in between
 * nobody wakes those who sleep: they find out at the end of a slice. */
static void
sleep_in_slices(void)
{
    mp__view.slice = 100000000;
}

static void
make_consumers_to_end(void)
{
    sleep_in_slices();
    stage_make_small();
    stage.one = sweep_actor(actor_gets_end);
    sweep_await_sleep(stage.one);
    stage.two = sweep_actor(actor_gets_end);
    sweep_await_sleep(stage.two);
}

static void
make_producers_asleep(void)
{
    stage_make_full();
    stage.one = sweep_actor(actor_puts_end);
    sweep_await_sleep(stage.one);
    stage.two = sweep_actor(actor_puts_end);
    sweep_await_sleep(stage.two);
}

static void
make_producers_to_end(void)
{
    sleep_in_slices();
    make_producers_asleep();
}

/* The last consumer died when it had lowered the flag of the producer that
 * sleeps, and had not woken it yet. Nobody finds out anything by himself. */
static void
die_before_waking(struct sweep_actor *actor)
{
    (void)actor;
    mp__mutex_lock(&stage.queue->consumers.mutex);
    mp__store(&stage.queue->producer_sleeps, 0);
    raise(SIGKILL);
}

static void
make_producers_left_asleep(void)
{
    struct sweep_actor *dead;

    make_producers_asleep();
    dead = sweep_actor(die_before_waking);
    waitpid(dead->pid, NULL, 0);
    dead->pid = 0;
}

static void
victim_closes(void)
{
    mp_queue_close(stage.queue);
}

static void
check_closed(void)
{
    if (mp__load(&stage.queue->closing) == MP__QUEUE_OPEN)
        mp_queue_close(stage.queue);
    if (!sweep_await_end(stage.one) || !sweep_await_end(stage.two))
        return;
    sweep_check(stage_put(LATER, MP_NOW) == -ESHUTDOWN,
                "a closed queue takes");
    while (stage_puts() != stage_gets())
        stage_get_first();
    sweep_check(stage_get(MP_NOW) == -ESHUTDOWN, "a closed queue gives");
}

static void
check_closed_by_another(void)
{
    mp_queue_close(stage.queue);
    check_closed();
}

/* ---- The queue itself comes and goes. A queue whose creation is killed may
 * be lost: an object and its segment. One whose destruction is killed is no
 * queue any more, and what it held may be lost with it. */

static mp_queue *given;

static void
victim_creates(void)
{
    mp_queue *q;

    if (mp_queue_create(&q, NULL) == 0)
        mp__store(&sweep.note[RETURNED], (uintptr_t)q);
}

static void
check_created(void)
{
    given = (mp_queue *)(uintptr_t)mp__load(&sweep.note[RETURNED]);
    if (given)
        sweep_check(mp_queue_destroy(given) == 0, "it is no queue");
    stage_make_small();
    stage_check_rest(0, 0);
    stage_destroy();
}

static void
make_to_destroy(void)
{
    stage_make_large();
    stage_put_first(3);
}

static void
victim_destroys(void)
{
    if (mp_queue_destroy(stage.queue) == 0)
        mp__store(&sweep.note[RETURNED], 1);
}

static void
check_destroyed(void)
{
    int r = mp_queue_destroy(stage.queue);

    sweep_check(r == -EBADF || !mp__load(&sweep.note[RETURNED]),
                "a queue is destroyed twice");
    stage_make_small();
    stage_check_rest(0, 0);
    stage_destroy();
}

const struct sweep_scenario sweep_queue[] = {
    {"queue.close-consumers-asleep", make_consumers_to_end, stage_enter,
     victim_closes, .check = check_closed, .teardown = stage_destroy},
    {"queue.close-producers-asleep", make_producers_to_end, stage_enter,
     victim_closes, .check = check_closed, .teardown = stage_destroy},
    {"queue.close-producers-left-asleep", make_producers_left_asleep,
     stage_enter, victim_closes, .check = check_closed_by_another,
     .teardown = stage_destroy},
    {"queue.create", NULL, stage_enter, victim_creates, .check = check_created,
     .may_lose = 2},
    {"queue.destroy", make_to_destroy, stage_enter, victim_destroys,
     .check = check_destroyed, .may_lose = 5},
    {0},
};
