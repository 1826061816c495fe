/* SPDX-License-Identifier: MIT */
/* What lies where in the region.
 *
 *   0              struct mp__region: identity, extents, bins
 *   participants   struct mp__participant[MP__PARTICIPANTS + 1]
 *   table          uint32_t per granule: the truth about extents
 *   links          struct mp__link per granule: a cache, for free extents
 *   first granule  extents: chunks of small blocks, large blocks, segments
 *
 * Only what is in use is committed; all else is address space. */
#pragma once

#include "base/atomic.h"
#include "base/macros.h"
#include "region/extents.h"
#include "region/mutex.h"
#include "region/object.h"
#include "region/participant.h"
#include "region/region.h"

#define MP__REGION_MAGIC 0x6e6f69676572706du /* "mpregion" */
#define MP__REGION_ABI   1u
#define MP__SHARDS       4u
#define MP__CLASSES      44u

/* A bin: the chunks of one class of cells. Everything but `intent*` and the
 * forward links of `all` is a cache that repair rebuilds. */
struct mp__bin {
    struct mp__mutex mutex;
    uint64_t intent;       /* block being taken or freed; 0: none */
    uint64_t intent_chunk; /* chunk being linked or unlinked; 0: none */
    uint32_t intent_part;  /* who does it: whose hand it is in */
    uint32_t rotate;       /* reuse a freed cell as late as possible */
    mp__a32 cell;          /* bytes of a cell; of a slab: 0 until first used */
    struct mp__chunk *all;
    struct mp__chunk *available; /* chunks with a free cell */
    mp__a64 used;                /* cells in use; readers: any */
    mp__a32 chunks;              /* how many; readers: any */
} MP__ALIGNED(MP__LINE);

/* What a program that is executed afresh looks at before it maps the rest. */
struct mp__region_identity {
    uint64_t magic; /* set last by the creator */
    uint32_t abi;
    uint32_t layout; /* sizes of what is shared, folded: see region.c */
    unsigned char uuid[16];
    uint64_t base, size;
    uint32_t tier;
};

#define MP__LOG_PATH    4096u
#define MP__LOG_OUTPUTS 64u

/* A file, pipe or terminal that lines of the log go to. */
struct mp__log_output {
    mp__a64 key; /* tells which; 0: none. Writer: who has the log's mutex */
    struct mp__mutex mutex; /* held while a line is written */
    mp__a64 under_way; /* the bytes of a line that may be there in part; 0:
                          none. Writer: who has the mutex */
};

/* See report/log.c. All zero: it is off. */
struct mp__log {
    mp__a64 setting; /* {changes:32 | MP_LOG_OFF - level:32}: COMMIT */
    struct mp__mutex mutex; /* of who changes it, or reads the path */
    uint32_t next;          /* entry of `outputs` that may be given away */
    char path[2][MP__LOG_PATH]; /* path[changes % 2] is meant; "": stderr */
    struct mp__log_output outputs[MP__LOG_OUTPUTS];
};

struct mp__region {
    struct mp__region_identity is;
    uint64_t participants_at, table_at, links_at; /* offsets */
    mp__a32 participants_high;                    /* slots ever used */
    mp__a64 burials;               /* see participant.c */
    mp__a64 budget;                /* bytes that may be committed unasked, */
    _Atomic(mp_time) budget_until; /* until this moment: see commit.c */
    mp__a64 warm;                  /* bytes of freed pages worth keeping */
    _Atomic(void *) roots[MP__ROOT_SLOTS];
    struct mp__extents extents;
    struct mp__bin slabs[MP__SLABS];
    struct mp__bin bins[MP__SHARDS][MP__CLASSES];
    struct mp__log log;
};

static inline struct mp__region *
mp__region(void)
{
    return (struct mp__region *)(void *)mp__view.base;
}

static inline mp__a32 *
mp__extent_table(void)
{
    return (mp__a32 *)(void *)(mp__view.base + mp__region()->table_at);
}
