/* SPDX-License-Identifier: MIT */
/* How much memory is used for what.
 *
 * Nothing is walked through: each bin counts its cells and chunks, and the
 * extents their bytes, as they change them under their mutexes. Counts are
 * caches, which repair builds again. Those of the bins are read without a lock,
 * one after the other; so sums are exact only when nobody allocates
 * meanwhile. */
#include "base/error.h"
#include "os/mapping.h"
#include "region/bin.h"
#include "region/layout.h"

#include <errno.h>
#include <mproc/memory.h>
#include <string.h>

/* The first version of the struct. */
#define LEAST sizeof(mp_memory_statistics)

static void
add_bin(mp_memory_statistics *s, const struct mp__bin *bin)
{
    uint64_t chunks = mp__load_relaxed(&bin->chunks);

    s->chunks += chunks;
    s->chunk_bytes += chunks * mp__chunk_size(mp__load_relaxed(&bin->cell));
}

static void
add_small(mp_memory_statistics *s)
{
    for (uint32_t shard = 0; shard < MP__SHARDS; shard++) {
        for (uint32_t class = 0; class < MP__CLASSES; class ++) {
            const struct mp__bin *bin = &mp__region()->bins[shard][class];
            uint64_t used = mp__load_relaxed(&bin->used);

            s->small_blocks += used;
            s->small_bytes += used * mp__load_relaxed(&bin->cell);
            add_bin(s, bin);
        }
    }
}

static void
add_objects(mp_memory_statistics *s)
{
    uint64_t *const counts[MP__SLABS] = {
        [MP__SLAB_QUEUE] = &s->queues,
        [MP__SLAB_PROCESS] = &s->processes,
        [MP__SLAB_POOL] = &s->pools,
        [MP__SLAB_TASK] = &s->tasks,
        [MP__SLAB_LOCK] = &s->locks,
        [MP__SLAB_RLOCK] = &s->rlocks,
        [MP__SLAB_SEMAPHORE] = &s->semaphores,
        [MP__SLAB_EVENT] = &s->events,
        [MP__SLAB_CONDITION] = &s->conditions,
        [MP__SLAB_BARRIER] = &s->barriers,
        [MP__SLAB_VALUE] = &s->values,
        [MP__SLAB_ARRAY] = &s->arrays,
    };

    for (uint32_t slab = 0; slab < MP__SLABS; slab++) {
        const struct mp__bin *bin = &mp__region()->slabs[slab];

        if (counts[slab])
            *counts[slab] += mp__load_relaxed(&bin->used);
        add_bin(s, bin);
    }
}

static uint64_t
less(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

static void
add_extents(mp_memory_statistics *s)
{
    struct mp__extents_sum sum;

    mp__extents_sum(&sum);
    s->used = sum.used;
    s->peak = sum.most;
    s->spare = sum.warm;
    s->segments = sum.n_segments;
    s->segment_bytes = sum.segments;
    s->large_blocks = less(sum.n, sum.n_segments + s->chunks);
    s->large_bytes = less(sum.used, sum.segments + s->chunk_bytes);
}

int
mp_memory_stats(mp_memory_statistics *ret_statistics)
{
    mp_memory_statistics s = {.size = sizeof(s)};
    uint32_t size;
    int r = mp__enter();

    if (r < 0)
        return r;
    if (ret_statistics == NULL)
        return mp__fail(-EINVAL, "mp_memory_stats: ret_statistics is NULL");
    size = ret_statistics->size;
    if (size < LEAST)
        return mp__fail(-EINVAL,
                        "mp_memory_stats: its size is %u; set it to "
                        "sizeof(mp_memory_statistics)",
                        size);
    s.address_space = mp__view.size;
    s.resident = mp__memfd_resident(mp__view.fd);
    add_small(&s);
    add_objects(&s);
    add_extents(&s);
    memcpy(ret_statistics, &s, size < sizeof(s) ? size : sizeof(s));
    return 0;
}

ssize_t
mp_memory_trim(void)
{
    int r = mp__enter();

    if (r < 0)
        return r;
    mp__reap(); /* the dead may have had something in their hands */
    for (uint32_t shard = 0; shard < MP__SHARDS; shard++)
        for (uint32_t class = 0; class < MP__CLASSES; class ++)
            while (mp__bin_trim(&mp__region()->bins[shard][class]))
                ;
    return (ssize_t)mp__extents_trim();
}
