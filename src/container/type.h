/* SPDX-License-Identifier: MIT */
/* The types that have a letter, and the numbers of them. */
#pragma once

#include <mproc/scalar.h>

/* Holds every integer of C, and every sum of two. */
__extension__ typedef __int128 mp__wide;

enum mp__type_kind {
    MP__TYPE_SIGNED,
    MP__TYPE_UNSIGNED,
    MP__TYPE_REAL,
    MP__TYPE_POINTER,
};

struct mp__type {
    int code;
    uint32_t size; /* in bytes; 0: no such type */
    uint32_t bits; /* of an integer's range */
    enum mp__type_kind kind;
};

/* The type of that letter; NULL: there is none. The second says so. */
const struct mp__type *mp__type_find(int code);
const struct mp__type *mp__type_expect(int code, const char *function);

static inline int
mp__type_is_integer(const struct mp__type *type)
{
    return type->kind <= MP__TYPE_UNSIGNED;
}

/* Whether an integer type has this number. */
int mp__type_has(const struct mp__type *type, mp__wide x);

/* What lies in memory as an object of the type, in the lowest bytes of a word,
 * and the number that it is. mp__type_encode(): 0, -ERANGE or -EINVAL. */
mp_scalar mp__type_decode(const struct mp__type *type, uint64_t bits);
int mp__type_encode(const struct mp__type *type, mp_scalar x, uint64_t *bits);

/* The number as an integer, or as floating point; 0, -ERANGE or -EINVAL. */
int mp__scalar_to_wide(mp_scalar x, mp__wide *wide);
int mp__scalar_to_double(mp_scalar x, double *real);

/* For `function`: explains why `x` is none of the type; returns `r`. */
int mp__type_refuse(const struct mp__type *type, mp_scalar x, int r,
                    const char *function);
