/* SPDX-License-Identifier: MIT */
/* Where lines of a log go: a file, a pipe, a terminal. See log_file.c. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The program may close our descriptor, and open another file in its place: it
 * is looked at before each use. */
struct mp__log_file {
    int fd;
    dev_t device;
    ino_t inode;
    mode_t mode;
};

/* Opens a file for appending, made if need be. 0 or -errno. */
int mp__log_file_open(struct mp__log_file *file, const char *path);
/* A descriptor as it is. 0 or -errno. */
int mp__log_file_of(struct mp__log_file *file, int fd);
/* Tells files apart; never 0. */
uint64_t mp__log_file_key(const struct mp__log_file *file);

/* Whether the descriptor is that file still; and closes it if so. */
int mp__log_file_is_open(const struct mp__log_file *file);
void mp__log_file_close(struct mp__log_file *file);

/* Writes it all, however long that takes. 0 or -errno; *ret_done: how many
 * bytes were written all the same. Never SIGPIPE. */
int mp__log_file_write(const struct mp__log_file *file, const char *text,
                       size_t size, size_t *ret_done);

/* Whether a text of `size` bytes, whose writer died or failed, has left no half
 * line there. */
int mp__log_file_is_whole(const struct mp__log_file *file, size_t size);
