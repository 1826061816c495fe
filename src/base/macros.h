/* SPDX-License-Identifier: MIT */
/* Small words of the language that C lacks. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define MP__LIKELY(x)     __builtin_expect(!!(x), 1)
#define MP__UNLIKELY(x)   __builtin_expect(!!(x), 0)
#define MP__COLD          __attribute__((noinline, cold))
#define MP__LENGTH(array) (sizeof(array) / sizeof(0 [array]))
#define MP__CONTAINER(ptr, type, member) \
    ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* A shared cache line, twice the usual size: the prefetcher of x86 fetches
 * lines in pairs. */
#define MP__LINE       128
#define MP__ALIGNED(n) __attribute__((aligned(n)))

static inline size_t
mp__round_up(size_t n, size_t unit)
{
    return (n + unit - 1) / unit * unit;
}
