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
 * the rest. (send.c)
 *
 * Receiving reads ahead, so that many small messages cost one system call, and
 * keeps what has come of a message when a deadline passes: it is lost only with
 * the process. (read.c, receive.c) */
#include "socket/socket.h"

#include "tls/tls.h"

#include <stdlib.h>
#include <unistd.h>

static struct mp__private_cell *
cell_of(void *object)
{
    struct mp__socket_cell *cell = object;

    return cell->conn.kind == MP__CONN_SOCKET ? &cell->private : NULL;
}

const struct mp__private_class mp__socket_class = {
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

    int epoll = (int)mp__load(&socket->outside) - 1;

    if (epoll >= 0) { /* the program watches it: poll.c */
        close(socket->surplus);
        close(epoll);
    }
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

struct mp__socket *
mp__socket_pin(mp_conn *conn, const char *function, int *ret_error)
{
    struct mp__private *half;

    *ret_error = mp__private_pin(&half, conn, &mp__socket_class, function);
    return *ret_error < 0 ? NULL : socket_of(half);
}

int
mp__socket_close(mp_conn *conn)
{
    return mp__private_close(conn, &mp__socket_class, "mp_conn_close");
}

int
mp__socket_wait(struct mp__socket *socket, short events, mp_time deadline)
{
    struct pollfd p = {.fd = socket->fd, .events = events};

    return mp__private_wait(&socket->half, &p, deadline);
}
