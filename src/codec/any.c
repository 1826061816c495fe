/* SPDX-License-Identifier: MIT */
/* Looking at values.
 *
 * A value is the bytes it lies in, and each look reads them again: nothing is
 * built, so nothing can be exhausted by who sent them. Every function bears any
 * bytes, whether they were checked or not. */
#include "codec/token.h"

#include "base/error.h"

#include <errno.h>
#include <string.h>

/* ---- What it is ---- */

const char *
mp_any_type_name(int type)
{
    static const char *const names[] = {
        [MP_ANY_NIL] = "None",    [MP_ANY_BOOL] = "bool",
        [MP_ANY_INT] = "int",     [MP_ANY_FLOAT] = "float",
        [MP_ANY_STRING] = "string", [MP_ANY_BYTES] = "bytes",
        [MP_ANY_LIST] = "list",   [MP_ANY_DICT] = "dict",
        [MP_ANY_EXT] = "ext",
    };

    return type >= MP_ANY_NIL && type <= MP_ANY_EXT ? names[type] : "no value";
}

/* The token of a value, for a function that is named in the error's text. */
static int
read_token(mp_any any, struct mp__token *t, const char *function)
{
    if (any.data && mp__token_read(any, t) == 0)
        return 0;
    return mp__fail(-EPROTO, "%s: not a value", function);
}

int
mp_any_type(mp_any any)
{
    struct mp__token t;
    int r = read_token(any, &t, "mp_any_type");

    return r < 0 ? r : t.type;
}

int
mp__any_check(const char *function, const void *data, size_t size,
              mp_any *ret_any)
{
    mp_any any = {data, size};
    size_t offset = 0;
    size_t length =
        data ? mp__value_length(any, MP_ANY_DEPTH, &offset) : 0;

    if (length == 0)
        return mp__fail(-EPROTO,
                        "%s: no value at offset %zu of %zu bytes, or one that "
                        "is cut off or too deep",
                        function, offset, size);
    if (length < size)
        return mp__fail(-EPROTO, "%s: %zu bytes behind the value", function,
                        size - length);
    if (ret_any)
        *ret_any = any;
    return 0;
}

int
mp_any_check(const void *data, size_t size, mp_any *ret_any)
{
    if (!data)
        return mp__fail(-EINVAL, "mp_any_check: data is NULL");
    return mp__any_check("mp_any_check", data, size, ret_any);
}

int
mp__any_mismatch(const char *function, const char *wanted, mp_any any)
{
    int type = mp_any_type(any);

    if (type < 0)
        return type;
    return mp__fail(-EINVAL, "%s: expected %s, got %s", function, wanted,
                    mp_any_type_name(type));
}

/* ---- Scalars ---- */

/* The token of a value that must be of that type. */
static int
expect(mp_any any, int type, const char *function, struct mp__token *t)
{
    int r = read_token(any, t, function);

    if (r < 0)
        return r;
    return t->type == type
               ? 0
               : mp__any_mismatch(function, mp_any_type_name(type), any);
}

int
mp_any_get_bool(mp_any any, int *ret_x)
{
    struct mp__token t;
    int r = expect(any, MP_ANY_BOOL, "mp_any_get_bool", &t);

    if (r < 0)
        return r;
    *ret_x = t.extra;
    return 0;
}

int
mp_any_get_int(mp_any any, int64_t *ret_x)
{
    struct mp__token t;
    int r = expect(any, MP_ANY_INT, "mp_any_get_int", &t);

    if (r == 0 && mp__token_int(&t, ret_x) < 0)
        return mp__fail(-ERANGE, "mp_any_get_int: %llu does not fit",
                        (unsigned long long)t.u);
    return r;
}

int
mp_any_get_unsigned(mp_any any, uint64_t *ret_x)
{
    struct mp__token t;
    int r = expect(any, MP_ANY_INT, "mp_any_get_unsigned", &t);

    if (r == 0 && mp__token_unsigned(&t, ret_x) < 0)
        return mp__fail(-ERANGE, "mp_any_get_unsigned: %lld does not fit",
                        (long long)t.i);
    return r;
}

int
mp_any_get_double(mp_any any, double *ret_x)
{
    struct mp__token t;
    int r = read_token(any, &t, "mp_any_get_double");

    if (r == 0)
        r = mp__token_double(&t, ret_x);
    if (r == -EINVAL)
        return mp__any_mismatch("mp_any_get_double", "float", any);
    if (r == -ERANGE)
        return mp__fail(r, "mp_any_get_double: the integer has no exact "
                           "double");
    return r;
}

int
mp_any_get_string(mp_any any, const char **ret_text, size_t *ret_size)
{
    struct mp__token t;
    int r = expect(any, MP_ANY_STRING, "mp_any_get_string", &t);

    if (r < 0)
        return r;
    *ret_text = (const char *)t.body;
    *ret_size = t.size;
    return 0;
}

int
mp_any_get_bytes(mp_any any, const void **ret_data, size_t *ret_size)
{
    struct mp__token t;
    int r = expect(any, MP_ANY_BYTES, "mp_any_get_bytes", &t);

    if (r < 0)
        return r;
    *ret_data = t.body;
    *ret_size = t.size;
    return 0;
}

int
mp_any_get_ext(mp_any any, int *ret_type, const void **ret_data,
               size_t *ret_size)
{
    struct mp__token t;
    int r = expect(any, MP_ANY_EXT, "mp_any_get_ext", &t);

    if (r < 0)
        return r;
    *ret_type = t.extra;
    *ret_data = t.body;
    *ret_size = t.size;
    return 0;
}

/* ---- Lists and dicts ---- */

static int
read_container(mp_any any, struct mp__token *t, const char *function)
{
    int r = read_token(any, t, function);

    if (r < 0)
        return r;
    return t->type == MP_ANY_LIST || t->type == MP_ANY_DICT
               ? 0
               : mp__any_mismatch(function, "list or dict", any);
}

ssize_t
mp_any_size(mp_any any)
{
    struct mp__token t;
    int r = read_container(any, &t, "mp_any_size");

    return r < 0 ? r : (ssize_t)t.size;
}

int
mp_any_walk(mp_any any, mp_any_walker *walker)
{
    struct mp__token t;
    int r = read_container(any, &t, "mp_any_walk");

    *walker = (mp_any_walker){.left = 0};
    if (r < 0)
        return r;
    walker->rest.data = (const char *)any.data + t.length;
    walker->rest.size = any.size - t.length;
    walker->left = t.size;
    walker->pairs = t.type == MP_ANY_DICT;
    return 0;
}

/* Cuts the first value off. */
static int
cut(mp_any *rest, mp_any *ret_value)
{
    size_t length = mp__value_length(*rest, MP_ANY_DEPTH, NULL);

    if (length == 0)
        return mp__fail(-EPROTO, "mp_any_next: not a value");
    if (ret_value)
        *ret_value = (mp_any){rest->data, length};
    rest->data = (const char *)rest->data + length;
    rest->size -= length;
    return 0;
}

int
mp_any_next(mp_any_walker *walker, mp_any *ret_key, mp_any *ret_item)
{
    int r = 0;

    if (walker->left == 0)
        return 0;
    if (walker->pairs)
        r = cut(&walker->rest, ret_key);
    if (r == 0)
        r = cut(&walker->rest, ret_item);
    walker->left = r < 0 ? 0 : walker->left - 1;
    return r < 0 ? r : 1;
}

int
mp_any_item(mp_any any, int64_t index, mp_any *ret_item)
{
    mp_any_walker walker;
    mp_any item;
    ssize_t n = mp_any_size(any);
    int r = mp_any_walk(any, &walker);

    if (r < 0)
        return r;
    if (walker.pairs)
        return mp__any_mismatch("mp_any_item", "list", any);
    if (index < -(int64_t)n || index >= (int64_t)n)
        return mp__fail(-ENOENT, "mp_any_item: no item %lld in a list of %zd",
                        (long long)index, n);
    if (index < 0)
        index += n;
    do
        r = mp_any_next(&walker, NULL, &item);
    while (r > 0 && index-- > 0);
    if (r < 0)
        return r;
    *ret_item = item;
    return 0;
}

static int
is_string(mp_any any, const char *text, size_t size)
{
    struct mp__token t;

    return mp__token_read(any, &t) == 0 && t.type == MP_ANY_STRING &&
           t.size == size && (size == 0 || memcmp(t.body, text, size) == 0);
}

int
mp_any_entry(mp_any any, const char *key, mp_any *ret_item)
{
    mp_any_walker walker;
    mp_any found, item;
    int r = mp_any_walk(any, &walker);

    if (r < 0)
        return r;
    if (!walker.pairs)
        return mp__any_mismatch("mp_any_entry", "dict", any);
    while ((r = mp_any_next(&walker, &found, &item)) > 0)
        if (is_string(found, key, strlen(key))) {
            *ret_item = item;
            return 0;
        }
    return r < 0 ? r : mp__fail(-ENOENT, "mp_any_entry: no key '%s'", key);
}
