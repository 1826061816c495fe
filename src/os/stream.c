/* SPDX-License-Identifier: MIT */
/* The system calls about streams.
 *
 * Descriptors pass through local sockets as control data of the message that
 * they were sent with (SCM_RIGHTS). The kernel ends a read behind such a
 * message: that is how they are known to belong to the last byte. What a reader
 * gives no room for it closes. */
#include "os/stream.h"

#include "os/clock.h"
#include "os/descriptors.h"
#include "os/poll.h"
#include "os/stream_name.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#define HOUR ((mp_time)3600 * 1000000000)

static void
set_number(int fd, int level, int option, int value)
{
    setsockopt(fd, level, option, &value, sizeof(value));
}

static int
get_number(int fd, int option, int *ret_value)
{
    socklen_t size = sizeof(*ret_value);

    return getsockopt(fd, SOL_SOCKET, option, ret_value, &size) < 0 ? -errno
                                                                    : 0;
}

int
mp__stream_open(const struct mp__stream_name *name)
{
    return mp__fd_high(
        socket(name->as.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

int
mp__stream_set_blocking(int fd, int on)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0)
        return -errno;
    flags = on ? flags & ~O_NONBLOCK : flags | O_NONBLOCK;
    return fcntl(fd, F_SETFL, flags) < 0 ? -errno : 0;
}

void
mp__stream_tune(int fd)
{
    set_number(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    set_number(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_number(fd, IPPROTO_TCP, TCP_KEEPIDLE, 60);
    set_number(fd, IPPROTO_TCP, TCP_KEEPINTVL, 10);
    set_number(fd, IPPROTO_TCP, TCP_KEEPCNT, 6);
}

void
mp__stream_patience(int fd, double seconds)
{
    /* The kernel's unit is a second here, and a millisecond there. */
    int idle = seconds > 2 ? seconds < 1e6 ? (int)(seconds / 2) : 500000 : 1;
    int probe = idle / 4 > 1 ? idle / 4 : 1;

    set_number(fd, IPPROTO_TCP, TCP_KEEPIDLE, idle < 32767 ? idle : 32767);
    set_number(fd, IPPROTO_TCP, TCP_KEEPINTVL, probe < 32767 ? probe : 32767);
    set_number(fd, IPPROTO_TCP, TCP_USER_TIMEOUT,
               seconds < 2e6 ? (int)(seconds * 1000) : 2000000000);
}

void
mp__stream_quick(int fd)
{
    set_number(fd, IPPROTO_TCP, TCP_QUICKACK, 1);
}

int
mp__stream_kind(int fd)
{
    struct mp__stream_name peer = {.size = sizeof(peer.as)};
    int domain, type, listens, r;

    if ((r = get_number(fd, SO_TYPE, &type)) < 0 ||
        (r = get_number(fd, SO_DOMAIN, &domain)) < 0 ||
        (r = get_number(fd, SO_ACCEPTCONN, &listens)) < 0)
        return r == -ENOTSOCK ? -EINVAL : r;
    if (type != SOCK_STREAM || listens)
        return -EINVAL;
    if (getpeername(fd, &peer.as.any, &peer.size) < 0)
        return -errno;
    return domain == AF_UNIX ? MP__STREAM_LOCAL : MP__STREAM_TCP;
}

/* ---- Coming together ---- */

/* A local connect() waits inside while the line of those who call is full, as
 * long as the socket's timeout for sending; and only where there is one does a
 * signal always end it. */
static int
connect_local(int fd, const struct mp__stream_name *name, mp_time deadline)
{
    struct timeval none = {0}, t;
    mp_time left;
    int r;

    do {
        left = deadline == MP_FOREVER ? HOUR : deadline - mp__now();
        if (left < 1000)
            left = 1000;
        t = (struct timeval){left / 1000000000, left % 1000000000 / 1000};
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof(t));
        if (connect(fd, &name->as.any, name->size) == 0) {
            setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &none, sizeof(none));
            return 0;
        }
        if (errno != EAGAIN)
            return -errno;
        r = mp__expired(deadline);
    } while (r == 0);
    return r;
}

static int
connect_tcp(int fd, const struct mp__stream_name *name, mp_time deadline)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    int r, error;

    r = mp__stream_set_blocking(fd, 0);
    if (r < 0 || connect(fd, &name->as.any, name->size) == 0)
        return r;
    if (errno != EINPROGRESS)
        return -errno;
    r = mp__poll(&p, 1, deadline);
    if (r > 0)
        r = get_number(fd, SO_ERROR, &error);
    return r < 0 ? r : -error;
}

int
mp__stream_connect(int fd, const struct mp__stream_name *name,
                   mp_time deadline)
{
    return name->as.any.sa_family == AF_UNIX
               ? connect_local(fd, name, deadline)
               : connect_tcp(fd, name, deadline);
}

int
mp__stream_bind(int fd, const struct mp__stream_name *name)
{
    /* Connections of a listener that is gone, which linger on, do not count. */
    set_number(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    return bind(fd, &name->as.any, name->size) < 0 ? -errno : 0;
}

int
mp__stream_listen(int fd, uint32_t backlog)
{
    if (listen(fd, backlog > INT_MAX ? INT_MAX : (int)backlog) < 0)
        return -errno;
    return mp__stream_set_blocking(fd, 0);
}

int
mp__stream_accept(int fd)
{
    return mp__fd_high(accept4(fd, NULL, NULL, SOCK_CLOEXEC));
}

int
mp__stream_peer_user(int fd, uint32_t *ret_user)
{
    struct ucred peer;
    socklen_t size = sizeof(peer);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
        return -errno;
    *ret_user = peer.uid;
    return 0;
}

/* ---- Reading ---- */

static ssize_t
receive(int fd, struct msghdr *message, int flags)
{
    ssize_t n;

    do
        n = recvmsg(fd, message, flags | MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

ssize_t
mp__stream_read(int fd, const struct iovec *parts, unsigned n)
{
    struct msghdr message = {.msg_iov = (struct iovec *)parts,
                             .msg_iovlen = n};

    return receive(fd, &message, 0);
}

/* The descriptor among the control data. */
static int
take_passed(struct msghdr *message, int *ret_passed)
{
    struct cmsghdr *header = CMSG_FIRSTHDR(message);
    int cut = message->msg_flags & MSG_CTRUNC, fd;

    *ret_passed = cut ? MP__STREAM_LOST : MP__STREAM_NONE;
    if (!header || header->cmsg_level != SOL_SOCKET ||
        header->cmsg_type != SCM_RIGHTS ||
        header->cmsg_len < CMSG_LEN(sizeof(fd)))
        return 0;
    memcpy(&fd, CMSG_DATA(header), sizeof(fd));
    if (cut) {
        close(fd);
        return -EPROTO;
    }
    fd = mp__fd_high(fd);
    *ret_passed = fd < 0 ? MP__STREAM_LOST : fd;
    return 0;
}

static ssize_t
receive_passed(int fd, const struct iovec *parts, unsigned n, int flags,
               int *ret_passed)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    struct msghdr message = {
        .msg_iov = (struct iovec *)parts,
        .msg_iovlen = n,
        .msg_control = &control,
        .msg_controllen = CMSG_LEN(sizeof(int)), /* room for one */
    };
    ssize_t got = receive(fd, &message, flags);
    int r;

    *ret_passed = MP__STREAM_NONE;
    if (got <= 0 ||
        (message.msg_controllen == 0 && !(message.msg_flags & MSG_CTRUNC)))
        return got;
    r = take_passed(&message, ret_passed);
    return r < 0 ? r : got;
}

ssize_t
mp__stream_read_passed(int fd, const struct iovec *parts, unsigned n,
                       int *ret_passed)
{
    return receive_passed(fd, parts, n, 0, ret_passed);
}

int
mp__stream_peek_passed(int fd, unsigned char *ret_byte, int *ret_passed)
{
    unsigned char bytes[2];
    struct iovec part = {bytes, 2};
    ssize_t n = receive_passed(fd, &part, 1, MSG_PEEK, ret_passed);

    if (n <= 0)
        return (int)n;
    *ret_byte = bytes[0];
    /* A look that is filled goes on to the next message and takes in what came
     * along with that. */
    if (n == 2) {
        if (*ret_passed >= 0)
            close(*ret_passed);
        *ret_passed = MP__STREAM_NONE;
    }
    return 1;
}

/* ---- Writing ---- */

static ssize_t
transmit(int fd, const struct msghdr *message)
{
    ssize_t n;

    do
        n = sendmsg(fd, message, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

ssize_t
mp__stream_write(int fd, const struct iovec *parts, unsigned n)
{
    struct msghdr message = {.msg_iov = (struct iovec *)parts,
                             .msg_iovlen = n};

    return transmit(fd, &message);
}

int
mp__stream_pass(int fd, unsigned char byte, int passed)
{
    struct iovec part = {.iov_base = &byte, .iov_len = 1};
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control = {.space = {0}};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};
    ssize_t n;

    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    control.header.cmsg_len = CMSG_LEN(sizeof(passed));
    memcpy(CMSG_DATA(&control.header), &passed, sizeof(passed));
    n = transmit(fd, &message);
    return n < 0 ? (int)n : 0;
}

void
mp__stream_end(int fd)
{
    shutdown(fd, SHUT_WR);
}

void
mp__stream_abort(int fd)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};

    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}
