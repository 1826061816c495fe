/* SPDX-License-Identifier: MIT */
/* Where and why a worker died. */
#pragma once

#include "task/post.h"

/* In the worker, once it has its post: catches the signals of a crash, on a
 * stack of its own, and notes where it was in the post; the process dies of
 * the signal all the same. Signals that the program handles itself are left
 * alone. */
void mp__crash_watch(struct mp__post *post);
