/* SPDX-License-Identifier: MIT */
/* Files in /dev/shm: memory that has a name. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* A file that is being made. */
struct mp__shared_file {
    int fd;
    char interim[32]; /* its name meanwhile, if it must have one; else "" */
};

/* Makes an empty file that nobody can open. 0 or -errno. */
int mp__shared_file_make(struct mp__shared_file *file, uint32_t mode);

/* Gives it its name: -EEXIST if another has it. */
int mp__shared_file_publish(struct mp__shared_file *file, const char *name);

/* Closes it; a file that was not published is gone. */
void mp__shared_file_close(struct mp__shared_file *file);

/* Commits all that lies below `size`, and makes the file that long if it is
 * shorter: no access to it fails from then on. 0 or -ENOMEM. */
int mp__shared_file_commit(int fd, size_t size);

/* A descriptor of the file of that name, and its size; or -errno, -EINVAL if
 * it is no regular file. */
int mp__shared_file_open(const char *name, int readonly, size_t *ret_size);

/* Maps all of it. 0 or -errno. */
int mp__shared_file_map(int fd, size_t size, int readonly, void **ret_data);
void mp__shared_file_unmap(void *data, size_t size);

/* Removes the name. 0 or -errno. */
int mp__shared_file_unlink(const char *name);
