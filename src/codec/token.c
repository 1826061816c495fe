/* SPDX-License-Identifier: MIT */
/* MessagePack, one token at a time.
 *
 * The format is that of the MessagePack specification (msgpack.org): a byte
 * tells the kind, and for the longer kinds how many bytes of length or number
 * follow, the highest first. Whatever a token says of its length is compared
 * with what is left before anybody relies on it: a list of n values takes n
 * bytes at the least, so a count is never larger than the message. */
#include "codec/token.h"

#include <errno.h>
#include <string.h>

/* Kinds of a byte. From NIL to EXT32 one each; those before carry a number. */
enum {
    FIXMAP = 0x80,
    FIXLIST = 0x90,
    FIXSTR = 0xa0,
    NIL = 0xc0,
    NEVER = 0xc1,
    FALSE_ = 0xc2,
    TRUE_ = 0xc3,
    BIN8 = 0xc4,
    EXT8 = 0xc7,
    FLOAT32 = 0xca,
    FLOAT64 = 0xcb,
    UINT8 = 0xcc,
    INT8 = 0xd0,
    FIXEXT1 = 0xd4,
    STR8 = 0xd9,
    LIST16 = 0xdc,
    MAP16 = 0xde,
    NEGATIVE = 0xe0,
};

static uint64_t
read_number(const unsigned char *p, size_t n)
{
    uint64_t x = 0;

    while (n-- > 0)
        x = x << 8 | *p++;
    return x;
}

static int
set_integer(struct mp__token *t, int64_t x)
{
    t->type = MP_ANY_INT;
    t->extra = x < 0;
    if (x < 0)
        t->i = x;
    else
        t->u = (uint64_t)x;
    return 0;
}

/* Sign of a number of `n` bytes. */
static int64_t
extend(uint64_t x, size_t n)
{
    unsigned shift = (unsigned)(8 - n) * 8;

    return (int64_t)(x << shift) >> shift;
}

/* What the first byte of a kind that carries its number says. */
static int
read_short(struct mp__token *t, unsigned char kind)
{
    t->length = 1;
    if (kind < FIXMAP || kind >= NEGATIVE)
        return set_integer(t, (signed char)kind);
    if (kind >= FIXSTR) {
        t->type = MP_ANY_STRING;
        t->size = kind & 31;
    } else {
        t->type = kind >= FIXLIST ? MP_ANY_LIST : MP_ANY_DICT;
        t->size = kind & 15;
    }
    return 0;
}

/* How many bytes of number follow the kind. */
static size_t
number_bytes(unsigned char kind)
{
    switch (kind) {
    case NIL:
    case FALSE_:
    case TRUE_:
        return 0;
    case BIN8:
    case BIN8 + 1:
    case BIN8 + 2:
        return (size_t)1 << (kind - BIN8);
    case EXT8:
    case EXT8 + 1:
    case EXT8 + 2:
        return (size_t)1 << (kind - EXT8);
    case FLOAT32:
        return 4;
    case FLOAT64:
        return 8;
    case UINT8:
    case UINT8 + 1:
    case UINT8 + 2:
    case UINT8 + 3:
        return (size_t)1 << (kind - UINT8);
    case INT8:
    case INT8 + 1:
    case INT8 + 2:
    case INT8 + 3:
        return (size_t)1 << (kind - INT8);
    case STR8:
    case STR8 + 1:
    case STR8 + 2:
        return (size_t)1 << (kind - STR8);
    case LIST16:
    case LIST16 + 1:
        return (size_t)2 << (kind - LIST16);
    case MAP16:
    case MAP16 + 1:
        return (size_t)2 << (kind - MAP16);
    default: /* FIXEXT1 to 16 */
        return 0;
    }
}

static void
set_float(struct mp__token *t, uint64_t bits, size_t n)
{
    uint32_t half = (uint32_t)bits;
    float f;

    t->type = MP_ANY_FLOAT;
    if (n == 8) {
        memcpy(&t->d, &bits, sizeof(t->d));
        return;
    }
    memcpy(&f, &half, sizeof(f));
    t->d = (double)f;
}

static void
set_sized(struct mp__token *t, int type, uint64_t size)
{
    t->type = type;
    t->size = size;
}

/* What the number `x` of `n` bytes behind the kind makes of it. */
static void
set_long(struct mp__token *t, unsigned char kind, uint64_t x, size_t n)
{
    if (kind == NIL) {
        t->type = MP_ANY_NIL;
    } else if (kind <= TRUE_) {
        t->type = MP_ANY_BOOL;
        t->extra = kind == TRUE_;
    } else if (kind < EXT8) {
        set_sized(t, MP_ANY_BYTES, x);
    } else if (kind < FLOAT32) {
        set_sized(t, MP_ANY_EXT, x);
    } else if (kind < UINT8) {
        set_float(t, x, n);
    } else if (kind < INT8) {
        t->type = MP_ANY_INT;
        t->u = x;
    } else if (kind < FIXEXT1) {
        set_integer(t, extend(x, n));
    } else if (kind < STR8) {
        set_sized(t, MP_ANY_EXT, (uint64_t)1 << (kind - FIXEXT1));
    } else if (kind < LIST16) {
        set_sized(t, MP_ANY_STRING, x);
    } else {
        set_sized(t, kind < MAP16 ? MP_ANY_LIST : MP_ANY_DICT, x);
    }
}

/* Checks the size against the `left` bytes behind the head, and finds the
 * body. */
static int
find_body(struct mp__token *t, const unsigned char *head, size_t left)
{
    switch (t->type) {
    case MP_ANY_EXT:
        if (left == 0)
            return -EPROTO;
        t->extra = (signed char)head[t->length];
        t->length++;
        left--;
        /* fall through */
    case MP_ANY_STRING:
    case MP_ANY_BYTES:
        if (t->size > left)
            return -EPROTO;
        t->body = head + t->length;
        t->length += t->size;
        return 0;
    case MP_ANY_LIST:
        return t->size > left ? -EPROTO : 0;
    case MP_ANY_DICT:
        return t->size > left / 2 ? -EPROTO : 0;
    default:
        return 0;
    }
}

int
mp__token_read(mp_any any, struct mp__token *t)
{
    const unsigned char *p = any.data;
    size_t n;

    if (any.size == 0 || p[0] == NEVER)
        return -EPROTO;
    t->extra = 0;
    t->u = 0;
    t->size = 0;
    t->body = NULL;
    if (p[0] < NIL || p[0] >= NEGATIVE) {
        read_short(t, p[0]);
    } else {
        n = number_bytes(p[0]);
        if (n > any.size - 1)
            return -EPROTO;
        t->length = 1 + n;
        set_long(t, p[0], read_number(p + 1, n), n);
    }
    return find_body(t, p, any.size - t->length);
}

size_t
mp__value_length(mp_any any, size_t *ret_offset)
{
    const unsigned char *p = any.data;
    uint64_t left[MP_ANY_DEPTH + 1] = {1};
    unsigned depth = 0;
    size_t at = 0;

    do {
        struct mp__token t;

        if (mp__token_read((mp_any){p + at, any.size - at}, &t) < 0 ||
            (mp__token_inside(&t) && depth == MP_ANY_DEPTH)) {
            if (ret_offset)
                *ret_offset = at;
            return 0;
        }
        at += t.length;
        left[depth]--;
        if (mp__token_inside(&t))
            left[++depth] = mp__token_inside(&t);
        while (depth > 0 && left[depth] == 0)
            depth--;
    } while (left[depth] > 0);
    return at;
}
