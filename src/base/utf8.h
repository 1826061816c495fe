/* SPDX-License-Identifier: MIT */
/* Characters of UTF-8, one at a time. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* The character at the beginning of `size` (not 0) bytes; *ret_length is how
 * many it takes. What is no UTF-8 (too long a form and surrogates, too) is one
 * byte long, and -1. */
int32_t mp__utf8_read(const unsigned char *text, size_t size,
                      size_t *ret_length);

/* Writes a character, up to 0x10ffff, and a NUL behind it; how many bytes the
 * character takes. */
size_t mp__utf8_write(char text[5], uint32_t c);
