/* SPDX-License-Identifier: MIT */
/* MPROC_TRACE=FILE: what every worker did, for Perfetto or chrome://tracing. */
#pragma once

#include "task/job.h"
#include "task/task.h"

/* Whether this process is a worker that writes a trace. */
extern int mp__trace_on;

/* In the pool's maker: begins the file, if the environment asks for one. */
void mp__trace_open(mp_pool *pool);
/* In a worker that has taken its post. */
void mp__trace_worker(mp_pool *pool, struct mp__post *post);
/* Only if mp__trace_on. A task begins; then one event each. */
void mp__trace_begin(const mp_task *task);
void mp__trace_task(const mp_task *task, mp_time begun, mp_time ended,
                    int failed);
void mp__trace_items(const struct mp__job *job, uint64_t from, uint64_t to,
                     mp_time begun, mp_time ended);
/* Writes what is in memory: before a worker sleeps. Cheap without a trace. */
void mp__trace_flush(void);

/* For who buries a worker: the task that it was at when it died, before the
 * tally is told. */
void mp__trace_lost(mp_pool *pool, struct mp__post *post, const mp_task *task,
                    const char *how);
/* The same of a range of a map, as far as it came. */
void mp__trace_lost_items(struct mp__post *post, uint64_t from, uint64_t to);
/* Writes what it had in memory. */
void mp__trace_bury(mp_pool *pool, struct mp__post *post);

/* In the pool's maker, after its workers have ended. */
void mp__trace_close(mp_pool *pool);
