/* SPDX-License-Identifier: MIT */
/* A value taken apart and written again, piece by piece. */
#pragma once

#include <mproc/any.h>

/* 0; 1: the copy need not equal the original, for there is NaN in it, which
 * equals nothing, or a list or dict as a key, which equals only what is written
 * in the same way; -1: something was not as it was said to be. */
int rewrite(mp_any_writer *writer, mp_any any);
