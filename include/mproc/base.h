/* SPDX-License-Identifier: MIT */
/* What every other header needs: linkage, time, errors.
 *
 * Results. A function that returns `int` or `ssize_t` gives a value >= 0 on
 * success, else a negative error number (-EINVAL, -ETIMEDOUT, ...); `errno`
 * is not set. Out-parameters are written only on success.
 *
 * -EINTR says that a signal handler ran, and that nothing has changed: call
 * again with the same deadline. The kernel goes on with some waits by itself
 * after a handler that was installed with SA_RESTART. */
#ifndef MPROC_BASE_H
#define MPROC_BASE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
#define MP__BEGIN extern "C" {
#define MP__END }
#else
#define MP__BEGIN
#define MP__END
#endif

#define MP_API __attribute__((visibility("default")))
#define MP__PRINTF(f, a) __attribute__((format(printf, f, a)))

/* Attributes are structs whose first field is their size and whose zero is
 * the default of every field. MP_X_ATTR(.field = value, ...) of each header
 * gives a pointer to one that lives as long as the call it stands in
 * (in C++ from C++20 on). */
#ifdef __cplusplus
/* g++ -Wextra would warn of each field that a caller leaves at zero. */
#pragma GCC system_header
template <typename T> static inline const T *
mp__address(const T &t)
{
    return &t;
}
#define MP__ATTR(type, ...)                                                  \
    mp__address(type{.size = sizeof(type), __VA_ARGS__})
#else
#define MP__ATTR(type, ...)                                                  \
    (&(const type){.size = sizeof(type), __VA_ARGS__})
#endif

/* The version of this header; mp_version() is that of the library in use. */
#define MP_VERSION_MAJOR 0
#define MP_VERSION_MINOR 1
#define MP_VERSION_PATCH 0

MP__BEGIN

/* A deadline: an absolute CLOCK_MONOTONIC time in nanoseconds. A deadline
 * that has passed gives -ETIMEDOUT, MP_NOW gives -EAGAIN, and MP_FOREVER
 * never passes. The same deadline may be used for any number of calls. */
typedef int64_t mp_time;

#define MP_NOW ((mp_time)0)
#define MP_FOREVER ((mp_time)INT64_MAX)

/* The deadline that lies `seconds` ahead of this moment. Infinity gives
 * MP_FOREVER; zero, a negative number or NaN gives a deadline that has
 * passed already (never MP_NOW). Cannot fail; async-signal-safe. */
MP_API mp_time mp_timeout(double seconds);

/* One sentence, without a full stop, on what the result `r` of an mproc
 * function means; `r` may be positive or negative. The text is static. */
MP_API const char *mp_strerror(int r);

/* The detail of this thread's last failure in an mproc function: which
 * argument, which limit, which process, how it died. The text belongs to
 * the thread, and is valid until its next call of mproc; it is empty when
 * nothing has failed yet. A call that succeeds leaves it as it was. */
MP_API const char *mp_last_error(void);

/* The version of the library: major * 10000 + minor * 100 + patch. */
MP_API int mp_version(void);

MP__END

#endif
