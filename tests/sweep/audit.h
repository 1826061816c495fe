/* SPDX-License-Identifier: MIT */
/* The heap of the family, walked from end to end. */
#pragma once

#include <stdint.h>

/* NULL if all invariants hold, else what is wrong. *ret_live: how many blocks
 * and objects are in use. */
const char *audit_heap(uint64_t *ret_live);
