/* SPDX-License-Identifier: MIT */
/* The family's log: lines such as
 *
 *     [WARNING/Process-1] the disk is nearly full
 *
 * as Python's multiprocessing.log_to_stderr() prints them. It is off until
 * somebody turns it on; then it is on in every process of the family, and tells
 * what the library has to say too: processes that start and end (INFO), clients
 * that were dropped (WARNING).
 *
 * A line is written whole, in one piece, before mp_log() returns: no line of
 * another process runs into it, and it is there even if the process is killed
 * just after. Killed in the midst of it, a process leaves at most one line cut
 * short, and holds up nobody. Thread-safe; not for signal handlers. */
#ifndef MPROC_LOG_H
#define MPROC_LOG_H

#include <mproc/base.h>
#include <stdarg.h>

MP__BEGIN

/* Levels: Python's numbers; others between them are allowed. */
#define MP_LOG_DEBUG    10
#define MP_LOG_INFO     20
#define MP_LOG_WARNING  30
#define MP_LOG_ERROR    40
#define MP_LOG_CRITICAL 50
#define MP_LOG_OFF      1000

/* From now on, in all processes of the family, lines of `level` and above go to
 * standard error (of the process that logs); MP_LOG_OFF: none. -EINVAL. */
MP_API int mp_log_to_stderr(int level);

/* To the end of a file instead, which is made if need be (0666, less the
 * umask). A relative path is taken from this process's directory. -EINVAL: too
 * long; -EACCES, ... as open(). */
MP_API int mp_log_to_file(const char *path, int level);

/* The level that is written; MP_LOG_OFF if none. Costs a load. */
MP_API int mp_log_level(void);

/* Writes a line, if its level is written: 0 also if not. Newlines and tabs
 * inside are written as spaces, other control characters as '?'; a newline at
 * the end is left out. Errors of the output (-ENOSPC, -EPIPE, ...) lose the
 * line. -EINVAL: the level, or `format`. May wait for a pipe or terminal that
 * is stopped. */
MP_API int mp_log(int level, const char *format, ...) MP__PRINTF(2, 3);
MP_API int mp_vlog(int level, const char *format, va_list args)
    MP__PRINTF(2, 0);

MP__END

#endif
