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
#include "channel/ring.h"
#include "os/clock.h"
#include "region/bell.h"
#include "region/extents.h"

#include <errno.h>
#include <string.h>

#define SEGMENT_MOST (((uint32_t)64 << 20) / MP__RING_GRANULE)

/* What a put wants to place. */
struct message {
    const void *data;
    size_t size;
    void *block; /* of a message by reference, in hand */
    uint32_t granules;
    struct mp__segment *spare; /* a segment to grow by, in hand */
};

/* Where it goes. */
struct room {
    uint32_t index; /* of its first granule */
    uint32_t pad;   /* granules skipped before */
};

/* ---- Repair ---- */

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
    mp__compiler_barrier();
    side->intent_block = NULL;
    side->intent_segment = NULL;
#ifndef MP__MUTATION_NO_REPAIR_WAKE
    mp__store(&queue->consumer_sleeps, 0);
    mp__futex_wake(&queue->consumer_sleeps, 1);
#endif
}

__attribute__((constructor)) static void
register_repair(void)
{
    mp__mutex_repair_with(MP__MUTEX_QUEUE_TAIL, repair);
}

/* ---- Room ---- */

struct mp__segment *
mp__segment_create(uint32_t granules, struct mp__mutex *mutex)
{
    struct mp__segment *segment;
    int zero;

    segment = mp__extent_alloc((size_t)granules * MP__RING_GRANULE,
                               MP__HAND_SEGMENT, &zero);
    if (segment == NULL)
        return NULL;
    segment->next = NULL;
    segment->base = 0;
    segment->granules = granules;
    mp__hand_set(MP__HAND_SEGMENT, segment, mutex);
    return segment;
}

/* Finds room behind `tail` with consumers at `head`; a JUMP must always have
 * room beside. */
static inline int
find_room(const struct mp__segment *segment, uint64_t tail, uint64_t head,
          uint32_t need, struct room *room)
{
    uint32_t from = mp__place(head), used;

    /* Consumers that are in an older segment have freed nothing here. */
    if ((int32_t)(from - segment->base) < 0)
        from = segment->base;
    used = mp__place(tail) - from;
    room->index = mp__ring_index(segment, mp__place(tail));
    room->pad = 0;
    if (room->index + need > mp__ring_limit(segment)) {
        room->pad = segment->granules - room->index;
        room->index = 0;
    }
    return used + room->pad + need + MP__RING_HEADER + 1 <= segment->granules;
}

/* Whether the limits say no, as far as is known of the consumers. */
static inline int
over_limit(struct mp_queue *queue, uint64_t tail, size_t size)
{
    struct mp__side *side = &queue->producers;
    uint32_t count = mp__count(tail) - mp__count(side->other);
    uint64_t put = mp__load_relaxed(&side->bytes[mp__count(tail) & 1]);

    if (queue->maxsize && count >= queue->maxsize)
        return 1;
    return queue->max_bytes && count > 0 &&
           put - side->other_bytes + size > queue->max_bytes;
}

/* A segment of twice the size of the last, or what can be had. */
static struct mp__segment *
new_spare(uint32_t last, struct mp__mutex *mutex)
{
    uint32_t granules = last < SEGMENT_MOST ? last * 2 : last;
    struct mp__segment *spare;

    do
        spare = mp__segment_create(granules, mutex);
    while (spare == NULL && (granules /= 2) >= MP__SEGMENT_LEAST);
    return spare;
}

/* Leaves the mutex to get memory, and takes it again. 0, or an error and the
 * mutex is not held. */
static int
fetch_spare(struct mp_queue *queue, struct message *m, mp_time deadline)
{
    struct mp__side *side = &queue->producers;
    uint32_t last = side->segment->granules;

    mp__mutex_unlock(&side->mutex);
    m->spare = new_spare(last, &side->mutex);
    if (m->spare == NULL)
        return -ENOMEM;
    return mp__side_lock(queue, side, mp__queue_is_full, deadline);
}

/* Holding the mutex, waits for room. 1: found; 2: none, but there is a spare
 * segment to go on to; or an error, and the mutex is not held. */
static int
wait_for_room(struct mp_queue *queue, struct message *m, mp_time deadline,
              struct room *room)
{
    struct mp__side *side = &queue->producers;

    for (;;) {
        uint64_t tail = mp__load_relaxed(&queue->tail);
        uint64_t head, bytes;
        int r, limited;

        if (MP__UNLIKELY(mp__load_relaxed(&queue->closing))) {
            mp__mutex_unlock(&side->mutex);
            return -ESHUTDOWN;
        }
        limited = over_limit(queue, tail, m->size);
        if (!limited &&
            find_room(side->segment, tail, side->other, m->granules, room))
            return 1;
        head = mp__side_read(&queue->consumers, &queue->head, &bytes);
        if (head != side->other) {
            side->other = head;
            side->other_bytes = bytes;
            continue;
        }
        if (!limited && m->spare)
            return 2;
        if (!limited && mp__side_spin(side, &queue->head, head))
            continue;
        r = limited ? mp__side_wait(queue, side, deadline, head)
                    : fetch_spare(queue, m, deadline);
        if (r < 0) {
            if (limited)
                mp__mutex_unlock(&side->mutex);
            return r;
        }
    }
}

/* ---- Placing ---- */

static inline void
write_record(struct mp__record *record, const struct message *m)
{
    if (m->block) {
        record->head = mp__record_head(MP__RECORD_REFERENCE, m->size);
        memcpy(record->body, &m->block, sizeof(m->block));
    } else {
        record->head = mp__record_head(MP__RECORD_MESSAGE, m->size);
        if (m->size)
            memcpy(record->body, m->data, m->size);
    }
}

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
note_intent(struct mp_queue *queue, struct message *m, int grow)
{
    struct mp__side *side = &queue->producers;

    side->intent_position = mp__load_relaxed(&queue->tail);
    side->intent_part = mp__me.index;
    mp__compiler_barrier();
    side->intent_block = m->block;
    side->intent_segment = grow ? m->spare : NULL;
    mp__compiler_barrier();
}

/* After the commit: what was in our hands is the queue's. */
static void
settle_intent(struct mp_queue *queue, struct message *m, int grow)
{
    struct mp__side *side = &queue->producers;

    mp__compiler_barrier();
    if (m->block)
        mp__block_keep(m->block);
    if (grow) {
        side->segment = m->spare;
        mp__hand_clear(MP__HAND_SEGMENT);
        m->spare = NULL;
    }
    mp__compiler_barrier();
    side->intent_block = NULL;
    side->intent_segment = NULL;
}

static inline void
commit(struct mp_queue *queue, uint32_t place, size_t size)
{
    uint32_t count = mp__count(mp__load_relaxed(&queue->tail)) + 1;

    if (queue->max_bytes)
        mp__side_add_bytes(&queue->producers, count, size);
    /* release: pairs with the consumers' acquire of the tail. */
    mp__store_release(&queue->tail, mp__position(count, place));
}

/* Places the message in the current segment. */
static void
place_here(struct mp_queue *queue, struct message *m, struct room *room)
{
    struct mp__segment *segment = queue->producers.segment;
    uint32_t place = mp__place(mp__load_relaxed(&queue->tail));
    uint32_t end = place + room->pad + m->granules;

    if (room->pad) {
        uint32_t index = mp__ring_index(segment, place);

        if (index < mp__ring_limit(segment))
            mp__ring_record(segment, index)->head =
                mp__record_head(MP__RECORD_PAD, 0);
    }
    write_record(mp__ring_record(segment, room->index), m);
    commit(queue, end, m->size);
}

/* Goes on to the spare segment and places the message there. */
static void
place_in_spare(struct mp_queue *queue, struct message *m)
{
    struct mp__segment *segment = queue->producers.segment;
    uint32_t place = mp__place(mp__load_relaxed(&queue->tail));
    uint32_t index = mp__ring_index(segment, place);

    m->spare->base = place + 1;
    if (index >= mp__ring_limit(segment))
        m->spare->base += segment->granules - index;
    write_jump(segment, place, m->spare);
    write_record(mp__ring_record(m->spare, 0), m);
    commit(queue, m->spare->base + m->granules, m->size);
}

/* The mutex is held, and released on every way out. */
static int
place_anyhow(struct mp_queue *queue, struct message *m, mp_time deadline)
{
    struct room room;
    int r = wait_for_room(queue, m, deadline, &room);

    if (r < 0)
        return r;
#ifndef MP__MUTATION_WAKE_AFTER_COMMIT
    mp__side_wake(&queue->consumer_sleeps);
#endif
    if (r == 1 && m->block == NULL) {
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
place_quickly(struct mp_queue *queue, struct message *m)
{
    struct mp__side *side = &queue->producers;
    uint64_t tail = mp__load_relaxed(&queue->tail);
    struct room room;

    if (mp__load_relaxed(&queue->closing) ||
        over_limit(queue, tail, m->size) ||
        !find_room(side->segment, tail, side->other, m->granules, &room) ||
        room.pad)
        return 0;
#ifndef MP__MUTATION_WAKE_AFTER_COMMIT
    mp__side_wake(&queue->consumer_sleeps);
#endif
#ifdef MP__MUTATION_COMMIT_EARLY
    commit(queue, mp__place(tail) + m->granules, m->size);
#endif
    write_record(mp__ring_record(side->segment, room.index), m);
#ifndef MP__MUTATION_COMMIT_EARLY
    commit(queue, mp__place(tail) + m->granules, m->size);
#endif
#ifdef MP__MUTATION_WAKE_AFTER_COMMIT
    mp__side_wake(&queue->consumer_sleeps);
#endif
    mp__mutex_unlock(&side->mutex);
    return 1;
}

/* Frees what a message has in hand yet. */
static void
drop(struct message *m, int r)
{
    if (m->block && r < 0)
        mp__block_free(m->block);
    if (m->spare) /* another producer made room meanwhile */
        mp__extent_free(m->spare, mp__me.index, MP__HAND_SEGMENT);
    mp__hands_settled();
}

static inline int
place(struct mp_queue *queue, struct message *m, mp_time deadline)
{
    int r =
        mp__side_lock(queue, &queue->producers, mp__queue_is_full, deadline);

    if (MP__LIKELY(r == 0)) {
        if (MP__LIKELY(m->block == NULL && place_quickly(queue, m)))
            return 0;
        r = place_anyhow(queue, m, deadline);
    }
    drop(m, r);
    return r;
}

/* ---- The public face ---- */

/* Copies a large message into a block of its own, in hand. */
static int
make_block(struct mp_queue *queue, struct message *m)
{
    m->block = mp__block_alloc(m->size, 0);
    if (m->block == NULL)
        return -ENOMEM;
    memcpy(m->block, m->data, m->size);
    mp__hand_set(mp__block_hand(m->block), m->block, &queue->producers.mutex);
    m->granules = mp__record_granules(sizeof(m->block));
    return 0;
}

static int
put_large(struct mp_queue *queue, struct message *m, mp_time deadline)
{
    int r;

    /* A copy of gigabytes is not made only to find the queue full. */
    if (deadline == MP_NOW && mp__queue_is_full(queue))
        return mp__load(&queue->closing) ? -ESHUTDOWN : -EAGAIN;
    r = make_block(queue, m);
    if (r < 0)
        return r;
    return place(queue, m, deadline);
}

int
mp_queue_put(mp_queue *queue, const void *data, size_t size, mp_time deadline)
{
    struct message m = {.data = data, .size = size};
    int r = mp__object_enter(queue, MP__SLAB_QUEUE, "mp_queue_put", "a queue");

    if (MP__UNLIKELY(r < 0))
        return r;
    if (MP__UNLIKELY(data == NULL && size > 0))
        return mp__fail(-EINVAL, "mp_queue_put: data is NULL, size is %zu",
                        size);
    if (queue->max_bytes && size > queue->max_bytes)
        return mp__fail(-EMSGSIZE,
                        "mp_queue_put: a message of %zu bytes never fits "
                        "into max_bytes = %llu",
                        size, (unsigned long long)queue->max_bytes);
    m.granules = mp__record_granules(size);
    if (MP__LIKELY(size <= MP__INLINE_MOST))
        return place(queue, &m, deadline);
    return put_large(queue, &m, deadline);
}

int
mp__queue_put_pointer(mp_queue *queue, void *p, mp_time deadline)
{
    return mp_queue_put(queue, &p, sizeof(p), deadline);
}
