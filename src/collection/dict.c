/* SPDX-License-Identifier: MIT */
/* The public face of dicts. */
#include "collection/dict_call.h"

#include "base/error.h"
#include "codec/number.h"
#include "codec/token.h"

#include <errno.h>

/* ---- Life ---- */

int
mp_dict_create(mp_dict **ret_dict)
{
    return mp__dict_make(ret_dict, MP__SLAB_DICT, __func__);
}

int
mp_dict_destroy(mp_dict *dict)
{
    return mp__dict_unmake(dict, MP__SLAB_DICT, __func__);
}

mp_rlock *
mp_dict_lock(mp_dict *dict)
{
    return mp__dict_lock(dict, MP__SLAB_DICT, __func__);
}

/* ---- Entries ---- */

#define CALL(how, ...)                                                 \
    do {                                                               \
        struct mp__dict_call call;                                     \
        ssize_t r;                                                     \
                                                                       \
        call.slab = MP__SLAB_DICT;                                     \
        call.step =                                                    \
            (struct mp__dict_step){__VA_ARGS__, .function = __func__}; \
        va_start(call.args.list, key_format);                          \
        r = mp__dict_call_##how(dict, &call, key_format);              \
        va_end(call.args.list);                                        \
        return (int)r;                                                 \
    } while (0)

int
mp_dict_set(mp_dict *dict, const char *key_format, ...)
{
    CALL(in, .op = MP__DICT_SET);
}

int
mp_dict_setdefault(mp_dict *dict, const char *key_format, ...)
{
    CALL(in, .op = MP__DICT_DEFAULT);
}

int
mp_dict_get(mp_dict *dict, const char *key_format, ...)
{
    CALL(out, .op = MP__DICT_GET);
}

int
mp_dict_pop(mp_dict *dict, const char *key_format, ...)
{
    CALL(out, .op = MP__DICT_POP);
}

int
mp_dict_delete(mp_dict *dict, const char *key_format, ...)
{
    CALL(key, .op = MP__DICT_POP);
}

int
mp_dict_has(mp_dict *dict, const char *key_format, ...)
{
    CALL(key, .op = MP__DICT_HAS);
}

int
mp_dict_add_int(mp_dict *dict, int64_t x, int64_t *ret_sum,
                const char *key_format, ...)
{
    struct mp__number number;

    CALL(key, .op = MP__DICT_ADD, .value = mp__number_of_int(&number, x),
         .look = mp__number_take_int, .arg = ret_sum);
}

int
mp_dict_add_double(mp_dict *dict, double x, double *ret_sum,
                   const char *key_format, ...)
{
    struct mp__number number;

    CALL(key, .op = MP__DICT_ADD, .value = mp__number_of_double(&number, x),
         .look = mp__number_take_double, .arg = ret_sum);
}

/* ---- Values as they are ---- */

#define STEP(...)            \
    mp__dict_call_plain(     \
        dict, MP__SLAB_DICT, \
        &(const struct mp__dict_step){__VA_ARGS__, .function = __func__})

int
mp_dict_set_any(mp_dict *dict, mp_any key, mp_any value)
{
    return (int)STEP(.op = MP__DICT_SET, .key = key, .value = value);
}

int
mp_dict_get_any(mp_dict *dict, mp_any key, mp_any *ret_value)
{
    return mp__dict_call_any(dict, MP__SLAB_DICT, MP__DICT_GET, key, ret_value,
                             __func__);
}

/* The copy of what may become the value is made first: no memory for it is no
 * reason to fail later. */
int
mp_dict_setdefault_any(mp_dict *dict, mp_any key, mp_any value,
                       mp_any *ret_value)
{
    mp_any mine, found = {0};
    struct mp__taking own = {.function = __func__, .ret_any = &mine};
    struct mp__taking taking = {
        .function = __func__, .ret_any = &found, .checked = 1};
    int r;

    if (ret_value == NULL)
        return mp__fail(-EINVAL, "%s: the place for the result is NULL",
                        __func__);
    r = mp__take_any(value.data, value.size, &own);
    if (r < 0)
        return r;
    r = (int)STEP(.op = MP__DICT_DEFAULT, .key = key, .value = mine,
                  .look = mp__take_any, .arg = &taking);
    mp_any_free(r > 0 ? found : mine);
    if (r >= 0)
        *ret_value = r > 0 ? mine : found;
    return r;
}

int
mp_dict_compare_exchange(mp_dict *dict, mp_any key, mp_any expected,
                         mp_any desired)
{
    return (int)STEP(.op = MP__DICT_EXCHANGE, .key = key, .expected = expected,
                     .value = desired);
}

int
mp_dict_popitem(mp_dict *dict, mp_any *ret_key, mp_any *ret_value)
{
    struct mp__dict_step step = {.op = MP__DICT_POP_LAST,
                                 .function = __func__};

    return mp__dict_call_entry(dict, MP__SLAB_DICT, step, ret_key, ret_value,
                               NULL);
}

/* ---- The whole ---- */

ssize_t
mp_dict_len(mp_dict *dict)
{
    return STEP(.op = MP__DICT_LEN);
}

int
mp_dict_update(mp_dict *dict, mp_any entries)
{
    return (int)STEP(.op = MP__DICT_UPDATE, .value = entries);
}

int
mp_dict_clear(mp_dict *dict)
{
    return (int)STEP(.op = MP__DICT_CLEAR);
}

int
mp_dict_equal(mp_dict *dict, mp_any any)
{
    return (int)STEP(.op = MP__DICT_EQUAL, .value = any);
}

int
mp_dict_keys(mp_dict *dict, mp_any *ret_list)
{
    return mp__dict_call_any(dict, MP__SLAB_DICT, MP__DICT_KEYS, (mp_any){0},
                             ret_list, __func__);
}

int
mp_dict_values(mp_dict *dict, mp_any *ret_list)
{
    return mp__dict_call_any(dict, MP__SLAB_DICT, MP__DICT_VALUES, (mp_any){0},
                             ret_list, __func__);
}

int
mp_dict_items(mp_dict *dict, mp_any *ret_dict)
{
    return mp__dict_call_any(dict, MP__SLAB_DICT, MP__DICT_ITEMS, (mp_any){0},
                             ret_dict, __func__);
}

int
mp_dict_print(mp_dict *dict, FILE *out)
{
    mp_any any;
    int r = mp__dict_call_any(dict, MP__SLAB_DICT, MP__DICT_ITEMS, (mp_any){0},
                              &any, __func__);

    if (r < 0)
        return r;
    r = mp_any_print(any, out);
    mp_any_free(any);
    return r;
}

int
mp_dict_next(mp_dict *dict, mp_dict_walker *walker, mp_any *ret_key,
             mp_any *ret_value)
{
    struct mp__dict_step step = {.op = MP__DICT_NEXT, .function = __func__};

    if (walker == NULL)
        return mp__fail(-EINVAL, "%s: the walker is NULL", __func__);
    step.after = walker->after;
    return mp__dict_call_entry(dict, MP__SLAB_DICT, step, ret_key, ret_value,
                               &walker->after);
}
