/* SPDX-License-Identifier: MIT */
/* OpenMP: threads of one process, which share all memory and all fate. */
#include "peer_main.h"
#include "tools.h"
#include "work.h"

#include <stdlib.h>

/* Tasks: one thread submits load->size of them and waits for all. */
static void
submit_batch(uint64_t *squares, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        uint64_t *square = &squares[i];

#pragma omp task firstprivate(i, square)
        *square = i * i;
    }
#pragma omp taskwait
    for (uint64_t i = 0; i < n; i++)
        if (squares[i] != i * i)
            fail("a task went wrong");
}

static double
measure_async(const struct load *load)
{
    uint64_t *squares = private_memory(load->size * sizeof(*squares));
    double ns = 0;

#pragma omp parallel num_threads(load->producers)
#pragma omp single
    {
        int64_t start;

        submit_batch(squares, load->size);
        start = now_ns();
        for (long n = 0; n < load->ops; n += (long)load->size)
            submit_batch(squares, load->size);
        ns = (double)(now_ns() - start) / (double)load->ops;
    }
    return ns;
}

static long
nothing(long i)
{
    (void)i;
    return 0;
}

/* Calls a function that the compiler cannot know. */
static void
map_nothing(long n, int threads)
{
    long (*volatile chosen)(long) = nothing;
    long (*f)(long) = chosen;
    long failed = 0;

#pragma omp parallel for num_threads(threads) reduction(| : failed)
    for (long i = 0; i < n; i++)
        failed |= f(i);
    if (failed)
        fail("an item failed");
}

static void
map_once(const uint32_t *in, uint32_t *out, long n, long rounds, int threads)
{
    if (rounds == 0) {
#pragma omp parallel for num_threads(threads)
        for (long i = 0; i < n; i++)
            out[i] = in[i] * in[i];
    } else {
#pragma omp parallel for num_threads(threads)
        for (long i = 0; i < n; i++)
            out[i] = work(in[i], rounds);
    }
}

static double
measure_map(const struct load *load, long rounds)
{
    long n = (long)load->size;
    uint32_t *in = private_memory(load->size * sizeof(*in));
    uint32_t *out = private_memory(load->size * sizeof(*out));
    int64_t start;
    double ns;

    for (long i = 0; i < n; i++)
        in[i] = (uint32_t)i;
    map_once(in, out, n, rounds, load->producers);
    start = now_ns();
    for (long done = 0; done < load->ops; done += n)
        map_once(in, out, n, rounds, load->producers);
    ns = (double)(now_ns() - start) / (double)load->ops;
    for (long i = 0; i < n; i++)
        if (out[i] != (rounds ? work(in[i], rounds) : in[i] * in[i]))
            fail("item %ld of a map went wrong", i);
    release_memory(in, load->size * sizeof(*in));
    release_memory(out, load->size * sizeof(*out));
    return ns;
}

static double
map_1ns(const struct load *load)
{
    return measure_map(load, 0);
}

static double
map_1us(const struct load *load)
{
    return measure_map(load, work_rounds(1e3));
}

static double
map_100us(const struct load *load)
{
    return measure_map(load, work_rounds(1e5));
}

static double
map_noop(const struct load *load)
{
    long n = (long)load->size;
    int64_t start;

    map_nothing(n, load->producers);
    start = now_ns();
    for (long done = 0; done < load->ops; done += n)
        map_nothing(n, load->producers);
    return (double)(now_ns() - start) / (double)load->ops;
}

/* Uneven items: each is dealt when a thread is free, or half to each. */
static void
uneven_once(uint32_t *out, long n, long rounds, int threads, int dealt)
{
    if (dealt) {
#pragma omp parallel for num_threads(threads) schedule(dynamic)
        for (long i = 0; i < n; i++)
            out[i] = work((uint32_t)i, uneven_rounds(rounds, i, n));
    } else {
#pragma omp parallel for num_threads(threads) schedule(static)
        for (long i = 0; i < n; i++)
            out[i] = work((uint32_t)i, uneven_rounds(rounds, i, n));
    }
}

static double
measure_uneven(const struct load *load, int dealt)
{
    long n = (long)load->size, rounds = work_rounds(UNEVEN_MEAN);
    uint32_t *out = private_memory(load->size * sizeof(*out));
    int64_t start;
    double ns;

    uneven_once(out, n, rounds, load->producers, dealt);
    start = now_ns();
    for (long done = 0; done < load->ops; done += n)
        uneven_once(out, n, rounds, load->producers, dealt);
    ns = (double)(now_ns() - start) / (double)load->ops;
    for (long i = 0; i < n; i++)
        if (out[i] != work((uint32_t)i, uneven_rounds(rounds, i, n)))
            fail("item %ld of a map went wrong", i);
    release_memory(out, load->size * sizeof(*out));
    return ns;
}

static double
map_uneven(const struct load *load)
{
    return measure_uneven(load, 1);
}

static double
map_uneven_static(const struct load *load)
{
    return measure_uneven(load, 0);
}

const struct peer_kind peer_kinds[] = {
    {"apply_async", measure_async},
    {"map_noop", map_noop},
    {"map_1ns", map_1ns},
    {"map_1us", map_1us},
    {"map_100us", map_100us},
    {"map_uneven", map_uneven},
    {"map_uneven_static", map_uneven_static},
    {"map_10M", map_1ns},
    {0},
};
