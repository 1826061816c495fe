/* SPDX-License-Identifier: MIT */
/* oneTBB: threads of one process, which share all memory and all fate. */
#include "peer_main.h"
#include "tools.h"
#include "work.h"

#include <atomic>
#include <tbb/blocked_range.h>
#include <tbb/parallel_for.h>
#include <tbb/parallel_pipeline.h>
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

static long
nothing(long i)
{
    (void)i;
    return 0;
}

/* Calls a function that the compiler cannot know. */
static void
map_nothing(size_t n)
{
    long (*volatile chosen)(long) = nothing;
    std::atomic<long> failed(0);

    tbb::parallel_for(tbb::blocked_range<size_t>(0, n),
                      [&](const tbb::blocked_range<size_t> &part) {
                          long (*f)(long) = chosen;
                          long bad = 0;

                          for (size_t i = part.begin(); i < part.end(); i++)
                              bad |= f((long)i);
                          if (bad)
                              failed = bad;
                      });
    if (failed)
        fail("an item failed");
}

static double
map_noop(const struct load *load)
{
    tbb::task_arena arena(load->producers);
    double ns = 0;

    arena.execute([&] {
        map_nothing(load->size);
        int64_t start = now_ns();
        for (long done = 0; done < load->ops; done += (long)load->size)
            map_nothing(load->size);
        ns = (double)(now_ns() - start) / (double)load->ops;
    });
    return ns;
}

static void
uneven_once(uint32_t *out, long n, long rounds)
{
    tbb::parallel_for(tbb::blocked_range<long>(0, n),
                      [=](const tbb::blocked_range<long> &part) {
                          for (long i = part.begin(); i < part.end(); i++)
                              out[i] = work((uint32_t)i,
                                            uneven_rounds(rounds, i, n));
                      });
}

static double
map_uneven(const struct load *load)
{
    long n = (long)load->size, rounds = work_rounds(UNEVEN_MEAN);
    auto *out = (uint32_t *)private_memory(load->size * sizeof(uint32_t));
    tbb::task_arena arena(load->producers);
    double ns = 0;

    arena.execute([&] {
        uneven_once(out, n, rounds);
        int64_t start = now_ns();
        for (long done = 0; done < load->ops; done += n)
            uneven_once(out, n, rounds);
        ns = (double)(now_ns() - start) / (double)load->ops;
    });
    for (long i = 0; i < n; i++)
        if (out[i] != work((uint32_t)i, uneven_rounds(rounds, i, n)))
            fail("item %ld of a map went wrong", i);
    release_memory(out, load->size * sizeof(uint32_t));
    return ns;
}

/* A pipeline: numbers are read, squared by any thread, and collected; at most
 * four for each thread are on their way, as in mproc's window. */
static void
pipe_once(uint64_t n, int threads, tbb::filter_mode order)
{
    uint64_t next = 0, sum = 0, expected = 0;

    tbb::parallel_pipeline(
        (size_t)threads * 4,
        tbb::make_filter<void, uint64_t>(
            tbb::filter_mode::serial_in_order,
            [&](tbb::flow_control &control) -> uint64_t {
                if (next == n) {
                    control.stop();
                    return 0;
                }
                return next++;
            }) &
            tbb::make_filter<uint64_t, uint64_t>(
                tbb::filter_mode::parallel, [](uint64_t x) { return x * x; }) &
            tbb::make_filter<uint64_t, void>(
                order, [&](uint64_t square) { sum += square; }));
    for (uint64_t i = 0; i < n; i++)
        expected += i * i;
    if (sum != expected)
        fail("a pipeline went wrong");
}

static double
measure_pipe(const struct load *load, tbb::filter_mode order)
{
    tbb::task_arena arena(load->producers);
    double ns = 0;

    arena.execute([&] {
        pipe_once(load->size, load->producers, order);
        int64_t start = now_ns();
        for (long done = 0; done < load->ops; done += (long)load->size)
            pipe_once(load->size, load->producers, order);
        ns = (double)(now_ns() - start) / (double)load->ops;
    });
    return ns;
}

static double
imap(const struct load *load)
{
    return measure_pipe(load, tbb::filter_mode::serial_in_order);
}

static double
imap_unordered(const struct load *load)
{
    return measure_pipe(load, tbb::filter_mode::serial_out_of_order);
}

const struct peer_kind peer_kinds[] = {
    {"apply_async", measure_async},
    {"map_noop", map_noop},
    {"map_1ns", map_1ns},
    {"map_1us", map_1us},
    {"map_100us", map_100us},
    {"map_uneven", map_uneven},
    {"map_10M", map_1ns},
    {"imap", imap},
    {"imap_unordered", imap_unordered},
    {},
};
