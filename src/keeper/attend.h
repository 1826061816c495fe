/* SPDX-License-Identifier: MIT */
/* Looking after the workers: for everybody who is in a call on a pool. */
#pragma once

#include "task/post.h"

/* Looks after all posts: settles what dead workers leave behind, starts their
 * successors, kills what a terminated pool still has. Cheap when there is
 * nothing to do. No mutex may be held. */
void mp__pool_attend(struct mp_pool *pool);

/* Attends to the pool, and makes a post more if there is nobody, and none is
 * vacant: all who are there are leaving, and take their time. */
void mp__pool_recruit(struct mp_pool *pool);

/* After something was put into a queue: starts a worker, if one is wanted for
 * it. One load when all are there. */
static inline void
mp__pool_demand(struct mp_pool *pool)
{
    if (MP__UNLIKELY(mp__posts_filled(pool) <
                     mp__load_relaxed(&pool->wanted)) &&
        mp__posts_wanted(pool))
        mp__pool_recruit(pool);
}

/* Whether every post is without a worker for good, and without a keeper. */
int mp__pool_is_empty(struct mp_pool *pool);

/* Kills the workers of a pool that is terminated or broken. */
void mp__pool_kill(struct mp_pool *pool);

/* The pool gives up; `why` is a sentence about it. */
void mp__pool_break(struct mp_pool *pool, const char *why);
