/* SPDX-License-Identifier: MIT */
/* What the tests of barriers' deaths share: a barrier, and who waits in it. */
#pragma once

#include "sync/barrier.h"
#include "sync/gate.h"
#include "sync/kit.h"

struct stage {
    mp_barrier *barrier;
    int registered;
    mp__a32 go, ready, rounds, through;
    mp__a32 results[KIN_MOST];
};

/* A barrier in which nobody sleeps for less than an hour, where the kernel does
 * all we ask for. */
struct stage *stage_for(uint32_t parties);
void end_stage(struct stage *stage);

/* For kin: waits once, and notes the result. The second lives on for a while:
 * its end would wake others. */
int wait_once(void *arg, int i);
int wait_and_linger(void *arg, int i);

/* All sleep in the barrier. */
struct kin *sleepers_with(struct stage *stage, enum kin_how how, int n,
                          kin_fn *fn);
struct kin *sleepers(struct stage *stage, enum kin_how how, int n);

/* Each has the result, but number `except` (-1: nobody). */
void ended_with(struct kin *kin, struct stage *stage, int result, int except);

/* A round with others: the barrier is in order. */
void goes_round(struct stage *stage, enum kin_how how);
