/* SPDX-License-Identifier: MIT */
/* Two ends of a TLS connection over a pair of sockets, in one thread, as
 * nothing here waits. */
#pragma once

#include "support/support.h"
#include "tls/tls.h"

#define KEY   "a key of more than 16 bytes"
#define TURNS 100 /* more than any handshake takes */

struct end {
    struct mp__tls *tls;
    int socket;
    int result;     /* of its handshake */
    char text[512]; /* why it failed */
};
extern struct end server, client;

mp_conn_attr key_attr(const char *key);
void make_sockets(int sockets[2]);

/* A server, or a client that looks for `host`. */
struct end make_end(const mp_conn_attr *attr, int serves, int socket,
                    const char *host);
void free_end(struct end *end);

/* Whether a handshake with that result is not over. */
int goes_on(int result);

/* Makes the two ends and runs their handshake as far as it goes. */
void connect_ends(const mp_conn_attr *server_attr,
                  const mp_conn_attr *client_attr, const char *host);
void shake_hands(void);
/* Both by KEY, which they must be content with. */
void connect_by_key(void);
void free_ends(void);

/* Some words, one way. */
void say(struct end *from, struct end *to);

/* A result, and what mp_last_error() must contain. */
void expect(ssize_t result, int code, const char *part);
