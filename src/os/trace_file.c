/* SPDX-License-Identifier: MIT */
/* A file of trace events.
 *
 * Two bytes of the file, which need not be there, are locked; the system gives
 * up the locks of a process that dies.
 *
 *   DOOR    by who looks at the end of the file, and changes it
 *   INSIDE  shared, by all who have it open: the last to leave finds nobody and
 *           ends the array, who opens it then takes that end away
 *
 * A process that is killed while it writes may leave half an event. The next
 * one that appends sees by the last bytes that it is no whole one, and cuts it
 * off. So whoever reads the file while it grows, or when nobody was left to end
 * it, finds whole events, but for the very last; viewers know how to read
 * that. */
#include "os/trace_file.h"

#include "os/descriptors.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DOOR   0
#define INSIDE 1

static const char whole[] = "}}";     /* how an event ends */
static const char closed[] = "\n]\n"; /* how the file ends */

/* F_RDLCK, F_WRLCK or F_UNLCK. 0 or -errno, -EBUSY. */
static int
lock(int fd, int command, short type, off_t byte)
{
    struct flock flock = {
        .l_type = type,
        .l_whence = SEEK_SET,
        .l_start = byte,
        .l_len = 1,
    };
    int r;

    do
        r = fcntl(fd, command, &flock);
    while (r < 0 && errno == EINTR);
    if (r == 0)
        return 0;
    return errno == EACCES || errno == EAGAIN ? -EBUSY : -errno;
}

static off_t
size_of(int fd)
{
    struct stat st;

    return fstat(fd, &st) < 0 ? -1 : st.st_size;
}

/* Whether the bytes before `end` are these. */
static int
ends_in(int fd, off_t end, const char *text)
{
    char tail[8];
    const size_t n = strlen(text);

    return end >= (off_t)n &&
           pread(fd, tail, n, end - (off_t)n) == (ssize_t)n &&
           memcmp(tail, text, n) == 0;
}

/* All or nothing, unless we are killed. */
static int
append(int fd, const char *text, size_t size)
{
    const off_t before = size_of(fd);
    size_t done = 0;

    while (done < size) {
        ssize_t n = write(fd, text + done, size - done);
        int r = n < 0 ? errno : 0;

        if (n < 0 && r != EINTR) {
            if (before >= 0 && ftruncate(fd, before) < 0)
                return -errno;
            return -r;
        }
        done += n > 0 ? (size_t)n : 0;
    }
    return 0;
}

/* ---- Opening ---- */

static int
has_key(int fd, const char *key)
{
    char head[512];
    ssize_t n = pread(fd, head, sizeof(head) - 1, 0);

    if (n <= 0)
        return 0;
    head[n] = '\0';
    return strstr(head, key) != NULL;
}

static int
begin(int fd, const char *key)
{
    char head[256];
    int n;

    /* Nobody may be writing to what we are about to empty. */
    if (lock(fd, F_SETLK, F_WRLCK, INSIDE) < 0)
        return -EBUSY;
    n = snprintf(head, sizeof(head),
                 "[\n{\"name\":\"trace\",\"ph\":\"M\",\"pid\":%d,\"tid\":%d,"
                 "\"args\":{\"family\":\"%.64s\"}}",
                 (int)getpid(), (int)getpid(), key);
    return ftruncate(fd, 0) < 0 ? -errno : append(fd, head, (size_t)n);
}

static int
enter(int fd, const char *key, int make)
{
    off_t size = size_of(fd);

    if (!has_key(fd, key)) {
        int r = make ? begin(fd, key) : -ESTALE;

        if (r < 0)
            return r;
    } else if (ends_in(fd, size, closed)) {
        if (ftruncate(fd, size - (off_t)strlen(closed)) < 0)
            return -errno;
    }
    return lock(fd, F_SETLKW, F_RDLCK, INSIDE);
}

int
mp__trace_file_open(struct mp__trace_file *file, const char *path,
                    const char *key, int make)
{
    int flags = O_RDWR | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    int fd = mp__fd_high(open(path, flags | (make ? O_CREAT : 0), 0666));
    struct stat st;
    int r;

    if (fd < 0)
        return fd;
    r = fstat(fd, &st) < 0 ? -errno : S_ISREG(st.st_mode) ? 0 : -EINVAL;
    if (r == 0)
        r = lock(fd, F_SETLKW, F_WRLCK, DOOR);
    if (r == 0)
        r = enter(fd, key, make);
    if (r < 0) {
        close(fd); /* which gives up the locks */
        return r;
    }
    lock(fd, F_SETLK, F_UNLCK, DOOR);
    *file = (struct mp__trace_file){fd, st.st_dev, st.st_ino};
    return 0;
}

/* ---- Writing and closing ---- */

/* Cuts off what a process has left that was killed while it wrote. */
static int
mend(int fd)
{
    off_t size = size_of(fd), end = size;

    while (end > 0 && !ends_in(fd, end, whole))
        end--;
    if (end == size)
        return 0;
    return ftruncate(fd, end) < 0 ? -errno : 0;
}

static int
is_ours(const struct mp__trace_file *file)
{
    struct stat st;

    return fstat(file->fd, &st) == 0 && st.st_dev == file->device &&
           st.st_ino == file->inode;
}

/* How much of the text, in whole events, the file has there. */
static size_t
written(int fd, off_t at, const char *text, size_t size)
{
    size_t same = 0, i = 0;
    char piece[4096];
    ssize_t n;

    do {
        n = pread(fd, piece, sizeof(piece), at + (off_t)same);
        for (i = 0; n > 0 && i < (size_t)n && same < size; i++, same++)
            if (piece[i] != text[same])
                break;
    } while (n > 0 && i == (size_t)n);
    while (same > 0 && same < size &&
           (text[same] != ',' || text[same + 1] != '\n'))
        same--;
    return same;
}

int
mp__trace_file_append(const struct mp__trace_file *file, const char *text,
                      size_t size, mp__a64 *place)
{
    int r = is_ours(file) ? lock(file->fd, F_SETLKW, F_WRLCK, DOOR) : -EBADF;
    uint64_t before = mp__load(place);
    size_t done = 0;

    if (r < 0)
        return r;
    r = mend(file->fd);
    if (before)
        done = written(file->fd, (off_t)(before - 1), text, size);
    else
        mp__store(place, (uint64_t)size_of(file->fd) + 1);
    if (r == 0)
        r = append(file->fd, text + done, size - done);
    lock(file->fd, F_SETLK, F_UNLCK, DOOR);
    return r;
}

void
mp__trace_file_close(struct mp__trace_file *file)
{
    if (is_ours(file) && lock(file->fd, F_SETLKW, F_WRLCK, DOOR) == 0 &&
        lock(file->fd, F_SETLK, F_WRLCK, INSIDE) == 0 && mend(file->fd) == 0)
        append(file->fd, closed, strlen(closed));
    mp__trace_file_drop(file);
}

void
mp__trace_file_drop(struct mp__trace_file *file)
{
    if (is_ours(file))
        close(file->fd);
    file->fd = -1;
}
