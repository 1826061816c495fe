/* SPDX-License-Identifier: MIT */
/* Bins: cells of one size, in chunks. */
#pragma once

#include "region/extents.h"
#include "region/layout.h"

/* A chunk: an extent of cells. A cell is taken if its bit is set. */
struct mp__chunk {
    struct mp__bin *bin;
    uint32_t cell, cells;           /* bytes of a cell; how many there are */
    uint32_t first;                 /* offset of the first cell */
    uint32_t used;                  /* cache: bits that are set */
    uint32_t hint;                  /* cache: word to look at first */
    uint32_t listed;                /* cache: is in bin->available */
    struct mp__chunk *all_next;     /* truth: the chunks of this bin */
    struct mp__chunk *all_previous; /* cache */
    struct mp__chunk *available_next, *available_previous; /* cache */
    mp__a64 bits[];
};

void mp__bin_init(struct mp__bin *bin, uint32_t cell, int rotate);

/* Takes a cell into the caller's hand (MP__HAND_BLOCK) unless `hand` is 0.
 * NULL: no memory. */
void *mp__bin_take(struct mp__bin *bin, int hand);

/* The chunk that the address lies in; NULL: none. */
struct mp__chunk *mp__chunk_holding(const void *p);

/* The chunk whose live or dead cell `p` is the start of; NULL: none. */
struct mp__chunk *mp__chunk_of(const void *p);
int mp__chunk_has(const struct mp__chunk *chunk, const void *p);

/* Frees a cell out of the hand of participant `index`, if it is there. -EBADF
 * if it is free already. */
int mp__bin_give(struct mp__chunk *chunk, void *p, uint32_t index);

/* Bytes of a chunk of cells of that size. */
uint32_t mp__chunk_size(uint32_t cell);

/* Gives back a chunk that has no cell in use: 1, or 0 if there is none. */
int mp__bin_trim(struct mp__bin *bin);

/* Locks and unlocks the bin of a chunk, so that it is in order. */
void mp__bin_settle(struct mp__chunk *chunk);
