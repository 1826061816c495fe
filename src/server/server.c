/* SPDX-License-Identifier: MIT */
/* The server's loop: one thread, which sleeps in one place.
 *
 * A turn: what has come is read, a portion from each client; those who have
 * more are looked at again in the next turn, without a sleep; timers ring;
 * calls that may go on do; then all answers are written, those of one client
 * by one system call.
 *
 * All is this process's own. A process that it forks (a pool's worker) closes
 * its copies of the descriptors: connections by themselves, the rest here. */
#include "server/server.h"

#include "base/error.h"
#include "bell/patience.h"
#include "os/clock.h"
#include "os/descriptors.h"
#include "os/epoll.h"
#include "registry/record.h"
#include "report/log.h"
#include "server/dispatch.h"
#include "server/park.h"
#include "server/session.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#define EVENTS  64
#define ARRIVED 32 /* clients in one turn */
#define REST    ((mp_time)100000000)

struct mp__server mp__server = {.epoll = -1, .signal = -1};

/* ---- Who comes ---- */

static int
has_room(void)
{
    uint32_t most = 2 * mp__served_here.manager->terms->max_clients + 64;

    return mp__server.n_sessions < most || mp__session_end_one_away();
}

static void
turn_away(mp_conn *conn, const char *why)
{
    mp__server.counts.rejected++;
    mp__log(MP_LOG_WARNING, "manager: a client was turned away: %s", why);
    mp_conn_close(conn);
}

static struct mp__source on_calls;

static void
end_rest(struct mp__timer *timer)
{
    (void)timer;
    mp__epoll_change(mp__server.epoll, mp_listener_fd(mp__server.listener),
                     EPOLLIN, &on_calls);
}

/* The system cannot let anybody in at the moment. */
static void
rest(void)
{
    static struct mp__timer timer = {.ring = end_rest};

    mp__log(MP_LOG_WARNING, "manager: nobody can be let in: %s",
            mp_last_error());
    if (mp__timer_set(&mp__server.timers, &timer, mp__now() + REST) == 0)
        mp__epoll_change(mp__server.epoll, mp_listener_fd(mp__server.listener),
                         0, &on_calls);
}

static void
on_call(struct mp__source *source, uint32_t events)
{
    enum mp__transport transport =
        strncmp(mp__served_here.manager->bound, "unix:", 5) == 0 ? MP__BY_UNIX
                                                                 : MP__BY_TCP;
    mp_conn *conn;

    (void)source, (void)events;
    for (int i = 0; i < ARRIVED; i++) {
        int r = mp_listener_accept(mp__server.listener, &conn, MP_NOW);

        if (r < 0 && r != -EAGAIN && r != -EINTR)
            rest();
        if (r < 0)
            return;
        if (has_room())
            mp__session_new(conn, transport);
        else
            turn_away(conn, "there are too many");
    }
}

/* A process of the family: what comes by the queue is its end of a pipe. */
static void
on_caller(struct mp__source *source, uint32_t events)
{
    mp_queue *callers = mp__served_here.manager->callers;
    mp_conn *conn;
    ssize_t r = sizeof(conn);

    (void)source, (void)events;
    for (int i = 0; i < ARRIVED && r == sizeof(conn); i++) {
        r = mp_queue_get(callers, &conn, sizeof(conn), MP_NOW);
        if (r == sizeof(conn))
            mp__session_new(conn, MP__BY_PIPE);
    }
    if (r == -EBADF)
        mp__server.ending = 1; /* there is no such manager any more */
}

static void
on_signal(struct mp__source *source, uint32_t events)
{
    (void)source, (void)events;
    mp__signal_lower(mp__server.signal);
    mp__server.ending = 1;
}

void
mp__server_stop(void)
{
    mp__signal_raise(mp__server.signal);
}

/* ---- What every server can do ---- */

static ssize_t
serve_ping(struct mp__call *call)
{
    return mp__call_give(call, "v", call->args);
}

static ssize_t
serve_shutdown(struct mp__call *call)
{
    (void)call;
    mp__server.ending = mp__server.clears = 1;
    return 0;
}

static ssize_t
serve_thread_end(struct mp__call *call)
{
    mp__session_end_guest(call->session, call->thread);
    mp__park_stir_all();
    return 0;
}

static void
register_ops(void)
{
    static const struct mp__op ops[] = {
        {"manager_ping", -1, serve_ping, .guest = 0},
        {"manager_shutdown", -1, serve_shutdown, .guest = 0},
        {"thread_end", -1, serve_thread_end, .guest = 0},
    };

    mp__ops_register(ops, MP__LENGTH(ops));
}

/* ---- Opening ---- */

/* In a copy of the process. */
static void
after_fork_in_child(void)
{
    if (mp__server.epoll >= 0)
        close(mp__server.epoll);
    if (mp__server.signal >= 0)
        close(mp__server.signal);
    mp__server.epoll = mp__server.signal = -1;
    mp__served_here.manager = NULL;
    mp__park_orphan();
}

static int
watch(int fd, struct mp__source *source)
{
    return fd < 0 ? fd : mp__epoll_add(mp__server.epoll, fd, EPOLLIN, source);
}

static int
listen_at(mp_manager *manager)
{
    const struct mp__manager_terms *terms = manager->terms;
    const char *address = manager->bound[0] ? manager->bound : terms->address;
    mp_conn_attr attr;
    int r;

    if (address[0] == '\0')
        return 0;
    mp__manager_conn_attr(terms, &attr);
    r = mp_listener_open(&mp__server.listener, address, &attr);
    if (r < 0)
        return r;
    if (manager->bound[0] == '\0')
        strncpy(manager->bound, mp_listener_address(mp__server.listener),
                sizeof(manager->bound) - 1);
    return 0;
}

static int
open_loop(mp_manager *manager)
{
    static struct mp__source on_callers = {on_caller},
                             on_signals = {on_signal};
    int r;

    on_calls.ready = on_call;
    mp__server.epoll = mp__epoll_open();
    mp__server.signal = mp__signal_open();
    r = mp__server.epoll < 0 ? mp__server.epoll
                             : watch(mp__server.signal, &on_signals);
    if (r == 0)
        r = watch(mp_queue_fd(manager->callers), &on_callers);
    if (r == 0 && mp__server.listener)
        r = watch(mp_listener_fd(mp__server.listener), &on_calls);
    return r < 0 ? mp__fail(r, "mp_manager_start: %s", mp_strerror(r)) : 0;
}

int
mp__server_open(mp_manager *manager)
{
    int64_t life = 0;
    int r = mp_value_add_get(manager->lives, 1, &life);

    if (r < 0)
        return r;
    mp__served_here = (struct mp__served_here){manager, (uint64_t)life};
    mp__server = (struct mp__server){
        .since = mp__now(),
        .epoll = -1,
        .signal = -1,
    };
    mp__chain_init(&mp__server.sessions);
    mp__chain_init(&mp__server.eager);
    mp__chain_init(&mp__server.dirty);
    mp__chain_init(&mp__server.dead);
    pthread_atfork(NULL, NULL, after_fork_in_child);
    register_ops();
    /* What the last server's clients had, guests and objects. */
    mp__reap();
    mp__manager_destroy_strays(manager);
    r = listen_at(manager);
    return r < 0 ? r : open_loop(manager);
}

/* ---- The loop ---- */

/* Those who were eager before: who is in this turn is looked at in the
 * next. */
static void
read_eager(struct mp__chain *eager)
{
    struct mp__chain *at;

    while ((at = mp__chain_pop(eager)) != NULL)
        mp__session_read(MP__CONTAINER(at, struct mp__session, eager));
}

static void
write_dirty(void)
{
    struct mp__chain *at;

    while ((at = mp__chain_pop(&mp__server.dirty)) != NULL) {
        mp__session_write(MP__CONTAINER(at, struct mp__session, dirty));
        mp__park_settle();
    }
}

static void
free_dead(void)
{
    struct mp__chain *at;

    while ((at = mp__chain_pop(&mp__server.dead)) != NULL)
        mp__session_free(MP__CONTAINER(at, struct mp__session, link));
}

/* Who asks for one thing after the other asks again soon: to be woken up takes
 * longer than that. */
static int
await(struct epoll_event events[EVENTS], mp_time deadline)
{
    static struct mp__looks looks;
    uint32_t most = deadline == MP_NOW ? 0 : mp__looks_wanted(&looks), i;
    int n = 0;

    for (i = 0; i < most && n == 0; i++)
        n = mp__epoll_look(mp__server.epoll, events, EVENTS);
    if (deadline != MP_NOW)
        mp__looks_made(&looks, i, n > 0);
    return n != 0 ? n
                  : mp__epoll_wait(mp__server.epoll, events, EVENTS, deadline);
}

int
mp__server_turn(mp_time deadline)
{
    struct epoll_event events[EVENTS];
    mp_time next = mp__timers_next(&mp__server.timers);
    struct mp__chain eager;
    int n;

    if (!mp__chain_is_empty(&mp__server.eager))
        deadline = MP_NOW;
    else if (next < deadline)
        deadline = next;
    n = await(events, deadline);
    if (n < 0)
        return n;
    mp__chain_init(&eager);
    mp__chain_move(&eager, &mp__server.eager);
    for (int i = 0; i < n; i++) {
        struct mp__source *source = events[i].data.ptr;

        source->ready(source, events[i].events);
    }
    read_eager(&eager);
    if (mp__timers_next(&mp__server.timers) != MP_FOREVER)
        mp__timers_ring(&mp__server.timers, mp__now());
    mp__park_settle();
    write_dirty();
    free_dead();
    return 0;
}

int
mp__server_loop(void)
{
    int r = 0;

    while (r == 0 && !mp__server.ending)
        r = mp__server_turn(MP_FOREVER);
    return r;
}

void
mp__server_close(void)
{
    struct mp__chain *sessions = &mp__server.sessions;

    mp_listener_close(mp__server.listener);
    while (!mp__chain_is_empty(sessions))
        mp__session_end(
            MP__CONTAINER(sessions->next, struct mp__session, link));
    free_dead();
    mp__park_close();
    mp__timers_free(&mp__server.timers);
    if (mp__server.epoll >= 0)
        close(mp__server.epoll);
    if (mp__server.signal >= 0)
        close(mp__server.signal);
    mp__server.epoll = mp__server.signal = -1;
}

/* ---- How it does ---- */

int
mp__server_statistics(struct mp__session *session, mp_any_writer *w)
{
    const struct mp__counts *counts = &mp__server.counts;
    uint64_t refused =
        mp__server.listener ? mp_listener_rejected(mp__server.listener) : 0;

    (void)session;
    return mp_any_build(
        w,
        "{'clients':I,'sessions':I,'welcomed':Q,'resumed':Q,'rejected':Q,'"
        "dropped':Q,"
        "'calls':Q,'parked':I,'bytes_in':Q,'bytes_out':Q,'lives':Q,"
        "'since':d}",
        mp__server.n_clients, mp__server.n_sessions, counts->clients,
        counts->resumed, counts->rejected + refused, counts->dropped,
        counts->calls, mp__parked(), counts->bytes_in, counts->bytes_out,
        mp__served_here.life, (double)(mp__now() - mp__server.since) / 1e9);
}
