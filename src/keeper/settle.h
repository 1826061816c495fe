/* SPDX-License-Identifier: MIT */
/* What a dead worker had in hand: for the keeper of its post, who buries it. */
#pragma once

#include "task/job.h"
#include "task/task.h"

/* What is known of a worker's death. */
struct mp__obituary {
    int code;      /* of what it was running: -ESRCH, -ECANCELED (the pool is
                        terminated), -ETIMEDOUT (killed for its time) */
    char who[96];  /* "worker Pool-1:2 (pid 4711)" */
    char how[128]; /* "killed by signal 9 (SIGKILL), as the system had run
                        out of memory" */
    char where[2048]; /* a line for each function it was in; "": unknown */
    const char *why;  /* what to say instead; NULL: the above */
};

/* ---- settle_task.c ---- */

/* Whether a task waits for the next worker at a post that has none: then the
 * post's claim must stay as it is, and the post get a worker. */
int mp__task_waits_at(struct mp__post *post);

/* No worker will come to a post that has none: what waits there ends. */
void mp__task_forsake(struct mp__post *post);

/* Whether the task that is running at the post is to be cancelled: its worker
 * has to be buried. */
int mp__task_is_condemned(struct mp__post *post);

/* Settles the task that the dead worker of `post` had begun, if any: 1. It
 * has ended, or waits for the next worker. */
int mp__task_settle(struct mp__post *post,
                    const struct mp__obituary *obituary);

/* ---- settle_map.c ---- */

/* Settles the item that the dead worker of `post` was running, if any: it
 * fails, or is to be tried again. What remains of its range stays with the
 * post, for its successor; unless there will be none (`forsake`): then the
 * whole rest fails. `obituary` is NULL when nobody has died since. 1 if an
 * item was running. */
int mp__job_settle(struct mp_pool *pool, struct mp__post *post, int forsake,
                   const struct mp__obituary *obituary);

/* Whether the worker of the post is at a map that was cancelled, and has not
 * left it by itself: it has to be buried. Certain under the pool's mutex. */
int mp__job_is_condemned(struct mp__post *post);

/* ---- Both ---- */

/* Whether the post has work that only its own next worker can do: a task that
 * is to be tried again, a map's range. */
static inline int
mp__post_has_work(struct mp__post *post)
{
    return mp__load(&post->job) != NULL || mp__task_waits_at(post);
}
