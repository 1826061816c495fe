/* SPDX-License-Identifier: MIT */
/* Event. .uncontended: is it set? .set_clear: set and clear it, nobody waits.
 * .handoff: two processes, each sets an event that the other waits for and
 * clears. .contended.N: rounds in which one event wakes N processes.
 *
 * glibc has no event. The limits are what one would make of its parts: a
 * semaphore as a flag, which can be looked at; and a mutex, a condition and a
 * flag. `load` and `swaps` are what the processor needs for the bare flag. */
#include "crew.h"
#include "glibc.h"
#include "kernel.h"
#include "tools.h"

#include <mproc.h>

struct event_kind {
    void *(*make)(void);
    void (*set)(void *event);
    void (*clear)(void *event);
    void (*wait)(void *event);
};

/* mproc */

static void *
event_make(void)
{
    mp_event *event;

    must(mp_event_create(&event, NULL), "mp_event_create");
    return event;
}

static ALWAYS_INLINE void
event_set(void *event)
{
    must(mp_event_set(event), "mp_event_set");
}

static ALWAYS_INLINE void
event_clear(void *event)
{
    must(mp_event_clear(event), "mp_event_clear");
}

static void
event_wait(void *event)
{
    must(mp_event_wait(event, MP_FOREVER), "mp_event_wait");
}

static ALWAYS_INLINE int
event_is_set(void *event)
{
    return mp_event_is_set(event) == 1;
}

static const struct event_kind mproc_kind = {event_make, event_set,
                                             event_clear, event_wait};

/* glibc: a mutex, a condition and a flag */

struct flag {
    pthread_mutex_t *mutex;
    pthread_cond_t *cond;
    int value; /* guarded by the mutex */
};

static void *
flag_make(void)
{
    struct flag *flag = shared_memory(LINE);

    flag->mutex = shared_mutex(PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_STALLED);
    flag->cond = shared_cond();
    return flag;
}

static ALWAYS_INLINE void
flag_set(void *event)
{
    struct flag *flag = event;

    pthread_mutex_lock(flag->mutex);
    flag->value = 1;
    pthread_cond_broadcast(flag->cond);
    pthread_mutex_unlock(flag->mutex);
}

static ALWAYS_INLINE void
flag_clear(void *event)
{
    struct flag *flag = event;

    pthread_mutex_lock(flag->mutex);
    flag->value = 0;
    pthread_mutex_unlock(flag->mutex);
}

static void
flag_wait(void *event)
{
    struct flag *flag = event;

    pthread_mutex_lock(flag->mutex);
    while (!flag->value)
        pthread_cond_wait(flag->cond, flag->mutex);
    pthread_mutex_unlock(flag->mutex);
}

static ALWAYS_INLINE int
flag_is_set(void *event)
{
    struct flag *flag = event;
    int value;

    pthread_mutex_lock(flag->mutex);
    value = flag->value;
    pthread_mutex_unlock(flag->mutex);
    return value;
}

static const struct event_kind glibc_kind = {flag_make, flag_set, flag_clear,
                                             flag_wait};

/* Alone */

static ALWAYS_INLINE double
ask_many(const struct load *load, void *event, int (*is_set)(void *event))
{
    int64_t start = now_ns();
    long count = 0;

    for (long i = 0; i < load->ops; i++)
        count += is_set(event);
    if (count != load->ops)
        fail("a set event was not");
    return (double)(now_ns() - start) / (double)load->ops;
}

static ALWAYS_INLINE double
set_many(const struct load *load, void *event, void (*set)(void *event),
         void (*clear)(void *event))
{
    int64_t start = now_ns();

    for (long i = 0; i < load->ops; i++) {
        set(event);
        clear(event);
    }
    return (double)(now_ns() - start) / (double)load->ops;
}

static double
mproc_is_set(const struct load *load)
{
    void *event = event_make();

    event_set(event);
    return ask_many(load, event, event_is_set);
}

static double
mproc_set_clear(const struct load *load)
{
    return set_many(load, event_make(), event_set, event_clear);
}

static double
flag_look(const struct load *load)
{
    void *event = flag_make();

    flag_set(event);
    return ask_many(load, event, flag_is_set);
}

static double
flag_set_clear(const struct load *load)
{
    return set_many(load, flag_make(), flag_set, flag_clear);
}

static ALWAYS_INLINE int
sem_is_set(void *sem)
{
    int value;

    sem_getvalue(sem, &value);
    return value > 0;
}

static double
sem_look(const struct load *load)
{
    return ask_many(load, shared_sem(1), sem_is_set);
}

static ALWAYS_INLINE int
word_is_set(void *word)
{
    return __atomic_load_n((int *)word, __ATOMIC_RELAXED);
}

static ALWAYS_INLINE void
word_set(void *word)
{
    __atomic_exchange_n((int *)word, 1, __ATOMIC_SEQ_CST);
}

static ALWAYS_INLINE void
word_clear(void *word)
{
    __atomic_exchange_n((int *)word, 0, __ATOMIC_SEQ_CST);
}

static double
bare_load(const struct load *load)
{
    void *word = shared_memory(LINE);

    word_set(word);
    return ask_many(load, word, word_is_set);
}

static double
bare_swaps(const struct load *load)
{
    return set_many(load, shared_memory(LINE), word_set, word_clear);
}

/* In turn */

struct relay {
    const struct load *load;
    const struct event_kind *kind;
    void *turns[2]; /* of each seat */
    uint64_t *steps;
};

static void
relay_crew(struct crew *crew, int seat, void *arg)
{
    struct relay *r = arg;

    crew_begin(crew, seat);
    for (long i = 0; i < r->load->ops; i++) {
        r->kind->wait(r->turns[seat]);
        r->kind->clear(r->turns[seat]);
        if ((*r->steps)++ != (uint64_t)(2 * i + seat))
            fail("out of turn");
        r->kind->set(r->turns[!seat]);
    }
    crew_end(crew, seat, 0);
}

static double
relay_run(const struct load *load, const struct event_kind *kind)
{
    struct relay r = {
        load, kind, {kind->make(), kind->make()}, shared_memory(LINE)};

    kind->set(r.turns[0]);
    return crew_run(2, load->pinned, relay_crew, &r, NULL) / (double)load->ops;
}

static double
mproc_relay(const struct load *load)
{
    return relay_run(load, &mproc_kind);
}

static double
glibc_relay(const struct load *load)
{
    return relay_run(load, &glibc_kind);
}

/* Rounds. Seat 0 sets one of two events, in turn, after it has cleared the
 * other; the last one to come through tells it by a third. */

struct rounds {
    const struct load *load;
    const struct event_kind *kind;
    void *go[2], *done;
    struct {
        long round;  /* writer: seat 0, while the others wait */
        int through; /* atomic: how many are */
    } * state;
};

static void
lead(struct rounds *r)
{
    for (long i = 1; i <= r->load->ops; i++) {
        r->state->round = i;
        __atomic_store_n(&r->state->through, 0, __ATOMIC_RELAXED);
        r->kind->clear(r->go[!(i % 2)]);
        r->kind->set(r->go[i % 2]);
        r->kind->wait(r->done);
        r->kind->clear(r->done);
    }
}

static void
follow(struct rounds *r)
{
    for (long i = 1; i <= r->load->ops; i++) {
        r->kind->wait(r->go[i % 2]);
        if (r->state->round != i)
            fail("an event was set too early");
        if (__atomic_add_fetch(&r->state->through, 1, __ATOMIC_ACQ_REL) ==
            r->load->producers)
            r->kind->set(r->done);
    }
}

static void
rounds_crew(struct crew *crew, int seat, void *arg)
{
    crew_begin(crew, seat);
    (seat == 0 ? lead : follow)(arg);
    crew_end(crew, seat, 0);
}

static double
rounds_run(const struct load *load, const struct event_kind *kind)
{
    struct rounds r = {load,
                       kind,
                       {kind->make(), kind->make()},
                       kind->make(),
                       shared_memory(LINE)};

    return crew_run(1 + load->producers, load->pinned, rounds_crew, &r, NULL) /
           (double)load->ops;
}

static double
mproc_rounds(const struct load *load)
{
    return rounds_run(load, &mproc_kind);
}

static double
glibc_rounds(const struct load *load)
{
    return rounds_run(load, &glibc_kind);
}

/* Tables */

#define FLAG "process-shared pthread mutex and condition around a flag"

static const struct contender looks[] = {
    {"mproc", OURS, mproc_is_set, NULL, NULL},
    {"sem_t", LIMIT, sem_look, NULL,
     "sem_getvalue of a process-shared sem_t that stands for the flag"},
    {"pthread", LIMIT, flag_look, NULL, FLAG},
    {"cpython", PEER, NULL, "cpython", NULL},
    {"load", BESIDE, bare_load, NULL, NULL},
    {0},
};

static const struct contender flips[] = {
    {"mproc", OURS, mproc_set_clear, NULL, NULL},
    {"pthread", LIMIT, flag_set_clear, NULL, FLAG},
    {"cpython", PEER, NULL, "cpython", NULL},
    {"swaps", BESIDE, bare_swaps, NULL, NULL},
    {0},
};

static const struct contender relays[] = {
    {"mproc", OURS, mproc_relay, NULL, NULL},
    {"pthread", LIMIT, glibc_relay, NULL, FLAG},
    {"cpython", PEER, NULL, "cpython", NULL},
    {"futex", BESIDE, futex_bounce, NULL, NULL},
    {0},
};

static const struct contender rounds[] = {
    {"mproc", OURS, mproc_rounds, NULL, NULL},
    {"pthread", LIMIT, glibc_rounds, NULL, FLAG},
    {"cpython", PEER, NULL, "cpython", NULL},
    {0},
};

/* The size is that of the futexes' message. */
const struct bench sync_event_benches[] = {
    {"sync.event.uncontended", "event_is_set", {8, 1, 0, 0, 1000}, looks},
    {"sync.event.set_clear", "event_set_clear", {8, 1, 0, 0, 1000}, flips},
    {"sync.event.handoff",
     "event_relay",
     {8, 1, 1, 0, 64},
     relays,
     WAITS_MOST},
    {"sync.event.handoff.pinned",
     "event_relay",
     {8, 1, 1, 1, 64},
     relays,
     WAITS_MOST},
    {"sync.event.contended.2",
     "event_rounds",
     {8, 2, 0, 0, 64},
     rounds,
     WAITS_MOST},
    {"sync.event.contended.8",
     "event_rounds",
     {8, 8, 0, 0, 64},
     rounds,
     WAITS_MOST},
    {0},
};
