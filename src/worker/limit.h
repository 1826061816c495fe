/* SPDX-License-Identifier: MIT */
/* Time limits of what a worker runs: limit.c. */
#pragma once

#include "task/post.h"

/* A limit given in seconds, in ns: 0 stands for `otherwise`, and a negative one
 * for 0, none. */
mp_time mp__limit_of(double seconds, mp_time otherwise);

/* From now on, for so many ns; 0: no limit. No system call when both are 0. 0,
 * or -ENOMEM (no timer to be had), with a text: then nothing is limited. */
int mp__limit_begin(struct mp__post *post, mp_time hard, mp_time soft);
/* What was limited has ended, well or not. No system call without limits. */
void mp__limit_end(struct mp__post *post);
/* Whether the soft limit is over. */
int mp__limit_is_over(void);
