/* SPDX-License-Identifier: MIT */
/* Condition. .uncontended: acquire, notify nobody, release. .handoff: two
 * processes take turns, each waits until a shared word says that it is its.
 * .contended.N: rounds in which one notifies N who wait.
 *
 * mproc's and CPython's condition have an RLock here, which is what both give
 * a condition by default; glibc's has a normal mutex. */
#include "crew.h"
#include "glibc.h"
#include "kernel.h"
#include "tools.h"

#include <mproc.h>

/* A lock, and two conditions that share it. */
struct monitor {
    void *lock, *conditions[2];
};

struct monitor_kind {
    void (*make)(struct monitor *m);
    void (*acquire)(struct monitor *m);
    void (*release)(struct monitor *m);
    void (*wait)(struct monitor *m, int which);
    void (*notify)(struct monitor *m, int which);
    void (*notify_all)(struct monitor *m, int which);
};

/* mproc */

static void
mproc_make(struct monitor *m)
{
    mp_rlock *rlock;

    must(mp_rlock_create(&rlock, NULL), "mp_rlock_create");
    for (int i = 0; i < 2; i++) {
        mp_condition *c;

        must(mp_condition_create(&c, MP_CONDITION_ATTR(.rlock = rlock)),
             "mp_condition_create");
        m->conditions[i] = c;
    }
}

static ALWAYS_INLINE void
mproc_acquire(struct monitor *m)
{
    must(mp_condition_acquire(m->conditions[0], MP_FOREVER),
         "mp_condition_acquire");
}

static ALWAYS_INLINE void
mproc_release(struct monitor *m)
{
    must(mp_condition_release(m->conditions[0]), "mp_condition_release");
}

static void
mproc_wait(struct monitor *m, int which)
{
    must(mp_condition_wait(m->conditions[which], MP_FOREVER),
         "mp_condition_wait");
}

static ALWAYS_INLINE void
mproc_notify(struct monitor *m, int which)
{
    must(mp_condition_notify(m->conditions[which], 1), "mp_condition_notify");
}

static void
mproc_notify_all(struct monitor *m, int which)
{
    must(mp_condition_notify_all(m->conditions[which]),
         "mp_condition_notify_all");
}

static const struct monitor_kind mproc_kind = {
    mproc_make, mproc_acquire, mproc_release,
    mproc_wait, mproc_notify,  mproc_notify_all};

/* glibc */

static void
glibc_make(struct monitor *m)
{
    m->lock = shared_mutex(PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_STALLED);
    m->conditions[0] = shared_cond();
    m->conditions[1] = shared_cond();
}

static ALWAYS_INLINE void
glibc_acquire(struct monitor *m)
{
    pthread_mutex_lock(m->lock);
}

static ALWAYS_INLINE void
glibc_release(struct monitor *m)
{
    pthread_mutex_unlock(m->lock);
}

static void
glibc_wait(struct monitor *m, int which)
{
    pthread_cond_wait(m->conditions[which], m->lock);
}

static ALWAYS_INLINE void
glibc_notify(struct monitor *m, int which)
{
    pthread_cond_signal(m->conditions[which]);
}

static void
glibc_notify_all(struct monitor *m, int which)
{
    pthread_cond_broadcast(m->conditions[which]);
}

static const struct monitor_kind glibc_kind = {
    glibc_make, glibc_acquire, glibc_release,
    glibc_wait, glibc_notify,  glibc_notify_all};

/* Alone. `kind` is a constant where this is called, so that its functions are
 * called directly. */

static ALWAYS_INLINE double
notify_nobody(const struct load *load, const struct monitor_kind *kind)
{
    struct monitor m = {0};
    int64_t start;

    kind->make(&m);
    start = now_ns();
    for (long i = 0; i < load->ops; i++) {
        kind->acquire(&m);
        kind->notify(&m, 0);
        kind->release(&m);
    }
    return (double)(now_ns() - start) / (double)load->ops;
}

static double
mproc_alone(const struct load *load)
{
    return notify_nobody(load, &mproc_kind);
}

static double
glibc_alone(const struct load *load)
{
    return notify_nobody(load, &glibc_kind);
}

/* In company */

struct company {
    const struct load *load;
    const struct monitor_kind *kind;
    struct monitor monitor;
    struct {
        long turn;   /* whose, or which round it is */
        int through; /* how many know of this round */
    } * state;       /* guarded by the monitor's lock */
};

static double
company_run(const struct load *load, const struct monitor_kind *kind,
            int members, crew_fn *fn)
{
    struct company c = {
        .load = load, .kind = kind, .state = shared_memory(LINE)};

    kind->make(&c.monitor);
    return crew_run(members, load->pinned, fn, &c, NULL) / (double)load->ops;
}

/* Turns: 2 * i is seat 0's, 2 * i + 1 seat 1's. */
static void
turns_crew(struct crew *crew, int seat, void *arg)
{
    struct company *c = arg;

    crew_begin(crew, seat);
    for (long i = 0; i < c->load->ops; i++) {
        c->kind->acquire(&c->monitor);
        while (c->state->turn != 2 * i + seat)
            c->kind->wait(&c->monitor, 0);
        c->state->turn++;
        c->kind->notify(&c->monitor, 0);
        c->kind->release(&c->monitor);
    }
    crew_end(crew, seat, 0);
}

/* Rounds: seat 0 begins one when all others are through with the last. */
static void
lead(struct company *c)
{
    c->kind->acquire(&c->monitor);
    for (long i = 1; i <= c->load->ops; i++) {
        c->state->through = 0;
        c->state->turn = i;
        c->kind->notify_all(&c->monitor, 0);
        while (c->state->through < c->load->producers)
            c->kind->wait(&c->monitor, 1);
    }
    c->kind->release(&c->monitor);
}

static void
follow(struct company *c)
{
    c->kind->acquire(&c->monitor);
    for (long i = 1; i <= c->load->ops; i++) {
        while (c->state->turn < i)
            c->kind->wait(&c->monitor, 0);
        if (c->state->turn != i)
            fail("a round began too early");
        if (++c->state->through == c->load->producers)
            c->kind->notify(&c->monitor, 1);
    }
    c->kind->release(&c->monitor);
}

static void
rounds_crew(struct crew *crew, int seat, void *arg)
{
    crew_begin(crew, seat);
    (seat == 0 ? lead : follow)(arg);
    crew_end(crew, seat, 0);
}

static double
mproc_turns(const struct load *load)
{
    return company_run(load, &mproc_kind, 2, turns_crew);
}

static double
glibc_turns(const struct load *load)
{
    return company_run(load, &glibc_kind, 2, turns_crew);
}

static double
mproc_rounds(const struct load *load)
{
    return company_run(load, &mproc_kind, 1 + load->producers, rounds_crew);
}

static double
glibc_rounds(const struct load *load)
{
    return company_run(load, &glibc_kind, 1 + load->producers, rounds_crew);
}

/* Tables */

#define GLIBC "process-shared pthread condition and normal mutex"

static const struct contender alone[] = {
    {"mproc", OURS, mproc_alone, NULL, NULL},
    {"pthread", LIMIT, glibc_alone, NULL, GLIBC},
    {"cpython", PEER, NULL, "cpython", NULL},
    {0},
};

static const struct contender turns[] = {
    {"mproc", OURS, mproc_turns, NULL, NULL},
    {"pthread", LIMIT, glibc_turns, NULL, GLIBC},
    {"cpython", PEER, NULL, "cpython", NULL},
    {"futex", BESIDE, futex_bounce, NULL, NULL},
    {0},
};

static const struct contender rounds[] = {
    {"mproc", OURS, mproc_rounds, NULL, NULL},
    {"pthread", LIMIT, glibc_rounds, NULL, GLIBC},
    {"cpython", PEER, NULL, "cpython", NULL},
    {0},
};

/* The size is that of the futexes' message. */
const struct bench sync_condition_benches[] = {
    {"sync.condition.uncontended",
     "condition_alone",
     {8, 1, 0, 0, 1000},
     alone},
    {"sync.condition.handoff",
     "condition_turns",
     {8, 1, 1, 0, 64},
     turns,
     WAITS_MOST},
    {"sync.condition.handoff.pinned",
     "condition_turns",
     {8, 1, 1, 1, 64},
     turns,
     WAITS_MOST},
    {"sync.condition.contended.2",
     "condition_rounds",
     {8, 2, 0, 0, 64},
     rounds,
     WAITS_MOST},
    {"sync.condition.contended.8",
     "condition_rounds",
     {8, 8, 0, 0, 64},
     rounds,
     WAITS_MOST},
    {0},
};
