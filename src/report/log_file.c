/* SPDX-License-Identifier: MIT */
/* Where lines of a log go.
 *
 * One write() puts a line in one piece into a file that is open for appending,
 * into a terminal, and, up to PIPE_BUF bytes, into a pipe. The rest, and a
 * descriptor that does not block, take several; then it is for the caller to
 * see that no other writes between them. */
#include "report/log_file.h"

#include "os/descriptors.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* ---- Opening ---- */

int
mp__log_file_of(struct mp__log_file *file, int fd)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return -errno;
    *file = (struct mp__log_file){fd, st.st_dev, st.st_ino, st.st_mode};
    return 0;
}

int
mp__log_file_open(struct mp__log_file *file, const char *path)
{
    /* Not blocking: a FIFO without a reader would hold us up for ever. */
    int fd = mp__fd_high(
        open(path,
             O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
             0666));
    int r = fd < 0 ? fd : mp__log_file_of(file, fd);

    if (fd >= 0 && r < 0)
        close(fd);
    return r;
}

uint64_t
mp__log_file_key(const struct mp__log_file *file)
{
    uint64_t key = (uint64_t)file->inode ^ (uint64_t)file->device << 44;

    return key ? key : 1;
}

int
mp__log_file_is_open(const struct mp__log_file *file)
{
    struct mp__log_file found = {.fd = -1};

    return mp__log_file_of(&found, file->fd) == 0 &&
           found.device == file->device && found.inode == file->inode;
}

void
mp__log_file_close(struct mp__log_file *file)
{
    if (mp__log_file_is_open(file))
        close(file->fd);
    file->fd = -1;
}

/* ---- Writing ---- */

static int
await_room(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};

    return poll(&p, 1, -1) < 0 && errno != EINTR ? -errno : 0;
}

static int
write_all(int fd, const char *text, size_t size, size_t *ret_done)
{
    int r = 0;

    *ret_done = 0;
    while (*ret_done < size && r == 0) {
        ssize_t n = write(fd, text + *ret_done, size - *ret_done);

        if (n >= 0)
            *ret_done += (size_t)n;
        else if (errno == EAGAIN)
            r = await_room(fd);
        else if (errno != EINTR)
            r = -errno;
    }
    return r;
}

/* The signal that a write to a broken pipe sends to its thread is taken back,
 * unless there was one before that the program keeps waiting. */
int
mp__log_file_write(const struct mp__log_file *file, const char *text,
                   size_t size, size_t *ret_done)
{
    sigset_t pipe, before, pending;
    int r;

    if (S_ISREG(file->mode))
        return write_all(file->fd, text, size, ret_done);
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    sigpending(&pending);
    pthread_sigmask(SIG_BLOCK, &pipe, &before);
    r = write_all(file->fd, text, size, ret_done);
    if (r == -EPIPE && !sigismember(&pending, SIGPIPE))
        sigtimedwait(&pipe, NULL, &(struct timespec){0});
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return r;
}

/* ---- After a death ---- */

static int
ends_in_newline(int fd)
{
    char name[32], last = '\n';
    struct stat st;
    int copy;

    snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
    copy = open(name, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (copy < 0)
        return 0;
    if (fstat(copy, &st) == 0 && st.st_size > 0)
        (void)!pread(copy, &last, 1, st.st_size - 1);
    close(copy);
    return last == '\n';
}

int
mp__log_file_is_whole(const struct mp__log_file *file, size_t size)
{
    if (S_ISREG(file->mode))
        return ends_in_newline(file->fd);
    return size <= PIPE_BUF;
}
