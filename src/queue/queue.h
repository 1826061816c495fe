/* SPDX-License-Identifier: MIT */
/* What the rooms above use of the queue beyond its public face. */
#pragma once

#include "base/atomic.h"

#include <mproc/queue.h>

/* Puts a message of 8 bytes that is a pointer. As mp_queue_put(). */
int mp__queue_put_pointer(mp_queue *queue, void *p, mp_time deadline);

/* Who has taken a pointer, told even if he dies: lies in the region. */
struct mp__claim {
    mp__a64 pointer;  /* 0: nothing taken */
    mp__a64 sequence; /* the how manieth message of the queue it was, below
                         2^32, and the tag */
    uint64_t tag; /* which queue it is taken from, << 32. Writer: the taker */
};

/* Takes a pointer into the claim, which must be empty: after the death of the
 * taker, and mp__queue_settle(), it holds the pointer if and only if he took
 * it. 0, or as mp_queue_get(). The taker empties the claim himself. */
int mp__queue_get_claim(mp_queue *queue, struct mp__claim *claim,
                        mp_time deadline);

/* ---- For who serves remote clients: queue_serve.c ---- */

/* Looks at a message where it lies: below 0 it stays the first. */
typedef int mp__message_look_fn(const void *data, size_t size, void *arg);

/* Takes the first message, if `look` likes it, for a client that it is on its
 * way to until mp__queue_arrived(): should the calling thread end before, it goes
 * back to the front, and so it does with mp__queue_return(). Never waits. As
 * mp_queue_take(). */
int mp__queue_serve(mp_queue *queue, mp__message_look_fn *look, void *arg,
                    mp_message *ret_message);

/* By the thread that has taken it. A task stays its own until it is done. */
void mp__queue_arrived(mp_queue *queue, mp_message *message);
void mp__queue_return(mp_queue *queue, mp_message *message);

/* Whether the calling thread has a task of the queue that is not done. */
int mp__queue_holds(mp_queue *queue);

/* ---- Claims ---- */

/* After the death of a claim's owner: makes sure that the claim tells the
 * truth. Waits for no message. */
void mp__queue_settle(mp_queue *queue, const struct mp__claim *claim);
