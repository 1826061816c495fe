/* SPDX-License-Identifier: MIT */
/* What the tests of the ends of pipes share. */
#pragma once

#include "process/family.h"

#include <errno.h>

struct pair {
    mp_conn *a, *b;
};

/* A pipe; not duplex: a receives, b sends. */
struct pair make_pair(int duplex);
void close_pair(struct pair pair);

/* Starts `target` with `arg` by the method. */
mp_process *start(mp_target target, const void *arg, size_t size, int method);

/* Waits until a child has stored it; fails the test if none does. */
void await(volatile int *flag, int value);
void tell(volatile int *flag, int value);

/* Kills the process as soon as the caller's thread sleeps (the caller goes on at
 * once, to where it will). To be reaped by expect_exit(pid, 0). */
pid_t kill_when_asleep(mp_process *victim);
/* Stores 1 in the flag then. */
pid_t tell_when_asleep(volatile int *flag);

/* Receives numbers that count up from `first` until the pipe ends, and says
 * which would have been the next. Each message is as long as it should be. */
int receive_all(mp_conn *conn, int first);

/* Sends the numbers [first, first + n), in messages of some sizes. 0 or an
 * error. For children, too. */
int send_numbers(mp_conn *conn, int first, int n);

/* How many ends there are in the family's memory. */
uint64_t count_ends(void);
