/* SPDX-License-Identifier: MIT */
/* Streams of bytes: sockets of type SOCK_STREAM, local ones and TCP.
 *
 * All are close-on-exec from birth. Reading and writing never wait, whatever the
 * descriptor's mode, and never raise SIGPIPE. Results below 0 are -errno. */
#pragma once

#include <mproc/base.h>
#include <stdint.h>
#include <sys/uio.h>

struct mp__stream_name;

/* A socket for that kind of name. */
int mp__stream_open(const struct mp__stream_name *name);
int mp__stream_set_blocking(int fd, int on);
/* TCP: no delay for small messages; a dead end is noticed in two minutes. */
void mp__stream_tune(int fd);

/* TCP: a dead end is noticed after so many seconds without a sign of it. */
void mp__stream_patience(int fd, double seconds);

/* TCP: what has come is acknowledged at once, this time. An end that sends small
 * messages in a row (Python's, which leaves Nagle's algorithm on) holds the next
 * one back until then. */
void mp__stream_quick(int fd);

/* MP__STREAM_LOCAL, MP__STREAM_TCP; -EINVAL: it is no stream, or listens;
 * -ENOTCONN. */
#define MP__STREAM_LOCAL 1
#define MP__STREAM_TCP   2
int mp__stream_kind(int fd);

/* Waits until `deadline`. -EAGAIN, -ETIMEDOUT, -EINTR: the socket is of no more
 * use. A TCP socket does not block afterwards. */
int mp__stream_connect(int fd, const struct mp__stream_name *name,
                       mp_time deadline);

/* For TCP; local ones: stream_file.h. */
int mp__stream_bind(int fd, const struct mp__stream_name *name);
/* It does not block from then on. */
int mp__stream_listen(int fd, uint32_t backlog);
/* The next in the kernel's line; -EAGAIN. */
int mp__stream_accept(int fd);

/* Who opened the other end of a local one. */
int mp__stream_peer_user(int fd, uint32_t *ret_user);

/* What has come, as much as there is room for in the parts: bytes; 0 at the
 * end; -EAGAIN. */
ssize_t mp__stream_read(int fd, const struct iovec *parts, unsigned n);

/* The same from a local one. Descriptors may come along with the last byte that
 * was read: then *ret_passed is the only one, or MP__STREAM_LOST if this process
 * cannot have it (-EMFILE, as a rule); else MP__STREAM_NONE. Several:
 * -EPROTO. */
#define MP__STREAM_NONE (-1)
#define MP__STREAM_LOST (-2)
ssize_t mp__stream_read_passed(int fd, const struct iovec *parts, unsigned n,
                               int *ret_passed);
/* A look at the next byte, which stays, as does what comes along with it: 1; 0
 * at the end; -EAGAIN. */
int mp__stream_peek_passed(int fd, unsigned char *ret_byte, int *ret_passed);

/* As much as there is room for: bytes; -EAGAIN. */
ssize_t mp__stream_write(int fd, const struct iovec *parts, unsigned n);
/* One byte, and a copy of a descriptor along with it: 0. */
int mp__stream_pass(int fd, unsigned char byte, int passed);

/* Nothing more will be written. */
void mp__stream_end(int fd);
/* Closing it will be a reset, as if the network had failed. */
void mp__stream_abort(int fd);
