/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdint.h>

/* Bytes of memory that the system could still give: free or reclaimable, and
 * swap. UINT64_MAX where it does not tell. */
uint64_t mp__memory_available(void);
