/* SPDX-License-Identifier: MIT */
/* What a process has been promised to hear of, for each pool: its own, in no
 * shared memory. */
#pragma once

#include "result/callback.h"

struct mp__entry {
    struct mp__entry *next; /* in its bucket, or of those to spare */
    mp_result *result;
    uint64_t number;
    struct mp__callback callback;
    int owned;    /* to be freed after the call */
    int running;  /* or has been */
    int doubtful; /* it was told of, and did not end soon */
    mp_time told; /* since when it was too early; 0: it was not */
};

#define MP__STRAYS 64u

struct mp__ledger {
    struct mp__ledger *next;
    mp_pool *pool;
    uint64_t pool_id;
    struct mp__inbox *inbox;
    unsigned users; /* calls that use it; the last frees it if it is */
    int removed;
    struct mp__entry **bucket;
    size_t buckets; /* a power of two */
    size_t entries, waiting, doubtful;
    unsigned submissions;    /* on their way */
    struct mp__entry *spare; /* one for each of those */
    struct mp__news stray[MP__STRAYS];
    unsigned strays; /* more than there is room for: any may have been told */
};

/* Entries in all ledgers of this process. */
extern mp__a64 mp__ledger_entries;

/* The lock of all ledgers; held across fork. Nothing may be asked of the pool
 * under it. In fork's child there are no ledgers. */
void mp__ledger_lock(void);
void mp__ledger_unlock(void);

/* The pool's ledger, to be given back; NULL: there is none. */
struct mp__ledger *mp__ledger_get(mp_pool *pool);
/* The same; made if need be. NULL: no memory. */
struct mp__ledger *mp__ledger_make(mp_pool *pool);
void mp__ledger_put(struct mp__ledger *l);
/* Takes it out of the list, so that nobody finds it any more. */
void mp__ledger_remove(struct mp__ledger *l);

/* ---- Under the lock ---- */

/* The entry of a result in this ledger, or in any; NULL: there is none. */
struct mp__entry *mp__ledger_find(struct mp__ledger *l, const void *result,
                                  uint64_t number);
struct mp__entry *mp__ledger_find_any(const void *result, uint64_t number);

void mp__ledger_grow(struct mp__ledger *l);
void mp__ledger_add(struct mp__ledger *l, struct mp__entry *e);
/* Takes it out, and frees it. */
void mp__ledger_drop(struct mp__ledger *l, struct mp__entry *e);
