/* SPDX-License-Identifier: MIT */
/* A cell: an object of a type with a letter, somewhere in the region, that is
 * only looked at and changed in single atomic steps. */
#pragma once

#include "base/atomic.h"
#include "container/type.h"

struct mp__cell {
    const struct mp__type *type;
    void *at;
    const char *function; /* the public one at work, for errors */
};

/* What lies there, in the lowest bytes of a word. */
uint64_t mp__cell_load(const struct mp__cell *cell);

/* As the functions of value.h. */
int mp__cell_get(const struct mp__cell *cell, int type, void *ret_x);
int mp__cell_set(const struct mp__cell *cell, mp_scalar x);
int mp__cell_add(const struct mp__cell *cell, mp_scalar x, mp_scalar *ret_sum);
int mp__cell_compare_exchange(const struct mp__cell *cell, mp_scalar expected,
                              mp_scalar desired);

/* Writes the number as an object of that type to *ret_x; and whether that is a
 * type, and a place. */
int mp__scalar_check(int type, const void *ret_x, const char *function);
int mp__scalar_give(mp_scalar x, int type, void *ret_x, const char *function);
