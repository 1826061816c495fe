/* SPDX-License-Identifier: MIT */
/* Reading a stream: from the socket into the buffer of what is ahead, or past it
 * into the caller's.
 *
 * A read takes what is wanted, and as much more as there is and has room ahead.
 *
 * A descriptor that was passed comes along with a byte of its own between two
 * messages, as Python sends it, and the kernel ends the read behind that byte.
 * So it belongs to the last byte ahead, and nothing is read beyond it before it
 * is taken.
 *
 * Why the stream has ended, or is of no more use, stays in `error`; what is
 * ahead is received all the same. */
#include "base/error.h"
#include "os/stream.h"
#include "socket/socket.h"
#include "tls/tls.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int
mp__socket_spoil(struct mp__socket *socket, const char *why)
{
    struct mp__arrivals *in = &socket->in;

    in->from = in->to = 0;
    in->error = -EPROTO;
    return mp__fail(-EPROTO, "mp_conn_recv: %s", why);
}

/* The other end is gone, between two messages or not. */
static int
end_stream(struct mp__socket *socket, ssize_t got)
{
    struct mp__arrivals *in = &socket->in;

    in->why = (int)got;
    if (got == -EPIPE && socket->tls)
        in->why = mp__tls_why(socket->tls);
    if (in->headed || in->from < in->to)
        return mp__socket_spoil(socket, "the other end has ended in the midst "
                                        "of a message");
    in->error = -EPIPE;
    return -EPIPE;
}

static ssize_t
try_read(struct mp__socket *socket, const struct iovec *parts, unsigned n,
         short *ret_wants)
{
    ssize_t r;

    *ret_wants = POLLIN;
    if (socket->tls) {
        r = mp__tls_read(socket->tls, parts[0].iov_base, parts[0].iov_len);
        if (r == MP__TLS_WRITE)
            *ret_wants = POLLOUT;
        return r == MP__TLS_READ || r == MP__TLS_WRITE ? -EAGAIN : r;
    }
    if (socket->local)
        return mp__stream_read_passed(socket->fd, parts, n,
                                      &socket->in.passed);
    return mp__stream_read(socket->fd, parts, n);
}

/* As long as it has paid lately: to be woken up takes longer than many a
 * message is on its way. */
static ssize_t
look_for_a_while(struct mp__socket *socket, const struct iovec *parts,
                 unsigned n, short *ret_wants)
{
    struct mp__looks *looks = &socket->in.looks;
    uint32_t most = mp__looks_wanted(looks), i;
    ssize_t got = -EAGAIN;

    for (i = 0; i < most && got == -EAGAIN; i++)
        got = try_read(socket, parts, n, ret_wants);
    mp__looks_made(looks, i, got != -EAGAIN);
    return got;
}

/* At least one byte. Nothing is ahead that could be used instead. */
static ssize_t
read_some(struct mp__socket *socket, const struct iovec *parts, unsigned n,
          mp_time deadline)
{
    struct mp__arrivals *in = &socket->in;
    ssize_t got;
    short wants;
    int r;

    if (in->error < 0)
        return in->error;
    if (in->passed != MP__STREAM_NONE) {
        if (in->to - in->from == 1 && !in->headed)
            return -ENOMSG;
        return mp__socket_spoil(socket,
                                "a descriptor came in the midst of a message");
    }
    for (;;) {
        got = try_read(socket, parts, n, &wants);
        if (got == -EAGAIN && deadline != MP_NOW)
            got = look_for_a_while(socket, parts, n, &wants);
        in->wants = wants;
        if (got > 0)
            return got;
        if (got == -ENOMEM || got == -ENOBUFS)
            return -ENOMEM;
        if (got == -EPROTO)
            return mp__socket_spoil(socket, "what came is of no protocol");
        if (got != -EAGAIN)
            return end_stream(socket, got);
        r = deadline == MP_NOW ? -EAGAIN
                               : mp__socket_wait(socket, wants, deadline);
        if (r < 0)
            return r;
    }
}

static int
need_buffer(struct mp__arrivals *in)
{
    if (!in->ahead)
        in->ahead = malloc(MP__SOCKET_AHEAD);
    return in->ahead ? 0
                     : mp__fail(-ENOMEM, "mp_conn_recv: no memory for what "
                                         "comes");
}

int
mp__socket_ahead(struct mp__socket *socket, size_t least, mp_time deadline)
{
    struct mp__arrivals *in = &socket->in;
    int r = need_buffer(in);

    if (r < 0)
        return r;
    while (in->to - in->from < least) {
        uint32_t have = in->to - in->from;
        struct iovec part;
        ssize_t got;

        if (in->from + least > MP__SOCKET_AHEAD || have == 0) {
            memmove(in->ahead, in->ahead + in->from, have);
            in->from = 0;
            in->to = have;
        }
        part.iov_base = in->ahead + in->to;
        part.iov_len = MP__SOCKET_AHEAD - in->to;
        got = read_some(socket, &part, 1, deadline);
        if (got < 0)
            return (int)got;
        in->to += (uint32_t)got;
    }
    return 0;
}

ssize_t
mp__socket_read(struct mp__socket *socket, void *buf, size_t size,
                mp_time deadline)
{
    struct mp__arrivals *in = &socket->in;
    struct iovec parts[2] = {{buf, size}, {in->ahead, MP__SOCKET_AHEAD}};
    size_t have = in->to - in->from;
    ssize_t got;

    if (have > 0) {
        if (have > size)
            have = size;
        memcpy(buf, in->ahead + in->from, have);
        in->from += (uint32_t)have;
        return (ssize_t)have;
    }
    got = read_some(socket, parts, in->ahead ? 2 : 1, deadline);
    if (got <= (ssize_t)size)
        return got;
    in->from = 0;
    in->to = (uint32_t)((size_t)got - size);
    return (ssize_t)size;
}

int
mp__socket_head(struct mp__socket *socket, mp_time deadline)
{
    struct mp__arrivals *in = &socket->in;

    while (!in->headed) {
        size_t have = in->to - in->from;
        int r =
            have ? mp__frame_read(in->ahead + in->from, have, &in->size) : 0;

        if (r < 0)
            return mp__socket_spoil(socket, "what came is no message's "
                                            "header");
        if (r == 0) {
            r = mp__socket_ahead(socket, have < 4 ? 4 : MP__FRAME_HEADER,
                                 deadline);
            if (r < 0)
                return r;
            continue;
        }
        if (in->size > socket->most)
            return mp__socket_spoil(socket, "a message came that is larger "
                                            "than .max_message");
        in->from += (uint32_t)r;
        in->headed = 1;
    }
    return 0;
}
