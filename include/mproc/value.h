/* SPDX-License-Identifier: MIT */
/* A value: one number, or pointer, that all processes of a family share, of
 * any of C's types. Python's Value.
 *
 *     mp_value *hits;
 *
 *     mp_value_create(&hits, 'i', 0);
 *     mp_value_add(hits, 1);          from any process
 *     mp_value_get(hits, &n);
 *
 * The type is a letter, and arguments are numbers of any type: see scalar.h
 * for both, and for what is converted and what is -ERANGE.
 *
 * Every function here is one atomic step, without a lock and without a system
 * call: what a process has written to shared memory before it sets, adds or
 * exchanges is seen by whoever gets the result (all are sequentially
 * consistent). Each value also has a lock, for what takes several steps. It is
 * a matter between those who acquire it: the functions here do not look at it.
 *
 * Process death. A process may be killed at any instruction: its step is done,
 * or not at all, and there is nothing to repair.
 *
 * All functions are thread-safe, and none may be called in a signal handler.
 * A handle that is no live value gives -EBADF. One of another family (manager.h)
 * may be used alike, its lock, too; a pointer in it means nothing here.
 *
 * Those that take a number, or give one through a pointer, are macros over
 * functions of the same name: the prototypes show the functions. A name in
 * parentheses is the function, for other languages. */
#ifndef MPROC_VALUE_H
#define MPROC_VALUE_H

#include <mproc/base.h>
#include <mproc/lock.h>
#include <mproc/scalar.h>
#include <stdio.h>

MP__BEGIN

typedef struct mp_value mp_value;

/* Makes a value of that type, which is `x` at first. -EINVAL: there is no such
 * type. -ERANGE: `x` does not fit into it. -ENOMEM. */
MP_API int mp_value_create(mp_value **ret_value, int type, mp_scalar x);

/* Gives the value's memory back. NULL is allowed. -EBUSY: a living thread
 * holds its lock or waits for it. */
MP_API int mp_value_destroy(mp_value *value);

/* mp_value_get(value, &x): gives the value, in the type of `x`. -ERANGE: it
 * does not fit. */
MP_API int mp_value_get(mp_value *value, int type, void *ret_x);

/* -ERANGE: `x` does not fit; the value is as it was. */
MP_API int mp_value_set(mp_value *value, mp_scalar x);

/* Adds `x`, which may be negative. -ERANGE: `x` is no such number, or the sum
 * does not fit (integers; floating point is added as C does it); the value is
 * as it was. -EINVAL: the value is a pointer. */
MP_API int mp_value_add(mp_value *value, mp_scalar x);

/* mp_value_add_get(value, x, &sum): the same, and gives the sum that this call
 * has made. -ERANGE too if that does not fit into the type of `sum`; it is
 * added all the same then. */
MP_API int mp_value_add_get(mp_value *value, mp_scalar x, int type,
                            void *ret_sum);

/* Makes the value `desired` if it is `expected`: 1; else it is left as it is:
 * 0. -ERANGE: one of them does not fit. Floating point is compared by its
 * bits: a NaN is itself, and 0.0 is not -0.0. */
MP_API int mp_value_compare_exchange(mp_value *value, mp_scalar expected,
                                     mp_scalar desired);

/* The value's lock: acquired and released with mp_rlock_acquire() and
 * mp_rlock_release(), made at the first call, and the value's own (do not
 * destroy it). NULL: no such value, or no memory; see mp_last_error(). */
MP_API mp_rlock *mp_value_lock(mp_value *value);

/* The letter of its type. */
MP_API int mp_value_type(mp_value *value);

/* Writes the value to `out` as Python prints it: 42, 0.1, 1e+22, True, b'a';
 * pointers as 0x7f00 or None. -EIO: `out` has an error. */
MP_API int mp_value_print(mp_value *value, FILE *out);

MP__END

#ifndef __cplusplus
#define mp_value_create(ret_value, type, x) \
    mp_value_create(ret_value, type, MP_SCALAR(x))
#define mp_value_get(value, ret_x) \
    mp_value_get(value, MP_TYPE(*(ret_x)), ret_x)
#define mp_value_set(value, x) mp_value_set(value, MP_SCALAR(x))
#define mp_value_add(value, x) mp_value_add(value, MP_SCALAR(x))
#define mp_value_add_get(value, x, ret_sum) \
    mp_value_add_get(value, MP_SCALAR(x), MP_TYPE(*(ret_sum)), ret_sum)
#define mp_value_compare_exchange(value, expected, desired) \
    mp_value_compare_exchange(value, MP_SCALAR(expected), MP_SCALAR(desired))
#else
template <typename T>
static inline int
mp_value_get(mp_value *value, T *ret_x)
{
    return mp_value_get(value, mp__type(ret_x), ret_x);
}

template <typename T>
static inline int
mp_value_add_get(mp_value *value, mp_scalar x, T *ret_sum)
{
    return mp_value_add_get(value, x, mp__type(ret_sum), ret_sum);
}
#endif

#endif
