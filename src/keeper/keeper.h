/* SPDX-License-Identifier: MIT */
/* Keepers: one at a time looks after a post. */
#pragma once

#include "task/post.h"

/* Makes the caller the keeper of the post; 0: somebody else is, or the pool is
 * not that of `id` any more. Then: it is no longer, and all are told. */
int mp__post_keep(struct mp_pool *pool, uint64_t id, struct mp__post *post);
void mp__post_resign(struct mp_pool *pool, struct mp__post *post);
