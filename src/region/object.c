/* SPDX-License-Identifier: MIT */
/* Objects: cells of a slab, told live from dead by their stamps.
 *
 * A slab is a bin that never gives a chunk back: its memory is only ever
 * reused for the same class, and a freed cell as late as possible, so that a
 * handle kept too long finds a dead stamp rather than a stranger. The stamp is
 * the address itself, changed by the class: no copy of an object, and no other
 * data, can carry it. */
#include "region/object.h"

#include "os/clock.h"
#include "region/bin.h"
#include "region/layout.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

void *
mp__object_alloc_used(enum mp__slab slab, size_t size)
{
    struct mp__bin *bin = &mp__region()->slabs[slab];
    struct mp__object *object;

    assert(size % 64 == 0 && size <= MP__SLAB_CELL_MAX);
    if (mp__load_relaxed(&bin->cell) == 0)
        mp__store_relaxed(&bin->cell, (uint32_t)size); /* whoever is first */
    object = mp__bin_take(bin, 0);
    if (object)
        mp__store_relaxed(&object->serial, 0);
    return object;
}

void *
mp__object_alloc(enum mp__slab slab, size_t size)
{
    void *p = mp__object_alloc_used(slab, size);

    if (p)
        memset(p, 0, size);
    return p;
}

void
mp__object_publish(void *object, enum mp__slab slab)
{
    mp__store_release(&((struct mp__object *)object)->stamp,
                      mp__object_stamp(object, slab));
}

int
mp__object_retire(void *object, enum mp__slab slab)
{
    uint64_t stamp = mp__object_stamp(object, slab);

    if (!mp__object_ok(object, slab) ||
        !mp__cas(&((struct mp__object *)object)->stamp, &stamp, 0))
        return -EBADF;
    return 0;
}

void
mp__object_free(void *object, enum mp__slab slab)
{
    struct mp__chunk *chunk = mp__chunk_of(object);

    (void)slab;
    if (chunk)
        mp__bin_give(chunk, object, mp__me.index);
}

uint64_t
mp__object_serial(void *object)
{
    mp__a64 *word = &((struct mp__object *)object)->serial;
    uint64_t serial = mp__load(word), made = (uint64_t)mp__now() | 1;

    return serial == 0 && mp__cas(word, &serial, made) ? made : serial;
}

void *
mp__object_around(const void *p)
{
    const struct mp__bin *slabs = mp__region()->slabs;
    struct mp__chunk *chunk =
        mp__region_contains(p, 1) ? mp__chunk_holding(p) : NULL;
    size_t at = (size_t)((const char *)p - (const char *)chunk);

    /* Those of slabs never change, so they can be relied on. */
    if (chunk == NULL || chunk->bin < slabs ||
        chunk->bin >= slabs + MP__SLABS || at < chunk->first)
        return NULL;
    return (char *)chunk + at - (at - chunk->first) % chunk->cell;
}

void
mp__object_each(enum mp__slab slab, void (*visit)(void *object, void *arg),
                void *arg)
{
    /* Chunks of a slab never go, so their list may be read without a lock. */
    for (struct mp__chunk *chunk = mp__region()->slabs[slab].all; chunk;
         chunk = chunk->all_next) {
        for (uint32_t i = 0; i < chunk->cells; i++) {
            void *cell =
                (char *)chunk + chunk->first + (size_t)i * chunk->cell;

            if (mp__chunk_has(chunk, cell) && mp__object_ok(cell, slab))
                visit(cell, arg);
        }
    }
}
