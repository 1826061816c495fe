/* SPDX-License-Identifier: MIT */
/* Connecting, and what becomes of the requests that were under way.
 *
 * A connection begins with hello and welcome. If it is another one of the same
 * session, everything that has no answer is sent again, as it was: the server
 * knows the serials that it has seen, and does nothing twice. If the session is
 * over, what had been sent may have been executed or not: it fails with -EPIPE,
 * and so do calls that were not sent yet, since their callers have to know that
 * what they held there is lost. Later ones go out in the new session.
 *
 * When nobody can be reached, and there is a session to be saved, it is tried
 * again, after 10 ms at first and a quarter of a second at last (the server may
 * keep it for a few seconds only), until it cannot be alive any more. */
#include "base/error.h"
#include "link/link.h"
#include "os/clock.h"
#include "os/futex.h"

#include <errno.h>
#include <mproc/process.h>
#include <stdio.h>
#include <string.h>

#define MS        ((mp_time)1000000)
#define SECOND    (1000 * MS)
#define LONGEST   (250 * MS)   /* between two tries */
#define HANDSHAKE 5.0          /* seconds */
#define REFUSED   (1 * SECOND) /* so long: nobody is there any more */

struct dialled {
    mp_conn *conn;
    struct mp__socket *socket;
    struct mp__welcome welcome;
};

/* ---- Hello, welcome ---- */

static int
send_hello(struct mp__manager_link *link, mp_conn *conn, mp_time deadline)
{
    struct mp__hello hello = {.version = MP__WIRE_VERSION,
                              .resumes = link->met};
    unsigned char buf[128];
    mp_any_writer w;
    int r;

    memcpy(hello.session, link->welcome.session, sizeof(hello.session));
    mp_any_writer_init(&w, buf, sizeof(buf));
    r = mp__hello_write(&w, &hello);
    return r < 0 ? r : mp_conn_send(conn, buf, w.size, deadline);
}

/* A server that does not want us says so by an answer. */
static int
take_welcome(const void *data, size_t size, void *welcome)
{
    mp_any any = {data, size};
    struct mp__answer answer;
    int r = mp__welcome_read(any, welcome);

    if (r == 0 || mp__answer_read(any, &answer) < 0)
        return r == 0 ? 0
                      : mp__fail(-EPROTO, "mp_manager: there listens somebody "
                                          "else, and no manager");
    return mp__fail(answer.result < 0 ? (int)answer.result : -EPROTO,
                    "mp_manager: the server refuses: %.*s",
                    (int)answer.error_size, answer.error ? answer.error : "");
}

static int
receive_welcome(mp_conn *conn, struct mp__welcome *welcome, mp_time deadline)
{
    int r = mp__conn_recv_look(conn, take_welcome, welcome, deadline,
                               "mp_manager");

    if (r == 0 && welcome->version != MP__WIRE_VERSION)
        return mp__fail(-EPROTO,
                        "mp_manager: the server speaks version %llu of the "
                        "protocol, this library %u",
                        (unsigned long long)welcome->version,
                        MP__WIRE_VERSION);
    if (r == -EPIPE || r == -ECONNRESET)
        return mp__fail(-ECONNRESET, "mp_manager: the server has hung up");
    return r;
}

/* ---- To a server of another family ---- */

static mp_time
handshake_end(const mp_manager *manager, mp_time deadline)
{
    double seconds = manager->terms->handshake_timeout;
    mp_time limit = mp_timeout(seconds > 0 ? seconds : HANDSHAKE);

    return limit < deadline ? limit : deadline;
}

/* The session that was to go on may do so yet. */
static void
hang_up(const struct mp__manager_link *link, struct dialled *dialled)
{
    if (dialled->socket) {
        if (link->met)
            mp__link_abort(dialled->socket);
        mp__socket_unpin(dialled->socket);
    }
    mp_conn_close(dialled->conn);
}

static int
call_remote(struct mp__manager_link *link, struct dialled *dialled,
            mp_time deadline)
{
    const mp_manager *manager = link->manager;
    mp_time limit = handshake_end(manager, deadline);
    mp_conn_attr attr;
    int r;

    mp__manager_conn_attr(manager->terms, &attr);
    r = mp_connect(&dialled->conn, manager->terms->address, &attr, limit);
    if (r < 0)
        return r;
    dialled->socket = mp__socket_pin(dialled->conn, "mp_manager", &r);
    if (r == 0)
        r = send_hello(link, dialled->conn, limit);
    if (r == 0)
        r = receive_welcome(dialled->conn, &dialled->welcome, limit);
    if (r == -ETIMEDOUT)
        mp__fail(r, "mp_manager: the server at %s does not answer",
                 manager->terms->address);
    if (r < 0)
        hang_up(link, dialled);
    return r;
}

/* ---- To the server of this family ---- */

static int
server_lives(mp_manager *manager)
{
    return mp_process_is_alive(atomic_load(&manager->server)) == 1;
}

static int
await_server(struct mp__manager_link *link, struct dialled *dialled,
             mp_time deadline)
{
    int r;

    do {
        mp_time soon = mp__now() + 50 * MS;

        if (!server_lives(link->manager))
            return mp__fail(-EPIPE, "mp_manager: the server has ended");
        r = receive_welcome(dialled->conn, &dialled->welcome,
                            soon < deadline ? soon : deadline);
    } while (r == -ETIMEDOUT && !mp__expired(deadline));
    return r;
}

static int
call_local(struct mp__manager_link *link, struct dialled *dialled,
           mp_time deadline)
{
    mp_conn *theirs;
    int r;

    if (!server_lives(link->manager))
        return mp__fail(-EPIPE, "mp_manager: the server has ended");
    r = mp_pipe(&dialled->conn, &theirs, 1);
    if (r < 0)
        return r;
    dialled->socket = NULL;
    r = send_hello(link, dialled->conn, MP_NOW);
    if (r == 0)
        r = mp_queue_put(link->manager->callers, &theirs, sizeof(theirs),
                         deadline);
    if (r == 0)
        r = await_server(link, dialled, deadline);
    mp_conn_close(theirs);
    if (r < 0)
        mp_conn_close(dialled->conn);
    return r;
}

static int
dial(struct mp__manager_link *link, struct dialled *dialled, mp_time deadline)
{
    return link->manager->remote ? call_remote(link, dialled, deadline)
                                 : call_local(link, dialled, deadline);
}

/* ---- What becomes of requests ---- */

static int
same_family(const struct mp__manager_link *link,
            const struct mp__welcome *welcome)
{
    return memcmp(link->welcome.family, welcome->family,
                  sizeof(welcome->family)) == 0;
}

static void
lose_session(struct mp__manager_link *link, const struct mp__welcome *welcome)
{
    const char *text = "mp_manager: the server has given this process up "
                       "meanwhile: what it held there is lost";

    if (!same_family(link, welcome))
        text = "mp_manager: the server has ended, and a server of another "
               "family listens in its place";
    else if (welcome->server != link->welcome.server)
        text = "mp_manager: the server has ended, and another runs in its "
               "place";
    mp__pending_fail_all(link, 1, -EPIPE, text);
    if (link->manager->remote) /* what was held there is lost: be it told */
        mp__pending_fail_all(link, 0, -EPIPE, text);
    link->n_received = 0;
}

/* Objects of a family that was are no more. */
static void
fail_strangers(struct mp__manager_link *link)
{
    struct mp__pending *next;

    for (struct mp__pending *p = link->first; p; p = next) {
        next = p->after;
        if (p->family && memcmp(p->family, link->welcome.family, 16) != 0)
            mp__pending_fail(link, p, -EBADF,
                             "mp_manager: the object's family has ended");
    }
}

/* The server may not have heard of it the last time. The last one says `done`
 * as well: what is below that need not be said of each, which a bad network
 * would hardly let through before it breaks again. */
static void
confirm_again(struct mp__manager_link *link)
{
    unsigned n = link->n_received;
    unsigned from = n > MP__LINK_RECEIVED ? n - MP__LINK_RECEIVED : 0;
    uint64_t done = n > 0 ? link->received[(n - 1) % MP__LINK_RECEIVED] : 0;

    if (link->first)
        done = link->first->serial;
    link->n_received = from;
    while (from < n) {
        uint64_t serial = link->received[from++ % MP__LINK_RECEIVED];

        if (serial >= done || from == n)
            mp__link_confirm(link, serial);
    }
}

static void
send_again(struct mp__manager_link *link)
{
    int r = 0;

    for (struct mp__pending *p = link->first; p && r == 0; p = p->after) {
        if (!p->answered)
            r = mp__link_append(link, p->data, p->size);
        p->sent = 1;
    }
    if (r < 0)
        link->broken = 1;
    mp__link_flush(link);
}

static void
adopt(struct mp__manager_link *link, const struct dialled *dialled)
{
    const struct mp__welcome *welcome = &dialled->welcome;

    if (link->met && !(welcome->resumed && same_family(link, welcome) &&
                       welcome->server == link->welcome.server))
        lose_session(link, welcome);
    link->welcome = *welcome;
    link->met = 1;
    if (link->manager->remote)
        memcpy(link->manager->family, welcome->family, 16);
    link->conn = dialled->conn;
    link->socket = dialled->socket;
    link->broken = link->nonsense = 0;
    link->down_since = 0;
    link->tries = 0;
    fail_strangers(link);
    confirm_again(link);
    send_again(link);
}

/* ---- Trying ---- */

/* Whether it makes no sense to go on trying. */
static int
is_hopeless(const struct mp__manager_link *link, int r)
{
    const struct mp__manager_terms *terms = link->manager->terms;
    mp_time down = mp__now() - link->down_since;
    int local =
        !link->manager->remote || strncmp(terms->address, "unix:", 5) == 0;

    if (local)
        return 1;
    switch (r) {
    case -ECONNREFUSED:
        return down > REFUSED;
    case -ETIMEDOUT:
    case -ECONNRESET:
    case -EPIPE:
    case -EPROTO: /* cut off in the midst of the handshake */
    case -EHOSTUNREACH:
    case -ENETUNREACH:
    case -ENETDOWN:
    case -EADDRNOTAVAIL:
        return down > mp__call_timeout(link->manager);
    default:
        return 1;
    }
}

/* Nobody is reached. */
static void
give_up(struct mp__manager_link *link, int r)
{
    char text[MP__LINK_TEXT], both[MP__LINK_TEXT + 100];

    snprintf(text, sizeof(text), "%s", mp_last_error());
    snprintf(both, sizeof(both),
             "mp_manager: the connection to the server is lost, and there is "
             "no other: %s",
             text);
    mp__pending_fail_all(link, 1, -EPIPE, both);
    mp__pending_fail_all(link, 0, r, text);
    link->met = 0;
    link->n_received = 0;
    link->down_since = 0;
    link->tries = 0;
}

static int
pause_for(struct mp__manager_link *link, struct mp__waiter *leader,
          mp_time deadline)
{
    mp_time pause = (10 * MS) << (link->tries < 5 ? link->tries : 5);
    mp_time until = mp__now() + (pause < LONGEST ? pause : LONGEST);
    uint32_t seen = mp__load(&leader->word);
    int r;

    link->tries++;
    pthread_mutex_unlock(&link->lock);
    r = mp__futex_wait(&leader->word, seen,
                       until < deadline ? until : deadline);
    pthread_mutex_lock(&link->lock);
    return r == -ETIMEDOUT && until < deadline ? 0 : r;
}

int
mp__link_restore(struct mp__manager_link *link, struct mp__waiter *leader,
                 mp_time deadline)
{
    struct dialled dialled;
    int r;

    if (link->nonsense) {
        link->nonsense = link->met = 0;
        mp__pending_fail_all(link, 1, -EPROTO,
                             "mp_manager: what came is no answer");
    }
    if (link->down_since == 0)
        link->down_since = mp__now();
    pthread_mutex_unlock(&link->lock);
    r = dial(link, &dialled, deadline);
    pthread_mutex_lock(&link->lock);
    if (r == 0) {
        adopt(link, &dialled);
        return 0;
    }
    if (r == -EINTR || (r == -ETIMEDOUT && mp__expired(deadline)))
        return r;
    if (!link->met || is_hopeless(link, r)) {
        give_up(link, r);
        return 0;
    }
    return pause_for(link, leader, deadline);
}

int
mp__link_meet(struct mp__manager_link *link, mp_time deadline)
{
    struct dialled dialled;
    int r;

    pthread_mutex_unlock(&link->lock);
    r = dial(link, &dialled, deadline);
    pthread_mutex_lock(&link->lock);
    if (r == 0)
        adopt(link, &dialled);
    return r;
}
