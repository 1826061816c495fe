/* SPDX-License-Identifier: MIT */
/* What a worker's initializer leaves to its tasks, and to its finalizer. */
#pragma once

#include "task/pool.h"

/* In the worker, before all else. */
void mp__worker_forget(void);

/* Runs the initializer on a copy of its argument; what it returns. */
int mp__worker_initialize(mp_pool *pool);
void mp__worker_finalize(void);
