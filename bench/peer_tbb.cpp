/* SPDX-License-Identifier: MIT */
/* oneTBB: threads of one process, which share all memory and all fate. */
#include "peer_main.h"
#include "tools.h"
#include "work.h"

#include <tbb/blocked_range.h>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>
#include <tbb/task_group.h>

static void
submit_batch(uint64_t *squares, uint64_t n)
{
    tbb::task_group group;

    for (uint64_t i = 0; i < n; i++)
        group.run([=] { squares[i] = i * i; });
    group.wait();
    for (uint64_t i = 0; i < n; i++)
        if (squares[i] != i * i)
            fail("a task went wrong");
}

static double
measure_async(const struct load *load)
{
    auto *squares = (uint64_t *)private_memory(load->size * sizeof(uint64_t));
    tbb::task_arena arena(load->producers);
    double ns = 0;

    arena.execute([&] {
        submit_batch(squares, load->size);
        int64_t start = now_ns();
        for (long n = 0; n < load->ops; n += (long)load->size)
            submit_batch(squares, load->size);
        ns = (double)(now_ns() - start) / (double)load->ops;
    });
    release_memory(squares, load->size * sizeof(uint64_t));
    return ns;
}

static void
map_once(const uint32_t *in, uint32_t *out, size_t n, long rounds)
{
    tbb::parallel_for(
        tbb::blocked_range<size_t>(0, n),
        [=](const tbb::blocked_range<size_t> &part) {
            if (rounds == 0)
                for (size_t i = part.begin(); i < part.end(); i++)
                    out[i] = in[i] * in[i];
            else
                for (size_t i = part.begin(); i < part.end(); i++)
                    out[i] = work(in[i], rounds);
        });
}

static double
measure_map(const struct load *load, long rounds)
{
    size_t n = load->size, bytes = n * sizeof(uint32_t);
    auto *in = (uint32_t *)private_memory(bytes);
    auto *out = (uint32_t *)private_memory(bytes);
    tbb::task_arena arena(load->producers);
    double ns = 0;

    for (size_t i = 0; i < n; i++)
        in[i] = (uint32_t)i;
    arena.execute([&] {
        map_once(in, out, n, rounds);
        int64_t start = now_ns();
        for (long done = 0; done < load->ops; done += (long)n)
            map_once(in, out, n, rounds);
        ns = (double)(now_ns() - start) / (double)load->ops;
    });
    for (size_t i = 0; i < n; i++)
        if (out[i] != (rounds ? work(in[i], rounds) : in[i] * in[i]))
            fail("item %zu of a map went wrong", i);
    release_memory(in, bytes);
    release_memory(out, bytes);
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

const struct peer_kind peer_kinds[] = {
    {"apply_async", measure_async}, {"map_1ns", map_1ns}, {"map_1us", map_1us},
    {"map_100us", map_100us},       {"map_10M", map_1ns}, {},
};
