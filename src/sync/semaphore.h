/* SPDX-License-Identifier: MIT */
/* Semaphore: see semaphore.c, and places.c for tracked ones. */
#pragma once

#include "sync/gate.h"
#include "sync/sync.h"

#include <mproc/semaphore.h>

struct mp_semaphore {
    struct mp__object object;
    mp__a32 permits; /* how many there are: the commit word. Of a tracked one:
                        how many releases there were, modulo 2^32 */
    uint32_t bound;  /* the most permits there may be */
    struct mp__gate gate;
    mp__a64 *places; /* a block; NULL: not tracked */
    uint32_t value;  /* permits at first */
    char name[MP__SYNC_NAME];
} MP__ALIGNED(MP__LINE);

/* ---- Tracked: a place for each permit, which names its holder (0: nobody).
 * The commit words ---- */

/* Takes a place that is empty, or whose holder is dead. 0 or -EAGAIN. */
int mp__places_take(mp_semaphore *semaphore);

/* Empties one that the caller holds. 0 or -EPERM. */
int mp__places_give(mp_semaphore *semaphore);

/* How many could be taken; each is looked at once. */
uint32_t mp__places_left(mp_semaphore *semaphore);

/* Adds the lives of all holders to what a waiter watches. 0: look again. */
int mp__places_watch(mp_semaphore *semaphore, struct mp__watch *watch);
