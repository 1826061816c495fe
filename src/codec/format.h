/* SPDX-License-Identifier: MIT */
/* What format strings have in common: reading them, and telling of errors. */
#pragma once

#include <mproc/any.h>

/* Arguments, in a struct so that they can be handed on. */
struct mp__arguments {
    va_list list;
};

/* mp_any_vbuild(), mp_any_vparse(), for a function that is named in the error's
 * text. `copies`: what s, S, y and v give are copies of the caller's own. */
int mp__format_build(mp_any_writer *writer, const char *function,
                     const char *format, va_list args);
/* ... and goes on in the caller's arguments. */
int mp__format_build_on(mp_any_writer *writer, const char *function,
                        const char *format, struct mp__arguments *args);
int mp__format_parse(const char *function, mp_any any, int copies,
                     const char *format, va_list args);

/* What mp__format_parse() would say, but for what depends on the arguments: of
 * `*i` any number of them fits, of `h` any handle. The value is checked. */
int mp__format_fits(const char *function, mp_any any, const char *format);

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

/* The next letter; spaces, commas and colons mean nothing. */
static inline char
mp__format_peek(struct mp__format *format)
{
    while (*format->at == ' ' || *format->at == ',' || *format->at == ':' ||
           *format->at == '\t' || *format->at == '\n')
        format->at++;
    return *format->at;
}

/* ... and past it. */
static inline char
mp__format_next(struct mp__format *format)
{
    char letter = mp__format_peek(format);

    if (letter)
        format->at++;
    return letter;
}

/* Into a list or dict, and out of it. -EINVAL: too deep. */
int mp__format_enter(struct mp__format *format, char end);
void mp__format_leave(struct mp__format *format);

/* -EINVAL: the format has a letter that cannot be here. */
int mp__format_bad(struct mp__format *format, char letter);

/* Fails with the place, "item 2: " or "item 1, item 0: ", before the text. */
int mp__format_fail(const struct mp__format *format, int code,
                    const char *text, ...) MP__PRINTF(3, 4);
