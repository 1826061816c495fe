/* SPDX-License-Identifier: MIT */
/* The shelf: see shelf.h.
 *
 * The waiting slots form a pairing heap (Fredman, Sedgewick, Sleator, Tarjan:
 * "The pairing heap", Algorithmica 1, 1986): putting in is one comparison, and
 * taking the first out is logarithmic on average. Its links are indices inside
 * of the slots. Like the list of free slots it is built again by repair, from
 * the owners alone.
 *
 * A slot that its owner gave up is not on the list of free slots. When the list
 * is empty all slots are looked through for such, and if there are few of them
 * the shelf gets a segment more. */
#include "queue/shelf.h"

#include "region/extents.h"
#include "region/heap.h"

#include <mproc/queue.h>
#include <sched.h>
#include <string.h>

static size_t
segment_size(uint32_t n)
{
    return (size_t)(MP__SLOTS_FIRST << n) * sizeof(struct mp__slot);
}

static uint32_t
segments_of(struct mp__shelf *shelf)
{
    uint32_t n = 0;

    while (n < MP__SHELF_SEGMENTS && mp__load_relaxed(&shelf->segments[n]))
        n++;
    return n;
}

/* ---- The heap ---- */

/* Whether `a` comes out before `b`. */
static int
before(const struct mp__shelf *shelf, const struct mp__slot *a,
       const struct mp__slot *b)
{
    if (shelf->order == MP_QUEUE_LIFO)
        return a->serial > b->serial;
    if (shelf->order == MP_QUEUE_PRIORITY && a->priority != b->priority)
        return a->priority < b->priority;
    return a->serial < b->serial;
}

/* One heap of two; each is given by index + 1, and none has siblings. */
static uint32_t
meld(struct mp__shelf *shelf, uint32_t a, uint32_t b)
{
    struct mp__slot *first, *second;

    if (a == 0 || b == 0)
        return a ? a : b;
    first = mp__shelf_slot(shelf, a - 1);
    second = mp__shelf_slot(shelf, b - 1);
    if (before(shelf, second, first)) {
        first->sibling = second->child;
        second->child = a;
        return b;
    }
    second->sibling = first->child;
    first->child = b;
    return a;
}

/* Melds a list of siblings: in pairs first, then all the pairs. */
static uint32_t
meld_siblings(struct mp__shelf *shelf, uint32_t list)
{
    uint32_t pairs = 0, all = 0;

    while (list) {
        struct mp__slot *a = mp__shelf_slot(shelf, list - 1), *b;
        uint32_t first = list, second = a->sibling, pair;

        list = 0;
        a->sibling = 0;
        if (second) {
            b = mp__shelf_slot(shelf, second - 1);
            list = b->sibling;
            b->sibling = 0;
        }
        pair = meld(shelf, first, second);
        mp__shelf_slot(shelf, pair - 1)->sibling = pairs;
        pairs = pair;
    }
    while (pairs) {
        struct mp__slot *pair = mp__shelf_slot(shelf, pairs - 1);
        uint32_t next = pair->sibling;

        pair->sibling = 0;
        all = meld(shelf, pairs, all);
        pairs = next;
    }
    return all;
}

void
mp__shelf_push(struct mp__shelf *shelf, struct mp__slot *slot)
{
    slot->child = slot->sibling = 0;
    shelf->heap = meld(shelf, slot->index + 1, shelf->heap);
    shelf->waiting++;
}

struct mp__slot *
mp__shelf_first(struct mp__shelf *shelf)
{
    return shelf->heap ? mp__shelf_slot(shelf, shelf->heap - 1) : NULL;
}

void
mp__shelf_pop(struct mp__shelf *shelf)
{
    struct mp__slot *first = mp__shelf_slot(shelf, shelf->heap - 1);

    shelf->heap = meld_siblings(shelf, first->child);
    first->child = 0;
    shelf->waiting--;
}

/* ---- Free slots ---- */

void
mp__shelf_give_free(struct mp__shelf *shelf, struct mp__slot *slot)
{
    slot->sibling = shelf->free;
    slot->listed = 1;
    shelf->free = slot->index + 1;
}

/* Looks through all slots for what was given up. How many there are. */
static uint32_t
collect(struct mp__shelf *shelf)
{
    uint32_t found = 0;

    for (uint32_t i = mp__load_relaxed(&shelf->used); i-- > 0;) {
        struct mp__slot *slot = mp__shelf_slot(shelf, i);

        if (mp__slot_owner(slot) != MP__SLOT_FREE || slot->listed)
            continue;
        mp__shelf_give_free(shelf, slot);
        found++;
    }
    return found;
}

/* The first slot that was never used. */
static struct mp__slot *
take_new(struct mp__shelf *shelf, uint32_t capacity)
{
    uint32_t index = mp__load_relaxed(&shelf->used);
    struct mp__slot *slot;

    if (index >= capacity)
        return NULL;
    slot = mp__shelf_slot(shelf, index);
    slot->index = index;
    slot->listed = 0;
    mp__store_release(&shelf->used, index + 1);
    return slot;
}

struct mp__slot *
mp__shelf_take_free(struct mp__shelf *shelf, struct mp__slot *last)
{
    struct mp__slot *slot;
    uint32_t capacity;

    if (mp__shelf_has(shelf, last) && !last->listed &&
        mp__slot_owner(last) == MP__SLOT_FREE)
        return last;
    if (shelf->free == 0) {
        capacity = mp__shelf_slots_in(segments_of(shelf));
        slot = take_new(shelf, capacity);
        if (slot)
            return slot;
        if (capacity == 0 || collect(shelf) < capacity / 4)
            return NULL;
    }
    slot = mp__shelf_slot(shelf, shelf->free - 1);
    shelf->free = slot->sibling;
    slot->sibling = 0;
    slot->listed = 0;
    return slot;
}

/* ---- Segments ---- */

void *
mp__shelf_segment(struct mp__shelf *shelf, struct mp__mutex *mutex)
{
    uint32_t n = segments_of(shelf);
    size_t size = segment_size(n < MP__SHELF_SEGMENTS ? n : 0);
    void *segment;
    int zero;

    segment = mp__extent_alloc(size, MP__HAND_SEGMENT, &zero);
    if (segment == NULL)
        return NULL;
    if (!zero)
        memset(segment, 0, size);
    mp__hand_set(MP__HAND_SEGMENT, segment, mutex);
    return segment;
}

int
mp__shelf_add(struct mp__shelf *shelf, void *segment)
{
    uint32_t n = segments_of(shelf);

    if (n == MP__SHELF_SEGMENTS ||
        MP__EXTENT_LENGTH(mp__extent_entry(segment)) * MP__GRANULE <
            segment_size(n))
        return -1;
    shelf->intent_part = mp__me.index;
    mp__compiler_barrier();
#ifndef MP__MUTATION_SHELF_GROWS_UNTOLD
    shelf->intent_segment = segment;
#endif
    mp__compiler_barrier();
    mp__store_release(&shelf->segments[n], (uintptr_t)segment);
    mp__compiler_barrier();
    mp__hand_clear(MP__HAND_SEGMENT);
    mp__compiler_barrier();
    shelf->intent_segment = NULL;
    return 0;
}

/* The slots in use reach up to the last one that is not free. */
static uint32_t
reach(struct mp__shelf *shelf)
{
    uint32_t used = mp__load_relaxed(&shelf->used);

    while (used > 0 &&
           mp__slot_owner(mp__shelf_slot(shelf, used - 1)) == MP__SLOT_FREE)
        used--;
    return used;
}

void *
mp__shelf_shrink(struct mp__shelf *shelf, struct mp__mutex *mutex)
{
    uint32_t used = reach(shelf), n = segments_of(shelf);
    void *segment;

    shelf->free = 0;
    for (uint32_t i = 0; i < used; i++)
        mp__shelf_slot(shelf, i)->listed = 0;
    mp__store_release(&shelf->used, used);
    if (n < 2 || used > mp__shelf_slots_in(n - 1))
        return NULL;
    segment = (void *)(uintptr_t)mp__load_relaxed(&shelf->segments[n - 1]);
    shelf->intent_part = mp__me.index;
    mp__compiler_barrier();
    shelf->intent_segment = segment;
    mp__compiler_barrier();
    mp__hand_set(MP__HAND_SEGMENT, segment, mutex);
    mp__store(&shelf->segments[n - 1], 0);
    mp__compiler_barrier();
    shelf->intent_segment = NULL;
    mp__add(&shelf->shrinks, 1);
    return segment;
}

/* ---- Repair ---- */

/* A segment in the shelf is in nobody's hand. */
static void
repair_segments(struct mp__shelf *shelf)
{
    void *segment = shelf->intent_segment;

    for (uint32_t n = 0; segment && n < MP__SHELF_SEGMENTS; n++)
        if (mp__load(&shelf->segments[n]) == (uintptr_t)segment)
            mp__hand_clear_of(shelf->intent_part, MP__HAND_SEGMENT, segment);
    mp__compiler_barrier();
    shelf->intent_segment = NULL;
    mp__add(&shelf->shrinks, 1);
}

static void
repair_slot(struct mp__shelf *shelf, int committed)
{
    struct mp__slot *slot = shelf->intent_slot;
    mp__a64 *owner;

    if (slot == NULL)
        return;
    owner = &slot->holding.owner;
    switch ((enum mp__slot_change)shelf->intent_change) {
    case MP__SLOT_DRAIN:
        mp__store(owner, committed ? MP__SLOT_WAITING : MP__SLOT_FREE);
        break;
    case MP__SLOT_TAKE:
        if (!committed)
            mp__store(owner, MP__SLOT_FREE);
        break;
    case MP__SLOT_HOLD:
        if (!committed) {
            slot->attempts = shelf->intent_attempts;
            mp__store(owner, MP__SLOT_WAITING);
        }
        break;
    case MP__SLOT_DROP:
        if (committed)
            mp__store(owner, MP__SLOT_FREE);
        break;
    case MP__SLOT_BACK:
        if (committed)
            mp__store(owner, MP__SLOT_WAITING);
        break;
    }
    mp__shelf_settled(shelf);
}

/* The caches, from the owners. */
static void
rebuild(struct mp__shelf *shelf)
{
    uint32_t used = mp__load_relaxed(&shelf->used);

    shelf->heap = shelf->free = 0;
    shelf->waiting = 0;
    for (uint32_t i = 0; i < used; i++) {
        struct mp__slot *slot = mp__shelf_slot(shelf, i);
        uint64_t owner = mp__slot_owner(slot);

        slot->index = i;
        slot->listed = 0;
        if (owner != MP__SLOT_FREE && slot->serial >= shelf->serial)
            shelf->serial = slot->serial + 1;
        if (owner == MP__SLOT_WAITING)
            mp__shelf_push(shelf, slot);
    }
}

void
mp__shelf_repair(struct mp__shelf *shelf, int committed)
{
#ifndef MP__MUTATION_SLOT_FORGOTTEN
    repair_slot(shelf, committed);
#endif
    repair_segments(shelf);
#ifndef MP__MUTATION_HEAP_NOT_REBUILT
    rebuild(shelf);
#endif
}

/* ---- Without the mutex ---- */

int
mp__shelf_each_held(struct mp__shelf *shelf,
                    int (*visit)(struct mp__slot *slot, void *arg), void *arg)
{
    uint32_t used = mp__load_acquire(&shelf->used);

    for (uint32_t i = 0; i < used; i++) {
        struct mp__slot *slot = mp__shelf_slot(shelf, i);
        int r = slot && mp__slot_is_held(slot) ? visit(slot, arg) : 0;

        if (r)
            return r;
    }
    return 0;
}

static int
count_slot(struct mp__slot *slot, void *n)
{
    (void)slot;
    ++*(uint32_t *)n;
    return 0;
}

uint32_t
mp__shelf_count_held(struct mp__shelf *shelf)
{
    uint32_t n = 0;

    mp__shelf_each_held(shelf, count_slot, &n);
    return n;
}

static int
is_of_dead(struct mp__slot *slot, void *unused)
{
    uint64_t owner = mp__slot_owner(slot);

    (void)unused;
    return owner > MP__SLOT_WAITING && !mp__participant_find(owner);
}

int
mp__shelf_has_dead(struct mp__shelf *shelf)
{
    return mp__shelf_each_held(shelf, is_of_dead, NULL);
}

int
mp__slot_is_ours(uint64_t word)
{
    struct mp__participant *part;

    if (word == mp__me.id)
        return 1;
    part = word & MP__HOLDING_BUSY ? NULL : mp__participant_find(word);
    return part &&
           mp__load_relaxed(&part->pid) == mp__load_relaxed(&mp__me.part->pid);
}

/* Two threads of a process may be about to give up the same slot: only one of
 * them may have its block in hand. */
int
mp__slot_release(struct mp__slot *slot, uint64_t seen, void **ret_block)
{
    uint64_t mine = mp__me.id | MP__HOLDING_BUSY;
    void *block = mp__slot_block(slot);

    *ret_block = NULL;
    if (block == NULL)
        return mp__cas(&slot->holding.owner, &seen, MP__SLOT_FREE) ? 0 : -1;
    if (seen != mine && !mp__slot_take_over(slot, seen))
        return -1;
    block = mp__slot_block(slot);
    mp__hand_hold(&slot->holding);
#ifndef MP__MUTATION_HAND_AFTER_END
    mp__hand_set(mp__block_hand(block), block, NULL);
#endif
    mp__swap(&slot->holding.owner, MP__SLOT_FREE);
#ifdef MP__MUTATION_HAND_AFTER_END
    mp__hand_set(mp__block_hand(block), block, NULL);
#endif
    *ret_block = block;
    return 0;
}

void
mp__slot_discard(void *block)
{
    if (block) {
        mp__block_free(block);
        mp__hand_hold(NULL);
    }
}

/* Its hands are empty by now. Another thread of its process may be about to take
 * the slot over; so it is made BUSY first. */
void
mp__slot_free_for(struct mp__slot *slot, struct mp__participant *dead)
{
    uint32_t index = (uint32_t)(dead - mp__participant_at(0));
    uint64_t word = mp__participant_id(dead);
    void *block;

    if (!mp__cas(&slot->holding.owner, &word, word | MP__HOLDING_BUSY) &&
        word != (mp__participant_id(dead) | MP__HOLDING_BUSY))
        return;
    block = mp__slot_block(slot);
    if (block) {
        mp__store(&dead->holding, (uintptr_t)&slot->holding);
        mp__store(&dead->hand[mp__block_hand(block)], (uintptr_t)block);
    }
    mp__store(&slot->holding.owner, MP__SLOT_FREE);
    if (block)
        mp__block_free_for(block, index);
    mp__store(&dead->holding, 0);
}

/* The owner may be dead, and his burial under way. */
static int
empty_slot(struct mp__slot *slot, void *unused)
{
    uint64_t owner = mp__slot_owner(slot);
    void *block;

    (void)unused;
    while (!mp__participant_find(owner) && !mp__participant_buried(owner)) {
        mp__reap();
        sched_yield();
    }
    if (mp__slot_take_over(slot, mp__load(&slot->holding.owner)) &&
        mp__slot_release(slot, mp__me.id | MP__HOLDING_BUSY, &block) == 0)
        mp__slot_discard(block);
    return 0;
}

void
mp__shelf_empty(struct mp__shelf *shelf)
{
    mp__reap();
    mp__shelf_each_held(shelf, empty_slot, NULL);
    for (uint32_t n = segments_of(shelf); n-- > 0;) {
        void *segment = (void *)(uintptr_t)mp__load(&shelf->segments[n]);

        /* In this order: killed in between we leave a segment behind, not a
         * queue that will give it back again. */
        mp__store(&shelf->segments[n], 0);
        mp__hand_set(MP__HAND_SEGMENT, segment, NULL);
        mp__extent_free(segment, mp__me.index, MP__HAND_SEGMENT);
    }
}
