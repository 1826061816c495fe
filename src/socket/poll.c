/* SPDX-License-Identifier: MIT */
/* The descriptor that the program watches.
 *
 * The socket alone does not tell all: messages may have been read ahead, and TLS
 * reads in records. So the program gets an epoll descriptor, with the socket in
 * it and a signal. The signal is up while a call would find something without a
 * look at the socket; who receives says so at the end of his turn.
 *
 * It may be sent to another process as if it were the socket: that is what
 * arrives, as long as all that has not been received is in there. */
#include "base/error.h"
#include "os/descriptors.h"
#include "os/epoll.h"
#include "socket/socket.h"
#include "tls/tls.h"

#include <errno.h>
#include <unistd.h>

int
mp__socket_has_surplus(const struct mp__socket *socket)
{
    const struct mp__arrivals *in = &socket->in;

    return in->from < in->to || in->headed || in->error ||
           (socket->tls && mp__tls_pending(socket->tls));
}

static void
set_signal(struct mp__socket *socket, int up)
{
    if (up && !socket->raised)
        mp__signal_raise(socket->surplus);
    else if (!up && socket->raised)
        mp__signal_lower(socket->surplus);
    socket->raised = up;
}

/* Who receives at this moment will not say what he leaves: the program is to
 * look for itself. */
static void
begin_to_show(struct mp__socket *socket, int epoll)
{
    int mine = mp__turn_take(&socket->receiving, MP_NOW) == 0;

    if (mine) {
        set_signal(socket, mp__socket_has_surplus(socket));
    } else {
        mp__signal_raise(socket->surplus);
        socket->raised = 1;
    }
    mp__store(&socket->outside, (uint32_t)epoll + 1);
    if (mine)
        mp__turn_give(&socket->receiving);
}

static int
open_watch(struct mp__socket *socket)
{
    int epoll = mp__epoll_open();
    int signal = mp__signal_open();
    int r = epoll < 0 ? epoll : signal < 0 ? signal : 0;

    if (r == 0)
        r = mp__epoll_add(epoll, socket->fd, EPOLLIN, NULL);
    if (r == 0)
        r = mp__epoll_add(epoll, signal, EPOLLIN, NULL);
    if (r == 0) {
        socket->surplus = signal;
        begin_to_show(socket, epoll);
        return epoll;
    }
    if (epoll >= 0)
        close(epoll);
    if (signal >= 0)
        close(signal);
    return mp__fail(r, "mp_conn_fd: no descriptor to be had: %s",
                    mp_strerror(r));
}

int
mp__socket_fd(mp_conn *conn)
{
    int r;
    struct mp__socket *socket = mp__socket_pin(conn, "mp_conn_fd", &r);

    if (!socket)
        return r;
    pthread_mutex_lock(&socket->lock);
    r = (int)mp__load(&socket->outside) - 1;
    if (r < 0)
        r = open_watch(socket);
    pthread_mutex_unlock(&socket->lock);
    mp__socket_unpin(socket);
    return r;
}

void
mp__socket_show(struct mp__socket *socket, ssize_t r)
{
    set_signal(socket, r != -EAGAIN && r != -ETIMEDOUT &&
                           mp__socket_has_surplus(socket));
}

/* ---- Handing on ---- */

struct search {
    int fd, result;
};

static int
is_behind(struct mp__private *half, void *arg)
{
    struct mp__socket *socket = MP__CONTAINER(half, struct mp__socket, half);
    struct search *search = arg;

    if (half->ops != &mp__socket_private_ops ||
        (int)mp__load(&socket->outside) - 1 != search->fd)
        return 0;
    search->result = -EBUSY;
    if (socket->tls) {
        search->result = -ENOTSUP;
    } else if (mp__turn_take(&socket->receiving, MP_NOW) == 0) {
        if (!mp__socket_has_surplus(socket))
            search->result = socket->fd;
        mp__turn_give(&socket->receiving);
    }
    return 1;
}

int
mp__socket_behind(int fd, const char *function)
{
    struct search search = {.fd = fd, .result = fd};

    if (!mp__private_each(is_behind, &search))
        return fd;
    if (search.result == -EBUSY)
        return mp__fail(-EBUSY,
                        "%s: the connection behind descriptor %d has messages "
                        "that were not received",
                        function, fd);
    if (search.result == -ENOTSUP)
        return mp__fail(-ENOTSUP,
                        "%s: the connection behind descriptor %d has TLS, "
                        "which cannot be handed on",
                        function, fd);
    return search.result;
}
