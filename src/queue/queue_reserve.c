/* SPDX-License-Identifier: MIT */
/* Reservations: messages that are written where they will lie.
 *
 * A reservation is a block in a slot of the producers' shelf, owned by the
 * thread that made it. Its commit places a reference to the block in the ring;
 * the same commit store that puts the message takes it from the slot, and
 * repair frees the slot of a producer that died behind it. Those who die with
 * reservations leave them to the reaper: queue_tasks.c. */
#include "queue/produce.h"

#include "base/error.h"
#include "region/extents.h"
#include "region/heap.h"

#include <errno.h>

/* The slot that this thread had last. */
static __thread struct mp__slot *latest;

/* ---- Reserving ---- */

/* Leaves the mutex to get memory for slots, and takes it again. 0, or an error
 * and the mutex is not held. */
static int
grow(struct mp_queue *queue, size_t size, mp_time deadline)
{
    struct mp__side *side = &queue->producers;
    void *segment;
    int r;

    mp__mutex_unlock(&side->mutex);
    segment = mp__shelf_segment(&side->shelf, &side->mutex);
    if (segment == NULL)
        return -ENOMEM;
    r = mp__queue_await_room(queue, size, deadline);
    if (r == 0 && mp__shelf_add(&side->shelf, segment) == 0)
        return 0;
    if (r == 0) /* somebody else has added one meanwhile */
        mp__mutex_unlock(&side->mutex);
    mp__extent_free(segment, mp__me.index, MP__HAND_SEGMENT);
    return r < 0 ? r : mp__queue_await_room(queue, size, deadline);
}

/* Waits for room and takes the mutex, with a slot that is free. */
static int
await_slot(struct mp_queue *queue, size_t size, mp_time deadline,
           struct mp__slot **ret_slot)
{
    int r = mp__queue_await_room(queue, size, deadline);

    while (r == 0) {
        *ret_slot = mp__shelf_take_free(&queue->producers.shelf, latest);
        if (*ret_slot)
            return 0;
        r = grow(queue, size, deadline);
    }
    return r;
}

/* Puts a block that is in hand into the slot. */
static void
fill_slot(struct mp__slot *slot, void *block, size_t size)
{
    slot->size = size;
    slot->priority = 0;
    slot->on_way = 0;
    mp__slot_set_block(slot, block);
    mp__hand_hold(&slot->holding);
    mp__store_release(&slot->holding.owner, mp__me.id);
    mp__hand_clear(mp__block_hand(block));
    mp__hand_hold(NULL);
}

int
mp_queue_reserve(mp_queue *queue, size_t size, void **ret_data,
                 mp_time deadline)
{
    static const char function[] = "mp_queue_reserve";
    struct mp__slot *slot = NULL;
    void *block;
    int r = mp__queue_enter(queue, function);

    if (r < 0)
        return r;
    if (ret_data == NULL)
        return mp__fail(-EINVAL, "%s: ret_data is NULL", function);
    r = mp__queue_check_size(queue, size, function);
    if (r < 0)
        return r;
    block = mp__block_alloc(size, 0);
    if (block == NULL)
        return -ENOMEM;
    mp__hand_set(mp__block_hand(block), block, &queue->producers.mutex);
    r = await_slot(queue, size, deadline, &slot);
    if (r == 0) {
        fill_slot(slot, block, size);
        latest = slot;
        mp__mutex_unlock(&queue->producers.mutex);
        *ret_data = block;
    } else {
        mp__block_free(block);
    }
    mp__hands_settled();
    return r;
}

/* ---- Committing ---- */

struct search {
    const void *data;
    struct mp__slot *found;
};

static int
look_at_slot(struct mp__slot *slot, void *arg)
{
    uint64_t word = mp__load(&slot->holding.owner);
    struct search *search = arg;

    if (mp__slot_block(slot) != search->data || !mp__slot_is_ours(word) ||
        !mp__slot_take_over(slot, word))
        return 0;
    /* It may have been used anew by the same thread since. */
    if (mp__slot_block(slot) != search->data) {
        mp__slot_settle(slot);
        return 0;
    }
    search->found = slot;
    return 1;
}

/* The reservation of that block, which is this thread's then, and BUSY. */
static int
find(struct mp_queue *queue, const void *data, const char *function,
     struct mp__slot **ret_slot)
{
    struct mp__shelf *shelf = &queue->producers.shelf;
    struct search search = {.data = data};

    /* The one made last, as a rule. */
    if (data && mp__shelf_has(shelf, latest))
        look_at_slot(latest, &search);
    if (data && search.found == NULL)
        mp__shelf_each_held(shelf, look_at_slot, &search);
    if (search.found == NULL)
        return mp__fail(-EINVAL,
                        "%s: %p is not reserved in this queue by this process",
                        function, data);
    *ret_slot = search.found;
    return 0;
}

static void
give_back(struct mp__slot *slot)
{
    void *block;

    mp__slot_release(slot, mp__me.id | MP__HOLDING_BUSY, &block);
    mp__slot_discard(block);
}

static int
commit(struct mp_queue *queue, void *data, int64_t priority,
       const char *function)
{
    struct mp__slot *slot = NULL;
    int r = find(queue, data, function, &slot);

    if (r < 0)
        return r;
    r = mp__queue_put_slot(queue, slot, priority);
    if (r == -ESHUTDOWN)
        give_back(slot);
    else if (r < 0)
        mp__slot_settle(slot);
    return r;
}

int
mp_queue_commit(mp_queue *queue, void *data)
{
    int r = mp__queue_enter(queue, "mp_queue_commit");

    return r < 0 ? r : commit(queue, data, 0, "mp_queue_commit");
}

int
mp_queue_commit_priority(mp_queue *queue, void *data, int64_t priority)
{
    static const char function[] = "mp_queue_commit_priority";
    int r = mp__queue_enter(queue, function);

    if (r < 0 || (r = mp__queue_check_priority(queue, function)) < 0)
        return r;
    return commit(queue, data, priority, function);
}

int
mp_queue_cancel(mp_queue *queue, void *data)
{
    struct mp__slot *slot = NULL;
    int r = mp__queue_enter(queue, "mp_queue_cancel");

    if (r < 0 || (r = find(queue, data, "mp_queue_cancel", &slot)) < 0)
        return r;
    give_back(slot);
    return 0;
}
