/* SPDX-License-Identifier: MIT */
/* Timers: a binary heap by time. Each knows its place in it, so that it can be
 * taken out. Of one thread. */
#include "server/timer.h"

#include "base/error.h"

#include <errno.h>
#include <stdlib.h>

static void
put(struct mp__timers *timers, size_t at, struct mp__timer *timer)
{
    timers->heap[at] = timer;
    timer->place = at + 1;
}

static void
move_up(struct mp__timers *timers, size_t at, struct mp__timer *timer)
{
    while (at > 0 && timer->when < timers->heap[(at - 1) / 2]->when) {
        put(timers, at, timers->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    put(timers, at, timer);
}

static void
move_down(struct mp__timers *timers, size_t at, struct mp__timer *timer)
{
    for (;;) {
        size_t child = 2 * at + 1;

        if (child + 1 < timers->n &&
            timers->heap[child + 1]->when < timers->heap[child]->when)
            child++;
        if (child >= timers->n || timer->when <= timers->heap[child]->when)
            break;
        put(timers, at, timers->heap[child]);
        at = child;
    }
    put(timers, at, timer);
}

static int
make_room(struct mp__timers *timers)
{
    size_t room = timers->room ? 2 * timers->room : 16;
    struct mp__timer **heap;

    if (timers->n < timers->room)
        return 0;
    heap = realloc(timers->heap, room * sizeof(struct mp__timer *));
    if (!heap)
        return mp__fail(-ENOMEM, "mp_manager: no memory for a timer");
    timers->heap = heap;
    timers->room = room;
    return 0;
}

int
mp__timer_set(struct mp__timers *timers, struct mp__timer *timer, mp_time when)
{
    int r = when == MP_FOREVER || timer->place ? 0 : make_room(timers);

    if (r < 0)
        return r;
    mp__timer_clear(timers, timer);
    if (when == MP_FOREVER)
        return 0;
    timer->when = when;
    timers->n++;
    move_up(timers, timers->n - 1, timer);
    return 0;
}

void
mp__timer_clear(struct mp__timers *timers, struct mp__timer *timer)
{
    size_t at = timer->place - 1;
    struct mp__timer *last;

    if (timer->place == 0)
        return;
    timer->place = 0;
    last = timers->heap[--timers->n];
    if (last == timer)
        return;
    if (at > 0 && last->when < timers->heap[(at - 1) / 2]->when)
        move_up(timers, at, last);
    else
        move_down(timers, at, last);
}

void
mp__timers_ring(struct mp__timers *timers, mp_time now)
{
    while (timers->n && timers->heap[0]->when <= now) {
        struct mp__timer *timer = timers->heap[0];

        mp__timer_clear(timers, timer);
        timer->ring(timer);
    }
}

void
mp__timers_free(struct mp__timers *timers)
{
    free(timers->heap);
    *timers = (struct mp__timers){0};
}
