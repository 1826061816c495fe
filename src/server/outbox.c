/* SPDX-License-Identifier: MIT */
/* Answers on their way.
 *
 * They are written one behind the other as they will stand in the stream, with
 * room left for the header, which is known when the answer is: so a turn's
 * answers leave by one system call. What a client fetches slowly stays, and
 * moves to the front before more memory is asked for. Who has fetched all has
 * no memory left that is worth mentioning.
 *
 * A pipe takes messages, not a stream: there the headers are taken off
 * again. */
#include "server/outbox.h"

#include "codec/token.h"
#include "socket/socket.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LEAST  1024u  /* bytes of room */
#define SPACE  256u   /* for the next message, where it will stand */
#define HEADER 4u     /* of all messages that are written there */
#define KEPT   16384u /* of an outbox that is empty */
#define MOST   ((size_t)1 << 30) /* bytes that are written there */

static int
make_room(struct mp__outbox *out, size_t more)
{
    size_t room = out->room ? out->room : LEAST;
    size_t have = mp__outbox_size(out);
    unsigned char *data;

    if (out->from > 0 && have + more <= out->room / 2) {
        memmove(out->data, out->data + out->from, have);
        out->from = 0;
        out->to = have;
    }
    if (more <= out->room - out->to)
        return 0;
    while (room - out->to < more) {
        if (room > SIZE_MAX / 4)
            break;
        room *= 2;
    }
    data = room - out->to < more ? NULL : realloc(out->data, room);
    if (!data)
        return mp__fail(-ENOMEM, "mp_manager: no memory for an answer");
    out->data = data;
    out->room = room;
    return 0;
}

void
mp__outbox_begin(struct mp__outbox *out, mp_any_writer *writer, size_t most)
{
    unsigned char *here = NULL;
    size_t room = 0;

    if (make_room(out, HEADER + SPACE) == 0) {
        here = out->data + out->to + HEADER;
        room = out->room - out->to - HEADER;
        room = room < MOST ? room : MOST;
    }
    mp__writer_begin(writer, here, room < most ? room : most);
    writer->most = most;
}

static int
append(struct mp__outbox *out, const void *data, size_t size)
{
    int r = make_room(out, size);

    if (r < 0)
        return r;
    memcpy(out->data + out->to, data, size);
    out->to += size;
    return 0;
}

int
mp__outbox_add(struct mp__outbox *out, mp_any message)
{
    unsigned char header[MP__FRAME_HEADER];
    size_t n = mp__frame_write(header, message.size);
    int r = make_room(out, n + message.size);

    if (r < 0)
        return r;
    append(out, header, n);
    return append(out, message.data, message.size);
}

int
mp__outbox_end(struct mp__outbox *out, mp_any_writer *writer,
               mp_any *ret_message)
{
    mp_any message;
    int r = mp_any_end(writer, &message);

    if (r == 0 && !writer->own) {
        mp__frame_write(out->data + out->to, message.size);
        out->to += HEADER + message.size;
    } else if (r == 0) {
        r = mp__outbox_add(out, message);
        message.data = out->data + out->to - message.size;
    }
    if (writer->own)
        mp_any_discard(writer);
    if (r == 0 && ret_message)
        *ret_message = message;
    return r;
}

/* ---- On their way ---- */

static void
take_off(struct mp__outbox *out, size_t n)
{
    out->from += n;
    if (out->from < out->to)
        return;
    out->from = out->to = 0;
    if (out->room > KEPT)
        mp__outbox_clear(out);
}

static int
flush_stream(struct mp__outbox *out, struct mp__socket *socket,
             short *ret_wants)
{
    while (mp__outbox_size(out) > 0) {
        struct iovec part = {out->data + out->from, mp__outbox_size(out)};
        ssize_t n = mp__socket_write(socket, &part, 1, ret_wants);

        if (n < 0)
            return (int)n;
        take_off(out, (size_t)n);
    }
    return 0;
}

static int
flush_messages(struct mp__outbox *out, mp_conn *conn, short *ret_wants)
{
    *ret_wants = 0;
    while (mp__outbox_size(out) > 0) {
        const unsigned char *at = out->data + out->from;
        uint64_t size = 0;
        int header = mp__frame_read(at, mp__outbox_size(out), &size);
        int r = mp_conn_send(conn, at + header, size, MP_NOW);

        if (r < 0)
            return r;
        take_off(out, (size_t)header + size);
    }
    return 0;
}

int
mp__outbox_flush(struct mp__outbox *out, mp_conn *conn,
                 struct mp__socket *socket, short *ret_wants)
{
    return socket ? flush_stream(out, socket, ret_wants)
                  : flush_messages(out, conn, ret_wants);
}

void
mp__outbox_clear(struct mp__outbox *out)
{
    free(out->data);
    *out = (struct mp__outbox){0};
}
