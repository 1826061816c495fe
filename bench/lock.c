/* SPDX-License-Identifier: MIT */
/* What lets one in at a time: Lock, RLock, Semaphore.
 *
 * .uncontended: one process acquires and releases. .contended.N: N processes
 * do, and each adds 1 to a plain counter inside. .handoff: there and back
 * between two processes that always wait for each other.
 *
 * The group `lock` shows beside the library's inner lock, which queues, pools
 * and memory are built on. The limits, glibc's mutexes and semaphore, do not
 * know when their holder dies; glibc's robust mutex, a peer, does. */
#include "crew.h"
#include "glibc.h"
#include "kernel.h"
#include "tools.h"

#include "region/mutex.h"

#include <mproc.h>

typedef void lock_fn(void *lock);
typedef void *make_fn(void);

/* A contest: who comes first gets in. */

struct contest {
    const struct load *load;
    void *lock;
    uint64_t *counter; /* on a line of its own */
};

static ALWAYS_INLINE void
contend(struct crew *crew, int seat, struct contest *c, lock_fn *acquire,
        lock_fn *release)
{
    long n = c->load->ops / c->load->producers;

    for (int i = 0; i < 100; i++) {
        acquire(c->lock);
        release(c->lock);
    }
    crew_begin(crew, seat);
    for (long i = 0; i < n; i++) {
        acquire(c->lock);
        ++*(volatile uint64_t *)c->counter;
        release(c->lock);
    }
    crew_end(crew, seat, 0);
}

static double
contest_run(const struct load *load, void *lock, crew_fn *fn)
{
    struct contest c = {load, lock, shared_memory(LINE)};
    double ns = crew_run(load->producers, load->pinned, fn, &c, NULL);

    if (*c.counter != (uint64_t)load->ops)
        fail("the lock let two processes in: %ld of %ld counted",
             (long)*c.counter, load->ops);
    return ns / (double)load->ops;
}

/* A walk: two processes go round three locks, hand over hand: each acquires
 * the lock ahead of it before it releases its own. Seat 1 starts one lock
 * ahead of seat 0. So whoever has just made a step finds the other on the lock
 * ahead, and has to wait for its step: strictly in turn, although every lock
 * is released by its owner. */

#define LOCKS 3

struct walk {
    const struct load *load;
    void *locks[LOCKS];
    uint64_t *steps; /* of both */
};

static ALWAYS_INLINE void
go(struct crew *crew, int seat, struct walk *w, lock_fn *acquire,
   lock_fn *release)
{
    long n = w->load->ops;
    int at = seat;

    acquire(w->locks[at]);
    crew_begin(crew, seat);
    for (long i = 0; i < n; i++) {
        int ahead = (at + 1) % LOCKS;

        acquire(w->locks[ahead]);
        if ((*w->steps)++ != (uint64_t)(2 * i + !seat))
            fail("out of turn");
        release(w->locks[at]);
        at = ahead;
    }
    crew_end(crew, seat, 0);
}

static double
walk_run(const struct load *load, make_fn *make, crew_fn *fn)
{
    struct walk w = {.load = load, .steps = shared_memory(LINE)};

    for (int i = 0; i < LOCKS; i++)
        w.locks[i] = make();
    return crew_run(2, load->pinned, fn, &w, NULL) / (double)load->ops;
}

/* A relay, for what need not be released by who has acquired it: each releases
 * what the other waits for. */

struct relay {
    const struct load *load;
    void *turns[2]; /* of each seat */
    uint64_t *steps;
};

static ALWAYS_INLINE void
pass(struct crew *crew, int seat, struct relay *r, lock_fn *acquire,
     lock_fn *release)
{
    crew_begin(crew, seat);
    for (long i = 0; i < r->load->ops; i++) {
        acquire(r->turns[seat]);
        if ((*r->steps)++ != (uint64_t)(2 * i + seat))
            fail("out of turn");
        release(r->turns[!seat]);
    }
    crew_end(crew, seat, 0);
}

static double
relay_run(const struct load *load, make_fn *make, lock_fn *acquire,
          crew_fn *fn)
{
    struct relay r = {load, {make(), make()}, shared_memory(LINE)};

    acquire(r.turns[1]);
    return crew_run(2, load->pinned, fn, &r, NULL) / (double)load->ops;
}

/* Each defines one measurement of a kind of lock, in which the functions of
 * the kind are called directly: NAME_contest, NAME_walk, NAME_relay. */
#define CONTEST(name)                                                       \
    static void name##_contest_crew(struct crew *crew, int seat, void *arg) \
    {                                                                       \
        contend(crew, seat, arg, name##_acquire, name##_release);           \
    }                                                                       \
    static double name##_contest(const struct load *load)                   \
    {                                                                       \
        return contest_run(load, name##_make(), name##_contest_crew);       \
    }

#define WALK(name)                                                       \
    static void name##_walk_crew(struct crew *crew, int seat, void *arg) \
    {                                                                    \
        go(crew, seat, arg, name##_acquire, name##_release);             \
    }                                                                    \
    static double name##_walk(const struct load *load)                   \
    {                                                                    \
        return walk_run(load, name##_make, name##_walk_crew);            \
    }

#define RELAY(name)                                                       \
    static void name##_relay_crew(struct crew *crew, int seat, void *arg) \
    {                                                                     \
        pass(crew, seat, arg, name##_acquire, name##_release);            \
    }                                                                     \
    static double name##_relay(const struct load *load)                   \
    {                                                                     \
        return relay_run(load, name##_make, name##_acquire,               \
                         name##_relay_crew);                              \
    }

/* mproc */

static void *
lock_make(void)
{
    mp_lock *lock;

    must(mp_lock_create(&lock, NULL), "mp_lock_create");
    return lock;
}

static ALWAYS_INLINE void
lock_acquire(void *lock)
{
    must(mp_lock_acquire(lock, MP_FOREVER), "mp_lock_acquire");
}

static ALWAYS_INLINE void
lock_release(void *lock)
{
    must(mp_lock_release(lock), "mp_lock_release");
}

static void *
rlock_make(void)
{
    mp_rlock *lock;

    must(mp_rlock_create(&lock, NULL), "mp_rlock_create");
    return lock;
}

static ALWAYS_INLINE void
rlock_acquire(void *lock)
{
    must(mp_rlock_acquire(lock, MP_FOREVER), "mp_rlock_acquire");
}

static ALWAYS_INLINE void
rlock_release(void *lock)
{
    must(mp_rlock_release(lock), "mp_rlock_release");
}

static void *
semaphore_make(void)
{
    mp_semaphore *semaphore;

    must(mp_semaphore_create(&semaphore, 1, NULL), "mp_semaphore_create");
    return semaphore;
}

static ALWAYS_INLINE void
semaphore_acquire(void *semaphore)
{
    must(mp_semaphore_acquire(semaphore, MP_FOREVER), "mp_semaphore_acquire");
}

static ALWAYS_INLINE void
semaphore_release(void *semaphore)
{
    must(mp_semaphore_release(semaphore), "mp_semaphore_release");
}

CONTEST(lock)
WALK(lock)
CONTEST(rlock)
WALK(rlock)
CONTEST(semaphore)
RELAY(semaphore)

/* The library's inner lock. */

static ALWAYS_INLINE void
inner_acquire(void *lock)
{
    mp__mutex_lock(lock);
}

static ALWAYS_INLINE void
inner_release(void *lock)
{
    mp__mutex_unlock(lock);
}

static void
inner_crew(struct crew *crew, int seat, void *arg)
{
    must(mp__enter(), "mp__enter");
    contend(crew, seat, arg, inner_acquire, inner_release);
}

static double
inner_contest(const struct load *load)
{
    struct mp__mutex *mutex = mp_alloc(LINE);

    if (!mutex)
        fail("mp_alloc: %s", mp_last_error());
    mp__mutex_init(mutex, MP__MUTEX_PLAIN);
    return contest_run(load, mutex, inner_crew);
}

/* glibc */

static void *
normal_make(void)
{
    return shared_mutex(PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_STALLED);
}

static void *
robust_make(void)
{
    return shared_mutex(PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_ROBUST);
}

static void *
recursive_make(void)
{
    return shared_mutex(PTHREAD_MUTEX_RECURSIVE, PTHREAD_MUTEX_STALLED);
}

static ALWAYS_INLINE void
mutex_acquire(void *lock)
{
    if (pthread_mutex_lock(lock) != 0)
        fail("pthread_mutex_lock failed");
}

static ALWAYS_INLINE void
mutex_release(void *lock)
{
    pthread_mutex_unlock(lock);
}

#define normal_acquire    mutex_acquire
#define normal_release    mutex_release
#define robust_acquire    mutex_acquire
#define robust_release    mutex_release
#define recursive_acquire mutex_acquire
#define recursive_release mutex_release

static void *
sem_make(void)
{
    return shared_sem(1);
}

static ALWAYS_INLINE void
sem_acquire(void *sem)
{
    must(sem_wait(sem), "sem_wait");
}

static ALWAYS_INLINE void
sem_release(void *sem)
{
    sem_post(sem);
}

CONTEST(normal)
WALK(normal)
CONTEST(robust)
WALK(robust)
CONTEST(recursive)
WALK(recursive)
CONTEST(sem)
WALK(sem)
RELAY(sem)

/* Tables */

#define NORMAL    "process-shared normal pthread mutex, not robust"
#define RECURSIVE "process-shared recursive pthread mutex, not robust"
#define SEM       "process-shared sem_t"

static const struct contender locks[] = {
    {"mproc", OURS, lock_contest, NULL, NULL},
    {"pthread", LIMIT, normal_contest, NULL, NORMAL},
    {"sem_t", LIMIT, sem_contest, NULL, SEM},
    {"pthread_robust", PEER, robust_contest, NULL, NULL},
    {"cpython", PEER, NULL, "cpython", NULL},
    {"inner_mutex", BESIDE, inner_contest, NULL, NULL},
    {0},
};

static const struct contender rlocks[] = {
    {"mproc", OURS, rlock_contest, NULL, NULL},
    {"pthread_recursive", LIMIT, recursive_contest, NULL, RECURSIVE},
    {"pthread", LIMIT, normal_contest, NULL, NORMAL},
    {"sem_t", LIMIT, sem_contest, NULL, SEM},
    {"cpython", PEER, NULL, "cpython", NULL},
    {0},
};

static const struct contender semaphores[] = {
    {"mproc", OURS, semaphore_contest, NULL, NULL},
    {"sem_t", LIMIT, sem_contest, NULL, SEM},
    {"pthread", PEER, normal_contest, NULL, NULL},
    {"cpython", PEER, NULL, "cpython", NULL},
    {0},
};

static const struct contender lock_walks[] = {
    {"mproc", OURS, lock_walk, NULL, NULL},
    {"pthread", LIMIT, normal_walk, NULL, NORMAL},
    {"sem_t", LIMIT, sem_walk, NULL, SEM},
    {"pthread_robust", PEER, robust_walk, NULL, NULL},
    {"cpython", PEER, NULL, "cpython", NULL},
    {"futex", BESIDE, futex_bounce, NULL, NULL},
    {0},
};

static const struct contender rlock_walks[] = {
    {"mproc", OURS, rlock_walk, NULL, NULL},
    {"pthread_recursive", LIMIT, recursive_walk, NULL, RECURSIVE},
    {"pthread", LIMIT, normal_walk, NULL, NORMAL},
    {"sem_t", LIMIT, sem_walk, NULL, SEM},
    {"cpython", PEER, NULL, "cpython", NULL},
    {"futex", BESIDE, futex_bounce, NULL, NULL},
    {0},
};

static const struct contender semaphore_relays[] = {
    {"mproc", OURS, semaphore_relay, NULL, NULL},
    {"sem_t", LIMIT, sem_relay, NULL, SEM},
    {"cpython", PEER, NULL, "cpython", NULL},
    {"futex", BESIDE, futex_bounce, NULL, NULL},
    {0},
};

/* The size is that of the futexes' message. */
const struct bench lock_benches[] = {
    {"lock.uncontended", "lock", {8, 1, 0, 0, 1000}, locks},
    {"lock.contended.2", "lock", {8, 2, 0, 0, 1000}, locks},
    {"lock.contended.8", "lock", {8, 8, 0, 0, 1000}, locks},
    {0},
};

const struct bench sync_lock_benches[] = {
    {"sync.lock.uncontended", "lock", {8, 1, 0, 0, 1000}, locks},
    {"sync.lock.handoff",
     "lock_walk",
     {8, 1, 1, 0, 64},
     lock_walks,
     WAITS_MOST},
    {"sync.lock.handoff.pinned",
     "lock_walk",
     {8, 1, 1, 1, 64},
     lock_walks,
     WAITS_MOST},
    {"sync.lock.contended.2", "lock", {8, 2, 0, 0, 1000}, locks},
    {"sync.lock.contended.2.pinned", "lock", {8, 2, 0, 1, 1000}, locks},
    {"sync.lock.contended.8", "lock", {8, 8, 0, 0, 1000}, locks},
    {"sync.rlock.uncontended", "rlock", {8, 1, 0, 0, 1000}, rlocks},
    {"sync.rlock.handoff",
     "rlock_walk",
     {8, 1, 1, 0, 64},
     rlock_walks,
     WAITS_MOST},
    {"sync.rlock.handoff.pinned",
     "rlock_walk",
     {8, 1, 1, 1, 64},
     rlock_walks,
     WAITS_MOST},
    {"sync.rlock.contended.2", "rlock", {8, 2, 0, 0, 1000}, rlocks},
    {"sync.rlock.contended.2.pinned", "rlock", {8, 2, 0, 1, 1000}, rlocks},
    {"sync.rlock.contended.8", "rlock", {8, 8, 0, 0, 1000}, rlocks},
    {"sync.semaphore.uncontended",
     "semaphore",
     {8, 1, 0, 0, 1000},
     semaphores},
    {"sync.semaphore.handoff",
     "semaphore_relay",
     {8, 1, 1, 0, 64},
     semaphore_relays,
     WAITS_MOST},
    {"sync.semaphore.handoff.pinned",
     "semaphore_relay",
     {8, 1, 1, 1, 64},
     semaphore_relays,
     WAITS_MOST},
    {"sync.semaphore.contended.2",
     "semaphore",
     {8, 2, 0, 0, 1000},
     semaphores},
    {"sync.semaphore.contended.2.pinned",
     "semaphore",
     {8, 2, 0, 1, 1000},
     semaphores},
    {"sync.semaphore.contended.8",
     "semaphore",
     {8, 8, 0, 0, 1000},
     semaphores},
    {0},
};
