/* SPDX-License-Identifier: MIT */
/* The proof that both ends know the key, as Python's multiprocessing.connection
 * has it: a state machine that eats and makes frames, and never waits. */
#pragma once

#include "socket/frame.h"

#define MP__HANDSHAKE_MOST 256u /* bytes in a message of the proof */

struct mp__handshake {
    const void *key; /* the caller's, until mp__handshake_end() */
    size_t key_size;
    int server;                  /* it challenges first */
    int md5;                     /* HMAC-MD5 will do */
    int step;                    /* of handshake.c */
    unsigned char challenge[64]; /* ours, with its prefix */
    size_t challenge_size;
    /* What is to be sent next: frames, header and all. Who has sent it sets
     * out_size to 0; what is not sent yet stays, and more is added. */
    unsigned char out[2 * (MP__FRAME_HEADER + MP__HANDSHAKE_MOST)];
    size_t out_size;
};

/* In a process that has the region (mp__enter()). Errors: -ENOTSUP (built
 * without OpenSSL, or it is not there). */
int mp__handshake_begin(struct mp__handshake *handshake, const void *key,
                        size_t key_size, int server, int md5);

/* Takes one message of the other end (without its header). 1: proved, once what
 * is in `out` has been sent; 0: more is to come; -EKEYREJECTED, -EPROTO (both
 * may leave a refusal in `out`, to be sent if that can be done at once),
 * -ENOTSUP: over, and mp_last_error() tells. */
int mp__handshake_take(struct mp__handshake *handshake,
                       const unsigned char *message, size_t size);

/* Wipes what it knew. */
void mp__handshake_end(struct mp__handshake *handshake);
