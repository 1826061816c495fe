/* SPDX-License-Identifier: MIT */
/* A list that all processes of a family share, of values of any kind: Python's
 * Manager().list(), without the manager.
 *
 *     mp_list *list;
 *     int n;
 *
 *     mp_list_create(&list);
 *     mp_list_append(list, "s", "Hello");
 *     mp_list_append(list, "[i,n]", 42);
 *     mp_list_get(list, -1, "[i,n]", &n);
 *     mp_list_print(list, stdout);                 ['Hello', [42, None]]
 *
 * Values go in and out in the letters of mp_any_build() and mp_any_parse().
 * Each call is one step: others see all of it or nothing. Several steps that
 * belong together are a matter of the list's lock, which only those obey who
 * acquire it.
 *
 * An index below 0 counts from the end, as in Python: -1 is the last item. An
 * item can be a value of any kind, MP_ANY_DEPTH - 1 deep, and the handle of
 * another list, dict, queue, ... ("h"): so lists can lie in each other, and in
 * themselves.
 *
 * The handle may come from mp_manager_list() or mp_manager_lookup() as well:
 * the list may be on another machine then. Calls on it may also give -EPIPE
 * (the server is gone), and wait until it has answered.
 *
 * Process death. A process may be killed at any instruction: its step is done,
 * or not at all, and the list stays in order; others go on at once.
 *
 * All functions are thread-safe, and none may be called in a signal handler. A
 * handle that is no live list gives -EBADF. None blocks for longer than the
 * step of another takes. On failure nothing has changed. */
#ifndef MPROC_LIST_H
#define MPROC_LIST_H

#include <mproc/any.h>
#include <mproc/base.h>
#include <mproc/item.h>
#include <mproc/lock.h>

MP__BEGIN

typedef struct mp_list mp_list;

/* Makes an empty list. -ENOMEM. */
MP_API int mp_list_create(mp_list **ret_list);

/* Gives the list's memory back, with all its items. NULL is allowed. -EBUSY: a
 * living thread holds its lock or waits for it. Who comes too late with a step
 * finds no item (-ERANGE, ...), or no list: -EBADF. */
MP_API int mp_list_destroy(mp_list *list);

/* ---- Items ---- */

/* How many items there are. */
MP_API ssize_t mp_list_len(mp_list *list);

/* Adds an item at the end; before the item `index` (beyond the ends: at the
 * end, at the beginning, as Python does). Errors are those of mp_any_build();
 * -EINVAL: too deep; -ENOMEM. */
MP_API int mp_list_append(mp_list *list, const char *format, ...);
MP_API int mp_list_insert(mp_list *list, int64_t index, const char *format,
                          ...);

/* Adds all items of one value, a list ("[i,i,s]", "*d", "v"), at once. The
 * memory of long ones (more than 7 bytes) that came in one call is given back
 * with the last of them. */
MP_API int mp_list_extend(mp_list *list, const char *format, ...);

/* Puts a value in the place of an item. -ERANGE: there is no such index. */
MP_API int mp_list_set(mp_list *list, int64_t index, const char *format, ...);

/* Takes an item apart. What s, S, y and v give are copies, to be freed by
 * free() (v: mp_any_free()). A NULL format only asks whether there is such an
 * item. -ERANGE: there is none; others as mp_any_parse(). */
MP_API int mp_list_get(mp_list *list, int64_t index, const char *format, ...);

/* The same, and takes it out of the list; if it does not fit the format it
 * stays. A NULL format just removes it. */
MP_API int mp_list_pop(mp_list *list, int64_t index, const char *format, ...);

/* Removes the first item that equals the value. -ENOENT: none does. */
MP_API int mp_list_remove(mp_list *list, const char *format, ...);

/* The index of the first item that equals the value; -ENOENT. How many do. */
MP_API ssize_t mp_list_index(mp_list *list, const char *format, ...);
MP_API ssize_t mp_list_count(mp_list *list, const char *format, ...);

/* Adds to the number at `index`, and returns 0 with the sum in *ret_sum (NULL:
 * not wanted). Integers stay integers, others become doubles. -ERANGE: there
 * is no such index, or the sum does not fit into 64 bits, or not into
 * *ret_sum; -EINVAL: it is no number. */
MP_API int mp_list_add_int(mp_list *list, int64_t index, int64_t x,
                           int64_t *ret_sum);
MP_API int mp_list_add_double(mp_list *list, int64_t index, double x,
                              double *ret_sum);

/* Puts `desired` in the place of the item if that equals `expected`: 1; 0: it
 * does not, and nothing has changed. -EPROTO: one is no value. */
MP_API int mp_list_compare_exchange(mp_list *list, int64_t index,
                                    mp_any expected, mp_any desired);

/* ---- The whole, and parts ---- */

/* Items start, start + step ... before stop, as Python's
 * list[start:stop:step], as one value: a copy, for mp_any_free(). MP_LIST_END
 * stands for what is left out in Python: (list, MP_LIST_END, MP_LIST_END, -1)
 * is list[::-1]. -EINVAL: step is 0; -ENOMEM; -EMSGSIZE: more than 2^32 - 1
 * items. */
#define MP_LIST_END INT64_MAX
MP_API int mp_list_slice(mp_list *list, int64_t start, int64_t stop,
                         int64_t step, mp_any *ret_any);

/* Puts the items of one value, a list, in the place of those from `start` to
 * before `stop`; an empty list deletes them. -EPROTO: it is no value; -EINVAL:
 * no list; -ENOMEM. */
MP_API int mp_list_replace(mp_list *list, int64_t start, int64_t stop,
                           mp_any items);

/* Sorts, stably; items must all be numbers, all strings, all bytes, or lists
 * of such: -EINVAL. -ENOMEM. A long list is copied and sorted while others go
 * on, and again if they change it; the fourth time they have to wait. NaN may
 * come to be anywhere, and so may numbers near it. */
#define MP_LIST_DESCENDING 1
MP_API int mp_list_sort(mp_list *list, int flags);
/* -ENOMEM. */
MP_API int mp_list_reverse(mp_list *list);
MP_API int mp_list_clear(mp_list *list);

/* Whether the list equals the value: 1 or 0. -EPROTO: it is none. */
MP_API int mp_list_equal(mp_list *list, mp_any any);

/* As Python prints it. -EIO; -ENOMEM; -EMSGSIZE: more than 2^32 - 1 items. */
MP_API int mp_list_print(mp_list *list, FILE *out);

/* The list's lock: a matter between those who acquire it. NULL: no such list,
 * or no memory. */
MP_API mp_rlock *mp_list_lock(mp_list *list);

MP__END

#endif
