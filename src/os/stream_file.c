/* SPDX-License-Identifier: MIT */
/* A local socket's file outlives the process that listened. Who comes next has
 * to tell a file that is in use from one that was left, and must not remove
 * somebody else's:
 *
 *   - A datagram socket that connects to it is told whether any socket is bound
 *     to the file (it is of the wrong type), or none (it is refused). Who
 *     listens notices nothing; and who has bound and does not listen yet counts
 *     as well.
 *   - Between that look and the removal another might have put his own file
 *     there. So all who do this hold a lock on the directory. It is waited for
 *     for a second at most: anybody who can read the directory can hold it.
 *
 * The mode of a socket's inode is that of its descriptor, less the umask: set
 * before, the file is at no time open to more than it is meant to be. */
#include "os/stream_file.h"

#include "os/descriptors.h"
#include "os/stream_name.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE 1000 /* milliseconds */

/* -1: without a lock. */
static int
lock_directory(const char *path)
{
    const struct timespec moment = {.tv_nsec = 1000000};
    const char *slash = strrchr(path, '/');
    char directory[MP__STREAM_PATH + 1];
    int fd;

    snprintf(directory, sizeof(directory), "%.*s", (int)(slash - path + 1),
             path);
    fd = mp__fd_high(open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (fd < 0)
        return -1;
    for (int i = 0; i < PATIENCE && flock(fd, LOCK_EX | LOCK_NB) < 0; i++)
        nanosleep(&moment, NULL);
    return fd;
}

static void
unlock_directory(int fd)
{
    if (fd >= 0)
        close(fd);
}

static int
look_at(const char *path, struct mp__stream_file *ret_file)
{
    struct stat s;

    if (lstat(path, &s) < 0)
        return -errno;
    ret_file->device = s.st_dev;
    ret_file->inode = s.st_ino;
    return S_ISSOCK(s.st_mode) ? 0 : -ENOTSOCK;
}

/* Whether some socket is bound to the file: 1, 0 or -errno. */
static int
is_in_use(const struct mp__stream_name *name)
{
    int fd = mp__fd_high(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    int r;

    if (fd < 0)
        return fd;
    r = connect(fd, &name->as.any, name->size) < 0 ? -errno : 0;
    close(fd);
    if (r == -ECONNREFUSED || r == -ENOENT)
        return 0;
    return r == 0 || r == -EPROTOTYPE ? 1 : r;
}

/* 0: what was there is gone. */
static int
clear_away(const char *path, const struct mp__stream_name *name)
{
    struct mp__stream_file found;
    int r = look_at(path, &found);

    if (r == 0)
        r = is_in_use(name);
    if (r > 0)
        return -EADDRINUSE;
    if (r == 0 && unlink(path) < 0)
        r = -errno;
    return r == -ENOENT ? 0 : r;
}

static int
bind_once(int fd, const struct mp__stream_name *name)
{
    return bind(fd, &name->as.any, name->size) < 0 ? -errno : 0;
}

int
mp__stream_bind_file(int fd, const char *path, uint32_t mode,
                     struct mp__stream_file *ret_file)
{
    struct mp__stream_name name;
    int lock, r;

    mp__stream_local_name(&name, path);
    if (fchmod(fd, mode) < 0)
        return -errno;
    lock = lock_directory(path);
    r = bind_once(fd, &name);
    if (r == -EADDRINUSE) {
        r = clear_away(path, &name);
        if (r == 0)
            r = bind_once(fd, &name);
    }
    if (r == 0) {
        /* What the umask took away. */
        r = chmod(path, mode) < 0 ? -errno : look_at(path, ret_file);
        if (r < 0)
            unlink(path);
    }
    unlock_directory(lock);
    return r;
}

void
mp__stream_remove_file(const char *path, const struct mp__stream_file *file)
{
    int lock = lock_directory(path);
    struct mp__stream_file found;

    if (look_at(path, &found) == 0 && found.device == file->device &&
        found.inode == file->inode)
        unlink(path);
    unlock_directory(lock);
}
