/* SPDX-License-Identifier: MIT */
/* Submitting a task. */
#pragma once

#include "task/task.h"

/* What is asked of a task. */
struct mp__order {
    mp_task_fn f;
    const void *arg;
    size_t size;
    int wanted;              /* there will be a handle */
    mp_task_attr attr;       /* its callbacks are not looked at */
    struct mp__inbox *inbox; /* may be NULL */
    const char *function;    /* for texts */
};

/* Checks and submits. 0 or the error of mp_pool_apply_async(). */
int mp__task_submit(mp_pool *pool, const struct mp__order *order,
                    mp_task **ret_task);
