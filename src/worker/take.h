/* SPDX-License-Identifier: MIT */
/* How a worker takes its next message. */
#pragma once

#include "task/post.h"

/* Takes the next message into the worker's claim: that of the highest priority,
 * else waits. As mp__queue_get_claim(). */
int mp__pool_take(mp_pool *pool, struct mp__post *post, mp_time deadline);
