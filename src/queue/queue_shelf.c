/* SPDX-License-Identifier: MIT */
/* The consumers' side of a queue that does more than its ring: it holds what
 * was taken until it is done, gives back what a dead consumer had taken, or has
 * an order of its own.
 *
 * Puts go through the ring as ever. Where the order is another, a get first
 * moves all there is from the ring into slots of the shelf, and then takes the
 * best. Each step is one store to the head, {count, place}:
 *
 *   drain   ring -> slot that waits     the place goes on, the count stays
 *   take    ring -> slot that is held   both go on
 *   hold    a waiting slot is held      the count goes on
 *   back    a held slot waits again     the count goes back by one
 *
 * so that the difference of the two counts is the number of messages in the
 * queue at every instant. What a death leaves half done the intent tells, and
 * repair (shelf.c) compares the head with what it was. */
#include "queue/consume.h"

#include "base/error.h"
#include "region/extents.h"
#include "region/heap.h"

#include <errno.h>

#define LOOK_PERIOD 1024u /* gets between two looks for the dead */

/* The slot that this thread had last: likely free, and in its cache. */
static __thread struct mp__slot *latest;

/* ---- Choosing ---- */

/* Leaves the mutex to get memory for slots, and takes it again. -EAGAIN: look
 * again; or an error and the mutex is not held. */
static int
grow(struct mp_queue *queue, mp_time deadline)
{
    struct mp__side *side = &queue->consumers;
    void *segment;
    int r;

    mp__mutex_unlock(&side->mutex);
    segment = mp__shelf_segment(&side->shelf, &side->mutex);
    if (segment == NULL)
        return -ENOMEM;
    r = mp__side_lock(queue, side, mp__queue_is_empty, deadline);
    if (r == 0 && mp__shelf_add(&side->shelf, segment) == 0) {
        mp__hands_settled();
        return 0;
    }
    if (r == 0) /* somebody else has added one meanwhile */
        mp__mutex_unlock(&side->mutex);
    mp__extent_free(segment, mp__me.index, MP__HAND_SEGMENT);
    mp__hands_settled();
    return r < 0 ? r
                 : mp__side_lock(queue, side, mp__queue_is_empty, deadline);
}

/* Writes into the slot what the record says of the message. */
static void
describe_in(struct mp_queue *queue, const struct mp__found *found,
            struct mp__slot *slot)
{
    slot->priority = 0;
    if (queue->prefix)
        memcpy(&slot->priority, found->record->body, sizeof(slot->priority));
    slot->serial = queue->consumers.shelf.serial;
    slot->size = found->size;
    slot->attempts = 0;
    slot->on_way = 0;
    mp__slot_set_block(slot, NULL);
}

/* Moves the first message of the ring into a slot, where it waits. */
static void
drain(struct mp_queue *queue, const struct mp__found *found,
      struct mp__slot *slot)
{
    struct mp__shelf *shelf = &queue->consumers.shelf;
    uint64_t head = mp__load_relaxed(&queue->head);

    describe_in(queue, found, slot);
    if (found->kind == MP__RECORD_REFERENCE)
        mp__slot_set_block(slot, mp__found_block(queue, found));
    else
        memcpy(slot->bytes, mp__found_body(queue, found), found->size);
    mp__head_intend(queue);
    mp__shelf_intend(shelf, slot, MP__SLOT_DRAIN);
    mp__store_release(&queue->head,
                      mp__position(mp__count(head), found->next_place));
    mp__compiler_barrier();
    mp__store_release(&slot->holding.owner, MP__SLOT_WAITING);
    mp__shelf_settled(shelf);
    shelf->serial++;
    mp__shelf_push(shelf, slot);
}

/* Moves all there is in the ring. 0; 1: look again; or an error and the mutex
 * is not held. */
static int
drain_all(struct mp_queue *queue, mp_time deadline)
{
    struct mp__side *side = &queue->consumers;

    side->other = mp__load_acquire(&queue->tail);
    while (mp__ring_has_some(queue)) {
        struct mp__found found;
        struct mp__slot *slot;
        int r;

        mp__ring_look(queue, &found);
        if (found.kind == MP__RECORD_JUMP) {
            r = mp__queue_next_segment(queue, deadline);
            return r < 0 ? r : 1;
        }
        slot = mp__shelf_take_free(&side->shelf, NULL);
        if (slot == NULL) {
            r = grow(queue, deadline);
            return r < 0 ? r : 1;
        }
        drain(queue, &found, slot);
    }
    return 0;
}

/* There is a message. 0: it is chosen; 1: look again; or an error and the mutex
 * is not held. */
static int
choose(struct mp_queue *queue, mp_time deadline, struct mp__choice *choice)
{
    struct mp__shelf *shelf = &queue->consumers.shelf;
    int r = queue->mode & MP__QUEUE_ORDERED ? drain_all(queue, deadline) : 0;

    if (r != 0)
        return r;
    choice->slot = mp__shelf_first(shelf);
    if (choice->slot) {
        choice->size = choice->slot->size;
        return 0;
    }
    mp__ring_look(queue, &choice->found);
    choice->size = choice->found.size;
    if (choice->found.kind != MP__RECORD_JUMP)
        return 0;
    r = mp__queue_next_segment(queue, deadline);
    return r < 0 ? r : 1;
}

/* Now and then, and when somebody was buried, before a message is chosen. */
static inline int
is_time_to_look(struct mp_queue *queue)
{
    return queue->burials_seen != mp__participant_burials() ||
           queue->returns_seen != mp__load_relaxed(&queue->returns) ||
           ++queue->gets % LOOK_PERIOD == 0;
}

int
mp__shelf_choose(struct mp_queue *queue, mp_time deadline,
                 struct mp__choice *choice)
{
    struct mp__side *side = &queue->consumers;
    int r, look;

    if (queue->mode & MP__QUEUE_JOINABLE)
        mp__task_note_taker(queue);
    r = mp__side_lock(queue, side, mp__queue_is_empty, deadline);
    if (r < 0)
        return r;
    look = is_time_to_look(queue) && queue->mode & MP__QUEUE_RETURNS;
    while (look && r >= 0) {
        r = mp__shelf_settle_dead(queue, deadline);
        look = r > 0;
    }
    if (r < 0)
        return r;
    do {
        if (mp__count(side->other) ==
            mp__count(mp__load_relaxed(&queue->head))) {
            r = mp__shelf_wait(queue, deadline);
            if (r == 0)
                r = 1;
        } else {
            r = choose(queue, deadline, choice);
        }
    } while (r > 0);
    return r;
}

/* ---- Taking ---- */

/* Intents for what follows, until the commit. */
static void
intend(struct mp_queue *queue, struct mp__slot *slot,
       enum mp__slot_change change, void *block)
{
    struct mp__side *side = &queue->consumers;

#ifndef MP__MUTATION_BURIED_UNREPAIRED
    mp__hands_under(&side->mutex);
#endif
    mp__head_intend(queue);
    mp__shelf_intend(&side->shelf, slot, change);
    if (block) {
        side->intent_block = block;
        mp__compiler_barrier();
        mp__hand_set(mp__block_hand(block), block, &side->mutex);
    }
}

static void
settled(struct mp_queue *queue)
{
    mp__compiler_barrier();
    queue->consumers.intent_block = NULL;
    mp__shelf_settled(&queue->consumers.shelf);
}

/* Takes the first waiting slot out, and holds it. */
static void
hold_waiting(struct mp_queue *queue, struct mp__slot *slot, int on_way)
{
    struct mp__shelf *shelf = &queue->consumers.shelf;
    uint32_t place = mp__place(mp__load_relaxed(&queue->head));

    intend(queue, slot, MP__SLOT_HOLD, NULL);
    slot->attempts = shelf->intent_attempts + 1;
    slot->on_way = (uint16_t)on_way;
    slot->got = ++shelf->got;
#ifndef MP__MUTATION_OWNER_AFTER_COMMIT
    mp__store_release(&slot->holding.owner, mp__me.id | MP__HOLDING_BUSY);
#endif
    mp__side_wake(&queue->producer_sleeps);
    mp__head_commit(queue, 1, place, slot->size);
#ifdef MP__MUTATION_OWNER_AFTER_COMMIT
    mp__store_release(&slot->holding.owner, mp__me.id | MP__HOLDING_BUSY);
#endif
    settled(queue);
    mp__shelf_pop(shelf);
}

/* Takes the first waiting slot out, and leaves it free: its block is in our
 * hand. */
static void *
drop_waiting(struct mp_queue *queue, struct mp__slot *slot)
{
    struct mp__shelf *shelf = &queue->consumers.shelf;
    uint32_t place = mp__place(mp__load_relaxed(&queue->head));
    void *block = mp__slot_block(slot);

    intend(queue, slot, MP__SLOT_DROP, block);
    mp__side_wake(&queue->producer_sleeps);
    mp__head_commit(queue, 1, place, slot->size);
    mp__compiler_barrier();
    mp__store_release(&slot->holding.owner, MP__SLOT_FREE);
    settled(queue);
    mp__shelf_pop(shelf);
    mp__shelf_give_free(shelf, slot);
    return block;
}

/* Copies a message that lies in its record into the slot, or into the fresh
 * block, which is the slot's then. */
static void
keep_record(struct mp_queue *queue, const struct mp__found *found,
            struct mp__wish *wish, struct mp__slot *slot)
{
    void *body = mp__found_body(queue, found);

    if (found->size <= MP__SLOT_INLINE) {
        memcpy(slot->bytes, body, found->size);
        return;
    }
    memcpy(wish->fresh, body, found->size);
    mp__slot_set_block(slot, wish->fresh);
    mp__hand_hold(&slot->holding);
    wish->fresh_used = 1;
}

/* Takes the first message of the ring into a slot that we hold. Returns its
 * block if that is in our hand. */
static void *
hold_record(struct mp_queue *queue, const struct mp__found *found,
            struct mp__wish *wish, struct mp__slot *slot)
{
    int keep = wish->whole || mp__queue_keeps(queue);
    int reference = found->kind == MP__RECORD_REFERENCE;
    void *block = reference ? mp__found_block(queue, found) : NULL;

    describe_in(queue, found, slot);
    slot->attempts = 1;
    slot->on_way = (uint16_t)wish->on_way;
    slot->got = ++queue->consumers.shelf.got;
    if (reference && keep) {
        mp__slot_set_block(slot, block);
        block = NULL;
    } else if (!reference && keep) {
        keep_record(queue, found, wish, slot);
    }
    if (!reference && wish->buf)
        memcpy(wish->buf, mp__found_body(queue, found), found->size);
    intend(queue, slot, MP__SLOT_TAKE, block);
    mp__store_release(&slot->holding.owner, mp__me.id | MP__HOLDING_BUSY);
    mp__side_wake(&queue->producer_sleeps);
    mp__head_commit(queue, 1, found->next_place, found->size);
    settled(queue);
    queue->consumers.shelf.serial++;
    if (wish->fresh_used) {
        mp__hand_clear(mp__block_hand(wish->fresh));
        mp__hand_hold(NULL);
    }
    return block;
}

/* Whether the message is liked. */
static int
ask(struct mp_queue *queue, const struct mp__choice *choice,
    const struct mp__wish *wish)
{
    const struct mp__found *found = &choice->found;
    const void *data;

    if (!wish->look)
        return 0;
    if (choice->slot)
        data = mp__slot_data(choice->slot);
    else if (found->kind == MP__RECORD_REFERENCE)
        data = mp__found_block(queue, found);
    else
        data = mp__found_body(queue, found);
    return wish->look(data, choice->size, wish->look_arg);
}

/* Takes a message that waits on the shelf. 0, or an error and the mutex is not
 * held. */
static int
take_waiting(struct mp_queue *queue, const struct mp__choice *choice,
             const struct mp__wish *wish, struct mp__taken *held)
{
    struct mp__slot *slot = choice->slot;
    int r = ask(queue, choice, wish);

    if (r < 0) {
        mp__mutex_unlock(&queue->consumers.mutex);
        return r;
    }
    if (wish->buf && !mp__slot_block(slot))
        memcpy(wish->buf, slot->bytes, slot->size);
    if (wish->hold) {
        hold_waiting(queue, slot, wish->on_way);
        held->slot = slot;
    } else {
        held->block = drop_waiting(queue, slot);
    }
    return 0;
}

/* Takes the first message of the ring; it needs a slot. 0, or an error and the
 * mutex is not held. */
static int
take_record(struct mp_queue *queue, const struct mp__choice *choice,
            struct mp__wish *wish, struct mp__taken *held)
{
    struct mp__shelf *shelf = &queue->consumers.shelf;
    struct mp__slot *slot = mp__shelf_take_free(shelf, latest);
    int r;

    if (slot == NULL) {
        r = grow(queue, wish->deadline);
        if (r == 0)
            mp__mutex_unlock(&queue->consumers.mutex);
        return r < 0 ? r : -EAGAIN;
    }
    r = ask(queue, choice, wish);
    if (r < 0) {
        mp__shelf_give_free(shelf, slot);
        mp__mutex_unlock(&queue->consumers.mutex);
        return r;
    }
    held->block = hold_record(queue, &choice->found, wish, slot);
    held->slot = latest = slot;
    return 0;
}

/* Whether a fresh block is needed for it that is not there. */
static int
lacks_room(struct mp_queue *queue, const struct mp__choice *choice,
           const struct mp__wish *wish)
{
    return !choice->slot && choice->found.kind == MP__RECORD_MESSAGE &&
           (wish->whole || mp__queue_keeps(queue)) &&
           choice->size > MP__SLOT_INLINE && choice->size > wish->room;
}

int
mp__shelf_take(struct mp_queue *queue, const struct mp__choice *choice,
               struct mp__wish *wish, struct mp__taken *held)
{
    int r;

    held->slot = NULL;
    held->block = NULL;
    if (lacks_room(queue, choice, wish)) {
        mp__mutex_unlock(&queue->consumers.mutex);
        return -ENOSPC;
    }
    r = choice->slot ? take_waiting(queue, choice, wish, held)
                     : take_record(queue, choice, wish, held);
    if (r < 0)
        return r;
    mp__mutex_unlock(&queue->consumers.mutex);
    mp__hands_settled();
    if (held->slot && queue->mode & MP__QUEUE_JOINABLE)
        mp__task_note_held(queue, held->slot);
    return 0;
}

/* ---- Getting ---- */

/* Copies what lies in a block, and lets go of what is not kept. */
static void
finish_get(struct mp__taken *held, void *buf, size_t size)
{
    void *block = held->block;

    if (held->slot && mp__slot_block(held->slot))
        block = mp__slot_block(held->slot);
    if (block && buf)
        memcpy(buf, block, size);
    if (held->block)
        mp__block_free(held->block);
    if (held->slot)
        mp__slot_settle(held->slot);
}

/* Nothing is to be held: it need not go through a slot. */
static ssize_t
take_from_ring(struct mp_queue *queue, const struct mp__choice *choice,
               const struct mp__wish *wish)
{
    int r = ask(queue, choice, wish);

    if (r == 0)
        return mp__queue_take_found(queue, &choice->found, wish->buf);
    mp__mutex_unlock(&queue->consumers.mutex);
    return r;
}

/* `function` tells in the error's text who has no room. */
static ssize_t
get(struct mp_queue *queue, struct mp__wish *wish, size_t cap,
    const char *function)
{
    struct mp__choice choice;
    struct mp__taken held;
    int r;

    wish->hold = queue->mode & MP__QUEUE_JOINABLE;
    do {
        r = mp__shelf_choose(queue, wish->deadline, &choice);
        if (r < 0)
            return r;
        if (choice.size > cap)
            return mp__queue_refuse(queue, choice.size, cap, function);
        if (!wish->hold && !choice.slot)
            return take_from_ring(queue, &choice, wish);
        r = mp__shelf_take(queue, &choice, wish, &held);
    } while (r == -EAGAIN);
    if (r < 0)
        return r;
    finish_get(&held, wish->buf, choice.size);
    return (ssize_t)choice.size;
}

ssize_t
mp__shelf_get(struct mp_queue *queue, void *buf, size_t cap, mp_time deadline,
              const char *function)
{
    struct mp__wish wish = {.buf = buf, .deadline = deadline};

    return get(queue, &wish, cap, function);
}

int
mp__shelf_get_look(struct mp_queue *queue, mp__look_fn *look, void *arg,
                   mp_time deadline)
{
    struct mp__wish wish = {
        .look = look, .look_arg = arg, .deadline = deadline};
    ssize_t r = get(queue, &wish, SIZE_MAX, NULL);

    return r < 0 ? (int)r : 0;
}

ssize_t
mp__shelf_next_size(struct mp_queue *queue, mp_time deadline)
{
    struct mp__choice choice;
    int r = mp__shelf_choose(queue, deadline, &choice);

    if (r < 0)
        return r;
    mp__mutex_unlock(&queue->consumers.mutex);
    return (ssize_t)choice.size;
}

/* For the end: what is discarded is not held. */
int
mp__shelf_discard(struct mp_queue *queue)
{
    struct mp__wish wish = {.deadline = MP_NOW};
    struct mp__choice choice;
    struct mp__taken held;
    void *block;
    int r;

    do {
        r = mp__shelf_choose(queue, MP_NOW, &choice);
        if (r < 0)
            return r;
        r = mp__shelf_take(queue, &choice, &wish, &held);
    } while (r == -EAGAIN);
    if (r < 0)
        return r;
    if (held.block)
        mp__block_free(held.block);
    if (held.slot) {
        mp__slot_release(held.slot, mp__me.id | MP__HOLDING_BUSY, &block);
        mp__slot_discard(block);
    }
    return 0;
}
