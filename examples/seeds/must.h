/* SPDX-License-Identifier: MIT */
/* What the programs of this folder share: how they fail, how they speak. */
#pragma once

#include <mproc.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* Gives the result of an mproc call on, or ends the process with a message
 * that says which call failed, and why. */
#define MUST(call) must((call), #call)

static inline long
must(long result, const char *call)
{
    if (result >= 0)
        return result;
    fprintf(stderr, "%s: %s. %s\n", call, mp_strerror((int)result),
            mp_last_error());
    exit(1);
}

/* printf() for processes that speak at the same time: what it prints is out at
 * once, and in one piece. */
#define say(...) dprintf(STDOUT_FILENO, __VA_ARGS__)

/* Seconds since some moment in the past. */
static inline double
seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}
