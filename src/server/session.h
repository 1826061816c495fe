/* SPDX-License-Identifier: MIT */
/* A session: what the server knows of one client. See session.c. */
#pragma once

#include "server/call.h"
#include "server/outbox.h"
#include "server/server.h"
#include "region/guest.h"

#define MP__GUESTS    64u /* threads of a client */
#define MP__PEER_TEXT 96u

struct mp__place;

/* ---- Calls that are remembered ---- */

enum mp__call_stage {
    MP__QUEUED, /* an earlier one of its thread is parked */
    MP__PARKED, /* it waits: park.h */
    MP__GIVEN,  /* answered; what it gave may be taken back */
};

struct mp__held {
    struct mp__call call;
    enum mp__call_stage stage;
    struct mp__chain
        link; /* in the session's `waiting` or `given`: in order */
    /* Parked: */
    struct mp__timer deadline;
    struct mp__place *place;
    struct mp__chain at; /* in the place's line */
    unsigned char args[];
};

/* An answer, for a client who may not have got it. */
struct mp__kept {
    struct mp__chain link;
    uint64_t serial;
    size_t size;
    unsigned char message[];
};

/* ---- Sessions ---- */

enum mp__session_state {
    MP__SESSION_HELLO, /* it has not said hello */
    MP__SESSION_OPEN,
    MP__SESSION_AWAY, /* its connection is broken: it may come back */
    MP__SESSION_OVER,
};

enum mp__transport {
    MP__BY_PIPE,
    MP__BY_UNIX,
    MP__BY_TCP, /* it may break: the session can be resumed */
};

struct mp__guest_of {
    uint32_t thread;
    struct mp__guest guest;
};

struct mp__session {
    struct mp__source source;
    struct mp__chain link;  /* among all, or the dead */
    struct mp__chain eager; /* in the server's lists */
    struct mp__chain dirty;
    enum mp__session_state state;
    enum mp__transport transport;
    unsigned char id[16];
    uint64_t number;
    char peer[MP__PEER_TEXT];

    mp_conn *conn;             /* NULL: away */
    struct mp__socket *socket; /* its, pinned; NULL: a pipe's end */
    int fd;                    /* what is watched, for `events` */
    uint32_t events;
    char doom[192]; /* why it is to be dropped; "": it is not */
    struct mp__outbox out;
    struct mp__timer timer; /* until it must have said hello, or come back; of
                               an open one: when to try again to write */
    int paused;             /* it is not read before it has fetched answers */
    mp_time stuck;          /* when it has fetched some for the last time */

    uint64_t highest; /* serial that has come */
    uint64_t done;
    struct mp__chain waiting, given; /* struct mp__held */
    struct mp__chain kept; /* struct mp__kept, as they were answered */
    uint32_t n_waiting, n_given, n_kept;
    size_t waiting_size, kept_size; /* bytes */

    struct mp__guest_of *guests;
    uint32_t n_guests, guests_room;
    uint32_t
        n_objects;   /* made by it, and its alone: not less than there are */
    mp_time counted; /* when they were counted last */
};

/* The server takes a connection over: takes `conn` in any case. */
void mp__session_new(mp_conn *conn, enum mp__transport transport);

/* It will be dropped when its turn is over: the client does what it must not.
 * The text is of mp_last_error(), or `why`. */
void mp__session_doom(struct mp__session *session, const char *why);

/* It is gone: all it had is given back. */
void mp__session_end(struct mp__session *session);

/* Gives its connection back. */
void mp__session_disconnect(struct mp__session *session);

/* hello.c: its first message. 0; -EPROTO, -EUSERS: it is refused. */
int mp__session_hello(struct mp__session *session, mp_any message);

/* When nobody looks at it any more. */
void mp__session_free(struct mp__session *session);

/* Reads what has come, up to a limit. */
void mp__session_read(struct mp__session *session);
/* Writes what there is room for. */
void mp__session_write(struct mp__session *session);
/* Something is to be written. */
void mp__session_soil(struct mp__session *session);

/* The longest away, to make room for others: whether there was one. */
int mp__session_end_one_away(void);

/* ---- answer.c ---- */

/* Answers a call; `outs`: a list, or none (size 0). The result that the client
 * is told: another one if the answer is too large. */
ssize_t mp__session_answer(struct mp__session *session, uint64_t serial,
                           ssize_t result, int confirm, mp_any outs);
/* How many answers may be kept, and calls that may be taken back, for a client
 * who does not say what has arrived. */
uint32_t mp__session_most_kept(void);
/* The same again. 0: it is not kept. */
int mp__session_answer_again(struct mp__session *session, uint64_t serial);
/* Answers that the client has: to serials below one, but for some. */
struct mp__arrived {
    uint64_t below;
    const uint64_t *but; /* in order */
    size_t n_but;
};
int mp__has_arrived(const struct mp__arrived *arrived, uint64_t serial);
void mp__answers_arrived(struct mp__session *session,
                         const struct mp__arrived *arrived);
void mp__answers_free(struct mp__session *session);

/* ---- guests.c ---- */

/* The guest for a thread; NULL: mp_last_error() tells, *ret_error: -EAGAIN,
 * -ENOMEM. */
const struct mp__guest *mp__session_guest(struct mp__session *session,
                                          uint32_t thread, int *ret_error);
void mp__session_end_guest(struct mp__session *session, uint32_t thread);
void mp__session_end_guests(struct mp__session *session);
