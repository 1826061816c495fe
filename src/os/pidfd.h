/* SPDX-License-Identifier: MIT */
/* Processes by descriptor: a pidfd names one life of a process, whatever
 * becomes of its number. */
#pragma once

#include <mproc/base.h>

#include <stdint.h>

/* How a process ended, as Python counts: 0..255, or -N for signal N. */
#define MP__CODE_NONE INT32_MIN /* nobody knows (any more) */

/* A close-on-exec pidfd of the process that has the number now; -ESRCH. */
int mp__pidfd_open(pid_t pid);

/* What tells this life of the number from all others: never 0 while the
 * process or its zombie is there, 0 once it is gone. `pidfd` must be one of
 * `pid`. */
uint64_t mp__pidfd_identity(int pidfd, pid_t pid);

/* 0, -ESRCH (it has ended and was reaped), -EPERM, ... */
int mp__pidfd_signal(int pidfd, int signal);

/* A duplicate, close-on-exec, of the process's descriptor `fd`: -EBADF (it has
 * none of that number), -ESRCH, -EPERM, -EMFILE, ... */
int mp__pidfd_fetch(int pidfd, int fd);

/* Waits for the end: 0, -EAGAIN, -ETIMEDOUT or -EINTR. */
int mp__pidfd_wait(int pidfd, mp_time deadline);

/* As mp__pidfd_wait(), for a child of the caller, and says how it ended
 * without reaping it; MP__CODE_NONE if somebody else has reaped it. */
int mp__pidfd_wait_child(int pidfd, mp_time deadline, int *ret_code);

/* Whether it is a child of the caller that was not reaped. */
int mp__pidfd_is_child(int pidfd);

/* Takes an ended child's entry out of the process table. */
void mp__pidfd_reap(int pidfd);

/* How a process that is no child of the caller ended, if the system tells;
 * else MP__CODE_NONE. To be called after its end. */
int mp__pidfd_code(int pidfd, pid_t pid);
