/* SPDX-License-Identifier: MIT */
/* Bins of cells.
 *
 * The truth is small: the bits of each chunk, and the forward links of the
 * list `all`. Setting a bit takes a cell, clearing it frees it; one store
 * links or unlinks a chunk. What speeds this up (counts, hints, the list of
 * chunks with a free cell) is a cache that repair builds again.
 *
 * `intent` names the cell whose bit is about to change. Repair clears that
 * bit and empties the hand of the dead: a half-done free is finished, and a
 * half-done allocation, which nobody has seen, is taken back. Hence a cell in
 * a dead thread's hand, with the bin in order, is really its own.
 * `intent_chunk` names a chunk on its way into or out of the bin: repair puts
 * it in.
 *
 * Locks: the bin's mutex; extents are taken before and given back after. */
#include "region/bin.h"

#include "base/error.h"
#include "region/hand.h"

#include <errno.h>
#include <string.h>

#define SMALL_CELL     8192u /* up to here a chunk is one granule */
#define CELL_ALIGNMENT 128u

uint32_t
mp__chunk_size(uint32_t cell)
{
    return (uint32_t)MP__GRANULE *
           (cell <= SMALL_CELL ? 1 : MP__CHUNK_GRANULES);
}

static void *
cell_at(struct mp__chunk *chunk, uint32_t i)
{
    return (char *)chunk + chunk->first + (size_t)i * chunk->cell;
}

static uint32_t
words(const struct mp__chunk *chunk)
{
    return (chunk->cells + 63) / 64;
}

void
mp__bin_init(struct mp__bin *bin, uint32_t cell, int rotate)
{
    mp__mutex_init(&bin->mutex, MP__MUTEX_BIN);
    mp__store_relaxed(&bin->cell, cell);
    bin->rotate = (uint32_t)rotate;
}

/* ---- The cache ---- */

/* Only who holds the mutex counts; whoever likes reads. */
static void
count_cells(struct mp__bin *bin, int64_t n)
{
    mp__store_relaxed(&bin->used, mp__load_relaxed(&bin->used) + (uint64_t)n);
}

static void
count_chunks(struct mp__bin *bin, int n)
{
    mp__store_relaxed(&bin->chunks,
                      mp__load_relaxed(&bin->chunks) + (uint32_t)n);
}

static void
available_insert(struct mp__bin *bin, struct mp__chunk *chunk)
{
    chunk->available_next = bin->available;
    chunk->available_previous = NULL;
    if (bin->available)
        bin->available->available_previous = chunk;
    bin->available = chunk;
    chunk->listed = 1;
}

static void
available_remove(struct mp__bin *bin, struct mp__chunk *chunk)
{
    if (chunk->available_previous)
        chunk->available_previous->available_next = chunk->available_next;
    else
        bin->available = chunk->available_next;
    if (chunk->available_next)
        chunk->available_next->available_previous = chunk->available_previous;
    chunk->listed = 0;
}

/* ---- Chunks come and go ---- */

static void
all_link(struct mp__bin *bin, struct mp__chunk *chunk)
{
    chunk->all_next = bin->all;
    chunk->all_previous = NULL;
    if (bin->all)
        bin->all->all_previous = chunk;
    mp__compiler_barrier();
    bin->all = chunk;
}

static void
all_unlink(struct mp__bin *bin, struct mp__chunk *chunk)
{
    if (chunk->all_previous)
        chunk->all_previous->all_next = chunk->all_next;
    else
        bin->all = chunk->all_next;
    if (chunk->all_next)
        chunk->all_next->all_previous = chunk->all_previous;
}

static struct mp__chunk *
chunk_create(struct mp__bin *bin)
{
    uint32_t cell = mp__load_relaxed(&bin->cell);
    uint32_t size = mp__chunk_size(cell), cells, first;
    struct mp__chunk *chunk;
    int zero;

    chunk = mp__extent_alloc(size, MP__HAND_EXTENT, &zero);
    if (chunk == NULL)
        return NULL;
    cells = (uint32_t)((size - sizeof(*chunk)) / cell);
    do { /* the bits take room too: settle on a number that fits */
        first = (uint32_t)mp__round_up(sizeof(*chunk) + (cells + 63) / 64 *
                                                            sizeof(uint64_t),
                                       CELL_ALIGNMENT);
    } while (first + (size_t)cells * cell > size && cells--);
    memset(chunk, 0, first);
    chunk->bin = bin;
    chunk->cell = cell;
    chunk->cells = cells;
    chunk->first = first;
    mp__extent_make_chunk(chunk);
    return chunk;
}

/* Gets the bin a chunk with free cells, and leaves with the mutex held. */
static int
refill(struct mp__bin *bin)
{
    struct mp__chunk *chunk = chunk_create(bin);

    if (chunk == NULL)
        return -ENOMEM;
    mp__mutex_lock(&bin->mutex);
    bin->intent_part = mp__me.index;
    mp__compiler_barrier();
    bin->intent_chunk = (uintptr_t)chunk;
    mp__compiler_barrier();
    all_link(bin, chunk);
    mp__hand_clear(MP__HAND_EXTENT);
    mp__compiler_barrier();
    bin->intent_chunk = 0;
    available_insert(bin, chunk);
    count_chunks(bin, 1);
    return 0;
}

/* The mutex is held. Takes an empty chunk out of the bin, into our hand. */
static void
detach(struct mp__bin *bin, struct mp__chunk *chunk)
{
    bin->intent_part = mp__me.index;
    mp__compiler_barrier();
    bin->intent_chunk = (uintptr_t)chunk;
    mp__compiler_barrier();
    mp__hand_set(MP__HAND_EXTENT, chunk, NULL);
    available_remove(bin, chunk);
    all_unlink(bin, chunk);
    mp__compiler_barrier();
    bin->intent_chunk = 0;
    count_chunks(bin, -1);
}

/* ---- Repair ---- */

static int
all_has(struct mp__bin *bin, struct mp__chunk *chunk)
{
    for (struct mp__chunk *c = bin->all; c; c = c->all_next)
        if (c == chunk)
            return 1;
    return 0;
}

static void
clear_bit(struct mp__chunk *chunk, const void *p)
{
    uint32_t i = (uint32_t)((const char *)p - (char *)chunk - chunk->first) /
                 chunk->cell;
    uint64_t bit = (uint64_t)1 << (i % 64);

    mp__store_release(&chunk->bits[i / 64],
                      mp__load_relaxed(&chunk->bits[i / 64]) & ~bit);
}

static void
rebuild(struct mp__bin *bin)
{
    struct mp__chunk *previous = NULL;

    bin->available = NULL;
    mp__store_relaxed(&bin->used, 0);
    mp__store_relaxed(&bin->chunks, 0);
    for (struct mp__chunk *c = bin->all; c; c = c->all_next) {
        c->all_previous = previous;
        previous = c;
        c->used = 0;
        c->hint = 0;
        c->listed = 0;
        for (uint32_t w = 0; w < words(c); w++)
            c->used +=
                (uint32_t)__builtin_popcountll(mp__load_relaxed(&c->bits[w]));
        if (c->used < c->cells)
            available_insert(bin, c);
        count_cells(bin, c->used);
        count_chunks(bin, 1);
    }
}

static void
repair(struct mp__mutex *mutex)
{
    struct mp__bin *bin = MP__CONTAINER(mutex, struct mp__bin, mutex);
    struct mp__chunk *chunk = (void *)(uintptr_t)bin->intent_chunk;
    void *block = (void *)(uintptr_t)bin->intent;

    if (block) {
        mp__hand_clear_of(bin->intent_part, MP__HAND_BLOCK, block);
        clear_bit(mp__chunk_of(block), block);
        bin->intent = 0;
    }
    if (chunk) {
        if (!all_has(bin, chunk))
            all_link(bin, chunk);
        mp__hand_clear_of(bin->intent_part, MP__HAND_EXTENT, chunk);
    }
    mp__compiler_barrier();
    bin->intent_chunk = 0;
    rebuild(bin);
}

__attribute__((constructor)) static void
register_repair(void)
{
    mp__mutex_repair_with(MP__MUTEX_BIN, repair);
}

/* ---- Cells ---- */

/* The index of a free cell of a chunk that has one. */
static uint32_t
find_free(struct mp__chunk *chunk)
{
    uint32_t n = words(chunk), w = chunk->hint;

    for (;; w++) {
        uint64_t bits;
        uint32_t i;

        if (w >= n)
            w = 0;
        bits = mp__load_relaxed(&chunk->bits[w]);
        if (bits == UINT64_MAX)
            continue;
        i = w * 64 + (uint32_t)__builtin_ctzll(~bits);
        if (i < chunk->cells) {
            chunk->hint = w;
            return i;
        }
    }
}

/* As find_free(), but the one that was not used for longest, roughly: goes
 * round the chunk. `hint` is the index to begin at. */
static uint32_t
find_rotating(struct mp__chunk *chunk)
{
    for (uint32_t i = chunk->hint;; i++) {
        uint64_t bits;

        if (i >= chunk->cells)
            i = 0;
        bits = mp__load_relaxed(&chunk->bits[i / 64]);
        if (!(bits >> (i % 64) & 1)) {
            chunk->hint = i + 1;
            return i;
        }
    }
}

void *
mp__bin_take(struct mp__bin *bin, int hand)
{
    struct mp__chunk *chunk;
    uint32_t i;
    void *p;

    mp__mutex_lock(&bin->mutex);
    while ((chunk = bin->available) == NULL) {
        mp__mutex_unlock(&bin->mutex);
        if (refill(bin) < 0)
            return NULL;
    }
    i = bin->rotate ? find_rotating(chunk) : find_free(chunk);
    p = cell_at(chunk, i);
#ifndef MP__MUTATION_NO_INTENT
    bin->intent_part = mp__me.index;
    mp__compiler_barrier();
    bin->intent = (uintptr_t)p;
    mp__compiler_barrier();
#endif
    if (hand)
        mp__hand_set(MP__HAND_BLOCK, p, NULL);
    mp__store_release(&chunk->bits[i / 64],
                      mp__load_relaxed(&chunk->bits[i / 64]) |
                          (uint64_t)1 << (i % 64));
    mp__compiler_barrier();
    bin->intent = 0;
    if (++chunk->used == chunk->cells)
        available_remove(bin, chunk);
    count_cells(bin, 1);
    mp__mutex_unlock(&bin->mutex);
    return p;
}

struct mp__chunk *
mp__chunk_holding(const void *p)
{
    uint32_t entry = mp__extent_entry(p);
    size_t granule = (size_t)((const char *)p - mp__view.base) / MP__GRANULE;

    if (MP__EXTENT_KIND(entry) == MP__EXTENT_PART)
        granule -= MP__EXTENT_LENGTH(entry);
    else if (MP__EXTENT_KIND(entry) != MP__EXTENT_CHUNK)
        return NULL;
    return (void *)(mp__view.base + granule * MP__GRANULE);
}

struct mp__chunk *
mp__chunk_of(const void *p)
{
    struct mp__chunk *chunk = mp__chunk_holding(p);
    size_t at;

    if (chunk == NULL)
        return NULL;
    at = (size_t)((const char *)p - (char *)chunk);
    if (chunk->cell == 0 || at < chunk->first ||
        (at - chunk->first) % chunk->cell != 0 ||
        (at - chunk->first) / chunk->cell >= chunk->cells)
        return NULL;
    return chunk;
}

int
mp__chunk_has(const struct mp__chunk *chunk, const void *p)
{
    uint32_t i =
        (uint32_t)((const char *)p - (const char *)chunk - chunk->first) /
        chunk->cell;

    return (int)(mp__load_acquire(&chunk->bits[i / 64]) >> (i % 64) & 1);
}

/* Whether the pointer, read from a chunk that may be gone, is that of one of
 * the region's bins. */
static int
is_bin(const struct mp__bin *bin)
{
    const struct mp__region *region = mp__region();
    size_t from_slabs =
        (size_t)((const char *)bin - (const char *)region->slabs);
    size_t from_bins =
        (size_t)((const char *)bin - (const char *)region->bins);

    return (from_slabs < sizeof(region->slabs) &&
            from_slabs % sizeof(*bin) == 0) ||
           (from_bins < sizeof(region->bins) && from_bins % sizeof(*bin) == 0);
}

void
mp__bin_settle(struct mp__chunk *chunk)
{
    struct mp__bin *bin = chunk->bin;

    if (!is_bin(bin))
        return;
    mp__mutex_lock(&bin->mutex);
    mp__mutex_unlock(&bin->mutex);
}

/* Locks the bin of a chunk, if the chunk still is one and has the cell. */
static struct mp__bin *
lock_bin_of(struct mp__chunk *chunk, void *p)
{
    struct mp__bin *bin = chunk->bin;

    if (!is_bin(bin))
        return NULL;
    mp__mutex_lock(&bin->mutex);
    /* With the mutex held no chunk of this bin can go. */
    if (mp__chunk_of(p) == chunk && chunk->bin == bin &&
        mp__chunk_has(chunk, p))
        return bin;
    mp__mutex_unlock(&bin->mutex);
    return NULL;
}

int
mp__bin_give(struct mp__chunk *chunk, void *p, uint32_t index)
{
    struct mp__bin *bin = lock_bin_of(chunk, p);
    int spare = 0;

    if (bin == NULL)
        return -EBADF;
    bin->intent_part = index;
    mp__compiler_barrier();
    bin->intent = (uintptr_t)p;
    mp__compiler_barrier();
    mp__hand_clear_of(index, MP__HAND_BLOCK, p);
    clear_bit(chunk, p);
    mp__compiler_barrier();
    bin->intent = 0;
    chunk->used--;
    count_cells(bin, -1);
    if (!bin->rotate)
        chunk->hint = (uint32_t)((char *)p - (char *)chunk - chunk->first) /
                      chunk->cell / 64;
    if (!chunk->listed)
        available_insert(bin, chunk);
    /* One empty chunk stays, so that a cell that comes and goes does not
     * make a chunk do so. Slabs keep theirs for ever. */
    if (chunk->used == 0 && !bin->rotate &&
        (chunk->available_next || chunk->available_previous)) {
        detach(bin, chunk);
        spare = 1;
    }
    mp__mutex_unlock(&bin->mutex);
    if (spare)
        mp__extent_free(chunk, mp__me.index, MP__HAND_EXTENT);
    return 0;
}

int
mp__bin_trim(struct mp__bin *bin)
{
    struct mp__chunk *chunk;

    mp__mutex_lock(&bin->mutex);
    for (chunk = bin->available; chunk; chunk = chunk->available_next)
        if (chunk->used == 0)
            break;
    if (chunk)
        detach(bin, chunk);
    mp__mutex_unlock(&bin->mutex);
    if (chunk == NULL)
        return 0;
    mp__extent_free(chunk, mp__me.index, MP__HAND_EXTENT);
    return 1;
}
