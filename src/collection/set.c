/* SPDX-License-Identifier: MIT */
/* The public face of sets: dicts whose values are None. */
#include "collection/dict_call.h"

#include "base/error.h"

#include <errno.h>

static const unsigned char nil = 0xc0;

static mp_dict *
dict_of(mp_set *set)
{
    return (mp_dict *)set; /* its first field, and all of it */
}

/* ---- Life ---- */

int
mp_set_create(mp_set **ret_set)
{
    return mp__dict_make((mp_dict **)ret_set, MP__SLAB_SET, __func__);
}

int
mp_set_destroy(mp_set *set)
{
    return mp__dict_unmake(dict_of(set), MP__SLAB_SET, __func__);
}

mp_rlock *
mp_set_lock(mp_set *set)
{
    return mp__dict_lock(dict_of(set), MP__SLAB_SET, __func__);
}

/* ---- Items ---- */

#define CALL(...)                                                      \
    do {                                                               \
        struct mp__dict_call call;                                     \
        ssize_t r;                                                     \
                                                                       \
        call.slab = MP__SLAB_SET;                                      \
        call.step =                                                    \
            (struct mp__dict_step){__VA_ARGS__, .function = __func__}; \
        va_start(call.args.list, format);                              \
        r = mp__dict_call_key(dict_of(set), &call, format);            \
        va_end(call.args.list);                                        \
        return (int)r;                                                 \
    } while (0)

int
mp_set_add(mp_set *set, const char *format, ...)
{
    CALL(.op = MP__DICT_DEFAULT, .value = {&nil, 1});
}

int
mp_set_has(mp_set *set, const char *format, ...)
{
    CALL(.op = MP__DICT_HAS);
}

int
mp_set_remove(mp_set *set, const char *format, ...)
{
    CALL(.op = MP__DICT_POP);
}

/* Of an entry the key. */
static int
take_item(const void *data, size_t size, void *taking)
{
    const struct mp__dict_entry *entry = data;

    (void)size;
    return mp__take_parts(entry->key.data, entry->key.size, taking);
}

int
mp_set_pop(mp_set *set, const char *format, ...)
{
    struct mp__taking taking = {
        .function = __func__, .format = format, .checked = 1};
    struct mp__dict_step step = {.op = MP__DICT_POP_FIRST,
                                 .look = format ? take_item : NULL,
                                 .arg = &taking,
                                 .function = __func__,
                                 .fits = format};
    int r;

    va_start(taking.args, format);
    r = (int)mp__dict_call_plain(dict_of(set), MP__SLAB_SET, &step);
    va_end(taking.args);
    return r;
}

int
mp_set_next(mp_set *set, mp_set_walker *walker, mp_any *ret_item)
{
    struct mp__dict_step step = {.op = MP__DICT_NEXT, .function = __func__};

    if (walker == NULL)
        return mp__fail(-EINVAL, "%s: the walker is NULL", __func__);
    step.after = walker->after;
    return mp__dict_call_entry(dict_of(set), MP__SLAB_SET, step, ret_item,
                               NULL, &walker->after);
}

/* ---- The whole ---- */

#define STEP(...)                   \
    mp__dict_call_plain(            \
        dict_of(set), MP__SLAB_SET, \
        &(const struct mp__dict_step){__VA_ARGS__, .function = __func__})

ssize_t
mp_set_len(mp_set *set)
{
    return STEP(.op = MP__DICT_LEN);
}

int
mp_set_update(mp_set *set, mp_any items)
{
    return (int)STEP(.op = MP__DICT_UPDATE, .value = items);
}

int
mp_set_subtract(mp_set *set, mp_any items)
{
    return (int)STEP(.op = MP__DICT_SUBTRACT, .value = items);
}

int
mp_set_intersect(mp_set *set, mp_any items)
{
    return (int)STEP(.op = MP__DICT_INTERSECT, .value = items);
}

int
mp_set_toggle(mp_set *set, mp_any items)
{
    return (int)STEP(.op = MP__DICT_TOGGLE, .value = items);
}

int
mp_set_clear(mp_set *set)
{
    return (int)STEP(.op = MP__DICT_CLEAR);
}

int
mp_set_is_subset(mp_set *set, mp_any items)
{
    return (int)STEP(.op = MP__DICT_SUBSET, .value = items);
}

int
mp_set_is_superset(mp_set *set, mp_any items)
{
    return (int)STEP(.op = MP__DICT_SUPERSET, .value = items);
}

int
mp_set_is_disjoint(mp_set *set, mp_any items)
{
    return (int)STEP(.op = MP__DICT_DISJOINT, .value = items);
}

int
mp_set_equal(mp_set *set, mp_any items)
{
    return (int)STEP(.op = MP__DICT_EQUAL, .value = items);
}

static int
read_items(mp_set *set, mp_any *ret_list, const char *function)
{
    return mp__dict_call_any(dict_of(set), MP__SLAB_SET, MP__DICT_KEYS,
                             (mp_any){0}, ret_list, function);
}

int
mp_set_items(mp_set *set, mp_any *ret_list)
{
    return read_items(set, ret_list, __func__);
}

/* ---- Printing ---- */

static int
print_items(mp_any items, FILE *out)
{
    const char *before = "{";
    mp_any_walker walker;
    mp_any item;
    int r = 0;

    if (mp_any_size(items) == 0)
        return fputs("set()", out) < 0 ? -EIO : 0;
    mp_any_walk(items, &walker);
    while (r == 0 && mp_any_next(&walker, NULL, &item) > 0) {
        if (fputs(before, out) < 0)
            return -EIO;
        before = ", ";
        r = mp_any_print(item, out);
    }
    return r < 0 ? r : fputs("}", out) < 0 ? -EIO : 0;
}

int
mp_set_print(mp_set *set, FILE *out)
{
    mp_any items;
    int r = read_items(set, &items, __func__);

    if (r < 0)
        return r;
    r = out ? print_items(items, out)
            : mp__fail(-EINVAL, "%s: the file is NULL", __func__);
    mp_any_free(items);
    return r;
}
