/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* The character at the beginning of `size` (not 0) bytes; *ret_length is how
 * many it takes. What is no UTF-8 (too long a form and surrogates, too) is one
 * byte long, and -1. */
int32_t mp__utf8_read(const unsigned char *text, size_t size,
                      size_t *ret_length);
