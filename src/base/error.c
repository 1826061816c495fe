/* SPDX-License-Identifier: MIT */
/* Error numbers and their texts.
 *
 * A failure's detail is written into a buffer of the thread that failed. The
 * buffer is the thread's own, so nothing is shared and nothing can fail. */
#include "base/error.h"

#include "base/macros.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static __thread char detail[512];

/* A failure that nearly nobody reads of: its text is made when it is asked for.
 * No function: there is none. */
static __thread struct {
    const char *function, *what;
    const void *handle;
} remote;

/* What a code means here, where that differs from strerror()'s sentence. */
static const struct {
    int code;
    const char *text;
} meanings[] = {
    {0, "success"},
    {EAGAIN, "it would have to wait"},
    {ETIMEDOUT, "the deadline passed"},
    {EINTR, "a signal handler ran; nothing changed"},
    {EOWNERDEAD, "the lock is held now; its last owner died holding it"},
    {EPIPE, "the other end is gone and nothing is left"},
    {ESHUTDOWN, "the object was closed"},
    {ECANCELED, "it was cancelled, or is broken"},
    {EMSGSIZE, "the message is too large"},
    {EPROTO, "malformed data, or data of another version of the library"},
    {EKEYREJECTED, "the key was rejected"},
    {EPERM, "not permitted"},
    {EOVERFLOW, "released too often"},
    {ESRCH, "the process that had to do it died"},
    {EBADF, "not a live object of that kind"},
    {EINVAL, "invalid argument"},
    {E2BIG, "an attribute that this version of the library does not know"},
    {EREMOTEIO, "the task reported a failure"},
    {EALREADY, "it has ended already"},
    {EDEADLK, "it would wait for itself"},
    {EBUSY, "it is in use"},
    {ENODATA, "the exit code is not known"},
    {EADDRNOTAVAIL, "the address cannot be had"},
    {ENOMEM, "out of memory"},
};

int
mp__fail(int code, const char *format, ...)
{
    va_list args;

    remote.function = NULL;
    va_start(args, format);
    vsnprintf(detail, sizeof(detail), format, args);
    va_end(args);
    return code;
}

int
mp__fail_handle(const char *function, const void *handle, const char *what)
{
    if (handle == NULL)
        return mp__fail(-EBADF, "%s: the handle is NULL, not %s", function,
                        what);
    return mp__fail(-EBADF,
                    "%s: %p is not %s of this family, or was destroyed",
                    function, handle, what);
}

int
mp__fail_remote(const char *function, const void *handle, const char *what)
{
    remote.function = function;
    remote.handle = handle;
    remote.what = what;
    return -EREMOTE;
}

const char *
mp_last_error(void)
{
    if (remote.function)
        mp__fail(-EREMOTE,
                 "%s: %p is %s of another family: this can be done at home "
                 "only",
                 remote.function, remote.handle, remote.what);
    return detail;
}

const char *
mp_strerror(int r)
{
    const char *text;

    if (r < 0)
        r = r == INT_MIN ? INT_MAX : -r;
    for (size_t i = 0; i < MP__LENGTH(meanings); i++)
        if (meanings[i].code == r)
            return meanings[i].text;
#ifdef __GLIBC__
    text = strerrordesc_np(r); /* in no language but C's, and static */
#else
    text = strerror(r);
    if (text == strerror(INT_MAX)) /* what musl says of the unknown */
        text = NULL;
#endif
    return text ? text : "unknown error";
}
