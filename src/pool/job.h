/* SPDX-License-Identifier: MIT */
/* A map: one function, an array of items, and a cursor. */
#pragma once

#include "pool/pool.h"

#define MP__JOB_TEXT 256u

/* The failed item with the lowest index so far. */
struct mp__failure {
    int64_t code;
    char text[MP__JOB_TEXT]; /* "": the code says it all */
};

struct mp__job {
    struct mp__object object;
    mp_pool *pool;
    struct mp__job *next; /* in pool->jobs, under the pool's mutex */
    uint64_t caller;      /* participant who waits for the map */
    struct mp__function function;
    const char *in;
    char *out;
    void *ctx;
    uint64_t in_size, out_size, n;
    uint64_t chunk;   /* asked for; 0: as time tells */
    void *blocks[3];  /* copies of in, out, ctx that go with the job */
    mp__a32 open;     /* may be joined. Writer: caller; readers: workers */
    mp__a32 stop;     /* items that have not begun shall not begin */
    uint32_t retired; /* nobody waits for it; under the pool's mutex */

    MP__ALIGNED(MP__LINE) struct mp__mutex mutex;
    mp__a64 cursor;  /* items below are taken: THE commit of a range */
    mp__a64 failure; /* {index: 63 | which of failures}; ~0: none */
    struct mp__bell bell;
    mp__a32 done; /* 1: every item has ended. A hint, for it can be told
                     from the cursor and the ranges */
    struct mp__failure failures[2];
} MP__ALIGNED(MP__LINE);

/* Puts the job at the end of the pool's list. */
void mp__job_list(struct mp_pool *pool, struct mp__job *job);

/* Its caller does not want it any more: whoever leaves it last frees it. */
void mp__job_retire(struct mp_pool *pool, struct mp__job *job);
void mp__job_free(struct mp__job *job);

/* Whether all its items have ended. */
int mp__job_is_complete(struct mp__job *job);

/* Works at the maps of the pool until there is none left that needs it. */
void mp__job_work(struct mp_pool *pool, struct mp__worker *w);

/* Settles the item that the dead worker of post `w` was running, if any: it
 * fails. What remains of its range stays with the post, for its successor;
 * unless there will be none (`forsake`): then the whole rest fails. 1 if an
 * item was running. */
int mp__job_settle(struct mp_pool *pool, struct mp__worker *w, int forsake,
                   const struct mp__obituary *obituary);

/* Gives back the maps that nobody waits for, at the end of the pool. */
void mp__job_forget_all(struct mp_pool *pool);

/* Whether a map is not finished. */
int mp__job_pending(struct mp_pool *pool);
