/* SPDX-License-Identifier: MIT */
/* What is to be done at a time: any number of timers, and which is next. */
#pragma once

#include <mproc/base.h>

struct mp__timer {
    mp_time when;
    size_t place; /* in the heap, + 1; 0: it is not set */
    void (*ring)(struct mp__timer *timer);
};

struct mp__timers {
    struct mp__timer **heap;
    size_t n, room;
};

/* Sets it, or sets it anew; MP_FOREVER: clears it. 0; -ENOMEM: it is as it
 * was. */
int mp__timer_set(struct mp__timers *timers, struct mp__timer *timer,
                  mp_time when);
void mp__timer_clear(struct mp__timers *timers, struct mp__timer *timer);

/* When the next one rings; MP_FOREVER: none is set. */
static inline mp_time
mp__timers_next(const struct mp__timers *timers)
{
    return timers->n ? timers->heap[0]->when : MP_FOREVER;
}

/* Clears those whose time has come, and lets them ring. */
void mp__timers_ring(struct mp__timers *timers, mp_time now);

void mp__timers_free(struct mp__timers *timers);
