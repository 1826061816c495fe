/* SPDX-License-Identifier: MIT */
/* Taking messages out of a ring, for who is inside of the receivers' side: see
 * take.c. */
#pragma once

#include "pipe/pipe.h"

/* The first message, and where the head will be after it. */
struct mp__pipe_found {
    struct mp__pipe_record *record;
    uint64_t next;
    size_t size;
    enum mp__pipe_kind kind;
};

/* Inside, and there is a message. */
static inline void
mp__pipe_first(struct mp__pipe_ring *ring, struct mp__pipe_found *found)
{
    uint64_t head = mp__load_relaxed(&ring->head);
    struct mp__pipe_record *record = mp__pipe_record(ring, head);
    uint64_t word = record->head;

    if (MP__UNLIKELY((word & 0xff) == MP__PIPE_PAD)) {
        head += mp__pipe_rest(head);
        record = mp__pipe_record(ring, head);
        word = record->head;
    }
    found->record = record;
    found->kind = (enum mp__pipe_kind)(word & 0xff);
    found->size = word >> 8;
    found->next =
        head + mp__pipe_granules(found->kind == MP__PIPE_REFERENCE
                                     ? sizeof(struct mp__pipe_reference)
                                     : found->size);
}

/* Inside: whether there is a message. */
static inline int
mp__pipe_has_some(struct mp__pipe_ring *ring, struct mp__pipe_side *side)
{
    uint64_t tail;

    /* The cache may be old, but then it is not before the head. */
    if (MP__LIKELY(side->other != mp__load_relaxed(&ring->head)))
        return 1;
    /* acquire: pairs with the senders' commit */
    tail = mp__load_acquire(&ring->tail);
    if (tail == side->other)
        return 0;
    side->other = mp__pipe_gather(side, &ring->tail, tail);
    return 1;
}

static inline void
mp__pipe_commit_head(struct mp__pipe_ring *ring, uint64_t head)
{
    /* release: the senders may write over the message from here on. */
    mp__store_release(&ring->head, head);
}

/* Takes the message, and copies it to `buf`, unless that is NULL. The mutex is
 * held, and is not after it. */
void mp__pipe_take_found(const struct mp__pipe_use *use,
                         const struct mp__pipe_found *found, void *buf);

/* Throws away what is in end->in, when nobody else uses it any more. */
void mp__pipe_discard(struct mp__pipe_end *end);
