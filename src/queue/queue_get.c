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
#include "os/clock.h"
#include "queue/consume.h"
#include "region/extents.h"
#include "region/heap.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

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
    mp__shelf_repair(&side->shelf, committed);
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

int
mp__queue_await(struct mp_queue *queue, mp_time deadline)
{
    struct mp__side *side = &queue->consumers;
    uint32_t closing = mp__load_acquire(&queue->closing);
    uint64_t tail = mp__load_acquire(&queue->tail);

    if (tail != side->other) {
        side->other = mp__side_gather(side, &queue->tail, tail);
        return 1;
    }
    if (closing == MP__QUEUE_CLOSED)
        return -ESHUTDOWN;
    if (closing == MP__QUEUE_OPEN)
        return mp__side_wait(queue, side, deadline, tail);
    /* Puts that began before may be under way. */
    mp__mutex_unlock(&side->mutex);
    mp__queue_finish_close(queue);
    mp__mutex_lock(&side->mutex);
    return 0;
}

/* The queue has got a shelf while we waited, for the mutex or for a message. */
MP__COLD static int
leave_for_shelf(struct mp_queue *queue)
{
    mp__mutex_unlock(&queue->consumers.mutex);
    return MP__QUEUE_AGAIN;
}

/* Waits for a message. 0, or an error and the mutex is not held. */
static int
wait_for_message(struct mp_queue *queue, mp_time deadline)
{
    struct mp__side *side = &queue->consumers;

    /* The cache may be old, but then it is not before the head. */
    while (MP__UNLIKELY(mp__count(side->other) ==
                        mp__count(mp__load_relaxed(&queue->head)))) {
        int r = mp__queue_await(queue, deadline);

        if (r >= 0 && queue->mode)
            return leave_for_shelf(queue);

        if (r < 0) {
            mp__mutex_unlock(&side->mutex);
            return r;
        }
    }
    return 0;
}

/* ---- Finding ---- */

/* Goes on to the next segment; the old one is in our hand then. */
static struct mp__segment *
leave_segment(struct mp_queue *queue)
{
    struct mp__side *side = &queue->consumers;
    struct mp__segment *old = side->segment;
    uint64_t head = mp__load_relaxed(&queue->head);

    mp__head_intend(queue);
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

int
mp__queue_next_segment(struct mp_queue *queue, mp_time deadline)
{
    struct mp__segment *old = leave_segment(queue);

    mp__mutex_unlock(&queue->consumers.mutex);
    mp__extent_free(old, mp__me.index, MP__HAND_SEGMENT);
    mp__hands_settled();
    return mp__side_lock(queue, &queue->consumers, mp__queue_is_empty,
                         deadline);
}

/* Finds the first message. 0, or an error and the mutex is not held. */
static int
find(struct mp_queue *queue, mp_time deadline, struct mp__found *found)
{
    for (;;) {
        int r = MP__UNLIKELY(queue->mode) ? leave_for_shelf(queue)
                                          : wait_for_message(queue, deadline);

        if (r < 0)
            return r;
        mp__ring_look(queue, found);
        if (MP__LIKELY(found->kind != MP__RECORD_JUMP))
            return 0;
        r = mp__queue_next_segment(queue, deadline);
        if (r < 0)
            return r;
    }
}

int
mp__queue_find(struct mp_queue *queue, mp_time deadline,
               struct mp__found *found)
{
    int r =
        mp__side_lock(queue, &queue->consumers, mp__queue_is_empty, deadline);

    return r < 0 ? r : find(queue, deadline, found);
}

/* ---- Taking ---- */

static inline ssize_t
take_inline(struct mp_queue *queue, const struct mp__found *found, void *buf)
{
    if (buf && found->size)
        memcpy(buf, found->record->body, found->size);
    mp__side_wake(&queue->producer_sleeps);
    mp__head_commit(queue, 1, found->next_place, found->size);
    mp__mutex_unlock(&queue->consumers.mutex);
    return (ssize_t)found->size;
}

ssize_t
mp__queue_take_reference(struct mp_queue *queue, const struct mp__found *found,
                         void *buf)
{
    struct mp__side *side = &queue->consumers;
    void *block = mp__found_block(queue, found);

    mp__head_intend(queue);
    side->intent_block = block;
    mp__compiler_barrier();
    mp__hand_set(mp__block_hand(block), block, &side->mutex);
    mp__side_wake(&queue->producer_sleeps);
    mp__head_commit(queue, 1, found->next_place, found->size);
    mp__compiler_barrier();
    side->intent_block = NULL;
    mp__mutex_unlock(&side->mutex);
    if (buf)
        memcpy(buf, block, found->size);
    mp__block_free(block);
    mp__hands_settled();
    return (ssize_t)found->size;
}

ssize_t
mp__queue_take_found(struct mp_queue *queue, const struct mp__found *found,
                     void *buf)
{
    return found->kind == MP__RECORD_MESSAGE
               ? take_inline(queue, found, buf)
               : mp__queue_take_reference(queue, found, buf);
}

/* What is so nearly always: a message is there, and lies in the ring. The
 * mutex is held, and stays so unless this returns a size. */
static inline ssize_t
take_quickly(struct mp_queue *queue, void *buf, size_t cap)
{
    struct mp__side *side = &queue->consumers;
    uint64_t head = mp__load_relaxed(&queue->head);
    struct mp__found found;

    if (MP__UNLIKELY(queue->mode))
        return -1;
    if (mp__count(side->other) == mp__count(head)) {
        uint64_t tail = mp__load_acquire(&queue->tail);

        if (mp__count(tail) == mp__count(head))
            return -1;
        side->other = mp__side_gather(side, &queue->tail, tail);
    }
    mp__ring_look(queue, &found);
    if (found.kind != MP__RECORD_MESSAGE || found.size > cap)
        return -1;
    return take_inline(queue, &found, buf);
}

ssize_t
mp__queue_refuse(struct mp_queue *queue, size_t size, size_t cap,
                 const char *function)
{
    mp__mutex_unlock(&queue->consumers.mutex);
    return mp__fail(-EMSGSIZE,
                    "%s: the message has %zu bytes, there is room for %zu",
                    function, size, cap);
}

/* ---- The public face ---- */

static inline ssize_t
get(struct mp_queue *queue, void *buf, size_t cap, mp_time deadline)
{
    struct mp__found found;
    ssize_t size;
    int r =
        mp__side_lock(queue, &queue->consumers, mp__queue_is_empty, deadline);

    if (MP__UNLIKELY(r < 0))
        return r;
    size = take_quickly(queue, buf, cap);
    if (MP__LIKELY(size >= 0))
        return size;
    r = find(queue, deadline, &found);
    if (r < 0)
        return r;
    if (found.size > cap)
        return mp__queue_refuse(queue, found.size, cap, "mp_queue_get");
    return mp__queue_take_found(queue, &found, buf);
}

ssize_t
mp_queue_get(mp_queue *queue, void *buf, size_t cap, mp_time deadline)
{
    ssize_t r = mp__queue_enter(queue, "mp_queue_get");

    if (MP__UNLIKELY(r < 0))
        return r == -EREMOTE ? mp__queue_far_get(queue, buf, cap, deadline)
                             : r;
    if (MP__UNLIKELY(buf == NULL && cap > 0))
        return mp__fail(-EINVAL, "mp_queue_get: buf is NULL, cap is %zu", cap);
    r = MP__UNLIKELY(queue->mode) ? MP__QUEUE_AGAIN
                                  : get(queue, buf, cap, deadline);
    if (MP__LIKELY(r >= 0))
        return r;
    if (r == MP__QUEUE_AGAIN)
        r = mp__shelf_get(queue, buf, cap, deadline, "mp_queue_get");
    return mp__poll_after(queue, r);
}

static int
get_look(struct mp_queue *queue, mp__look_fn *look, void *arg,
         mp_time deadline)
{
    struct mp__found found;
    int inside, r = mp__queue_find(queue, deadline, &found);

    if (r < 0)
        return r;
    inside = found.kind == MP__RECORD_MESSAGE;
    r = look(inside ? mp__found_body(queue, &found)
                    : mp__found_block(queue, &found),
             found.size, arg);
    if (r < 0)
        mp__mutex_unlock(&queue->consumers.mutex);
    else
        mp__queue_take_found(queue, &found, NULL);
    return r;
}

int
mp__queue_get_look(struct mp_queue *queue, mp__look_fn *look, void *arg,
                   mp_time deadline, const char *function)
{
    int r = mp__queue_enter(queue, function);

    if (r < 0)
        return r == -EREMOTE
                   ? mp__queue_far_get_look(queue, look, arg, deadline)
                   : r;
    r = queue->mode ? MP__QUEUE_AGAIN : get_look(queue, look, arg, deadline);
    if (r == MP__QUEUE_AGAIN)
        r = mp__shelf_get_look(queue, look, arg, deadline);
    return (int)mp__poll_after(queue, r);
}

ssize_t
mp_queue_next_size(mp_queue *queue, mp_time deadline)
{
    struct mp__found found;
    int r = mp__queue_enter(queue, "mp_queue_next_size");

    if (MP__UNLIKELY(r < 0))
        return MP__FAR(r, queue, deadline, "");
    r = queue->mode ? MP__QUEUE_AGAIN
                    : mp__queue_find(queue, deadline, &found);
    if (r == MP__QUEUE_AGAIN)
        return mp__poll_after(queue, mp__shelf_next_size(queue, deadline));
    if (r < 0)
        return mp__poll_after(queue, r);
    mp__mutex_unlock(&queue->consumers.mutex);
    return (ssize_t)found.size;
}

int
mp__queue_get_claim(mp_queue *queue, struct mp__claim *claim, mp_time deadline)
{
    struct mp__side *side;
    struct mp__found found;
    uint64_t pointer;
    int r;

    if (!mp__object_ok(queue, MP__SLAB_QUEUE))
        return mp__fail_handle("mp__queue_get_claim", queue, "a queue");
    side = &queue->consumers;
    r = mp__queue_find(queue, deadline, &found);
    if (r < 0)
        return r;
    memcpy(&pointer, found.record->body, sizeof(pointer));
    mp__head_intend(queue);
    mp__store_release(&side->intent_claim, claim);
    mp__compiler_barrier();
    mp__store_relaxed(&claim->sequence,
                      claim->tag | mp__count(side->intent_position));
    mp__store_release(&claim->pointer, pointer);
    mp__side_wake(&queue->producer_sleeps);
    mp__head_commit(queue, 1, found.next_place, found.size);
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
    struct mp__found found;
    int r =
        queue->mode ? MP__QUEUE_AGAIN : mp__queue_find(queue, MP_NOW, &found);

    if (r == MP__QUEUE_AGAIN)
        return mp__shelf_discard(queue);
    if (r < 0)
        return r;
    mp__queue_take_found(queue, &found, NULL);
    return 0;
}
