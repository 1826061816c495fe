/* SPDX-License-Identifier: MIT */
/* How Python writes floating point, and what stands between its quotes. */
#pragma once

#include <stdint.h>

/* Room for any text that is made here. */
#define MP__TEXT 64

/* 0.1, 1e+22, inf: the shortest that is read back as the same number. */
void mp__text_of_double(char text[MP__TEXT], double x);

/* A piece of b'...', or of '...', as it stands between those quotes; and which
 * quotes Python would take. */
void mp__text_of_byte(char text[MP__TEXT], unsigned char c, char quote);
void mp__text_of_wide(char text[MP__TEXT], uint32_t c, char quote);

static inline char
mp__text_quote(int has_single, int has_double)
{
    return has_single && !has_double ? '"' : '\'';
}
