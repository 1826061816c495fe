/* SPDX-License-Identifier: MIT */
/* How Python writes numbers and text. */
#pragma once

#include "container/type.h"

/* Room for any text that is made here. */
#define MP__TEXT 64

/* 42, 0.1, 0x7f00; a NULL is None. */
void mp__text_of_scalar(char text[MP__TEXT], mp_scalar x);

/* An object of the type: as above, and True, b'a', 'a'. */
void mp__text_of_cell(char text[MP__TEXT], const struct mp__type *type,
                      uint64_t bits);

/* A piece of b'...', or of '...', as it stands between those quotes; and which
 * quotes Python would take. */
void mp__text_of_byte(char text[MP__TEXT], unsigned char c, char quote);
void mp__text_of_wide(char text[MP__TEXT], uint32_t c, char quote);

static inline char
mp__text_quote(int has_single, int has_double)
{
    return has_single && !has_double ? '"' : '\'';
}
