/* SPDX-License-Identifier: MIT */
/* What format strings have in common: reading them, and telling of errors. */
#include "codec/format.h"

#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

void
mp__format_begin(struct mp__format *format, const char *function,
                 const char *text)
{
    format->function = function;
    format->begin = format->at = text;
    format->depth = 0;
    format->place[0].index = 0;
    format->place[0].end = 0;
}

int
mp__format_enter(struct mp__format *format, char end)
{
    if (format->depth == MP_ANY_DEPTH)
        return mp__format_fail(format, -EINVAL, "deeper than %d",
                               MP_ANY_DEPTH);
    format->depth++;
    format->place[format->depth].index = 0;
    format->place[format->depth].end = end;
    return 0;
}

void
mp__format_leave(struct mp__format *format)
{
    format->depth--;
}

int
mp__format_bad(struct mp__format *format, char letter)
{
    if (letter == 0)
        return mp__fail(-EINVAL, "%s: the format '%s' ends too early",
                        format->function, format->begin);
    return mp__fail(-EINVAL,
                    "%s: '%c' at %td of the format '%s' cannot be there",
                    format->function, letter, format->at - format->begin - 1,
                    format->begin);
}

int
mp__format_fail(const struct mp__format *format, int code, const char *text,
                ...)
{
    char where[128] = "", what[256];
    size_t used = 0;
    va_list args;

    for (unsigned i = 1; i <= format->depth && used < sizeof(where) - 32; i++)
        used += (size_t)snprintf(where + used, sizeof(where) - used,
                                 "%sitem %zu", i > 1 ? ", " : "",
                                 format->place[i].index);
    va_start(args, text);
    vsnprintf(what, sizeof(what), text, args);
    va_end(args);
    return mp__fail(code, "%s: %s%s%s", format->function, where,
                    used ? ": " : "", what);
}
