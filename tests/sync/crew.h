/* SPDX-License-Identifier: MIT */
/* A crew: parties that do their part each in a process, or a thread, of its
 * own. What they do is written once, whichever way they are started.
 *
 *     static int
 *     hold_it(struct party *me)
 *     {
 *         struct stage *stage = me->arg;
 *
 *         expect(mp_lock_acquire(stage->lock, MP_FOREVER), 0);
 *         ...
 *         return 0;
 *     }
 *
 *     crew = crew_start(way, 3, hold_it, stage);
 *     await(crew, mp_lock_waiters(stage->lock, NULL, 0) == 2);
 *     ...
 *     crew_end(crew);
 *
 * A party of a spawned process cannot fail a test of Check: what it expects in
 * vain it writes into the family's memory, and crew_end(), and each await()
 * meanwhile, fail the test with that. */
#pragma once

#include "region/kin.h"

enum way {
    WAY_FORK,
    WAY_SPAWN,
    WAY_FORKSERVER,
    WAY_THREADS,
    WAY_MIXED, /* each of the above in turn */
    WAYS,
};

#define CREW_MOST 16

struct crew;

struct party {
    struct crew *crew;
    void *arg; /* in the family's memory */
    int i;
};

/* 0: all is well. */
typedef int party_fn(struct party *me);

struct crew {
    enum way way;
    int n;
    uintptr_t fn; /* see crew.c */
    struct party parties[CREW_MOST];
    mp__a32 begun[CREW_MOST]; /* the thread's id, from then on */
    mp__a32 ended[CREW_MOST]; /* its function has returned */
    pid_t pids[CREW_MOST];
    mp_process *processes[CREW_MOST]; /* NULL: it is a thread */
    pthread_t threads[CREW_MOST];
    mp__a32 found; /* somebody has expected something in vain */
    char finding[256];
};

/* What the way's processes need once and keep; no leak of the test. */
void crew_warm_up(enum way way);
const char *way_name(enum way way);

struct crew *crew_start(enum way way, int n, party_fn *fn, void *arg);

/* Waits until all have returned 0, and frees the crew. */
void crew_end(struct crew *crew);
void crew_run(enum way way, int n, party_fn *fn, void *arg);

/* Sends SIGUSR1, which every party handles by doing nothing, again and again
 * until number `i` is through. */
void crew_interrupt(struct crew *crew, int i);

/* Waits until the condition holds; 20 seconds (scaled) at most. */
#define await(crew, condition)                                               \
    do {                                                                     \
        int64_t await__until = mp_test_deadline(20);                         \
        while (!(condition))                                                 \
            crew_poll((crew), await__until, __FILE__, __LINE__, #condition); \
    } while (0)
void crew_poll(struct crew *crew, int64_t until, const char *file, int line,
               const char *condition);

/* For parties: the call gives `value`, else this party is through. */
#define expect(call, value)                                               \
    do {                                                                  \
        long expect__r = (long)(call);                                    \
        if (expect__r != (long)(value))                                   \
            return party_found(me, __FILE__, __LINE__, #call, expect__r); \
    } while (0)
int party_found(struct party *me, const char *file, int line, const char *call,
                long result);

/* For parties: waits for it, 20 seconds (scaled) at most. */
#define party_await(condition)                                             \
    do {                                                                   \
        int64_t await__until = mp_test_deadline(20);                       \
        while (!(condition))                                               \
            if (!mp_test_poll(await__until))                               \
                return party_found(me, __FILE__, __LINE__, #condition, 0); \
    } while (0)
