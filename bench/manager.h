/* SPDX-License-Identifier: MIT */
/* What clients do with the objects of a manager, the same for every contender:
 * a value is set and read in turn, a list grows, keys of a dict are set and
 * read in turn, a lock is acquired and released. One operation is one of these
 * calls; of a lock both.
 *
 * In batches (load->size calls each) nothing is read. */
#pragma once

#include "crew.h"
#include "tools.h"

#include <stdio.h>

enum { MANAGER_KEYS = 1024, MANAGER_BATCH = 64 };

struct manager_run {
    const struct load *load;
    void *place;   /* where the objects are: the contender's own */
    long *counter; /* what the lock guards */
    char keys[MANAGER_KEYS][16];
};

/* How a contender does it. None can fail. */
struct manager_steps {
    void *(*open)(struct manager_run *run); /* by each client for itself */
    void (*set)(void *client, long x);
    long (*get)(void *client);
    void (*append)(void *client, long x);
    long (*len)(void *client);
    void (*put)(void *client, const char *key, long x);
    long (*find)(void *client, const char *key);
    void (*acquire)(void *client);
    void (*release)(void *client);
    int locks_nothing; /* these two are no lock: nothing is counted */
    void (*begin)(void *client); /* a batch: end() waits for its calls */
    void (*end)(void *client);
};

typedef void manager_job(const struct manager_steps *steps,
                         struct manager_run *run, void *client, int seat,
                         long i, int batched);

static ALWAYS_INLINE void
manager_value(const struct manager_steps *steps, struct manager_run *run,
              void *client, int seat, long i, int batched)
{
    long x;

    (void)seat;
    if (batched || i % 2 == 0) {
        steps->set(client, i);
        return;
    }
    x = steps->get(client);
    if (x % 2 != 0 || (run->load->producers == 1 && x != i - 1))
        fail("a value is another one");
}

static ALWAYS_INLINE void
manager_list(const struct manager_steps *steps, struct manager_run *run,
             void *client, int seat, long i, int batched)
{
    (void)run;
    (void)seat;
    (void)batched;
    steps->append(client, i);
}

static ALWAYS_INLINE void
manager_dict(const struct manager_steps *steps, struct manager_run *run,
             void *client, int seat, long i, int batched)
{
    long x = i / 2 + seat * 61;
    const char *key = run->keys[x % MANAGER_KEYS];

    if (batched || i % 2 == 0)
        steps->put(client, key, x);
    else if (steps->find(client, key) % MANAGER_KEYS != x % MANAGER_KEYS)
        fail("a key has the value of another one");
}

static ALWAYS_INLINE void
manager_lock(const struct manager_steps *steps, struct manager_run *run,
             void *client, int seat, long i, int batched)
{
    (void)seat;
    (void)i;
    (void)batched;
    steps->acquire(client);
    if (!steps->locks_nothing)
        ++*run->counter;
    steps->release(client);
}

static ALWAYS_INLINE void
manager_do(const struct manager_steps *steps, struct manager_run *run,
           void *client, int seat, long n, manager_job *job)
{
    long batch = (long)run->load->size;

    if (batch < 2)
        for (long i = 0; i < n; i++)
            job(steps, run, client, seat, i, 0);
    else
        for (long i = 0; i < n; i += batch) {
            steps->begin(client);
            for (long j = 0; j < batch; j++)
                job(steps, run, client, seat, i + j, 1);
            steps->end(client);
        }
}

/* A quarter goes first. */
static ALWAYS_INLINE void
manager_member(const struct manager_steps *steps, struct crew *crew, int seat,
               struct manager_run *run, manager_job *job)
{
    long n = run->load->ops / run->load->producers;
    void *client = steps->open(run);

    manager_do(steps, run, client, seat, n / 4, job);
    crew_begin(crew, seat);
    manager_do(steps, run, client, seat, n, job);
    crew_end(crew, seat, 0);
    if (job == manager_list && steps->len(client) < n + n / 4)
        fail("a list has lost what was appended");
}

static inline double
manager_measure(const struct load *load, void *place, crew_fn *crew,
                int threads)
{
    struct manager_run run = {.load = load, .place = place};
    long all = load->ops + load->ops / 4;
    double ns;

    run.counter = (long *)shared_memory(sizeof(*run.counter));
    for (int i = 0; i < MANAGER_KEYS; i++)
        snprintf(run.keys[i], sizeof(run.keys[i]), "key-%d", i);
    ns = (threads ? crew_run_threads : crew_run)(load->producers, 0, crew,
                                                 &run, NULL);
    if (*run.counter != 0 && *run.counter != all)
        fail("the lock let two in");
    return ns / (double)load->ops;
}

/* Defines NAME_value, NAME_list, ..., which are declared before: measurements of
 * what MAKE gives, by NAME_steps. */
#define MANAGER_JOB(name, job, make, threads)                                \
    static void name##_##job##_crew(struct crew *crew, int seat, void *arg)  \
    {                                                                        \
        manager_member(&name##_steps, crew, seat, (struct manager_run *)arg, \
                       manager_##job);                                       \
    }                                                                        \
    double name##_##job(const struct load *load)                             \
    {                                                                        \
        return manager_measure(load, make, name##_##job##_crew, threads);    \
    }
#define MANAGER_JOBS(name, make, threads)   \
    MANAGER_JOB(name, value, make, threads) \
    MANAGER_JOB(name, list, make, threads)  \
    MANAGER_JOB(name, dict, make, threads)  \
    MANAGER_JOB(name, lock, make, threads)
