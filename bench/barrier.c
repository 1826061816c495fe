/* SPDX-License-Identifier: MIT */
/* Barrier. .uncontended: one party comes, and goes on. .contended.N: rounds of
 * N parties, a process each; .handoff: of two. */
#include "crew.h"
#include "glibc.h"
#include "kernel.h"
#include "tools.h"

#include <mproc.h>

/* Shared: the round each party has reached. */
struct reached {
    long round; /* atomic; writer: that party */
} __attribute__((aligned(LINE)));

struct party {
    const struct load *load;
    void *barrier;
    struct reached *reached;
};

static ALWAYS_INLINE void
come(void *arg, struct crew *crew, int seat, void (*wait)(void *barrier))
{
    struct party *p = arg;
    int parties = p->load->producers;
    struct reached *mine = &p->reached[seat];
    struct reached *next = &p->reached[(seat + 1) % parties];

    crew_begin(crew, seat);
    for (long i = 1; i <= p->load->ops; i++) {
        __atomic_store_n(&mine->round, i, __ATOMIC_RELAXED);
        wait(p->barrier);
        if (__atomic_load_n(&next->round, __ATOMIC_RELAXED) < i)
            fail("the barrier opened too early");
    }
    crew_end(crew, seat, 0);
}

static double
party_run(const struct load *load, void *barrier, crew_fn *fn)
{
    int parties = load->producers;
    struct party p = {load, barrier,
                      shared_memory((size_t)parties * sizeof(*p.reached))};

    return crew_run(parties, load->pinned, fn, &p, NULL) / (double)load->ops;
}

static ALWAYS_INLINE void
mproc_wait(void *barrier)
{
    must(mp_barrier_wait(barrier, MP_FOREVER), "mp_barrier_wait");
}

static void
mproc_crew(struct crew *crew, int seat, void *arg)
{
    come(arg, crew, seat, mproc_wait);
}

static double
mproc_rounds(const struct load *load)
{
    mp_barrier *barrier;

    must(mp_barrier_create(&barrier, (uint32_t)load->producers, NULL),
         "mp_barrier_create");
    return party_run(load, barrier, mproc_crew);
}

static ALWAYS_INLINE void
glibc_wait(void *barrier)
{
    pthread_barrier_wait(barrier);
}

static void
glibc_crew(struct crew *crew, int seat, void *arg)
{
    come(arg, crew, seat, glibc_wait);
}

static double
glibc_rounds(const struct load *load)
{
    return party_run(load, shared_barrier((unsigned)load->producers),
                     glibc_crew);
}

#define GLIBC "process-shared pthread barrier"

static const struct contender rounds[] = {
    {"mproc", OURS, mproc_rounds, NULL, NULL},
    {"pthread", LIMIT, glibc_rounds, NULL, GLIBC},
    {"cpython", PEER, NULL, "cpython", NULL},
    {0},
};

static const struct contender pairs[] = {
    {"mproc", OURS, mproc_rounds, NULL, NULL},
    {"pthread", LIMIT, glibc_rounds, NULL, GLIBC},
    {"cpython", PEER, NULL, "cpython", NULL},
    {"futex", BESIDE, futex_bounce, NULL, NULL},
    {0},
};

/* The size is that of the futexes' message. */
const struct bench sync_barrier_benches[] = {
    {"sync.barrier.uncontended", "barrier", {8, 1, 0, 0, 1000}, rounds},
    {"sync.barrier.handoff", "barrier", {8, 2, 0, 0, 64}, pairs, WAITS_MOST},
    {"sync.barrier.handoff.pinned",
     "barrier",
     {8, 2, 0, 1, 64},
     pairs,
     WAITS_MOST},
    {"sync.barrier.contended.2",
     "barrier",
     {8, 2, 0, 0, 64},
     rounds,
     WAITS_MOST},
    {"sync.barrier.contended.8",
     "barrier",
     {8, 8, 0, 0, 64},
     rounds,
     WAITS_MOST},
    {0},
};
