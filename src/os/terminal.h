/* SPDX-License-Identifier: MIT */
/* What a descriptor is to a reader's eye. */
#pragma once

#include <stddef.h>

/* Whether a line on it can be drawn over. */
int mp__terminal_is(int fd);
/* Columns; 80 if nobody knows. */
int mp__terminal_width(int fd);
/* Whether it is for us to write to: we are not in the background. */
int mp__terminal_is_ours(int fd);

/* One write, of two pieces; what does not fit is lost. */
void mp__terminal_write(int fd, const char *first, size_t first_size,
                        const char *second, size_t second_size);
