/* SPDX-License-Identifier: MIT */
/* A bad network between a client and a server: a thread of the test that passes
 * the bytes of TCP connections on, and at random delays them, swallows them, and
 * cuts the connection (by a reset, as a network does, not by an end, as a
 * process that dies). */
#pragma once

#include "region/kin.h"

#define RELAY_MOST 64 /* connections at a time */

struct relay {
    int listener, port_there;
    pthread_t thread;
    char address[64]; /* "tcp:127.0.0.1:PORT" */
    mp__a32 over;
    unsigned seed;
    long cut_after;  /* bytes, on the average; 0: only when told */
    mp__a32 cuts;    /* so far */
    mp__a32 cut_now; /* all there are */
    mp__a32 down;    /* 1: nobody comes through */
};

/* In front of the server at "tcp:127.0.0.1:PORT". */
void relay_start(struct relay *relay, const char *address, unsigned seed,
                 long cut_after);
void relay_end(struct relay *relay);
