/* SPDX-License-Identifier: MIT */
/* The start method that is meant where none is said: this process's own, and
 * what its children begin with. */
#include "base/error.h"

#include <errno.h>
#include <mproc/process.h>

static int default_method = MP_FORK;

int
mp_get_start_method(void)
{
    return __atomic_load_n(&default_method, __ATOMIC_RELAXED);
}

int
mp_set_start_method(int method)
{
    if (method < MP_FORK || method > MP_FORKSERVER)
        return mp__fail(-EINVAL, "mp_set_start_method: %d is no start method",
                        method);
    __atomic_store_n(&default_method, method, __ATOMIC_RELAXED);
    return 0;
}
