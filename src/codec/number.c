/* SPDX-License-Identifier: MIT */
#include "codec/number.h"

#include "base/error.h"
#include "codec/token.h"

#include <errno.h>
#include <math.h>
#include <string.h>

__extension__ typedef __int128 wide;

/* An integer as 128 bits have it. */
static int
read_integer(mp_any any, wide *ret_x)
{
    struct mp__token t;

    if (mp__token_read(any, &t) < 0)
        return -EPROTO;
    if (t.type == MP_ANY_BOOL)
        *ret_x = t.extra;
    else if (t.type == MP_ANY_INT)
        *ret_x = t.extra ? (wide)t.i : (wide)t.u;
    else
        return -EINVAL;
    return 0;
}

static int
read_number(mp_any any, double *ret_x)
{
    struct mp__token t;
    wide x;

    if (mp__token_read(any, &t) == 0 && t.type == MP_ANY_FLOAT) {
        *ret_x = t.d;
        return 0;
    }
    if (read_integer(any, &x) < 0)
        return -EINVAL;
    *ret_x = (double)x;
    return 0;
}

int
mp__number_add(mp_any a, mp_any b, unsigned char buf[MP__NUMBER_MOST],
               mp_any *ret_sum, const char *function)
{
    wide x, y, sum;
    mp_any_writer w;
    double c, d;

    mp__writer_begin(&w, buf, MP__NUMBER_MOST);
    if (read_integer(a, &x) == 0 && read_integer(b, &y) == 0) {
        sum = x + y;
        if (sum < INT64_MIN || sum > (wide)UINT64_MAX)
            return mp__fail(-ERANGE, "%s: the sum does not fit into 64 bits",
                            function);
        if (sum < 0)
            mp_any_write_int(&w, (int64_t)sum);
        else
            mp_any_write_unsigned(&w, (uint64_t)sum);
    } else if (read_number(a, &c) == 0 && read_number(b, &d) == 0) {
        mp_any_write_double(&w, c + d);
    } else {
        return mp__any_mismatch(function, "number", a);
    }
    return mp_any_end(&w, ret_sum);
}

/* ---- In and out ---- */

mp_any
mp__number_of_int(struct mp__number *number, int64_t x)
{
    mp_any_writer w;
    mp_any any = {0};

    mp__writer_begin(&w, number->bytes, sizeof(number->bytes));
    mp_any_write_int(&w, x);
    mp_any_end(&w, &any);
    return any;
}

mp_any
mp__number_of_double(struct mp__number *number, double x)
{
    mp_any_writer w;
    mp_any any = {0};

    mp__writer_begin(&w, number->bytes, sizeof(number->bytes));
    mp_any_write_double(&w, x);
    mp_any_end(&w, &any);
    return any;
}

int
mp__number_take_int(const void *data, size_t size, void *ret_x)
{
    return ret_x ? mp_any_get_int((mp_any){data, size}, ret_x) : 0;
}

int
mp__number_take_double(const void *data, size_t size, void *ret_x)
{
    double x;

    if (ret_x == NULL)
        return 0;
    if (read_number((mp_any){data, size}, &x) < 0)
        return -EINVAL;
    *(double *)ret_x = x;
    return 0;
}

/* ---- Order ---- */

/* Exact: a double may have a fraction, an integer more digits. */
static int
order_mixed(wide x, double d)
{
    wide whole;

    if (isnan(d))
        return 0;
    if (d >= 0x1p64 || d < -0x1p63)
        return d > 0 ? -1 : 1;
    whole = (wide)d;
    if (x != whole)
        return x > whole ? 1 : -1;
    return (d < (double)whole) - (d > (double)whole);
}

static int
order_numbers(mp_any a, mp_any b, int *bad)
{
    wide x = 0, y = 0;
    double c, d;
    int a_whole = read_integer(a, &x) == 0, b_whole = read_integer(b, &y) == 0;

    if (a_whole && b_whole)
        return (x > y) - (x < y);
    if (read_number(a, &c) < 0 || read_number(b, &d) < 0) {
        *bad = 1;
        return 0;
    }
    if (a_whole)
        return order_mixed(x, d);
    return b_whole ? -order_mixed(y, c) : (c > d) - (c < d);
}

static int
order_bytes(const struct mp__token *a, const struct mp__token *b)
{
    size_t n = a->size < b->size ? a->size : b->size;
    int r = n ? memcmp(a->body, b->body, n) : 0;

    return r ? (r > 0) - (r < 0) : (a->size > b->size) - (a->size < b->size);
}

/* The first items that differ decide. */
static int
order_lists(mp_any a, mp_any b, int *bad)
{
    mp_any_walker of_a, of_b;
    mp_any x, y;
    int more_a, more_b;

    mp_any_walk(a, &of_a);
    mp_any_walk(b, &of_b);
    do {
        more_a = mp_any_next(&of_a, NULL, &x) > 0;
        more_b = mp_any_next(&of_b, NULL, &y) > 0;
    } while (more_a && more_b && mp__any_equal(x, y));
    return more_a && more_b ? mp__any_order(x, y, bad) : more_a - more_b;
}

int
mp__any_order(mp_any a, mp_any b, int *bad)
{
    struct mp__token t, u;

    if (mp__token_read(a, &t) < 0 || mp__token_read(b, &u) < 0) {
        *bad = 1;
        return 0;
    }
    if (t.type == u.type &&
        (t.type == MP_ANY_STRING || t.type == MP_ANY_BYTES))
        return order_bytes(&t, &u);
    if (t.type == MP_ANY_LIST && u.type == MP_ANY_LIST)
        return order_lists(a, b, bad);
    return order_numbers(a, b, bad);
}
