/* SPDX-License-Identifier: MIT */
/* Processes that start their work at the same moment: a crew. */
#pragma once

#include "harness.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CREW_MAX 32

/* Members that wait for each other may spin in one sample, and sleep in the
 * next, where everything takes a thousand times as long. So this is how many
 * waits a sample has at most: it ends in any case. */
#define WAITS_MOST 65536

struct crew_seat {
    int64_t start, end;
    uint64_t sum; /* what the member counted: for checks */
};

struct crew {
    int members;
    int ready; /* accessed atomically, in crew.c only */
    struct crew_seat seats[CREW_MAX];
};

typedef void crew_fn(struct crew *crew, int seat, void *arg);

/* Runs fn in `members` forked processes and waits for them; gives the time
 * from the first start to the last end, in ns. Fails if a member fails. The
 * seats' sums stay readable in *ret. */
double crew_run(int members, int pinned, crew_fn *fn, void *arg,
                struct crew **ret);

/* The same with threads of this process. */
double crew_run_threads(int members, int pinned, crew_fn *fn, void *arg,
                        struct crew **ret);

/* For a member: all is prepared; returns when all members are. */
void crew_begin(struct crew *crew, int seat);
/* For a member: all is done. */
void crew_end(struct crew *crew, int seat, uint64_t sum);

#ifdef __cplusplus
}
#endif
