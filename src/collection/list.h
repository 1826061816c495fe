/* SPDX-License-Identifier: MIT */
/* How a list lies in memory: a vector of words (word.h). */
#pragma once

#include "collection/collection.h"

#include <mproc/list.h>

struct mp_list {
    struct mp__collection c;
    uint64_t *items; /* a block; NULL: none */
    mp__a64 len;     /* both written with the mutex held, and read by */
    mp__a64
        capacity; /* anybody: the length, and a guess whether there is room */
} MP__ALIGNED(64);

static inline size_t
mp__list_len(const mp_list *list)
{
    return mp__load_acquire(&list->len);
}

/* Words that there is room for. */
static inline size_t
mp__list_capacity(const mp_list *list)
{
    return mp__load_relaxed(&list->capacity);
}

/* ---- Changes; the mutex is held: list_change.c ---- */

/* What comes in is that of mp__list_enter_with(). */
void mp__list_set(mp_list *list, size_t at, const struct mp__incoming *in);
void mp__list_insert(mp_list *list, size_t at, const struct mp__incoming *in);
void mp__list_extend(mp_list *list, const struct mp__incoming *in);
void mp__list_remove(mp_list *list, size_t at);

/* Puts the words of the bundle (NULL: none) in the place of [start, stop). The
 * vector will be the spare, which has room for all. */
void mp__list_replace(mp_list *list, size_t start, size_t stop,
                      struct mp__bundle *bundle);
void mp__list_clear(mp_list *list);
/* The same words in another order, which the caller has put into the spare: it
 * will be the vector. */
void mp__list_order(mp_list *list);

/* ---- Room: list_room.c ---- */

/* Sees to it that the spare has room for `len` words; the mutex is held, and
 * may be released meanwhile. 0; -ENOMEM, -EBADF. */
int mp__list_spare(mp_list *list, size_t len);
int mp__list_has_spare(const mp_list *list, size_t len);

/* Acquires the mutex, with `in` made, and room for `more` words. 0; -ENOMEM,
 * -EPROTO, -EINVAL, -EBADF: not acquired. */
int mp__list_enter_with(mp_list *list, struct mp__incoming *in, size_t more);
/* Releases it; `in` is in the list, or is given back. */
void mp__list_leave_with(mp_list *list, struct mp__incoming *in, int done);

/* Releases the mutex after something was taken out of a list of `before`: if
 * little is left, the vector goes back for a smaller one. */
void mp__list_leave_smaller(mp_list *list, size_t before);

/* ---- Steps ---- */

/* What is done to one list, wherever it is: by the public functions here, by
 * the manager's server there. */
enum mp__list_op {
    MP__LIST_LEN = 1,
    MP__LIST_GET,
    MP__LIST_SET,
    MP__LIST_INSERT,
    MP__LIST_POP,
    MP__LIST_REMOVE,
    MP__LIST_INDEX,
    MP__LIST_COUNT,
    MP__LIST_ADD,
    MP__LIST_EXCHANGE,
    MP__LIST_SLICE,
    MP__LIST_REPLACE,
    MP__LIST_CLEAR,
    MP__LIST_SORT,
    MP__LIST_REVERSE,
    MP__LIST_EQUAL,
    MP__LIST_OPS,
};

/* Looks at a value where it lies; below 0: the step is not made. */
typedef int mp__value_look_fn(const void *data, size_t size, void *arg);

struct mp__list_step {
    enum mp__list_op op;
    int64_t index, stop, stride;
    mp_any value, expected;  /* as the caller has them: not checked yet */
    mp__value_look_fn *look; /* at the value that goes out; NULL: nobody */
    void *arg;
    mp_any *ret_any;      /* of MP__LIST_SLICE: a copy */
    const char *function; /* for the texts of errors */
    const char *fits; /* of a pop: the format by which `look` takes the value
                         apart, for far.c; NULL: anything fits */
};

/* Makes the step. The result is that of the public function. */
ssize_t mp__list_step(mp_list *list, const struct mp__list_step *step);

/* ... of those about more than one item: list_part.c, list_order.c. */
ssize_t mp__list_slice(mp_list *list, const struct mp__list_step *step);
ssize_t mp__list_put(mp_list *list, const struct mp__list_step *step);
ssize_t mp__list_equals(mp_list *list, const struct mp__list_step *step);
ssize_t mp__list_sort(mp_list *list, const struct mp__list_step *step);
ssize_t mp__list_reverse(mp_list *list, const struct mp__list_step *step);

/* A place between items, as Python cuts it to the list. */
size_t mp__list_place(const mp_list *list, int64_t index);
