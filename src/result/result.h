/* SPDX-License-Identifier: MIT */
/* Results: tasks and maps, seen by who waits for them. */
#pragma once

#include "task/job.h"
#include "task/task.h"

/* ---- result.c ---- */

/* The task of a handle; NULL with `*ret` set. */
mp_task *mp__result_task(mp_result *result, const char *function, int *ret);

/* Whether it has ended, after a look at the pool. */
int mp__task_look(mp_task *task);

/* ---- result_fd.c ---- */

/* What mp_result_ready() says of a task or a map; if it has not ended, this
 * process's descriptor becomes unreadable until there is news. */
int mp__result_after_look(mp_result *result, int ended);
/* The handle is given back here: closes the descriptor. */
void mp__result_forget(mp_result *result);

/* ---- map_result.c: the functions of result.c for a map ---- */

/* The map that a handle stands for; NULL: it is none. Enters, too. */
struct mp__job *mp__job_of(mp_result *result);

/* Differs from that of any other process that has the same pid. */
uint64_t mp__job_mark(void);

int mp__job_look(struct mp__job *job); /* has it ended, after a look around */
int mp__job_wait(struct mp__job *job, mp_time deadline);
/* Sleeps until it has ended, or for a while. As mp__pool_sleep(). */
int mp__job_sleep(struct mp__job *job, mp_time until);
ssize_t mp__job_size(struct mp__job *job); /* of all results */
ssize_t mp__job_get(struct mp__job *job, void *buf, size_t cap);
int mp__job_successful(struct mp__job *job);
const char *mp__job_error(struct mp__job *job);
int mp__job_give_back(struct mp__job *job);

/* The code of a job that has ended: 0, that of the first failed item, or of
 * its end. */
int mp__job_code(struct mp__job *job);
