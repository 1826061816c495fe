/* SPDX-License-Identifier: MIT */
/* One bar on a terminal, plain lines elsewhere. */
#pragma once

#include <mproc/base.h>
#include <mproc/pool.h>
#include <stdint.h>

struct mp__progress {
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
void mp__progress_begin(struct mp__progress *progress, const char *label,
                        uint64_t total);
/* Draws, if it is time to. `done`: well or not. When to look again: a
 * deadline. */
mp_time mp__progress_show(struct mp__progress *progress, uint64_t total,
                          uint64_t done, uint64_t failed);
/* The last line stays, if anything was shown, as of the last numbers. */
void mp__progress_end(struct mp__progress *progress);

/* In a worker: what it writes to standard error by stdio comes in whole lines,
 * and clears a bar that is in the way. */
void mp__progress_whole_lines(void);

/* ---- pool_bar.c: the bar of a pool with MP_POOL_PROGRESS ---- */

/* While somebody waits, with a pool that has one: draws if it is time to. When
 * to look again: no later than `until`. */
mp_time mp__pool_bar_show(mp_pool *pool, mp_time until);
/* The wait is over: if the tasks are too, so is the bar. */
void mp__pool_bar_rest(mp_pool *pool);
/* The pool is at its end. */
void mp__pool_bar_end(mp_pool *pool);
