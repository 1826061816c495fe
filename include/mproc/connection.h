/* SPDX-License-Identifier: MIT */
/* Connections: two ends, and messages (bytes or values) that go from one to the
 * other in order. Between processes of a family: mp_pipe(). Between programs
 * and machines: mp_listener_open() and mp_connect().
 *
 *     mp_conn_sendf(conn, "[i,n,s]", 42, "Hello");
 *     mp_conn_recvf(conn, "[i,n,s]", &n, &text);
 *
 * A message is received whole or not at all. Several threads and processes may
 * send and receive on one end at once: their messages never mix, and each is
 * received once.
 *
 * Process death. When the processes that hold the other end are gone, receiving
 * goes on until nothing is left and gives -EPIPE then; sending gives -EPIPE. A
 * process may be killed at any instruction: what it was sending is there whole
 * or not at all (over a socket, the other end drops half a message), what it was
 * receiving from a pipe is still there or was received, and others that use
 * the same end of the pipe go on.
 *
 * All functions are thread-safe, none may be called in a signal handler. A
 * handle that is not a live connection, or one that this process has closed,
 * gives -EBADF. Nothing here raises SIGPIPE. */
#ifndef MPROC_CONNECTION_H
#define MPROC_CONNECTION_H

#include <mproc/any.h>
#include <mproc/base.h>
#include <mproc/item.h>

MP__BEGIN

typedef struct mp_conn mp_conn;
typedef struct mp_listener mp_listener;

/* ---- Pipes ---- */

/* Makes a pipe through the family's memory. Both ends send and receive if
 * `duplex`; else the first only receives and the second only sends. The handles
 * are valid in every process of the family.
 *
 * An end is held by the processes that use it, and by a process that was
 * started with its handle in the argument (mp_process_start(), within the first
 * 64 KiB, at an address that a pointer may have); by the process that made the
 * pipe until another does. When none of them is left, by mp_conn_close() or
 * because they ended, the end is gone. An end that only its maker has held, and
 * has closed, is held by the processes that were started since, but for those
 * that have closed it too or hold the other end. At most 64 living processes at
 * a time may know an end: more are -EMFILE, when they use it or are started.
 *
 * The memory goes back when nobody holds either end, and who has made the pipe
 * has closed both, or has ended.
 *
 * Messages of more than 8 KiB are passed by reference, at most 1 MiB of them at
 * a time, or two messages; a direction holds 64 KiB of smaller ones. A sender
 * waits for room. -EINVAL; -ENOMEM. */
MP_API int mp_pipe(mp_conn **ret_a, mp_conn **ret_b, int duplex);

/* This process is done with the connection: its handle is -EBADF here from now
 * on; calls of other threads that wait in it return -EBADF. A pipe's end stays
 * open in the processes that hold it too; what was sent and not received can
 * still be received. A socket is closed. NULL is allowed. */
MP_API int mp_conn_close(mp_conn *conn);

/* ---- Bytes ---- */

/* Sends `size` bytes as one message; waits until `deadline` for room. `data`
 * may be NULL when size is 0. When it returns 0 the message is on its way, and
 * `data` may be reused; through a pipe it outlives its sender.
 *
 * -EPIPE: the other end is gone. -EAGAIN, -ETIMEDOUT: no room; -EINTR: a signal
 * handler ran; -ENOMEM: nothing was sent. -EPERM: this end only receives.
 * Over a socket, where a message may have gone out in part: signals do not
 * interrupt it any more, and if the deadline passes then (-ETIMEDOUT) the
 * connection is of no more use for sending (-EPIPE). */
MP_API int mp_conn_send(mp_conn *conn, const void *data, size_t size,
                        mp_time deadline);

/* Receives the next message into `buf`, waiting for it until `deadline`, and
 * returns its size.
 *
 * -EMSGSIZE: it is larger than `cap` (mp_last_error() tells by how much,
 * mp_conn_next_size() as well); it stays the next. -EAGAIN, -ETIMEDOUT, -EINTR:
 * none has come. -EPIPE: the other end is gone, and nothing is left. -EPROTO:
 * the other end does not keep to the protocol (a socket; it is of no more
 * use), or ended in the midst of a message. -EPERM: this end only sends. */
MP_API ssize_t mp_conn_recv(mp_conn *conn, void *buf, size_t cap,
                            mp_time deadline);

/* The size of the next message, waiting for one; errors as mp_conn_recv(). */
MP_API ssize_t mp_conn_next_size(mp_conn *conn, mp_time deadline);

/* 1: a message has come, or the other end is gone: mp_conn_recv() will not
 * wait. 0: not until `deadline`. -EINTR, ... */
MP_API int mp_conn_poll(mp_conn *conn, mp_time deadline);

/* ---- Values ---- */

/* One value, in the letters of mp_any_build(); waits as long as it takes. The
 * errors are those of mp_any_build() and mp_conn_send(). */
MP_API int mp_conn_sendf(mp_conn *conn, const char *format, ...);

/* The next message, taken apart in the letters of mp_any_parse(); waits as long
 * as it takes. What s, S, y and v give are copies, to be freed by free() (v:
 * mp_any_free()). A message that is no value (-EPROTO), or not one of that
 * format (-EINVAL, -ERANGE, -EMSGSIZE; mp_last_error() tells where), stays the
 * next one, and nothing is to be freed. Others as mp_conn_recv(). */
MP_API int mp_conn_recvf(mp_conn *conn, const char *format, ...);

/* The same with a deadline, and with the arguments of another function. */
MP_API int mp_conn_vsendf(mp_conn *conn, mp_time deadline, const char *format,
                          va_list args);
MP_API int mp_conn_vrecvf(mp_conn *conn, mp_time deadline, const char *format,
                          va_list args);

/* A value as it is; MP_LIST(42, MP_NIL, "Hello"). -EPROTO: it is none. */
MP_API int mp_conn_send_any(mp_conn *conn, mp_any any, mp_time deadline);
MP_API int mp_conn_send_item(mp_conn *conn, mp_item item, mp_time deadline);

/* The next message as a value, checked: a copy, for mp_any_free(). -EPROTO: it
 * is none, and stays the next one. Others as mp_conn_recv(). */
MP_API int mp_conn_recv_any(mp_conn *conn, mp_any *ret_any, mp_time deadline);

/* ---- Descriptors ---- */

/* A descriptor for poll(), select() or epoll, of this process, which is
 * readable when a message may have come or the other end is gone: then receive
 * with MP_NOW until -EAGAIN, which makes it unreadable until there is more. It
 * may be readable for no reason. It belongs to the library: do not read, write
 * or close it; it is the same at each call, and closed by mp_conn_close().
 * -EMFILE, -ENFILE, -ENOMEM. */
MP_API int mp_conn_fd(mp_conn *conn);

/* Passes an open descriptor to the other end, in order with the messages, where
 * only mp_conn_recv_fd() takes it (others: -ENOMSG, and it stays the next).
 * `fd` stays open here. Works through pipes and unix: connections; others
 * -ENOTSUP. Waits and fails as mp_conn_send().
 *
 * In a pipe the receiver fetches it from the sender, which keeps a duplicate
 * until one of its later calls finds that it was fetched: if the sender has ended
 * by then, receiving gives -ESRCH; -EPERM: the system forbids that (Yama,
 * seccomp); and it is out of the pipe in both cases. */
MP_API int mp_conn_send_fd(mp_conn *conn, int fd, mp_time deadline);

/* Returns a new close-on-exec descriptor, the caller's. -ENOMSG: the next
 * message is not one. -EMFILE, ...: it stays (over a socket, it is lost if it
 * was read along with messages before it). Others as mp_conn_recv(). */
MP_API int mp_conn_recv_fd(mp_conn *conn, mp_time deadline);

/* ---- Between programs and machines ----
 *
 * The messages, and the proof that both know the key, are those of Python's
 * multiprocessing.connection: a Python program may be the other end, with
 * send_bytes() and recv_bytes(). Values travel as MessagePack (Python: msgpack).
 *
 * Addresses: "unix:/path", "tcp:host:port", "tcp:[::1]:port"; port 0: any that
 * is free.
 *
 * unix: only processes of the same user (or root) are let in. With a key both
 * ends prove that they know it.
 * tcp: TLS 1.3, by a secret derived from the key, or by certificates. In clear
 * text only with MP_CONN_CLEAR_TEXT, and on the loopback.
 *
 * A connection or listener of this kind belongs to the process that opened it;
 * in others its handle is -ENOTSUP. To hand it on, between two messages and
 * without TLS: mp_conn_send_fd() of what mp_conn_fd() gives (-EBUSY: some were
 * read that were not received), and mp_conn_open_fd() of what arrives. */

/* Flags. */
#define MP_CONN_CLEAR_TEXT 1 /* tcp: without TLS: what a Python program needs */
#define MP_CONN_LEGACY_MD5 2 /* also HMAC-MD5, all that Python <= 3.11 has */
#define MP_CONN_ANY_USER   4 /* unix: let other users in; they need the key */

typedef struct mp_conn_attr {
    uint32_t size;  /* set by MP_CONN_ATTR */
    uint32_t flags; /* MP_CONN_* */
    const void *authkey;
    size_t authkey_size; /* SIZE_MAX: authkey is a string; for TLS by the key
                            alone 16 bytes at least */
    double handshake_timeout; /* seconds that the other end has to prove itself;
                                 0: 5 */
    size_t max_message; /* bytes; larger messages from elsewhere are -EPROTO;
                           0: any size, as none is stored before it is asked
                           for */
    /* TLS by certificates, PEM files. The certificate and its key are this
     * end's; `ca` signs those of the others, who must have one. A client holds
     * the server's name against its certificate. */
    const char *certificate, *private_key, *ca;
    /* Listeners only. */
    uint32_t backlog;     /* in the kernel; 0: 128 */
    uint32_t max_waiting; /* clients that prove themselves at a time, the oldest
                             makes room for the next; 0: 1024 */
    uint32_t mode;        /* of the unix: socket's file; 0: 0600 */
    uint32_t reserved;
} mp_conn_attr;

/* MP_CONN_ATTR(.authkey = "secret", .authkey_size = SIZE_MAX) */
#define MP_CONN_ATTR(...) MP__ATTR(mp_conn_attr, __VA_ARGS__)

/* Listens at the address. A unix: file that nobody listens at any more is
 * replaced; one that somebody does is -EADDRINUSE. -EINVAL (the address, or the
 * attributes: mp_last_error() says what), -EADDRNOTAVAIL, -EACCES, -ENOTSUP
 * (built without OpenSSL), -EKEYREJECTED (certificates or key of no use). */
MP_API int mp_listener_open(mp_listener **ret_listener, const char *address,
                            const mp_conn_attr *attr);

/* Waits until `deadline` for a client that has proved itself. All that have
 * called prove themselves at the same time, so that slow and silent ones hold
 * nobody up; who fails, or takes longer than .handshake_timeout, is dropped
 * (and mp_log() tells, at MP_LOG_WARNING). -EAGAIN, -ETIMEDOUT, -EINTR: nobody
 * yet; those at it go on in the next call. */
MP_API int mp_listener_accept(mp_listener *listener, mp_conn **ret_conn,
                              mp_time deadline);

/* The address in full, with the port that was found: valid as long as the
 * listener. NULL: no listener. */
MP_API const char *mp_listener_address(mp_listener *listener);

/* How many clients were dropped so far. */
MP_API uint64_t mp_listener_rejected(mp_listener *listener);

/* As mp_conn_fd(): readable when mp_listener_accept() has something to do; call
 * that with MP_NOW then, until -EAGAIN. */
MP_API int mp_listener_fd(mp_listener *listener);

/* Listens no more; clients that were not accepted are dropped, a unix: file is
 * removed. Connections stay. NULL is allowed. */
MP_API int mp_listener_close(mp_listener *listener);

/* Connects, and proves itself, until `deadline` (and .handshake_timeout for the
 * proof). -ECONNREFUSED, -ENOENT: nobody listens there; -EHOSTUNREACH, ...;
 * -ETIMEDOUT; -EKEYREJECTED: the other end has another key or certificate;
 * -ECONNRESET: it hung up before it had proved itself (also: a client in clear
 * text and a listener with TLS wait for each other until then); -EPROTO: it is no
 * such listener; -EACCES (another user); -EINTR; -EINVAL, -ENOTSUP as
 * mp_listener_open(). A name is looked up by the system, which may take longer
 * than the deadline. */
MP_API int mp_connect(mp_conn **ret_conn, const char *address,
                      const mp_conn_attr *attr, mp_time deadline);

/* A connection by a stream socket that is connected already: from socketpair(),
 * an inherited one, one that was passed. Takes the descriptor if it succeeds.
 * No proof is asked for; .max_message alone counts of the attributes. -EINVAL:
 * no stream socket. */
MP_API int mp_conn_open_fd(mp_conn **ret_conn, int fd,
                           const mp_conn_attr *attr);

MP__END

#endif
