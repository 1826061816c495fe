/* SPDX-License-Identifier: MIT */
/* A dict and a list whose users are killed: `soak dict`, `soak list`. */
#pragma once

#include <stdint.h>

#define SOAK_WORKERS 8

/* Runs one of them; 1 if anything was violated. */
int stress_dict_soak(double seconds, unsigned seed);
int stress_list_soak(double seconds, unsigned seed);

/* ---- For these two ---- */

/* Starts SOAK_WORKERS processes that do `work`. Again and again one is killed,
 * and succeeded by another, until all have come to its end. `killed` (NULL:
 * nobody) is told of each. How many; -1: one of them hangs, or failed. */
int soak_workers(void (*work)(unsigned number),
                 void (*killed)(unsigned number));

/* Blocks and objects of the family that are live; -1: the heap is broken. Both
 * with a line that says so. */
int64_t soak_live(void);
void *soak_shared(uint64_t size);
