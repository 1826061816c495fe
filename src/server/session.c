/* SPDX-License-Identifier: MIT */
/* Sessions.
 *
 * A client says hello, and has a session from then on: the calls of it that
 * wait, its guests, its objects. What becomes of all that when the connection
 * ends depends on how:
 *
 *   its end of a pipe or of a local socket is gone      it is dead
 *   TCP, closed in order (its process, or its system)   it is dead
 *   TCP, reset: by a network that forgot it, or by the  it may come back, for
 *   system of a process that died with answers unread   for a sixth of .patience
 *   TCP, nothing was heard for .patience seconds        it is given up
 *
 * Who is dead or given up gives everything back at once. Who comes back shows
 * the id of its session, which nobody can guess, and sends again what it has
 * no answer to (dispatch.c).
 *
 * Nothing that a client sends or leaves undone holds up the server: input is
 * taken in portions, and not at all while half of .max_backlog waits for the
 * client; who fetches nothing of that for .patience seconds is dropped, as is
 * who breaks the protocol, or has more than .max_backlog coming to him. A
 * session that has ended is freed when the turn is over, as somebody may still
 * be about to look at it. */
#include "server/session.h"

#include "server/dispatch.h"
#include "server/park.h"
#include "registry/record.h"
#include "os/clock.h"
#include "os/epoll.h"
#include "os/stream.h"
#include "os/stream_name.h"
#include "report/log.h"
#include "socket/socket.h"
#include "tls/tls.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define PORTION   64      /* messages in one turn */
#define PILE      262144u /* bytes of answers that are written at once */
#define AGAIN     ((mp_time)1000000)
#define HANDSHAKE 5.0 /* seconds */
#define RETURN    6.0 /* so much less of .patience for who was reset */

static const char function[] = "mp_manager";

static const struct mp__manager_terms *
terms(void)
{
    return mp__served_here.manager->terms;
}

static mp_time
seconds(double s)
{
    return s < 1e9 ? (mp_time)(s * 1e9) : (mp_time)1e18;
}

/* ---- The connection ---- */

static void
watch(struct mp__session *session, uint32_t events)
{
    if (session->fd < 0 || session->events == events)
        return;
    mp__epoll_change(mp__server.epoll, session->fd, events, &session->source);
    session->events = events;
}

void
mp__session_disconnect(struct mp__session *session)
{
    if (!session->conn)
        return;
    mp__epoll_remove(mp__server.epoll, session->fd);
    if (session->socket)
        mp__socket_unpin(session->socket);
    mp_conn_close(session->conn);
    session->conn = NULL;
    session->socket = NULL;
    session->fd = -1;
    session->paused = 0;
    mp__outbox_clear(&session->out);
    mp__chain_remove(&session->eager);
    mp__chain_remove(&session->dirty);
    if (session->state == MP__SESSION_OPEN)
        mp__server.n_clients--;
}

static void
name_peer(struct mp__session *session)
{
    uint32_t user;

    if (session->transport == MP__BY_TCP)
        mp__stream_peer_text(session->fd, session->peer);
    else if (session->transport == MP__BY_PIPE)
        snprintf(session->peer, sizeof(session->peer), "of this family");
    else if (mp__stream_peer_user(session->fd, &user) == 0)
        snprintf(session->peer, sizeof(session->peer), "of user %u", user);
    else
        snprintf(session->peer, sizeof(session->peer), "?");
}

/* Takes the connection into the loop. It stays the caller's if that fails. */
static int
attach(struct mp__session *session, mp_conn *conn)
{
    int r = 0;

    if (session->transport == MP__BY_PIPE) {
        session->fd = r = mp_conn_fd(conn);
    } else {
        session->socket = mp__socket_pin(conn, function, &r);
        session->fd = session->socket ? session->socket->fd : -1;
    }
    if (r >= 0)
        r = mp__epoll_add(mp__server.epoll, session->fd, EPOLLIN,
                          &session->source);
    if (r < 0) {
        if (session->socket)
            mp__socket_unpin(session->socket);
        return r;
    }
    session->events = EPOLLIN;
    session->conn = conn;
    return 0;
}

/* ---- The end ---- */

void
mp__session_doom(struct mp__session *session, const char *why)
{
    if (why)
        mp__fail(-EPROTO, "%s: %s", function, why);
    if (session->doom[0] == '\0')
        snprintf(session->doom, sizeof(session->doom), "%s", mp_last_error());
    mp__session_soil(session);
}

void
mp__session_end(struct mp__session *session)
{
    if (session->state == MP__SESSION_OVER)
        return;
    mp__dispatch_cancel_all(session);
    mp__session_end_guests(session);
    if (session->n_objects > 0)
        mp__manager_destroy_of(mp__served_here.manager, session->number);
    mp__session_disconnect(session);
    mp__answers_free(session);
    mp__timer_clear(&mp__server.timers, &session->timer);
    session->state = MP__SESSION_OVER;
    mp__chain_remove(&session->link);
    mp__chain_append(&mp__server.dead, &session->link);
    mp__server.n_sessions--;
    mp__park_stir_all();
}

/* The text without the function's name. */
static const char *
reason(const char *text)
{
    const char *end = strstr(text, ": ");

    return end ? end + 2 : text;
}

static void
drop(struct mp__session *session, const char *why)
{
    if (session->state == MP__SESSION_HELLO)
        mp__server.counts.rejected++;
    else
        mp__server.counts.dropped++;
    mp__log(MP_LOG_WARNING, "manager: client %s dropped: %s", session->peer,
            reason(why));
    mp__session_end(session);
}

/* Its connection has ended. `why`: 0: in order; -ECONNRESET, ... */
static void
break_off(struct mp__session *session, int why)
{
    int may_come_back = session->state == MP__SESSION_OPEN &&
                        session->transport == MP__BY_TCP && why == -ECONNRESET;

    if (!may_come_back) {
        mp__session_end(session);
        return;
    }
    mp__session_disconnect(session);
    session->state = MP__SESSION_AWAY;
    if (mp__timer_set(&mp__server.timers, &session->timer,
                      mp_timeout(terms()->patience / RETURN)) < 0)
        mp__session_end(session);
}

static void
on_timer(struct mp__timer *timer)
{
    struct mp__session *session =
        MP__CONTAINER(timer, struct mp__session, timer);

    if (session->state == MP__SESSION_OPEN) {
        mp__session_soil(session);
        return;
    }
    if (session->state == MP__SESSION_HELLO)
        drop(session, "it has said nothing in time");
    else
        drop(session, "it has not come back");
}

int
mp__session_end_one_away(void)
{
    struct mp__session *oldest = NULL;
    struct mp__chain *at;

    for (at = mp__server.sessions.next; at != &mp__server.sessions;
         at = at->next) {
        struct mp__session *session =
            MP__CONTAINER(at, struct mp__session, link);

        if (session->state == MP__SESSION_AWAY &&
            (!oldest || session->timer.when < oldest->timer.when))
            oldest = session;
    }
    if (oldest)
        drop(oldest, "it was away, and others need the room");
    return oldest != NULL;
}

/* ---- Output ---- */

void
mp__session_soil(struct mp__session *session)
{
    if (session->state == MP__SESSION_AWAY)
        mp__outbox_clear(&session->out);
    if (mp__chain_is_empty(&session->dirty) &&
        session->state != MP__SESSION_OVER)
        mp__chain_append(&mp__server.dirty, &session->dirty);
}

static void
check_backlog(struct mp__session *session)
{
    size_t size = mp__outbox_size(&session->out);

    if (session->doom[0] == '\0' && size > terms()->max_backlog) {
        mp__fail(-EPROTO, "%s: %zu bytes of answers wait for it", function,
                 size);
        mp__session_doom(session, NULL);
    }
}

/* When to look again whether it has fetched something. */
static void
set_alarm(struct mp__session *session, int tells)
{
    mp_time when = MP_FOREVER;

    if (!tells)
        when = mp__now() + AGAIN;
    else if (session->paused)
        when = session->stuck + seconds(terms()->patience);
    mp__timer_set(&mp__server.timers, &session->timer, when);
}

/* Who has asked for more than he fetches is not read any more, until he has
 * fetched most of it. */
static void
consider_pause(struct mp__session *session, size_t written)
{
    size_t size = mp__outbox_size(&session->out);
    size_t most = terms()->max_backlog;

    if (!session->paused && size <= most / 2)
        return;
    if (session->paused && size <= most / 4) {
        session->paused = 0;
        mp__chain_remove(&session->eager);
        mp__chain_append(&mp__server.eager, &session->eager);
    } else if (!session->paused || written > 0) {
        session->paused = 1;
        session->stuck = mp__now();
    } else if (mp__now() - session->stuck >= seconds(terms()->patience)) {
        mp__session_doom(session, "it does not fetch its answers");
    }
}

static void
flush(struct mp__session *session)
{
    size_t size = mp__outbox_size(&session->out), written;
    short wants = POLLOUT;
    int r = mp__outbox_flush(&session->out, session->conn, session->socket,
                             &wants);

    written = size - mp__outbox_size(&session->out);
    mp__server.counts.bytes_out += written;
    if (r < 0 && r != -EAGAIN) {
        if (session->socket && session->socket->tls)
            r = mp__tls_why(session->socket->tls);
        break_off(session, r);
        return;
    }
    consider_pause(session, written);
    watch(session, (session->paused ? 0 : EPOLLIN) |
                       (r == -EAGAIN ? (uint32_t)wants : 0));
    if (session->state == MP__SESSION_OPEN && r == -EAGAIN)
        set_alarm(session, wants != 0);
    else if (session->state == MP__SESSION_OPEN)
        mp__timer_clear(&mp__server.timers, &session->timer);
}

void
mp__session_write(struct mp__session *session)
{
    mp__chain_remove(&session->dirty);
    if (session->conn && session->state != MP__SESSION_OVER)
        flush(session);
    if (session->state != MP__SESSION_OVER)
        check_backlog(session);
    mp__chain_remove(&session->dirty);
    if (session->state != MP__SESSION_OVER && session->doom[0])
        drop(session, session->doom);
}

/* ---- Input ---- */

static int
take_message(const void *data, size_t size, void *arg)
{
    struct mp__session *session = arg;
    mp_any message = {data, size};
    struct mp__request request;

    mp__server.counts.bytes_in += size;
    if (session->state == MP__SESSION_HELLO) {
        mp__session_hello(session, message);
        return 0;
    }
    if (mp__request_read(message, &request) < 0)
        mp__session_doom(session, NULL);
    else
        mp__dispatch(session, &request);
    return 0;
}

static int
receive(struct mp__session *session)
{
    ssize_t r;

    /* Nobody needs more to say hello. */
    if (session->state == MP__SESSION_HELLO) {
        r = mp_conn_next_size(session->conn, MP_NOW);
        if (r > (ssize_t)MP__WIRE_HELLO) {
            mp__session_doom(session, "what came is no manager's client");
            return -EPROTO;
        }
        if (r < 0)
            return (int)r;
    }
    return mp__conn_recv_look(session->conn, take_message, session, MP_NOW,
                              function);
}

/* Nothing can be received any more. */
static void
fail_input(struct mp__session *session, int r)
{
    int why = session->socket ? session->socket->in.why : 0;

    /* A reset may come in the midst of a message. */
    if (r == -EPIPE || why == -ECONNRESET)
        break_off(session, why);
    else
        mp__session_doom(session, NULL);
}

void
mp__session_read(struct mp__session *session)
{
    int n, r = 0;

    mp__chain_remove(&session->eager);
    for (n = 0; n < PORTION; n++) {
        if (mp__outbox_size(&session->out) > PILE)
            flush(session);
        if (!session->conn || session->doom[0] || session->paused)
            return;
        r = receive(session);
        if (r < 0)
            break;
        if (session->conn && session->socket &&
            !mp__socket_has_surplus(session->socket))
            return;
    }
    if (r < 0 && r != -EAGAIN && session->doom[0] == '\0')
        fail_input(session, r);
    else if (r == -EAGAIN && session->socket &&
             session->socket->in.wants == POLLOUT)
        watch(session, EPOLLOUT); /* TLS has to say something first */
    else if (r == 0 && session->conn)
        mp__chain_append(&mp__server.eager, &session->eager);
}

static void
on_ready(struct mp__source *source, uint32_t events)
{
    struct mp__session *session =
        MP__CONTAINER(source, struct mp__session, source);

    if (events & ~(uint32_t)EPOLLIN)
        mp__session_soil(session);
    mp__session_read(session);
}

/* ---- The beginning ---- */

static int
draw_id(struct mp__session *session)
{
    session->number = mp__served_here.life << 32 | ++mp__server.numbers;
    return getrandom(session->id, sizeof(session->id), 0) ==
           sizeof(session->id);
}

static void
init(struct mp__session *session, enum mp__transport transport)
{
    session->source.ready = on_ready;
    session->timer.ring = on_timer;
    session->transport = transport;
    session->fd = -1;
    mp__chain_init(&session->link);
    mp__chain_init(&session->eager);
    mp__chain_init(&session->dirty);
    mp__chain_init(&session->waiting);
    mp__chain_init(&session->given);
    mp__chain_init(&session->kept);
}

void
mp__session_new(mp_conn *conn, enum mp__transport transport)
{
    struct mp__session *session = calloc(1, sizeof(*session));
    double timeout = terms()->handshake_timeout;
    int r = -ENOMEM;

    if (session) {
        init(session, transport);
        r = draw_id(session) ? attach(session, conn) : -ENOMEM;
    }
    if (r >= 0)
        r = mp__timer_set(&mp__server.timers, &session->timer,
                          mp_timeout(timeout > 0 ? timeout : HANDSHAKE));
    if (r < 0) {
        mp__server.counts.rejected++;
        mp__log(MP_LOG_WARNING, "manager: a client was turned away: %s",
                mp_strerror(r));
        if (session && session->conn)
            mp__session_disconnect(session);
        else
            mp_conn_close(conn);
        free(session);
        return;
    }
    name_peer(session);
    if (transport == MP__BY_TCP)
        mp__stream_patience(session->fd, terms()->patience);
    mp__chain_append(&mp__server.sessions, &session->link);
    mp__server.n_sessions++;
    /* What it has said already was read along with its proof, maybe. */
    mp__chain_append(&mp__server.eager, &session->eager);
}

void
mp__session_free(struct mp__session *session)
{
    free(session);
}
