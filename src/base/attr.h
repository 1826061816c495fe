/* SPDX-License-Identifier: MIT */
/* Attribute structs whose first two fields are `uint32_t size, flags`. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Copies the caller's attributes into `*out` of `size` bytes. NULL gives
 * zeroes. A shorter struct (an older caller) is extended by zeroes; a longer
 * one is accepted if what this library does not know is zero, else -E2BIG.
 * A size below 8, or flags outside `known_flags`, are -EINVAL. `function`
 * names the public function in the error's text. */
int mp__attr_read(void *out, size_t size, const void *attr,
                  uint32_t known_flags, const char *function);
