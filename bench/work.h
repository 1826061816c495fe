/* SPDX-License-Identifier: MIT */
/* What an item of a map has to do: next to nothing, or a known amount. */
#pragma once

#include "tools.h"

/* A chain of `rounds` dependent multiplications that starts from x. */
static inline uint32_t
work(uint32_t x, long rounds)
{
    uint64_t y = x;

    while (rounds-- > 0) {
        y = y * 6364136223846793005u + 1442695040888963407u;
        __asm__ volatile("" : "+r"(y));
    }
    return (uint32_t)(y >> 32);
}

/* How many rounds take `ns` nanoseconds. */
static inline long
work_rounds(double ns)
{
    const long rounds = 200000;
    volatile uint32_t result; /* looked at by nobody, but computed */
    double best = 1e18;

    for (int i = 0; i < 5; i++) {
        int64_t start = now_ns();
        double took;

        result = work(1, rounds);
        took = (double)(now_ns() - start);
        best = took < best ? took : best;
    }
    (void)result;
    return (long)(ns / best * (double)rounds);
}

/* Of n uneven items each takes longer than the one before: the mean of all is
 * that of work_rounds(UNEVEN_MEAN), the last takes twice as long. */
#define UNEVEN_MEAN 1e5 /* ns */

static inline long
uneven_rounds(long mean, long i, long n)
{
    return mean * (2 * i + 1) / n;
}
