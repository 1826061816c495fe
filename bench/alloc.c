/* SPDX-License-Identifier: MIT */
/* alloc.SIZE: one process frees a block and allocates another, over a set of
 * live ones that is walked through in order. alloc.contended.SIZE: two
 * processes do, each with blocks of its own. alloc.remote.SIZE: one allocates
 * and another one frees.
 *
 * mp_alloc() gives zeroed memory; the limit, malloc, does not, and calloc
 * stands among the peers. Every block's first and last words are written, and
 * looked at before it is freed. For two processes malloc serves two threads
 * of one. */
#include "crew.h"
#include "remote.h"

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

/* A member of a crew, which may have only one. */
static ALWAYS_INLINE void
churn(struct crew *crew, int seat, const struct load *load, alloc_fn *alloc,
      free_fn *give_back)
{
    char *blocks[LIVE] = {0};
    long n = load->ops / load->producers;

    for (int i = 0; i < 4 * LIVE; i++)
        renew(&blocks[i % LIVE], load->size, 1, alloc, give_back);
    crew_begin(crew, seat);
    for (long i = 0; i < n; i++)
        renew(&blocks[i % LIVE], load->size, (uint64_t)i + 1, alloc,
              give_back);
    crew_end(crew, seat, 0);
}

/* Defines NAME_churn_crew, and NAME_remote_stream_crew with its put and
 * get. */
#define ALLOCATOR(name, alloc, give_back)                                 \
    static void name##_churn_crew(struct crew *crew, int seat, void *arg) \
    {                                                                     \
        churn(crew, seat, (const struct load *)arg, alloc, give_back);    \
    }                                                                     \
    static void name##_send(void *ring, const void *data, size_t size)    \
    {                                                                     \
        char *block = (char *)alloc(size);                                \
        if (!block)                                                       \
            fail("no memory: %s", mp_last_error());                       \
        remote_send(ring, block, data, size);                             \
    }                                                                     \
    static void name##_receive(void *ring, void *buf, size_t size)        \
    {                                                                     \
        give_back(remote_receive(ring, buf, size));                       \
    }                                                                     \
    STREAM_CREW(name##_remote, name##_send, name##_receive)

static void
region_free(void *p)
{
    if (mp_free(p) < 0)
        fail("mp_free: %s", mp_last_error());
}

static void *
zeroed(size_t size)
{
    return calloc(1, size);
}

ALLOCATOR(region, mp_alloc, region_free)
ALLOCATOR(malloc, malloc, free)
ALLOCATOR(calloc, zeroed, free)

static double
run_churn(const struct load *load, int threads, crew_fn *fn)
{
    struct load copy = *load;

    return (threads ? crew_run_threads : crew_run)(
               load->producers, load->pinned, fn, &copy, NULL) /
           (double)load->ops;
}

static double
region_measure(const struct load *load)
{
    /* before the fork: the crew is to be one family */
    region_free(mp_alloc(load->size));
    return run_churn(load, 0, region_churn_crew);
}

/* One alone has no threads: malloc is quicker then. */
static double
malloc_measure(const struct load *load)
{
    return run_churn(load, load->producers > 1, malloc_churn_crew);
}

static double
calloc_measure(const struct load *load)
{
    return run_churn(load, load->producers > 1, calloc_churn_crew);
}

static double
run_remote(const struct load *load, int threads, crew_fn *fn)
{
    struct stream s = {.load = load, .threads = threads};

    s.channel = ring_new(REMOTE_ROOM);
    return stream_run(&s, fn);
}

static double
region_remote(const struct load *load)
{
    region_free(mp_alloc(load->size));
    return run_remote(load, 0, region_remote_stream_crew);
}

static double
malloc_remote(const struct load *load)
{
    return run_remote(load, 1, malloc_remote_stream_crew);
}

static double
calloc_remote(const struct load *load)
{
    return run_remote(load, 1, calloc_remote_stream_crew);
}

/* What it takes to tell the other process the address. */
static void
only_send(void *ring, const void *data, size_t size)
{
    ring_put(ring, data, size < sizeof(void *) ? size : sizeof(void *));
}

static void
only_receive(void *ring, void *buf, size_t size)
{
    uint64_t number;

    ring_get(ring, &number, sizeof(number));
    stream_stamp(buf, size, number);
}

STREAM_CREW(only, only_send, only_receive)

static double
ring_remote(const struct load *load)
{
    return run_remote(load, 0, only_stream_crew);
}

static const struct contender allocators[] = {
    {"mproc", OURS, region_measure, NULL, NULL},
    {"limit", LIMIT, malloc_measure, NULL,
     "glibc malloc+free, not zeroed, one process"},
    {"calloc", PEER, calloc_measure, NULL, NULL},
    {"boost", PEER, NULL, "boost", NULL},
    {"cpython", PEER, NULL, "cpython", NULL},
    {"cpython_heap", PEER, NULL, "cpython", NULL, "alloc_heap"},
    {0},
};

static const struct contender rivals[] = {
    {"mproc", OURS, region_measure, NULL, NULL},
    {"limit", LIMIT, malloc_measure, NULL,
     "glibc malloc+free, not zeroed, two threads of one process"},
    {"calloc", PEER, calloc_measure, NULL, NULL},
    {"boost", PEER, NULL, "boost", NULL},
    {0},
};

static const struct contender remote[] = {
    {"mproc", OURS, region_remote, NULL, NULL},
    {"limit", LIMIT, malloc_remote, NULL,
     "glibc malloc in one thread, free in another, of one process"},
    {"ring", BESIDE, ring_remote, NULL, NULL},
    {"calloc", PEER, calloc_remote, NULL, NULL},
    {"boost", PEER, NULL, "boost", NULL},
    {0},
};

/* size, producers (who allocate), consumers (who free what others have) */
const struct bench alloc_benches[] = {
    {"alloc.16B", "alloc", {16, 1, 0, 0, 1000}, allocators},
    {"alloc.64B", "alloc", {64, 1, 0, 0, 1000}, allocators},
    {"alloc.256B", "alloc", {256, 1, 0, 0, 1000}, allocators},
    {"alloc.4KiB", "alloc", {4096, 1, 0, 0, 1000}, allocators},
    {"alloc.64KiB", "alloc", {1 << 16, 1, 0, 0, 1000}, allocators},
    {"alloc.1MiB", "alloc", {1 << 20, 1, 0, 0, 100}, allocators},
    {"alloc.contended.64B", "alloc", {64, 2, 0, 0, 1000}, rivals},
    {"alloc.remote.64B", "alloc_remote", {64, 1, 1, 0, 1024}, remote},
    {0},
};
