/* SPDX-License-Identifier: MIT */
/* The file of a local socket that listens. */
#pragma once

#include <stdint.h>

struct mp__stream_file {
    uint64_t device, inode;
};

/* Binds the socket to `path`, in a file of exactly that mode, in place of one
 * that no socket is bound to any more. 0; -EADDRINUSE: one is; -ENOTSOCK:
 * another file is there; -EACCES, ... */
int mp__stream_bind_file(int fd, const char *path, uint32_t mode,
                         struct mp__stream_file *ret_file);

/* Removes it, if it is still the same. To be called before the socket is
 * closed. */
void mp__stream_remove_file(const char *path,
                            const struct mp__stream_file *file);
