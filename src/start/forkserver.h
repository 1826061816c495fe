/* SPDX-License-Identifier: MIT */
/* The fork server: a clean process that forks on request. See forkserver.c
 * (its clients) and forkserver_serve.c (the process itself). */
#pragma once

#include <mproc/process.h>

#include <stdint.h>

/* What a client asks for. The descriptors follow in this order; `has` tells
 * which are there, pass_fds are at the end. */
enum mp__fork_request_fd {
    MP__REQUEST_SIGNAL,
    MP__REQUEST_CWD,
    MP__REQUEST_ROOT,   /* read end that watches the root */
    MP__REQUEST_PARENT, /* read end that watches the parent */
    MP__REQUEST_STDIN,  /* the standard streams, in order */
    MP__REQUEST_STDOUT,
    MP__REQUEST_STDERR,
    MP__REQUEST_FDS,
};

struct mp__fork_request {
    mp_process *process;
    uint32_t serial;
    uint32_t has; /* bits 1 << enum mp__fork_request_fd */
};

/* The server's target: `arg` is two ints, the clients' socket and its own. */
int mp__forkserver_serve(void *arg);

/* A copy of the socket to the fork server that this process can reach; -1 if
 * it knows of none. */
int mp__forkserver_socket(void);

/* In a spawned child: the socket that it was given, or -1. */
void mp__forkserver_inherit(int socket);

/* Moves this process's copy of the socket above the number `top`. */
void mp__forkserver_move_above(int top);

/* Ends the server if this process has started it and is the root. */
void mp__forkserver_stop(void);
