/* SPDX-License-Identifier: MIT */
/* How Python prints numbers, and how objects elsewhere are printed. */
#pragma once

#include "base/macros.h"
#include "base/text.h"

#include <mproc/scalar.h>
#include <stdio.h>

/* 42, 0.1, 0x7f00; a NULL is None. */
void mp__text_of_scalar(char text[MP__TEXT], mp_scalar x);

/* Prints an object elsewhere by its own function. `r`: mp__object_enter()'s. */
MP__COLD int mp__text_far(int r, const void *object, const char *function,
                          FILE *out);
