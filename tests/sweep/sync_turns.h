/* SPDX-License-Identifier: MIT */
/* Something that one at a time can have: a lock, or the only permit of a
 * semaphore. Who has it writes its mark, and must find it again when it
 * leaves. The scenarios differ in who has it, who waits, and who dies. */
#pragma once

#include "sync_stage.h"

/* What the victim notes of itself; what all note. The rest is free. */
enum {
    TURN_GOT,    /* its acquire has returned */
    TURN_LEAVES, /* it is about to release */
    TURN_LEFT,   /* it has */
    TURN_INSIDE, /* the mark: the id of who is inside */
    TURN_TOLD,   /* how often somebody was told of a dead owner */
    TURN_NOTES,
};

extern struct sync_turns {
    int (*acquire)(mp_time deadline);
    int (*release)(void);
    void (*check)(void); /* after the kill: all who wait get it, and more */
    int tells;           /* of dead owners, by -EOWNERDEAD */
    unsigned deaths;     /* how many but the victim died as owners, */
    unsigned may_be_too; /* and how many more may have */
    struct sweep_actor *holder, *thief;
} turns;

/* For setup: all but who the object is. */
void turns_begin(void);

/* NULL, or what is wrong: one turn, by anybody. */
const char *turns_pass(mp_time deadline);

/* For check: how many were told of a dead owner; `owned`: the victim was
 * one. */
void turns_check_told(int owned);

/* ---- The victim: takes a turn; the same, until sync_impatience; takes it
 * and stays. */
void turns_victim_passes(void);
void turns_victim_gives_up(void);
void turns_victim_stays(void);

/* ---- Others wait while it is inside, or come at any time. */
int turns_victim_is_inside(void);
void turns_come_one(void);
void turns_come_three(void);
void turns_come_any(void);
void turns_come_two_any(void);

/* ---- It waits for a holder, which survives. */
void turns_have_holder(void);
void turns_have_holder_and_waiter(void);
void turns_let_go(void);
void turns_let_go_meanwhile(void);
void turns_queue_up_and_let_go(void);
void turns_check_held(void);
void turns_check_queued_up(void);

/* ---- It is woken for nothing: another, the thief, is faster. Then that one
 * lets go, or dies, if turns.deaths is 1. */
void turns_be_robbed(void);
void turns_be_robbed_of_time(void);
void turns_check_robbed(void);

/* ---- Between an earlier victim and this one. */
void turns_forget_earlier(void);
