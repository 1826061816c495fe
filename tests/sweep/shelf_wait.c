/* SPDX-License-Identifier: MIT */
/* Those who wait for what others hold: a consumer, which gets it if they die;
 * the end of a closed queue; and who joins. None may need anybody's help. */
#include "shelf_stage.h"

#include "os/clock.h"
#include "region/participant.h"

#include <errno.h>
#include <sched.h>

static void
make_one(const mp_queue_attr *attr)
{
    shelf_make(IN_SLOT, attr);
    shelf_put_first(1);
}

static void
make_redeliver(void)
{
    make_one(MP_QUEUE_ATTR(.redeliver = 1));
}

static void
make_two(void)
{
    make_redeliver();
    shelf_put(FIRST + 1);
}

static void
make_lifo(void)
{
    make_one(MP_QUEUE_ATTR(.redeliver = 1, .order = MP_QUEUE_LIFO));
}

static void
make_closed(void)
{
    make_redeliver();
    mp_queue_close(stage.queue);
}

static void
victim_works(void)
{
    shelf_work(0);
}

static int
victim_has_got(void)
{
    return mp__load(&sweep.note[GOT]) != 0;
}

/* ---- A consumer sleeps while the victim holds the one message. */

static void
actor_works(struct sweep_actor *actor)
{
    int id = stage_get(MP_FOREVER);

    mp__store(&actor->value[0], (uint64_t)id);
    if (id > 0 && mp_queue_task_done(stage.queue) < 0)
        sweep_complain(actor, "done: %s", mp_last_error());
    if (id <= 0)
        sweep_complain(actor, "get: %d", id);
    sweep_done(actor);
}

static void
come_to_work(void)
{
    stage.one = sweep_actor(actor_works);
    if (!sweep.killed)
        sweep_await_sleep(stage.one);
}

/* It comes while the victim is anywhere in between. */
static void
come_to_meet(void)
{
    stage.one = sweep_actor(actor_works);
    sweep_let_come(stage.one);
}

static void
check_watching(void)
{
    mp_time deadline = mp_timeout(SWEEP_BOUND);

    while (mp_queue_unfinished(stage.queue) > 0 &&
           mp__load(&stage.one->done) == 0) {
        if (!sweep_check(mp__now() < deadline,
                         "a consumer sleeps, and its message is there"))
            return;
        sched_yield();
    }
    if (mp__load(&sweep.note[ENDED]))
        shelf_put(LATER + 2);
    else if (mp__load(&sweep.note[ENDING]) && !mp__load(&stage.one->done) &&
             mp_queue_unfinished(stage.queue) == 0)
        shelf_put(LATER + 2);
    if (!sweep_await_end(stage.one))
        return;
    shelf_saw((unsigned)mp__load(&stage.one->value[0]));
    shelf_check_one();
}

/* ---- The queue is closed; whoever waits gets what the victim leaves, or is
 * told that nothing comes any more. */

static void
actor_works_to_end(struct sweep_actor *actor)
{
    int id = stage_get(MP_FOREVER);

    mp__store(&actor->value[0], id > 0 ? (uint64_t)id : 0);
    if (id > 0 && mp_queue_task_done(stage.queue) < 0)
        sweep_complain(actor, "done: %s", mp_last_error());
    if (id > 0)
        id = stage_get(MP_FOREVER);
    if (id != -ESHUTDOWN)
        sweep_complain(actor, "get at the end: %d", id);
}

static void
come_to_work_to_end(void)
{
    stage.one = sweep_actor(actor_works_to_end);
    if (!sweep.killed)
        sweep_await_sleep(stage.one);
}

static void
check_end(void)
{
    uint64_t id;

    if (!sweep_await_end(stage.one))
        return;
    id = mp__load(&stage.one->value[0]);
    if (id)
        shelf_saw((unsigned)id);
    sweep_check(mp_queue_unfinished(stage.queue) == 0, "it was not the end");
    shelf_balance(1);
    sweep_check(stage_get(MP_NOW) == -ESHUTDOWN, "a closed queue gives");
}

/* ---- Two join, and the victim does the last task. */

static void
actor_joins(struct sweep_actor *actor)
{
    int r = mp_queue_join(stage.queue, MP_FOREVER);

    if (r < 0 && r != -ESRCH)
        sweep_complain(actor, "join: %s", mp_strerror(r));
    mp__store(&actor->value[0], r == -ESRCH);
    sweep_done(actor);
}

static void
bring_joiners(void)
{
    stage.one = sweep_actor(actor_joins);
    sweep_await_sleep(stage.one);
    stage.two = sweep_actor(actor_joins);
    sweep_await_sleep(stage.two);
}

static void
make_redeliver_joined(void)
{
    make_redeliver();
    bring_joiners();
}

static void
make_joinable_joined(void)
{
    make_one(MP_QUEUE_ATTR(.joinable = 1));
    bring_joiners();
}

/* They come when the victim holds the message. */
static void
make_joinable(void)
{
    make_one(MP_QUEUE_ATTR(.joinable = 1));
}

static void
come_to_join(void)
{
    stage.one = sweep_actor(actor_joins);
    stage.two = sweep_actor(actor_joins);
    if (!sweep.killed) {
        sweep_await_sleep(stage.one);
        sweep_await_sleep(stage.two);
    }
}

static void
check_joiners(uint64_t told)
{
    if (!sweep_await_end(stage.one) || !sweep_await_end(stage.two))
        return;
    sweep_check(mp__load(&stage.one->value[0]) +
                        mp__load(&stage.two->value[0]) <=
                    told,
                "more were told of a loss than %u", (unsigned)told);
}

static void
check_redeliver_joined(void)
{
    shelf_settle();
    check_joiners(0);
    shelf_balance(1);
    shelf_check_goes_on();
}

/* Nobody buries the victim but those who join. What is not taken yet the
 * harness does. */
static void
check_joinable_joined(void)
{
    uint64_t told;

    while (mp_queue_size(stage.queue) > 0) {
        shelf_saw((unsigned)stage_get(MP_NOW));
        mp_queue_task_done(stage.queue);
    }
    check_joiners(1);
    told = mp__load(&stage.one->value[0]) + mp__load(&stage.two->value[0]);
    if (mp__load(&sweep.note[ENDED]))
        sweep_check(told == 0, "a task that was done is lost");
    else if (mp__load(&sweep.note[GOT]) && !mp__load(&sweep.note[ENDING]))
        sweep_check(told == 1, "nobody was told of a loss");
    shelf_check_goes_on();
}

/* ---- The victim joins, and so does another. */

static void
make_to_join(void)
{
    make_redeliver();
    stage.one = sweep_actor(actor_joins);
    sweep_await_sleep(stage.one);
}

static void
victim_joins(void)
{
    mp__store(&sweep.note[ENDED + 1],
              mp_queue_join(stage.queue, MP_FOREVER) == 0);
}

static void
do_last_task(void)
{
    shelf_settle();
}

static void
check_other_joiner(void)
{
    shelf_settle();
    if (sweep_await_end(stage.one))
        shelf_check_one();
}

/* ---- The victim buries one who died with a task, and is told of it. */

static void
make_large(void)
{
    shelf_make(BY_REFERENCE, MP_QUEUE_ATTR(.joinable = 1));
    shelf_put_first(1);
}

/* In the victim: who registers buries the dead, so this one dies later. */
static void
leave_behind(void)
{
    mp__enter();
    shelf_take_and_die();
}

static void
victim_learns(void)
{
    mp__store(&sweep.note[GOT],
              mp_queue_join(stage.queue, MP_FOREVER) == -ESRCH);
}

/* If the victim was told, nobody else is; if it died over that, maybe. */
static void
check_learnt(void)
{
    int r = mp_queue_join(stage.queue, mp_timeout(SWEEP_BOUND));

    sweep_check(r == -ESRCH || r == 0, "join: %s", mp_strerror(r));
    if (mp__load(&sweep.note[GOT]))
        sweep_check(r == 0, "two were told of one loss");
    sweep_check(mp_queue_join(stage.queue, MP_NOW) == 0,
                "one loss is told twice");
    shelf_check_goes_on();
}

const struct sweep_scenario sweep_shelf_wait[] = {
    {"shelf.consumer-asleep", make_redeliver, stage_enter, victim_works,
     victim_has_got, come_to_work, .check = check_watching,
     .teardown = stage_destroy},
    {"shelf.lifo-consumer-asleep", make_lifo, stage_enter, victim_works,
     victim_has_got, come_to_work, .check = check_watching,
     .teardown = stage_destroy},
    {"shelf.consumer-meet", make_two, stage_enter, victim_works,
     .beside = come_to_meet, .check = check_watching,
     .teardown = stage_destroy, .meet = 1},
    {"shelf.closed-consumer-asleep", make_closed, stage_enter, victim_works,
     victim_has_got, come_to_work_to_end, .check = check_end,
     .teardown = stage_destroy},
    {"shelf.joiners-asleep", make_redeliver_joined, stage_enter, victim_works,
     .check = check_redeliver_joined, .teardown = stage_destroy},
    {"shelf.joiners-asleep-lost", make_joinable_joined, stage_enter,
     victim_works, .check = check_joinable_joined, .teardown = stage_destroy},
    {"shelf.joiners-come-lost", make_joinable, stage_enter, victim_works,
     victim_has_got, come_to_join, .check = check_joinable_joined,
     .teardown = stage_destroy},
    {"shelf.join-lost", make_large, leave_behind, victim_learns,
     .check = check_learnt, .teardown = stage_destroy},
    {"shelf.join", make_to_join, stage_enter, victim_joins,
     .wake = do_last_task, .check = check_other_joiner,
     .teardown = stage_destroy},
    {0},
};
