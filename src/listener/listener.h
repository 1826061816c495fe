/* SPDX-License-Identifier: MIT */
/* A listener, the private half: see listener.c. */
#pragma once

#include "listener/proof.h"
#include "os/stream_file.h"
#include "socket/private.h"
#include "socket/turn.h"

#include <mproc/connection.h>

/* One who calls. */
struct mp__client {
    struct mp__client *next; /* in one of the lines below */
    int fd;
    mp_time limit; /* by the listener's clock */
    struct mp__proof proof;
};

/* Who came first is first. fork's child reads it as it happens to be: links are
 * stored so that it always holds together. */
struct mp__line {
    struct mp__client *first;
    struct mp__client **end;
    unsigned n;
};

struct mp__listener {
    struct mp__private half;
    struct mp__terms terms;
    struct mp__stream_file file; /* of a local one */
    int fd;
    int epoll; /* has the socket, the alarm, and all who prove themselves */
    int alarm;
    int spare; /* a descriptor to be given up: see accept.c; -1 */
    mp__a64 rejected;
    mp__a32 watched;         /* the program has asked for the descriptor */
    struct mp__turn turn;    /* whose it is writes all below */
    struct mp__line waiting; /* they prove themselves */
    struct mp__line ready;   /* they have */
    mp_time alarm_at;        /* MP_FOREVER: it is off */
    /* The listener's clock stands while nobody looks after the clients: the
     * time for which it stood so far, and since when it stands. */
    mp_time absent, left_at;
};

/* Lets clients in, and takes the steps that are due; never waits. 0; -EMFILE,
 * ...: nothing goes on. By whose turn it is, who has called _come(). */
void mp__listener_come(struct mp__listener *listener);
int mp__listener_work(struct mp__listener *listener);
void mp__listener_leave(struct mp__listener *listener);

/* The first who is ready becomes a connection. -ENOMEM: it stays. */
int mp__listener_take(struct mp__listener *listener, mp_conn **ret_conn);

void mp__line_init(struct mp__line *line);
/* Closes them all, without a word. */
void mp__line_clear(struct mp__line *line);
