/* SPDX-License-Identifier: MIT */
/* The shelf: slots for messages outside of the ring.
 *
 * The consumers' side keeps there what was taken and is not done, and what
 * waits in another order than the ring's; the producers' side keeps its
 * reservations. Slots lie in segments that never move.
 *
 * Who owns a slot its first word tells: nobody (FREE), the queue (WAITING), or
 * a participant. A slot leaves FREE under the mutex of its side only. A
 * participant gives its slot up with one store, without the mutex. What a dead
 * participant owned is taken over by compare-and-swap, under the mutex, after
 * the burial: only then no hand of the dead can have the block any more.
 *
 * All else (the list of free slots, the heap of the waiting ones, counts) is a
 * cache of who holds the mutex, built again after a death. */
#pragma once

#include "base/macros.h"
#include "bell/bell.h"
#include "region/hand.h"
#include "region/mutex.h"
#include "region/object.h"

#define MP__SLOT_INLINE    64u
#define MP__SLOTS_FIRST    512u /* of the first segment; each has twice more */
#define MP__SHELF_SEGMENTS 20u

/* Owners that are no participants. */
#define MP__SLOT_FREE    ((uint64_t)0)
#define MP__SLOT_WAITING ((uint64_t)1)
/* Did not arrive: as if its owner were dead and buried. There is no such
 * participant. */
#define MP__SLOT_RETURNED ((uint64_t)0x7fffffff << 32 | 1)

struct mp__slot {
    struct mp__holding holding; /* the block: NULL if the message lies in
                                   `bytes`, or need not be kept */
    int64_t priority;
    uint64_t serial; /* in the order in which they came out of the ring */
    uint64_t size;
    uint32_t attempts; /* how often it was taken */
    /* Cache: indices + 1; 0: none. */
    uint32_t child, sibling; /* in the heap; `sibling` in the free list, too */
    uint32_t index;          /* its own */
    uint16_t listed;         /* it is in the free list */
    uint16_t on_way;         /* no cache: it goes to a remote client, and back
                                if its owner dies */
    uint32_t got; /* the how manieth it was that was taken, modulo 2^32 */
    unsigned char bytes[MP__SLOT_INLINE];
} MP__ALIGNED(MP__LINE);

/* What is about to happen to a slot by the next commit of its side. */
enum mp__slot_change {
    MP__SLOT_DRAIN, /* out of the ring, to wait */
    MP__SLOT_TAKE,  /* out of the ring, to be held */
    MP__SLOT_HOLD,  /* waited, to be held */
    MP__SLOT_DROP,  /* waited, to be free */
    MP__SLOT_BACK,  /* held by the caller, to wait */
};

struct mp__shelf {
    mp__a64 segments[MP__SHELF_SEGMENTS]; /* addresses; 0: none */
    mp__a32 used;    /* no slot from this index on is in use */
    mp__a32 shrinks; /* how often segments were given back */
    /* For repair. */
    void *intent_segment;
    struct mp__slot *intent_slot;
    uint32_t intent_change; /* enum mp__slot_change */
    uint32_t intent_attempts;
    uint32_t intent_part; /* who adds the segment */
    /* Caches. */
    uint32_t free, heap; /* first index + 1 */
    uint32_t waiting;    /* how many do */
    uint32_t order;      /* MP_QUEUE_FIFO, ... */
    uint64_t serial;     /* the next */
    uint32_t got;        /* the latest */
};

/* How many slots the first `n` segments have. */
static inline uint32_t
mp__shelf_slots_in(uint32_t n)
{
    return MP__SLOTS_FIRST * ((1u << n) - 1);
}

static inline struct mp__slot *
mp__shelf_slot(struct mp__shelf *shelf, uint32_t index)
{
    uint32_t n = 31 - (uint32_t)__builtin_clz(index / MP__SLOTS_FIRST + 1);
    uint32_t first = mp__shelf_slots_in(n);
    uint64_t at = mp__load_acquire(&shelf->segments[n]);

    return at ? (struct mp__slot *)(uintptr_t)at + (index - first) : NULL;
}

/* Whether the slot is one of this shelf, and not beyond those in use. It may be
 * any address of the region that was a slot once; or NULL. */
static inline int
mp__shelf_has(struct mp__shelf *shelf, struct mp__slot *slot)
{
    return slot && slot->index < mp__load_acquire(&shelf->used) &&
           mp__shelf_slot(shelf, slot->index) == slot;
}

/* FREE, WAITING, or a participant's id. */
static inline uint64_t
mp__slot_owner(struct mp__slot *slot)
{
    return mp__load_acquire(&slot->holding.owner) & ~MP__HOLDING_BUSY;
}

static inline int
mp__slot_is_held(struct mp__slot *slot)
{
    return mp__slot_owner(slot) > MP__SLOT_WAITING;
}

/* Makes the caller the owner, and BUSY, in place of one who is buried, or a
 * thread of this process that is not BUSY, unless somebody was faster. `seen`:
 * the owner's word as it was then. Nobody else touches a slot that is BUSY, as
 * long as its owner is not buried. */
static inline int
mp__slot_take_over(struct mp__slot *slot, uint64_t seen)
{
    return mp__cas(&slot->holding.owner, &seen, mp__me.id | MP__HOLDING_BUSY);
}

/* The caller's slot is BUSY no more. */
static inline void
mp__slot_settle(struct mp__slot *slot)
{
    mp__store_release(&slot->holding.owner, mp__me.id);
}

/* Whether the owner's word is that of this thread, or of another one of this
 * process that is not BUSY with the slot. */
int mp__slot_is_ours(uint64_t word);

static inline void *
mp__slot_block(struct mp__slot *slot)
{
    return (void *)(uintptr_t)mp__load_relaxed(&slot->holding.block);
}

static inline void
mp__slot_set_block(struct mp__slot *slot, void *block)
{
    mp__store_relaxed(&slot->holding.block, (uintptr_t)block);
}

static inline void *
mp__slot_data(struct mp__slot *slot)
{
    void *block = mp__slot_block(slot);

    return block ? block : slot->bytes;
}

/* ---- Holding the mutex of the side ---- */

/* A free slot, on no list; NULL: a segment must be added first. `last`: one
 * that was ours before, and is likely free; or NULL. */
struct mp__slot *mp__shelf_take_free(struct mp__shelf *shelf,
                                     struct mp__slot *last);

/* Adds a segment that is in the caller's hand, from mp__shelf_segment(). -1:
 * there cannot be more. */
int mp__shelf_add(struct mp__shelf *shelf, void *segment);

/* The heap of the waiting slots. */
void mp__shelf_push(struct mp__shelf *shelf, struct mp__slot *slot);
struct mp__slot *mp__shelf_first(struct mp__shelf *shelf);
void mp__shelf_pop(struct mp__shelf *shelf);
/* A slot that a pop, or nothing at all, has left free. */
void mp__shelf_give_free(struct mp__shelf *shelf, struct mp__slot *slot);

/* Puts an intent down, before the commit; and takes it back after. */
static inline void
mp__shelf_intend(struct mp__shelf *shelf, struct mp__slot *slot,
                 enum mp__slot_change change)
{
    shelf->intent_change = change;
    shelf->intent_attempts = slot->attempts;
    mp__compiler_barrier();
    shelf->intent_slot = slot;
    mp__compiler_barrier();
}

static inline void
mp__shelf_settled(struct mp__shelf *shelf)
{
    mp__compiler_barrier();
    shelf->intent_slot = NULL;
    mp__compiler_barrier();
}

/* After a death with the mutex held. `committed`: whether the commit was
 * done. */
void mp__shelf_repair(struct mp__shelf *shelf, int committed);

/* When nothing waits: forgets slots beyond those in use. Returns a segment that
 * is not needed any more, in the caller's hand under that mutex, or NULL. */
void *mp__shelf_shrink(struct mp__shelf *shelf, struct mp__mutex *mutex);

/* ---- Not holding it ---- */

/* Memory for the next segment, in hand; NULL: none. */
void *mp__shelf_segment(struct mp__shelf *shelf, struct mp__mutex *mutex);

/* Visits all slots that participants own; stops when the visitor returns
 * non-zero, and returns that. */
int mp__shelf_each_held(struct mp__shelf *shelf,
                        int (*visit)(struct mp__slot *slot, void *arg),
                        void *arg);

/* How many there are; whether one of them is a dead participant's. */
uint32_t mp__shelf_count_held(struct mp__shelf *shelf);
int mp__shelf_has_dead(struct mp__shelf *shelf);

/* Gives a slot up that is ours; `seen`: its owner's word. Its block is in the
 * caller's hand then (NULL: it has none), to be freed by mp__slot_discard().
 * -1: another thread of this process was faster. */
int mp__slot_release(struct mp__slot *slot, uint64_t seen, void **ret_block);
void mp__slot_discard(void *block);

/* The same, all of it, in place of a dead participant that is being buried. */
void mp__slot_free_for(struct mp__slot *slot, struct mp__participant *dead);

/* Frees all slots and segments, in the end: nobody uses them any more. */
void mp__shelf_empty(struct mp__shelf *shelf);
