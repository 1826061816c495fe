/* SPDX-License-Identifier: MIT */
/* The values that are encoded and decoded: [42, None, 'Hello']; a list of ITEMS
 * ints, of one to four bytes each; and a list of ITEMS in turn an int, None,
 * 'Hello' and a float. And the loop that takes the time. */
#pragma once

#include "harness.h"
#include "tools.h"

#include <stdint.h>

enum { ITEMS = 1000, ANSWER = 42 };

#define GREETING      "Hello"
#define GREETING_SIZE (sizeof(GREETING) - 1)

static inline int
value_int(int i)
{
    static const int factors[] = {1, -1, 30, 3000};

    return i % 100 * factors[i % 4];
}

static inline double
value_float(int i)
{
    return (double)i / 8;
}

/* What a decoder must have seen: the sum of all numbers, and the bytes of all
 * strings. */
static inline double
value_sum_of_small(void)
{
    return ANSWER + (double)GREETING_SIZE;
}

static inline double
value_sum_of_ints(void)
{
    double sum = 0;

    for (int i = 0; i < ITEMS; i++)
        sum += value_int(i);
    return sum;
}

static inline double
value_sum_of_mixed(void)
{
    double sum = 0;

    for (int i = 0; i < ITEMS; i += 4)
        sum += value_int(i) + (double)GREETING_SIZE + value_float(i + 3);
    return sum;
}

/* Does the job once; gives the bytes of what it encoded, or the sum that it
 * decoded. */
typedef double value_fn(void *arg);

/* Nanoseconds of one `job`, which always gives `expected`. A quarter as many
 * go first. */
static ALWAYS_INLINE double
value_time(const struct load *load, value_fn *job, void *arg, double expected)
{
    double wrong = 0;
    int64_t start = 0;

    for (long i = -(load->ops / 4); i < load->ops; i++) {
        if (i == 0)
            start = now_ns();
        wrong += job(arg) != expected;
        __asm__ volatile("" ::: "memory");
    }
    if (wrong > 0)
        fail("a value came out wrong");
    return (double)(now_ns() - start) / (double)load->ops;
}
