/* SPDX-License-Identifier: MIT */
/* Hearing of the end of tasks and maps, by an inbox of this process. */
#pragma once

#include "task/inbox.h"

/* Sleeps until there are news, or the pool is to be looked at: 0, look again.
 * The caller looks after the workers meanwhile. -EAGAIN, -ETIMEDOUT,
 * -EINTR. */
int mp__inbox_wait(mp_pool *pool, struct mp__inbox *inbox, mp_time deadline);

/* The next news, waiting until `deadline` as above. 1; 0: there was nothing for
 * a while: look at the pool and, if something was lost, at all that you wait
 * for; -EAGAIN, -ETIMEDOUT, -EINTR. */
int mp__inbox_get(mp_pool *pool, struct mp__inbox *inbox,
                  struct mp__news *ret_news, mp_time deadline);
