/* SPDX-License-Identifier: MIT */
/* Threads take turns at a socket: a message is sent by one, and received by
 * one. Whose turn it is may sleep, so the others wait with deadlines, and
 * signals end their waits; that is more than a mutex of the C library does. The
 * memory is the process's own: there is no death to think of.
 *
 * Who has waited does not know whether others still do, and leaves WAITED set:
 * a wake-up too many, at most. */
#include "socket/turn.h"

#include "base/macros.h"
#include "os/clock.h"
#include "os/futex.h"

#include <errno.h>
#include <limits.h>

#define TAKEN  1u
#define WAITED 2u
#define OVER   4u

#define HOUR ((mp_time)3600 * 1000000000)

/* A futex that is waited for without an end lets signal handlers be. */
static int
sleep_once(struct mp__turn *turn, mp_time deadline)
{
    mp_time until = deadline == MP_FOREVER ? mp__now() + HOUR : deadline;
    int r = mp__futex_wait(&turn->word, TAKEN | WAITED, until);

    return r == -ETIMEDOUT && deadline == MP_FOREVER ? 0 : r;
}

int
mp__turn_take(struct mp__turn *turn, mp_time deadline)
{
    uint32_t word = 0, mine = TAKEN;
    int r;

    if (MP__LIKELY(mp__cas(&turn->word, &word, TAKEN)))
        return 0;
    for (;;) {
        if (word & OVER)
            return -EBADF;
        if (!(word & TAKEN)) {
            if (mp__cas(&turn->word, &word, mine))
                return 0;
            continue;
        }
        if (deadline == MP_NOW)
            return -EAGAIN;
        if (!(word & WAITED) && !mp__cas(&turn->word, &word, TAKEN | WAITED))
            continue;
        r = sleep_once(turn, deadline);
        if (r < 0)
            return r;
        mine = TAKEN | WAITED;
        word = mp__load(&turn->word);
    }
}

void
mp__turn_give(struct mp__turn *turn)
{
    uint32_t word = atomic_fetch_and(&turn->word, ~(TAKEN | WAITED));

    if (MP__UNLIKELY(word & WAITED))
        mp__futex_wake(&turn->word, 1);
}

void
mp__turn_over(struct mp__turn *turn)
{
    atomic_fetch_or(&turn->word, OVER);
    mp__futex_wake(&turn->word, INT_MAX);
}
