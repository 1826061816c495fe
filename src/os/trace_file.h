/* SPDX-License-Identifier: MIT */
/* A file of trace events, to which many processes append: an array of JSON
 * objects, each of which ends in "}}". See trace_file.c. */
#pragma once

#include "base/atomic.h"

#include <stddef.h>
#include <sys/types.h>

/* The program may close our descriptor, and open another file in its place: it
 * is looked at before each use. */
struct mp__trace_file {
    int fd;
    dev_t device;
    ino_t inode;
};

/* Opens the file. `make`: it is emptied, unless it is one that began with the
 * text `key` already (which goes into its first event). 0; -errno; -EBUSY:
 * others are writing another trace there; -EINVAL: it is no regular file;
 * -ESTALE: not `make`, and it has another key. */
int mp__trace_file_open(struct mp__trace_file *file, const char *path,
                        const char *key, int make);

/* Appends events, each with ",\n" before it: all, or none. One thread of a
 * process at a time. *place, 0 at first, says meanwhile where: who finds it so
 * after the writer's death does the same again, and writes what is not there
 * yet. 0 or -errno. */
int mp__trace_file_append(const struct mp__trace_file *file, const char *text,
                          size_t size, mp__a64 *place);

/* Closes it; who is the last to do so ends the array. */
void mp__trace_file_close(struct mp__trace_file *file);
/* In a copy of the process that has opened it. */
void mp__trace_file_drop(struct mp__trace_file *file);
