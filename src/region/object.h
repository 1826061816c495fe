/* SPDX-License-Identifier: MIT */
/* Objects: fixed-size cells of memory that is only ever reused for its own
 * class, so that a stale handle can be told from a live one, and a late write
 * of the kernel into a dead mutex hits nothing else. See object.c. */
#pragma once

#include "base/error.h"
#include "region/far.h"
#include "region/participant.h"

/* The classes. */
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
    MP__SLAB_NOTICE, /* bell/: pollers of an object */
    MP__SLAB_MANAGER,
    MP__SLAB_OBJECT, /* registry/: of a user's type */
    MP__SLAB_FAR,    /* link/: an object of another family */
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
