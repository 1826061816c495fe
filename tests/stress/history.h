/* SPDX-License-Identifier: MIT */
/* Histories of registers, and whether they are linearizable: whether all that
 * was done can have been done in some order, one after the other, in which
 * each result is right, and nothing comes before what had ended before it
 * began.
 *
 * What a killed process was about to do has no end, and no result: it may
 * have been done at any time since, or not at all. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define HISTORY_MOST 4096 /* operations */

enum history_kind {
    HISTORY_SET,      /* to `x` */
    HISTORY_GET,      /* -> result */
    HISTORY_ADD,      /* `x` to what is there; to nothing: as if to 0 -> sum */
    HISTORY_DELETE,   /* -> 1; 0: there was nothing */
    HISTORY_CLEAR,    /* however it was */
    HISTORY_EXCHANGE, /* `expected` for `x` -> 1; 0: that was not there */
    HISTORY_DEFAULT,  /* `x`, if nothing is there -> 1, 0 */
};

#define HISTORY_NOTHING INT64_MIN /* as a value */

struct history_operation {
    uint64_t began, ended; /* of one clock, all different; 0: it has no end */
    int64_t x, expected, result;
    uint32_t kind;
    uint32_t key;
};

/* Sorts the operations of one register, which had this value before. 1:
 * they are linearizable; 0; -1: it takes too long to find out. */
int history_check(struct history_operation *operation, size_t n,
                  int64_t value);

void history_print(const struct history_operation *operation, size_t n);

/* Whether the checker knows right from wrong, by some histories. */
int history_check_itself(void);
