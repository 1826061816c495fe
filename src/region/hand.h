/* SPDX-License-Identifier: MIT */
/* Hands: memory that a thread holds outside of every lock, and that its death
 * would leak.
 *
 * A hand is a word of the thread's slot. The address of a block is written into
 * it before the block is taken, and out of it when something else leads there.
 * Who reaps a dead thread frees what is in its hands. */
#pragma once

#include "region/participant.h"

struct mp__mutex;

/* A place that a block is kept in and that belongs to a participant, in its
 * turn: first fields of a larger struct in the region. */
#define MP__HOLDING_BUSY ((uint64_t)1 << 63)

struct mp__holding {
    mp__a64 owner; /* id of the participant, with BUSY while it is at work
                      on it; others: see the larger struct */
    mp__a64 block; /* address; 0: none */
};

/* `mutex`: under which the block will be passed on; NULL: under none. */
static inline void
mp__hand_set(enum mp__hand hand, void *p, struct mp__mutex *mutex)
{
    mp__store_relaxed(&mp__me.part->hand_mutex[hand], (uintptr_t)mutex);
    mp__store_release(&mp__me.part->hand[hand], (uintptr_t)p);
}

static inline void
mp__hand_clear(enum mp__hand hand)
{
    mp__store_release(&mp__me.part->hand[hand], 0);
}

/* No hand will be passed on under a mutex from here on. */
static inline void
mp__hands_settled(void)
{
    for (int hand = 0; hand < MP__HANDS; hand++)
        mp__store_release(&mp__me.part->hand_mutex[hand], 0);
}

/* The caller is about to change, under the mutex, what is known as its own by
 * its id: its burial has to wait for the repair. Until mp__hands_settled(). */
static inline void
mp__hands_under(struct mp__mutex *mutex)
{
    mp__store_relaxed(&mp__me.part->hand_mutex[MP__HAND_SEGMENT],
                      (uintptr_t)mutex);
}

/* To be called before a block passes from the hand to the holding or back,
 * and, with NULL, when it has. */
static inline void
mp__hand_hold(struct mp__holding *holding)
{
    mp__store_release(&mp__me.part->holding, (uintptr_t)holding);
}

/* Empties whichever hand of participant `index` holds `p`: for what may be
 * somebody else's already, so that nothing about it can be looked up. */
void mp__hands_clear_of(uint32_t index, const void *p);

/* Clears the hand of participant `index` if it holds `p`: for repair. */
void mp__hand_clear_of(uint32_t index, enum mp__hand hand, const void *p);

/* For the reaper: frees what the dead participant `index` has in its hands. It
 * may be done twice. */
void mp__hands_empty(uint32_t index);
