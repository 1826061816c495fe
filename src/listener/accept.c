/* SPDX-License-Identifier: MIT */
/* What a listener does with those who call.
 *
 * Each client is a state machine (proof.h) of its own. Whose turn it is takes
 * all steps that are due, and none of them waits: what a client does, or does
 * not do, holds up no other. A client is dropped if it fails, if its time is up,
 * if it is the oldest and there are too many, or if the process has no
 * descriptor left for the next. So silent ones cannot keep others out.
 *
 * If there is no descriptor left, and no client at its proof that could be
 * dropped, the first in the kernel's line is let in by a spare descriptor, and
 * dropped: else the socket would stay readable, and whoever waits for it would
 * spin.
 *
 * The time of a client counts only while somebody is there to answer it: in
 * mp_listener_accept(), or anywhere if the program watches the descriptor. */
#include "base/error.h"
#include "listener/listener.h"
#include "os/clock.h"
#include "os/descriptors.h"
#include "os/epoll.h"
#include "os/poll.h"
#include "os/stream.h"
#include "os/stream_name.h"
#include "report/log.h"
#include "socket/socket.h"
#include "tls/tls.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STEPS 64 /* clients in one round */

/* ---- Lines ---- */

void
mp__line_init(struct mp__line *line)
{
    line->first = NULL;
    line->end = &line->first;
    line->n = 0;
}

static void
append(struct mp__line *line, struct mp__client *client)
{
    client->next = NULL;
    mp__compiler_barrier();
    *line->end = client;
    line->end = &client->next;
    line->n++;
}

static void
unlink_client(struct mp__line *line, struct mp__client *client)
{
    struct mp__client **at = &line->first;

    while (*at != client)
        at = &(*at)->next;
    *at = client->next;
    mp__compiler_barrier();
    if (line->end == &client->next)
        line->end = at;
    line->n--;
}

static void
free_client(struct mp__client *client)
{
    if (client->proof.terms)
        mp__proof_end(&client->proof);
    if (client->fd >= 0)
        close(client->fd);
    free(client);
}

void
mp__line_clear(struct mp__line *line)
{
    while (line->first) {
        struct mp__client *client = line->first;

        unlink_client(line, client);
        free_client(client);
    }
}

/* ---- Dropping ---- */

static mp_time
clock_of(const struct mp__listener *listener)
{
    return mp__now() - listener->absent;
}

/* The client's socket is still open. */
static void
note_dropped(struct mp__listener *listener, int fd, const char *why)
{
    char who[MP__STREAM_TEXT];
    uint32_t user;

    mp__add(&listener->rejected, 1);
    if (MP_LOG_WARNING < mp__log_level())
        return;
    if (!listener->terms.address.local)
        mp__stream_peer_text(fd, who);
    else if (mp__stream_peer_user(fd, &user) == 0)
        snprintf(who, sizeof(who), "of user %u", user);
    else
        snprintf(who, sizeof(who), "?");
    mp__log(MP_LOG_WARNING, "client %s dropped: %s", who, why);
}

static void
drop(struct mp__listener *listener, struct mp__client *client, const char *why)
{
    note_dropped(listener, client->fd, why);
    mp__epoll_remove(listener->epoll, client->fd);
    unlink_client(&listener->waiting, client);
    free_client(client);
}

static void
drop_late(struct mp__listener *listener)
{
    mp_time now = clock_of(listener);

    while (listener->waiting.first && listener->waiting.first->limit <= now)
        drop(listener, listener->waiting.first,
             "it has not proved itself in time");
}

/* ---- Proving ---- */

/* The text of the last error, without the function's name. */
static const char *
reason(void)
{
    const char *text = mp_last_error(), *name_end = strstr(text, ": ");

    return name_end ? name_end + 2 : text;
}

static void
step(struct mp__listener *listener, struct mp__client *client)
{
    short wanted = client->proof.wants;
    int r = mp__proof_step(&client->proof);

    if (r < 0) {
        drop(listener, client, reason());
    } else if (r > 0) {
        if (!listener->terms.address.local)
            mp__stream_quick(client->fd);
        mp__epoll_remove(listener->epoll, client->fd);
        unlink_client(&listener->waiting, client);
        append(&listener->ready, client);
    } else if (client->proof.wants != wanted) {
        /* POLLIN and EPOLLIN are one number, and so are the others. */
        mp__epoll_change(listener->epoll, client->fd,
                         (uint32_t)client->proof.wants, client);
    }
}

/* Takes the descriptor in any case. */
static void
begin_proof(struct mp__listener *listener, struct mp__client *client)
{
    int r = mp__proof_begin(&client->proof, &listener->terms, client->fd, 1);

    client->limit = clock_of(listener) + listener->terms.patience;
    append(&listener->waiting, client);
    if (r == 0)
        r = mp__epoll_add(listener->epoll, client->fd,
                          (uint32_t)client->proof.wants, client);
    if (r < 0)
        drop(listener, client, "no memory for it");
    else
        step(listener, client);
}

static int
is_welcome(struct mp__listener *listener, int fd)
{
    uint32_t user;

    if (!listener->terms.address.local ||
        (listener->terms.flags & MP_CONN_ANY_USER))
        return 1;
    return mp__stream_peer_user(fd, &user) == 0 &&
           (user == geteuid() || user == 0);
}

static void
let_in(struct mp__listener *listener, int fd)
{
    struct mp__client *client = NULL;

    if (!is_welcome(listener, fd))
        note_dropped(listener, fd, "it is another user's");
    else if ((client = calloc(1, sizeof(*client))) == NULL)
        note_dropped(listener, fd, "no memory for it");
    if (!client) {
        close(fd);
        return;
    }
    client->fd = fd;
    if (!listener->terms.address.local)
        mp__stream_tune(fd);
    if (!mp__terms_ask_proof(&listener->terms)) {
        append(&listener->ready, client);
        return;
    }
    if (listener->terms.tls)
        mp__stream_set_blocking(fd, 0);
    while (listener->waiting.n >= listener->terms.max_waiting)
        drop(listener, listener->waiting.first, "too many others wait");
    begin_proof(listener, client);
}

/* ---- Being called ---- */

static int
is_shortage(int r)
{
    return r == -EMFILE || r == -ENFILE || r == -ENOBUFS || r == -ENOMEM;
}

static int
is_called(struct mp__listener *listener)
{
    struct pollfd p = {.fd = listener->fd, .events = POLLIN};

    return mp__poll(&p, 1, MP_NOW) > 0;
}

/* Makes room for a descriptor, or does without the client: 0. */
static int
make_room(struct mp__listener *listener, int r)
{
    int fd;

    if (listener->waiting.first) {
        drop(listener, listener->waiting.first, "no descriptors are left");
        return 0;
    }
    if (listener->spare < 0)
        listener->spare = mp__fd_null();
    if (listener->spare < 0)
        return r;
    close(listener->spare);
    fd = mp__stream_accept(listener->fd);
    if (fd >= 0) {
        note_dropped(listener, fd, "no descriptors are left");
        close(fd);
    }
    listener->spare = mp__fd_null();
    return fd >= 0 || fd == -EAGAIN ? 0 : fd;
}

/* Who need not prove itself is let in only when it is wanted. */
static int
answer_calls(struct mp__listener *listener)
{
    for (int i = 0; i < STEPS; i++) {
        int fd, r;

        if (listener->ready.first && !mp__terms_ask_proof(&listener->terms))
            return 0;
        fd = mp__stream_accept(listener->fd);
        if (fd == -EAGAIN)
            return 0;
        if (fd >= 0) {
            let_in(listener, fd);
        } else if (is_shortage(fd)) {
            if (!is_called(listener)) /* the shortage is told first */
                return 0;
            r = make_room(listener, fd);
            if (r < 0)
                return mp__fail(r, "mp_listener_accept: %s", mp_strerror(r));
        }
    }
    return 0;
}

/* ---- Looking after all ---- */

static void
set_alarm(struct mp__listener *listener)
{
    mp_time when = MP_FOREVER;

    if (listener->ready.first)
        when = 1; /* at once */
    else if (listener->waiting.first)
        when = listener->waiting.first->limit + listener->absent;
    if (when == listener->alarm_at)
        return;
    listener->alarm_at = when;
    mp__alarm_set(listener->alarm, when);
}

int
mp__listener_work(struct mp__listener *listener)
{
    struct epoll_event events[STEPS];
    int n = mp__epoll_look(listener->epoll, events, STEPS), called = 0, r = 0;

    /* Dropping others comes last: they may be among these. */
    for (int i = 0; i < n; i++) {
        if (events[i].data.ptr == listener)
            called = 1;
        else if (events[i].data.ptr)
            step(listener, events[i].data.ptr);
        else
            listener->alarm_at = MP_NOW; /* it has rung */
    }
    drop_late(listener);
    if (called)
        r = answer_calls(listener);
    set_alarm(listener);
    return r < 0 && !listener->ready.first ? r : 0;
}

void
mp__listener_come(struct mp__listener *listener)
{
    if (listener->left_at && !mp__load_relaxed(&listener->watched))
        listener->absent += mp__now() - listener->left_at;
}

void
mp__listener_leave(struct mp__listener *listener)
{
    listener->left_at = mp__now();
    set_alarm(listener);
}

int
mp__listener_take(struct mp__listener *listener, mp_conn **ret_conn)
{
    struct mp__client *client = listener->ready.first;
    struct mp__tls *tls = client->proof.tls;
    int r;

    r = mp__socket_open(ret_conn, client->fd, tls, listener->terms.max_message,
                        "mp_listener_accept");
    if (r < 0)
        return r;
    client->proof.tls = NULL;
    unlink_client(&listener->ready, client);
    client->fd = -1;
    free_client(client);
    return 0;
}
