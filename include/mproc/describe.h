/* SPDX-License-Identifier: MIT */
/* What is the matter with an object: for a log, or from a debugger. */
#ifndef MPROC_DESCRIBE_H
#define MPROC_DESCRIBE_H

#include <mproc/base.h>
#include <stdio.h>

MP__BEGIN

/* Writes to `out` what `object` (a lock, rlock, semaphore, event, condition,
 * barrier, value, array, list, dict, set, namespace, queue, connection,
 * listener, process, pool, result, manager, or a remote handle of one) is and
 * how it stands: who holds it and since when, who waits for it and for how
 * long, by pid and name.
 *
 *     lock 0x7f2014110080 "tickets": held by pid 812 (boss) for at least
 *     2.51 s; 2 wait                                          (all one line)
 *       pid 813 (buyer 1) waits for 2.51 s
 *       pid 815 (buyer 2) waits for 0.70 s
 *
 * The first line is about the object. A line for each thread that has to do
 * with it follows, which begins with two blanks; who waits longest comes
 * first, and beyond 256 the rest is counted. Since when a lock is held is
 * known from the moment on when another thread first had to wait for that
 * owner. The words may change between versions.
 *
 * A glance from outside: nothing is locked or repaired, and the object may
 * change meanwhile. Waits for nothing but `out`, which it flushes.
 *
 * Thread-safe; not to be called in a signal handler. -EBADF: no live object of
 * any kind; nothing is written. -EINVAL: `out` is NULL. -EIO: `out` has an
 * error. */
MP_API int mp_describe(const void *object, FILE *out);

MP__END

#endif
