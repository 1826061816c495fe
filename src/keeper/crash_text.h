/* SPDX-License-Identifier: MIT */
/* Where and why a worker crashed: worker/crash.c has noted it in the post. */
#pragma once

#include "task/post.h"

/* For who buries the worker: a line for each function, with names as far as
 * there are any; "" if nothing is known of a crash of this worker. */
void mp__crash_describe(struct mp__post *post, char *buf, size_t size);
