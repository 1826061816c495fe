/* SPDX-License-Identifier: MIT */
/* Clients that speak the wire protocol by hand: for what a decent client does
 * not do. */
#pragma once

#include "registry/manager.h"
#include "link/wire.h"
#include "region/kin.h"

#define LATER mp_timeout(30 * mp_test_scale())

struct raw {
    mp_conn *conn;
    int fd; /* a copy of the socket; -1: there is none */
    uint64_t serial, done;
    uint32_t thread;
    struct mp__welcome welcome;
    mp_any message; /* the last answer */
    struct mp__answer answer;
};

/* A case in which the library has opened what it keeps for good. */
TCase *raw_case(Suite *suite, const char *name, double seconds);

/* A manager at a unix: path of its own, or on the loopback in clear text. */
enum raw_by { BY_UNIX, BY_TCP };
mp_manager *raw_start(enum raw_by by, const mp_manager_attr *attr);
/* ... and its end. */
void raw_end(mp_manager *manager);

/* A bare socket to the server. */
int raw_socket(mp_manager *manager);

/* Connects; says hello, to resume the session of `of` (NULL: a new one), and
 * hears the welcome. */
void raw_connect(struct raw *raw, mp_manager *manager);
void raw_hello(struct raw *raw, const struct raw *of);
void raw_open(struct raw *raw, mp_manager *manager);
/* The connection ends, in order; by a reset. */
void raw_close(struct raw *raw);
void raw_reset(struct raw *raw);

/* Sends a request: arguments in the letters of mp_any_build(), all in one list.
 * Its serial. */
uint64_t raw_send(struct raw *raw, const char *op, int slab,
                  const void *object, mp_time wait, const char *format, ...);
/* The same again; "abandon" and "received" of it. */
void raw_send_again(struct raw *raw, uint64_t serial, const char *op, int slab,
                    const void *object, mp_time wait, const char *format, ...);
/* The next answer: its result. */
int64_t raw_hear(struct raw *raw);
/* Nothing comes any more: the server has dropped it. */
void raw_expect_end(struct raw *raw);
/* Nothing comes for a moment. */
int raw_is_silent(struct raw *raw);

/* Both in one. */
int64_t raw_ask(struct raw *raw, const char *op, int slab, const void *object,
                mp_time wait);
/* It is served. */
void raw_ping(struct raw *raw);
