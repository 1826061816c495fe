/* SPDX-License-Identifier: MIT */
#include "codec/rewrite.h"

#include <math.h>

static int
worse(int a, int b)
{
    return a < 0 || b < 0 ? -1 : a | b;
}

static int
rewrite_walk(mp_any_writer *w, mp_any any, int dict)
{
    mp_any_walker walker;
    mp_any key, item;
    ssize_t left = mp_any_size(any);
    int result = 0, r = mp_any_walk(any, &walker);

    if (left < 0 || r < 0)
        return -1;
    if (dict)
        mp_any_write_dict(w, (size_t)left);
    else
        mp_any_write_list(w, (size_t)left);
    for (; (r = mp_any_next(&walker, &key, &item)) > 0; left--) {
        int type = dict ? mp_any_type(key) : MP_ANY_NIL;

        if (type == MP_ANY_LIST || type == MP_ANY_DICT)
            result = worse(result, 1);
        if (dict)
            result = worse(result, rewrite(w, key));
        result = worse(result, rewrite(w, item));
    }
    return r == 0 && left == 0 ? result : -1;
}

static int
rewrite_int(mp_any_writer *w, mp_any any)
{
    int64_t i;
    uint64_t u;

    if (mp_any_get_int(any, &i) == 0)
        return mp_any_write_int(w, i);
    if (mp_any_get_unsigned(any, &u) == 0)
        return mp_any_write_unsigned(w, u);
    return -1;
}

static int
rewrite_float(mp_any_writer *w, mp_any any)
{
    double x;

    if (mp_any_get_double(any, &x) < 0)
        return -1;
    return worse(mp_any_write_double(w, x), isnan(x) != 0);
}

static int
rewrite_body(mp_any_writer *w, mp_any any, int type)
{
    const char *text;
    const void *data;
    size_t size;

    if (type == MP_ANY_STRING)
        return mp_any_get_string(any, &text, &size) < 0
                   ? -1
                   : mp_any_write_string(w, text, size);
    return mp_any_get_bytes(any, &data, &size) < 0
               ? -1
               : mp_any_write_bytes(w, data, size);
}

int
rewrite(mp_any_writer *w, mp_any any)
{
    int type = mp_any_type(any), truth;

    switch (type) {
    case MP_ANY_NIL:
        return mp_any_write_nil(w);
    case MP_ANY_BOOL:
        return mp_any_get_bool(any, &truth) < 0 ? -1
                                                : mp_any_write_bool(w, truth);
    case MP_ANY_INT:
        return rewrite_int(w, any);
    case MP_ANY_FLOAT:
        return rewrite_float(w, any);
    case MP_ANY_STRING:
    case MP_ANY_BYTES:
        return rewrite_body(w, any, type);
    case MP_ANY_LIST:
    case MP_ANY_DICT:
        return rewrite_walk(w, any, type == MP_ANY_DICT);
    case MP_ANY_EXT:
        return mp_any_write_value(w, any);
    default:
        return -1;
    }
}
