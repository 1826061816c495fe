/* SPDX-License-Identifier: MIT */
#include "region/far.h"

#include "base/error.h"
#include "region/object.h"

#include <errno.h>

const struct mp__far_ops *mp__far;

void
mp__far_with(const struct mp__far_ops *ops)
{
    mp__far = ops;
}

int
mp__far_slab(const void *object)
{
    const struct mp__far_cell *cell = object;

    return mp__object_ok(object, MP__SLAB_FAR)
               ? (int)mp__load_relaxed(&cell->slab)
               : -1;
}

int
mp__far_enter(const void *object, int slab, const char *function,
              const char *what)
{
    if (mp__far && mp__far_slab(object) == slab)
        return mp__fail_remote(function, object, what);
    return mp__fail_handle(function, object, what);
}

ssize_t
mp__far_call(const void *object, const char *function, mp_time deadline,
             const char *format, ...)
{
    va_list args;
    ssize_t r;

    mp__fail_remote(NULL, NULL, NULL); /* it can be done after all */
    va_start(args, format);
    r = mp__far->call((struct mp__far_handle *)object, function, deadline,
                      format, args);
    va_end(args);
    return r;
}
