/* SPDX-License-Identifier: MIT */
/* mp_describe(), and what the rooms above describe their objects with. */
#pragma once

#include "bell/waiters.h"
#include "region/object.h"

#include <mproc/describe.h>

#define MP__REPORT_LINE 1024

/* A report while it is written. Lines go out whole: so those of several
 * threads or processes do not mix. */
struct mp__report {
    FILE *out;
    mp_time now; /* the moment at which all is told */
    int failed;  /* `out` has not taken it all */
    size_t length;
    char line[MP__REPORT_LINE];
};

/* Describes an object of one class: a line about itself, and then a line for
 * each thread that has to do with it, which begins with two blanks. 0; or
 * -EBADF, with nothing written: it is none that has a handle.
 *
 * Nothing may be locked, so the object changes meanwhile, and may even go: the
 * cell remains one of that class, but any pointer read from it is to be
 * distrusted. */
typedef int mp__describe_fn(struct mp__report *report, void *object);

/* Each room registers its classes by a constructor function. `kind`: what to
 * call such an object. */
void mp__describe_with(enum mp__slab slab, const char *kind,
                       mp__describe_fn *describe);

/* Finds the name of the process that has this pid; leaves `name` as it is if
 * there is none. */
typedef void mp__name_process_fn(pid_t pid, char *name, size_t size);
void mp__describe_processes_with(mp__name_process_fn *name_process);

/* ---- Writing ---- */

/* Adds to the line; a newline at the end of the format ends it. */
void mp__report(struct mp__report *report, const char *format, ...)
    MP__PRINTF(2, 3);

/* Adds a name from shared memory, which may be anything: `size` bytes at the
 * most, and none that would break the line. */
void mp__report_name(struct mp__report *report, const char *name, size_t size);

/* `lock 0x7f00 "name"`; without the name if that is empty. */
void mp__report_object(struct mp__report *report, const char *kind,
                       const void *object, const char *name, size_t size);

/* "pid 12 (name)", for another thread than the first "pid 12 (name), thread
 * 13". */
void mp__report_thread(struct mp__report *report, pid_t pid, pid_t tid);

/* The same of a participant. 0, with nothing written: it is dead. */
int mp__report_participant(struct mp__report *report, uint64_t participant);

/* The same of whoever has the thread id. */
int mp__report_holder(struct mp__report *report, uint32_t tid);

/* " for 1.20 s". */
void mp__report_since(struct mp__report *report, const char *words,
                      mp_time since);

/* ---- Who waits ---- */

#define MP__WAITING_MOST 256u

struct mp__waiting {
    unsigned n; /* who wait; of these, so many are in the list: */
    unsigned listed;
    struct mp__waiting_thread list[MP__WAITING_MOST]; /* longest first */
};

/* Those who wait for what lies there: see mp__waiters_of(). The second adds
 * to them. */
void mp__waiting_in(struct mp__waiting *waiting, const void *from,
                    size_t size);
void mp__waiting_also_in(struct mp__waiting *waiting, const void *from,
                         size_t size);

/* "nobody waits", "1 waits", "2 wait". */
void mp__report_count(struct mp__report *report, unsigned waiting);

/* A line for each: "  pid 12 (name) waits for 1.20 s", and `what`. */
void mp__report_waiting(struct mp__report *report,
                        const struct mp__waiting *waiting, const char *what);

/* A line for each thread of a process that waits for an object: "  pid 12
 * (name) waits for 1.20 s, for lock 0x7f00". */
void mp__report_threads(struct mp__report *report, pid_t pid);
