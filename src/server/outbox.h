/* SPDX-License-Identifier: MIT */
/* What a client has not fetched yet: a stream of frames. */
#pragma once

#include "connection/conn.h"

struct mp__socket;

struct mp__outbox {
    unsigned char *data; /* NULL: nothing is there */
    size_t from, to, room;
};

static inline size_t
mp__outbox_size(const struct mp__outbox *out)
{
    return out->to - out->from;
}

/* A message is written by the writer between the two, of `most` bytes at the
 * most. 0; -ENOMEM, -EMSGSIZE, ...: there is no such message. `ret_message`
 * holds until the next one; NULL: not wanted. */
void mp__outbox_begin(struct mp__outbox *out, mp_any_writer *writer,
                      size_t most);
int mp__outbox_end(struct mp__outbox *out, mp_any_writer *writer,
                   mp_any *ret_message);

/* A message that was written before. */
int mp__outbox_add(struct mp__outbox *out, mp_any message);

/* Writes what there is room for into the connection: 0: all; -EAGAIN: more
 * when the socket is as it `wants` (POLLIN, POLLOUT; 0: nobody tells). Others:
 * it is of no more use. */
int mp__outbox_flush(struct mp__outbox *out, mp_conn *conn,
                     struct mp__socket *socket, short *ret_wants);

/* Throws away all that is there. */
void mp__outbox_clear(struct mp__outbox *out);
