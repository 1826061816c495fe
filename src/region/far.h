/* SPDX-License-Identifier: MIT */
/* Objects of other families. Their handles here are cells of a class of their
 * own, so that no function takes one for an object of this region: its way to
 * -EBADF leads past mp__far_enter(), and the call goes to where the object is.
 * An ordinary call pays nothing for that.
 *
 *     int r = mp__object_enter(lock, MP__SLAB_LOCK, __func__, "a lock");
 *
 *     if (MP__UNLIKELY(r < 0))
 *         return (int)MP__FAR(r, lock, deadline, "");
 */
#pragma once

#include "base/atomic.h"
#include "base/macros.h"

#include <mproc/base.h>
#include <stdarg.h>
#include <sys/types.h>

struct mp__far_handle; /* see link/proxy.h */

/* -EREMOTE: `object` stands for one of class `slab` elsewhere; else -EBADF. */
MP__COLD int mp__far_enter(const void *object, int slab, const char *function,
                           const char *what);

/* Makes the call where the object is. `deadline`: the call's own, or
 * MP__FAR_PLAIN: it has none. `format`: "in > out", letters of mp_any_build() for
 * what goes there, and of mp_any_parse() for what comes back, as copies; one
 * value after the other. The result is what the function returned there; -ETIMEDOUT,
 * -EPIPE, ... */
#define MP__FAR_PLAIN ((mp_time)-1)
ssize_t mp__far_call(const void *object, const char *function,
                     mp_time deadline, const char *format, ...);

/* For r < 0 of mp__object_enter(). */
#define MP__FAR(r, object, ...) \
    ((r) == -EREMOTE ? mp__far_call(object, __func__, __VA_ARGS__) : (r))

/* What the room above does. */
struct mp__far_ops {
    ssize_t (*call)(struct mp__far_handle *far, const char *function,
                    mp_time deadline, const char *format, va_list args);
    /* The object's family and its address there. */
    void (*name)(const struct mp__far_handle *far, unsigned char uuid[16],
                 uint64_t *ret_id);
    /* The handle of a remote object, made if need be; NULL: mp_last_error()
     * tells (-ENOTCONN: of a family that we know nothing of). */
    void *(*find)(const unsigned char uuid[16], int slab, uint64_t id,
                  int *ret_error);
};
void mp__far_with(const struct mp__far_ops *ops);
extern const struct mp__far_ops *mp__far; /* NULL: there is no such room */

/* The class that a live handle stands for; -1: it is none of another family. */
int mp__far_slab(const void *object);

/* First fields of a handle. */
struct mp__far_cell {
    mp__a64 stamp; /* of MP__SLAB_FAR */
    mp__a32 slab;
};
