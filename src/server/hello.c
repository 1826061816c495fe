/* SPDX-License-Identifier: MIT */
/* The first message of a connection: a client is let in, as a new one, or as
 * the one it was before its connection broke; or is told why not. */
#include "server/session.h"

#include "os/epoll.h"

#include <errno.h>
#include <string.h>

static void
welcome(struct mp__session *session, int resumed)
{
    struct mp__welcome welcome = {
        .version = MP__WIRE_VERSION,
        .server = mp__served_here.life,
        .resumed = resumed,
        .calls = mp__served_here.manager->terms->max_calls,
    };
    mp_any_writer writer;

    memcpy(welcome.family, mp__region_uuid(), sizeof(welcome.family));
    memcpy(welcome.session, session->id, sizeof(welcome.session));
    mp__outbox_begin(&session->out, &writer, SIZE_MAX);
    mp__welcome_write(&writer, &welcome);
    if (mp__outbox_end(&session->out, &writer, NULL) < 0)
        mp__session_doom(session, NULL);
    mp__timer_clear(&mp__server.timers, &session->timer);
    session->state = MP__SESSION_OPEN;
    mp__server.n_clients++;
    mp__server.counts.clients += !resumed;
    mp__server.counts.resumed += (uint64_t)resumed;
    mp__session_soil(session);
}

/* It is told why, and dropped. */
static int
refuse(struct mp__session *session, int result)
{
    mp__session_answer(session, 0, result, 0, (mp_any){0});
    mp__session_doom(session, NULL);
    return result;
}

static int
fail_version(uint64_t version)
{
    return mp__fail(-EPROTO,
                    "mp_manager: the server speaks version %u, the client "
                    "%llu",
                    MP__WIRE_VERSION, (unsigned long long)version);
}

static int
fail_crowd(void)
{
    return mp__fail(-EUSERS,
                    "mp_manager: the server has %u clients: no more can",
                    mp__server.n_clients);
}

static struct mp__session *
find_session(const unsigned char id[16])
{
    struct mp__chain *at;

    for (at = mp__server.sessions.next; at != &mp__server.sessions;
         at = at->next) {
        struct mp__session *session =
            MP__CONTAINER(at, struct mp__session, link);

        if (session->transport == MP__BY_TCP &&
            (session->state == MP__SESSION_OPEN ||
             session->state == MP__SESSION_AWAY) &&
            memcmp(session->id, id, sizeof(session->id)) == 0)
            return session;
    }
    return NULL;
}

/* The client of `away` is back: `caller` is its new connection. If the old one
 * has not been heard to break, it has by now. */
static void
resume(struct mp__session *away, struct mp__session *caller)
{
    mp__session_disconnect(away);
    away->conn = caller->conn;
    away->socket = caller->socket;
    away->fd = caller->fd;
    away->events = caller->events;
    memcpy(away->peer, caller->peer, sizeof(away->peer));
    caller->conn = NULL;
    mp__chain_remove(&caller->eager);
    mp__chain_remove(&caller->dirty);
    mp__epoll_change(mp__server.epoll, away->fd, away->events, &away->source);
    mp__session_end(caller);
    welcome(away, 1);
    mp__chain_append(&mp__server.eager, &away->eager);
}

int
mp__session_hello(struct mp__session *session, mp_any message)
{
    struct mp__session *away;
    struct mp__hello hello;
    int r = mp__hello_read(message, &hello);

    if (r < 0) {
        mp__session_doom(session, NULL);
        return r;
    }
    if (hello.version != MP__WIRE_VERSION)
        return refuse(session, fail_version(hello.version));
    away = hello.resumes && session->transport == MP__BY_TCP
               ? find_session(hello.session)
               : NULL;
    if (away) {
        resume(away, session);
        return 0;
    }
    if (mp__server.n_clients >= mp__served_here.manager->terms->max_clients)
        return refuse(session, fail_crowd());
    welcome(session, 0);
    return 0;
}
