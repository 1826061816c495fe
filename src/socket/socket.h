/* SPDX-License-Identifier: MIT */
/* A connection over a stream socket, the private half: see socket.c. */
#pragma once

#include "bell/patience.h"
#include "connection/conn.h"
#include "socket/frame.h"
#include "socket/private.h"
#include "socket/turn.h"

#include <pthread.h>
#include <sys/uio.h>

struct mp__tls;

#define MP__SOCKET_AHEAD 16384u /* bytes read ahead, at most */

/* What came and was not received. Writer: whose turn it is to receive. */
struct mp__arrivals {
    unsigned char *ahead; /* bytes of the stream: those at [from, to) */
    uint32_t from, to;
    int passed; /* what came along with the last of them: os/stream.h */
    int headed; /* the next message's header is read: it has `size` bytes */
    uint64_t size;
    unsigned char *part; /* its first `have` bytes, if they were kept; NULL */
    uint64_t have, room;
    int error;   /* -EPIPE, -EPROTO: there will be no more; 0 */
    short wants; /* what the socket is waited for: POLLIN, POLLOUT */
    struct mp__looks looks; /* ... and for how long it is looked at before */
    int why; /* -EPIPE: 0: the other end has closed it; -ECONNRESET, ... */
};

struct mp__socket {
    struct mp__private half;
    int fd;
    int local;           /* of the system's own: descriptors may come */
    struct mp__tls *tls; /* NULL: clear text */
    uint64_t most;       /* bytes in a message from elsewhere */
    struct mp__turn sending, receiving;
    int broken; /* nothing can be sent any more. Writer: whose turn it is */
    struct mp__arrivals in;
    /* For poll() by the program: see poll.c. */
    pthread_mutex_t lock; /* guards the making of the next two */
    mp__a32 outside; /* what mp_conn_fd() gives, + 1; 0: not asked for yet */
    int surplus;     /* a signal in there */
    int raised;      /* it is up. Writer: whose turn it is to receive */
};

/* What the family sees of it. */
struct mp__socket_cell {
    struct mp_conn conn;
    struct mp__private_cell private;
};

extern const struct mp__private_class mp__socket_class;
extern const struct mp__private_ops mp__socket_private_ops;

/* open.c. Takes `fd` and `tls` (NULL: clear text) if it succeeds. -ENOMEM. */
int mp__socket_open(mp_conn **ret_conn, int fd, struct mp__tls *tls,
                    uint64_t max_message, const char *function);

int mp__socket_close(mp_conn *conn);

/* NULL, with *ret_error: see mp__private_pin(). */
struct mp__socket *mp__socket_pin(mp_conn *conn, const char *function,
                                  int *ret_error);
static inline void
mp__socket_unpin(struct mp__socket *socket)
{
    mp__private_unpin(&socket->half);
}

/* Waits for POLLIN or POLLOUT: 0, or below. */
int mp__socket_wait(struct mp__socket *socket, short events, mp_time deadline);

/* send.c */
int mp__socket_send_message(mp_conn *conn, const void *data, size_t size,
                            mp_time deadline);

/* By whose turn it is: as much of the stream as there is room for: bytes;
 * -EAGAIN: when the socket is as it `wants` (POLLIN, POLLOUT), from the same
 * byte on, and as much or more. */
ssize_t mp__socket_write(struct mp__socket *socket, struct iovec *parts,
                         unsigned n, short *ret_wants);

/* receive.c */
ssize_t mp__socket_receive_message(mp_conn *conn, void *buf, size_t cap,
                                   mp_time deadline);
ssize_t mp__socket_next_size(mp_conn *conn, mp_time deadline);
int mp__socket_poll(mp_conn *conn, mp_time deadline);
int mp__socket_recv_look(mp_conn *conn, mp__conn_look_fn *look, void *arg,
                         mp_time deadline);

/* read.c: by whose turn it is. The header of the next message is read;
 * 0. -ENOMSG: it is a descriptor. */
int mp__socket_head(struct mp__socket *socket, mp_time deadline);
/* Reads until `least` bytes are ahead. */
int mp__socket_ahead(struct mp__socket *socket, size_t least,
                     mp_time deadline);
/* Reads into `buf`, what is ahead first: 1 to `size` bytes. */
ssize_t mp__socket_read(struct mp__socket *socket, void *buf, size_t size,
                        mp_time deadline);
/* The stream ends here, as the other end does not keep to the protocol. */
int mp__socket_spoil(struct mp__socket *socket, const char *why);

/* descriptor.c */
int mp__socket_send_fd(mp_conn *conn, int fd, mp_time deadline);
int mp__socket_recv_fd(mp_conn *conn, mp_time deadline);

/* poll.c */
int mp__socket_fd(mp_conn *conn);
/* By whose turn it is to receive: a call would find something without a look at
 * the socket. */
int mp__socket_has_surplus(const struct mp__socket *socket);
/* To be told, by whose turn it is to receive and who got `r`. */
MP__COLD void mp__socket_show(struct mp__socket *socket, ssize_t r);
