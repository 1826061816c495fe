/* SPDX-License-Identifier: MIT */
/* Files in /dev/shm.
 *
 * A file is made without a name (O_TMPFILE), gets its memory, and then its
 * name, by link(): which fails if the name is taken, and is the moment from
 * which on others see it, whole. Killed before that, the kernel frees it with
 * the descriptor. Where there are no files without names, it has an interim
 * one, hidden and random, and is renamed; a kill in between leaves that.
 *
 * A process that writes to a page that cannot be had gets a SIGBUS. So memory
 * is committed by fallocate(), which fails instead. Where the file system is
 * larger than the machine even that would not fail but kill somebody: hence the
 * question for what is left. */
#include "os/shared_file.h"

#include "os/descriptors.h"
#include "os/mapping.h"
#include "os/meminfo.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FOLDER "/dev/shm"
#define PATH   (sizeof(FOLDER) + 1 + 255)

static const char *
path_of(char path[PATH], const char *name)
{
    snprintf(path, PATH, "%s/%s", FOLDER, name);
    return path;
}

/* ---- Making ---- */

static int
make_hidden(struct mp__shared_file *file, uint32_t mode)
{
    char path[PATH];
    uint64_t random;

    do {
        mp__random(&random, sizeof(random));
        snprintf(file->interim, sizeof(file->interim), ".mproc-%016llx",
                 (unsigned long long)random);
        file->fd =
            mp__fd_high(open(path_of(path, file->interim),
                             O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode));
    } while (file->fd == -EEXIST);
    return file->fd < 0 ? file->fd : 0;
}

int
mp__shared_file_make(struct mp__shared_file *file, uint32_t mode)
{
    file->interim[0] = 0;
    file->fd = mp__fd_high(open(FOLDER, O_TMPFILE | O_RDWR | O_CLOEXEC, mode));
    /* A file system that has no such files, or a kernel that does not know
     * them, and takes this for writing to a folder. */
    if (file->fd == -EOPNOTSUPP || file->fd == -EISDIR || file->fd == -EINVAL)
        return make_hidden(file, mode);
    if (file->fd == -ENOENT || file->fd == -ENOTDIR)
        return -ENOTSUP; /* there is no such folder */
    return file->fd < 0 ? file->fd : 0;
}

int
mp__shared_file_publish(struct mp__shared_file *file, const char *name)
{
    char path[PATH], own[PATH];

    path_of(path, name);
    if (file->interim[0]) {
        /* Not every C library has a function for it. */
        if (syscall(SYS_renameat2, AT_FDCWD, path_of(own, file->interim),
                    AT_FDCWD, path, 1 /* RENAME_NOREPLACE */) < 0)
            return -errno;
        file->interim[0] = 0;
        return 0;
    }
    snprintf(own, sizeof(own), "/proc/self/fd/%d", file->fd);
    if (linkat(AT_FDCWD, own, AT_FDCWD, path, AT_SYMLINK_FOLLOW) == 0)
        return 0;
    if (errno != ENOENT) /* else there is no /proc */
        return -errno;
    return linkat(file->fd, "", AT_FDCWD, path, AT_EMPTY_PATH) < 0 ? -errno
                                                                   : 0;
}

void
mp__shared_file_close(struct mp__shared_file *file)
{
    char path[PATH];

    if (file->interim[0])
        unlink(path_of(path, file->interim));
    close(file->fd);
}

int
mp__shared_file_commit(int fd, size_t size)
{
    struct rlimit limit;
    struct stat status;
    uint64_t there;

    if (fstat(fd, &status) < 0)
        return -ENOMEM;
    there = (uint64_t)status.st_blocks * 512;
    if (there >= size)
        return 0;
    /* Beyond the limit of file sizes the kernel sends SIGXFSZ. */
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 &&
        limit.rlim_cur != RLIM_INFINITY && size > limit.rlim_cur)
        return -ENOMEM;
    if (size - there > mp__memory_spare(mp__memory_available("")))
        return -ENOMEM;
    return mp__file_commit(fd, 0, size) < size ? -ENOMEM : 0;
}

/* ---- Using ---- */

int
mp__shared_file_open(const char *name, int readonly, size_t *ret_size)
{
    int flags = O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
    char path[PATH];
    struct stat status;
    int fd;

    flags |= readonly ? O_RDONLY : O_RDWR;
    fd = mp__fd_high(open(path_of(path, name), flags));
    if (fd < 0)
        return fd == -EISDIR || fd == -ELOOP || fd == -ENXIO ? -EINVAL : fd;
    if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode)) {
        close(fd);
        return -EINVAL;
    }
    *ret_size = (size_t)status.st_size;
    return fd;
}

int
mp__shared_file_map(int fd, size_t size, int readonly, void **ret_data)
{
    int access = readonly ? PROT_READ : PROT_READ | PROT_WRITE;
    void *p = mmap(NULL, size, access, MAP_SHARED, fd, 0);

    if (p == MAP_FAILED)
        return -errno;
    *ret_data = p;
    return 0;
}

void
mp__shared_file_unmap(void *data, size_t size)
{
    munmap(data, size);
}

int
mp__shared_file_unlink(const char *name)
{
    char path[PATH];

    return unlink(path_of(path, name)) < 0 ? -errno : 0;
}
