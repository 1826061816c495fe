/* SPDX-License-Identifier: MIT */
/* What a worker does with what it has taken. */
#pragma once

#include "task/job.h"
#include "task/task.h"

/* ---- run_task.c ---- */

/* Runs the task that is in the claim of `post`. 1: it was cancelled
 * meanwhile; the worker must not take another, but leave. */
int mp__task_run(struct mp_task *task, struct mp__post *post);

/* First of all, in a worker at its post: runs the task that waits there, if
 * any. As mp__task_run(). */
int mp__task_resume(struct mp__post *post);

/* Ends a process that is not the worker of `post`: the function of a task
 * has forked, and returns in the child too. */
void mp__worker_check(struct mp__post *post);

/* ---- run_map.c ---- */

/* Works at the maps of the pool until there is none left that needs it, or the
 * worker is to leave its post. */
void mp__job_work(struct mp_pool *pool, struct mp__post *post);
