/* SPDX-License-Identifier: MIT */
/* The kill sweep: a victim does an operation and is SIGKILLed after N of its
 * instructions, for every N until it is done. After each kill every survivor
 * must go on.
 *
 * A scenario is a row of functions. For each kill point:
 *
 *   setup     in the harness: fresh objects, and those who sleep already
 *   prepare   in the victim, not traced
 *   victim    in the victim, halted after N instructions and killed
 *   due       after each instruction: is it time for `beside`?
 *   beside    in the harness, once, while the victim stands still (or after
 *             the kill, if it was never due): others come and wait
 *   wake      in the harness, when the victim sleeps: what wakes it. Every
 *             such sleep is a kill point of its own
 *   look      in the harness, just before the kill: what the victim has
 *   check     in the harness, after the kill: survivors, contents, order
 *   teardown  in the harness: after that the heap must be as before
 *
 * A scenario with `meet` set looks for races instead: at each point the victim
 * stands still while `beside` happens, then runs to its end, and dies there.
 *
 * A scenario with `before` set has an earlier victim, which runs that and is
 * killed at a point that changes from round to round: so those who repair are
 * killed, and those who repair after them.
 *
 * In a scenario with `other` set two are killed: when the victim stands at its
 * point, another process does that, up to a point of its own; then they are
 * killed in this order or that (pair.c).
 *
 * In a scenario with `adopt` set the victim is a process that the library has
 * made, and that offers itself (trace.h); its end is its next sleep.
 *
 * Each scenario runs in a family of its own. The harness is one of its
 * processes; the others are plain forks of it. */
#pragma once

#include "base/atomic.h"

#include <mproc.h>

struct sweep_scenario {
    const char *name;
    void (*setup)(void);
    void (*prepare)(void);
    void (*victim)(void);
    int (*due)(void);
    void (*beside)(void);
    void (*wake)(void);
    void (*look)(void);
    void (*check)(void);
    void (*teardown)(void);
    int adopt;         /* see above; no prepare and no victim */
    unsigned may_lose; /* blocks and cells that a kill may cost */
    int meet;          /* see above */
    void (*before)(void);
    void (*between)(void); /* in the harness, after that kill; or NULL */
    unsigned stride;       /* for long operations: between kill points; 0: 1 */
    unsigned sleeps;       /* how often the victim sleeps, beside the first
                              time: `wake` is called for each */
    void (*other_prepare)(void);
    void (*other)(void);
    unsigned pairs;       /* of points that are run; 0: some */
    void (*family)(void); /* in the harness, once: what stays for good; or
                             NULL */
    const void *what;     /* the scenario's own */
};

/* Where scenarios come from: each file has one such list, which ends with a
 * scenario without a name. */
extern const struct sweep_scenario sweep_mutex[], sweep_heap[], sweep_object[],
    sweep_participant[], sweep_bell[], sweep_queue_put[], sweep_queue_get[],
    sweep_queue[], sweep_process[], sweep_pool[], sweep_lock[],
    sweep_semaphore[], sweep_event[], sweep_condition[], sweep_barrier[],
    sweep_event_poll[], sweep_pipe_poll[], sweep_pipe_send[],
    sweep_pipe_receive[], sweep_pipe_end[], sweep_life[], sweep_value[],
    sweep_memory[], sweep_queue_poll[], sweep_queue_pair[], sweep_heap_pair[],
    sweep_queue_many[], sweep_shelf_get[], sweep_shelf_wait[],
    sweep_shelf_order[], sweep_shelf_reserve[], sweep_shelf_pair[],
    sweep_shelf_serve[], sweep_pool_cancel[], sweep_pool_retry[],
    sweep_pool_leave[], sweep_pool_map[], sweep_log[], sweep_queue_value[],
    sweep_list[], sweep_dict[], sweep_set[], sweep_guest[];

/* Someone beside the victim. */
struct sweep_actor {
    pid_t pid;
    mp__a32 begun; /* it is in the library, or about to be */
    mp__a32 done;  /* how much it has done */
    mp__a32 ended; /* it has nothing more to do */
    mp__a64 value[64];
    char complaint[160]; /* what it found wrong */
};

/* The state of one kill point. */
struct sweep_round {
    const struct sweep_scenario *scenario;
    unsigned point; /* instructions before the kill */
    int asleep;     /* killed in its sleep */
    int completed;  /* the victim had done it all */
    int other_completed;
    int recording; /* nobody is killed before that yet */
    pid_t victim;  /* its pid, also when it is dead */
    int killed;
    unsigned earlier; /* where the earlier victim was killed */
    unsigned sleeps;  /* how often `wake` was called before */
    mp__a64 *note;    /* 64 words that the victim may write, zeroed */
};
extern struct sweep_round sweep;

/* What this program exits with if its main runs where it never should: in a
 * child that was spawned in a scenario. */
#define SWEEP_MAIN_RAN 99

/* After so many seconds the fast sweep leaves the rest of a scenario to the full
 * one. Setup may change it. */
extern double sweep_fast_seconds;

/* Seconds that anyone may take to go on. */
#define SWEEP_BOUND 10.0

/* Says that something is wrong with this kill point unless `ok`; returns
 * `ok`. */
int sweep_check(int ok, const char *format, ...) MP__PRINTF(2, 3);

/* Starts a process that runs `run`; it counts as begun when it is
 * registered with the library. */
struct sweep_actor *sweep_actor(void (*run)(struct sweep_actor *));

/* In the actor: one more thing is done; it has found something wrong. */
void sweep_done(struct sweep_actor *actor);
void sweep_complain(struct sweep_actor *actor, const char *format, ...)
    MP__PRINTF(2, 3);

/* Gives the actor time to come as far as it can: until it sleeps, or is at its
 * end, or has been in the library for long enough to do naps. */
void sweep_let_come(struct sweep_actor *actor);

/* Waits, within the bound, until the actor sleeps in the library; until it has
 * done `n` things; until it has ended well. 1, or 0 with a failure. */
int sweep_await_sleep(struct sweep_actor *actor);
int sweep_await_done(struct sweep_actor *actor, uint32_t n);
int sweep_await_end(struct sweep_actor *actor);

/* For the engine: kills and forgets all actors; makes room for them. */
int sweep_actors_init(void);
void sweep_actors_clear(void);
