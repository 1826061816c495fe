/* SPDX-License-Identifier: MIT */
/* The heap: mp_alloc() and the blocks of the rooms above.
 *
 * Up to 64 KiB a block is a cell of a bin: 44 classes, four to each doubling,
 * in a few shards, so that processes seldom meet at one mutex. Larger ones are
 * extents. All state is in the region, and what a death leaves behind is told
 * in bin.c and extents.c.
 *
 * Memory from mp_alloc() is zero, and mp_realloc() keeps what lies beyond a
 * block's size zero: a cell is cleared whole, also when it shrinks. */
#include "region/heap.h"

#include "base/error.h"
#include "region/bin.h"
#include "region/extents.h"
#include "region/layout.h"
#include "region/object.h"

#include <errno.h>
#include <mproc/memory.h>
#include <string.h>

#define CELL_MAX       ((size_t)65536)
#define LINEAR_CLASSES 8u /* 16, 32, ... 128 */

/* Class of a size from 1 to CELL_MAX: steps of 16 up to 128, then four steps
 * to each doubling. */
static uint32_t
class_of(size_t size)
{
    uint32_t power, step;

    if (size <= 128)
        return (uint32_t)((size + 15) / 16 - 1);
    power = 63 - (uint32_t)__builtin_clzll(size - 1); /* 2^power < size */
    step = (uint32_t)((size - 1) >> (power - 2)) & 3;
    return LINEAR_CLASSES + (power - 7) * 4 + step;
}

static uint32_t
class_size(uint32_t class)
{
    uint32_t power, step;

    if (class < LINEAR_CLASSES)
        return (class + 1) * 16;
    power = 7 + (class - LINEAR_CLASSES) / 4;
    step = (class - LINEAR_CLASSES) % 4;
    return (1u << power) + (step + 1) * (1u << (power - 2));
}

void
mp__heap_init(void)
{
    for (uint32_t s = 0; s < MP__SHARDS; s++)
        for (uint32_t c = 0; c < MP__CLASSES; c++)
            mp__bin_init(&mp__region()->bins[s][c], class_size(c), 0);
    for (uint32_t s = 0; s < MP__SLABS; s++)
        mp__bin_init(&mp__region()->slabs[s], 0, 1);
}

void *
mp__block_alloc(size_t size, int zero)
{
    struct mp__bin *bin;
    void *p;
    int is_zero = 0;

    if (size == 0)
        size = 1;
    if (size > CELL_MAX) {
        p = mp__extent_alloc(size, MP__HAND_EXTENT, &is_zero);
        if (p && zero && !is_zero)
            memset(p, 0, mp__round_up(size, MP__GRANULE));
        return p;
    }
    bin = &mp__region()->bins[mp__me.index % MP__SHARDS][class_of(size)];
    p = mp__bin_take(bin, 1);
    if (p && zero)
        memset(p, 0, mp__load_relaxed(&bin->cell));
    return p;
}

enum mp__hand
mp__block_hand(const void *block)
{
    return MP__EXTENT_KIND(mp__extent_entry(block)) == MP__EXTENT_LARGE
               ? MP__HAND_EXTENT
               : MP__HAND_BLOCK;
}

void
mp__block_keep(void *block)
{
    mp__hands_clear_of(mp__me.index, block);
}

void *
mp__block_at_root(enum mp__root_slot slot, size_t size)
{
    _Atomic(void *) *root = mp__region_root(slot);
    void *block = mp__load_acquire(root), *expected = NULL;

    if (block)
        return block;
    block = mp__block_alloc(size, 1);
    if (!block)
        return NULL;
    mp__block_keep(block); /* before others see it: a death here leaks it */
    if (!mp__cas(root, &expected, block)) {
        mp__block_free(block);
        return expected;
    }
    return block;
}

int
mp__block_free_for(void *block, uint32_t index)
{
    struct mp__chunk *chunk;

    if (MP__EXTENT_KIND(mp__extent_entry(block)) == MP__EXTENT_LARGE)
        return mp__extent_free(block, index, MP__HAND_EXTENT);
    chunk = mp__chunk_of(block);
    if (chunk == NULL || chunk->bin->rotate)
        return -EBADF;
    return mp__bin_give(chunk, block, index);
}

int
mp__block_free(void *block)
{
    return mp__block_free_for(block, mp__me.index);
}

/* To write to a page that is not mapped yet is a fault for this page alone. To
 * read from it maps its neighbours too, as far as they are there: a granule at
 * once, a sixth of the cost, and it may be written to as well. */
void
mp__block_fill(void *block, const void *data, size_t size)
{
    const char *from = data;
    char *to = block;

    while (size > MP__GRANULE) {
        size_t step = MP__GRANULE - (uintptr_t)to % MP__GRANULE;

        (void)*(volatile char *)to;
        memcpy(to, from, step);
        to += step;
        from += step;
        size -= step;
    }
    memcpy(to, from, size);
}

size_t
mp__block_size(const void *block)
{
    uint32_t entry = mp__extent_entry(block);
    struct mp__chunk *chunk;

    if (MP__EXTENT_KIND(entry) == MP__EXTENT_LARGE)
        return (size_t)((const char *)block - mp__view.base) % MP__GRANULE
                   ? 0
                   : MP__EXTENT_LENGTH(entry) * MP__GRANULE;
    chunk = mp__chunk_of(block);
    if (chunk == NULL || chunk->bin->rotate || !mp__chunk_has(chunk, block))
        return 0;
    return chunk->cell;
}

/* ---- For the reaper ---- */

void
mp__heap_settle(void *p)
{
    struct mp__mutex *mutex = &mp__region()->extents.mutex;
    uint32_t kind;

    if (p == NULL)
        return;
    mp__mutex_lock(mutex);
    mp__mutex_unlock(mutex);
    kind = MP__EXTENT_KIND(mp__extent_entry(p));
    if (kind == MP__EXTENT_CHUNK || kind == MP__EXTENT_PART)
        mp__bin_settle(mp__chunk_holding(p));
}

void
mp__heap_reclaim(void *p, uint32_t index, enum mp__hand hand)
{
    struct mp__chunk *chunk;

    if (p == NULL)
        return;
    if (hand != MP__HAND_BLOCK) {
        mp__extent_free(p, index, hand);
        return;
    }
    chunk = mp__chunk_of(p);
    if (chunk)
        mp__bin_give(chunk, p, index);
}

/* ---- The public face ---- */

void *
mp_alloc(size_t size)
{
    void *p;

    if (mp__enter() < 0)
        return NULL;
    p = mp__block_alloc(size, 1);
    if (p)
        mp__block_keep(p);
    return p;
}

void *
mp_alloc_array(size_t n, size_t size)
{
    if (size && n > SIZE_MAX / size) {
        mp__fail(-ENOMEM,
                 "mp_alloc_array: %zu items of %zu bytes are more than fit "
                 "into the address space",
                 n, size);
        return NULL;
    }
    return mp_alloc(n * size);
}

int
mp_free(void *p)
{
    int r;

    if (p == NULL)
        return 0;
    r = mp__enter();
    if (r < 0)
        return r;
    if (mp__block_free(p) < 0)
        return mp__fail(-EBADF, "mp_free: %p is not the start of a live block",
                        p);
    return 0;
}

/* Whether a block of `old` bytes may stay where it is for `size` bytes. */
static int
fits(size_t old, size_t size)
{
    return size <= old && (size > old / 2 || old <= 128);
}

void *
mp_realloc(void *p, size_t size)
{
    size_t old;
    void *q;

    if (p == NULL)
        return mp_alloc(size);
    if (mp__enter() < 0)
        return NULL;
    old = mp__block_size(p);
    if (old == 0) {
        mp__fail(-EBADF, "mp_realloc: %p is not the start of a live block", p);
        return NULL;
    }
    if (fits(old, size)) {
        memset((char *)p + size, 0, old - size);
        return p;
    }
    q = mp_alloc(size);
    if (q == NULL)
        return NULL;
    memcpy(q, p, size < old ? size : old);
    mp__block_free(p);
    return q;
}

int
mp_memory_contains(const void *p, size_t size)
{
    return mp__region_contains(p, size);
}
