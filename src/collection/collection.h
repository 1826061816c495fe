/* SPDX-License-Identifier: MIT */
/* What lists and dicts have in common: a mutex, and a record of the change
 * that is being made. See collection.c. */
#pragma once

#include "collection/word.h"
#include "container/own_lock.h"
#include "region/mutex.h"

/* A change, written down before it is made. `kind` is stored last: the COMMIT.
 * Whoever finds one makes it, from wherever the dead had come to. */
struct mp__change {
    mp__a32 kind;   /* 0: none; else of the collection's own, or one below */
    uint32_t part;  /* who makes it: in whose hand `block` was */
    void *block;    /* that the collection gets from that hand: a bundle */
    uint64_t at, n; /* by kind */
    uint64_t word, other;
    uint32_t hash;
    uint64_t old[2],
        old_refs[2]; /* words that go, and what their bundles' refs
                                     are after that */
    void *from, *to; /* vectors */
    const uint64_t *drops;
    uint64_t size;
    int none;      /* of the bundle's words is kept there */
    uint64_t done; /* how far it is; writer: who makes it */
};

/* Of every collection. */
enum {
    MP__CHANGE_DROP = 0x1000, /* the last word of the trash goes */
    MP__CHANGE_SPARE,         /* `block`, of `n` bytes, becomes the spare */
};

/* Words that were taken out. */
struct mp__trash {
    void *block; /* that they lie in; NULL: none */
    uint64_t *words;
    size_t n;     /* of them that still count */
    int borrowed; /* the block is in use, and not to be freed */
};

struct mp__collection {
    struct mp__object object;
    uint64_t cell; /* tells a cell that has had a collection before */
    uint32_t slab;
    struct mp__mutex mutex; /* guards all below */
    struct mp__change change;
    uint64_t version; /* counts up with each change of what it has */
    void *spare;      /* a block for who needs a second one */
    size_t spare_size;
    void *spent; /* blocks to be freed, chained by their first words */
    uint32_t spent_part;
    struct mp__trash trash;
    struct mp__own_lock own; /* the users' */
};

/* Makes the change of a collection of one kind: as often as it takes, each
 * time from the beginning or from `done` on; who calls has the mutex. */
typedef void mp__change_fn(struct mp__collection *collection);
void mp__collection_register(enum mp__slab slab, mp__change_fn *apply);

/* A cell of `size` bytes, not published yet; NULL: no memory. */
void *mp__collection_new(enum mp__slab slab, size_t size);

/* The end of a live collection, of whose items `clear` commits the removal,
 * the mutex being held. 0; -EBUSY: its lock is in use; -EBADF: somebody else
 * was faster. `what` is e.g. "a list". */
int mp__collection_destroy(struct mp__collection *collection,
                           mp__change_fn *clear, const char *function,
                           const char *what);

/* Acquires the mutex; the collection is in order then, and there is neither
 * trash nor a spent block. Releases it, and frees what is of no use
 * any more. */
void mp__collection_lock(struct mp__collection *collection);
void mp__collection_unlock(struct mp__collection *collection);

/* Acquires it for who has a block in hand, so that nothing can be freed. 0: it
 * is not held, as there was something to be freed; give the block back and
 * begin anew. */
int mp__collection_lock_in_hand(struct mp__collection *collection);

/* Sees to it that `spare` has `size` bytes; the mutex is released meanwhile.
 * 0, -ENOMEM, -EBADF (it was destroyed): the mutex is held. Must not be called
 * with a block in hand. */
int mp__collection_spare(struct mp__collection *collection, size_t size);

/* Releases the mutex at the end of a step that may have left a spare, which
 * goes back to the heap. */
void mp__collection_leave(struct mp__collection *collection);

/* Says in the change that `word` goes, and another (0: none). */
void mp__collection_drops(struct mp__collection *collection, uint64_t word,
                          uint64_t other);

/* Commits the change whose fields are filled in, and makes it. `block` (NULL:
 * none) comes from the caller's hand. */
void mp__collection_commit(struct mp__collection *collection, uint32_t kind,
                           void *block);

/* ---- For mp__change_fn ---- */

/* The words of mp__collection_drops() are gone. */
void mp__change_drop(struct mp__collection *collection);

/* The block (NULL: none) is to be freed. */
void mp__change_spend(struct mp__collection *collection, void *block);

/* The spare has been put to use. */
void mp__change_spare_used(struct mp__collection *collection);

/* Registers how they are described: describe.c. */
void mp__collection_describe(void);
