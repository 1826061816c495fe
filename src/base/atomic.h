/* SPDX-License-Identifier: MIT */
/* Atomics with the order in the name: every use says what it relies on, and
 * its comment names the partner. */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

typedef _Atomic uint32_t mp__a32;
typedef _Atomic uint64_t mp__a64;

#define mp__load(p)         atomic_load_explicit((p), memory_order_seq_cst)
#define mp__load_acquire(p) atomic_load_explicit((p), memory_order_acquire)
#define mp__load_relaxed(p) atomic_load_explicit((p), memory_order_relaxed)
#define mp__store(p, v)     atomic_store_explicit((p), (v), memory_order_seq_cst)
#define mp__store_release(p, v) \
    atomic_store_explicit((p), (v), memory_order_release)
#define mp__store_relaxed(p, v) \
    atomic_store_explicit((p), (v), memory_order_relaxed)
#define mp__swap(p, v) atomic_exchange_explicit((p), (v), memory_order_seq_cst)
#define mp__cas(p, expected, v)              \
    atomic_compare_exchange_strong_explicit( \
        (p), (expected), (v), memory_order_seq_cst, memory_order_seq_cst)
#define mp__add(p, v) atomic_fetch_add_explicit((p), (v), memory_order_seq_cst)
#define mp__sub(p, v) atomic_fetch_sub_explicit((p), (v), memory_order_seq_cst)

/* Keeps the compiler from moving memory accesses across this point. A dying
 * thread's stores reach its own kernel context in program order, so nothing
 * stronger is needed for what only death reads. */
#define mp__compiler_barrier() atomic_signal_fence(memory_order_seq_cst)

static inline void
mp__cpu_relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}
