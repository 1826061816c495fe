/* SPDX-License-Identifier: MIT */
/* The gate: where threads wait for something that one of them can have at a
 * time (a lock, a permit).
 *
 *   who opens:  mp__bell_arm(&gate->bell); COMMIT (the lock is free, a permit
 *               is there); if (mp__gate_waited(gate)) mp__gate_open(gate);
 *               mp__bell_disarm()
 *   who waits:  mp__bell_arm(&gate->bell);
 *               for (;;) {
 *                   mp__gate_look(gate);
 *                   try to get it; if it is got, or the time is over: break;
 *                   mp__gate_sleep(...)
 *               }
 *               mp__gate_leave(...); mp__bell_disarm()
 *
 * One waiter at a time is on its way: see gate.c. */
#pragma once

#include "bell/bell.h"
#include "sync/sync.h"

struct mp__gate {
    struct mp__bell bell;
    mp__a32 waking; /* 1: somebody has been woken, and will look */
    mp__a32 calm;   /* how many may sleep for long: may only over-report */
    mp__a32 spins;  /* see mp__sync_spin() */
};

/* What one waiter remembers between its sleeps. */
struct mp__gate_visit {
    int slept; /* it has, at least once */
    int calm;  /* nothing happened during its last slice */
};

/* How long a death may go unnoticed, in ns. Only tests change it. */
extern mp_time mp__gate_slice;

void mp__gate_init(struct mp__gate *gate);

/* Whether somebody may wait whom nobody has woken. seq_cst: a waiter counts
 * itself before it looks for the last time; so it sees the commit, or is seen
 * here. */
static inline int
mp__gate_waited(struct mp__gate *gate)
{
    return mp__load(&gate->bell.waiters) != 0 && mp__load(&gate->waking) == 0;
}

/* Sees to it that a waiter looks. The bell is armed. */
MP__COLD void mp__gate_open(struct mp__gate *gate);

/* Before each look at what is waited for. */
static inline void
mp__gate_look(struct mp__gate *gate)
{
    if (mp__load(&gate->waking))
        mp__store(&gate->waking, 0);
}

/* Begins a list of what to sleep on: the gate, and that `*word` changes.
 * Lives may follow. */
void mp__gate_watch(struct mp__gate *gate, struct mp__watch *watch,
                    mp__a32 *word, uint32_t seen);

/* Sleeps once, on what `watch` says. 0: look again; -ETIMEDOUT, -EINTR. */
int mp__gate_sleep(struct mp__gate *gate, struct mp__gate_visit *visit,
                   const struct mp__watch *watch, const void *object,
                   mp_time deadline);

/* A waiter goes, with or without. `more`: another could have something as
 * well. */
void mp__gate_leave(struct mp__gate *gate, const struct mp__gate_visit *visit,
                    int more);
