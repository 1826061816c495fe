/* SPDX-License-Identifier: MIT */
/* What the tests of the pool share. */
#pragma once

#include "base/atomic.h"
#include "support/support.h"

#include <mproc.h>

/* Whether a sanitizer is in the program, which has a stack and handlers of its
 * own. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

/* The call succeeds; what it returns. */
#define must(call) mp_test_must((call), #call, __FILE__, __LINE__)
long mp_test_must(long r, const char *call, const char *file, int line);

/* The last error's text contains `part`. */
#define expect_text(part) mp_test_text(mp_last_error(), (part))
void mp_test_text(const char *text, const char *part);

/* A case of the suite, in which processes have been started before: what the
 * library then keeps for good is no leak. */
TCase *pool_case(Suite *suite, const char *name, double seconds);

/* main of a program: all is skipped where the system has no pidfds, and so no
 * processes can be started (valgrind 3.19). */
int pool_main(Suite *suite);

/* For loop tests over MP_FORK, MP_SPAWN, MP_FORKSERVER: makes it the default
 * method. What the library keeps for it (the forkserver) is started. */
void use_method(int method);

/* A pool of the default method. */
mp_pool *pool_of(int workers);

/* Closes, joins and destroys it. */
void end_pool(mp_pool *pool);

/* All workers are there and past their initializers. Their pids. */
void await_workers(mp_pool *pool, int count, pid_t *pids);

/* Waits for the end of the task; its result's code. */
long end_of(mp_result *result);

/* Tasks that say that they have begun and then wait to be let go. */
struct gate {
    mp_queue *begun; /* pids of those who have come */
    mp_queue *pass;  /* one message for each who may go on */
};
struct gate gate_open(void);
void gate_close(struct gate gate);
pid_t gate_await(struct gate gate); /* until one has begun */
void gate_let_go(struct gate gate); /* one of them */
int wait_at_gate(mp_task *task);    /* arg: struct gate */
mp_result *submit_to_gate(mp_pool *pool, struct gate gate);

/* Interrupts the calling thread by a signal as often as it sleeps, until the
 * end of the interruption. */
struct interruption;
struct interruption *interrupt_me(void);
void interrupt_end(struct interruption *interruption);

/* Cells and blocks in use, all in all. */
uint64_t heap_use(void);

int return_pid(mp_task *task); /* returns pid_t */
int echo(mp_task *task);       /* returns its argument */
int kill_self(mp_task *task);
