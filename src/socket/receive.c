/* SPDX-License-Identifier: MIT */
/* Receiving a message from a stream.
 *
 * A large message goes straight to the caller's buffer. If he leaves before it
 * is complete, what has come is kept in `part`, and the rest follows it there
 * until there is a caller for the whole. A part grows as bytes come: what the
 * other end says of the size allocates nothing.
 *
 * Who only looks (values, mp_conn_poll()) has small messages in the buffer of
 * what is ahead, and large ones in a part. */
#include "base/error.h"
#include "socket/socket.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PART 65536u /* bytes, to begin with */

/* ---- Messages in parts ---- */

/* The caller leaves, and the first `have` bytes are in his buffer. */
static void
keep_part(struct mp__socket *socket, const void *buf, size_t have)
{
    struct mp__arrivals *in = &socket->in;

    if (have == 0 || in->error < 0)
        return;
    in->part = malloc(have);
    if (!in->part) {
        mp__socket_spoil(socket, "no memory to keep half a message");
        return;
    }
    memcpy(in->part, buf, have);
    in->have = in->room = have;
}

static int
grow_part(struct mp__arrivals *in)
{
    uint64_t room = in->room < PART / 2 ? PART : in->room * 2;
    unsigned char *part;

    if (room > in->size)
        room = in->size;
    part = realloc(in->part, room);
    if (!part)
        return mp__fail(-ENOMEM,
                        "mp_conn_recv: no memory for %llu bytes of a message",
                        (unsigned long long)room);
    in->part = part;
    in->room = room;
    return 0;
}

/* Until the message is there in whole. */
static int
complete_part(struct mp__socket *socket, mp_time deadline)
{
    struct mp__arrivals *in = &socket->in;

    while (in->have < in->size) {
        ssize_t got = in->have == in->room ? grow_part(in) : 0;

        if (got == 0)
            got = mp__socket_read(socket, in->part + in->have,
                                  in->room - in->have, deadline);
        if (got < 0)
            return (int)got;
        in->have += (uint64_t)got;
    }
    return 0;
}

static void
drop_part(struct mp__arrivals *in)
{
    free(in->part);
    in->part = NULL;
    in->have = in->room = 0;
}

static int
read_straight(struct mp__socket *socket, unsigned char *buf, mp_time deadline)
{
    size_t have = 0, size = socket->in.size;

    while (have < size) {
        ssize_t got =
            mp__socket_read(socket, buf + have, size - have, deadline);

        if (got < 0) {
            keep_part(socket, buf, have);
            return (int)got;
        }
        have += (size_t)got;
    }
    return 0;
}

/* ---- Receiving ---- */

static struct mp__socket *
begin(mp_conn *conn, mp_time deadline, int *ret_error)
{
    struct mp__socket *socket =
        mp__socket_pin(conn, "mp_conn_recv", ret_error);

    if (!socket)
        return NULL;
    *ret_error = mp__turn_take(&socket->receiving, deadline);
    if (*ret_error == 0)
        return socket;
    mp__socket_unpin(socket);
    return NULL;
}

static ssize_t
end(struct mp__socket *socket, ssize_t r)
{
    if (MP__UNLIKELY(mp__load_relaxed(&socket->outside)))
        mp__socket_show(socket, r);
    mp__turn_give(&socket->receiving);
    mp__socket_unpin(socket);
    if (r == -ENOMSG)
        mp__fail(-ENOMSG, "mp_conn_recv: a descriptor is next: it takes "
                          "mp_conn_recv_fd()");
    return r;
}

static ssize_t
receive(struct mp__socket *socket, void *buf, size_t cap, mp_time deadline)
{
    struct mp__arrivals *in = &socket->in;
    int r = mp__socket_head(socket, deadline);

    if (r < 0)
        return r;
    if (in->size > cap)
        return mp__fail(-EMSGSIZE,
                        "mp_conn_recv: the message has %llu bytes, the buffer "
                        "%zu",
                        (unsigned long long)in->size, cap);
    if (in->part) {
        r = complete_part(socket, deadline);
        if (r < 0)
            return r;
        memcpy(buf, in->part, in->size);
        drop_part(in);
    } else {
        r = read_straight(socket, buf, deadline);
        if (r < 0)
            return r;
    }
    in->headed = 0;
    return (ssize_t)in->size;
}

ssize_t
mp__socket_receive_message(mp_conn *conn, void *buf, size_t cap,
                           mp_time deadline)
{
    int r;
    struct mp__socket *socket = begin(conn, deadline, &r);

    return socket ? end(socket, receive(socket, buf, cap, deadline)) : r;
}

ssize_t
mp__socket_next_size(mp_conn *conn, mp_time deadline)
{
    int r;
    struct mp__socket *socket = begin(conn, deadline, &r);

    if (!socket)
        return r;
    r = mp__socket_head(socket, deadline);
    return end(socket, r < 0 ? r : (ssize_t)socket->in.size);
}

/* ---- Looking ---- */

/* Brings the message together where it can be looked at. */
static int
gather(struct mp__socket *socket, mp_time deadline)
{
    struct mp__arrivals *in = &socket->in;
    int r = mp__socket_head(socket, deadline);

    if (r < 0)
        return r;
    if (in->part || in->size > MP__SOCKET_AHEAD)
        return complete_part(socket, deadline);
    return mp__socket_ahead(socket, in->size, deadline);
}

static int
receive_look(struct mp__socket *socket, mp__conn_look_fn *look, void *arg,
             mp_time deadline)
{
    struct mp__arrivals *in = &socket->in;
    int r = gather(socket, deadline);

    if (r < 0)
        return r;
    r = look(in->part ? in->part : in->ahead + in->from, in->size, arg);
    if (r < 0)
        return r;
    if (in->part)
        drop_part(in);
    else
        in->from += (uint32_t)in->size;
    in->headed = 0;
    return r;
}

int
mp__socket_recv_look(mp_conn *conn, mp__conn_look_fn *look, void *arg,
                     mp_time deadline)
{
    int r;
    struct mp__socket *socket = begin(conn, deadline, &r);

    return socket ? (int)end(socket, receive_look(socket, look, arg, deadline))
                  : r;
}

/* A message that is too large to be kept counts as there when more of it is:
 * receiving with MP_NOW takes that, and the next poll waits again. */
static int
is_there(struct mp__socket *socket, mp_time deadline)
{
    struct mp__arrivals *in = &socket->in;
    int r = mp__socket_head(socket, deadline);

    if (r == 0 && in->size <= MP__SOCKET_AHEAD)
        r = gather(socket, deadline);
    else if (r == 0 && (!in->part || in->have < in->size))
        r = mp__socket_ahead(socket, 1, deadline);
    return r;
}

int
mp__socket_poll(mp_conn *conn, mp_time deadline)
{
    int r;
    struct mp__socket *socket = begin(conn, deadline, &r);

    if (!socket)
        return r;
    r = is_there(socket, deadline);
    if (r == 0 || r == -ENOMSG || r == -EPIPE || r == -EPROTO)
        r = 1;
    return (int)end(socket, r);
}
