/* SPDX-License-Identifier: MIT */
/* Telling those who wait at a pipe: those who sleep by its futexes, those who
 * poll by a page (bell/pollers.h). */
#include "pipe/pipe.h"

#include <limits.h>

void
mp__pipe_raise_again(struct mp__pipe_end *end, int left)
{
    if (left)
        atomic_fetch_or(&end->in.receiver_sleeps, MP__PIPE_POLLER);
}

void
mp__pipe_page(struct mp__pipe_end *end)
{
    mp__pipe_raise_again(end, mp__pollers_page(&end->pollers));
}

void
mp__pipe_page_all(struct mp__pipe_end *end)
{
    mp__pipe_raise_again(end, mp__pollers_page_all(&end->pollers));
}

void
mp__pipe_news(struct mp__pipe_end *end)
{
    struct mp__pipe_end *const ends[] = {end, end->peer};

    for (int i = 0; i < 2; i++) {
        mp__add(&ends[i]->in.changes, 1);
        mp__futex_wake(&ends[i]->in.changes, INT_MAX);
    }
    for (int i = 0; i < 2; i++)
        mp__pipe_page_all(ends[i]);
}

void
mp__pipe_wake_slow(const struct mp__pipe_use *use)
{
    uint32_t up = mp__swap(use->wakes, 0);

    if (up & MP__PIPE_SLEEPER)
        mp__futex_wake(use->wakes, 1);
    if (up & MP__PIPE_POLLER)
        mp__pipe_page(use->end->peer);
}
