/* SPDX-License-Identifier: MIT */
/* The name of a function of this process. */
#pragma once

#include <stddef.h>

/* By the symbols of the file that it lies in; "" if there are none. Reads that
 * file. */
void mp__code_name(const void *code, char *buf, size_t size);
