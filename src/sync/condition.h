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

/* ---- A waiter ---- */

/* Steps in line, with the lock held. From then on, until it has left, it gets
 * its share of the notifications. Its ticket. */
uint64_t mp__line_join(struct mp_condition *condition);

/* Waits without the lock. 0: notified; -ETIMEDOUT, -EINTR: not yet. */
int mp__line_wait(struct mp_condition *condition, uint64_t ticket,
                  mp_time deadline);

/* Leaves, with the lock held again. Whether it has been notified. */
int mp__line_leave(struct mp_condition *condition, uint64_t ticket);

/* ---- Others ---- */

/* Whether somebody may stand in line. */
int mp__line_any(struct mp_condition *condition);

/* Reaps the dead if some stand in line. */
void mp__line_settle(struct mp_condition *condition);

/* How many living stand in line. */
size_t mp__line_length(struct mp_condition *condition);

/* Notifies the first `n` of those who are not notified yet. */
void mp__line_notify(struct mp_condition *condition, size_t n);
