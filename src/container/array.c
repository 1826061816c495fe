/* SPDX-License-Identifier: MIT */
/* Array: a block of the heap with a handle, a type and a length. The items are
 * the users', as plain memory; the functions here change them in single steps
 * (datum.c). What else there is is written before the handle is given, and
 * never changed.
 *
 * The block is in the hand of who makes the array until the array is there.
 * Destroying begins with the stamp: who dies after that leaks the block. */
#include "container/container.h"

#include "base/error.h"
#include "container/datum.h"
#include "region/heap.h"

#include <errno.h>
#include <string.h>

/* The functions behind the macros. */
#undef mp_array_get
#undef mp_array_set
#undef mp_array_add
#undef mp_array_compare_exchange

static int
enter(mp_array *array, const char *function)
{
    return mp__object_enter(array, MP__SLAB_ARRAY, function, "an array");
}

/* ---- Life ---- */

/* The block stays in the hand. */
static int
fill(mp_array *array, const void *init)
{
    size_t size = array->n * array->itemsize;

    array->items = mp__block_alloc(size, init == NULL);
    if (array->items == NULL)
        return -ENOMEM;
    if (init && size)
        memcpy(array->items, init, size);
    return 0;
}

static int
make(mp_array **ret_array, const mp_array *like, const void *init,
     const char *function)
{
    mp_array *array;
    int r;

    if (ret_array == NULL)
        return mp__fail(-EINVAL, "%s: ret_array is NULL", function);
    if (like->n > SIZE_MAX / like->itemsize)
        return mp__fail(-ENOMEM,
                        "%s: %zu items of %zu bytes are more than fit into "
                        "the address space",
                        function, like->n, like->itemsize);
    r = mp__enter();
    if (r < 0)
        return r;
    array = mp__object_alloc(MP__SLAB_ARRAY, sizeof(*array));
    if (array == NULL)
        return -ENOMEM;
    array->n = like->n;
    array->itemsize = like->itemsize;
    array->code = like->code;
    r = fill(array, init);
    if (r < 0) {
        mp__object_free(array, MP__SLAB_ARRAY);
        return r;
    }
    mp__object_publish(array, MP__SLAB_ARRAY);
    mp__block_keep(array->items);
    *ret_array = array;
    return 0;
}

int
mp_array_create(mp_array **ret_array, int code, size_t n, const void *init)
{
    const struct mp__type *type = mp__type_expect(code, "mp_array_create");

    if (type == NULL)
        return -EINVAL;
    return make(ret_array,
                &(mp_array){.n = n, .itemsize = type->size, .code = code},
                init, "mp_array_create");
}

int
mp_array_create_of(mp_array **ret_array, size_t size, size_t n,
                   const void *init)
{
    if (size == 0)
        return mp__fail(-EINVAL, "mp_array_create_of: size is 0");
    return make(ret_array, &(mp_array){.n = n, .itemsize = size}, init,
                "mp_array_create_of");
}

int
mp_array_destroy(mp_array *array)
{
    int r = array ? enter(array, "mp_array_destroy") : 1;

    if (r != 0)
        return r < 0 ? (int)MP__FAR(r, array, MP__FAR_PLAIN, "") : 0;
    r = mp__own_lock_idle(&array->own, "mp_array_destroy");
    if (r < 0)
        return r;
    if (mp__object_retire(array, MP__SLAB_ARRAY) < 0)
        return mp__fail_handle("mp_array_destroy", array, "an array");
    mp__own_lock_end(&array->own);
    mp__block_free(array->items);
    mp__object_free(array, MP__SLAB_ARRAY);
    return 0;
}

/* ---- The whole ---- */

void *
mp_array_data(mp_array *array)
{
    return enter(array, "mp_array_data") < 0 ? NULL : array->items;
}

MP__COLD static size_t
size_far(int r, mp_array *array, const char *function)
{
    ssize_t size =
        r == -EREMOTE ? mp__far_call(array, function, MP__FAR_PLAIN, "") : r;

    return size < 0 ? 0 : (size_t)size;
}

size_t
mp_array_len(mp_array *array)
{
    int r = enter(array, "mp_array_len");

    return r < 0 ? size_far(r, array, __func__) : array->n;
}

size_t
mp_array_itemsize(mp_array *array)
{
    int r = enter(array, "mp_array_itemsize");

    return r < 0 ? size_far(r, array, __func__) : array->itemsize;
}

int
mp_array_type(mp_array *array)
{
    int r = enter(array, "mp_array_type");

    return r < 0 ? (int)MP__FAR(r, array, MP__FAR_PLAIN, "") : array->code;
}

mp_rlock *
mp_array_lock(mp_array *array)
{
    int r = enter(array, "mp_array_lock");

    if (r < 0)
        return mp__own_lock_far(r, array, "mp_array_lock");
    return mp__own_lock_get(&array->own, "array", array);
}

/* ---- Items ---- */

/* The datum of an item of a live array. */
static int
reach(struct mp__datum *datum, mp_array *array, ssize_t index,
      const char *function)
{
    int r = enter(array, function);
    size_t at = (size_t)index;

    if (MP__UNLIKELY(r < 0))
        return r;
    if (array->code == 0)
        return mp__fail(-EINVAL,
                        "%s: the items are structs of %zu bytes: use "
                        "mp_array_data()",
                        function, array->itemsize);
    if (index < 0)
        at += array->n;
    if (MP__UNLIKELY(at >= array->n))
        return mp__fail(-ERANGE, "%s: index %zd of an array of %zu", function,
                        index, array->n);
    datum->type = mp__type_find(array->code);
    datum->at = array->items + at * array->itemsize;
    datum->function = function;
    return 0;
}

/* As of a value: see value.c. */
MP__COLD static int
get_far(int r, mp_array *array, ssize_t index, int type, void *ret_x)
{
    mp_scalar x;

    if (r != -EREMOTE ||
        (r = mp__scalar_check(type, ret_x, "mp_array_get")) < 0 ||
        (r = (int)mp__far_call(array, "mp_array_get", MP__FAR_PLAIN, "q > iQ",
                               (int64_t)index, &x.type, &x.u)) < 0)
        return r;
    return mp__scalar_give(x, type, ret_x, "mp_array_get");
}

int
mp_array_get(mp_array *array, ssize_t index, int type, void *ret_x)
{
    struct mp__datum datum;
    int r = reach(&datum, array, index, "mp_array_get");

    if (MP__UNLIKELY(r < 0))
        return get_far(r, array, index, type, ret_x);
    return mp__datum_get(&datum, type, ret_x);
}

int
mp_array_set(mp_array *array, ssize_t index, mp_scalar x)
{
    struct mp__datum datum;
    int r = reach(&datum, array, index, "mp_array_set");

    if (MP__UNLIKELY(r < 0))
        return (int)MP__FAR(r, array, MP__FAR_PLAIN, "qiQ", (int64_t)index,
                            x.type, x.u);
    return mp__datum_set(&datum, x);
}

int
mp_array_add(mp_array *array, ssize_t index, mp_scalar x)
{
    struct mp__datum datum;
    mp_scalar sum;
    int r = reach(&datum, array, index, "mp_array_add");

    if (MP__UNLIKELY(r < 0))
        return (int)MP__FAR(r, array, MP__FAR_PLAIN, "qiQ", (int64_t)index,
                            x.type, x.u);
    return mp__datum_add(&datum, x, &sum);
}

int
mp_array_compare_exchange(mp_array *array, ssize_t index, mp_scalar expected,
                          mp_scalar desired)
{
    struct mp__datum datum;
    int r = reach(&datum, array, index, "mp_array_compare_exchange");

    if (MP__UNLIKELY(r < 0))
        return (int)MP__FAR(r, array, MP__FAR_PLAIN, "qiQiQ", (int64_t)index,
                            expected.type, expected.u, desired.type,
                            desired.u);
    return mp__datum_compare_exchange(&datum, expected, desired);
}
