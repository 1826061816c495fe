/* SPDX-License-Identifier: MIT */
/* A condition: its lock (condition.c), and the line of those who wait in it
 * (condition_line.c). */
#pragma once

#include "region/layout.h"
#include "sync/rlock.h"

#include <mproc/condition.h>

/* A bit for each participant. */
#define MP__LINE_WORDS (MP__PARTICIPANTS / 64 + 1)

struct mp_condition {
    struct mp__object object;
    mp_lock *lock;   /* one of the two; both are constant */
    mp_rlock *rlock; /* may be `own` */
    char name[MP__SYNC_NAME];

    mp__a64 tickets; /* given so far */
    mp__a64 granted; /* whoever has one up to this is notified */
    mp__a64 rung;    /* what `granted` was when all of them had been woken */
    mp__a64 ringer;  /* participant who is at it; 0: nobody */
    struct mp__bell bell;
    mp__a32 spins;                /* see mp__sync_spin() */
    mp__a64 line[MP__LINE_WORDS]; /* who may stand in line: may over-report */

    mp_rlock own; /* no handle of it exists */
} MP__ALIGNED(MP__LINE);

/* ---- Waiting in steps: see condition.c ---- */

struct mp__condition_wait {
    uint64_t ticket;
    uint32_t times; /* the lock was held */
};

/* Gives the lock up, which the caller holds. */
void mp__condition_begin(struct mp_condition *condition,
                         struct mp__condition_wait *wait);

/* Gets the lock back, and leaves the line. 0: notified; 1: not; -EOWNERDEAD: the
 * same, as it may be. -EAGAIN, only if the deadline is MP_NOW: somebody has the
 * lock, try again. The deadline is MP_NOW or MP_FOREVER. */
int mp__condition_end(struct mp_condition *condition,
                      const struct mp__condition_wait *wait, mp_time deadline);

/* What a manager's server answers to a wait: 0: notified; over: the time is; goes
 * on: the lock is not back yet, call again. A ticket of 0 begins it. */
#define MP__WAIT_OVER    1
#define MP__WAIT_GOES_ON 2
#define MP__WAIT_GRACE   20000000000 /* ns: for that, at most, when it is over */

/* Who has got the lock back will never know: gives it up again, and what it was
 * notified of. `r`: what mp__condition_end() gave. */
void mp__condition_undo(struct mp_condition *condition, int r);

struct mp__lock *mp__condition_lock(struct mp_condition *condition);

/* ---- A waiter ---- */

/* Steps in line, with the lock held. From then on, until it has left, it gets
 * its share of the notifications. Its ticket. */
uint64_t mp__line_join(struct mp_condition *condition);

/* Waits without the lock. 0: notified; -ETIMEDOUT, -EINTR: not yet. */
int mp__line_wait(struct mp_condition *condition, uint64_t ticket,
                  mp_time deadline);

/* Looks, and never waits: whether it is notified. For one that does not sleep in
 * line, and so does not watch those before it: it sees to the dead there. */
int mp__line_look(struct mp_condition *condition, uint64_t ticket);

/* Whether the caller stands in line, with that ticket. */
int mp__line_has(struct mp_condition *condition, uint64_t ticket);

/* Leaves, with the lock held again. Whether it has been notified. */
int mp__line_leave(struct mp_condition *condition, uint64_t ticket);

/* Leaves without the lock. What it was notified of, another is. */
void mp__line_quit(void);

/* ---- Others ---- */

/* Whether somebody may stand in line. */
int mp__line_any(struct mp_condition *condition);

/* Reaps the dead if some stand in line. */
void mp__line_settle(struct mp_condition *condition);

/* How many living stand in line. */
size_t mp__line_length(struct mp_condition *condition);

/* Notifies the first `n` of those who are not notified yet. */
void mp__line_notify(struct mp_condition *condition, size_t n);
