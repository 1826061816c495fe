/* SPDX-License-Identifier: MIT */
/* The steps of a list: each with the mutex held from its first look to its
 * commit. What goes out is looked at where it lies, before the commit: if it
 * does not fit the caller's format, nothing has changed. */
#include "collection/list.h"

#include "base/error.h"
#include "codec/number.h"
#include "codec/token.h"

#include <errno.h>

typedef ssize_t step_fn(mp_list *list, const struct mp__list_step *step);

/* ---- Indices ---- */

static int
fail_index(const mp_list *list, const struct mp__list_step *step)
{
    return mp__fail(-ERANGE, "%s: there is no item %lld in a list of %zu",
                    step->function, (long long)step->index,
                    mp__list_len(list));
}

/* Of an item that is there; -1. */
static ssize_t
find_index(const mp_list *list, int64_t index)
{
    size_t len = mp__list_len(list);

    if (index < 0)
        index += (int64_t)len;
    return index >= 0 && (uint64_t)index < len ? (ssize_t)index : -1;
}

/* ---- What comes in ---- */

/* A value from the caller: 0; -EPROTO. */
static int
check(const struct mp__list_step *step, mp_any any)
{
    return mp__any_check(step->function, any.data, any.size, NULL);
}

/* An item must leave room for the list round it. */
static int
check_depth(const struct mp__list_step *step)
{
    if (mp__value_length(step->value, MP_ANY_DEPTH - 1, NULL) == 0)
        return mp__fail(-EINVAL, "%s: an item can be %d deep", step->function,
                        MP_ANY_DEPTH - 1);
    return 0;
}

/* Acquires the mutex with the value of the step made. */
static int
enter_with(mp_list *list, const struct mp__list_step *step,
           struct mp__incoming *in, size_t more)
{
    int r = check_depth(step);

    in->any = step->value;
    return r < 0 ? r : mp__list_enter_with(list, in, more);
}

/* ---- One item ---- */

static int
look_at(const mp_list *list, size_t at, const struct mp__list_step *step)
{
    mp_any any = mp__word_any(&list->items[at]);

    return step->look ? step->look(any.data, any.size, step->arg) : 0;
}

static ssize_t
get(mp_list *list, const struct mp__list_step *step)
{
    ssize_t at, r;

    mp__collection_lock(&list->c);
    at = find_index(list, step->index);
    r = at < 0 ? fail_index(list, step) : look_at(list, (size_t)at, step);
    mp__collection_unlock(&list->c);
    return r;
}

static ssize_t
pop(mp_list *list, const struct mp__list_step *step)
{
    size_t before;
    ssize_t at, r;

    mp__collection_lock(&list->c);
    before = mp__list_len(list);
    at = find_index(list, step->index);
    r = at < 0 ? fail_index(list, step) : look_at(list, (size_t)at, step);
    if (r >= 0)
        mp__list_remove(list, (size_t)at);
    mp__list_leave_smaller(list, before);
    return r;
}

static ssize_t
set(mp_list *list, const struct mp__list_step *step)
{
    struct mp__incoming in = {.many = 0};
    int r = enter_with(list, step, &in, 0);
    ssize_t at;

    if (r < 0)
        return r;
    at = find_index(list, step->index);
    if (at >= 0)
        mp__list_set(list, (size_t)at, &in);
    else
        r = fail_index(list, step);
    mp__list_leave_with(list, &in, r == 0);
    return r;
}

static ssize_t
insert(mp_list *list, const struct mp__list_step *step)
{
    struct mp__incoming in = {.many = 0};
    int r = enter_with(list, step, &in, 1);

    if (r < 0)
        return r;
    mp__list_insert(list, mp__list_place(list, step->index), &in);
    mp__list_leave_with(list, &in, 1);
    return 0;
}

/* ---- Looking for a value ---- */

/* From `at` on; -1: there is none. */
static ssize_t
search(const mp_list *list, size_t at, mp_any value)
{
    for (size_t len = mp__list_len(list); at < len; at++)
        if (mp__any_equal(mp__word_any(&list->items[at]), value))
            return (ssize_t)at;
    return -1;
}

static int
fail_absent(const struct mp__list_step *step)
{
    return mp__fail(-ENOENT, "%s: the list has no such item", step->function);
}

static ssize_t
find(mp_list *list, const struct mp__list_step *step)
{
    ssize_t at;

    mp__collection_lock(&list->c);
    at = search(list, 0, step->value);
    mp__collection_unlock(&list->c);
    return at < 0 ? fail_absent(step) : at;
}

static ssize_t
count(mp_list *list, const struct mp__list_step *step)
{
    ssize_t at = -1, n = 0;

    mp__collection_lock(&list->c);
    while ((at = search(list, (size_t)(at + 1), step->value)) >= 0)
        n++;
    mp__collection_unlock(&list->c);
    return n;
}

static ssize_t
remove_first(mp_list *list, const struct mp__list_step *step)
{
    size_t before;
    ssize_t at;

    mp__collection_lock(&list->c);
    before = mp__list_len(list);
    at = search(list, 0, step->value);
    if (at >= 0)
        mp__list_remove(list, (size_t)at);
    mp__list_leave_smaller(list, before);
    return at < 0 ? fail_absent(step) : 0;
}

/* ---- Changing an item by what it is ---- */

static ssize_t
exchange(mp_list *list, const struct mp__list_step *step)
{
    struct mp__incoming in = {.many = 0};
    int r = check(step, step->value);
    ssize_t at;

    if (r == 0)
        r = check(step, step->expected);
    if (r == 0)
        r = enter_with(list, step, &in, 0);
    if (r < 0)
        return r;
    at = find_index(list, step->index);
    r = at < 0 ? fail_index(list, step)
               : mp__any_equal(mp__word_any(&list->items[at]), step->expected);
    if (r == 1)
        mp__list_set(list, (size_t)at, &in);
    mp__list_leave_with(list, &in, r == 1);
    return r;
}

/* The sum of the item and what the step brings, written to `buf`, and where it
 * goes. The mutex is held. */
static int
make_sum(const mp_list *list, const struct mp__list_step *step,
         unsigned char buf[MP__NUMBER_MOST], size_t *ret_at, mp_any *ret_sum)
{
    ssize_t at = find_index(list, step->index);

    if (at < 0)
        return fail_index(list, step);
    *ret_at = (size_t)at;
    return mp__number_add(mp__word_any(&list->items[at]), step->value, buf,
                          ret_sum, step->function);
}

/* The last thing before the commit. */
static int
show_sum(const struct mp__list_step *step, mp_any sum)
{
    return step->look(sum.data, sum.size, step->arg) < 0
               ? mp__fail(-ERANGE, "%s: the sum does not fit into *ret_sum",
                          step->function)
               : 0;
}

/* A sum whose word needs a bundle: that must be made before the mutex is
 * acquired. */
static int
add_large(mp_list *list, const struct mp__list_step *step)
{
    unsigned char buf[MP__NUMBER_MOST];
    struct mp__incoming in = {.blank = 1};
    int r = mp__list_enter_with(list, &in, 0);
    mp_any sum;
    size_t at;

    if (r < 0)
        return r;
    r = make_sum(list, step, buf, &at, &sum);
    if (r == 0)
        r = show_sum(step, sum);
    if (r == 0) {
        mp__incoming_fill(&in, sum);
        mp__list_set(list, at, &in);
    }
    mp__list_leave_with(list, &in, r == 0);
    return r;
}

static ssize_t
add(mp_list *list, const struct mp__list_step *step)
{
    unsigned char buf[MP__NUMBER_MOST];
    struct mp__incoming in = {.bundle = NULL};
    mp_any sum;
    size_t at;
    int r, small;

    mp__collection_lock(&list->c);
    r = make_sum(list, step, buf, &at, &sum);
    small = r == 0 && sum.size <= MP__WORD_INLINE;
    if (small)
        r = show_sum(step, sum);
    if (small && r == 0) {
        in.word = mp__word_inline(sum);
        mp__list_set(list, at, &in);
    }
    mp__collection_unlock(&list->c);
    return r < 0 || small ? r : add_large(list, step);
}

/* ---- The whole ---- */

static ssize_t
clear(mp_list *list, const struct mp__list_step *step)
{
    (void)step;
    mp__collection_lock(&list->c);
    mp__list_clear(list);
    mp__collection_unlock(&list->c);
    return 0;
}

static ssize_t
len(mp_list *list, const struct mp__list_step *step)
{
    (void)step;
    return (ssize_t)mp__list_len(list);
}

/* ---- All of them ---- */

ssize_t
mp__list_step(mp_list *list, const struct mp__list_step *step)
{
    static step_fn *const steps[MP__LIST_OPS] = {
        [MP__LIST_LEN] = len,
        [MP__LIST_GET] = get,
        [MP__LIST_SET] = set,
        [MP__LIST_INSERT] = insert,
        [MP__LIST_POP] = pop,
        [MP__LIST_REMOVE] = remove_first,
        [MP__LIST_INDEX] = find,
        [MP__LIST_COUNT] = count,
        [MP__LIST_ADD] = add,
        [MP__LIST_EXCHANGE] = exchange,
        [MP__LIST_SLICE] = mp__list_slice,
        [MP__LIST_REPLACE] = mp__list_put,
        [MP__LIST_CLEAR] = clear,
        [MP__LIST_SORT] = mp__list_sort,
        [MP__LIST_REVERSE] = mp__list_reverse,
        [MP__LIST_EQUAL] = mp__list_equals,
    };

    return steps[step->op](list, step);
}
