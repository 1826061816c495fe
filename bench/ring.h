/* SPDX-License-Identifier: MIT */
/* The limit of a queue: a ring of records for one producer and one consumer,
 * with nothing but what that needs. Both sides spin. Each keeps a copy of the
 * other's index and looks at the real one only when the copy says that it
 * cannot go on. No locks, no sleeping, no wake-ups, no second producer, and a
 * peer that dies leaves the other spinning for ever. */
#pragma once

#include "tools.h"

#include <string.h>

struct ring {
    uint64_t tail __attribute__((aligned(LINE)));     /* writer: producer */
    uint64_t head_seen;                               /* the producer's copy */
    uint64_t head __attribute__((aligned(LINE)));     /* writer: consumer */
    uint64_t tail_seen;                               /* the consumer's copy */
    uint64_t capacity __attribute__((aligned(LINE))); /* a power of two */
};

enum { RING_HEADER = 16, RING_SKIP = -1 };

static ALWAYS_INLINE uint64_t
ring_need(size_t size)
{
    return (RING_HEADER + size + 15) & ~(uint64_t)15;
}

/* The records lie behind the ring, on lines of their own. */
static ALWAYS_INLINE char *
ring_data(struct ring *r)
{
    return (char *)(r + 1);
}

static ALWAYS_INLINE void
ring_put(void *channel, const void *data, size_t size)
{
    struct ring *r = (struct ring *)channel;
    uint64_t tail = r->tail, need = ring_need(size);
    uint64_t at = tail & (r->capacity - 1);
    uint64_t skip = at + need > r->capacity ? r->capacity - at : 0;

    while (tail + skip + need - r->head_seen > r->capacity) {
        /* acquire: the consumer has read what lay there */
        r->head_seen = __atomic_load_n(&r->head, __ATOMIC_ACQUIRE);
        if (tail + skip + need - r->head_seen > r->capacity)
            cpu_relax();
    }
    if (skip) {
        *(int64_t *)(void *)(ring_data(r) + at) = RING_SKIP;
        at = 0;
    }
    *(int64_t *)(void *)(ring_data(r) + at) = (int64_t)size;
    memcpy(ring_data(r) + at + RING_HEADER, data, size);
    /* release: pairs with the acquire in ring_get */
    __atomic_store_n(&r->tail, tail + skip + need, __ATOMIC_RELEASE);
}

static ALWAYS_INLINE void
ring_get(void *channel, void *buf, size_t cap)
{
    struct ring *r = (struct ring *)channel;
    uint64_t head = r->head, at = head & (r->capacity - 1);
    int64_t size;

    (void)cap;
    while (r->tail_seen == head) {
        r->tail_seen = __atomic_load_n(&r->tail, __ATOMIC_ACQUIRE);
        if (r->tail_seen == head)
            cpu_relax();
    }
    size = *(int64_t *)(void *)(ring_data(r) + at);
    if (size == RING_SKIP) {
        head += r->capacity - at;
        at = 0;
        size = *(int64_t *)(void *)ring_data(r);
    }
    memcpy(buf, ring_data(r) + at + RING_HEADER, (size_t)size);
    __atomic_store_n(&r->head, head + ring_need((size_t)size),
                     __ATOMIC_RELEASE);
}

static inline struct ring *
ring_new(uint64_t capacity)
{
    struct ring *r = (struct ring *)shared_memory(sizeof(*r) + capacity);

    r->capacity = capacity;
    return r;
}
