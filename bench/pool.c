/* SPDX-License-Identifier: MIT */
/* A pool of two workers, started before the clock is.
 *
 * pool.apply: one task there and back. pool.apply_async: submit 1,000, then
 * get 1,000; .1MiB: 16 tasks with an argument of that size each.
 * pool.map.TIME: items that take that long, in ordinary memory, time per
 * item. pool.map.region.10M: squares of ten million ints, all in the family's
 * memory. In maps load->size is the number of items of one map, in
 * apply_async of a batch. The peers openmp and tbb run threads of one
 * process. */
#include "limit.h"
#include "tools.h"
#include "work.h"

#include <mproc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <signal.h>
#include <unistd.h>

enum { WORKERS = 2, LARGE_BATCH = 16 };
#define MIB ((size_t)1 << 20)

static void
ok(long r, const char *what)
{
    if (r < 0)
        fail("%s: %s: %s", what, mp_strerror((int)r), mp_last_error());
}

static mp_pool *
pool_new(void)
{
    mp_pool *pool;

    ok(mp_pool_create(&pool, WORKERS, NULL), "mp_pool_create");
    return pool;
}

/* Tasks */

static int
square_task(mp_task *task)
{
    uint64_t x = *(uint64_t *)mp_task_arg(task, NULL);

    x *= x;
    return mp_task_return(task, &x, sizeof(x));
}

static void
take_square(mp_result *result, uint64_t of)
{
    uint64_t square = 0;

    ok(mp_result_get(result, &square, sizeof(square), MP_FOREVER),
       "mp_result_get");
    if (square != of * of)
        fail("a task went wrong");
    mp_result_free(result);
}

static void
apply_many(mp_pool *pool, long n)
{
    for (uint64_t i = 0; i < (uint64_t)n; i++) {
        mp_result *result;

        ok(mp_pool_apply(pool, square_task, &i, sizeof(i), &result),
           "mp_pool_apply");
        take_square(result, i);
    }
}

static double
measure_apply(const struct load *load)
{
    mp_pool *pool = pool_new();
    int64_t start;

    apply_many(pool, load->ops / 4);
    start = now_ns();
    apply_many(pool, load->ops);
    return (double)(now_ns() - start) / (double)load->ops;
}

static void
submit_batch(mp_pool *pool, mp_result **results, size_t batch)
{
    for (uint64_t i = 0; i < batch; i++)
        ok(mp_pool_apply_async(pool, square_task, &i, sizeof(i), NULL,
                               &results[i]),
           "mp_pool_apply_async");
    for (uint64_t i = 0; i < batch; i++)
        take_square(results[i], i);
}

static double
measure_async(const struct load *load)
{
    mp_result **results = calloc(load->size, sizeof(*results));
    mp_pool *pool = pool_new();
    int64_t start;

    submit_batch(pool, results, load->size);
    start = now_ns();
    for (long n = 0; n < load->ops; n += (long)load->size)
        submit_batch(pool, results, load->size);
    return (double)(now_ns() - start) / (double)load->ops;
}

/* Adds the first and the last word of its argument. */
static int
ends_task(mp_task *task)
{
    size_t size;
    const char *arg = mp_task_arg(task, &size);
    uint64_t first, last;

    memcpy(&first, arg, sizeof(first));
    memcpy(&last, arg + size - sizeof(last), sizeof(last));
    first += last;
    return mp_task_return(task, &first, sizeof(first));
}

static void
submit_large(mp_pool *pool, char *arg, size_t size)
{
    mp_result *results[LARGE_BATCH];
    uint64_t sum;

    for (uint64_t i = 0; i < LARGE_BATCH; i++) {
        memcpy(arg, &i, sizeof(i));
        memcpy(arg + size - sizeof(i), &i, sizeof(i));
        ok(mp_pool_apply_async(pool, ends_task, arg, size, NULL, &results[i]),
           "mp_pool_apply_async");
    }
    for (uint64_t i = 0; i < LARGE_BATCH; i++) {
        ok(mp_result_get(results[i], &sum, sizeof(sum), MP_FOREVER),
           "mp_result_get");
        if (sum != 2 * i)
            fail("a task went wrong");
        mp_result_free(results[i]);
    }
}

static double
measure_large(const struct load *load)
{
    char *arg = private_memory(load->size);
    mp_pool *pool = pool_new();
    int64_t start;

    submit_large(pool, arg, load->size);
    start = now_ns();
    for (long n = 0; n < load->ops; n += LARGE_BATCH)
        submit_large(pool, arg, load->size);
    return (double)(now_ns() - start) / (double)load->ops;
}

/* Maps */

struct arrays {
    uint32_t *in, *out;
    size_t n;
    long rounds; /* of work per item; 0: squares */
};

static void
fill(struct arrays *a)
{
    for (size_t i = 0; i < a->n; i++)
        a->in[i] = (uint32_t)i;
    memset(a->out, 0xff, a->n * sizeof(*a->out));
}

static void
check(const struct arrays *a)
{
    for (size_t i = 0; i < a->n; i++) {
        uint32_t x = (uint32_t)i;

        if (a->out[i] != (a->rounds ? work(x, a->rounds) : x * x))
            fail("item %zu of a map went wrong", i);
    }
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
    *(uint32_t *)result = work(*(const uint32_t *)item, *(long *)ctx);
    return 0;
}

static void
map_once(mp_pool *pool, struct arrays *a)
{
    ok(mp_pool_map(
           pool, a->rounds ? work_item : square_item, a->in, sizeof(*a->in),
           a->out, sizeof(*a->out), a->n,
           MP_MAP_ATTR(.ctx = &a->rounds, .ctx_size = sizeof(a->rounds))),
       "mp_pool_map");
}

static double
measure_map(const struct load *load, struct arrays *a)
{
    mp_pool *pool = pool_new();
    double ns;
    int64_t start;

    a->n = load->size;
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
map_private(const struct load *load, long rounds)
{
    size_t bytes = load->size * sizeof(uint32_t);
    struct arrays a = {.rounds = rounds};

    a.in = private_memory(bytes);
    a.out = private_memory(bytes);
    return measure_map(load, &a);
}

static double
map_1ns(const struct load *load)
{
    return map_private(load, 0);
}

static double
map_1us(const struct load *load)
{
    return map_private(load, work_rounds(1e3));
}

static double
map_100us(const struct load *load)
{
    return map_private(load, work_rounds(1e5));
}

static double
map_region(const struct load *load)
{
    struct arrays a = {.in = mp_new_array(uint32_t, load->size),
                       .out = mp_new_array(uint32_t, load->size)};

    if (!a.in || !a.out)
        fail("mp_alloc_array: %s", mp_last_error());
    return measure_map(load, &a);
}

/* The limit: a loop split by hand between this process and one that waits for
 * it, awake, with all arrays shared and warm. It calls the same function for
 * each item, by a pointer, as a map must; what the compiler makes of a square
 * that it may put into the loop is shown as the peer "inlined". */

struct halves {
    long go __attribute__((aligned(LINE)));   /* writer: this process */
    long done __attribute__((aligned(LINE))); /* writer: the other one */
    struct arrays arrays __attribute__((aligned(LINE)));
    int inlined;
};

static void
call_items(const struct arrays *a, size_t from, size_t to)
{
    mp_map_fn volatile chosen = a->rounds ? work_item : square_item;
    mp_map_fn f = chosen; /* which the compiler cannot know */
    long rounds = a->rounds;
    int failed = 0;

    for (size_t i = from; i < to; i++)
        failed |= f(&a->in[i], &a->out[i], &rounds) < 0;
    if (failed)
        fail("an item failed");
}

static void
square_items(const struct arrays *a, size_t from, size_t to)
{
    uint32_t *restrict out = a->out;
    const uint32_t *restrict in = a->in;

    for (size_t i = from; i < to; i++)
        out[i] = in[i] * in[i];
}

static void
do_half(const struct halves *h, size_t from, size_t to)
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
        do_half(h, h->arrays.n / 2, h->arrays.n);
        __atomic_store_n(&h->done, round, __ATOMIC_RELEASE);
    }
}

static void
both_halves(struct halves *h)
{
    long round = h->go + 1;

    __atomic_store_n(&h->go, round, __ATOMIC_RELEASE);
    do_half(h, 0, h->arrays.n / 2);
    while (__atomic_load_n(&h->done, __ATOMIC_ACQUIRE) < round)
        cpu_relax();
}

static double
measure_halves(const struct load *load, long rounds, int inlined)
{
    struct halves *h = shared_memory(sizeof(*h));
    size_t bytes = load->size * sizeof(uint32_t);
    int64_t start;
    double ns;
    pid_t pid;

    h->arrays = (struct arrays){shared_memory(bytes), shared_memory(bytes),
                                load->size, rounds};
    h->inlined = inlined;
    fill(&h->arrays);
    pid = fork();
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
halves_1ns(const struct load *load)
{
    return measure_halves(load, 0, 0);
}

static double
halves_inlined(const struct load *load)
{
    return measure_halves(load, 0, 1);
}

static double
halves_1us(const struct load *load)
{
    return measure_halves(load, work_rounds(1e3), 0);
}

static double
halves_100us(const struct load *load)
{
    return measure_halves(load, work_rounds(1e5), 0);
}

static double
bounce_64(const struct load *load)
{
    struct load bounce = *load;

    bounce.size = 64;
    return slot_bounce(&bounce);
}

#define HALVES_IS                                                     \
    "a loop that calls the same function, split by hand between two " \
    "processes, awake, arrays shared and warm"

static const struct contender apply[] = {
    {"mproc", OURS, measure_apply, NULL, NULL},
    {"limit", LIMIT, bounce_64, NULL,
     "round trip of one cache line between two spinning processes"},
    {"openmp", PEER, NULL, "openmp", NULL},
    {"tbb", PEER, NULL, "tbb", NULL},
    {"cpython", PEER, NULL, "cpython", NULL},
    {0},
};

static const struct contender async[] = {
    {"mproc", OURS, measure_async, NULL, NULL},
    {"limit", LIMIT, ring_tasks, NULL,
     "SPSC rings to one spinning process and back, 1,000 out, then 1,000 in"},
    {"openmp", PEER, NULL, "openmp", NULL},
    {"tbb", PEER, NULL, "tbb", NULL},
    {"cpython", PEER, NULL, "cpython", NULL},
    {0},
};

static const struct contender async_large[] = {
    {"mproc", OURS, measure_large, NULL, NULL},
    {"limit", LIMIT, one_copy, NULL,
     "one memcpy of the argument into a warm shared buffer"},
    {"openmp", PEER, NULL, "openmp", NULL},
    {"tbb", PEER, NULL, "tbb", NULL},
    {"cpython", PEER, NULL, "cpython", NULL},
    {0},
};

static const struct contender by_1ns[] = {
    {"mproc", OURS, map_1ns, NULL, NULL},
    {"limit", LIMIT, halves_1ns, NULL, HALVES_IS},
    {"inlined", PEER, halves_inlined, NULL, NULL},
    {"openmp", PEER, NULL, "openmp", NULL},
    {"tbb", PEER, NULL, "tbb", NULL},
    {"cpython", PEER, NULL, "cpython", NULL},
    {0},
};

static const struct contender by_1us[] = {
    {"mproc", OURS, map_1us, NULL, NULL},
    {"limit", LIMIT, halves_1us, NULL, HALVES_IS},
    {"openmp", PEER, NULL, "openmp", NULL},
    {"tbb", PEER, NULL, "tbb", NULL},
    {"cpython", PEER, NULL, "cpython", NULL},
    {0},
};

static const struct contender by_100us[] = {
    {"mproc", OURS, map_100us, NULL, NULL},
    {"limit", LIMIT, halves_100us, NULL, HALVES_IS},
    {"openmp", PEER, NULL, "openmp", NULL},
    {"tbb", PEER, NULL, "tbb", NULL},
    {"cpython", PEER, NULL, "cpython", NULL},
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

const struct bench pool_benches[] = {
    {"pool.apply", "apply", {0, WORKERS, 0, 0, 64}, apply},
    {"pool.apply_async", "apply_async", {1000, WORKERS, 0, 0, 1000}, async},
    {"pool.apply_async.1MiB",
     "apply_async_large",
     {MIB, WORKERS, 0, 0, LARGE_BATCH},
     async_large},
    {"pool.map.1ns", "map_1ns", {1000000, WORKERS, 0, 0, 1000000}, by_1ns},
    {"pool.map.1us", "map_1us", {10000, WORKERS, 0, 0, 10000}, by_1us},
    {"pool.map.100us", "map_100us", {200, WORKERS, 0, 0, 200}, by_100us},
    {"pool.map.region.10M",
     "map_10M",
     {10000000, WORKERS, 0, 0, 10000000},
     by_region},
    {0},
};
