/* SPDX-License-Identifier: MIT */
/* Connections over stream sockets: local ones, TCP, and TLS over TCP.
 *
 * The handle's cell says whose the connection is; all else is private
 * (private.h). Messages are Python's frames (frame.h). Threads take turns, one
 * at sending and one at receiving (turn.h): so messages never mix.
 *
 * Nothing waits but in poll(), with the alarm of private.c beside it: signals
 * end each wait, and closing does.
 *
 * A message leaves the process by one system call if there is room for it. If
 * the deadline passes when a part of it is out already, the stream cannot be
 * continued: it is ended, and the other end gets -EPROTO instead of waiting for
 * the rest. (socket_send.c)
 *
 * Receiving reads ahead, so that many small messages cost one system call, and
 * keeps what has come of a message when a deadline passes: it is lost only with
 * the process. (socket_read.c, socket_receive.c) */
#include "connection/socket.h"

#include "base/attr.h"
#include "connection/tls.h"
#include "os/descriptors.h"
#include "os/stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct cell {
    struct mp_conn conn;
    struct mp__private_cell private;
};

static struct mp__private_cell *
cell_of(void *object)
{
    struct cell *cell = object;

    return cell->conn.kind == MP__CONN_SOCKET ? &cell->private : NULL;
}

static const struct mp__private_class class = {
    .slab = MP__SLAB_CONN,
    .what = "a connection",
    .cell = cell_of,
};

/* ---- The private half ---- */

static struct mp__socket *
socket_of(struct mp__private *half)
{
    return MP__CONTAINER(half, struct mp__socket, half);
}

static void
wake(struct mp__private *half)
{
    struct mp__socket *socket = socket_of(half);

    mp__turn_over(&socket->sending);
    mp__turn_over(&socket->receiving);
}

static void
close_descriptors(struct mp__private *half)
{
    struct mp__socket *socket = socket_of(half);

    mp__socket_hide(socket);
    close(socket->fd);
    if (socket->in.passed >= 0)
        close(socket->in.passed);
}

static void
destroy(struct mp__private *half)
{
    struct mp__socket *socket = socket_of(half);

    if (socket->tls) {
        mp__tls_shutdown(socket->tls);
        mp__tls_free(socket->tls);
    }
    close_descriptors(half);
    pthread_mutex_destroy(&socket->lock);
    free(socket->in.ahead);
    free(socket->in.part);
    free(socket);
}

const struct mp__private_ops mp__socket_private_ops = {
    .wake = wake,
    .orphan = close_descriptors,
    .free = destroy,
};

static struct mp__socket *
new_socket(int fd, struct mp__tls *tls, uint64_t max_message)
{
    struct mp__socket *socket = calloc(1, sizeof(*socket));

    if (!socket)
        return NULL;
    socket->fd = fd;
    socket->tls = tls;
    socket->local = mp__stream_kind(fd) == MP__STREAM_LOCAL;
    socket->most = max_message ? max_message : UINT64_MAX;
    socket->in.passed = MP__STREAM_NONE;
    socket->surplus = -1;
    pthread_mutex_init(&socket->lock, NULL);
    return socket;
}

int
mp__socket_open(mp_conn **ret_conn, int fd, struct mp__tls *tls,
                uint64_t max_message, const char *function)
{
    struct mp__socket *socket;
    struct cell *cell;

    mp__private_collect(&class, 0);
    cell = mp__object_alloc(MP__SLAB_CONN, MP__CONN_CELL);
    if (!cell) {
        mp__private_collect(&class, 1);
        cell = mp__object_alloc(MP__SLAB_CONN, MP__CONN_CELL);
    }
    socket = cell ? new_socket(fd, tls, max_message) : NULL;
    if (!socket) {
        if (cell)
            mp__object_free(cell, MP__SLAB_CONN);
        return mp__fail(-ENOMEM, "%s: no memory for a connection", function);
    }
    cell->conn.kind = MP__CONN_SOCKET;
    cell->conn.can = MP__CONN_SEND | MP__CONN_RECEIVE;
    mp__private_publish(&socket->half, &mp__socket_private_ops, cell, &class);
    *ret_conn = &cell->conn;
    return 0;
}

int
mp_conn_open_fd(mp_conn **ret_conn, int fd, const mp_conn_attr *attr)
{
    mp_conn_attr a;
    int r = mp__enter();

    if (r < 0)
        return r;
    r = mp__attr_read(&a, sizeof(a), attr, 0, "mp_conn_open_fd");
    if (r < 0)
        return r;
    r = mp__stream_kind(fd);
    if (r < 0)
        return mp__fail(-EINVAL,
                        "mp_conn_open_fd: descriptor %d is no connected "
                        "stream socket: %s",
                        fd, mp_strerror(r));
    r = mp__socket_open(ret_conn, fd, NULL, a.max_message, "mp_conn_open_fd");
    if (r == 0)
        mp__fd_set_cloexec(fd, 1);
    return r;
}

struct mp__socket *
mp__socket_pin(mp_conn *conn, const char *function, int *ret_error)
{
    struct mp__private *half;

    *ret_error = mp__private_pin(&half, conn, &class, function);
    return *ret_error < 0 ? NULL : socket_of(half);
}

static int
close_socket(mp_conn *conn)
{
    return mp__private_close(conn, &class, "mp_conn_close");
}

int
mp__socket_wait(struct mp__socket *socket, short events, mp_time deadline)
{
    struct pollfd p = {.fd = socket->fd, .events = events};

    return mp__private_wait(&socket->half, &p, deadline);
}

const struct mp__conn_ops mp__socket_ops = {
    .send = mp__socket_send_message,
    .recv = mp__socket_receive_message,
    .next_size = mp__socket_next_size,
    .poll = mp__socket_poll,
    .recv_look = mp__socket_recv_look,
    .fd = mp__socket_fd,
    .send_fd = mp__socket_send_fd,
    .recv_fd = mp__socket_recv_fd,
    .close = close_socket,
};
