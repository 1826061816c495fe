/* SPDX-License-Identifier: MIT */
/* Arithmetic on values. */
#pragma once

#include <mproc/any.h>

#define MP__NUMBER_MOST 9u /* bytes */

/* A number as a value: in `number`, as long as that is there. */
struct mp__number {
    unsigned char bytes[MP__NUMBER_MOST];
};
mp_any mp__number_of_int(struct mp__number *number, int64_t x);
mp_any mp__number_of_double(struct mp__number *number, double x);

/* The other way, as look functions; the argument is where to write it, or
 * NULL. */
int mp__number_take_int(const void *data, size_t size, void *ret_x);
int mp__number_take_double(const void *data, size_t size, void *ret_x);

/* a + b, written to `buf`. Integers stay integers. -EINVAL: one is no number;
 * -ERANGE: it does not fit into 64 bits. */
int mp__number_add(mp_any a, mp_any b, unsigned char buf[MP__NUMBER_MOST],
                   mp_any *ret_sum, const char *function);

/* -1, 0, 1: how they are ordered in Python; `*bad` becomes 1 if they are not.
 * NaN is neither less nor more than any number. The values were checked
 * before. */
int mp__any_order(mp_any a, mp_any b, int *bad);
