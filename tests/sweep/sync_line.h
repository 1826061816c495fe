/* SPDX-License-Identifier: MIT */
/* The condition that a scenario is about, and those who wait in it.
 *
 * Tickets are given from 1 on, so `granted` is the number of those who have
 * been notified. Who has the lock leaves its mark, and must find it again; its
 * dead owner is told of once. */
#pragma once

#include "sync_stage.h"

enum {
    LINE_VICTIM,       /* its id */
    LINE_RESULT,       /* what its wait returned; LINE_PENDING before that */
    LINE_DONE,         /* it has done all */
    LINE_TOLD,         /* how often somebody was told of a dead owner */
    LINE_INSIDE,       /* the id of who has the lock */
    LINE_GAVE_UP_LOCK, /* the victim has, to wait, */
    LINE_MUST_KNOW,    /* and it had when somebody notified */
};

#define LINE_PENDING 1000

extern mp_condition *line_condition;

/* What was seen just before the kill. */
extern struct line_seen {
    int owned;   /* the victim had the lock, */
    int in_line; /* or it stood in line */
    unsigned granted;
} line_seen;

/* For scenarios. */
void line_make(void);
void line_make_with_lock(void);
void line_enter(void);
void line_look(void);
void line_destroy(void);

/* Operations with all that belongs to them. NULL, or what is wrong. */
const char *line_acquire(void);
const char *line_release(void);
const char *line_wait(mp_time deadline, int *ret);
const char *line_notify(size_t n);

/* By the harness. */
void line_notify_now(size_t n);
unsigned line_granted(void);

/* Actors. `n` of those who wait are brought, and stand in line. */
void line_actor_waits(struct sweep_actor *actor);
void line_actor_notifies_two(struct sweep_actor *actor);
void line_bring(unsigned n);

/* Those up to `n` return, the others stay asleep. 1, or 0 with a failure. */
int line_check_notified(unsigned n);

/* All who are left are notified; then all goes on with others. */
void line_check_rest(void);
