/* SPDX-License-Identifier: MIT */
/* Atomic steps on one datum. Each is one load, one store or one
 * compare-and-swap that succeeds, sequentially consistent, of a word of 1, 2,
 * 4 or 8 bytes: that is the commit. A process that dies before it has done
 * nothing, and none is needed after it. */
#include "container/datum.h"

#include "base/error.h"
#include "base/macros.h"
#include "container/text.h"

#include <errno.h>
#include <string.h>

/* ---- Words of any size ---- */

typedef _Atomic uint8_t a8;
typedef _Atomic uint16_t a16;

uint64_t
mp__datum_load(const struct mp__datum *datum)
{
    switch (datum->type->size) {
    case 1:
        return mp__load((a8 *)datum->at);
    case 2:
        return mp__load((a16 *)datum->at);
    case 4:
        return mp__load((mp__a32 *)datum->at);
    default:
        return mp__load((mp__a64 *)datum->at);
    }
}

static void
store(const struct mp__datum *datum, uint64_t bits)
{
    switch (datum->type->size) {
    case 1:
        mp__store((a8 *)datum->at, (uint8_t)bits);
        break;
    case 2:
        mp__store((a16 *)datum->at, (uint16_t)bits);
        break;
    case 4:
        mp__store((mp__a32 *)datum->at, (uint32_t)bits);
        break;
    default:
        mp__store((mp__a64 *)datum->at, bits);
    }
}

#define EXCHANGE(atomic, word)                                        \
    do {                                                              \
        word was = (word)*expected;                                   \
        int done = mp__cas((atomic *)datum->at, &was, (word)desired); \
        *expected = was;                                              \
        return done;                                                  \
    } while (0)

/* As mp__cas(). */
static int
exchange(const struct mp__datum *datum, uint64_t *expected, uint64_t desired)
{
    switch (datum->type->size) {
    case 1:
        EXCHANGE(a8, uint8_t);
    case 2:
        EXCHANGE(a16, uint16_t);
    case 4:
        EXCHANGE(mp__a32, uint32_t);
    default:
        EXCHANGE(mp__a64, uint64_t);
    }
}

/* ---- Steps ---- */

int
mp__scalar_check(int type, const void *ret_x, const char *function)
{
    if (mp__type_expect(type, function) == NULL)
        return -EINVAL;
    if (ret_x == NULL)
        return mp__fail(-EINVAL, "%s: the pointer to the result is NULL",
                        function);
    return 0;
}

int
mp__scalar_give(mp_scalar x, int type, void *ret_x, const char *function)
{
    const struct mp__type *to = mp__type_find(type);
    uint64_t bits;
    int r = mp__scalar_check(type, ret_x, function);

    if (MP__UNLIKELY(r < 0))
        return r;
    /* 0 is a pointer if somebody writes it, but not if it is just there. */
    r = to->kind == MP__TYPE_POINTER && x.type != 'P'
            ? -EINVAL
            : mp__type_encode(to, x, &bits);
    if (MP__UNLIKELY(r < 0))
        return mp__type_refuse(to, x, r, function);
    memcpy(ret_x, &bits, to->size);
    return 0;
}

int
mp__datum_get(const struct mp__datum *datum, int type, void *ret_x)
{
    return mp__scalar_give(mp__type_decode(datum->type, mp__datum_load(datum)),
                           type, ret_x, datum->function);
}

static int
encode(const struct mp__datum *datum, mp_scalar x, uint64_t *bits)
{
    int r = mp__type_encode(datum->type, x, bits);

    return MP__LIKELY(r == 0)
               ? 0
               : mp__type_refuse(datum->type, x, r, datum->function);
}

int
mp__datum_set(const struct mp__datum *datum, mp_scalar x)
{
    uint64_t bits;
    int r = encode(datum, x, &bits);

    if (r == 0)
        store(datum, bits);
    return r;
}

int
mp__datum_compare_exchange(const struct mp__datum *datum, mp_scalar expected,
                           mp_scalar desired)
{
    uint64_t before, after;
    int r = encode(datum, expected, &before);

    if (r < 0 || (r = encode(datum, desired, &after)) < 0)
        return r;
    return exchange(datum, &before, after);
}

/* ---- Adding ---- */

MP__COLD static int
refuse_sum(const struct mp__datum *datum, mp_scalar was, mp_scalar x)
{
    char left[MP__TEXT], right[MP__TEXT];

    mp__text_of_scalar(left, was);
    mp__text_of_scalar(right, x);
    return mp__fail(-ERANGE, "%s: %s + %s does not fit into '%c'",
                    datum->function, left, right, datum->type->code);
}

static int
add_integer(const struct mp__datum *datum, mp_scalar x, mp_scalar *sum)
{
    uint64_t bits = mp__datum_load(datum);
    mp__wide was, more, wide;
    int r = mp__scalar_to_wide(x, &more);

    if (r < 0)
        return mp__type_refuse(datum->type, x, r, datum->function);
    do {
        mp__scalar_to_wide(mp__type_decode(datum->type, bits), &was);
        wide = was + more;
        if (MP__UNLIKELY(!mp__type_has(datum->type, wide)))
            return refuse_sum(datum, mp__type_decode(datum->type, bits), x);
    } while (!exchange(datum, &bits, (uint64_t)wide));
    *sum = mp__type_decode(datum->type, (uint64_t)wide);
    return 0;
}

static int
add_real(const struct mp__datum *datum, mp_scalar x, mp_scalar *sum)
{
    uint64_t bits = mp__datum_load(datum), after = 0;
    double more;
    int r = mp__scalar_to_double(x, &more);

    if (r < 0)
        return mp__type_refuse(datum->type, x, r, datum->function);
    do {
        double real = mp__type_decode(datum->type, bits).d + more;
        float rounded = (float)real;

        if (datum->type->size == sizeof(rounded))
            memcpy(&after, &rounded, sizeof(rounded));
        else
            memcpy(&after, &real, sizeof(real));
    } while (!exchange(datum, &bits, after));
    *sum = mp__type_decode(datum->type, after);
    return 0;
}

int
mp__datum_add(const struct mp__datum *datum, mp_scalar x, mp_scalar *ret_sum)
{
    if (datum->type->kind == MP__TYPE_POINTER)
        return mp__fail(-EINVAL, "%s: nothing can be added to a pointer",
                        datum->function);
    return mp__type_is_integer(datum->type) ? add_integer(datum, x, ret_sum)
                                            : add_real(datum, x, ret_sum);
}

/* ---- As text ---- */

void
mp__datum_text(char text[MP__TEXT], const struct mp__type *type, uint64_t bits)
{
    char piece[MP__TEXT], quote = mp__text_quote(bits == '\'', 0);

    if (type->code == '?') {
        strcpy(text, bits ? "True" : "False");
    } else if (type->code == 'c') {
        mp__text_of_byte(piece, (unsigned char)bits, quote);
        snprintf(text, MP__TEXT, "b%c%.8s%c", quote, piece, quote);
    } else if (type->code == 'u') {
        mp__text_of_wide(piece, (uint32_t)bits, quote);
        snprintf(text, MP__TEXT, "%c%.12s%c", quote, piece, quote);
    } else {
        mp__text_of_scalar(text, mp__type_decode(type, bits));
    }
}
