/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Commits [offset, offset + size) of the region: its pages are there from then
 * on. 0, or -ENOMEM if the system has not that much to give. */
int mp__region_commit(size_t offset, size_t size);

/* Whether a large commit would be refused: 0 or -ENOMEM. Before anything is
 * prepared for it. */
int mp__region_afford(size_t size);

/* How many bytes of freed pages may be kept, as the machine goes. */
uint64_t mp__region_warm(void);
