/* SPDX-License-Identifier: MIT */
/* Small things that every part of the benchmarks needs. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ALWAYS_INLINE inline __attribute__((always_inline))
#define LINE          128 /* two lines: processors prefetch them in pairs */

int64_t now_ns(void);

/* Ends this process with a message: a figure that cannot be trusted must not
 * be printed. */
__attribute__((noreturn, format(printf, 1, 2))) void fail(const char *format,
                                                          ...);
/* fail() with the meaning of an mproc or system error. */
__attribute__((noreturn, cold)) void fail_by(long r, const char *what);

/* That, unless r >= 0. Costs next to nothing in loops that are measured. */
static ALWAYS_INLINE void
must(long r, const char *what)
{
    if (__builtin_expect(r < 0, 0))
        fail_by(r, what);
}

/* Memory shared with children, all of it touched. */
void *shared_memory(size_t size);
/* Private memory, all of it touched. */
void *private_memory(size_t size);
void release_memory(void *p, size_t size);

/* Puts the calling process on the nth of the processors that it may use. */
void pin_to(int nth);

static ALWAYS_INLINE void
cpu_relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

#ifdef __cplusplus
}
#endif
