/* SPDX-License-Identifier: MIT */
/* Where a stream may lead, as the kernel has it. */
#pragma once

#include <netinet/in.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

struct mp__stream_name {
    socklen_t size;
    union {
        struct sockaddr any;
        struct sockaddr_un local;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
    } as;
};

/* Bytes of the longest path, without its NUL. */
#define MP__STREAM_PATH (sizeof(((struct sockaddr_un *)0)->sun_path) - 1)

void mp__stream_local_name(struct mp__stream_name *name, const char *path);

/* The addresses of a host, up to `most`, in the order in which they are to be
 * tried: how many. Asks the system, which may take its time. -EHOSTUNREACH: it
 * has none, and *ret_why tells; -ENOMEM, ... */
int mp__stream_look_up(struct mp__stream_name *names, unsigned most,
                       const char *host, unsigned port, const char **ret_why);

int mp__stream_is_loopback(const struct mp__stream_name *name);

/* "127.0.0.1:80", "[::1]:80" of the address that the socket is bound to. */
#define MP__STREAM_TEXT 80
int mp__stream_bound_text(int fd, char text[MP__STREAM_TEXT]);
/* ... and of the one that it is connected to. "?": cannot be told. */
void mp__stream_peer_text(int fd, char text[MP__STREAM_TEXT]);
