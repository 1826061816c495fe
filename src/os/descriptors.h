/* SPDX-License-Identifier: MIT */
/* File descriptors: where they lie, and which of them a child keeps. */
#pragma once

#include <stddef.h>

/* The result of a system call that opens a close-on-exec descriptor: the
 * descriptor, moved up if it is one of the standard streams' numbers, or
 * -errno. */
int mp__fd_high(int fd);

/* Moves *fd to a number above `top`, unless it is there or -1. */
void mp__fd_above(int *fd, int top);

/* Whether it is open. */
int mp__fd_is_open(int fd);
/* Whether it is one of memfd_create(). */
int mp__fd_is_memory(int fd);
int mp__fd_set_cloexec(int fd, int on);

/* Closes all but 0, 1, 2 and the `n` of `keep`, which is sorted by it. */
void mp__fds_close_others(int *keep, size_t n);

/* Gives each descriptor from[i] the number to[i], which it takes from whoever
 * has it; from[i] are closed. `from` is written to. 0 or -errno. */
int mp__fds_move(int *from, const int *to, size_t n);

/* A descriptor that reads as an empty file: /dev/null, where there is one. */
int mp__fd_null(void);

/* A flag of which another process can be told by passing a descriptor. */
int mp__signal_open(void);
void mp__signal_raise(int fd);
void mp__signal_lower(int fd);

/* A pair of connected sockets that keep messages apart. */
int mp__socket_pair(int ret_ends[2]);

#define MP__PASS_MAX 250 /* descriptors in one message */

/* Sends `size` bytes with `n` descriptors; the other end gets copies. 0 or
 * -errno; never SIGPIPE. */
int mp__socket_send(int socket, const void *data, size_t size, const int *fds,
                    size_t n);

/* Receives `size` bytes and up to MP__PASS_MAX close-on-exec descriptors,
 * whose number is written to *n. 1, 0 at the end, or -errno. */
int mp__socket_receive(int socket, void *data, size_t size, int *ret_fds,
                       size_t *ret_n);
