/* SPDX-License-Identifier: MIT */
/* Tasks in a pool of two workers, started before the clock is.
 *
 * pool.apply: one task there and back. pool.apply_async: submit 1,000, then
 * get 1,000; .1MiB: 16 tasks with an argument of that size each;
 * .1MiB.result: with a result of that size. load->size is the number of tasks
 * of a batch, or the size. The peers openmp and tbb run threads of one
 * process, which need not copy what is large. */
#include "crew.h"
#include "limit.h"
#include "workers.h"

#include <stdlib.h>
#include <string.h>

enum { LARGE_BATCH = 16 };
#define MIB ((size_t)1 << 20)

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

/* Gives a megabyte with its argument as the first and the last word. */
static int
megabyte_task(mp_task *task)
{
    static char data[MIB];
    const uint64_t *arg = mp_task_arg(task, NULL);

    memcpy(data, arg, sizeof(*arg));
    memcpy(data + MIB - sizeof(*arg), arg, sizeof(*arg));
    return mp_task_return(task, data, MIB);
}

static void
take_large(mp_result *result, char *out, uint64_t expected)
{
    uint64_t first, last;

    ok(mp_result_get(result, out, MIB, MP_FOREVER), "mp_result_get");
    memcpy(&first, out, sizeof(first));
    memcpy(&last, out + MIB - sizeof(last), sizeof(last));
    if (first != expected || last != expected)
        fail("a task went wrong");
    mp_result_free(result);
}

static void
submit_for_large(mp_pool *pool, char *out)
{
    mp_result *results[LARGE_BATCH];

    for (uint64_t i = 0; i < LARGE_BATCH; i++)
        ok(mp_pool_apply_async(pool, megabyte_task, &i, sizeof(i), NULL,
                               &results[i]),
           "mp_pool_apply_async");
    for (uint64_t i = 0; i < LARGE_BATCH; i++)
        take_large(results[i], out, i);
}

static double
measure_large_results(const struct load *load)
{
    char *out = private_memory(MIB);
    mp_pool *pool = pool_new();
    int64_t start;

    submit_for_large(pool, out);
    start = now_ns();
    for (long n = 0; n < load->ops; n += LARGE_BATCH)
        submit_for_large(pool, out);
    return (double)(now_ns() - start) / (double)load->ops;
}

static double
bounce_64(const struct load *load)
{
    struct load bounce = *load;

    bounce.size = 64;
    return slot_bounce(&bounce);
}

static const struct contender apply[] = {
    {"mproc", OURS, measure_apply, NULL, NULL},
    {"limit", LIMIT, bounce_64, NULL,
     "round trip of one cache line between two spinning processes"},
    {"cpython", PEER, NULL, "cpython", NULL},
    {"cpython_executor", PEER, NULL, "cpython", NULL, "apply_executor"},
    {0},
};

static const struct contender async[] = {
    {"mproc", OURS, measure_async, NULL, NULL},
    {"limit", LIMIT, ring_tasks, NULL,
     "SPSC rings to one spinning process and back, 1,000 out, then 1,000 in"},
    {"openmp", PEER, NULL, "openmp", NULL},
    {"tbb", PEER, NULL, "tbb", NULL},
    {"cpython", PEER, NULL, "cpython", NULL},
    {"cpython_executor", PEER, NULL, "cpython", NULL, "apply_async_executor"},
    {0},
};

static const struct contender large_arguments[] = {
    {"mproc", OURS, measure_large, NULL, NULL},
    {"limit", LIMIT, one_copy, NULL,
     "one memcpy of the argument into a warm shared buffer"},
    {"cpython", PEER, NULL, "cpython", NULL},
    {"cpython_executor", PEER, NULL, "cpython", NULL,
     "apply_async_large_executor"},
    {0},
};

static const struct contender large_results[] = {
    {"mproc", OURS, measure_large_results, NULL, NULL},
    {"limit", LIMIT, two_copies, NULL,
     "two memcpy of the result, into and out of a warm shared buffer, one "
     "after the other"},
    {"cpython", PEER, NULL, "cpython", NULL},
    {"cpython_executor", PEER, NULL, "cpython", NULL,
     "large_results_executor"},
    {0},
};

const struct bench pool_benches[] = {
    {"pool.apply", "apply", {0, WORKERS, 0, 0, 64}, apply, WAITS_MOST},
    {"pool.apply_async", "apply_async", {1000, WORKERS, 0, 0, 1000}, async},
    {"pool.apply_async.1MiB",
     "apply_async_large",
     {MIB, WORKERS, 0, 0, LARGE_BATCH},
     large_arguments},
    {"pool.apply_async.1MiB.result",
     "large_results",
     {MIB, WORKERS, 0, 0, LARGE_BATCH},
     large_results},
    {0},
};
