/* SPDX-License-Identifier: MIT */
/* A set that all processes of a family share: Python's set, with items in the
 * order in which they came.
 *
 *     mp_set_create(&set);
 *     mp_set_add(set, "s", "red");
 *     mp_set_has(set, "s", "red");                 1
 *     mp_set_print(set, stdout);                   {'red'}
 *
 * Items are what keys of a dict may be (dict.h). What is said of steps, locks,
 * remote handles, process death, threads and handles in list.h holds here. */
#ifndef MPROC_SET_H
#define MPROC_SET_H

#include <mproc/any.h>
#include <mproc/base.h>
#include <mproc/lock.h>

MP__BEGIN

typedef struct mp_set mp_set;

MP_API int mp_set_create(mp_set **ret_set);
MP_API int mp_set_destroy(mp_set *set);
MP_API ssize_t mp_set_len(mp_set *set);

/* 1: it was added; 0: it was there. */
MP_API int mp_set_add(mp_set *set, const char *format, ...);
/* 1 or 0. */
MP_API int mp_set_has(mp_set *set, const char *format, ...);
/* 0; -ENOENT: it is not there (which does not matter to who discards it). */
MP_API int mp_set_remove(mp_set *set, const char *format, ...);
/* Takes an item out, the first, apart as mp_list_pop(). -ENOENT: the set is
 * empty. */
MP_API int mp_set_pop(mp_set *set, const char *format, ...);

/* With a value, a list: adds all its items; removes all; keeps only those that
 * are in it; adds those that are not there and removes those that are. At
 * once. */
MP_API int mp_set_update(mp_set *set, mp_any items);
MP_API int mp_set_subtract(mp_set *set, mp_any items);
MP_API int mp_set_intersect(mp_set *set, mp_any items);
MP_API int mp_set_toggle(mp_set *set, mp_any items);
MP_API int mp_set_clear(mp_set *set);

/* Whether all its items are in the value, a list; whether it has all of the
 * value's; whether it has none of them; whether both have the same. 1 or 0. */
MP_API int mp_set_is_subset(mp_set *set, mp_any items);
MP_API int mp_set_is_superset(mp_set *set, mp_any items);
MP_API int mp_set_is_disjoint(mp_set *set, mp_any items);
MP_API int mp_set_equal(mp_set *set, mp_any items);

/* All items as a list: a copy, for mp_any_free(). */
MP_API int mp_set_items(mp_set *set, mp_any *ret_list);

/* Walks, while others change the set: as mp_dict_next(). */
typedef struct mp_set_walker {
    uint64_t after;
} mp_set_walker;
#define MP_SET_WALKER \
    {                 \
        0             \
    }
MP_API int mp_set_next(mp_set *set, mp_set_walker *walker, mp_any *ret_item);

/* As Python prints it: {'red', 1}, set(). */
MP_API int mp_set_print(mp_set *set, FILE *out);
MP_API mp_rlock *mp_set_lock(mp_set *set);

MP__END

#endif
