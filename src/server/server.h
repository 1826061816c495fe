/* SPDX-License-Identifier: MIT */
/* The server: what the one thread of its process has. Whose server it is:
 * mp__served_here. */
#pragma once

#include "server/chain.h"
#include "registry/manager.h"
#include "server/timer.h"

#include <sys/epoll.h>

/* Who is told of a descriptor. */
struct mp__source {
    void (*ready)(struct mp__source *source, uint32_t events);
};

struct mp__counts {
    uint64_t clients;  /* that have ever been welcomed */
    uint64_t resumed;  /* how often a session has gone on */
    uint64_t rejected; /* beside those that the listener has */
    uint64_t dropped;
    uint64_t calls;
    uint64_t bytes_in, bytes_out;
};

struct mp__server {
    mp_time since;
    mp_listener *listener; /* NULL: there is no address */
    int epoll;
    int signal;         /* raised when it is to end */
    int ending;         /* it ends when this turn is over, */
    int clears;         /* ... and destroys all that the manager has */
    uint32_t n_clients; /* connected and welcomed */
    uint32_t n_sessions;
    uint64_t numbers; /* of sessions, so far */
    struct mp__chain sessions;
    struct mp__chain eager; /* sessions that may have more to say at once */
    struct mp__chain dirty; /* ... to which something is to be written */
    struct mp__chain dead;  /* ... that are freed when the turn is over */
    struct mp__timers timers;
    struct mp__counts counts;
};
extern struct mp__server mp__server;

/* Listens: 0; below: what can be asked for is there by then (service/). Then until it is to end; then the listener is closed, and
 * all sessions end. */
int mp__server_open(mp_manager *manager);
int mp__server_loop(void);
void mp__server_close(void);

/* It is to end. For a signal handler, too. */
void mp__server_stop(void);

/* How it does: one dict. 0; the writer's error. */
struct mp__session;
int mp__server_statistics(struct mp__session *session, mp_any_writer *w);

/* One round of the loop; waits until `deadline`. 0; below. */
int mp__server_turn(mp_time deadline);
