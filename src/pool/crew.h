/* SPDX-License-Identifier: MIT */
/* Descriptors that tell of the end of a pool's workers, too: see crew.c. */
#pragma once

#include "pool/pool.h"
#include "region/pollers.h"

/* The poller, locked, is readable as well when somebody of the pool has died
 * whose work another has to do. 0; -EMFILE, -ENFILE, -ENOMEM. */
int mp__crew_join(struct mp__poller *poller, mp_pool *pool);

/* The pool was looked after: tells of those from now on who are there now. 1:
 * of nobody any more, for the pool has ended; 0; below 0: it cannot. */
int mp__crew_renew(struct mp__poller *poller);
