/* SPDX-License-Identifier: MIT */
/* The producers' side of a queue.
 *
 * A put holds the producers' mutex while it places its message behind the
 * tail, where no consumer looks, and commits by storing the new tail. A message
 * of more than 8 KiB is copied into a block of its own before, outside of the
 * mutex, and only a reference is placed.
 *
 * A block, or a new segment, is in the producer's hand until the commit, and
 * the queue's after. Which of the two a dead producer had reached, the tail
 * tells: repair compares it with the tail that the producer had noted, and
 * empties the hand if the commit was done. If not, the reaper frees what is in
 * the hand. */
#include "base/error.h"
#include "bell/bell.h"
#include "os/clock.h"
#include "queue/produce.h"
#include "region/extents.h"
#include "region/heap.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

#define PATIENCE 1000000 /* ns: before those who sleep are woken again */

/* ---- Repair ---- */

/* The slot's own queue may have given it to another meanwhile: only that of the
 * dead is freed. */
static void
repair_slot(struct mp__side *side, int committed)
{
    struct mp__slot *slot = side->intent_slot;
    uint64_t owner = side->intent_owner;

    if (slot && committed)
        mp__cas(&slot->holding.owner, &owner, MP__SLOT_FREE);
    mp__compiler_barrier();
    side->intent_slot = NULL;
}

static void
repair(struct mp__mutex *mutex)
{
    struct mp__side *side = MP__CONTAINER(mutex, struct mp__side, mutex);
    struct mp_queue *queue = MP__CONTAINER(side, struct mp_queue, producers);
    int committed = mp__load(&queue->tail) != side->intent_position;
    void *block = side->intent_block;
    struct mp__segment *segment = side->intent_segment;

    if (block && committed)
        mp__hands_clear_of(side->intent_part, block);
    if (segment && committed) {
        side->segment = segment;
        mp__hand_clear_of(side->intent_part, MP__HAND_SEGMENT, segment);
    }
    repair_slot(side, committed);
    mp__compiler_barrier();
    side->intent_block = NULL;
    side->intent_segment = NULL;
    mp__shelf_repair(&side->shelf, committed);
#ifndef MP__MUTATION_NO_REPAIR_WAKE
    mp__store(&queue->consumer_sleeps, 0);
    mp__futex_wake(&queue->consumer_sleeps, 1);
#ifndef MP__MUTATION_REPAIR_PAGES_ARMED
    mp__poll_wake_all(queue);
#else
    mp__poll_wake(queue);
#endif
#endif
}

__attribute__((constructor)) static void
register_repair(void)
{
    mp__mutex_repair_with(MP__MUTEX_QUEUE_TAIL, repair);
}

/* ---- Placing ---- */

/* Ends the current segment where `tail` is. */
static void
write_jump(struct mp__segment *segment, uint32_t place,
           struct mp__segment *next)
{
    uint32_t index = mp__ring_index(segment, place);

    segment->next = next;
    if (index >= mp__ring_limit(segment))
        index = 0; /* consumers skip the header's room by themselves */
    mp__ring_record(segment, index)->head =
        mp__record_head(MP__RECORD_JUMP, 0);
}

static void
note_intent(struct mp_queue *queue, struct mp__placing *m, int grow)
{
    struct mp__side *side = &queue->producers;

    side->intent_position = mp__load_relaxed(&queue->tail);
    side->intent_part = mp__me.index;
    side->intent_owner = mp__me.id | MP__HOLDING_BUSY;
    /* Our burial has to wait until it is known whose the message is. */
    if (m->slot)
        mp__hands_under(&side->mutex);
    mp__compiler_barrier();
    side->intent_slot = m->slot;
    side->intent_block = m->slot ? NULL : m->block;
    side->intent_segment = grow ? m->spare : NULL;
    mp__compiler_barrier();
}

/* After the commit: what was in our hands is the queue's. */
static void
settle_intent(struct mp_queue *queue, struct mp__placing *m, int grow)
{
    struct mp__side *side = &queue->producers;

    mp__compiler_barrier();
    if (m->slot)
        mp__store_release(&m->slot->holding.owner, MP__SLOT_FREE);
    else if (m->block)
        mp__block_keep(m->block);
    if (grow) {
        side->segment = m->spare;
        mp__hand_clear(MP__HAND_SEGMENT);
        m->spare = NULL;
    }
    mp__compiler_barrier();
    side->intent_slot = NULL;
    side->intent_block = NULL;
    side->intent_segment = NULL;
}

static void
write_record(struct mp_queue *queue, struct mp__record *record,
             const struct mp__placing *m)
{
    unsigned char *body;

    if (m->block == NULL) {
        mp__write_message(queue, record, m->data, m->size, m->priority);
        return;
    }
    body = mp__write_priority(queue, record, m->priority);
    record->head = mp__record_head(MP__RECORD_REFERENCE, m->size);
    memcpy(body, &m->block, sizeof(m->block));
}

/* Places the message in the current segment. */
static void
place_here(struct mp_queue *queue, struct mp__placing *m,
           struct mp__room *room)
{
    struct mp__segment *segment = queue->producers.segment;
    uint32_t place = mp__place(mp__load_relaxed(&queue->tail));
    uint32_t end = place + room->pad + m->granules;

    if (room->pad)
        mp__write_pad(segment, place);
    write_record(queue, mp__ring_record(segment, room->index), m);
    mp__tail_commit(queue, 1, end, m->size);
}

/* Goes on to the spare segment and places the message there. */
static void
place_in_spare(struct mp_queue *queue, struct mp__placing *m)
{
    struct mp__segment *segment = queue->producers.segment;
    uint32_t place = mp__place(mp__load_relaxed(&queue->tail));
    uint32_t index = mp__ring_index(segment, place);

    m->spare->base = place + 1;
    if (index >= mp__ring_limit(segment))
        m->spare->base += segment->granules - index;
    write_jump(segment, place, m->spare);
    write_record(queue, mp__ring_record(m->spare, 0), m);
    mp__tail_commit(queue, 1, m->spare->base + m->granules, m->size);
}

/* The mutex is held, and released on every way out. */
static int
place_anyhow(struct mp_queue *queue, struct mp__placing *m, mp_time deadline)
{
    struct mp__room room;
    int r = mp__queue_wait_for_room(queue, m, deadline, &room);

    if (r < 0)
        return r;
#ifndef MP__MUTATION_WAKE_AFTER_COMMIT
    mp__side_wake(&queue->consumer_sleeps);
#endif
    if (r == 1 && m->block == NULL && m->slot == NULL) {
        place_here(queue, m, &room);
    } else {
        note_intent(queue, m, r == 2);
        if (r == 2)
            place_in_spare(queue, m);
        else
            place_here(queue, m, &room);
        settle_intent(queue, m, r == 2);
    }
#ifdef MP__MUTATION_WAKE_AFTER_COMMIT
    mp__side_wake(&queue->consumer_sleeps);
#endif
    mp__mutex_unlock(&queue->producers.mutex);
    return 0;
}

/* What is so nearly always: there is room, and all of it before the end of the
 * lap. The mutex is held, and stays so unless this returns 1. */
static inline int
place_quickly(struct mp_queue *queue, const void *data, size_t size,
              int64_t priority)
{
    struct mp__side *side = &queue->producers;
    uint64_t tail = mp__load_relaxed(&queue->tail);
    uint32_t granules = mp__record_granules(queue->prefix + size);
    struct mp__room room;

    if (mp__load_relaxed(&queue->closing) ||
        mp__over_limit(queue, tail, size) ||
        !mp__find_room(side->segment, tail, side->other, granules, &room) ||
        room.pad)
        return 0;
#ifndef MP__MUTATION_WAKE_AFTER_COMMIT
    mp__side_wake(&queue->consumer_sleeps);
#endif
#ifdef MP__MUTATION_COMMIT_EARLY
    mp__tail_commit(queue, 1, mp__place(tail) + granules, size);
#endif
    mp__write_message(queue, mp__ring_record(side->segment, room.index), data,
                      size, priority);
#ifndef MP__MUTATION_COMMIT_EARLY
    mp__tail_commit(queue, 1, mp__place(tail) + granules, size);
#endif
#ifdef MP__MUTATION_WAKE_AFTER_COMMIT
    mp__side_wake(&queue->consumer_sleeps);
#endif
    mp__mutex_unlock(&side->mutex);
    return 1;
}

/* Frees what a message has in hand yet. */
static void
drop(struct mp__placing *m, int r)
{
    if (m->block && !m->slot && r < 0)
        mp__block_free(m->block);
    if (m->spare) /* another producer made room meanwhile */
        mp__extent_free(m->spare, mp__me.index, MP__HAND_SEGMENT);
    mp__hands_settled();
}

static int
place(struct mp_queue *queue, struct mp__placing *m, mp_time deadline)
{
    int r =
        mp__side_lock(queue, &queue->producers, mp__queue_is_full, deadline);

    if (r == 0)
        r = place_anyhow(queue, m, deadline);
    drop(m, r);
    return r;
}

/* A message that lies in its record; the mutex is held. */
MP__COLD static int
place_slowly(struct mp_queue *queue, const void *data, size_t size,
             int64_t priority, mp_time deadline)
{
    struct mp__placing m = {.data = data, .size = size, .priority = priority};
    int r;

    m.granules = mp__record_granules(queue->prefix + size);
    r = place_anyhow(queue, &m, deadline);
    drop(&m, r);
    return r;
}

/* ---- The public face ---- */

/* Copies a large message into a block of its own, in hand. */
static int
make_block(struct mp_queue *queue, struct mp__placing *m)
{
    m->block = mp__block_alloc(m->size, 0);
    if (m->block == NULL)
        return -ENOMEM;
    mp__block_fill(m->block, m->data, m->size);
    mp__hand_set(mp__block_hand(m->block), m->block, &queue->producers.mutex);
    m->granules = mp__record_granules(queue->prefix + sizeof(m->block));
    return 0;
}

static int
put_large(struct mp_queue *queue, const void *data, size_t size,
          int64_t priority, mp_time deadline)
{
    struct mp__placing m = {.data = data, .size = size, .priority = priority};
    int r;

    /* A copy of gigabytes is not made only to find the queue full. */
    if (deadline == MP_NOW && mp__queue_is_full(queue))
        return mp__load(&queue->closing) ? -ESHUTDOWN : -EAGAIN;
    r = make_block(queue, &m);
    if (r < 0)
        return r;
    return place(queue, &m, deadline);
}

MP__COLD static int
refuse_size(const struct mp_queue *queue, size_t size, const char *function)
{
    return mp__fail(-EMSGSIZE,
                    "%s: a message of %zu bytes never fits into max_bytes = "
                    "%llu",
                    function, size, (unsigned long long)queue->max_bytes);
}

int
mp__queue_check_size(const struct mp_queue *queue, size_t size,
                     const char *function)
{
    if (MP__LIKELY(queue->max_bytes == 0 || size <= queue->max_bytes))
        return 0;
    return refuse_size(queue, size, function);
}

static inline int
put(struct mp_queue *queue, const void *data, size_t size, int64_t priority,
    mp_time deadline, const char *function)
{
    int r;

    if (MP__UNLIKELY(data == NULL && size > 0))
        return mp__fail(-EINVAL, "%s: data is NULL, size is %zu", function,
                        size);
    r = mp__queue_check_size(queue, size, function);
    if (MP__UNLIKELY(r < 0))
        return r;
    if (MP__UNLIKELY(size > mp__inline_most(queue)))
        return put_large(queue, data, size, priority, deadline);
    r = mp__side_lock(queue, &queue->producers, mp__queue_is_full, deadline);
    if (MP__UNLIKELY(r < 0))
        return r;
    if (MP__LIKELY(place_quickly(queue, data, size, priority)))
        return 0;
    return place_slowly(queue, data, size, priority, deadline);
}

int
mp_queue_put(mp_queue *queue, const void *data, size_t size, mp_time deadline)
{
    int r = mp__queue_enter(queue, "mp_queue_put");

    if (MP__UNLIKELY(r < 0))
        return r == -EREMOTE
                   ? (int)mp__queue_far_put(queue, data, size, deadline)
                   : r;
    return put(queue, data, size, 0, deadline, "mp_queue_put");
}

int
mp__queue_check_priority(const struct mp_queue *queue, const char *function)
{
    if (queue->order == MP_QUEUE_PRIORITY)
        return 0;
    return mp__fail(-EINVAL,
                    "%s: the queue is not by priority "
                    "(MP_QUEUE_ATTR(.order = MP_QUEUE_PRIORITY))",
                    function);
}

int
mp_queue_put_priority(mp_queue *queue, const void *data, size_t size,
                      int64_t priority, mp_time deadline)
{
    static const char function[] = "mp_queue_put_priority";
    int r = mp__queue_enter(queue, function);

    if (r < 0)
        return (int)MP__FAR(r, queue, deadline, "yq", data ? data : "", size,
                            priority);
    r = mp__queue_check_priority(queue, function);
    return r < 0 ? r : put(queue, data, size, priority, deadline, function);
}

int
mp__queue_put_pointer(mp_queue *queue, void *p, mp_time deadline)
{
    return mp_queue_put(queue, &p, sizeof(p), deadline);
}

/* ---- For reservations ---- */

static int
put_slot(struct mp_queue *queue, struct mp__slot *slot, int64_t priority,
         mp_time deadline)
{
    struct mp__placing m = {.data = slot->bytes,
                            .size = slot->size,
                            .block = mp__slot_block(slot),
                            .slot = slot,
                            .priority = priority};

    m.granules = mp__record_granules(queue->prefix +
                                     (m.block ? sizeof(m.block) : m.size));
    return place(queue, &m, deadline);
}

int
mp__queue_put_slot(struct mp_queue *queue, struct mp__slot *slot,
                   int64_t priority)
{
    int r = put_slot(queue, slot, priority, MP_NOW);

    if (r != -EAGAIN && r != -EINTR)
        return r;
    mp__add(&queue->committing, 1);
    do {
        mp__side_wake(&queue->producer_sleeps);
        r = put_slot(queue, slot, priority, mp__now() + PATIENCE);
    } while (r == -EINTR || r == -ETIMEDOUT);
    mp__sub(&queue->committing, 1);
    return r;
}
