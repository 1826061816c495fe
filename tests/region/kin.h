/* SPDX-License-Identifier: MIT */
/* What the tests of the region and of what lies on it share: calls that must
 * succeed, and peers, each a process or a thread. */
#pragma once

#include "region/audit.h"
#include "support/support.h"

#include <mproc.h>
#include <pthread.h>

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* The call succeeds; what it returns. */
#define must(call) kin_must((long)(call), #call, __FILE__, __LINE__)
long kin_must(long r, const char *call, const char *file, int line);

/* The call fails with `code`, and explains itself with a text that has `word`
 * in it. */
#define must_fail(call, code, word)                  \
    do {                                             \
        ck_assert_int_eq((call), (code));            \
        kin_text(mp_last_error(), (word), __LINE__); \
    } while (0)
void kin_text(const char *text, const char *word, int line);

/* The heap is in order; what is in it. */
struct mp__heap_report heap_now(void);

/* Blocks in use: cells, large ones and objects. */
uint64_t heap_use(void);

/* Bytes of the region that have pages. */
uint64_t pages_of_region(void);

/* ---- Peers ---- */

enum kin_how {
    PROCESSES,
    THREADS,
};

#define KIN_MOST 240

/* Does its part as number `i`, and returns 0 if all is well. */
typedef int kin_fn(void *arg, int i);

/* Lies in the region, so that each can write its own entry. */
struct kin {
    enum kin_how how;
    int n;
    kin_fn *fn;
    void *arg;
    mp__a32 begun[KIN_MOST]; /* the thread's id, from then on */
    mp__a32 ended[KIN_MOST]; /* its function has returned */
    int results[KIN_MOST];
    pid_t pids[KIN_MOST]; /* 0: gone already */
    pthread_t threads[KIN_MOST];
};

/* Starts `n` at once; each has used the library already when it begins. */
struct kin *kin_start(enum kin_how how, int n, kin_fn *fn, void *arg);

/* Waits until all, or number `i`, have begun and sleep in the kernel. */
void kin_await_sleep(struct kin *kin);
void kin_await_sleep_of(struct kin *kin, int i);

/* Kills number `i`, a process. */
void kin_kill(struct kin *kin, int i);

/* Sends a signal to number `i`. */
void kin_signal(struct kin *kin, int i, int sig);

/* Sends it again and again until number `i` is through: a signal may come when
 * it just does not sleep. */
void kin_interrupt(struct kin *kin, int i, int sig);

/* Waits for the end of number `i`, or of all that are left, which must have
 * returned 0; the second frees `kin`. */
void kin_end_of(struct kin *kin, int i);
void kin_end(struct kin *kin);

/* All of it in one. */
void kin_run(enum kin_how how, int n, kin_fn *fn, void *arg);

/* ---- Kernels that do less: see enum mp__tier ---- */

/* Fixtures that make this process, and its children, believe in one. */
void believe_in_sliced(void);
void believe_in_no_waitv(void);
