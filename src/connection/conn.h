/* SPDX-License-Identifier: MIT */
/* What an mp_conn is, whatever kind it is of, and what each kind has to do.
 * The kinds are in rooms above: pipe/ and socket/. */
#pragma once

#include "base/error.h"
#include "bell/pollers.h"
#include "region/object.h"

#include <mproc/connection.h>

enum mp__conn_kind {
    MP__CONN_PIPE = 1,   /* an end of a pipe, shared by the family */
    MP__CONN_SOCKET = 2, /* of one process */
};

enum mp__conn_can {
    MP__CONN_RECEIVE = 1,
    MP__CONN_SEND = 2,
};

/* First field of the larger struct of each kind. */
struct mp_conn {
    struct mp__object object;
    uint32_t kind; /* never changes, as `can` */
    uint32_t can;
};

/* Cells of both kinds are of one size. */
#define MP__CONN_CELL MP__SLAB_CELL_MAX

struct mp__report;

/* Looks at a message where it lies: a result below 0 leaves it there as the
 * next one, and is the result of the call. See codec/message.h. */
typedef int mp__conn_look_fn(const void *data, size_t size, void *arg);

/* What each kind does; handle and direction are checked by the caller. */
struct mp__conn_ops {
    int (*send)(mp_conn *conn, const void *data, size_t size,
                mp_time deadline);
    ssize_t (*recv)(mp_conn *conn, void *buf, size_t cap, mp_time deadline);
    ssize_t (*next_size)(mp_conn *conn, mp_time deadline);
    /* 1; -EAGAIN, -ETIMEDOUT (0 to the user), -EINTR, ... */
    int (*poll)(mp_conn *conn, mp_time deadline);
    /* Receives the next message if `look` likes it, which is asked once at
     * most. 0; errors as recv. */
    int (*recv_look)(mp_conn *conn, mp__conn_look_fn *look, void *arg,
                     mp_time deadline);
    int (*fd)(mp_conn *conn);
    int (*send_fd)(mp_conn *conn, int fd, mp_time deadline);
    int (*recv_fd)(mp_conn *conn, mp_time deadline);
    int (*close)(mp_conn *conn);
    /* For mp_wait(), as in bell/waitable.h. NULL: only the descriptor tells. */
    int (*look)(mp_conn *conn);
    struct mp__pollers *(*pollers)(mp_conn *conn);
    /* The end of the line about it, and all other lines: report/describe.h. */
    void (*describe)(struct mp__report *report, mp_conn *conn);
};

/* What the kinds give. Weak where it is used here: a program that is linked
 * statically has only those kinds that it makes connections of. */
extern const struct mp__conn_ops mp__pipe_ops, mp__socket_ops;

/* A pipe's are also called directly: that is the quick path. */
int mp__pipe_send(mp_conn *conn, const void *data, size_t size,
                  mp_time deadline);
ssize_t mp__pipe_recv(mp_conn *conn, void *buf, size_t cap, mp_time deadline);

/* The socket itself, if `fd` is what mp_conn_fd() has given for one, to be sent
 * to another process; else `fd`. -EBUSY: something of it was received in part,
 * or read ahead; -ENOTSUP: it is a secret's (TLS). */
int mp__socket_behind(int fd, const char *function);

/* Tells mp_wait() and mp_describe() what a connection is: for each kind's constructor function,
 * so that whoever has a connection has this. */
void mp__conn_register(void);

/* For the beginning of a public function: 0, -EBADF, -EPERM (the end cannot do
 * what is needed), or mp__enter()'s. */
int mp__conn_enter(const mp_conn *conn, enum mp__conn_can need,
                   const char *function);

/* Receives the next message if `look` likes it, for a public function. */
int mp__conn_recv_look(mp_conn *conn, mp__conn_look_fn *look, void *arg,
                       mp_time deadline, const char *function);
