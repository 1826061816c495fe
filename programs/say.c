/* SPDX-License-Identifier: MIT */
#include "say.h"

#include <mproc.h>
#include <stdarg.h>
#include <stdio.h>

static void
vsay(const char *format, va_list args)
{
    fflush(stdout);
    fputs("mproc-manager: ", stderr);
    vfprintf(stderr, format, args);
}

void
say(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsay(format, args);
    va_end(args);
    fputc('\n', stderr);
}

int
complain(int r, const char *format, ...)
{
    const char *detail = mp_last_error();
    va_list args;

    va_start(args, format);
    vsay(format, args);
    va_end(args);
    if (detail && *detail)
        fprintf(stderr, ": %s", detail);
    fprintf(stderr, " (%s)\n", mp_strerror(r));
    return 1;
}
