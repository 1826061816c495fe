/* SPDX-License-Identifier: MIT */
/* lock.uncontended: one process acquires and releases. lock.contended.N: N
 * processes do, and each adds 1 to a plain counter inside.
 *
 * mproc's is the library's inner lock, which queues, pools and memory are
 * built on: it is robust and knows its holder. The limit, glibc's normal
 * mutex or semaphore, is neither; glibc's robust mutex stands among the
 * peers. */
#include "crew.h"
#include "tools.h"

#include "region/mutex.h"

#include <mproc.h>
#include <pthread.h>
#include <semaphore.h>

typedef void lock_fn(void *lock);

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

/* Defines NAME_crew, the crew function of a lock. */
#define LOCK_CREW(name, acquire, release)                             \
    static void name##_crew(struct crew *crew, int seat, void *arg)   \
    {                                                                 \
        contend(crew, seat, (struct contest *)arg, acquire, release); \
    }

static double
run(const struct load *load, void *lock, crew_fn *fn)
{
    struct contest c = {load, lock, shared_memory(LINE)};
    double ns = crew_run(load->producers, load->pinned, fn, &c, NULL);

    if (*c.counter != (uint64_t)load->ops)
        fail("the lock let two processes in: %ld of %ld counted",
             (long)*c.counter, load->ops);
    return ns / (double)load->ops;
}

/* mproc */

static ALWAYS_INLINE void
inner_acquire(void *lock)
{
    mp__mutex_lock((struct mp__mutex *)lock);
}

static ALWAYS_INLINE void
inner_release(void *lock)
{
    mp__mutex_unlock((struct mp__mutex *)lock);
}

static void
inner_crew(struct crew *crew, int seat, void *arg)
{
    must(mp__enter(), "mp__enter");
    contend(crew, seat, (struct contest *)arg, inner_acquire, inner_release);
}

static double
inner_measure(const struct load *load)
{
    struct mp__mutex *mutex = mp_alloc(LINE);

    if (!mutex)
        fail("mp_alloc: %s", mp_last_error());
    mp__mutex_init(mutex, MP__MUTEX_PLAIN);
    return run(load, mutex, inner_crew);
}

/* glibc */

static void
pthread_acquire(void *lock)
{
    if (pthread_mutex_lock((pthread_mutex_t *)lock) != 0)
        fail("pthread_mutex_lock failed");
}

static void
pthread_release(void *lock)
{
    pthread_mutex_unlock((pthread_mutex_t *)lock);
}

LOCK_CREW(pthread, pthread_acquire, pthread_release)

static double
pthread_run(const struct load *load, int robust)
{
    pthread_mutex_t *mutex = shared_memory(LINE);
    pthread_mutexattr_t attr;

    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attr, robust);
    pthread_mutex_init(mutex, &attr);
    return run(load, mutex, pthread_crew);
}

static double
pthread_measure(const struct load *load)
{
    return pthread_run(load, PTHREAD_MUTEX_STALLED);
}

static double
robust_measure(const struct load *load)
{
    return pthread_run(load, PTHREAD_MUTEX_ROBUST);
}

static void
sem_acquire(void *lock)
{
    must(sem_wait((sem_t *)lock), "sem_wait");
}

static void
sem_release(void *lock)
{
    sem_post((sem_t *)lock);
}

LOCK_CREW(sem, sem_acquire, sem_release)

static double
sem_measure(const struct load *load)
{
    sem_t *sem = shared_memory(LINE);

    sem_init(sem, 1, 1);
    return run(load, sem, sem_crew);
}

static const struct contender locks[] = {
    {"mproc", OURS, inner_measure, NULL, NULL},
    {"pthread", LIMIT, pthread_measure, NULL,
     "process-shared normal pthread mutex, not robust"},
    {"sem_t", LIMIT, sem_measure, NULL, "process-shared sem_t"},
    {"pthread_robust", PEER, robust_measure, NULL, NULL},
    {"cpython", PEER, NULL, "cpython", NULL},
    {0},
};

const struct bench lock_benches[] = {
    {"lock.uncontended", "lock", {0, 1, 0, 0, 1000}, locks},
    {"lock.contended.2", "lock", {0, 2, 0, 0, 1000}, locks},
    {"lock.contended.8", "lock", {0, 8, 0, 0, 1000}, locks},
    {0},
};
