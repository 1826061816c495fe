/* SPDX-License-Identifier: MIT */
/* What format strings have in common: reading them, and telling of errors. */
#pragma once

#include <mproc/any.h>

/* Where we are in a format, and in the value: for the texts of errors. */
struct mp__format {
    const char *function, *at, *begin;
    unsigned depth;
    struct {
        size_t index;
        char end; /* ']' or '}'; 0: the outermost */
    } place[MP_ANY_DEPTH + 1];
};

void mp__format_begin(struct mp__format *format, const char *function,
                      const char *text);

/* The next letter, and past it; spaces, commas and colons mean nothing. */
char mp__format_next(struct mp__format *format);
/* The same without going past it. */
char mp__format_peek(struct mp__format *format);

/* Into a list or dict, and out of it. -EINVAL: too deep. */
int mp__format_enter(struct mp__format *format, char end);
void mp__format_leave(struct mp__format *format);

/* -EINVAL: the format has a letter that cannot be here. */
int mp__format_bad(struct mp__format *format, char letter);

/* Fails with the place, "item 2: " or "item 1, item 0: ", before the text. */
int mp__format_fail(const struct mp__format *format, int code,
                    const char *text, ...) MP__PRINTF(3, 4);
