/* SPDX-License-Identifier: MIT */
/* A server that does what the test says: for what a real one does not do, or
 * not when it should. It is a thread of the test, and of a family that does not
 * exist. It serves one connection after the other.
 *
 * Ops: test_echo (gives back what it got), test_park (no answer before it is
 * abandoned), test_take (gives 7, to be confirmed), test_fail (-EPERM, with a
 * text), test_drop (breaks the connection), test_deaf (reads nothing until
 * fake_listen()), test_nonsense (an answer that is none), test_count (how many
 * requests came so far). */
#pragma once

#include "registry/manager.h"
#include "link/wire.h"
#include "support.h"

struct fake {
    mp_listener *listener;
    pthread_t thread;
    mp_conn *conn;
    char address[64];
    unsigned char family[16], session[16];
    mp__a64 server;  /* its number */
    mp__a32 resumes; /* 1: it takes sessions up again */
    mp__a32 refuses; /* 1: list_append fails with -ENOSPC */
    mp__a32 silent;  /* 1: it does not say welcome */
    mp__a32 hellos;  /* how many have come */
    mp__a32 deaf, over;
    mp__a64 requests; /* so far */
    mp__a64 done, thread_ended;
    mp__a64 abandoned, received;     /* the last serial of each; */
    mp__a32 n_abandoned, n_received; /* how many */
    mp__a32 n_refused;
    mp__a32 n_arrived, not_arrived; /* how often it was told; what of, last */
    uint64_t parked[64];
};

/* At `address` ("unix:...", "tcp:..."); NULL: at a path of its own. */
void fake_start(struct fake *fake, const char *address);
void fake_end(struct fake *fake);
void fake_listen(struct fake *fake);

mp_manager *fake_connect(struct fake *fake, double call_timeout);
