/* SPDX-License-Identifier: MIT */
/* Whether the heap is in order: see audit.c. */
#pragma once

#include "region/object.h"

/* What a walk over the whole heap has found. For tests: nobody may be inside
 * the heap meanwhile. */
struct mp__heap_report {
    uint64_t blocks;      /* live small blocks */
    uint64_t block_bytes; /* ... and the bytes of their cells */
    uint64_t large;       /* live large blocks (and segments) */
    uint64_t large_bytes;
    uint64_t chunks;             /* of small blocks and of objects */
    uint64_t objects[MP__SLABS]; /* cells in use */
    uint64_t free_bytes; /* of free extents below the highest used one */
    const char *problem; /* the broken invariant; NULL: none */
};

/* 0, or -EIO with report->problem set. */
int mp__heap_audit(struct mp__heap_report *report);
