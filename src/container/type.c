/* SPDX-License-Identifier: MIT */
/* Types by letter, and the conversions between them.
 *
 * Whatever is converted is first a scalar, the widest number of its kind, and
 * integers are then compared as 128 bits: so no comparison here can be wrong
 * by a sign. A conversion is exact or an error. The exception is rounding to
 * float, without which nobody could write 0.1 into one. */
#include "container/type.h"

#include "base/error.h"
#include "container/text.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <wchar.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "the lowest bytes of a word come first");

#define INTEGER(letter, type)                           \
    [letter] = {letter, sizeof(type), 8 * sizeof(type), \
                (type)-1 < (type)1 ? MP__TYPE_SIGNED : MP__TYPE_UNSIGNED}
#define OTHER(letter, type, kind) [letter] = {letter, sizeof(type), 0, kind}

static const struct mp__type types[128] = {
    ['?'] = {'?', sizeof(_Bool), 1, MP__TYPE_UNSIGNED},
    INTEGER('c', char),
    INTEGER('u', wchar_t),
    INTEGER('b', signed char),
    INTEGER('B', unsigned char),
    INTEGER('h', short),
    INTEGER('H', unsigned short),
    INTEGER('i', int),
    INTEGER('I', unsigned),
    INTEGER('l', long),
    INTEGER('L', unsigned long),
    INTEGER('q', long long),
    INTEGER('Q', unsigned long long),
    INTEGER('n', ssize_t),
    INTEGER('N', size_t),
    OTHER('f', float, MP__TYPE_REAL),
    OTHER('d', double, MP__TYPE_REAL),
    OTHER('P', void *, MP__TYPE_POINTER),
};

const struct mp__type *
mp__type_find(int code)
{
    return code >= 0 && code < 128 && types[code].size ? &types[code] : NULL;
}

const struct mp__type *
mp__type_expect(int code, const char *function)
{
    const struct mp__type *type = mp__type_find(code);

    if (type == NULL && code > ' ' && code < 127)
        mp__fail(-EINVAL, "%s: '%c' is the letter of no type", function, code);
    else if (type == NULL)
        mp__fail(-EINVAL, "%s: %d is the letter of no type", function, code);
    return type;
}

int
mp__type_has(const struct mp__type *type, mp__wide x)
{
    mp__wide end = (mp__wide)1 << type->bits;

    return type->kind == MP__TYPE_SIGNED ? x >= -end / 2 && x < end / 2
                                         : x >= 0 && x < end;
}

mp_scalar
mp__type_decode(const struct mp__type *type, uint64_t bits)
{
    unsigned spare = 64 - 8 * type->size;
    mp_scalar x = {.u = bits, .type = 'Q'};
    float real;

    switch (type->kind) {
    case MP__TYPE_SIGNED:
        x.i = (int64_t)(bits << spare) >> spare;
        x.type = 'q';
        break;
    case MP__TYPE_UNSIGNED:
        if (type->bits == 1)
            x.u = bits != 0;
        break;
    case MP__TYPE_REAL:
        x.type = 'd';
        if (type->size == sizeof(real)) {
            memcpy(&real, &bits, sizeof(real));
            x.d = (double)real;
        }
        break;
    case MP__TYPE_POINTER:
        x.type = 'P';
    }
    return x;
}

int
mp__scalar_to_wide(mp_scalar x, mp__wide *wide)
{
    if (x.type == 'P')
        return -EINVAL;
    if (x.type == 'd') {
        /* Beyond 2^65 nothing fits anywhere; a NaN is not below it. */
        if (!(fabs(x.d) < 0x1p65) || x.d != (double)(mp__wide)x.d)
            return -ERANGE;
        *wide = (mp__wide)x.d;
        return 0;
    }
    *wide = x.type == 'q' ? (mp__wide)x.i : (mp__wide)x.u;
    return 0;
}

int
mp__scalar_to_double(mp_scalar x, double *real)
{
    mp__wide wide;
    int r;

    if (x.type == 'd') {
        *real = x.d;
        return 0;
    }
    r = mp__scalar_to_wide(x, &wide);
    if (r < 0)
        return r;
    *real = (double)wide;
    return (mp__wide)*real == wide ? 0 : -ERANGE;
}

static int
encode_real(const struct mp__type *type, mp_scalar x, uint64_t *bits)
{
    double d;
    float f;
    int r = mp__scalar_to_double(x, &d);

    if (r < 0)
        return r;
    *bits = 0;
    if (type->size == sizeof(d)) {
        memcpy(bits, &d, sizeof(d));
        return 0;
    }
    f = (float)d;
    if ((x.type != 'd' && (double)f != d) || (isinf(f) && !isinf(d)))
        return -ERANGE;
    memcpy(bits, &f, sizeof(f));
    return 0;
}

static int
encode_pointer(mp_scalar x, uint64_t *bits)
{
    if (x.type != 'P' && (x.type == 'd' || x.u != 0))
        return -EINVAL;
    *bits = (uintptr_t)x.p;
    return 0;
}

int
mp__type_encode(const struct mp__type *type, mp_scalar x, uint64_t *bits)
{
    mp__wide wide;
    int r;

    if (type->kind == MP__TYPE_POINTER)
        return encode_pointer(x, bits);
    if (type->kind == MP__TYPE_REAL)
        return encode_real(type, x, bits);
    r = mp__scalar_to_wide(x, &wide);
    if (r < 0)
        return r;
    *bits = (uint64_t)wide;
    return mp__type_has(type, wide) ? 0 : -ERANGE;
}

int
mp__type_refuse(const struct mp__type *type, mp_scalar x, int r,
                const char *function)
{
    char text[MP__TEXT];

    mp__text_of_scalar(text, x);
    if (r == -ERANGE)
        return mp__fail(r, "%s: %s does not fit into '%c'", function, text,
                        type->code);
    if (type->kind == MP__TYPE_POINTER)
        return mp__fail(r, "%s: %s is a number, 'P' is a pointer", function,
                        text);
    return mp__fail(r, "%s: %s is a pointer, '%c' is a number", function, text,
                    type->code);
}
