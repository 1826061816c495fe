/* SPDX-License-Identifier: MIT */
/* Waiting for the first of several objects, of any kind.
 *
 *     void *objects[] = {queue, conn, process, MP_FD(STDIN_FILENO)};
 *     int ready[4];
 *
 *     mp_wait(objects, 4, ready, mp_timeout(1.0));
 *
 * In a loop of one's own (epoll, libuv, GLib) each of them has a descriptor:
 * mp_queue_fd(), mp_event_fd(), mp_process_fd(), mp_result_fd(), mp_conn_fd(),
 * mp_listener_fd(). */
#ifndef MPROC_WAIT_H
#define MPROC_WAIT_H

#include <mproc/base.h>

MP__BEGIN

/* A plain descriptor among the objects: ready when it can be read. */
#define MP_FD(fd) ((void *)(((uintptr_t)(unsigned)(fd) << 1) | 1))

/* Waits until one of the `n` objects is ready, or `deadline`. Ready are
 *   a queue      that is not empty, or is closed
 *   an event     that is set
 *   a process    that has ended
 *   a result     that is there
 *   a connection that has a message, or whose other end is gone
 *   a listener   that somebody calls (accept may still have to wait)
 *   MP_FD(fd)    that can be read, or is at its end
 * and NULL never is. ready[i] (unless `ready` is NULL) becomes 1 for those that
 * are, 0 for the others. Returns how many. Nothing is taken: another thread may
 * be faster.
 *
 * -EAGAIN, -ETIMEDOUT: none; -EINTR: a signal handler ran. -EBADF: an object is
 * none of these (mp_last_error() tells which). -EPERM: a pipe's end that only
 * sends; -ENOTSUP: a connection of another process. -EMFILE, -ENFILE, -ENOMEM:
 * each object takes a descriptor, a result two; they are kept until it goes.
 * With no objects at all it just waits. */
MP_API int mp_wait(void *const *objects, size_t n, int *ready,
                   mp_time deadline);

MP__END

#endif
