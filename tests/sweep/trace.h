/* SPDX-License-Identifier: MIT */
/* A child under ptrace that can be halted after any of its instructions. */
#pragma once

#include <stdint.h>
#include <sys/types.h>

/* How a wait for the child ended. */
enum trace_event {
    TRACE_HALTED, /* it stands before an instruction */
    TRACE_ASLEEP, /* it sleeps in a system call: trace_wait() goes on */
    TRACE_AT_END, /* it stands at the end of what it had to do */
    TRACE_GONE,   /* it ended, or a fault stopped it: trace.signal */
    TRACE_STUCK,  /* it neither runs on nor sleeps */
};

struct trace {
    pid_t pid;
    int breakpoints; /* the machine has debug registers */
    int armed;       /* that of jumps is on */
    int signal;      /* the one to deliver; of a fault */
    uintptr_t jump;  /* where trace_jump() goes; 0: single steps */
    unsigned skip;   /* how many times it is to be passed yet */
};

/* 0, or why there can be no tracing here. */
const char *trace_refused(void);

/* Forks a child that runs `prepare` (or nothing, if NULL) untraced, then
 * `run` traced. It stands before the first instruction of run on return;
 * TRACE_GONE or TRACE_STUCK if it does not come that far. */
enum trace_event trace_start(struct trace *t, void (*prepare)(void),
                             void (*run)(void));

/* The same for a process that was made otherwise, by another parent, and that
 * calls trace_offer(): it stands at the end of that call. It has no end of
 * its own. */
enum trace_event trace_adopt(struct trace *t);
void trace_offer(void);

/* Executes one instruction; or all rounds of it, if it is a string
 * instruction. */
enum trace_event trace_step(struct trace *t);
enum trace_event trace_step_whole(struct trace *t);

/* Runs to the `count`th time that the child comes to `address`. */
enum trace_event trace_jump(struct trace *t, uintptr_t address,
                            unsigned count);

/* Runs to the end. */
enum trace_event trace_finish(struct trace *t);

/* After TRACE_ASLEEP: waits for the end of that step or jump. */
enum trace_event trace_wait(struct trace *t);

uintptr_t trace_pc(const struct trace *t);

/* SIGKILLs the child and waits for its death. */
void trace_kill(struct trace *t);

/* Whether process `pid` has been asleep for a while: not in a nap. What counts
 * as one, in ns; a scenario whose victim does none may lower it. */
int trace_sleeps(pid_t pid);
extern int64_t trace_nap;
