/* SPDX-License-Identifier: MIT */
/* Sending a message into a stream.
 *
 * Header and body leave by one system call; a small body is put behind its
 * header before, which is cheaper than two parts. TLS takes one piece at a time
 * and makes a record of it; a piece that could not be written must be given
 * again as it was.
 *
 * Once a part is out, signals do not interrupt it any more. If the deadline
 * passes by then nothing can be sent any more: the stream is ended there. */
#include "base/error.h"
#include "os/clock.h"
#include "os/stream.h"
#include "socket/socket.h"
#include "tls/tls.h"

#include <errno.h>
#include <string.h>

#define SMALL  4096u
#define RECORD 16384u /* bytes of a record of TLS, at most */

/* The message in the stream: what is in `start`, then what is at `data`. */
struct outgoing {
    size_t start_size;
    const unsigned char *data;
    size_t data_size;
    size_t sent; /* of both */
    unsigned char start[MP__FRAME_HEADER + SMALL];
};

static void
begin_message(struct outgoing *out, const void *data, size_t size, int tls)
{
    size_t header = mp__frame_write(out->start, size), copied = 0;

    if (size <= SMALL)
        copied = size;
    else if (tls)
        copied = SMALL;
    if (copied > 0)
        memcpy(out->start + header, data, copied);
    out->start_size = header + copied;
    out->data_size = size - copied;
    out->data = out->data_size ? (const unsigned char *)data + copied : NULL;
    out->sent = 0;
}

/* What is left of it: one or two parts. */
static unsigned
rest_of(const struct outgoing *out, struct iovec parts[2])
{
    unsigned n = 0;
    size_t of_data = 0;

    if (out->sent < out->start_size)
        parts[n++] = (struct iovec){(void *)(out->start + out->sent),
                                    out->start_size - out->sent};
    else
        of_data = out->sent - out->start_size;
    if (of_data < out->data_size)
        parts[n++] = (struct iovec){(void *)(out->data + of_data),
                                    out->data_size - of_data};
    return n;
}

ssize_t
mp__socket_write(struct mp__socket *socket, struct iovec *parts, unsigned n,
                 short *ret_wants)
{
    ssize_t r;

    *ret_wants = POLLOUT;
    if (!socket->tls)
        return mp__stream_write(socket->fd, parts, n);
    if (parts[0].iov_len > RECORD)
        parts[0].iov_len = RECORD;
    r = mp__tls_write(socket->tls, parts[0].iov_base, parts[0].iov_len);
    if (r == MP__TLS_READ)
        *ret_wants = POLLIN;
    return r == MP__TLS_READ || r == MP__TLS_WRITE ? -EAGAIN : r;
}

/* Waits for room; with a part out already, signals or not. */
static int
wait_for_room(struct mp__socket *socket, short wants, int begun,
              mp_time deadline)
{
    int r;

    do
        r = deadline == MP_NOW ? -EAGAIN
                               : mp__socket_wait(socket, wants, deadline);
    while (r == -EINTR && begun);
    return r;
}

/* Nothing more can be sent. */
static int
break_off(struct mp__socket *socket, int r)
{
    socket->broken = 1;
    if (r == -EBADF)
        return r;
    mp__stream_end(socket->fd);
    if (r != -EAGAIN && r != -ETIMEDOUT)
        return mp__fail(-EPIPE, "mp_conn_send: the other end is gone");
    return mp__fail(-ETIMEDOUT,
                    "mp_conn_send: the deadline passed in the midst of the "
                    "message: nothing more can be sent");
}

static int
send_message(struct mp__socket *socket, struct outgoing *out, mp_time deadline)
{
    size_t size = out->start_size + out->data_size;
    short wants;

    if (socket->broken)
        return mp__fail(-EPIPE, "mp_conn_send: the other end is gone, or an "
                                "earlier message went out in part");
    while (out->sent < size) {
        struct iovec parts[2];
        unsigned n = rest_of(out, parts);
        ssize_t r = mp__socket_write(socket, parts, n, &wants);

        if (r > 0) {
            out->sent += (size_t)r;
            if (out->sent == size || socket->tls)
                continue;
            r = -EAGAIN; /* there was no room for more */
        }
        if (r == -EAGAIN) {
            r = wait_for_room(socket, wants, out->sent > 0, deadline);
            if (r == 0)
                continue;
            if (out->sent == 0)
                return (int)r;
        } else if ((r == -ENOMEM || r == -ENOBUFS) && out->sent == 0) {
            return mp__fail(-ENOMEM, "mp_conn_send: the system has no memory "
                                     "for the message");
        }
        return break_off(socket, (int)r);
    }
    return 0;
}

int
mp__socket_send_message(mp_conn *conn, const void *data, size_t size,
                        mp_time deadline)
{
    struct outgoing out;
    int r;
    struct mp__socket *socket = mp__socket_pin(conn, "mp_conn_send", &r);

    if (!socket)
        return r;
    begin_message(&out, data, size, socket->tls != NULL);
    r = mp__turn_take(&socket->sending, deadline);
    if (r == 0) {
        r = send_message(socket, &out, deadline);
        mp__turn_give(&socket->sending);
    }
    mp__socket_unpin(socket);
    return r;
}
