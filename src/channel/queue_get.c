/* SPDX-License-Identifier: MIT */
/* The consumers' side of a queue.
 *
 * A get holds the consumers' mutex while it copies the first message out, and
 * commits by storing the new head: until then the message is there for the
 * next consumer, after it the producers may write over it. A message by
 * reference passes into the consumer's hand with the commit, and is copied out
 * and freed after the mutex was released; a segment that is left behind goes
 * the same way. */
#include "base/error.h"
#include "channel/ring.h"
#include "os/clock.h"
#include "region/extents.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

/* The first message, and where the head will be after it. */
struct found {
    struct mp__record *record;
    uint32_t next_place;
    size_t size;
    enum mp__record_kind kind;
};

/* ---- Repair ---- */

static void
repair(struct mp__mutex *mutex)
{
    struct mp__side *side = MP__CONTAINER(mutex, struct mp__side, mutex);
    struct mp_queue *queue = MP__CONTAINER(side, struct mp_queue, consumers);
    int committed = mp__load(&queue->head) != side->intent_position;
    void *block = side->intent_block;
    struct mp__segment *segment = side->intent_segment;

    if (block && !committed)
        mp__hands_clear_of(side->intent_part, block);
    if (segment && committed)
        side->segment = segment->next;
    if (segment && !committed)
        mp__hand_clear_of(side->intent_part, MP__HAND_SEGMENT, segment);
    if (mp__load(&side->intent_claim) && !committed)
        mp__store(&mp__load(&side->intent_claim)->pointer, 0);
    mp__compiler_barrier();
    side->intent_block = NULL;
    side->intent_segment = NULL;
    mp__store(&side->intent_claim, NULL);
#ifndef MP__MUTATION_NO_REPAIR_WAKE
    mp__store(&queue->producer_sleeps, 0);
    mp__futex_wake(&queue->producer_sleeps, 1);
#endif
}

__attribute__((constructor)) static void
register_repair(void)
{
    mp__mutex_repair_with(MP__MUTEX_QUEUE_HEAD, repair);
}

/* ---- Waiting ---- */

/* Holding the mutex, waits for a message. 0, or an error and the mutex is not
 * held. */
static int
wait_for_message(struct mp_queue *queue, mp_time deadline)
{
    struct mp__side *side = &queue->consumers;
    int r = 0;

    for (;;) {
        uint64_t head = mp__load_relaxed(&queue->head), tail;
        uint32_t closing;

        /* The cache may be old, but then it is not before the head. */
        if (MP__LIKELY(mp__count(side->other) != mp__count(head)))
            return 0;
        closing = mp__load_acquire(&queue->closing);
        tail = mp__load_acquire(&queue->tail);
        if (tail != side->other) {
            side->other = tail;
            continue;
        }
        if (closing == MP__QUEUE_CLOSED) {
            r = -ESHUTDOWN;
        } else if (closing == MP__QUEUE_CLOSING) {
            /* Puts that began before may be under way. */
            mp__mutex_unlock(&side->mutex);
            mp__queue_finish_close(queue);
            mp__mutex_lock(&side->mutex);
            continue;
        } else {
            r = mp__side_wait(queue, side, deadline, tail);
        }
        if (r < 0) {
            mp__mutex_unlock(&side->mutex);
            return r;
        }
    }
}

/* ---- Finding ---- */

static inline void
look(struct mp_queue *queue, struct found *found)
{
    struct mp__segment *segment = queue->consumers.segment;
    uint32_t place = mp__place(mp__load_relaxed(&queue->head));
    uint32_t index = mp__ring_index(segment, place);
    struct mp__record *record = mp__ring_record(segment, index);

    if (index >= mp__ring_limit(segment) ||
        (record->head & 0xff) == MP__RECORD_PAD) {
        place += segment->granules - index;
        record = mp__ring_record(segment, 0);
    }
    found->record = record;
    found->kind = (enum mp__record_kind)(record->head & 0xff);
    found->size = record->head >> 8;
    found->next_place =
        place + mp__record_granules(found->kind == MP__RECORD_REFERENCE
                                        ? sizeof(void *)
                                        : found->size);
}

/* Goes on to the next segment; the old one is in our hand then. */
static struct mp__segment *
leave_segment(struct mp_queue *queue)
{
    struct mp__side *side = &queue->consumers;
    struct mp__segment *old = side->segment;
    uint64_t head = mp__load_relaxed(&queue->head);

    side->intent_position = head;
    side->intent_part = mp__me.index;
    mp__compiler_barrier();
    side->intent_segment = old;
    mp__compiler_barrier();
    mp__hand_set(MP__HAND_SEGMENT, old, &side->mutex);
    mp__store_release(&queue->head,
                      mp__position(mp__count(head), old->next->base));
    mp__compiler_barrier();
    side->segment = old->next;
    mp__compiler_barrier();
    side->intent_segment = NULL;
    return old;
}

/* Holding the mutex, finds the first message. 0, or an error and the mutex is
 * not held. */
static int
find(struct mp_queue *queue, mp_time deadline, struct found *found)
{
    struct mp__side *side = &queue->consumers;

    for (;;) {
        struct mp__segment *old;
        int r = wait_for_message(queue, deadline);

        if (r < 0)
            return r;
        look(queue, found);
        if (MP__LIKELY(found->kind != MP__RECORD_JUMP))
            return 0;
        old = leave_segment(queue);
        mp__mutex_unlock(&side->mutex);
        mp__extent_free(old, mp__me.index, MP__HAND_SEGMENT);
        mp__hands_settled();
        r = mp__side_lock(queue, side, mp__queue_is_empty, deadline);
        if (r < 0)
            return r;
    }
}

static int
lock_and_find(struct mp_queue *queue, mp_time deadline, struct found *found)
{
    int r =
        mp__side_lock(queue, &queue->consumers, mp__queue_is_empty, deadline);

    return r < 0 ? r : find(queue, deadline, found);
}

/* ---- Taking ---- */

static inline void
commit(struct mp_queue *queue, const struct found *found)
{
    uint32_t count = mp__count(mp__load_relaxed(&queue->head)) + 1;

    if (queue->max_bytes)
        mp__side_add_bytes(&queue->consumers, count, found->size);
    /* release: the producers may write over the message from here on. */
    mp__store_release(&queue->head, mp__position(count, found->next_place));
}

static inline ssize_t
take_inline(struct mp_queue *queue, const struct found *found, void *buf)
{
    if (buf && found->size)
        memcpy(buf, found->record->body, found->size);
    mp__side_wake(&queue->producer_sleeps);
    commit(queue, found);
    mp__mutex_unlock(&queue->consumers.mutex);
    return (ssize_t)found->size;
}

static ssize_t
take_reference(struct mp_queue *queue, const struct found *found, void *buf)
{
    struct mp__side *side = &queue->consumers;
    void *block;

    memcpy(&block, found->record->body, sizeof(block));
    side->intent_position = mp__load_relaxed(&queue->head);
    side->intent_part = mp__me.index;
    mp__compiler_barrier();
    side->intent_block = block;
    mp__compiler_barrier();
    mp__hand_set(mp__block_hand(block), block, &side->mutex);
    mp__side_wake(&queue->producer_sleeps);
    commit(queue, found);
    mp__compiler_barrier();
    side->intent_block = NULL;
    mp__mutex_unlock(&side->mutex);
    if (buf)
        memcpy(buf, block, found->size);
    mp__block_free(block);
    mp__hands_settled();
    return (ssize_t)found->size;
}

/* What is so nearly always: a message is there, and lies in the ring. The
 * mutex is held, and stays so unless this returns a size. */
static inline ssize_t
take_quickly(struct mp_queue *queue, void *buf, size_t cap)
{
    uint64_t head = mp__load_relaxed(&queue->head);
    struct found found;

    if (mp__count(queue->consumers.other) == mp__count(head))
        return -1;
    look(queue, &found);
    if (found.kind != MP__RECORD_MESSAGE || found.size > cap)
        return -1;
    return take_inline(queue, &found, buf);
}

/* ---- The public face ---- */

ssize_t
mp_queue_get(mp_queue *queue, void *buf, size_t cap, mp_time deadline)
{
    struct found found;
    ssize_t size;
    int r = mp__object_enter(queue, MP__SLAB_QUEUE, "mp_queue_get", "a queue");

    if (MP__UNLIKELY(r < 0))
        return r;
    if (MP__UNLIKELY(buf == NULL && cap > 0))
        return mp__fail(-EINVAL, "mp_queue_get: buf is NULL, cap is %zu", cap);
    r = mp__side_lock(queue, &queue->consumers, mp__queue_is_empty, deadline);
    if (MP__UNLIKELY(r < 0))
        return r;
    size = take_quickly(queue, buf, cap);
    if (MP__LIKELY(size >= 0))
        return size;
    r = find(queue, deadline, &found);
    if (r < 0)
        return r;
    if (found.size > cap) {
        mp__mutex_unlock(&queue->consumers.mutex);
        return mp__fail(-EMSGSIZE,
                        "mp_queue_get: the message has %zu bytes, the buffer "
                        "%zu",
                        found.size, cap);
    }
    if (found.kind == MP__RECORD_MESSAGE)
        return take_inline(queue, &found, buf);
    return take_reference(queue, &found, buf);
}

ssize_t
mp_queue_next_size(mp_queue *queue, mp_time deadline)
{
    struct found found;
    int r = mp__object_enter(queue, MP__SLAB_QUEUE, "mp_queue_next_size",
                             "a queue");

    if (MP__UNLIKELY(r < 0))
        return r;
    r = lock_and_find(queue, deadline, &found);
    if (r < 0)
        return r;
    mp__mutex_unlock(&queue->consumers.mutex);
    return (ssize_t)found.size;
}

int
mp__queue_get_claim(mp_queue *queue, struct mp__claim *claim, mp_time deadline)
{
    struct mp__side *side;
    struct found found;
    uint64_t pointer;
    int r;

    if (!mp__object_ok(queue, MP__SLAB_QUEUE))
        return mp__fail_handle("mp__queue_get_claim", queue, "a queue");
    side = &queue->consumers;
    r = lock_and_find(queue, deadline, &found);
    if (r < 0)
        return r;
    memcpy(&pointer, found.record->body, sizeof(pointer));
    side->intent_position = mp__load_relaxed(&queue->head);
    mp__compiler_barrier();
    mp__store_release(&side->intent_claim, claim);
    mp__compiler_barrier();
    mp__store_relaxed(&claim->sequence, mp__count(side->intent_position));
    mp__store_release(&claim->pointer, pointer);
    mp__side_wake(&queue->producer_sleeps);
    commit(queue, &found);
    mp__compiler_barrier();
    mp__store_release(&side->intent_claim, NULL);
    mp__mutex_unlock(&side->mutex);
    return 0;
}

void
mp__queue_settle(mp_queue *queue, const struct mp__claim *claim)
{
    struct mp__side *side = &queue->consumers;

    /* The mutex may be held for long, by one who sleeps for a message; but
     * whoever has it begins with the repair, and that ends by taking the claim
     * out of the intent. */
    while (mp__mutex_lock_until(&side->mutex, MP_NOW) < 0) {
        if (mp__load(&side->intent_claim) != claim)
            return;
        sched_yield();
    }
    mp__mutex_unlock(&side->mutex);
}

int
mp__queue_discard(mp_queue *queue)
{
    struct found found;
    int r = lock_and_find(queue, MP_NOW, &found);

    if (r < 0)
        return r;
    if (found.kind == MP__RECORD_MESSAGE)
        take_inline(queue, &found, NULL);
    else
        take_reference(queue, &found, NULL);
    return 0;
}
