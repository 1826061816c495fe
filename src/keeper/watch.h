/* SPDX-License-Identifier: MIT */
/* Noticing that somebody is missing. */
#pragma once

#include "task/post.h"

/* A part of attending, for those who are in a hurry: before they submit. */
void mp__pool_glance(struct mp_pool *pool, uint64_t turn);

/* Another part, for a worker between two tasks, and for one that waits:
 * attends to the pool when somebody has been missing for a while, and nobody
 * else has. The first looks at one other worker, the second at all. */
void mp__pool_look_around(struct mp_pool *pool, struct mp__post *post);
void mp__pool_look_at_all(struct mp_pool *pool, struct mp__post *post);

/* Sleeps until `*data != seen`, a worker or a keeper of the pool died, or for
 * a while. 0 (look again), -EAGAIN, -ETIMEDOUT, -EINTR. */
int mp__pool_sleep(struct mp_pool *pool, struct mp__bell *bell, mp__a32 *data,
                   uint32_t seen, mp_time deadline);
