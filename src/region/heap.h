/* SPDX-License-Identifier: MIT */
/* Blocks of the region: the heap behind mp_alloc(), and slabs of objects.
 *
 * Blocks from mp__block_alloc() are in the thread's hand (MP__HAND_BLOCK for
 * small ones, MP__HAND_EXTENT for large ones: mp__block_hand()) until
 * mp__block_keep() lets go of them: a thread that dies in between leaks
 * nothing. A thread has at most one block of each hand at a time. */
#pragma once

#include "base/error.h"
#include "region/far.h"
#include "region/participant.h"

/* Not zeroed unless `zero`. NULL: no memory (mp_last_error() tells). */
void *mp__block_alloc(size_t size, int zero);
enum mp__hand mp__block_hand(const void *block);
void mp__block_keep(void *block);
/* 0 or -EBADF. The block may, but need not, be in the thread's hand. */
int mp__block_free(void *block);
/* The same on behalf of participant `index`, in whose hand it may be. */
int mp__block_free_for(void *block, uint32_t index);
/* The zeroed block of `size` bytes that a root slot (region.h) leads to, one for
 * the whole family: made by who asks first. NULL: no memory. */
void *mp__block_at_root(enum mp__root_slot slot, size_t size);
/* Copies `size` bytes into a block that may be fresh. */
void mp__block_fill(void *block, const void *data, size_t size);
/* Bytes of a live block that the caller may use; 0 if it is none. */
size_t mp__block_size(const void *block);

/* Objects: fixed-size cells of memory that is only ever reused for its own
 * class, so that a stale handle can be told from a live one, and a late write
 * of the kernel into a dead mutex hits nothing else. */
enum mp__slab {
    MP__SLAB_QUEUE,
    MP__SLAB_PROCESS,
    MP__SLAB_POOL,
    MP__SLAB_TASK,
    MP__SLAB_JOB,   /* pool/: a map */
    MP__SLAB_INBOX, /* pool/: who is told of the end of tasks */
    MP__SLAB_LOCK,
    MP__SLAB_RLOCK,
    MP__SLAB_SEMAPHORE,
    MP__SLAB_EVENT,
    MP__SLAB_CONDITION,
    MP__SLAB_BARRIER,
    MP__SLAB_VALUE,
    MP__SLAB_ARRAY,
    MP__SLAB_LIST,
    MP__SLAB_DICT,
    MP__SLAB_SET,
    MP__SLAB_NAMESPACE,
    MP__SLAB_CONN,
    MP__SLAB_LISTENER,
    MP__SLAB_NOTICE, /* region/: pollers of an object */
    MP__SLAB_MANAGER,
    MP__SLAB_OBJECT, /* manager/: of a user's type */
    MP__SLAB_FAR,    /* manager/: an object of another family */
    MP__SLABS,
};

/* First field of every object. */
struct mp__object {
    mp__a64 stamp;  /* address ^ class; 0: no live object */
    mp__a64 serial; /* 0: nobody has asked for it */
};

/* A number that the next object in the same cell does not have. Never 0. */
uint64_t mp__object_serial(void *object);

/* An object of the library's own: nobody from outside may address it, nor is it
 * a value. To be said before others can know it. */
#define MP__OBJECT_HIDDEN ((uint64_t)1)
static inline void
mp__object_hide(void *object)
{
    mp__store(&((struct mp__object *)object)->serial, MP__OBJECT_HIDDEN);
}
static inline int
mp__object_is_hidden(const void *object)
{
    return mp__load_relaxed(
               &((struct mp__object *)(uintptr_t)object)->serial) ==
           MP__OBJECT_HIDDEN;
}

/* For the reaper. Brings in order the mutexes under which the owner of `p`
 * may have died (NULL is allowed); then frees `p` out of a dead participant's
 * hand. */
void mp__heap_settle(void *p);
void mp__heap_reclaim(void *p, uint32_t index, enum mp__hand hand);

void mp__heap_init(void); /* for the creator of the region */

#define MP__SLAB_CELL_MAX 4096

/* A zeroed cell of `size` bytes (the same at every call for a class, a
 * multiple of 64, at most MP__SLAB_CELL_MAX), aligned to 128 if the size is a
 * multiple of 128, else to 64. It has no stamp yet: mp__object_publish().
 * The mutexes and bells in a cell must be set up before. NULL: no memory.
 * A thread that dies between the two leaks the cell at the most. */
void *mp__object_alloc(enum mp__slab slab, size_t size);
/* The same, but not zeroed: it has what its last object has left in it, or, if
 * it never had one, anything. */
void *mp__object_alloc_used(enum mp__slab slab, size_t size);
void mp__object_publish(void *object, enum mp__slab slab);

/* Ends the object: its handles are -EBADF from then on. To be called once;
 * with two callers at once one gets -EBADF. */
int mp__object_retire(void *object, enum mp__slab slab);
/* Gives the cell back, after mp__object_retire(). */
void mp__object_free(void *object, enum mp__slab slab);

/* Visits the cells of all live objects of a class. Others come and go
 * meanwhile: the visitor looks for itself what it has before it. */
void mp__object_each(enum mp__slab slab,
                     void (*visit)(void *object, void *arg), void *arg);

#define MP__STAMP 0x6d705f6f626a0001u
static inline uint64_t
mp__object_stamp(const void *object, enum mp__slab slab)
{
    return (uintptr_t)object ^ (MP__STAMP + (uint64_t)slab);
}

/* Whether `object` is a live object of its class: two compares and a load. */
static inline int
mp__object_ok(const void *object, enum mp__slab slab)
{
    return ((uintptr_t)object & 63) == 0 &&
           mp__region_contains(object, sizeof(struct mp__object)) &&
           mp__load_acquire(&((struct mp__object *)object)->stamp) ==
               mp__object_stamp(object, slab);
}

/* The class of a live object; -1: it is none. */
static inline int
mp__object_slab(const void *object)
{
    uint64_t slab;

    if (((uintptr_t)object & 63) != 0 ||
        !mp__region_contains(object, sizeof(struct mp__object)))
        return -1;
    slab = (mp__load_acquire(&((struct mp__object *)object)->stamp) ^
            (uintptr_t)object) -
           MP__STAMP;
    return slab < MP__SLABS ? (int)slab : -1;
}

/* The start of the cell that the address lies in, dead or alive; NULL: it is
 * in no cell of an object. */
void *mp__object_around(const void *p);

/* For the beginning of a public function: 0, -EBADF, or mp__enter()'s. `what`
 * is e.g. "a queue". */
static inline int
mp__object_enter(const void *object, enum mp__slab slab, const char *function,
                 const char *what)
{
    int r = mp__enter();

    if (MP__UNLIKELY(r < 0))
        return r;
    if (MP__UNLIKELY(!mp__object_ok(object, slab)))
        return mp__far_enter(object, slab, function, what);
    return 0;
}

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
