/* SPDX-License-Identifier: MIT */
/* MessagePack, one token at a time.
 *
 * The format is that of the MessagePack specification (msgpack.org): a byte
 * tells the kind, and for the longer kinds how many bytes of length or number
 * follow, the highest first. Whatever a token says of its length is compared
 * with what is left before anybody relies on it: a list of n values takes n
 * bytes at the least, so a count is never larger than the message. */
#include "codec/token.h"

#include "codec/kind.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

/* The long kinds: what each is, and how many bytes of number are behind it. */
static const struct {
    unsigned char type, behind;
} longs[MP__NEGATIVE - MP__NIL] = {
    {MP_ANY_NIL, 0},    {0, 0},             {MP_ANY_BOOL, 0},
    {MP_ANY_BOOL, 0},   {MP_ANY_BYTES, 1},  {MP_ANY_BYTES, 2},
    {MP_ANY_BYTES, 4},  {MP_ANY_EXT, 1},    {MP_ANY_EXT, 2},
    {MP_ANY_EXT, 4},    {MP_ANY_FLOAT, 4},  {MP_ANY_FLOAT, 8},
    {MP_ANY_INT, 1},    {MP_ANY_INT, 2},    {MP_ANY_INT, 4},
    {MP_ANY_INT, 8},    {MP_ANY_INT, 1},    {MP_ANY_INT, 2},
    {MP_ANY_INT, 4},    {MP_ANY_INT, 8},    {MP_ANY_EXT, 0},
    {MP_ANY_EXT, 0},    {MP_ANY_EXT, 0},    {MP_ANY_EXT, 0},
    {MP_ANY_EXT, 0},    {MP_ANY_STRING, 1}, {MP_ANY_STRING, 2},
    {MP_ANY_STRING, 4}, {MP_ANY_LIST, 2},   {MP_ANY_LIST, 4},
    {MP_ANY_DICT, 2},   {MP_ANY_DICT, 4},
};

/* A number of `n` bytes, up to 8, out of `left`, the highest first. */
static inline uint64_t
read_number(const unsigned char *p, size_t n, size_t left)
{
    uint64_t x = 0;

    if (n > 0 && left >= sizeof(x)) {
        memcpy(&x, p, sizeof(x));
        return be64toh(x) >> (64 - 8 * n);
    }
    while (n-- > 0)
        x = x << 8 | *p++;
    return x;
}

static int
set_integer(struct mp__token *t, int64_t x)
{
    t->type = MP_ANY_INT;
    t->extra = x < 0;
    t->i = x;
    return 0;
}

/* Sign of a number of `n` bytes. */
static inline int64_t
extend(uint64_t x, size_t n)
{
    unsigned shift = (unsigned)(8 - n) * 8;

    return (int64_t)(x << shift) >> shift;
}

static int
set_float(struct mp__token *t, uint64_t bits, size_t n)
{
    uint32_t half = (uint32_t)bits;
    float f;

    if (n == 8) {
        memcpy(&t->d, &bits, sizeof(t->d));
        return 0;
    }
    memcpy(&f, &half, sizeof(f));
    t->d = (double)f;
    return 0;
}

/* Checks the size against what is left behind the head, and finds the body. */
static int
find_body(struct mp__token *t, mp_any any)
{
    const unsigned char *head = any.data;
    size_t left = any.size - t->length;

    switch (t->type) {
    case MP_ANY_LIST:
        return t->size > left ? -EPROTO : 0;
    case MP_ANY_DICT:
        return t->size > left / 2 ? -EPROTO : 0;
    case MP_ANY_EXT:
        if (left == 0)
            return -EPROTO;
        t->extra = (signed char)head[t->length];
        t->length++;
        left--;
        break;
    }
    if (t->size > left)
        return -EPROTO;
    t->body = head + t->length;
    t->length += t->size;
    return 0;
}

/* A kind that carries a size. */
static int
read_short(struct mp__token *t, mp_any any, unsigned char kind)
{
    if (kind >= MP__FIXSTR) {
        t->type = MP_ANY_STRING;
        t->size = kind & 31;
    } else {
        t->type = kind >= MP__FIXLIST ? MP_ANY_LIST : MP_ANY_DICT;
        t->size = kind & 15;
    }
    return find_body(t, any);
}

static int
read_long(struct mp__token *t, mp_any any, unsigned char kind)
{
    size_t n = longs[kind - MP__NIL].behind;
    uint64_t x;

    if (n > any.size - 1)
        return -EPROTO;
    t->type = longs[kind - MP__NIL].type;
    t->length = 1 + n;
    x = read_number((const unsigned char *)any.data + 1, n, any.size - 1);
    switch (t->type) {
    case 0:
        return -EPROTO;
    case MP_ANY_NIL:
        return 0;
    case MP_ANY_BOOL:
        t->extra = kind == MP__TRUE;
        return 0;
    case MP_ANY_INT:
        if (kind >= MP__INT8)
            return set_integer(t, extend(x, n));
        t->u = x;
        return 0;
    case MP_ANY_FLOAT:
        return set_float(t, x, n);
    }
    t->size = x;
    if (kind >= MP__FIXEXT1 && kind < MP__STR8)
        t->size = (size_t)1 << (kind - MP__FIXEXT1);
    return find_body(t, any);
}

int
mp__token_read(mp_any any, struct mp__token *t)
{
    unsigned char kind;

    if (any.size == 0)
        return -EPROTO;
    kind = *(const unsigned char *)any.data;
    t->extra = 0;
    t->u = 0;
    t->size = 0;
    t->body = NULL;
    t->length = 1;
    if (kind < MP__FIXMAP || kind >= MP__NEGATIVE)
        return set_integer(t, (signed char)kind);
    return kind < MP__NIL ? read_short(t, any, kind) : read_long(t, any, kind);
}

/* ---- Numbers ---- */

size_t
mp__int_read(mp_any any, int64_t *ret_x)
{
    const unsigned char *p = any.data;
    unsigned char kind;
    uint64_t x;
    size_t n;

    if (any.size == 0)
        return 0;
    kind = *p;
    if (kind < MP__FIXMAP || kind >= MP__NEGATIVE) {
        *ret_x = (signed char)kind;
        return 1;
    }
    if (kind < MP__UINT8 || kind >= MP__FIXEXT1)
        return 0;
    n = longs[kind - MP__NIL].behind;
    if (n > any.size - 1)
        return 0;
    x = read_number(p + 1, n, any.size - 1);
    if (kind < MP__INT8 && x > INT64_MAX)
        return 0;
    *ret_x = kind < MP__INT8 ? (int64_t)x : extend(x, n);
    return 1 + n;
}

int
mp__token_int(const struct mp__token *t, int64_t *ret_x)
{
    if (t->type != MP_ANY_INT)
        return -EINVAL;
    if (!t->extra && t->u > INT64_MAX)
        return -ERANGE;
    *ret_x = t->i;
    return 0;
}

int
mp__token_unsigned(const struct mp__token *t, uint64_t *ret_x)
{
    if (t->type != MP_ANY_INT)
        return -EINVAL;
    if (t->extra)
        return -ERANGE;
    *ret_x = t->u;
    return 0;
}

int
mp__token_double(const struct mp__token *t, double *ret_x)
{
    double x;

    if (t->type == MP_ANY_FLOAT) {
        *ret_x = t->d;
        return 0;
    }
    if (t->type != MP_ANY_INT)
        return -EINVAL;
    x = t->extra ? (double)t->i : (double)t->u;
    if (t->extra ? x < -0x1p63 || (int64_t)x != t->i
                 : x >= 0x1p64 || (uint64_t)x != t->u)
        return -ERANGE;
    *ret_x = x;
    return 0;
}

/* ---- Whole values ---- */

/* The bytes of a value by its kind, if that alone tells; else 0. */
#define ROW(n) n, n, n, n, n, n, n, n, n, n, n, n, n, n, n, n
static const unsigned char plain_length[256] = {
    /* 0x00: an integer */
    ROW(1), ROW(1), ROW(1), ROW(1), ROW(1), ROW(1), ROW(1), ROW(1),
    /* 0x80: dict, list */
    ROW(0), ROW(0),
    /* 0xa0: string */
    1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
    17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32,
    /* 0xc0: nil, bools; bytes, ext; floats, unsigned */
    1, 0, 1, 1, 0, 0, 0, 0, 0, 0, 5, 9, 2, 3, 5, 9,
    /* 0xd0: signed; ext; string, list, dict */
    2, 3, 5, 9, 3, 4, 6, 10, 18, 0, 0, 0, 0, 0, 0, 0,
    /* 0xe0: an integer */
    ROW(1), ROW(1),
};
#undef ROW

/* Past up to `*left` values whose kind tells their length. */
static size_t
pass_plain(const unsigned char *p, size_t size, size_t at, uint64_t *left)
{
    size_t n;

    for (; *left > 0 && at < size; at += n, --*left) {
        n = plain_length[p[at]];
        if (n == 0 || n > size - at)
            break;
    }
    return at;
}

/* ... of any value. */
static size_t
walked_length(mp_any any, unsigned most, size_t *ret_offset)
{
    const unsigned char *p = any.data;
    uint64_t outer[MP_ANY_DEPTH], left = 1; /* values to come */
    unsigned depth = 0;
    size_t at = 0;

    for (;;) {
        struct mp__token t;

        at = pass_plain(p, any.size, at, &left);
        while (left == 0 && depth > 0)
            left = outer[--depth];
        if (left == 0)
            return at;
        if (mp__token_read((mp_any){p + at, any.size - at}, &t) < 0 ||
            (depth == most && mp__token_is_walked(&t)))
            break;
        at += t.length;
        left--;
        if (mp__token_inside(&t)) {
            outer[depth++] = left;
            left = mp__token_inside(&t);
        }
    }
    *ret_offset = at;
    return 0;
}

size_t
mp__value_length(mp_any any, unsigned most, size_t *ret_offset)
{
    size_t n = any.size ? plain_length[*(const unsigned char *)any.data] : 0;
    size_t offset;

    if (n > 0 && n <= any.size)
        return n;
    return walked_length(any, most, ret_offset ? ret_offset : &offset);
}
