/* SPDX-License-Identifier: MIT */
/* One bar on a terminal, plain lines elsewhere. */
#pragma once

#include <mproc/base.h>
#include <stdint.h>

struct mp__bar {
    char label[64];
    mp_time begun;
    mp_time next;     /* when to draw again */
    mp_time gap;      /* between two lines */
    mp_time measured; /* when the rate was; 0: not yet */
    uint64_t total;   /* 0: not known */
    uint64_t done, failed;
    uint64_t counted; /* done, when the rate was measured */
    double rate;      /* items a second, of late */
    int terminal, shown;
};

/* For work that begins now. To standard error. */
void mp__bar_begin(struct mp__bar *bar, const char *label, uint64_t total);
/* Draws, if it is time to. `done`: well or not. When to look again: a
 * deadline. */
mp_time mp__bar_show(struct mp__bar *bar, uint64_t total, uint64_t done,
                     uint64_t failed);
/* The last line stays, if anything was shown, as of the last numbers. */
void mp__bar_end(struct mp__bar *bar);

/* In a worker: what it writes to standard error by stdio comes in whole lines,
 * and clears a bar that is in the way. */
void mp__bar_whole_lines(void);
