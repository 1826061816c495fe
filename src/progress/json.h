/* SPDX-License-Identifier: MIT */
/* Text that is being put together: each of these writes to `at`, where there
 * has to be room, and returns where the next piece goes. */
#pragma once

#include <mproc/base.h>
#include <stddef.h>
#include <stdint.h>

char *mp__json_put(char *at, const char *text);
char *mp__json_number(char *at, uint64_t number);
/* A time in microseconds, with three digits behind the point. */
char *mp__json_time(char *at, mp_time time);

/* `text` as it may stand in a string; what may not becomes '?'. Cut to what
 * `buf` has room for. */
const char *mp__json_quote(const char *text, char *buf, size_t size);
