/* SPDX-License-Identifier: MIT */
/* Descriptors through a local stream, as Python's
 * multiprocessing.reduction.send_handle() sends them: along with a byte 1 that
 * stands between two messages.
 *
 * A receiver that has no descriptor number left does not lose it: it looks at
 * that byte before it takes it. Only if the byte was read ahead, with messages
 * before it, the kernel has thrown the descriptor away by then; the call says
 * -EMFILE, and the next goes on with what is behind. */
#include "base/error.h"
#include "os/stream.h"
#include "socket/socket.h"

#include <errno.h>
#include <unistd.h>

#define MARK 1 /* how many descriptors there are */

static int
send_mark(struct mp__socket *socket, int fd, mp_time deadline)
{
    int r;

    if (socket->broken)
        return mp__fail(-EPIPE, "mp_conn_send_fd: the other end is gone, or "
                                "an earlier message went out in part");
    for (;;) {
        r = mp__stream_pass(socket->fd, MARK, fd);
        if (r == -EAGAIN)
            r = deadline == MP_NOW
                    ? -EAGAIN
                    : mp__socket_wait(socket, POLLOUT, deadline);
        else if (r == -EPIPE || r == -ECONNRESET)
            return -EPIPE;
        else if (r == -EBADF)
            return mp__fail(-EBADF,
                            "mp_conn_send_fd: %d is no open "
                            "descriptor",
                            fd);
        else
            return r;
        if (r < 0)
            return r;
    }
}

int
mp__socket_send_fd(mp_conn *conn, int fd, mp_time deadline)
{
    int r;
    struct mp__socket *socket = mp__socket_pin(conn, "mp_conn_send_fd", &r);

    if (!socket)
        return r;
    if (!socket->local)
        r = mp__fail(-ENOTSUP, "mp_conn_send_fd: descriptors do not travel "
                               "through TCP");
    else
        r = mp__turn_take(&socket->sending, deadline);
    if (r == 0) {
        r = send_mark(socket, fd, deadline);
        mp__turn_give(&socket->sending);
    }
    mp__socket_unpin(socket);
    return r;
}

/* Nothing is ahead: the next byte of the stream, with what comes along. 0: it
 * is another message's. */
static int
take_from_stream(struct mp__socket *socket, mp_time deadline, int *ret_fd)
{
    unsigned char byte;
    struct iovec part = {&byte, 1};
    int got, r;

    for (;;) {
        got = mp__stream_peek_passed(socket->fd, &byte, ret_fd);
        if (got != -EAGAIN)
            break;
        r = deadline == MP_NOW ? -EAGAIN
                               : mp__socket_wait(socket, POLLIN, deadline);
        if (r < 0)
            return r;
    }
    if (got <= 0 || *ret_fd == MP__STREAM_NONE)
        return 0;
    if (*ret_fd == MP__STREAM_LOST)
        return mp__fail(-EMFILE, "mp_conn_recv_fd: this process can have no "
                                 "more descriptors");
    mp__stream_read(socket->fd, &part, 1);
    return byte == MARK ? 1
                        : mp__socket_spoil(socket, "a descriptor came with "
                                                   "another byte than 1");
}

static int
receive_mark(struct mp__socket *socket, mp_time deadline)
{
    struct mp__arrivals *in = &socket->in;
    int fd = -1, r;

    if (!in->headed && in->from == in->to && in->passed == MP__STREAM_NONE &&
        !in->error) {
        r = take_from_stream(socket, deadline, &fd);
        if (r < 0 && fd >= 0)
            close(fd);
        if (r != 0)
            return r < 0 ? r : fd;
    }
    r = mp__socket_head(socket, deadline);
    if (r != -ENOMSG)
        return r < 0 ? r
                     : mp__fail(-ENOMSG, "mp_conn_recv_fd: a message is next, "
                                         "and no descriptor");
    fd = in->passed;
    in->passed = MP__STREAM_NONE;
    if (in->ahead[in->from++] != MARK) {
        if (fd >= 0)
            close(fd);
        return mp__socket_spoil(socket, "a descriptor came with another byte "
                                        "than 1");
    }
    return fd >= 0 ? fd
                   : mp__fail(-EMFILE,
                              "mp_conn_recv_fd: a descriptor came when this "
                              "process could have no more: it is lost");
}

int
mp__socket_recv_fd(mp_conn *conn, mp_time deadline)
{
    int r;
    struct mp__socket *socket = mp__socket_pin(conn, "mp_conn_recv_fd", &r);

    if (!socket)
        return r;
    if (!socket->local)
        r = mp__fail(-ENOTSUP, "mp_conn_recv_fd: descriptors do not travel "
                               "through TCP");
    else
        r = mp__turn_take(&socket->receiving, deadline);
    if (r == 0) {
        r = receive_mark(socket, deadline);
        if (mp__load_relaxed(&socket->outside))
            mp__socket_show(socket, r);
        mp__turn_give(&socket->receiving);
    }
    mp__socket_unpin(socket);
    return r;
}
