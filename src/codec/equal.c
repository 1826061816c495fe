/* SPDX-License-Identifier: MIT */
/* Whether two values are the same to Python: numbers by their worth, whatever
 * their type; dicts in any order. The depth is at most MP_ANY_DEPTH, which is
 * checked before. */
#include "codec/token.h"

#include "base/error.h"

#include <errno.h>
#include <string.h>

static int equal(mp_any a, mp_any b);

static int
is_number(const struct mp__token *t)
{
    return t->type == MP_ANY_BOOL || t->type == MP_ANY_INT ||
           t->type == MP_ANY_FLOAT;
}

/* The integer of a bool or int, as sign and worth. */
static uint64_t
worth(const struct mp__token *t, int *ret_negative)
{
    if (t->type == MP_ANY_BOOL) {
        *ret_negative = 0;
        return (uint64_t)t->extra;
    }
    *ret_negative = t->extra;
    return t->extra ? (uint64_t)t->i : t->u;
}

static int
equals_double(const struct mp__token *t, double x)
{
    int negative;
    uint64_t u = worth(t, &negative);

    if (negative)
        return x >= -0x1p63 && x < 0 && (double)(int64_t)x == x &&
               (int64_t)x == (int64_t)u;
    return x >= 0 && x < 0x1p64 && (double)(uint64_t)x == x &&
           (uint64_t)x == u;
}

static int
equal_numbers(const struct mp__token *a, const struct mp__token *b)
{
    int a_negative, b_negative;

    if (a->type == MP_ANY_FLOAT && b->type == MP_ANY_FLOAT)
        return a->d == b->d;
    if (a->type == MP_ANY_FLOAT)
        return equals_double(b, a->d);
    if (b->type == MP_ANY_FLOAT)
        return equals_double(a, b->d);
    return worth(a, &a_negative) == worth(b, &b_negative) &&
           a_negative == b_negative;
}

static int
equal_lists(mp_any a, mp_any b)
{
    mp_any_walker of_a, of_b;
    mp_any x, y;

    mp_any_walk(a, &of_a);
    mp_any_walk(b, &of_b);
    while (mp_any_next(&of_a, NULL, &x) > 0 &&
           mp_any_next(&of_b, NULL, &y) > 0)
        if (!equal(x, y))
            return 0;
    return 1;
}

static int
same_bytes(mp_any a, mp_any b)
{
    return a.size == b.size && memcmp(a.data, b.data, a.size) == 0;
}

/* Keys that are lists or dicts, which Python does not have, are the same only
 * byte for byte: to compare what is inside of them would take exponential time
 * with their depth. */
static int
equal_keys(mp_any a, mp_any b)
{
    struct mp__token t;

    mp__token_read(a, &t);
    if (t.type != MP_ANY_LIST && t.type != MP_ANY_DICT)
        return equal(a, b);
    return same_bytes(a, b);
}

/* The item of a key: that of the last entry if there are several, as in
 * Python. */
static int
find(mp_any dict, mp_any key, mp_any *ret_item)
{
    mp_any_walker walker;
    mp_any k, item;
    int found = 0;

    mp_any_walk(dict, &walker);
    while (mp_any_next(&walker, &k, &item) > 0)
        if (equal_keys(k, key)) {
            *ret_item = item;
            found = 1;
        }
    return found;
}

/* Whether they are written in the same way: the common case, and quick. */
static int
equal_in_order(mp_any a, mp_any b)
{
    mp_any_walker of_a, of_b;
    mp_any key_a, key_b, x, y;

    mp_any_walk(a, &of_a);
    mp_any_walk(b, &of_b);
    while (mp_any_next(&of_a, &key_a, &x) > 0 &&
           mp_any_next(&of_b, &key_b, &y) > 0)
        if (!same_bytes(key_a, key_b) || !same_bytes(x, y))
            return 0;
    return 1;
}

static int
has_keys_of(mp_any a, mp_any b)
{
    mp_any_walker walker;
    mp_any key, item;

    mp_any_walk(b, &walker);
    while (mp_any_next(&walker, &key, &item) > 0)
        if (!find(a, key, &item))
            return 0;
    return 1;
}

static int
equal_dicts(mp_any a, mp_any b)
{
    mp_any_walker walker;
    mp_any key, item, mine, other;

    if (mp_any_size(a) == mp_any_size(b) && equal_in_order(a, b))
        return 1;
    mp_any_walk(a, &walker);
    while (mp_any_next(&walker, &key, &item) > 0)
        if (!find(b, key, &other) || !find(a, key, &mine) ||
            !equal(mine, other))
            return 0;
    return has_keys_of(a, b);
}

static int
equal(mp_any a, mp_any b)
{
    struct mp__token s, t;

    mp__token_read(a, &s);
    mp__token_read(b, &t);
    if (is_number(&s) && is_number(&t))
        return equal_numbers(&s, &t);
    if (s.type != t.type)
        return 0;
    if (s.type == MP_ANY_DICT)
        return equal_dicts(a, b);
    if (s.size != t.size || s.extra != t.extra)
        return 0;
    if (s.type == MP_ANY_LIST)
        return equal_lists(a, b);
    return s.size == 0 || memcmp(s.body, t.body, s.size) == 0;
}

int
mp__any_equal(mp_any a, mp_any b)
{
    int64_t x, y;

    if (mp__int_read(a, &x) && mp__int_read(b, &y))
        return x == y;
    return equal(a, b);
}

int
mp_any_equal(mp_any a, mp_any b)
{
    if (!a.data || !b.data ||
        mp__value_length(a, MP_ANY_DEPTH, NULL) == 0 ||
        mp__value_length(b, MP_ANY_DEPTH, NULL) == 0)
        return mp__fail(-EPROTO, "mp_any_equal: not a value");
    return equal(a, b);
}
