/* SPDX-License-Identifier: MIT */
/* Taking messages without copying them.
 *
 * The message stays in a slot of the consumers' shelf, which belongs to the
 * thread that took it, until it is done. A large one is in a block of its own
 * anyway; one that lies in the ring is copied, for its place there is needed,
 * into the slot or, if it does not fit, into a block that is made before. */
#include "queue/consume.h"

#include "base/error.h"
#include "region/heap.h"

#include <errno.h>

/* The size of the last message that needed a block made for it. */
static __thread size_t guess;

/* ---- Taking ---- */

/* Another block for the wish, in hand. */
static int
make_fresh(struct mp_queue *queue, struct mp__wish *wish, size_t size)
{
    if (wish->fresh)
        mp__block_free(wish->fresh);
    wish->room = 0;
    wish->fresh = size ? mp__block_alloc(size, 0) : NULL;
    if (wish->fresh == NULL)
        return size ? -ENOMEM : 0;
    mp__hand_set(mp__block_hand(wish->fresh), wish->fresh,
                 &queue->consumers.mutex);
    wish->room = size;
    return 0;
}

static int
take(struct mp_queue *queue, struct mp__choice *choice, struct mp__wish *wish,
     struct mp__taken *held)
{
    int r;

    for (;;) {
        r = mp__shelf_choose(queue, wish->deadline, choice);
        if (r < 0)
            return r;
        r = mp__shelf_take(queue, choice, wish, held);
        if (r == -ENOSPC) {
            guess = choice->size;
            r = make_fresh(queue, wish, choice->size);
            if (r < 0)
                return r;
        } else if (r != -EAGAIN) {
            return r;
        }
    }
}

static void
tell(mp_message *message, struct mp__slot *slot)
{
    *message = (mp_message){.data = mp__slot_data(slot),
                            .size = slot->size,
                            .priority = slot->priority,
                            .attempt = slot->attempts};
    message->handle[0] = (uintptr_t)slot;
    message->handle[1] = slot->serial;
}

int
mp__shelf_hold(struct mp_queue *queue, struct mp__wish *wish,
               mp_message *ret_message)
{
    struct mp__choice choice;
    struct mp__taken held;
    int r = 0;

    wish->hold = wish->whole = 1;
    if (!mp__queue_keeps(queue) && guess)
        r = make_fresh(queue, wish, guess);
    if (r == 0)
        r = take(queue, &choice, wish, &held);
    if (wish->fresh && !wish->fresh_used) {
        mp__block_free(wish->fresh);
        guess = 0;
    }
    mp__hands_settled();
    if (r < 0)
        return (int)mp__poll_after(queue, r);
    tell(ret_message, held.slot);
    mp__slot_settle(held.slot);
    return 0;
}

int
mp_queue_take(mp_queue *queue, mp_message *ret_message, mp_time deadline)
{
    struct mp__wish wish = {.deadline = deadline};
    int r = mp__queue_enter(queue, "mp_queue_take");

    if (r < 0)
        return r;
    if (ret_message == NULL)
        return mp__fail(-EINVAL, "mp_queue_take: ret_message is NULL");
    return mp__shelf_hold(queue, &wish, ret_message);
}

/* ---- Being done ---- */

struct mp__slot *
mp__message_slot(struct mp_queue *queue, const mp_message *message)
{
    struct mp__slot *slot = (void *)(uintptr_t)message->handle[0];

    if ((message->handle[0] & (MP__LINE - 1)) ||
        !mp__region_contains(slot, sizeof(*slot)) ||
        !mp__shelf_has(&queue->consumers.shelf, slot) ||
        slot->serial != message->handle[1])
        return NULL;
    return slot;
}

static int
finish(struct mp_queue *queue, const mp_message *message)
{
    struct mp__slot *slot = mp__message_slot(queue, message);
    uint64_t word = slot ? mp__load(&slot->holding.owner) : 0;

    if (slot == NULL || !mp__slot_is_ours(word))
        return -1;
    return mp__task_finish(queue, slot, word);
}

int
mp_message_done(mp_queue *queue, mp_message *message)
{
    int r = mp__queue_enter(queue, "mp_message_done");

    if (r < 0)
        return r;
    if (message == NULL)
        return mp__fail(-EINVAL, "mp_message_done: message is NULL");
    if (finish(queue, message) < 0)
        return mp__fail(-EINVAL, "mp_message_done: the message was not taken "
                                 "from this queue by this process, or is done "
                                 "already");
    memset(message, 0, sizeof(*message));
    return 0;
}
