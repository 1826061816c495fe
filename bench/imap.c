/* SPDX-License-Identifier: MIT */
/* pool.imap: squares of 10,000 numbers that are read as they go, results as
 * they come, in order; pool.imap.unordered: in any order. Two workers; time
 * per item, with the default window; "wide" is a larger one. */
#include "limit.h"
#include "workers.h"

struct counter {
    uint64_t next, n;
};

static int
next_number(void *item, void *arg)
{
    struct counter *counter = arg;

    if (counter->next == counter->n)
        return 0;
    *(uint64_t *)item = counter->next++;
    return 1;
}

static int
square_item(const void *item, void *result, void *ctx)
{
    uint64_t x = *(const uint64_t *)item;

    (void)ctx;
    *(uint64_t *)result = x * x;
    return 0;
}

/* Each result once, the right one. */
static void
drain(mp_imap *imap, uint64_t n, int ordered)
{
    uint64_t square, sum = 0;
    size_t index;

    for (uint64_t i = 0; i < n; i++) {
        if (mp_imap_next(imap, &square, &index, MP_FOREVER) != 1)
            fail("mp_imap_next: %s", mp_last_error());
        if (square != index * index || (ordered && index != i))
            fail("an item went wrong");
        sum += index;
    }
    if (sum != n * (n - 1) / 2 ||
        mp_imap_next(imap, &square, &index, MP_FOREVER) != 0)
        fail("imap has given some items twice, or not at all");
}

/* How an iterator is made. */
struct way {
    int ordered;
    uint64_t window; /* 0: the default */
};

static void
imap_once(mp_pool *pool, uint64_t n, struct way way)
{
    struct counter counter = {0, n};
    mp_imap *imap;

    ok((way.ordered ? mp_pool_imap : mp_pool_imap_unordered)(
           pool, square_item, next_number, &counter, sizeof(uint64_t),
           sizeof(uint64_t), MP_MAP_ATTR(.window = way.window), &imap),
       "mp_pool_imap");
    drain(imap, n, way.ordered);
    ok(mp_imap_free(imap), "mp_imap_free");
}

static double
measure(const struct load *load, struct way way)
{
    mp_pool *pool = pool_new();
    int64_t start;

    imap_once(pool, load->size, way);
    start = now_ns();
    for (long n = 0; n < load->ops; n += (long)load->size)
        imap_once(pool, load->size, way);
    return (double)(now_ns() - start) / (double)load->ops;
}

static double
measure_ordered(const struct load *load)
{
    return measure(load, (struct way){1, 0});
}

static double
measure_unordered(const struct load *load)
{
    return measure(load, (struct way){0, 0});
}

static double
measure_wide(const struct load *load)
{
    return measure(load, (struct way){1, 256});
}

static double
measure_unordered_wide(const struct load *load)
{
    return measure(load, (struct way){0, 256});
}

static const struct contender ordered[] = {
    {"mproc", OURS, measure_ordered, NULL, NULL},
    {"limit", LIMIT, ring_tasks, NULL,
     "SPSC rings to one spinning process and back, 10,000 out, then 10,000 "
     "in"},
    {"wide", BESIDE, measure_wide, NULL, NULL},
    {"tbb", PEER, NULL, "tbb", NULL},
    {"cpython", PEER, NULL, "cpython", NULL},
    {"cpython_executor", PEER, NULL, "cpython", NULL, "imap_executor"},
    {0},
};

static const struct contender unordered[] = {
    {"mproc", OURS, measure_unordered, NULL, NULL},
    {"limit", LIMIT, ring_tasks, NULL,
     "SPSC rings to one spinning process and back, 10,000 out, then 10,000 "
     "in"},
    {"wide", BESIDE, measure_unordered_wide, NULL, NULL},
    {"tbb", PEER, NULL, "tbb", NULL},
    {"cpython", PEER, NULL, "cpython", NULL},
    {0},
};

const struct bench pool_imap_benches[] = {
    {"pool.imap", "imap", {10000, WORKERS, 0, 0, 10000}, ordered},
    {"pool.imap.unordered",
     "imap_unordered",
     {10000, WORKERS, 0, 0, 10000},
     unordered},
    {0},
};
