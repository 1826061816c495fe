/* SPDX-License-Identifier: MIT */
/* Maps by a pool of two workers, started before the clock is; time per item.
 *
 * pool.map.noop: items that do nothing and have no result. pool.map.TIME:
 * items that take that long, in ordinary memory. pool.map.uneven: 1,000 items
 * of which each takes longer than the one before, 100 us on average.
 * pool.map.region.10M: squares of ten million ints, all in the family's
 * memory. load->size is the number of items of one map. The peers openmp and
 * tbb run threads of one process. */
#include "harness.h"
#include "work.h"
#include "workers.h"

#include <math.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

struct cost {
    long rounds; /* of work for an item; of uneven ones on average */
    size_t items;
};

struct arrays {
    uint32_t *in, *out;
    size_t n;
    mp_map_fn f;
    struct cost cost;
};

static int
no_item(const void *item, void *result, void *ctx)
{
    (void)item;
    (void)result;
    (void)ctx;
    return 0;
}

static int
square_item(const void *item, void *result, void *ctx)
{
    uint32_t x = *(const uint32_t *)item;

    (void)ctx;
    *(uint32_t *)result = x * x;
    return 0;
}

static int
work_item(const void *item, void *result, void *ctx)
{
    const struct cost *cost = ctx;

    *(uint32_t *)result = work(*(const uint32_t *)item, cost->rounds);
    return 0;
}

static int
uneven_item(const void *item, void *result, void *ctx)
{
    const struct cost *cost = ctx;
    uint32_t x = *(const uint32_t *)item;

    *(uint32_t *)result =
        work(x, uneven_rounds(cost->rounds, (long)x, (long)cost->items));
    return 0;
}

static size_t
result_size(const struct arrays *a)
{
    return a->f == no_item ? 0 : sizeof(*a->out);
}

static void
fill(struct arrays *a)
{
    for (size_t i = 0; i < a->n; i++)
        a->in[i] = (uint32_t)i;
    memset(a->out, 0xff, a->n * sizeof(*a->out));
}

static void
check(struct arrays *a)
{
    for (size_t i = 0; i < a->n && result_size(a); i++) {
        uint32_t expected;

        a->f(&a->in[i], &expected, &a->cost);
        if (a->out[i] != expected)
            fail("item %zu of a map went wrong", i);
    }
}

static void
map_once(mp_pool *pool, struct arrays *a)
{
    ok(mp_pool_map(pool, a->f, a->in, sizeof(*a->in),
                   result_size(a) ? a->out : NULL, result_size(a), a->n,
                   MP_MAP_ATTR(.ctx = &a->cost, .ctx_size = sizeof(a->cost))),
       "mp_pool_map");
}

static double
measure_map(const struct load *load, struct arrays *a)
{
    mp_pool *pool = pool_new();
    double ns;
    int64_t start;

    a->n = a->cost.items = load->size;
    fill(a);
    map_once(pool, a);
    map_once(pool, a);
    start = now_ns();
    for (long n = 0; n < load->ops; n += (long)a->n)
        map_once(pool, a);
    ns = (double)(now_ns() - start) / (double)load->ops;
    check(a);
    return ns;
}

static double
map_private(const struct load *load, mp_map_fn f, double time)
{
    size_t bytes = load->size * sizeof(uint32_t);
    struct arrays a = {.in = private_memory(bytes),
                       .out = private_memory(bytes),
                       .f = f,
                       .cost.rounds = time > 0 ? work_rounds(time) : 0};

    return measure_map(load, &a);
}

static double
map_noop(const struct load *load)
{
    return map_private(load, no_item, 0);
}

static double
map_1ns(const struct load *load)
{
    return map_private(load, square_item, 0);
}

static double
map_1us(const struct load *load)
{
    return map_private(load, work_item, 1e3);
}

static double
map_100us(const struct load *load)
{
    return map_private(load, work_item, 1e5);
}

static double
map_uneven(const struct load *load)
{
    return map_private(load, uneven_item, UNEVEN_MEAN);
}

static double
map_region(const struct load *load)
{
    struct arrays a = {.in = mp_new_array(uint32_t, load->size),
                       .out = mp_new_array(uint32_t, load->size),
                       .f = square_item};

    if (!a.in || !a.out)
        fail("mp_alloc_array: %s", mp_last_error());
    return measure_map(load, &a);
}

/* The limit: a loop split by hand between this process and one that waits for
 * it, awake, with all arrays shared and warm. It calls the same function for
 * each item, by a pointer, as a map must; what the compiler makes of a square
 * that it may put into the loop is shown as the peer "inlined". Of uneven
 * items the split is where half of the work is done. */

struct halves {
    long go __attribute__((aligned(LINE)));   /* writer: this process */
    long done __attribute__((aligned(LINE))); /* writer: the other one */
    struct arrays arrays __attribute__((aligned(LINE)));
    size_t middle;
    int inlined;
};

static void
call_items(struct arrays *a, size_t from, size_t to)
{
    mp_map_fn volatile chosen = a->f;
    mp_map_fn f = chosen; /* which the compiler cannot know */
    struct cost cost = a->cost;
    int failed = 0;

    for (size_t i = from; i < to; i++)
        failed |= f(&a->in[i], &a->out[i], &cost) < 0;
    if (failed)
        fail("an item failed");
}

static void
square_items(struct arrays *a, size_t from, size_t to)
{
    uint32_t *restrict out = a->out;
    const uint32_t *restrict in = a->in;

    for (size_t i = from; i < to; i++)
        out[i] = in[i] * in[i];
}

static void
do_half(struct halves *h, size_t from, size_t to)
{
    (h->inlined ? square_items : call_items)(&h->arrays, from, to);
}

static void
other_half(struct halves *h)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (long round = 1;; round++) {
        while (__atomic_load_n(&h->go, __ATOMIC_ACQUIRE) < round)
            cpu_relax();
        do_half(h, h->middle, h->arrays.n);
        __atomic_store_n(&h->done, round, __ATOMIC_RELEASE);
    }
}

static void
both_halves(struct halves *h)
{
    long round = h->go + 1;

    __atomic_store_n(&h->go, round, __ATOMIC_RELEASE);
    do_half(h, 0, h->middle);
    while (__atomic_load_n(&h->done, __ATOMIC_ACQUIRE) < round)
        cpu_relax();
}

static struct halves *
halves_new(const struct load *load, mp_map_fn f, double time)
{
    struct halves *h = shared_memory(sizeof(*h));
    size_t bytes = load->size * sizeof(uint32_t);
    double share = f == uneven_item ? sqrt(0.5) : 0.5;

    h->arrays = (struct arrays){
        .in = shared_memory(bytes),
        .out = shared_memory(bytes),
        .n = load->size,
        .f = f,
        .cost = {time > 0 ? work_rounds(time) : 0, load->size},
    };
    h->middle = (size_t)((double)load->size * share);
    fill(&h->arrays);
    return h;
}

static double
measure_halves(const struct load *load, struct halves *h)
{
    pid_t pid = fork();
    int64_t start;
    double ns;

    must(pid, "fork");
    if (pid == 0)
        other_half(h);
    both_halves(h);
    both_halves(h);
    start = now_ns();
    for (long n = 0; n < load->ops; n += (long)load->size)
        both_halves(h);
    ns = (double)(now_ns() - start) / (double)load->ops;
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    check(&h->arrays);
    return ns;
}

static double
halves_noop(const struct load *load)
{
    return measure_halves(load, halves_new(load, no_item, 0));
}

static double
halves_1ns(const struct load *load)
{
    return measure_halves(load, halves_new(load, square_item, 0));
}

static double
halves_inlined(const struct load *load)
{
    struct halves *h = halves_new(load, square_item, 0);

    h->inlined = 1;
    return measure_halves(load, h);
}

static double
halves_1us(const struct load *load)
{
    return measure_halves(load, halves_new(load, work_item, 1e3));
}

static double
halves_100us(const struct load *load)
{
    return measure_halves(load, halves_new(load, work_item, 1e5));
}

static double
halves_uneven(const struct load *load)
{
    return measure_halves(load, halves_new(load, uneven_item, UNEVEN_MEAN));
}

#define HALVES_IS                                                     \
    "a loop that calls the same function, split by hand between two " \
    "processes, awake, arrays shared and warm"

static const struct contender by_noop[] = {
    {"mproc", OURS, map_noop, NULL, NULL},
    {"limit", LIMIT, halves_noop, NULL, HALVES_IS},
    {"openmp", PEER, NULL, "openmp", NULL},
    {"tbb", PEER, NULL, "tbb", NULL},
    {"cpython", PEER, NULL, "cpython", NULL},
    {"cpython_executor", PEER, NULL, "cpython", NULL, "map_noop_executor"},
    {0},
};

static const struct contender by_1ns[] = {
    {"mproc", OURS, map_1ns, NULL, NULL},
    {"limit", LIMIT, halves_1ns, NULL, HALVES_IS},
    {"inlined", PEER, halves_inlined, NULL, NULL},
    {"openmp", PEER, NULL, "openmp", NULL},
    {"tbb", PEER, NULL, "tbb", NULL},
    {"cpython", PEER, NULL, "cpython", NULL},
    {"cpython_executor", PEER, NULL, "cpython", NULL, "map_1ns_executor"},
    {0},
};

static const struct contender by_1us[] = {
    {"mproc", OURS, map_1us, NULL, NULL},
    {"limit", LIMIT, halves_1us, NULL, HALVES_IS},
    {"openmp", PEER, NULL, "openmp", NULL},
    {"tbb", PEER, NULL, "tbb", NULL},
    {"cpython", PEER, NULL, "cpython", NULL},
    {"cpython_executor", PEER, NULL, "cpython", NULL, "map_1us_executor"},
    {0},
};

static const struct contender by_100us[] = {
    {"mproc", OURS, map_100us, NULL, NULL},
    {"limit", LIMIT, halves_100us, NULL, HALVES_IS},
    {"openmp", PEER, NULL, "openmp", NULL},
    {"tbb", PEER, NULL, "tbb", NULL},
    {"cpython", PEER, NULL, "cpython", NULL},
    {"cpython_executor", PEER, NULL, "cpython", NULL, "map_100us_executor"},
    {0},
};

static const struct contender by_uneven[] = {
    {"mproc", OURS, map_uneven, NULL, NULL},
    {"limit", LIMIT, halves_uneven, NULL,
     HALVES_IS ", split where half of the work is done"},
    {"openmp", PEER, NULL, "openmp", NULL},
    {"openmp_static", PEER, NULL, "openmp", NULL, "map_uneven_static"},
    {"tbb", PEER, NULL, "tbb", NULL},
    {"cpython", PEER, NULL, "cpython", NULL},
    {"cpython_executor", PEER, NULL, "cpython", NULL, "map_uneven_executor"},
    {0},
};

static const struct contender by_region[] = {
    {"mproc", OURS, map_region, NULL, NULL},
    {"limit", LIMIT, halves_1ns, NULL, HALVES_IS},
    {"inlined", PEER, halves_inlined, NULL, NULL},
    {"openmp", PEER, NULL, "openmp", NULL},
    {"tbb", PEER, NULL, "tbb", NULL},
    {"cpython", PEER, NULL, "cpython", NULL},
    {0},
};

const struct bench pool_map_benches[] = {
    {"pool.map.noop", "map_noop", {1000000, WORKERS, 0, 0, 1000000}, by_noop},
    {"pool.map.1ns", "map_1ns", {1000000, WORKERS, 0, 0, 1000000}, by_1ns},
    {"pool.map.1us", "map_1us", {10000, WORKERS, 0, 0, 10000}, by_1us},
    {"pool.map.100us", "map_100us", {200, WORKERS, 0, 0, 200}, by_100us},
    {"pool.map.uneven.1K",
     "map_uneven",
     {1000, WORKERS, 0, 0, 1000},
     by_uneven},
    {"pool.map.region.10M",
     "map_10M",
     {10000000, WORKERS, 0, 0, 10000000},
     by_region},
    {0},
};
