/* SPDX-License-Identifier: MIT */
/* How Python writes values, and what is in arrays. */
#pragma once

#include "base/macros.h"
#include "base/text.h"
#include "container/type.h"

#include <stdio.h>

/* 42, 0.1, 0x7f00; a NULL is None. */
void mp__text_of_scalar(char text[MP__TEXT], mp_scalar x);

/* An object of the type: as above, and True, b'a', 'a'. */
void mp__text_of_cell(char text[MP__TEXT], const struct mp__type *type,
                      uint64_t bits);

/* Prints an object elsewhere by its own function. `r`: mp__object_enter()'s. */
MP__COLD int mp__text_far(int r, const void *object, const char *function,
                          FILE *out);
