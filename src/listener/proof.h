/* SPDX-License-Identifier: MIT */
/* Two ends that prove themselves to each other, seen from one of them: a state
 * machine that never waits. */
#pragma once

#include "listener/handshake.h"
#include "listener/terms.h"

struct mp__tls;

struct mp__proof {
    const struct mp__terms *terms;
    int fd, server;
    struct mp__tls *tls; /* the connection's, once all is proved */
    int stage;           /* of proof.c */
    int proved;          /* by frames: what is in `out` is the last */
    short wants;         /* POLLIN, POLLOUT: when to take the next step */
    size_t out_sent;
    size_t in_size; /* of the frame that is coming */
    unsigned char in[MP__FRAME_HEADER + MP__HANDSHAKE_MOST];
    struct mp__handshake handshake;
};

/* `fd` and `terms` are the caller's, and stay until mp__proof_end(). */
int mp__proof_begin(struct mp__proof *proof, const struct mp__terms *terms,
                    int fd, int server);
/* 1: both have proved themselves; 0: again when the socket is as it wants.
 * -EKEYREJECTED, -EPROTO; -ECONNRESET: the other end has hung up. */
int mp__proof_step(struct mp__proof *proof);
/* Frees its TLS unless somebody has taken it. */
void mp__proof_end(struct mp__proof *proof);
