/* SPDX-License-Identifier: MIT */
/* Lookouts, by which descriptors tell of the end of a pool's workers, too. */
#pragma once

#include "bell/pollers.h"
#include "task/pool.h"

/* The poller, locked, is readable as well when somebody of the pool has died
 * whose work another has to do. 0; -EMFILE, -ENFILE, -ENOMEM. */
int mp__lookout_join(struct mp__poller *poller, mp_pool *pool);

/* The pool was looked after: tells of those from now on who are there now. 1:
 * of nobody any more, for the pool has ended; 0; below 0: it cannot. */
int mp__lookout_renew(struct mp__poller *poller);
