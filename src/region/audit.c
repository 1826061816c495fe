/* SPDX-License-Identifier: MIT */
/* A walk over the whole heap that checks what must hold when nobody is inside:
 * extents partition the space, chunks are in their bins, counts are those of
 * the bits. For tests. */
#include "region/audit.h"

#include "region/bin.h"
#include "region/free_list.h"

#include <errno.h>
#include <string.h>

static int
broken(struct mp__heap_report *report, const char *problem)
{
    report->problem = problem;
    return -EIO;
}

static uint32_t
entry_at(uint32_t granule)
{
    return mp__load(&mp__extent_table()[granule]);
}

static int
in_list(uint32_t granule, uint32_t entry)
{
    for (uint32_t g = *mp__free_list_of(entry); g;
         g = mp__extent_links()[g].next)
        if (g == granule)
            return 1;
    return 0;
}

/* The sums that the extents keep, against those of a walk. */
static int
audit_sums(const struct mp__extents *x, const struct mp__extents_sum *sum,
           struct mp__heap_report *report)
{
    if (x->warm != sum->warm)
        return broken(report, "the bytes kept warm are not those of the "
                              "free extents");
    if (x->used != sum->used || x->n != sum->n ||
        x->segments != sum->segments || x->n_segments != sum->n_segments)
        return broken(report, "the sums of extents are wrong");
    return 0;
}

static void
add_used(struct mp__extents_sum *sum, uint32_t entry)
{
    sum->n++;
    sum->used += mp__extent_bytes(entry);
    if (MP__EXTENT_KIND(entry) == MP__EXTENT_SEGMENT) {
        sum->n_segments++;
        sum->segments += mp__extent_bytes(entry);
    }
}

/* The extents: each inside the space, free ones listed, and never two of the
 * same sort side by side. */
static int
audit_extents(struct mp__heap_report *report)
{
    struct mp__extents *x = &mp__region()->extents;
    uint32_t granule = x->first, previous = MP__EXTENT_NONE;
    struct mp__extents_sum sum = {0};
    uint64_t pending = 0;

    if (x->intent)
        return broken(report, "an extent is half taken or half freed");
    while (granule < x->end) {
        uint32_t entry = entry_at(granule);
        uint32_t kind = MP__EXTENT_KIND(entry);
        uint32_t length = MP__EXTENT_LENGTH(entry);

        if (length == 0 || length > x->end - granule)
            return broken(report, "an extent has no length, or too much");
        if (kind == MP__EXTENT_FREE) {
            if (MP__EXTENT_KIND(previous) == MP__EXTENT_FREE &&
                ((previous ^ entry) & MP__EXTENT_BACKED) == 0)
                return broken(report, "two free extents side by side");
            if (!in_list(granule, entry))
                return broken(report, "a free extent is in no list");
            pending = mp__extent_bytes(entry);
            sum.warm += entry & MP__EXTENT_BACKED ? pending : 0;
        } else {
            add_used(&sum, entry);
            report->free_bytes += pending;
            pending = 0;
            if (kind == MP__EXTENT_LARGE || kind == MP__EXTENT_SEGMENT) {
                report->large++;
                report->large_bytes += mp__extent_bytes(entry);
            } else if (kind == MP__EXTENT_CHUNK) {
                report->chunks++;
            } else {
                return broken(report, "an extent is of no kind");
            }
        }
        previous = entry;
        granule += length;
    }
    return audit_sums(x, &sum, report);
}

static int
audit_chunk(struct mp__bin *bin, struct mp__chunk *chunk,
            struct mp__heap_report *report, uint64_t *cells)
{
    uint32_t used = 0;

    if (MP__EXTENT_KIND(mp__extent_entry(chunk)) != MP__EXTENT_CHUNK ||
        chunk->bin != bin || chunk->cell != mp__load(&bin->cell))
        return broken(report, "a bin lists what is no chunk of it");
    for (uint32_t w = 0; w < (chunk->cells + 63) / 64; w++)
        used += (uint32_t)__builtin_popcountll(mp__load(&chunk->bits[w]));
    if (used != chunk->used || used > chunk->cells)
        return broken(report, "a chunk's count is not that of its bits");
    if (chunk->listed != (used < chunk->cells))
        return broken(report, "a chunk with a free cell is not available, or "
                              "a full one is");
    *cells += used;
    return 0;
}

static int
audit_bin(struct mp__bin *bin, struct mp__heap_report *report,
          uint64_t *chunks, uint64_t *cells)
{
    uint32_t listed = 0;

    if (bin->intent || bin->intent_chunk)
        return broken(report, "a cell is half taken or half freed");
    for (struct mp__chunk *c = bin->all; c; c = c->all_next) {
        int r = audit_chunk(bin, c, report, cells);

        if (r < 0)
            return r;
        listed++;
    }
    if (*cells != mp__load(&bin->used) || listed != mp__load(&bin->chunks))
        return broken(report, "a bin's counts are not those of its chunks");
    *chunks += listed;
    return 0;
}

int
mp__heap_audit(struct mp__heap_report *report)
{
    struct mp__region *region = mp__region();
    uint64_t chunks = 0;
    int r;

    memset(report, 0, sizeof(*report));
    /* Mutexes that somebody died with are brought in order first. */
    mp__mutex_lock(&region->extents.mutex);
    mp__mutex_unlock(&region->extents.mutex);
    for (uint32_t s = 0; s < MP__SHARDS; s++) {
        for (uint32_t c = 0; c < MP__CLASSES; c++) {
            struct mp__bin *bin = &region->bins[s][c];
            uint64_t cells = 0;

            mp__mutex_lock(&bin->mutex);
            mp__mutex_unlock(&bin->mutex);
            r = audit_bin(bin, report, &chunks, &cells);
            if (r < 0)
                return r;
            report->blocks += cells;
            report->block_bytes += cells * mp__load(&bin->cell);
        }
    }
    for (uint32_t s = 0; s < MP__SLABS; s++) {
        mp__mutex_lock(&region->slabs[s].mutex);
        mp__mutex_unlock(&region->slabs[s].mutex);
        r = audit_bin(&region->slabs[s], report, &chunks, &report->objects[s]);
        if (r < 0)
            return r;
    }
    r = audit_extents(report);
    if (r < 0)
        return r;
    if (report->chunks != chunks)
        return broken(report, "a chunk is in no bin");
    return 0;
}
