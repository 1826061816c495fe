/* SPDX-License-Identifier: MIT */
/* Roles for stress: each is played by one process (soak) or thread (threads),
 * for ever, until told to stop. Whoever plays a role may be killed at any
 * time, and a successor goes on with it.
 *
 * What the roles report lies in memory that is no part of the library. */
#pragma once

#include "base/atomic.h"
#include "bell/bell.h"
#include "region/mutex.h"

#include <mproc.h>

#define STRESS_PLAYERS 32
#define STRESS_IDS     (256u << 20) /* messages that one run can count */
#define STRESS_QUEUES  2
#define STRESS_MODES   8
#define STRESS_PIPES   2
#define STRESS_SLOTS   64 /* blocks of one allocator */

/* What is known of a message. */
#define STRESS_BEGUN    1
#define STRESS_RETURNED 2 /* its put returned 0 */
#define STRESS_GOT      4

enum stress_role {
    STRESS_PRODUCER, /* of both queues, in turn */
    STRESS_CONSUMER, /* of one queue: by its number */
    STRESS_ALLOCATOR,
    STRESS_LOCKER,
    STRESS_RINGER,
    STRESS_WAITER,
    STRESS_SUBMITTER, /* of tasks, to a pool */

    STRESS_LOCK_USER, /* down to the parties: sync.c */
    STRESS_RLOCK_USER,
    STRESS_GIVER, /* of permits */
    STRESS_TAKER,
    STRESS_PERMIT_HOLDER, /* of a tracked semaphore */
    STRESS_SETTER,        /* of an event: one */
    STRESS_AWAITER,
    STRESS_STORER, /* into a store guarded by a condition */
    STRESS_FETCHER,
    STRESS_PARTY, /* of a barrier: three */

    STRESS_QUEUE_PRODUCER, /* of queues of all modes: queue.c */
    STRESS_QUEUE_CONSUMER, /* of one of them: by its number */
    STRESS_QUEUE_JOINER,

    STRESS_PIPE_SENDER, /* into one of the pipes, by its number: pipe.c */
    STRESS_PIPE_RECEIVER,
    STRESS_ROLES,
};

struct stress_player {
    enum stress_role role;
    uint32_t number; /* of all players */
    uint32_t which;  /* among those of its role */
    uint64_t random;
    mp__a64 progress; /* what it has done; successors count on */
    int at_end;       /* a receiver has seen the end of its pipe */
};

/* Blocks of an allocator, by place in memory of the family, so that the
 * successor knows them. The lowest bit marks one that is changing hands. */
struct stress_ledger {
    uintptr_t slot[STRESS_SLOTS];
    uint32_t size[STRESS_SLOTS];
};

/* A pair of numbers that are equal whenever the mutex is free. */
struct stress_pair {
    struct mp__mutex mutex;
    volatile uint64_t a, b;
};

struct stress_bell {
    struct mp__bell bell;
    mp__a32 data;
};

/* Equal whenever the lock is free. */
struct stress_guarded {
    volatile uint64_t a, b;
};

struct stress_store {
    volatile uint64_t put, got, stored;
};

struct stress_sync {
    mp_lock *lock, *store_lock;
    mp_rlock *rlock;
    mp_semaphore *permits, *tracked;
    mp_event *event;
    mp_condition *not_full, *not_empty; /* of the store */
    mp_barrier *barrier;
    struct stress_guarded by_lock, by_rlock;
    struct stress_store store;
    mp__a32 has_permit[STRESS_PLAYERS]; /* of the tracked semaphore */
    mp__a64 told, given, taken, too_many, wrong_books, rounds;
    mp__a64 numbers[8]; /* how often each was got at the barrier */
};

struct stress {
    struct stress_player player[STRESS_PLAYERS];
    uint32_t players;
    mp__a32 stop;
    mp__a32 next_id;
    mp__a64 got, duplicates, corrupt, disorder, broken_pairs, broken_blocks;
    mp__a64 tasks_done, tasks_died, wrong_results;
    mp__a64 unexpected; /* errors of the library */
    char text[160];     /* the first of them */
    mp_queue *queue[STRESS_QUEUES];
    mp_queue *mode_queue[STRESS_MODES]; /* if there are users of them */
    mp__a64 letters, joined, told;
    mp_conn *receiving[STRESS_PIPES], *sending[STRESS_PIPES]; /* the same */
    mp_pool *pool; /* if there are submitters */
    struct stress_ledger *ledger[STRESS_PLAYERS];
    struct stress_pair *pair;
    struct stress_bell *bell;
    struct stress_sync sync;
    _Atomic unsigned char *message; /* by id */
};
extern struct stress *stress;

/* Makes the objects, and players of each role as `cast` says. */
int stress_init(const uint32_t cast[STRESS_ROLES], uint64_t seed);

/* Plays a role until told to stop. */
void stress_play(struct stress_player *player);

/* Says that no one should go on, and wakes those who wait. */
void stress_stop(void);

/* After the end: counts messages, gives all memory back, looks at the heap.
 * `killed` are the players killed, by role, and the workers. Prints the
 * figures; returns the number of violations. */
int stress_report(const uint64_t killed[STRESS_ROLES],
                  uint64_t workers_killed);

/* Whether there is more to do; a number of this player's own. */
int stress_goes_on(void);
uint64_t stress_random(struct stress_player *player);

/* Counts an error that should not be. */
void stress_unexpected(const char *what, int r);

/* ---- pool.c */

/* Starts and ends one, so that the library has the tables that it makes once
 * and keeps. */
int stress_pool_warm_up(void);
int stress_pool_create(void);
int stress_pool_end(void); /* the number of violations */
/* Whether a worker was sent a SIGKILL. */
int stress_pool_kill_worker(uint64_t random);
void stress_submit(uint64_t random);

/* ---- sync.c */

int stress_sync_create(void);
void stress_sync_stop(void);
void stress_sync_killed(const struct stress_player *player);
/* Ends the objects; the number of violations. */
int stress_sync_report(const uint64_t killed[STRESS_ROLES]);

void stress_lock(struct stress_player *player);
void stress_rlock(struct stress_player *player);
void stress_give(struct stress_player *player);
void stress_take(struct stress_player *player);
void stress_hold_permit(struct stress_player *player);
void stress_set(struct stress_player *player);
void stress_await(struct stress_player *player);
void stress_put_in_store(struct stress_player *player);
void stress_get_from_store(struct stress_player *player);
void stress_meet(struct stress_player *player);

/* ---- queue.c */

int stress_queues_create(void);
void stress_queues_stop(void);
/* Ends them, when all players are gone; the number of violations. */
int stress_queues_report(uint64_t consumers_killed);
/* Whether a consumer has more to do. */
int stress_queue_goes_on(const struct stress_player *player);

void stress_queue_produce(struct stress_player *player);
void stress_queue_consume(struct stress_player *player);
void stress_queue_join(struct stress_player *player);

/* ---- pipe.c */

/* Makes and ends one, as stress_pool_warm_up(). */
int stress_pipes_warm_up(void);
int stress_pipes_create(void);
/* All players are gone; the number of violations. */
int stress_pipes_end(void);

void stress_pipe_send(struct stress_player *player);
void stress_pipe_receive(struct stress_player *player);

const char *stress_role_name(enum stress_role role);
