/* SPDX-License-Identifier: MIT */
/* How deep inside of pools a process is, and how many processors it has. */
#pragma once

#include "task/pool.h"

/* Of this process: pools it is inside of; processors that it may use. */
uint32_t mp__budget_depth(void);
uint32_t mp__budget_share(void);

#define MP__THREAD_VARIABLES 7u /* such as OMP_NUM_THREADS */

/* What a worker is to have of it, handed down by its starter. */
struct mp__budget {
    uint32_t depth, share;
    uint32_t threads;   /* the value of those variables; 0: left alone */
    uint32_t variables; /* bits: which are to be set to it */
};
struct mp__budget mp__budget_of_worker(struct mp_pool *pool);

/* For mp_process_start(): the variables. `list` ends with NULL. */
struct mp__budget_environment {
    char text[MP__THREAD_VARIABLES][48];
    const char *list[MP__THREAD_VARIABLES + 1];
};
void mp__budget_describe(const struct mp__budget *budget,
                         struct mp__budget_environment *ret_environment);

/* In the worker: that is its budget. The variables are set, unless they were
 * at its start. */
void mp__budget_take(const struct mp__budget *budget, int set);
