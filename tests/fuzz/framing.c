/* SPDX-License-Identifier: MIT */
/* Any bytes as a stream of messages: what a connection makes of them is what
 * the headers say, read one after the other. The first two bytes are the size
 * of the caller's buffer and the largest message that is let in; the third
 * says where the stream comes in two pieces. */
#include "fuzz.h"

#include "socket/frame.h"

#include <errno.h>
#include <mproc/connection.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MOST 32768 /* bytes that a socket surely holds */

struct stream {
    const uint8_t *bytes;
    size_t size;
    size_t at;
    size_t max_message; /* 0: any */
};

/* Whether a header is whole and can be read by its first n bytes is the same
 * for all n that are enough; what is written is read as what it was. */
static int
read_header(const uint8_t *bytes, size_t size, uint64_t *ret_message)
{
    unsigned char again[MP__FRAME_HEADER];
    uint64_t message = 0;
    int n = mp__frame_read(bytes, size, ret_message), length;

    holds(n == 0 || n == -EPROTO || n == 4 || n == MP__FRAME_HEADER);
    if (n <= 0)
        return n;
    for (int cut = 0; cut < n; cut++)
        holds(mp__frame_read(bytes, (size_t)cut, &message) == 0);
    length = (int)mp__frame_write(again, *ret_message);
    holds(length <= n);
    holds(mp__frame_read(again, (size_t)length, &message) == length);
    holds(message == *ret_message);
    return n;
}

/* What the next receive must come to. */
static ssize_t
expected(struct stream *stream, size_t room, const uint8_t **ret_message)
{
    const uint8_t *bytes = stream->bytes + stream->at;
    size_t left = stream->size - stream->at;
    uint64_t size;
    int n = read_header(bytes, left, &size);

    if (n < 0)
        return -EPROTO;
    if (n == 0)
        return left == 0 ? -EPIPE : -EPROTO;
    if (stream->max_message > 0 && size > stream->max_message)
        return -EPROTO;
    if (size > room)
        return -EMSGSIZE;
    if (size > left - (size_t)n)
        return -EPROTO; /* it ends in the midst */
    *ret_message = bytes + n;
    stream->at += (size_t)n + (size_t)size;
    return (ssize_t)size;
}

static void
receive_all(mp_conn *conn, struct stream *stream, size_t room)
{
    uint8_t buf[256];
    const uint8_t *message = NULL;
    ssize_t n;

    do {
        ssize_t must = expected(stream, room, &message);

        n = mp_conn_recv(conn, buf, room, mp_timeout(10));
        /* A message that is too large may also turn out to be cut short. */
        holds(n == must || (must == -EMSGSIZE && n == -EPROTO));
        holds(n <= 0 || memcmp(buf, message, (size_t)n) == 0);
    } while (n >= 0);
    holds(mp_conn_recv(conn, buf, room, MP_NOW) == n);
}

static void
give(int socket, const uint8_t *bytes, size_t size)
{
    if (size > 0)
        holds(send(socket, bytes, size, MSG_NOSIGNAL) == (ssize_t)size);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct stream stream;
    mp_conn *conn;
    int sockets[2];
    size_t first;

    if (size < 3 || size > MOST)
        return 0;
    stream = (struct stream){data + 3, size - 3, 0, data[1]};
    first = data[2] < stream.size ? data[2] : stream.size;
    holds(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) == 0);
    holds(mp_conn_open_fd(&conn, sockets[0],
                          MP_CONN_ATTR(.max_message = data[1])) == 0);
    give(sockets[1], stream.bytes, first);
    (void)mp_conn_poll(conn, MP_NOW);
    give(sockets[1], stream.bytes + first, stream.size - first);
    close(sockets[1]);
    receive_all(conn, &stream, data[0]);
    holds(mp_conn_close(conn) == 0);
    return 0;
}
