/* SPDX-License-Identifier: MIT */
/* An array that all processes of a family share: of numbers of any of C's
 * types, or of structs. Python's Array.
 *
 *     mp_array *a;
 *     double *x;
 *
 *     mp_array_create(&a, 'd', 1000, NULL);
 *     x = mp_array_data(a);           a plain C array, in every process
 *
 * mp_array_data() is the way to work with it: nothing is checked, nothing
 * locked, slices are memcpy(). The other functions are one atomic step on one
 * item each, and check type and index; they are as those of value.h. Atomic
 * steps and plain access do not go together on the same item at the same time,
 * but for C's own atomic operations. The array's lock is a matter between
 * those who acquire it.
 *
 * An index below 0 counts from the end, as in Python: -1 is the last item.
 *
 * Process death. A process may be killed at any instruction: its step is done,
 * or not at all. What it was writing through mp_array_data() is as far as it
 * got; the lock tells (-EOWNERDEAD) if it was held meanwhile.
 *
 * All functions are thread-safe, and none may be called in a signal handler.
 * A handle that is no live array gives -EBADF. One of another family (manager.h)
 * may be used alike, but has no mp_array_data(), and is printed up to 2^20 items
 * (else -EMSGSIZE). As for the macros see value.h. */
#ifndef MPROC_ARRAY_H
#define MPROC_ARRAY_H

#include <mproc/base.h>
#include <mproc/lock.h>
#include <mproc/scalar.h>
#include <stdio.h>

MP__BEGIN

typedef struct mp_array mp_array;

/* Makes an array of `n` items of that type. `init`: that many, to be copied;
 * NULL: all are 0. -EINVAL: there is no such type. -ENOMEM. */
MP_API int mp_array_create(mp_array **ret_array, int type, size_t n,
                           const void *init);

/* The same of items of `size` bytes each, structs as a rule. -EINVAL: `size`
 * is 0. */
MP_API int mp_array_create_of(mp_array **ret_array, size_t size, size_t n,
                              const void *init);

/* Gives the array's memory back. NULL is allowed. -EBUSY: a living thread
 * holds its lock or waits for it. */
MP_API int mp_array_destroy(mp_array *array);

/* The first item; the others follow as in any array of C. Aligned to 16
 * bytes; to 64 if they are more than 256 bytes together. NULL: no such
 * array. */
MP_API void *mp_array_data(mp_array *array);

/* The number of items, and the bytes of one. 0: no such array. */
MP_API size_t mp_array_len(mp_array *array);
MP_API size_t mp_array_itemsize(mp_array *array);

/* The letter of the items' type; 0: mp_array_create_of() made it. */
MP_API int mp_array_type(mp_array *array);

/* mp_array_get(array, index, &x), and so on: as their counterparts in value.h
 * on one item. -ERANGE too: there is no item of that index. -EINVAL too: the
 * items are structs. */
MP_API int mp_array_get(mp_array *array, ssize_t index, int type, void *ret_x);
MP_API int mp_array_set(mp_array *array, ssize_t index, mp_scalar x);
MP_API int mp_array_add(mp_array *array, ssize_t index, mp_scalar x);
MP_API int mp_array_compare_exchange(mp_array *array, ssize_t index,
                                     mp_scalar expected, mp_scalar desired);

/* The array's lock; see mp_value_lock(). */
MP_API mp_rlock *mp_array_lock(mp_array *array);

/* Writes the array to `out` as Python prints it: [0, -1, 2], [0.1, inf],
 * b'abc\x00' ('c'), 'abc' ('u'); structs as [b'\x01\x02', ...]. Others may
 * change items meanwhile. -EIO: `out` has an error. */
MP_API int mp_array_print(mp_array *array, FILE *out);

MP__END

#ifndef __cplusplus
#define mp_array_get(array, index, ret_x) \
    mp_array_get(array, index, MP_TYPE(*(ret_x)), ret_x)
#define mp_array_set(array, index, x) mp_array_set(array, index, MP_SCALAR(x))
#define mp_array_add(array, index, x) mp_array_add(array, index, MP_SCALAR(x))
#define mp_array_compare_exchange(array, index, expected, desired) \
    mp_array_compare_exchange(array, index, MP_SCALAR(expected),   \
                              MP_SCALAR(desired))
#else
template <typename T>
static inline int
mp_array_get(mp_array *array, ssize_t index, T *ret_x)
{
    return mp_array_get(array, index, mp__type(ret_x), ret_x);
}
#endif

#endif
