/* SPDX-License-Identifier: MIT */
/* Building values by format strings.
 *
 * A list's length comes before its items, so it is counted in the format
 * first; then each letter takes its arguments and writes one value. */
#include "codec/format.h"

#include "base/error.h"
#include "codec/handle.h"

#include <errno.h>
#include <string.h>

/* Past a quoted text, whose first quote has been read; its length, or -EINVAL:
 * it does not end. */
static ssize_t
quoted(struct mp__format *format, const char **ret_text)
{
    const char *text = format->at, *end = strchr(text, '\'');

    if (!end)
        return mp__format_bad(format, 0);
    format->at = end + 1;
    *ret_text = text;
    return end - text;
}

/* Past one value of the format, without looking at arguments. */
static int
pass_over(struct mp__format *format)
{
    unsigned depth = 0;
    const char *text;

    do {
        char letter = mp__format_next(format);

        if (letter == 0)
            return mp__format_bad(format, 0);
        if (letter == '[' || letter == '{')
            depth++;
        else if ((letter == ']' || letter == '}') && depth-- == 0)
            return mp__format_bad(format, letter);
        else if (letter == '\'' && quoted(format, &text) < 0)
            return -EINVAL;
        else if (letter == '?' || letter == '*')
            format->at += *format->at != 0;
    } while (depth > 0);
    return 0;
}

/* How many values there are up to `end`; the format stays where it is. */
static ssize_t
count(struct mp__format *format, char end)
{
    const char *at = format->at;
    ssize_t n = 0;

    for (; mp__format_peek(format) != end; n++)
        if (pass_over(format) < 0)
            return -EINVAL;
    format->at = at;
    return n;
}

/* ---- Lists of numbers ---- */

#define WRITE_EACH(type, write)                                    \
    do {                                                           \
        const type *x = data;                                      \
        for (size_t i = 0; i < n; i++)                             \
            write(w, x[i]);                                        \
    } while (0)

static int
write_numbers(mp_any_writer *w, struct mp__format *format, char letter,
              const void *data, size_t n)
{
    if (strchr("iIlLqQzd", letter) == NULL || letter == 0)
        return mp__format_bad(format, letter);
    if (!data && n)
        return mp__format_fail(format, -EINVAL, "the numbers are NULL");
    mp_any_write_list(w, n);
    switch (letter) {
    case 'i':
        WRITE_EACH(int, mp_any_write_int);
        break;
    case 'I':
        WRITE_EACH(unsigned, mp_any_write_unsigned);
        break;
    case 'l':
        WRITE_EACH(long, mp_any_write_int);
        break;
    case 'L':
        WRITE_EACH(unsigned long, mp_any_write_unsigned);
        break;
    case 'q':
        WRITE_EACH(int64_t, mp_any_write_int);
        break;
    case 'd':
        WRITE_EACH(double, mp_any_write_double);
        break;
    default:
        WRITE_EACH(uint64_t, mp_any_write_unsigned);
    }
    return w->error;
}

/* ---- One value ---- */

static int
write_handle(mp_any_writer *w, struct mp__format *format, const void *handle)
{
    int r = mp__handle_write(w, handle);

    return r == -EBADF ? mp__format_fail(format, r, "%s", mp_last_error()) : r;
}

/* What may be NULL. */
static int
write_pointer(mp_any_writer *w, struct mp__format *format, char letter,
              int optional, struct mp__arguments *args)
{
    const void *data;
    size_t size = SIZE_MAX;
    mp_any any;

    if (letter == 'v') {
        any = va_arg(args->list, mp_any);
        return !any.data && optional ? mp_any_write_nil(w)
                                     : mp_any_write_value(w, any);
    }
    data = va_arg(args->list, const void *);
    if (letter == 'h')
        return write_handle(w, format, data);
    if (letter != 's')
        size = va_arg(args->list, size_t);
    if (!data && optional)
        return mp_any_write_nil(w);
    if (!data)
        return mp__format_fail(format, -EINVAL,
                               "the argument of '%c' is NULL ('?%c' makes it "
                               "None)",
                               letter, letter);
    return letter == 'y' ? mp_any_write_bytes(w, data, size)
                         : mp_any_write_string(w, data, size);
}

static int
write_scalar(mp_any_writer *w, struct mp__format *format, char letter,
             struct mp__arguments *args)
{
    switch (letter) {
    case 'n':
        return mp_any_write_nil(w);
    case 'b':
        return mp_any_write_bool(w, va_arg(args->list, int));
    case 'i':
        return mp_any_write_int(w, va_arg(args->list, int));
    case 'I':
        return mp_any_write_unsigned(w, va_arg(args->list, unsigned));
    case 'l':
        return mp_any_write_int(w, va_arg(args->list, long));
    case 'L':
        return mp_any_write_unsigned(w, va_arg(args->list, unsigned long));
    case 'q':
        return mp_any_write_int(w, va_arg(args->list, int64_t));
    case 'Q':
        return mp_any_write_unsigned(w, va_arg(args->list, uint64_t));
    case 'z':
        return mp_any_write_unsigned(w, va_arg(args->list, size_t));
    case 'd':
        return mp_any_write_double(w, va_arg(args->list, double));
    default:
        return mp__format_bad(format, letter);
    }
}

static int
write_quoted(mp_any_writer *w, struct mp__format *format)
{
    const char *text = NULL;
    ssize_t n = quoted(format, &text);

    return n < 0 ? (int)n : mp_any_write_string(w, text, (size_t)n);
}

static int
open_container(mp_any_writer *w, struct mp__format *format, char letter)
{
    char end = letter == '[' ? ']' : '}';
    ssize_t n = count(format, end);
    int r = n < 0 ? (int)n : mp__format_enter(format, end);

    if (r < 0)
        return r;
    if (end == '}' && n % 2)
        return mp__format_fail(format, -EINVAL, "a key has no value");
    return end == ']' ? mp_any_write_list(w, (size_t)n)
                      : mp_any_write_dict(w, (size_t)n / 2);
}

/* The very next character, and past it. */
static char
modified(struct mp__format *format)
{
    return *format->at ? *format->at++ : 0;
}

/* The value that begins with `letter`, or the beginning of a list or dict. */
static int
build_one(mp_any_writer *w, struct mp__format *format, char letter,
          struct mp__arguments *args)
{
    const void *data;

    switch (letter) {
    case '[':
    case '{':
        return open_container(w, format, letter);
    case 's':
    case 'S':
    case 'y':
    case 'v':
    case 'h':
        return write_pointer(w, format, letter, 0, args);
    case '?':
        letter = modified(format);
        if (letter && strchr("sSyvh", letter))
            return write_pointer(w, format, letter, 1, args);
        return mp__format_bad(format, letter);
    case '*':
        data = va_arg(args->list, const void *);
        return write_numbers(w, format, modified(format), data,
                             va_arg(args->list, size_t));
    case '\'':
        return write_quoted(w, format);
    default:
        return write_scalar(w, format, letter, args);
    }
}

static int
build(mp_any_writer *w, struct mp__format *format, struct mp__arguments *args)
{
    int r;

    do {
        char letter = mp__format_next(format);

        if (format->depth > 0 && letter == format->place[format->depth].end) {
            mp__format_leave(format);
        } else {
            r = build_one(w, format, letter, args);
            if (r < 0)
                return r;
            if (letter == '[' || letter == '{')
                continue;
        }
        format->place[format->depth].index++;
    } while (format->depth > 0);
    return mp__format_peek(format) ? mp__format_bad(format,
                                                    mp__format_next(format))
                                   : 0;
}

int
mp__format_build_on(mp_any_writer *writer, const char *function,
                    const char *format, struct mp__arguments *args)
{
    struct mp__format f;
    int r;

    if (!format)
        return mp__fail(-EINVAL, "%s: format is NULL", function);
    if (writer->error)
        return writer->error;
    mp__format_begin(&f, function, format);
    r = build(writer, &f, args);
    if (r < 0)
        writer->error = r;
    return r;
}

int
mp__format_build(mp_any_writer *writer, const char *function,
                 const char *format, va_list args)
{
    struct mp__arguments a;
    int r;

    va_copy(a.list, args);
    r = mp__format_build_on(writer, function, format, &a);
    va_end(a.list);
    return r;
}

int
mp_any_vbuild(mp_any_writer *writer, const char *format, va_list args)
{
    return mp__format_build(writer, "mp_any_build", format, args);
}

int
mp_any_build(mp_any_writer *writer, const char *format, ...)
{
    va_list args;
    int r;

    va_start(args, format);
    r = mp_any_vbuild(writer, format, args);
    va_end(args);
    return r;
}
