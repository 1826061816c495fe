/* SPDX-License-Identifier: MIT */
/* Free extents by size, and how much there is of what: a cache of the table.
 *
 * A list for each power of two holds the free extents from there up to the
 * next, the one that was freed last in front: what was in it may still be in
 * some processor's cache. Those that have pages have lists of their own, which
 * are looked through first: pages that are there are mapped in the processes
 * that work with them, too, and fresh ones cost several times as much as to copy
 * a message into them. The links lie apart from the memory that they tell of,
 * which may have no pages. */
#include "region/free_list.h"

#include <string.h>

/* ---- Sums ---- */

void
mp__extents_count_taken(uint32_t entry)
{
    struct mp__extents *x = mp__extents();

    x->n++;
    x->used += mp__extent_bytes(entry);
    if (x->used > x->most)
        x->most = x->used;
    if (MP__EXTENT_KIND(entry) == MP__EXTENT_SEGMENT) {
        x->n_segments++;
        x->segments += mp__extent_bytes(entry);
    }
}

void
mp__extents_count_freed(uint32_t entry)
{
    struct mp__extents *x = mp__extents();

    x->n--;
    x->used -= mp__extent_bytes(entry);
    if (MP__EXTENT_KIND(entry) == MP__EXTENT_SEGMENT) {
        x->n_segments--;
        x->segments -= mp__extent_bytes(entry);
    }
}

/* ---- Lists ---- */

static uint64_t
backed_bytes(uint32_t entry)
{
    return entry & MP__EXTENT_BACKED ? mp__extent_bytes(entry) : 0;
}

void
mp__free_list_clear(void)
{
    struct mp__extents *x = mp__extents();

    memset(x->lists, 0, sizeof(x->lists));
    x->warm = 0;
    x->used = 0;
    x->segments = 0;
    x->n = 0;
    x->n_segments = 0;
}

void
mp__free_list_insert(uint32_t granule)
{
    struct mp__extents *x = mp__extents();
    uint32_t entry = mp__load_relaxed(&mp__extent_table()[granule]);
    uint32_t length = MP__EXTENT_LENGTH(entry);
    uint32_t *head = mp__free_list_of(entry);
    struct mp__link *link = mp__extent_links();

    link[granule].next = *head;
    link[granule].previous = 0;
    if (*head)
        link[*head].previous = granule;
    *head = granule;
    /* Nothing follows the last extent: its end need not be marked, and the
     * page that the mark would lie in is not committed. */
    if (granule + length < x->end)
        link[granule + length - 1].start = granule;
    x->warm += backed_bytes(entry);
}

void
mp__free_list_remove(uint32_t granule)
{
    struct mp__extents *x = mp__extents();
    uint32_t entry = mp__load_relaxed(&mp__extent_table()[granule]);
    struct mp__link *link = mp__extent_links();
    struct mp__link own = link[granule];

    if (own.previous)
        link[own.previous].next = own.next;
    else
        *mp__free_list_of(entry) = own.next;
    if (own.next)
        link[own.next].previous = own.previous;
    x->warm -= backed_bytes(entry);
}

/* The first that fits of those of its own power of two (looking at a few),
 * else any of a larger one. */
static uint32_t
find_in(const uint32_t lists[], uint32_t length)
{
    struct mp__link *link = mp__extent_links();
    uint32_t list = 31 - (uint32_t)__builtin_clz(length);
    int looks = 32;

    for (uint32_t g = lists[list]; g && looks-- > 0; g = link[g].next) {
        uint32_t entry = mp__load_relaxed(&mp__extent_table()[g]);

        if (MP__EXTENT_LENGTH(entry) >= length)
            return g;
    }
    while (++list < MP__EXTENT_LISTS)
        if (lists[list])
            return lists[list];
    return 0;
}

uint32_t
mp__free_list_find(uint32_t length)
{
    uint32_t warm = find_in(mp__extents()->lists[1], length);

    return warm ? warm : find_in(mp__extents()->lists[0], length);
}

uint32_t
mp__free_list_find_warm(uint32_t spared)
{
    for (uint32_t list = MP__EXTENT_LISTS; list-- > 0;)
        for (uint32_t g = mp__extents()->lists[1][list]; g;
             g = mp__extent_links()[g].next)
            if (g != spared)
                return g;
    return 0;
}

uint32_t
mp__free_list_find_dirty(void)
{
    for (uint32_t list = MP__EXTENT_LISTS; list-- > 0;)
        for (uint32_t g = mp__extents()->lists[0][list]; g;
             g = mp__extent_links()[g].next)
            if (!(mp__load_relaxed(&mp__extent_table()[g]) & MP__EXTENT_ZERO))
                return g;
    return 0;
}
