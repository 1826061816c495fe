/* SPDX-License-Identifier: MIT */
/* The family's log. See log.c. */
#pragma once

#include "region/layout.h"

#include <mproc/log.h>

/* What mp_log_level() gives. */
static inline int
mp__log_level(void)
{
    if (!mp__view.base)
        return MP_LOG_OFF;
    return MP_LOG_OFF -
           (int)(uint32_t)mp__load_relaxed(&mp__region()->log.setting);
}

/* A line of the library's own, if its level is written; a load if not. For
 * threads that hold no mutex. errno and mp_last_error() stay as they are. */
#define mp__log(level, ...)                   \
    do {                                      \
        if ((level) >= mp__log_level())       \
            mp__log_line(level, __VA_ARGS__); \
    } while (0)
MP__COLD void mp__log_line(int level, const char *format, ...)
    MP__PRINTF(2, 3);

/* ---- log_output.c ---- */

/* Writes a text that ends in a newline, and has one before its beginning, too,
 * in one piece. 0 or -errno. */
int mp__log_output_write(const char *text, size_t size);

/* Closes what this process has open; but does not wait for a line that is being
 * written. */
void mp__log_output_leave(void);

static inline uint32_t
mp__log_changes(uint64_t setting)
{
    return (uint32_t)(setting >> 32);
}

/* Who knows the calling process's name: process/ registers this by a
 * constructor function. NULL: nobody does. */
void mp__log_name_with(const char *(*name)(void));
