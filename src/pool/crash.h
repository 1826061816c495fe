/* SPDX-License-Identifier: MIT */
/* Where and why a worker died. */
#pragma once

#include "os/oom.h"
#include "pool/pool.h"

/* In the worker, once it has its post: catches the signals of a crash, on a
 * stack of its own, and notes where it was in the post; the process dies of
 * the signal all the same. Signals that the program handles itself are left
 * alone. */
void mp__crash_watch(struct mp__worker *w);

/* For who buries the worker: a line for each function, with names as far as
 * there are any; "" if nothing is known of a crash of this worker. */
void mp__crash_describe(struct mp__worker *w, char *buf, size_t size);
