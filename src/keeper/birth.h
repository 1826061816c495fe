/* SPDX-License-Identifier: MIT */
/* The start of a worker. */
#pragma once

#include "keeper/budget.h"
#include "task/post.h"

/* What a worker is started with. */
struct mp__posting {
    struct mp_pool *pool;
    uint64_t pool_id;
    uint64_t epoch;
    uint32_t post;
    struct mp__budget budget;
};

/* What it does then: worker/worker.c, in the room above. */
int mp__worker_main(void *posting);

/* Starts a worker at a post that is vacant, and whose keeper is the caller. 0,
 * also if there are enough by now; or the error of mp_process_start(). */
int mp__pool_fill(struct mp_pool *pool, struct mp__post *post);

/* Starts workers until there are `count`, as far as there are posts that are
 * vacant. The same results. */
int mp__pool_staff(struct mp_pool *pool, uint32_t count);
