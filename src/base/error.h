/* SPDX-License-Identifier: MIT */
/* Error results with a text for mp_last_error(). */
#pragma once

#include <mproc/base.h>

/* Records the detail of a failure for this thread and returns `code`. The
 * text starts with the public function's name. Not for -EAGAIN, -ETIMEDOUT
 * and -EINTR on hot paths: these need no explanation. */
int mp__fail(int code, const char *format, ...) MP__PRINTF(2, 3);

/* For a handle that is no live object of its kind: -EBADF. `what` is e.g.
 * "a queue". */
int mp__fail_handle(const char *function, const void *handle,
                    const char *what);

/* The same for one of another family, -EREMOTE: quick, for it comes before each
 * remote call. `function` and `what` stay. */
int mp__fail_remote(const char *function, const void *handle,
                    const char *what);
