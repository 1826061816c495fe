/* SPDX-License-Identifier: MIT */
/* What comes back from dead consumers, and waiting for it.
 *
 * Who holds a message and dies keeps it until its burial. Then whoever comes to
 * get puts it back, if the queue redelivers; if not, the reaper has counted it
 * as lost. A get that would have to wait looks for the dead first, and the
 * leader that sleeps for a message watches the lives of all who hold some. */
#include "queue/consume.h"
#include "queue/produce.h"

#include "bell/bell.h"
#include "bell/waiters.h"
#include "os/clock.h"
#include "region/extents.h"

#include <errno.h>

#define NAP      100000  /* ns: while somebody else buries the dead */
#define NOT_LONG 8000000 /* ns: while it is not known whom to watch */

/* ---- The dead ---- */

/* What a look for dead owners has found. */
struct dead {
    struct mp_queue *queue;
    struct mp__slot *letter; /* ours now: was taken too often */
    int unburied;
    int returned;
};

/* Puts a slot of the caller's back into the queue. */
static void
put_back(struct mp_queue *queue, struct mp__slot *slot)
{
    struct mp__side *side = &queue->consumers;
    uint64_t head = mp__load_relaxed(&queue->head);
    uint32_t count = mp__count(head) - 1;

    mp__head_intend(queue);
    mp__poll_wake_for_return(queue);
    mp__shelf_intend(&side->shelf, slot, MP__SLOT_BACK);
    if (queue->max_bytes)
        mp__store_release(&side->bytes[count & 1],
                          mp__load_relaxed(&side->bytes[(count + 1) & 1]) -
                              slot->size);
#ifdef MP__MUTATION_BACK_BEFORE_COMMIT
    mp__store_release(&slot->holding.owner, MP__SLOT_WAITING);
#endif
    mp__store_release(&queue->head, mp__position(count, mp__place(head)));
    mp__compiler_barrier();
    mp__store_release(&slot->holding.owner, MP__SLOT_WAITING);
    mp__shelf_settled(&side->shelf);
    mp__shelf_push(&side->shelf, slot);
}

static int
look_at_owner(struct mp__slot *slot, void *arg)
{
    uint64_t word = mp__load(&slot->holding.owner);
    uint64_t owner = word & ~MP__HOLDING_BUSY;
    struct dead *dead = arg;

    if (owner <= MP__SLOT_WAITING || mp__participant_find(owner))
        return 0;
#ifndef MP__MUTATION_TAKE_FROM_UNBURIED
    if (!mp__participant_buried(owner)) {
        dead->unburied = 1;
        return 0;
    }
#endif
    if (!slot->on_way && !(dead->queue->mode & MP__QUEUE_REDELIVER))
        return 0;
    if (!mp__slot_take_over(slot, word))
        return 0;
    if (owner != MP__SLOT_RETURNED && dead->queue->max_attempts &&
        slot->attempts >= dead->queue->max_attempts) {
        dead->letter = slot;
        return 1;
    }
    put_back(dead->queue, slot);
    dead->returned = 1;
    return 0;
}

/* Does with a message that was taken too often what is to be done. */
static void
send_letter(struct mp_queue *queue, struct mp__slot *slot)
{
    mp_queue *letters = queue->dead_letters;
    int r = -ESHUTDOWN;

    if (letters && mp__object_ok(letters, MP__SLAB_QUEUE))
        r = mp__queue_put_slot(letters, slot, slot->priority);
    if (r < 0)
        mp__task_lose(queue, slot);
    mp__task_finished(queue);
}

static void
nap(void)
{
    mp__a32 nothing = 0;

    mp__futex_wait(&nothing, 0, mp__now() + NAP);
}

int
mp__shelf_settle_dead(struct mp_queue *queue, mp_time deadline)
{
    struct mp__side *side = &queue->consumers;
    uint64_t burials = mp__participant_burials();
    uint32_t returns = mp__load(&queue->returns);
    struct dead dead = {.queue = queue};
    int r;

    /* What is put back must be buried in this mutex, if we die here. */
    mp__hands_under(&side->mutex);
    mp__shelf_each_held(&side->shelf, look_at_owner, &dead);
    if (!dead.letter && !dead.unburied) {
        queue->burials_seen = burials;
        queue->returns_seen = returns;
        mp__hands_settled();
        return dead.returned;
    }
    mp__mutex_unlock(&side->mutex);
    mp__hands_settled();
    if (dead.letter) {
        send_letter(queue, dead.letter);
    } else {
        mp__reap();
        if (mp__participant_burials() == burials)
            nap();
    }
    r = mp__side_lock(queue, side, mp__queue_is_empty, deadline);
    return r < 0 ? r : 1;
}

int
mp__shelf_settle(struct mp_queue *queue)
{
    struct mp__side *side = &queue->consumers;
    int r;

    /* For a moment it may be we who hold a message. */
    mp__task_note_taker(queue);
    do {
        if (mp__mutex_lock_until(&side->mutex, MP_NOW) < 0)
            return -EAGAIN;
        r = mp__shelf_settle_dead(queue, MP_NOW);
    } while (r > 0 && (mp__mutex_unlock(&side->mutex), 1));
    if (r == 0)
        mp__mutex_unlock(&side->mutex);
    return r;
}

/* ---- Waiting ---- */

/* Watches the owner of a slot. Stops at one that is dead. */
static int
watch_owner(struct mp__slot *slot, void *arg)
{
    uint64_t owner = mp__slot_owner(slot);
    struct mp__watch *watch = arg;

    return owner > MP__SLOT_WAITING && owner != mp__me.id && !watch->partial &&
           !mp__watch_life(watch, owner);
}

int
mp__shelf_sleep(struct mp_queue *queue, mp__a32 *flag, uint32_t up,
                mp_time until)
{
    struct mp__watch watch;

    mp__watch_begin_at(&watch, flag, up);
#ifndef MP__MUTATION_LIVES_UNWATCHED
    if (mp__shelf_each_held(&queue->consumers.shelf, watch_owner, &watch))
        return 0;
#endif
    return mp__watch_sleep(&watch, until);
}

/* Whether somebody else holds a message who will be done with it before it
 * waits for one here. */
static int
will_be_done(struct mp__slot *slot, void *arg)
{
    uint64_t owner = mp__slot_owner(slot);
    struct mp__participant *part;
    struct mp_queue *queue = arg;

    if (owner <= MP__SLOT_WAITING || owner == mp__me.id ||
        (!slot->on_way && !(queue->mode & MP__QUEUE_REDELIVER)))
        return 0;
    part = mp__participant_find(owner);
    return part == NULL ||
           mp__load(&part->waiting) - (uintptr_t)queue >= sizeof(*queue);
}

/* The queue is closed and empty; but what others hold may come back. 0: look
 * again. */
static int
wait_for_done(struct mp_queue *queue, mp_time deadline)
{
    mp__a32 *flag = &queue->consumer_sleeps;
    struct mp__shelf *shelf = &queue->consumers.shelf;
    mp_time until;
    int r;

    if (!(queue->mode & MP__QUEUE_RETURNS))
        return -ESHUTDOWN;
    mp__swap(flag, MP__FLAG_SLEEPER);
    if (!mp__shelf_each_held(shelf, will_be_done, queue))
        return -ESHUTDOWN;
    r = mp__expired(deadline);
    if (r < 0)
        return r;
    /* Not for long: who is still to be done may come to wait here, and then
     * nobody tells us. */
    until = mp__now() + NOT_LONG;
    mp__wait_begin(flag);
    r = mp__shelf_sleep(queue, flag, MP__FLAG_SLEEPER,
                        deadline < until ? deadline : until);
    mp__wait_end();
    return r == -EINTR ? r : 0;
}

int
mp__shelf_wait(struct mp_queue *queue, mp_time deadline)
{
    struct mp__side *side = &queue->consumers;
    void *segment;
    int r = queue->mode & MP__QUEUE_RETURNS
                ? mp__shelf_settle_dead(queue, deadline)
                : 0;

    if (r != 0)
        return r < 0 ? r : 0;
    segment = side->shelf.waiting == 0
                  ? mp__shelf_shrink(&side->shelf, &side->mutex)
                  : NULL;
    if (segment) {
        mp__mutex_unlock(&side->mutex);
        mp__extent_free(segment, mp__me.index, MP__HAND_SEGMENT);
        mp__hands_settled();
        return mp__side_lock(queue, side, mp__queue_is_empty, deadline);
    }
    r = mp__queue_await(queue, deadline);
    if (r == -ESHUTDOWN)
        r = wait_for_done(queue, deadline);
    if (r < 0)
        mp__mutex_unlock(&side->mutex);
    return r < 0 ? r : 0;
}
