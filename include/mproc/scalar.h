/* SPDX-License-Identifier: MIT */
/* Numbers of any C type as arguments, and the codes that name C's types: what
 * mp_value and mp_array have in common.
 *
 * A type is named by a letter, as in Python's array and struct modules:
 *
 *   '?' bool      'h' short    'l' long           'f' float
 *   'c' char      'H' unsigned 'L' unsigned long  'd' double
 *   'u' wchar_t       short    'q' long long      'n' ssize_t
 *   'b' int8_t    'i' int      'Q' unsigned       'N' size_t
 *   'B' uint8_t   'I' unsigned     long long      'P' void *
 *
 * int16_t is 'h', int32_t 'i', int64_t 'q', and uint16_t to uint64_t the
 * capital letters. MP_TYPE(x) is the letter of the type of `x`.
 *
 * Conversions are exact, or an error: what does not fit into the other type
 * (300 into a 'b', -1 into an 'I', 2.7 into an 'i', 2^53 + 1 into a 'd') is
 * -ERANGE. Only from double to float is rounded, as C does, and what is finite
 * stays so. Pointers and numbers are not converted into each other (-EINVAL);
 * but a 0 may be written where a pointer is wanted. */
#ifndef MPROC_SCALAR_H
#define MPROC_SCALAR_H

#include <mproc/base.h>

/* A number or a pointer. Functions that take one are called with an argument
 * of any arithmetic type but long double, or a `void *`: the macros of the same
 * name see to that, in C++ the constructors. */
typedef struct mp_scalar {
    union {
        int64_t i;
        uint64_t u;
        double d;
        const void *p;
    };
    int32_t type; /* which: 'q', 'Q', 'd' or 'P' */

#ifdef __cplusplus
#define MP__FROM(from, member, code)          \
    mp_scalar(from x) : member(x), type(code) \
    {                                         \
    }
    MP__FROM(bool, u, 'Q')
    MP__FROM(char, i, 'q')
    MP__FROM(wchar_t, i, 'q')
    MP__FROM(signed char, i, 'q')
    MP__FROM(unsigned char, u, 'Q')
    MP__FROM(short, i, 'q')
    MP__FROM(unsigned short, u, 'Q')
    MP__FROM(int, i, 'q')
    MP__FROM(unsigned, u, 'Q')
    MP__FROM(long, i, 'q')
    MP__FROM(unsigned long, u, 'Q')
    MP__FROM(long long, i, 'q')
    MP__FROM(unsigned long long, u, 'Q')
    MP__FROM(float, d, 'd')
    MP__FROM(double, d, 'd')
    MP__FROM(const void *, p, 'P')
    MP__FROM(decltype(nullptr), p, 'P')
#undef MP__FROM
#endif
} mp_scalar;

#ifndef __cplusplus

static inline mp_scalar
mp__scalar_of_int(int64_t x)
{
    return (mp_scalar){.i = x, .type = 'q'};
}

static inline mp_scalar
mp__scalar_of_unsigned(uint64_t x)
{
    return (mp_scalar){.u = x, .type = 'Q'};
}

static inline mp_scalar
mp__scalar_of_double(double x)
{
    return (mp_scalar){.d = x, .type = 'd'};
}

static inline mp_scalar
mp__scalar_of_pointer(const void *x)
{
    return (mp_scalar){.p = x, .type = 'P'};
}

/* clang-format off */
#define MP_SCALAR(x)                                \
    _Generic((x),                                   \
        _Bool: mp__scalar_of_unsigned,              \
        char: mp__scalar_of_int,                    \
        signed char: mp__scalar_of_int,             \
        unsigned char: mp__scalar_of_unsigned,      \
        short: mp__scalar_of_int,                   \
        unsigned short: mp__scalar_of_unsigned,     \
        int: mp__scalar_of_int,                     \
        unsigned: mp__scalar_of_unsigned,           \
        long: mp__scalar_of_int,                    \
        unsigned long: mp__scalar_of_unsigned,      \
        long long: mp__scalar_of_int,               \
        unsigned long long: mp__scalar_of_unsigned, \
        float: mp__scalar_of_double,                \
        double: mp__scalar_of_double,               \
        void *: mp__scalar_of_pointer,              \
        const void *: mp__scalar_of_pointer)(x)

#define MP_TYPE(x)               \
    _Generic((x),                \
        _Bool: '?',              \
        char: 'c',               \
        signed char: 'b',        \
        unsigned char: 'B',      \
        short: 'h',              \
        unsigned short: 'H',     \
        int: 'i',                \
        unsigned: 'I',           \
        long: 'l',               \
        unsigned long: 'L',      \
        long long: 'q',          \
        unsigned long long: 'Q', \
        float: 'f',              \
        double: 'd',             \
        void *: 'P',             \
        const void *: 'P')
/* clang-format on */

#else

#define MP_SCALAR(x) mp_scalar(x)
#define MP_TYPE(x)   mp__type(mp__address(x))

#define MP__CODE(of, code)                 \
    static inline int mp__type(of const *) \
    {                                      \
        return code;                       \
    }
MP__CODE(bool, '?')
MP__CODE(char, 'c')
MP__CODE(wchar_t, 'u')
MP__CODE(signed char, 'b')
MP__CODE(unsigned char, 'B')
MP__CODE(short, 'h')
MP__CODE(unsigned short, 'H')
MP__CODE(int, 'i')
MP__CODE(unsigned, 'I')
MP__CODE(long, 'l')
MP__CODE(unsigned long, 'L')
MP__CODE(long long, 'q')
MP__CODE(unsigned long long, 'Q')
MP__CODE(float, 'f')
MP__CODE(double, 'd')
MP__CODE(const void *, 'P')
#undef MP__CODE

#endif

#endif
