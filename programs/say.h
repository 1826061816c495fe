/* SPDX-License-Identifier: MIT */
/* Messages on standard error. */
#pragma once

void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same, for a call that gave `r` below 0; gives the exit status, 1. */
int complain(int r, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
