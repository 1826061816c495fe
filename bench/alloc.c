/* SPDX-License-Identifier: MIT */
/* alloc.SIZE: one process frees a block and allocates another, over a set of
 * live ones that is walked through in order. mp_alloc() gives zeroed memory;
 * the limit, malloc, does not, and calloc stands among the peers. Every
 * block's first and last words are written, and looked at before it is
 * freed. */
#include "harness.h"
#include "tools.h"

#include <mproc.h>
#include <stdlib.h>
#include <string.h>

enum { LIVE = 64 };

typedef void *alloc_fn(size_t size);
typedef void free_fn(void *p);

static ALWAYS_INLINE void
renew(char **block, size_t size, uint64_t value, alloc_fn *alloc,
      free_fn *give_back)
{
    uint64_t first = 0, last = 0;

    if (*block) {
        memcpy(&first, *block, sizeof(first));
        memcpy(&last, *block + size - sizeof(last), sizeof(last));
        if (first != last || first == 0)
            fail("a block was overwritten");
        give_back(*block);
    }
    *block = alloc(size);
    if (!*block)
        fail("no memory: %s", mp_last_error());
    memcpy(*block, &value, sizeof(value));
    memcpy(*block + size - sizeof(value), &value, sizeof(value));
}

static ALWAYS_INLINE double
churn(const struct load *load, alloc_fn *alloc, free_fn *give_back)
{
    char *blocks[LIVE] = {0};
    int64_t start;

    for (int i = 0; i < 4 * LIVE; i++)
        renew(&blocks[i % LIVE], load->size, 1, alloc, give_back);
    start = now_ns();
    for (long i = 0; i < load->ops; i++)
        renew(&blocks[i % LIVE], load->size, (uint64_t)i + 1, alloc,
              give_back);
    return (double)(now_ns() - start) / (double)load->ops;
}

static void
region_free(void *p)
{
    if (mp_free(p) < 0)
        fail("mp_free: %s", mp_last_error());
}

static double
region_measure(const struct load *load)
{
    return churn(load, mp_alloc, region_free);
}

static double
malloc_measure(const struct load *load)
{
    return churn(load, malloc, free);
}

static void *
zeroed(size_t size)
{
    return calloc(1, size);
}

static double
calloc_measure(const struct load *load)
{
    return churn(load, zeroed, free);
}

static const struct contender allocators[] = {
    {"mproc", OURS, region_measure, NULL, NULL},
    {"limit", LIMIT, malloc_measure, NULL,
     "glibc malloc+free, not zeroed, one process"},
    {"calloc", PEER, calloc_measure, NULL, NULL},
    {"boost", PEER, NULL, "boost", NULL},
    {"cpython", PEER, NULL, "cpython", NULL},
    {0},
};

const struct bench alloc_benches[] = {
    {"alloc.64B", "alloc", {64, 1, 0, 0, 1000}, allocators},
    {"alloc.4KiB", "alloc", {4096, 1, 0, 0, 1000}, allocators},
    {"alloc.1MiB", "alloc", {1 << 20, 1, 0, 0, 100}, allocators},
    {0},
};
