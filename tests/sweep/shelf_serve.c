/* SPDX-License-Identifier: MIT */
/* A manager's server that is killed while it takes a message for a client, sees
 * that it has arrived, or puts it back. What is on its way is nobody's yet: it is
 * the first again; what has arrived does not come again. */
#include "shelf_stage.h"

#include "queue/consume.h"
#include "region/participant.h"

#include <errno.h>

#define JOINABLE  MP_QUEUE_ATTR(.joinable = 1)
#define REDELIVER MP_QUEUE_ATTR(.redeliver = 1)
#define LIFO      MP_QUEUE_ATTR(.order = MP_QUEUE_LIFO)

#define MESSAGES 3u

#define MAKE(name, size, attr)                  \
    static void make_##name(void)               \
    {                                           \
        shelf_make(size, attr);                 \
        for (unsigned i = 0; i < MESSAGES; i++) \
            stage_put_bound(FIRST + i);         \
    }

MAKE(plain, IN_SLOT, NULL)
MAKE(plain_block, IN_BLOCK, NULL)
MAKE(plain_large, BY_REFERENCE, NULL)
MAKE(joinable, IN_SLOT, JOINABLE)
MAKE(joinable_large, BY_REFERENCE, JOINABLE)
MAKE(redeliver, IN_BLOCK, REDELIVER)
MAKE(lifo, IN_SLOT, LIFO)

static mp_message message;

static int
likes(const void *data, size_t size, void *arg)
{
    (void)data;
    (void)size;
    (void)arg;
    return 0;
}

static void
victim_serves(void)
{
    if (mp__queue_serve(stage.queue, likes, NULL, &message) == 0)
        mp__store(&sweep.note[GOT], 1);
}

static void
victim_returns(void)
{
    victim_serves();
    mp__queue_return(stage.queue, &message);
    mp__store(&sweep.note[ENDED], 1);
}

static void
victim_delivers(void)
{
    victim_serves();
    mp__store(&sweep.note[ENDING], 1);
    mp__queue_arrived(stage.queue, &message);
    mp__store(&sweep.note[ENDED], 1);
}

/* ---- What is there then. */

static unsigned
id_of(unsigned i)
{
    return stage.queue->order == MP_QUEUE_LIFO ? FIRST + MESSAGES - 1 - i
                                               : FIRST + i;
}

/* The messages come from the `i`th on, then one that is put later. */
static void
take_all(unsigned i)
{
    int joinable = stage.queue->mode & MP__QUEUE_JOINABLE;
    int r, id;

    for (; i <= MESSAGES; i++) {
        unsigned wanted = i < MESSAGES ? id_of(i) : LATER;

        if (i == MESSAGES)
            stage_put_bound(LATER);
        id = stage_get(mp_timeout(SWEEP_BOUND));
        if (!sweep_check(id == (int)wanted, "%d came, not %u", id, wanted))
            return;
        r = joinable ? mp_queue_task_done(stage.queue) : 0;
        sweep_check(r == 0, "done: %s", mp_last_error());
    }
    sweep_check(mp_queue_size(stage.queue) == 0, "there is more");
    id = stage_get(MP_NOW);
    sweep_check(id == -EAGAIN, "%d comes, too", id);
}

static void
check_returned(void)
{
    if (sweep.killed)
        mp__reap();
    sweep_check(!mp__load(&sweep.note[ENDED]) ||
                    mp_queue_size(stage.queue) == MESSAGES,
                "it was put back, and is not there");
    take_all(0);
    if (stage.queue->mode & MP__QUEUE_JOINABLE)
        sweep_check(mp_queue_join(stage.queue, mp_timeout(SWEEP_BOUND)) == 0,
                    "join: %s", mp_last_error());
}

/* While the victim says that it has arrived, it may be so or not. What had
 * arrived is a task of the dead: it comes again, or is lost. */
static void
check_delivered(void)
{
    int mode = (int)stage.queue->mode;
    int ending = mp__load(&sweep.note[ENDING]) != 0;
    int ended = mp__load(&sweep.note[ENDED]) != 0, came;

    if (sweep.killed)
        mp__reap();
    if (mode & MP__QUEUE_REDELIVER) {
        take_all(0);
        return;
    }
    /* Whoever comes to get puts back what the dead had. */
    mp__shelf_settle(stage.queue);
    came = mp_queue_size(stage.queue) == MESSAGES;
    sweep_check(came ? !ended : ending, "it %s",
                came ? "has arrived, and comes again" : "is lost");
    take_all(came ? 0 : 1);
    if (mode & MP__QUEUE_JOINABLE && came)
        sweep_check(mp_queue_join(stage.queue, mp_timeout(SWEEP_BOUND)) == 0,
                    "join: %s", mp_last_error());
}

/* ---- A consumer sleeps, since before; the one message comes back. */

static void
make_one(const mp_queue_attr *attr)
{
    shelf_make(IN_SLOT, attr);
    shelf_put(FIRST);
}

static void
make_one_plain(void)
{
    make_one(NULL);
}

static void
make_one_joinable(void)
{
    make_one(JOINABLE);
}

static void
take_it(void)
{
    stage_enter();
    victim_serves();
}

static int
at_once(void)
{
    return 1;
}

static void
actor_gets(struct sweep_actor *actor)
{
    int id = stage_get(MP_FOREVER);

    mp__store(&actor->value[0], (uint64_t)id);
    if (id > 0 && stage.queue->mode & MP__QUEUE_JOINABLE)
        mp_queue_task_done(stage.queue);
}

static void
come_to_get(void)
{
    stage.one = sweep_actor(actor_gets);
    if (!sweep.killed)
        sweep_await_sleep(stage.one);
}

static void
victim_puts_back(void)
{
    mp__queue_return(stage.queue, &message);
    mp__store(&sweep.note[ENDED], 1);
}

static void
check_sleeper(void)
{
    if (!sweep_await_end(stage.one))
        return;
    sweep_check(mp__load(&stage.one->value[0]) == FIRST, "it got %d",
                (int)mp__load(&stage.one->value[0]));
    sweep_check(mp_queue_size(stage.queue) == 0, "there is more");
}

/* ---- A consumer is on its way in a queue that had no shelf; it gets one. (No
 * message by reference: the victim may stand still in the heap.) */

static void
victim_gets(void)
{
    mp__store(&sweep.note[GOT], (uint64_t)stage_get(MP_FOREVER));
}

static void
serve_and_return(void)
{
    if (mp__queue_serve(stage.queue, likes, NULL, &message) == 0)
        mp__queue_return(stage.queue, &message);
}

/* The victim got one, and it was the first. */
static void
check_met(void)
{
    sweep_check(mp__load(&sweep.note[GOT]) == FIRST, "the victim got %d",
                (int)mp__load(&sweep.note[GOT]));
    take_all(1);
}

#define MEET(name, make)                                               \
    {                                                                  \
        "shelf.serve-meet" name, make, stage_enter, victim_gets,       \
            .meet = 1, .beside = serve_and_return, .check = check_met, \
            .teardown = stage_destroy                                  \
    }
#define RETURN(name, make)                                            \
    {                                                                 \
        "shelf.serve-return" name, make, stage_enter, victim_returns, \
            .check = check_returned, .teardown = stage_destroy        \
    }
#define DELIVER(name, make)                                             \
    {                                                                   \
        "shelf.serve-deliver" name, make, stage_enter, victim_delivers, \
            .check = check_delivered, .teardown = stage_destroy         \
    }
#define SLEEPER(name, make)                                                \
    {                                                                      \
        "shelf.serve-sleeper" name, make, take_it, victim_puts_back,       \
            .due = at_once, .beside = come_to_get, .check = check_sleeper, \
            .teardown = stage_destroy                                      \
    }

const struct sweep_scenario sweep_shelf_serve[] = {
    RETURN("", make_plain),
    RETURN("-block", make_plain_block),
    RETURN("-large", make_plain_large),
    RETURN("-joinable", make_joinable),
    RETURN("-redeliver", make_redeliver),
    RETURN("-lifo", make_lifo),
    DELIVER("", make_plain),
    DELIVER("-block", make_plain_block),
    DELIVER("-large", make_plain_large),
    DELIVER("-joinable", make_joinable),
    DELIVER("-joinable-large", make_joinable_large),
    DELIVER("-redeliver", make_redeliver),
    DELIVER("-lifo", make_lifo),
    SLEEPER("", make_one_plain),
    SLEEPER("-joinable", make_one_joinable),
    MEET("", make_plain),
    MEET("-block", make_plain_block),
    {0},
};
