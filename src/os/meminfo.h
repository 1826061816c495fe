/* SPDX-License-Identifier: MIT */
/* How much memory is left. */
#pragma once

#include <stdint.h>

/* Bytes of memory that could still be had: what the system has free or could
 * reclaim, and swap, or what the control groups leave of it. UINT64_MAX where
 * nothing tells. `root` is put before every path: "" but in tests. */
uint64_t mp__memory_available(const char *root);

/* How much of that one who asks politely may take: there is a reserve, since
 * whoever takes the last makes the kernel kill somebody. */
uint64_t mp__memory_spare(uint64_t available);
