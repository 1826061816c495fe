/* SPDX-License-Identifier: MIT */
/* What extents.c knows by heart of the table: lists of the free extents, and
 * sums. All of it is under the mutex of the extents, and is built again after
 * a death. */
#pragma once

#include "region/layout.h"

static inline struct mp__extents *
mp__extents(void)
{
    return &mp__region()->extents;
}

static inline struct mp__link *
mp__extent_links(void)
{
    return (struct mp__link *)(void *)(mp__view.base + mp__region()->links_at);
}

static inline uint64_t
mp__extent_bytes(uint32_t entry)
{
    return (uint64_t)MP__EXTENT_LENGTH(entry) * MP__GRANULE;
}

static inline int
mp__extent_is_used(uint32_t entry)
{
    return MP__EXTENT_KIND(entry) == MP__EXTENT_LARGE ||
           MP__EXTENT_KIND(entry) == MP__EXTENT_CHUNK ||
           MP__EXTENT_KIND(entry) == MP__EXTENT_SEGMENT;
}

/* The list that a free extent belongs into. */
static inline uint32_t *
mp__free_list_of(uint32_t entry)
{
    return &mp__extents()->lists[(entry & MP__EXTENT_BACKED) != 0]
                                [31 - __builtin_clz(MP__EXTENT_LENGTH(entry))];
}

/* Forgets all. */
void mp__free_list_clear(void);

/* Puts the free extent at `granule` into its list, in front; takes it out. */
void mp__free_list_insert(uint32_t granule);
void mp__free_list_remove(uint32_t granule);

/* A free extent of at least `length`, with pages if there is one. 0: none. */
uint32_t mp__free_list_find(uint32_t length);

/* One that has pages, of the largest, but not `spared`; one that has none, as
 * is said, but is not known to be zero. 0: none. */
uint32_t mp__free_list_find_warm(uint32_t spared);
uint32_t mp__free_list_find_dirty(void);

/* Counts an extent that is used from here on, or no more. */
void mp__extents_count_taken(uint32_t entry);
void mp__extents_count_freed(uint32_t entry);
