/* SPDX-License-Identifier: MIT */
/* How producers place messages in the ring: what the files of this room share
 * about it. The producers' mutex is held. */
#pragma once

#include "queue/ring.h"

#include <string.h>

/* What a put wants to place. */
struct mp__placing {
    const void *data;
    size_t size;
    void *block; /* of a message by reference, in hand or in the slot */
    struct mp__slot *slot; /* where it comes from, if it is put from one */
    int64_t priority;
    uint32_t granules;
    struct mp__segment *spare; /* a segment to grow by, in hand */
};

/* Where it goes. */
struct mp__room {
    uint32_t index; /* of its first granule */
    uint32_t pad;   /* granules skipped before */
};

/* Finds room behind `tail` with consumers at `head`; a JUMP must always have
 * room beside. */
static inline int
mp__find_room(const struct mp__segment *segment, uint64_t tail, uint64_t head,
              uint32_t need, struct mp__room *room)
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
mp__over_limit(struct mp_queue *queue, uint64_t tail, size_t size)
{
    struct mp__side *side = &queue->producers;
    uint32_t count = mp__count(tail) - mp__count(side->other);
    uint64_t put = mp__load_relaxed(&side->bytes[mp__count(tail) & 1]);

    if (queue->maxsize && count >= queue->maxsize)
        return 1;
    return queue->max_bytes && count > 0 &&
           put - side->other_bytes + size > queue->max_bytes;
}

/* The rest of the lap from `place` on stays empty. Consumers skip the header's
 * room by themselves. */
static inline void
mp__write_pad(struct mp__segment *segment, uint32_t place)
{
    uint32_t index = mp__ring_index(segment, place);

    if (index < mp__ring_limit(segment))
        mp__ring_record(segment, index)->head =
            mp__record_head(MP__RECORD_PAD, 0);
}

/* Where the message itself begins in a record, behind its priority if the queue
 * is by priority. */
static inline unsigned char *
mp__write_priority(const struct mp_queue *queue, struct mp__record *record,
                   int64_t priority)
{
    if (MP__UNLIKELY(queue->prefix))
        memcpy(record->body, &priority, sizeof(priority));
    return record->body + queue->prefix;
}

static inline void
mp__write_message(const struct mp_queue *queue, struct mp__record *record,
                  const void *data, size_t size, int64_t priority)
{
    unsigned char *body = mp__write_priority(queue, record, priority);

    record->head = mp__record_head(MP__RECORD_MESSAGE, size);
    if (size)
        memcpy(body, data, size);
}

/* The commit of a put: `n` messages more, of `size` bytes in all, and the tail
 * at `place`. `n` must be odd if the bytes are counted. */
static inline void
mp__tail_commit(struct mp_queue *queue, uint32_t n, uint32_t place,
                size_t size)
{
    uint32_t count = mp__count(mp__load_relaxed(&queue->tail)) + n;

    if (queue->max_bytes)
        mp__side_add_bytes(&queue->producers, count, size);
    /* release: pairs with the consumers' acquire of the tail. */
    mp__store_release(&queue->tail, mp__position(count, place));
}

/* Holding the mutex, waits for room. 1: found; 2: none, but there is a spare
 * segment to go on to; or an error, and the mutex is not held. */
int mp__queue_wait_for_room(struct mp_queue *queue, struct mp__placing *m,
                            mp_time deadline, struct mp__room *room);

/* Takes the producers' mutex, and waits until a message would not be too much
 * for the limits. As mp_queue_put(); on an error the mutex is not held. */
int mp__queue_await_room(struct mp_queue *queue, size_t size,
                         mp_time deadline);

/* A message up to this size lies in its record, larger ones in a block. */
static inline size_t
mp__inline_most(const struct mp_queue *queue)
{
    return mp__queue_keeps(queue) ? MP__SLOT_INLINE : MP__INLINE_MOST;
}

/* Puts the message of a slot that is the caller's, and BUSY, into a queue: what
 * was the slot's is the queue's then, and the slot is free. As mp_queue_commit(). */
int mp__queue_put_slot(struct mp_queue *queue, struct mp__slot *slot,
                       int64_t priority);
