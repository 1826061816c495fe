/* SPDX-License-Identifier: MIT */
/* A dict that all processes of a family share: keys and values of any kind, in
 * the order in which keys came: Python's Manager().dict(), without the
 * manager.
 *
 *     mp_dict *dict;
 *     double x;
 *
 *     mp_dict_create(&dict);
 *     mp_dict_set(dict, "s", "answer", "[i,d]", 42, 0.5);
 *     mp_dict_get(dict, "s", "answer", "[_,d]", &x);
 *     mp_dict_add_int(dict, 1, &n, "s", "visits");      atomic +=, from 0
 *     mp_dict_print(dict, stdout);        {'answer': [42, 0.5], 'visits': 1}
 *
 * A key is written by a format and its arguments, then a value by another: in
 * the letters of mp_any_build() and mp_any_parse(). Keys that are the same to
 * Python are the same key (1, 1.0, True); lists and dicts are no keys
 * (-EINVAL), nor is NaN.
 *
 * What is said of steps, locks, remote handles, process death, threads and
 * handles in list.h holds here. */
#ifndef MPROC_DICT_H
#define MPROC_DICT_H

#include <mproc/any.h>
#include <mproc/base.h>
#include <mproc/item.h>
#include <mproc/lock.h>

MP__BEGIN

typedef struct mp_dict mp_dict;

/* Makes an empty dict. -ENOMEM. */
MP_API int mp_dict_create(mp_dict **ret_dict);

/* Gives the dict's memory back, with all its entries. NULL is allowed. -EBUSY:
 * a living thread holds its lock or waits for it. */
MP_API int mp_dict_destroy(mp_dict *dict);

/* ---- Entries ---- */

MP_API ssize_t mp_dict_len(mp_dict *dict);

/* (dict, "s", key, "[i,d]", 42, 0.5). -ENOMEM: nothing has changed. */
MP_API int mp_dict_set(mp_dict *dict, const char *key_format, ...);

/* (dict, "s", key, "[i,d]", &n, &x). Takes the value of a key apart, as
 * mp_list_get(). -ENOENT: there is none. The second takes the entry out of the
 * dict; if it does not fit it stays; a NULL format for the value just removes
 * it. */
MP_API int mp_dict_get(mp_dict *dict, const char *key_format, ...);
MP_API int mp_dict_pop(mp_dict *dict, const char *key_format, ...);

/* As mp_dict_set(), but leaves an entry that is there: 1: it was set; 0: there
 * was one. See mp_dict_setdefault_any(), too. */
MP_API int mp_dict_setdefault(mp_dict *dict, const char *key_format, ...);

/* 1 or 0. */
MP_API int mp_dict_has(mp_dict *dict, const char *key_format, ...);

/* 0; -ENOENT. */
MP_API int mp_dict_delete(mp_dict *dict, const char *key_format, ...);

/* Adds to the number of a key; one that is not there counts as 0. 0, and the
 * sum in *ret_sum (NULL: not wanted). Integers stay integers: -ERANGE if the
 * sum does not fit into 64 bits; -EINVAL: it is no number. */
MP_API int mp_dict_add_int(mp_dict *dict, int64_t x, int64_t *ret_sum,
                           const char *key_format, ...);
MP_API int mp_dict_add_double(mp_dict *dict, double x, double *ret_sum,
                              const char *key_format, ...);

/* Puts `desired` in the place of the key's value if that equals `expected` (of
 * size 0: if there is none; `desired` of size 0: deletes it): 1; 0: it does
 * not, and nothing has changed. */
MP_API int mp_dict_compare_exchange(mp_dict *dict, mp_any key, mp_any expected,
                                    mp_any desired);

/* The same as get and set, with values as they are. The value is a copy, for
 * mp_any_free(). */
MP_API int mp_dict_get_any(mp_dict *dict, mp_any key, mp_any *ret_value);
MP_API int mp_dict_set_any(mp_dict *dict, mp_any key, mp_any value);

/* Sets the value of a key that is not there, and gives the one that is there
 * then: a copy, for mp_any_free(). 1: it is `value`; 0: there was one. */
MP_API int mp_dict_setdefault_any(mp_dict *dict, mp_any key, mp_any value,
                                  mp_any *ret_value);

/* Takes the entry out whose key came last: copies, for mp_any_free().
 * `ret_value` may be NULL. -ENOENT: the dict is empty. */
MP_API int mp_dict_popitem(mp_dict *dict, mp_any *ret_key, mp_any *ret_value);

/* ---- The whole ---- */

/* Sets all entries of a value, a dict, at once. Their memory is given back
 * with the last of them. */
MP_API int mp_dict_update(mp_dict *dict, mp_any entries);
MP_API int mp_dict_clear(mp_dict *dict);

/* Keys, values, or the whole dict as one value: a copy, for mp_any_free(). */
MP_API int mp_dict_keys(mp_dict *dict, mp_any *ret_list);
MP_API int mp_dict_values(mp_dict *dict, mp_any *ret_list);
MP_API int mp_dict_items(mp_dict *dict, mp_any *ret_dict);

/* Walks, while others change the dict:
 *
 *     mp_dict_walker walker = MP_DICT_WALKER;
 *
 *     while (mp_dict_next(dict, &walker, &key, &value) > 0) {
 *         ...
 *         mp_any_free(key), mp_any_free(value);
 *     }
 *
 * Every entry that is there all the time is met once, in order; those that
 * come or go meanwhile, once or not. `ret_value` may be NULL. 1; 0: that was
 * all. */
typedef struct mp_dict_walker {
    uint64_t after;
} mp_dict_walker;
#define MP_DICT_WALKER \
    {                  \
        0              \
    }
MP_API int mp_dict_next(mp_dict *dict, mp_dict_walker *walker, mp_any *ret_key,
                        mp_any *ret_value);

/* Whether the dict equals the value, a dict: 1 or 0. */
MP_API int mp_dict_equal(mp_dict *dict, mp_any any);
MP_API int mp_dict_print(mp_dict *dict, FILE *out);
MP_API mp_rlock *mp_dict_lock(mp_dict *dict);

MP__END

#endif
