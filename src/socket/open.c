/* SPDX-License-Identifier: MIT */
/* Making a connection of a connected socket; and what one of this kind does. */
#include "socket/socket.h"

#include "base/attr.h"
#include "os/descriptors.h"
#include "os/stream.h"
#include "report/describe.h"

#include <errno.h>
#include <stdlib.h>

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
    struct mp__socket_cell *cell;

    mp__private_collect(&mp__socket_class, 0);
    cell = mp__object_alloc(MP__SLAB_CONN, MP__CONN_CELL);
    if (!cell) {
        mp__private_collect(&mp__socket_class, 1);
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
    mp__private_publish(&socket->half, &mp__socket_private_ops, cell,
                        &mp__socket_class);
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

/* What others see of it: whose it is. */
static void
describe(struct mp__report *report, mp_conn *conn)
{
    struct mp__socket_cell *cell = (struct mp__socket_cell *)(void *)conn;
    pid_t pid = (pid_t)mp__load_relaxed(&cell->private.pid);

    mp__report(report, ": over a socket, opened by ");
    mp__report_thread(report, pid, pid);
    mp__report(report, "\n");
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
    .close = mp__socket_close,
    .describe = describe,
};

__attribute__((constructor)) static void
register_kind(void)
{
    mp__conn_register();
}
