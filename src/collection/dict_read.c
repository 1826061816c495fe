/* SPDX-License-Identifier: MIT */
/* Steps of a dict that look at many entries, and change none: with the mutex
 * held, so that they see one moment. */
#include "collection/dict.h"

#include "base/error.h"
#include "codec/token.h"

#include <errno.h>

/* ---- Walking ---- */

struct mp__dict_entry
mp__dict_entry_of(const struct mp__dict_cell *cell)
{
    return (struct mp__dict_entry){mp__word_any(&cell->key),
                                   mp__word_any(&cell->value), cell->serial};
}

/* The place of the first entry that came after that of the serial. */
static uint64_t
first_after(const mp_dict *dict, uint64_t serial)
{
    uint64_t low = dict->first, high = mp__load_relaxed(&dict->used);

    while (low < high) {
        uint64_t middle = low + (high - low) / 2;

        if (dict->table->cells[middle].serial > serial)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

ssize_t
mp__dict_next(mp_dict *dict, const struct mp__dict_step *step)
{
    struct mp__dict_cell *cell;
    struct mp__dict_entry entry;
    ssize_t r = 0;

    mp__mutex_lock(&dict->c.mutex);
    if (step->after == 0)
        cell = mp__dict_first(dict);
    else
        cell = mp__dict_live_from(dict, first_after(dict, step->after));
    if (cell) {
        entry = mp__dict_entry_of(cell);
        r = step->look(&entry, sizeof(entry), step->arg);
        r = r < 0 ? r : 1;
    }
    mp__mutex_unlock(&dict->c.mutex);
    return r;
}

/* All keys, all values, or both, as one value. */
ssize_t
mp__dict_collect(mp_dict *dict, const struct mp__dict_step *step)
{
    mp_any_writer w = MP_ANY_WRITER;
    mp_any any;
    int r;

    mp__mutex_lock(&dict->c.mutex);
    if (step->op == MP__DICT_ITEMS)
        mp_any_write_dict(&w, mp__load_relaxed(&dict->live));
    else
        mp_any_write_list(&w, mp__load_relaxed(&dict->live));
    MP__DICT_EACH(dict, cell)
    {
        if (step->op != MP__DICT_VALUES)
            mp__any_write_checked(&w, mp__word_any(&cell->key));
        if (step->op != MP__DICT_KEYS)
            mp__any_write_checked(&w, mp__word_any(&cell->value));
    }
    mp__mutex_unlock(&dict->c.mutex);
    r = mp_any_end(&w, &any);
    if (r == 0)
        r = step->look(any.data, any.size, step->arg);
    mp_any_discard(&w);
    return r;
}

/* ---- Comparing ---- */

/* How many of the keys are there; `values`: with the same value. The mutex is
 * held. */
static uint64_t
count(const mp_dict *dict, const struct mp__dict_keys *keys, int values)
{
    uint64_t n = 0;

    for (size_t i = 0; i < keys->n; i++) {
        struct mp__dict_cell *cell =
            mp__dict_find(dict, keys->anys[2 * i], keys->hashes[i]);

        n += cell && (!values || mp__any_equal(mp__word_any(&cell->value),
                                               keys->anys[2 * i + 1]));
    }
    return n;
}

/* Of a dict; and what sets are to the items of a list. */
ssize_t
mp__dict_compare(mp_dict *dict, const struct mp__dict_step *step)
{
    struct mp__dict_keys keys;
    uint64_t live, n;
    int r = mp__dict_keys_read(&keys, dict, step);

    if (r == -EINVAL && step->op == MP__DICT_EQUAL)
        return 0; /* another type, or what is no key */
    if (r < 0)
        return r;
    mp__mutex_lock(&dict->c.mutex);
    live = mp__load_relaxed(&dict->live);
    n = count(dict, &keys, step->op == MP__DICT_EQUAL);
    mp__mutex_unlock(&dict->c.mutex);
    mp__dict_keys_free(&keys);
    switch (step->op) {
    case MP__DICT_SUBSET:
        return n == live;
    case MP__DICT_SUPERSET:
        return n == keys.n;
    case MP__DICT_DISJOINT:
        return n == 0;
    default:
        return n == keys.n && n == live;
    }
}
