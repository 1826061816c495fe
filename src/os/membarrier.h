/* SPDX-License-Identifier: MIT */
/* A full fence in other threads, at the caller's expense. */
#pragma once

/* The calling process takes part from now on: its threads can be fenced. 0,
 * -ENOSYS, -EPERM, ... It may be called again. */
int mp__membarrier_join(void);

/* A fence in each thread of all processes that take part: what the caller has
 * stored is seen by what they load from now on, and the other way round. Where
 * the system does not have it, or forbids it, it waits for longer than any
 * processor keeps a store to itself. */
void mp__membarrier(void);
