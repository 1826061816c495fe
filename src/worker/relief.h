/* SPDX-License-Identifier: MIT */
/* Workers that leave before the end of the pool. */
#pragma once

#include "task/post.h"

/* In a worker, at its beginning. */
void mp__relief_begin(void);

/* Whether the worker, between two tasks or ranges, is to leave its post: it
 * has served its time, grown too large, there are too many, or it was
 * dismissed. Cheap. */
int mp__worker_should_leave(mp_pool *pool, struct mp__post *post);

/* The worker of this process takes nothing any more: somebody may be about to
 * kill it for a task that has ended meanwhile. */
void mp__worker_dismiss(void);

/* It leaves, if it still should (or, if `idle`, there is nothing to do): 1,
 * and it may take nothing any more. */
int mp__worker_relieve(mp_pool *pool, struct mp__post *post, int idle);

/* One that has left its post sees to it that what is waiting will be done, if
 * nobody else is there. */
void mp__worker_hand_over(mp_pool *pool);
