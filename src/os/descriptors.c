/* SPDX-License-Identifier: MIT */
/* File descriptors. All are close-on-exec from birth, and above the standard
 * streams' numbers: in a program that was started without those, a later open
 * for one would hit ours. */
#include "os/descriptors.h"

#include "os/mapping.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

int
mp__fd_high(int fd)
{
    int high, error;

    if (fd < 0)
        return -errno;
    if (fd > 2)
        return fd;
    high = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    error = errno;
    close(fd);
    return high < 0 ? -error : high;
}

void
mp__fd_above(int *fd, int top)
{
    int high;

    if (*fd < 0 || *fd > top)
        return;
    high = fcntl(*fd, F_DUPFD_CLOEXEC, top + 1);
    if (high < 0)
        return;
    close(*fd);
    *fd = high;
}

int
mp__fd_is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

int
mp__fd_is_memory(int fd)
{
    return fcntl(fd, F_GET_SEALS) >= 0; /* EINVAL for all others */
}

int
mp__fd_set_cloexec(int fd, int on)
{
    return fcntl(fd, F_SETFD, on ? FD_CLOEXEC : 0) < 0 ? -errno : 0;
}

static int
compare_ints(const void *a, const void *b)
{
    int x = *(const int *)a;
    int y = *(const int *)b;

    return (x > y) - (x < y);
}

/* For kernels before 5.9. */
static void
close_listed(unsigned first, unsigned last)
{
    DIR *dir = opendir("/proc/self/fd");
    struct dirent *entry;

    while (dir && (entry = readdir(dir))) {
        unsigned long fd = strtoul(entry->d_name, NULL, 10);

        if (entry->d_name[0] != '.' && fd >= first && fd <= last &&
            (int)fd != dirfd(dir))
            close((int)fd);
    }
    if (dir)
        closedir(dir);
}

static void
close_between(unsigned first, unsigned last)
{
    if (first <= last && syscall(SYS_close_range, first, last, 0) < 0)
        close_listed(first, last);
}

void
mp__fds_close_others(int *keep, size_t n)
{
    unsigned first = 3;

    qsort(keep, n, sizeof(*keep), compare_ints);
    for (size_t i = 0; i < n; i++) {
        if (keep[i] < (int)first)
            continue;
        close_between(first, (unsigned)keep[i] - 1);
        first = (unsigned)keep[i] + 1;
    }
    close_between(first, UINT_MAX);
}

int
mp__fds_move(int *from, const int *to, size_t n)
{
    int top = 2;

    for (size_t i = 0; i < n; i++)
        top = to[i] > top ? to[i] : top;
    /* First all out of the way of each other. */
    for (size_t i = 0; i < n; i++) {
        int high = fcntl(from[i], F_DUPFD_CLOEXEC, top + 1);

        if (high < 0)
            return -errno;
        close(from[i]);
        from[i] = high;
    }
    for (size_t i = 0; i < n; i++) {
        if (dup2(from[i], to[i]) < 0)
            return -errno;
        close(from[i]);
    }
    return 0;
}

int
mp__fd_null(void)
{
    int fd = mp__fd_high(open("/dev/null", O_RDONLY | O_CLOEXEC));

    return fd < 0 ? mp__memfd_create("null", 0) : fd;
}

int
mp__signal_open(void)
{
    return mp__fd_high(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
}

void
mp__signal_raise(int fd)
{
    eventfd_write(fd, 1);
}

void
mp__signal_lower(int fd)
{
    eventfd_t count;

    eventfd_read(fd, &count);
}

int
mp__socket_pair(int ret_ends[2])
{
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return -errno;
    for (int i = 0; i < 2; i++) {
        ends[i] = mp__fd_high(ends[i]);
        if (ends[i] < 0) {
            close(ends[1 - i]);
            return ends[i];
        }
    }
    memcpy(ret_ends, ends, sizeof(ends));
    return 0;
}

union control {
    struct cmsghdr header;
    char space[CMSG_SPACE(MP__PASS_MAX * sizeof(int))];
};

int
mp__socket_send(int socket, const void *data, size_t size, const int *fds,
                size_t n)
{
    struct iovec part = {.iov_base = (void *)data, .iov_len = size};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    union control control;
    ssize_t sent;

    if (n > 0) {
        memset(&control, 0, sizeof(control));
        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE(n * sizeof(int));
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(n * sizeof(int));
        memcpy(CMSG_DATA(&control.header), fds, n * sizeof(int));
    }
    do
        sent = sendmsg(socket, &message, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent < 0 ? -errno : 0;
}

int
mp__socket_receive(int socket, void *data, size_t size, int *ret_fds,
                   size_t *ret_n)
{
    struct iovec part = {.iov_base = data, .iov_len = size};
    union control control;
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};
    struct cmsghdr *header;
    ssize_t got;

    do
        got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    while (got < 0 && errno == EINTR);
    if (got <= 0)
        return got < 0 ? -errno : 0;
    header = CMSG_FIRSTHDR(&message);
    *ret_n = 0;
    if (header && header->cmsg_type == SCM_RIGHTS) {
        *ret_n = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        memcpy(ret_fds, CMSG_DATA(header), *ret_n * sizeof(int));
    }
    return (size_t)got == size ? 1 : -EPROTO;
}
