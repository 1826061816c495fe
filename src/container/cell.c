/* SPDX-License-Identifier: MIT */
/* Atomic steps on one cell. Each is one load, one store or one
 * compare-and-swap that succeeds, sequentially consistent, of a word of 1, 2,
 * 4 or 8 bytes: that is the commit. A process that dies before it has done
 * nothing, and none is needed after it. */
#include "container/cell.h"

#include "base/error.h"
#include "base/macros.h"
#include "container/text.h"

#include <errno.h>
#include <string.h>

/* ---- Words of any size ---- */

typedef _Atomic uint8_t a8;
typedef _Atomic uint16_t a16;

uint64_t
mp__cell_load(const struct mp__cell *cell)
{
    switch (cell->type->size) {
    case 1:
        return mp__load((a8 *)cell->at);
    case 2:
        return mp__load((a16 *)cell->at);
    case 4:
        return mp__load((mp__a32 *)cell->at);
    default:
        return mp__load((mp__a64 *)cell->at);
    }
}

static void
store(const struct mp__cell *cell, uint64_t bits)
{
    switch (cell->type->size) {
    case 1:
        mp__store((a8 *)cell->at, (uint8_t)bits);
        break;
    case 2:
        mp__store((a16 *)cell->at, (uint16_t)bits);
        break;
    case 4:
        mp__store((mp__a32 *)cell->at, (uint32_t)bits);
        break;
    default:
        mp__store((mp__a64 *)cell->at, bits);
    }
}

#define EXCHANGE(atomic, word)                                       \
    do {                                                             \
        word was = (word)*expected;                                  \
        int done = mp__cas((atomic *)cell->at, &was, (word)desired); \
        *expected = was;                                             \
        return done;                                                 \
    } while (0)

/* As mp__cas(). */
static int
exchange(const struct mp__cell *cell, uint64_t *expected, uint64_t desired)
{
    switch (cell->type->size) {
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
mp__cell_get(const struct mp__cell *cell, int type, void *ret_x)
{
    return mp__scalar_give(mp__type_decode(cell->type, mp__cell_load(cell)),
                           type, ret_x, cell->function);
}

static int
encode(const struct mp__cell *cell, mp_scalar x, uint64_t *bits)
{
    int r = mp__type_encode(cell->type, x, bits);

    return MP__LIKELY(r == 0)
               ? 0
               : mp__type_refuse(cell->type, x, r, cell->function);
}

int
mp__cell_set(const struct mp__cell *cell, mp_scalar x)
{
    uint64_t bits;
    int r = encode(cell, x, &bits);

    if (r == 0)
        store(cell, bits);
    return r;
}

int
mp__cell_compare_exchange(const struct mp__cell *cell, mp_scalar expected,
                          mp_scalar desired)
{
    uint64_t before, after;
    int r = encode(cell, expected, &before);

    if (r < 0 || (r = encode(cell, desired, &after)) < 0)
        return r;
    return exchange(cell, &before, after);
}

/* ---- Adding ---- */

MP__COLD static int
refuse_sum(const struct mp__cell *cell, mp_scalar was, mp_scalar x)
{
    char left[MP__TEXT], right[MP__TEXT];

    mp__text_of_scalar(left, was);
    mp__text_of_scalar(right, x);
    return mp__fail(-ERANGE, "%s: %s + %s does not fit into '%c'",
                    cell->function, left, right, cell->type->code);
}

static int
add_integer(const struct mp__cell *cell, mp_scalar x, mp_scalar *sum)
{
    uint64_t bits = mp__cell_load(cell);
    mp__wide was, more, wide;
    int r = mp__scalar_to_wide(x, &more);

    if (r < 0)
        return mp__type_refuse(cell->type, x, r, cell->function);
    do {
        mp__scalar_to_wide(mp__type_decode(cell->type, bits), &was);
        wide = was + more;
        if (MP__UNLIKELY(!mp__type_has(cell->type, wide)))
            return refuse_sum(cell, mp__type_decode(cell->type, bits), x);
    } while (!exchange(cell, &bits, (uint64_t)wide));
    *sum = mp__type_decode(cell->type, (uint64_t)wide);
    return 0;
}

static int
add_real(const struct mp__cell *cell, mp_scalar x, mp_scalar *sum)
{
    uint64_t bits = mp__cell_load(cell), after = 0;
    double more;
    int r = mp__scalar_to_double(x, &more);

    if (r < 0)
        return mp__type_refuse(cell->type, x, r, cell->function);
    do {
        double real = mp__type_decode(cell->type, bits).d + more;
        float rounded = (float)real;

        if (cell->type->size == sizeof(rounded))
            memcpy(&after, &rounded, sizeof(rounded));
        else
            memcpy(&after, &real, sizeof(real));
    } while (!exchange(cell, &bits, after));
    *sum = mp__type_decode(cell->type, after);
    return 0;
}

int
mp__cell_add(const struct mp__cell *cell, mp_scalar x, mp_scalar *ret_sum)
{
    if (cell->type->kind == MP__TYPE_POINTER)
        return mp__fail(-EINVAL, "%s: nothing can be added to a pointer",
                        cell->function);
    return mp__type_is_integer(cell->type) ? add_integer(cell, x, ret_sum)
                                           : add_real(cell, x, ret_sum);
}
