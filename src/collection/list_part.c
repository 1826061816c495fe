/* SPDX-License-Identifier: MIT */
/* Parts of a list, and the whole. */
#include "collection/list.h"

#include "base/error.h"
#include "codec/token.h"

#include <errno.h>
#include <stdlib.h>

/* ---- Slices ---- */

struct slice {
    int64_t start, stride, n;
};

/* `start` or `stop` of a slice, cut to the list, as Python does for either
 * direction. */
static int64_t
cut(int64_t x, int64_t len, int64_t stride, int is_stop)
{
    int64_t least = stride < 0 ? -1 : 0;
    int64_t most = stride < 0 ? len - 1 : len;

    if (x == MP_LIST_END)
        return is_stop && stride < 0 ? least : most;
    if (x < 0)
        x += len;
    return x < least ? least : x > most ? most : x;
}

static struct slice
find_slice(const mp_list *list, const struct mp__list_step *step)
{
    int64_t len = (int64_t)mp__list_len(list), s = step->stride;
    int64_t start = cut(step->index, len, s, 0);
    int64_t stop = cut(step->stop, len, s, 1);
    struct slice slice = {start, s, 0};

    if (s > 0 && start < stop)
        slice.n = (stop - start - 1) / s + 1;
    if (s < 0 && start > stop) /* -s may be too much for 64 bits */
        slice.n = (start - stop - 1) / -(s + (s == INT64_MIN)) + 1;
    return slice;
}

static mp_any
item_of(const mp_list *list, const struct slice *slice, int64_t i)
{
    return mp__word_any(&list->items[slice->start + i * slice->stride]);
}

/* The mutex is held. What is written is what the list has: it was checked. */
static int
write_slice(const mp_list *list, const struct slice *slice, mp_any_writer *w)
{
    size_t size = 8; /* of the list's head, and something */

    for (int64_t i = 0; i < slice->n; i++)
        size += item_of(list, slice, i).size;
    w->data = malloc(size);
    if (w->data == NULL)
        return mp__fail(-ENOMEM, "mp_list_slice: out of memory: %zu bytes",
                        size);
    w->capacity = size;
    w->own = 1;
    mp_any_write_list(w, (size_t)slice->n);
    for (int64_t i = 0; i < slice->n; i++)
        mp__any_write_checked(w, item_of(list, slice, i));
    return w->error;
}

ssize_t
mp__list_slice(mp_list *list, const struct mp__list_step *step)
{
    mp_any_writer w = MP_ANY_WRITER;
    struct slice slice;
    int r;

    if (step->stride == 0)
        return mp__fail(-EINVAL, "%s: step is 0", step->function);
    mp__collection_lock(&list->c);
    slice = find_slice(list, step);
    r = write_slice(list, &slice, &w);
    mp__collection_unlock(&list->c);
    if (r == 0)
        r = mp_any_end(&w, step->ret_any);
    if (r < 0)
        mp_any_discard(&w);
    return r;
}

/* ---- Items in the place of others ---- */

size_t
mp__list_place(const mp_list *list, int64_t index)
{
    int64_t len = (int64_t)mp__list_len(list);

    if (index < 0)
        index += len;
    return index < 0 ? 0 : (size_t)(index < len ? index : len);
}

/* At the end there is nothing to be replaced. */
static int
extend(mp_list *list, struct mp__incoming *in, size_t n)
{
    int r = n ? mp__list_enter_with(list, in, n) : 0;

    if (r < 0 || n == 0)
        return r;
    mp__list_extend(list, in);
    mp__list_leave_with(list, in, 1);
    return 0;
}

/* What is replaced, and how long the list will be. */
struct part {
    size_t start, stop, len;
};

static struct part
find_part(const mp_list *list, const struct mp__list_step *step, size_t n)
{
    struct part part = {mp__list_place(list, step->index),
                        mp__list_place(list, step->stop), 0};

    if (part.stop < part.start)
        part.stop = part.start;
    part.len = mp__list_len(list) - (part.stop - part.start) + n;
    return part;
}

/* -EAGAIN: the list has become longer meanwhile, or the spare was used. */
static int
try_put(mp_list *list, const struct mp__list_step *step,
        struct mp__incoming *in, size_t n)
{
    struct part part;
    int r, done;

    mp__collection_lock(&list->c);
    part = find_part(list, step, n);
    r = mp__list_spare(list, part.len + 1);
    mp__collection_unlock(&list->c); /* the spare stays */
    if (r == 0)
        r = mp__list_enter_with(list, in, 0);
    if (r < 0) {
        mp__collection_lock(&list->c);
        mp__collection_leave(&list->c);
        return r;
    }
    part = find_part(list, step, n);
    done = mp__list_has_spare(list, part.len);
    if (done)
        mp__list_replace(list, part.start, part.stop, in->bundle);
    mp__list_leave_with(list, in, done);
    return done ? 0 : -EAGAIN;
}

ssize_t
mp__list_put(mp_list *list, const struct mp__list_step *step)
{
    static const unsigned char nothing = 0xc0; /* nil */
    struct mp__incoming in = {.any = step->value, .many = 1};
    int r = mp__any_check(step->function, step->value.data, step->value.size,
                          NULL);
    size_t n;

    if (r == 0 && mp_any_type(step->value) != MP_ANY_LIST)
        r = mp__any_mismatch(step->function, "list", step->value);
    if (r < 0)
        return r;
    n = (size_t)mp_any_size(step->value);
    if (step->index == MP_LIST_END)
        return extend(list, &in, n);
    if (n == 0) /* no bundle is needed for that */
        in = (struct mp__incoming){.any = {&nothing, 1}};
    do
        r = try_put(list, step, &in, n);
    while (r == -EAGAIN);
    return r;
}

/* ---- Comparing ---- */

ssize_t
mp__list_equals(mp_list *list, const struct mp__list_step *step)
{
    mp_any_walker walker;
    mp_any item;
    int same = mp__any_check(step->function, step->value.data,
                             step->value.size, NULL);

    if (same < 0 || mp_any_type(step->value) != MP_ANY_LIST)
        return same;
    mp_any_walk(step->value, &walker);
    mp__collection_lock(&list->c);
    same = walker.left == mp__list_len(list);
    for (size_t i = 0; same && mp_any_next(&walker, NULL, &item) > 0; i++)
        same = mp__any_equal(mp__word_any(&list->items[i]), item);
    mp__collection_unlock(&list->c);
    return same;
}
