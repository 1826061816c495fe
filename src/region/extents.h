/* SPDX-License-Identifier: MIT */
/* Extents: runs of 64 KiB granules. The space of the region is always
 * partitioned into extents, used and free ones; the table says how. */
#pragma once

#include "region/mutex.h"

#include <stddef.h>
#include <stdint.h>

#define MP__GRANULE        ((size_t)65536)
#define MP__HUGE_GRANULES  32u /* of a huge page */
#define MP__CHUNK_GRANULES 8u  /* of the largest chunks */

/* An entry of the table: what begins at that granule. */
enum mp__extent_kind {
    MP__EXTENT_NONE = 0, /* the inside of an extent */
    MP__EXTENT_FREE = 1,
    MP__EXTENT_LARGE = 2,   /* a large block */
    MP__EXTENT_CHUNK = 3,   /* a chunk of small cells */
    MP__EXTENT_PART = 4,    /* inside of a chunk: length = way to its start */
    MP__EXTENT_SEGMENT = 5, /* of a queue */
};
#define MP__EXTENT_KIND(entry)   ((entry) >> 29)
#define MP__EXTENT_LENGTH(entry) ((entry)&0x07ffffffu)
#define MP__EXTENT_BACKED        0x10000000u /* all its pages are committed */
#define MP__EXTENT_ZERO          0x08000000u /* it reads as zeroes */
#define MP__EXTENT_FLAGS         (MP__EXTENT_BACKED | MP__EXTENT_ZERO)
#define MP__EXTENT_ENTRY(kind, flags, length) \
    ((uint32_t)(kind) << 29 | (flags) | (length))

/* Neighbours in a free list, and, at the last granule of a free extent, where
 * that extent starts. */
struct mp__link {
    uint32_t next, previous;
    uint32_t start;
    uint32_t unused;
};

#define MP__EXTENT_LISTS 28

struct mp__extents {
    struct mp__mutex mutex;
    uint32_t intent; /* granule of an extent being taken or freed; 0: none */
    uint32_t intent_part; /* in whose hand it is */
    uint32_t first, end;  /* granules that may be handed out */
    mp__a32 tabled;       /* granules whose table entries are committed */
    /* Free extents, without pages and with, by log2 of length. */
    uint32_t lists[2][MP__EXTENT_LISTS];
    uint64_t warm;       /* bytes of free extents that are backed */
    uint64_t used, most; /* bytes of used extents; the most there ever were */
    uint64_t segments;   /* bytes of those that are segments */
    uint32_t n, n_segments; /* how many there are */
};

/* For the creator of the region: all of the space from `first_offset` on is
 * one free extent. -ENOMEM. */
int mp__extents_init(size_t region_size, size_t first_offset);

/* Takes an extent of at least `size` bytes, committed, into the caller's hand
 * (MP__HAND_EXTENT or _SEGMENT). *ret_zero: whether it is all zeroes. NULL:
 * no memory, with the reason in mp_last_error(). */
void *mp__extent_alloc(size_t size, enum mp__hand hand, int *ret_zero);

/* Frees the extent that starts at `p`, out of the hand of participant
 * `index` if it is there. -EBADF if none starts there. */
int mp__extent_free(void *p, uint32_t index, enum mp__hand hand);

/* The entry that covers the address: a start, or NONE. */
uint32_t mp__extent_entry(const void *p);

/* Bytes that the table says are in use, and so on: as of one moment. */
struct mp__extents_sum {
    uint64_t warm, used, most, segments;
    uint32_t n, n_segments;
};
void mp__extents_sum(struct mp__extents_sum *ret_sum);

/* Gives the pages of all free extents back to the system: how many bytes. */
uint64_t mp__extents_trim(void);

/* Turns a large extent in hand into a chunk. */
void mp__extent_make_chunk(void *p);
