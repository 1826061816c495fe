/* SPDX-License-Identifier: MIT */
/* What the tests of conditions share: a condition with its lock, and a line of
 * peers who wait in it. */
#pragma once

#include "sync/condition.h"
#include "sync/kit.h"

#define CROWD 40 /* more than are looked at in one go */

/* The lock of a condition. */
enum lock_kind {
    OWN,
    LOCK,
    RLOCK,
    LOCK_KINDS,
};

struct stage {
    mp_condition *condition;
    mp_condition *other; /* with the same lock, unless that is its own */
    mp_lock *lock;
    mp_rlock *rlock;

    /* The line. */
    mp_time deadline;
    int expected;           /* result of everybody's wait */
    mp__a32 back;           /* how many have returned, */
    mp__a32 is_back[CROWD]; /* who, */
    mp__a32 warned;         /* and how many with -EOWNERDEAD instead */
    mp__a32 over;           /* they may end */

    /* What else a test needs. */
    int rounds;
    mp__a32 turn, stop;
    mp__a64 items, taken; /* under the lock */
};

/* No slice helps there: a wake-up that is lost hangs the test. */
struct stage *stage_with(enum lock_kind kind);
void end_stage(struct stage *stage);

/* The lock is in order, or it was left by a dead owner. */
void acquire(struct stage *stage);
void release(struct stage *stage);
/* acquire, notify, release. */
void notify(struct stage *stage, size_t n);

/* `n` peers wait, each behind the one before, asleep. */
struct kin *line_of(struct stage *stage, enum kin_how how, int n);
kin_fn wait_in_line; /* what they do */
/* All that live are back; they end. Until then they stay: the end of a thread
 * would wake those who watch its life. */
void end_line(struct stage *stage, struct kin *kin);

/* `n` stand in line. */
void await_line(struct stage *stage, size_t n);
/* `n` sleep until they can have the lock. */
void await_at_the_lock(struct stage *stage, int n);
/* `n` are back. */
void await_back(struct stage *stage, size_t n);

/* Up to which ticket all have been notified. */
uint64_t granted(struct stage *stage);
