/* SPDX-License-Identifier: MIT */
/* The other one of two that are killed. */
#pragma once

#include "path.h"
#include "trace.h"

/* Chooses the `n`th pair of points: of the victim, which is returned, and of
 * the other one, for later. *ret_asleep: in the sleep after that point. */
uint32_t pair_choose(uint32_t n, const struct path *path, int *ret_asleep);

/* Starts the other one, which stands before its first instruction then. */
void pair_begin(void);

/* Runs the other one to its point beside the victim, which stands at its own,
 * and kills both. Without pair_choose() before: the victim is killed, then the
 * other one runs to its end, which tells how long it is. */
void pair_end(struct trace *victim);

/* For reports: where the other one was, and how both died. */
void pair_tell(char *text, size_t size);
