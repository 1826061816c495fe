/* SPDX-License-Identifier: MIT */
/* Where a signal has interrupted the program: for a handler. */
#pragma once

#include "base/atomic.h"

#include <stdint.h>

#define MP__BACKTRACE_FRAMES 32
#define MP__BACKTRACE_FILES  6

#define MP__BACKTRACE_NOTHING UINT64_MAX /* no address has been touched */

/* May lie in shared memory: what has been found so far is there for others if
 * the process dies of the search. */
struct mp__backtrace {
    mp__a32 frames;
    uint64_t
        frame[MP__BACKTRACE_FRAMES]; /* addresses: the instruction that was
                                             interrupted, then calls */
    /* The files that the frames lie in: what of them is mapped where. */
    struct mp__code_file {
        uint64_t start, end; /* end 0: none */
        uint64_t offset;     /* of `start` in the file */
        char path[232];
    } file[MP__BACKTRACE_FILES];
};

/* For once before anything goes wrong: what the first backtrace has to load
 * and to set up is there. */
void mp__backtrace_prepare(void);

/* In a signal handler: notes the frames of what it interrupted, up to and
 * without the function at `bottom`, then their files. `context` and `touched`:
 * the handler's third argument, and the address that could not be accessed. */
void mp__backtrace_take(struct mp__backtrace *trace, void *context,
                        uint64_t touched, uint64_t bottom);

/* The stack pointer of what was interrupted; 0: unknown. */
uint64_t mp__backtrace_stack(const void *context);
