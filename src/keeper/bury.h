/* SPDX-License-Identifier: MIT */
/* The death of a worker. */
#pragma once

#include "task/post.h"

/* Sees to it that the worker of `post` is dead, settles what it was at, and
 * vacates the post. The caller is its keeper. */
void mp__pool_bury(mp_pool *pool, struct mp__post *post);
uint64_t mp__pool_work_done(mp_pool *pool);

/* How often the system has killed for want of memory, as of at most `age` ns
 * ago: to find that out takes as long as half a start. */
uint64_t mp__pool_oom_kills(mp_pool *pool, mp_time age);

/* Whether the worker has to be killed for what it is at, which was cancelled.
 * Takes no mutex; certain under the pool's. */
int mp__post_is_condemned(struct mp__post *post);
