/* SPDX-License-Identifier: MIT */
/* Inside of a barrier; barrier_wait.c tells how it works. */
#pragma once

#include "bell/bell.h"
#include "sync/sync.h"

#include <mproc/barrier.h>

struct mp_barrier {
    struct mp__object object;
    uint32_t parties;
    mp__a32 spins;   /* how long to look before sleeping; a guess */
    mp__a64 *seats;  /* one block: `parties` seats, */
    mp__a64 *roster; /* and as many participants' ids; 0: none */
    char name[MP__SYNC_NAME];
    mp__a32 registrations; /* so far: 0 spares a look at the roster */
    mp__a32 wanted;        /* 1: somebody in the hall wants a seat */
    struct mp__bell hall;  /* where those sleep who find no seat */

    mp__a64 state MP__ALIGNED(MP__LINE);
    mp__a64 actor;            /* who came last, when all have come */
    struct mp__bell bells[2]; /* for even turns, and for odd ones */
} MP__ALIGNED(MP__LINE);

/* ---- The state ---- */

/* {BROKEN:1 | ACTING:1 | PARITY:1 | 0:13 | count:16 | turn:20 | step:12}. Its
 * low half, a futex, changes with every step of a turn, and with every turn.
 * PARITY changes with every release, and with nothing else. */
#define MP__BARRIER_BROKEN (1ull << 63)
#define MP__BARRIER_ACTING (1ull << 62) /* all are there; the action runs */
#define MP__BARRIER_PARITY (1ull << 61)
#define MP__BARRIER_ONE    (1ull << 32) /* of the count */
#define MP__BARRIER_STEPS  0xfffull
#define MP__BARRIER_TURNS  0xfffffull

static inline uint32_t
mp__barrier_count(uint64_t state)
{
    return (uint32_t)(state >> 32) & 0xffff;
}

static inline uint32_t
mp__barrier_turn(uint64_t state)
{
    return (uint32_t)state >> 12;
}

/* The state after a step within the turn. */
static inline uint64_t
mp__barrier_step(uint64_t state)
{
    return (state & ~MP__BARRIER_STEPS) | ((state + 1) & MP__BARRIER_STEPS);
}

/* The next turn, in which nobody has come yet. */
static inline uint64_t
mp__barrier_next(uint64_t state)
{
    uint64_t turn =
        ((uint64_t)mp__barrier_turn(state) + 1) & MP__BARRIER_TURNS;

    return (state & MP__BARRIER_PARITY) | turn << 12;
}

static inline struct mp__bell *
mp__barrier_bell(struct mp_barrier *barrier, uint64_t state)
{
    return &barrier->bells[mp__barrier_turn(state) & 1];
}

/* ---- Seats ---- */

/* {turn, its low bits:16 | generation:32 | index + 1:16}: since when, and the
 * id of the participant. */
static inline uint64_t
mp__seat_of(uint64_t state, uint64_t participant)
{
    return (uint64_t)mp__barrier_turn(state) << 48 | participant >> 32 << 16 |
           (participant & 0xffff);
}

static inline uint64_t
mp__seat_participant(uint64_t seat)
{
    return (seat >> 16 & 0xffffffff) << 32 | (seat & 0xffff);
}

/* Whether it is taken, for the turn of `state`. */
static inline int
mp__seat_is_of(uint64_t seat, uint64_t state)
{
    return seat != 0 && seat >> 48 == (mp__barrier_turn(state) & 0xffff);
}

/* Whether the seat can be taken: free, or left behind by one who died in an
 * earlier turn. The state is looked at after the seat: one of a later turn
 * than the caller knows of is not taken for an earlier one's. */
static inline int
mp__seat_is_free(struct mp_barrier *barrier, uint64_t seat)
{
    return seat == 0 ||
           (mp__participant_find(mp__seat_participant(seat)) == NULL &&
            !mp__seat_is_of(seat, mp__load(&barrier->state)));
}

/* ---- Waiting in steps: barrier_wait.c ---- */

/* What a party remembers of its visit. */
struct mp__visit {
    struct mp_barrier *barrier;
    const char *function;
    mp_time deadline;
    int awake;      /* 1: it must not sleep */
    uint32_t seat;  /* its index */
    uint64_t state; /* tells the turn in which it has its seat */
};

/* Results beside those of mp_barrier_wait(). */
#define MP__BARRIER_WAITS (1 << 20) /* others have to come: look again */
#define MP__BARRIER_ACTS  (1 << 21) /* it came last: the action is to be done */

/* The steps of those who must not sleep: to come; to look as long as the visit
 * WAITS; for who ACTS, to say how that has ended, below 0: badly. -EAGAIN of the
 * first: there is no seat (or the deadline is MP_NOW): come again. */
int mp__barrier_come(struct mp__visit *v, int with_action);
int mp__barrier_look(const struct mp__visit *v);
int mp__barrier_acted(const struct mp__visit *v, int r);

/* Leaves; if its turn goes on, the barrier breaks. */
void mp__barrier_quit(const struct mp__visit *v);

/* Whether the caller has that seat, and ACTS, or did in a turn that is over. For
 * a visit that nobody vouches for. */
int mp__barrier_may_act(const struct mp__visit *v);

/* mp_barrier_wait() and mp_barrier_wait_with() of a barrier elsewhere. `r`:
 * mp__object_enter()'s. */
MP__COLD int mp__barrier_wait_far(int r, mp_barrier *barrier,
                                  int (*action)(void *arg), void *arg,
                                  mp_time deadline);

/* ---- What both files use ---- */

/* Whether somebody is dead whose death breaks this turn. */
int mp__barrier_has_dead(struct mp_barrier *barrier, uint64_t state);

/* Ends the turn of `state` without a release, and wakes all. `flags`: BROKEN,
 * or 0. 0: it has ended already; then the bell is armed. */
int mp__barrier_end_turn(struct mp_barrier *barrier, uint64_t state,
                         uint64_t flags);

/* Breaks the barrier if somebody is dead. Not for who has the bell armed. The
 * state as it is then. */
uint64_t mp__barrier_settle(struct mp_barrier *barrier);

/* Wakes all who sleep. */
static inline void
mp__barrier_wake(struct mp__bell *bell)
{
    /* seq_cst: pairs with the count that a sleeper raises before it looks at
     * the state for the last time. */
    if (mp__load(&bell->waiters))
        mp__futex_wake(&bell->word, INT32_MAX);
}
