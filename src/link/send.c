/* SPDX-License-Identifier: MIT */
/* Sending, without ever waiting.
 *
 * Who has something to send while nobody writes writes it straight from his own
 * memory. Others append to `fill` meanwhile, and who writes goes on with that:
 * many threads' requests leave by one system call. What finds no room in the
 * socket stays in `drain`, and the leader goes on when there is some.
 *
 * Through a pipe, too, go the messages of the frames: each whole or not at all. */
#include "link/link.h"

#include "os/descriptors.h"
#include "os/poll.h"
#include "os/stream.h"
#include "tls/tls.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#define LEAST 4096u /* bytes of a buffer */
#define KEEP  (1u << 20)

static size_t
length(const struct mp__bytes *bytes)
{
    return bytes->to - bytes->from;
}

size_t
mp__link_backlog(const struct mp__manager_link *link)
{
    return length(&link->drain) + length(&link->fill);
}

static void
clear(struct mp__bytes *bytes)
{
    bytes->from = bytes->to = 0;
    if (bytes->room > KEEP) {
        free(bytes->data);
        bytes->data = NULL;
        bytes->room = 0;
    }
}

static int
append(struct mp__bytes *bytes, const void *data, size_t size)
{
    size_t need = bytes->to + size, room = bytes->room ? bytes->room : LEAST;
    unsigned char *grown;

    if (need > bytes->room) {
        while (room < need)
            room *= 2;
        grown = realloc(bytes->data, room);
        if (!grown)
            return -ENOMEM;
        bytes->data = grown;
        bytes->room = room;
    }
    memcpy(bytes->data + bytes->to, data, size);
    bytes->to += size;
    return 0;
}

static void
break_off(struct mp__manager_link *link)
{
    link->broken = 1;
    if (link->asleep)
        mp__signal_raise(link->kick);
}

/* 0; -EAGAIN, or why the connection is of no more use. */
static ssize_t
write_stream(struct mp__manager_link *link, const unsigned char *data,
             size_t size, size_t *out, short *ret_wants)
{
    ssize_t r = 0;

    while (*out < size && r >= 0) {
        struct iovec part = {(void *)(data + *out), size - *out};

        r = mp__socket_write(link->socket, &part, 1, ret_wants);
        if (r > 0)
            *out += (size_t)r;
    }
    return r;
}

static ssize_t
write_messages(struct mp__manager_link *link, const unsigned char *data,
               size_t size, size_t *out)
{
    int r = 0;

    while (*out < size && r == 0) {
        uint64_t bytes;
        int header = mp__frame_read(data + *out, size - *out, &bytes);

        r = mp_conn_send(link->conn, data + *out + header, bytes, MP_NOW);
        if (r == 0)
            *out += (size_t)header + bytes;
    }
    return r;
}

/* The lock is given up meanwhile. Bytes that are out. */
static size_t
write_some(struct mp__manager_link *link, const unsigned char *data,
           size_t size)
{
    short wants = POLLOUT;
    size_t out = 0;
    ssize_t r;

    pthread_mutex_unlock(&link->lock);
    r = link->socket ? write_stream(link, data, size, &out, &wants)
                     : write_messages(link, data, size, &out);
    pthread_mutex_lock(&link->lock);
    if (r < 0 && r != -EAGAIN) {
        break_off(link);
    } else if (out < size) {
        link->full = 1;
        link->wants = wants;
        if (link->asleep)
            mp__signal_raise(link->kick);
    }
    return out;
}

/* What has been put into `fill` goes on, until the socket is full. */
static void
write_rest(struct mp__manager_link *link)
{
    while (!link->full && !link->broken && mp__link_backlog(link) > 0) {
        struct mp__bytes *drain = &link->drain, empty = *drain;

        if (length(drain) == 0) {
            clear(&empty);
            *drain = link->fill;
            link->fill = empty;
        }
        drain->from +=
            write_some(link, drain->data + drain->from, length(drain));
        if (length(drain) == 0)
            clear(drain);
    }
}

void
mp__link_flush(struct mp__manager_link *link)
{
    if (!link->conn || link->writing || link->broken)
        return;
    link->writing = 1;
    write_rest(link);
    link->writing = 0;
}

/* Nobody else writes, and nothing waits. */
static int
write_straight(struct mp__manager_link *link, const void *data, size_t size)
{
    size_t out;

    link->writing = 1;
    out = write_some(link, data, size);
    if (out < size && !link->broken &&
        append(&link->drain, (const char *)data + out, size - out) < 0)
        break_off(link);
    write_rest(link);
    link->writing = 0;
    return out > 0 || !link->broken;
}

int
mp__link_send(struct mp__manager_link *link, const void *data, size_t size)
{
    int straight = !link->writing && mp__link_backlog(link) == 0 &&
                   !(link->socket && link->socket->tls);

    if (straight)
        return write_straight(link, data, size);
    mp__link_post(link, data, size);
    return 1;
}

void
mp__link_post(struct mp__manager_link *link, const void *data, size_t size)
{
    if (append(&link->fill, data, size) < 0)
        break_off(link);
    else if (!link->full)
        mp__link_flush(link);
}

int
mp__link_append(struct mp__manager_link *link, const void *data, size_t size)
{
    return append(&link->fill, data, size);
}

void
mp__link_abort(struct mp__socket *socket)
{
    if (socket->local)
        return;
    mp__tls_free(socket->tls); /* it would say that this was all */
    socket->tls = NULL;
    mp__stream_abort(socket->fd);
}

void
mp__link_drop(struct mp__manager_link *link)
{
    if (!link->conn)
        return;
    link->broken = 1;
    while (link->writing) { /* for a moment: it never waits */
        pthread_mutex_unlock(&link->lock);
        sched_yield();
        pthread_mutex_lock(&link->lock);
    }
    if (link->socket) {
        if (!link->closed)
            mp__link_abort(link->socket);
        mp__socket_unpin(link->socket);
    }
    mp_conn_close(link->conn);
    link->conn = NULL;
    link->socket = NULL;
    link->full = 0;
    clear(&link->drain);
    clear(&link->fill);
}
