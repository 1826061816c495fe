/* SPDX-License-Identifier: MIT */
/* A datum: an object of a type with a letter, somewhere in the region, that is
 * only looked at and changed in single atomic steps. */
#pragma once

#include "base/atomic.h"
#include "base/text.h"
#include "container/type.h"

struct mp__datum {
    const struct mp__type *type;
    void *at;
    const char *function; /* the public one at work, for errors */
};

/* What lies there, in the lowest bytes of a word. */
uint64_t mp__datum_load(const struct mp__datum *datum);

/* As the functions of value.h. */
int mp__datum_get(const struct mp__datum *datum, int type, void *ret_x);
int mp__datum_set(const struct mp__datum *datum, mp_scalar x);
int mp__datum_add(const struct mp__datum *datum, mp_scalar x,
                  mp_scalar *ret_sum);
int mp__datum_compare_exchange(const struct mp__datum *datum,
                               mp_scalar expected, mp_scalar desired);

/* Writes the number as an object of that type to *ret_x; and whether that is a
 * type, and a place. */
int mp__scalar_check(int type, const void *ret_x, const char *function);
int mp__scalar_give(mp_scalar x, int type, void *ret_x, const char *function);

/* What lies in memory so, as Python prints it: a number, True, b'a', 'a'. */
void mp__datum_text(char text[MP__TEXT], const struct mp__type *type,
                    uint64_t bits);
