/* SPDX-License-Identifier: MIT */
/* What the scenarios of the pool share. */
#include "pool_stage.h"
#include "trace.h"

#include "os/clock.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

mp_pool *pool;
struct pool_work *pool_work;

static mp_pool_attr attr; /* of the pool that is to be made */
static unsigned offered;  /* which worker is the victim; 0: none */
static int is_victim;

struct order {
    uint64_t n;
    enum pool_way way;
};

/* What the owner submits beside; way < 0: nothing. */
static struct {
    int wanted;
    uint64_t n;
    enum pool_way way;
    const mp_task_attr *attr;
} beside;

/* ---- Workers ---- */

static int
offer_worker(void *arg)
{
    (void)arg;
    is_victim = mp__add(&pool_work->born, 1) + 1 == offered;
    if (is_victim)
        trace_offer();
    return 0;
}

static void
stay_if_victim(void *arg)
{
    (void)arg;
    while (is_victim)
        pause();
}

static int
square(mp_task *task)
{
    const struct order *order = mp_task_arg(task, NULL);
    uint64_t x = order->n * order->n;

    mp__add(&pool_work->runs[order->n], 1);
    if (order->way == POOL_DIES_FIRST && mp_task_attempt(task) == 1)
        kill(getpid(), SIGKILL);
    while (order->way == POOL_HELD && !mp__load(&pool_work->released))
        usleep(200);
    return mp_task_return(task, &x, sizeof(x));
}

/* ---- Setting up ---- */

static void
create(int workers)
{
    attr.size = sizeof(attr);
    attr.initializer = offer_worker;
    attr.finalizer = stay_if_victim;
    attr.method = MP_FORK;
    if (mp_pool_create(&pool, workers, &attr) < 0)
        pool = NULL;
    pool_work->pool = pool;
}

static int
make_work(void)
{
    pool_work = mp_new(struct pool_work);
    for (uint64_t i = 0; pool_work && i < POOL_ITEMS; i++)
        pool_work->in[i] = i;
    return sweep_check(pool_work != NULL, "no memory");
}

void
pool_make(int workers)
{
    attr = (mp_pool_attr){0};
    offered = 0;
    if (!make_work())
        return;
    create(workers);
    sweep_check(pool != NULL, "cannot create: %s", mp_last_error());
}

/* A pool that ends is none for its owner any more: it goes on waiting. */
static void
look_after_pool(void)
{
    for (;;) {
        if (mp_pool_workers(pool, NULL, 0) < 0)
            pause();
        usleep(500);
    }
}

static void
actor_owns(struct sweep_actor *actor)
{
    create(1);
    if (pool && beside.wanted)
        pool_work->result[beside.n] =
            pool_submit(beside.n, beside.way, beside.attr);
    sweep_done(actor);
    if (pool && beside.wanted)
        look_after_pool();
    for (;;)
        pause();
}

void
pool_owner_submits(uint64_t n, enum pool_way way, const mp_task_attr *a)
{
    beside.wanted = 1;
    beside.n = n;
    beside.way = way;
    beside.attr = a;
}

void
pool_make_other(const mp_pool_attr *a, unsigned victim)
{
    attr = a ? *a : (mp_pool_attr){0};
    offered = victim;
    if (!make_work())
        return;
    sweep_await_done(sweep_actor(actor_owns), 1);
    beside.wanted = 0;
    pool = pool_work->pool;
    sweep_check(pool != NULL, "the owner has no pool");
}

mp_result *
pool_submit(uint64_t n, enum pool_way way, const mp_task_attr *a)
{
    const struct order order = {.n = n, .way = way};
    mp_result *r = NULL;

    if (mp_pool_apply_async(pool, square, &order, sizeof(order), a, &r) < 0)
        return NULL;
    return r;
}

void
pool_submit_all(void)
{
    for (uint64_t i = 0; i < POOL_TASKS; i++) {
        pool_work->result[i] = pool_submit(i, POOL_WELL, NULL);
        sweep_check(pool_work->result[i] != NULL, "cannot submit: %s",
                    mp_last_error());
    }
}

void
pool_release(void)
{
    mp__store(&pool_work->released, 1);
}

void
pool_enter_library(void)
{
    mp_current_process();
}

/* ---- Waiting ---- */

void
pool_await_run(uint64_t n)
{
    mp_time deadline = mp_timeout(SWEEP_BOUND);

    while (mp__load(&pool_work->runs[n]) == 0 && mp__now() < deadline)
        usleep(50);
    sweep_check(mp__load(&pool_work->runs[n]) > 0, "task %u does not run",
                (unsigned)n);
}

void
pool_await_workers(int n)
{
    mp_time deadline = mp_timeout(SWEEP_BOUND);
    int there;

    while ((there = mp_pool_workers(pool, NULL, 0)) != n &&
           mp__now() < deadline)
        usleep(200);
    sweep_check(there == n, "%d workers instead of %d", there, n);
}

enum pool_outcome
pool_settle(mp_result *r, uint64_t n, unsigned attempts)
{
    uint64_t x = 0;
    ssize_t size = mp_result_get(r, &x, sizeof(x), mp_timeout(SWEEP_BOUND));
    unsigned runs = mp__load(&pool_work->runs[n]);

    sweep_check(size == -ESRCH || size == -ECANCELED ||
                    (size == sizeof(x) && x == n * n),
                "task %u: %s, %u", (unsigned)n, mp_strerror((int)size),
                (unsigned)x);
    sweep_check(runs <= attempts, "task %u ran %u times", (unsigned)n, runs);
    sweep_check(size < 0 || runs > 0, "task %u has a result, but never ran",
                (unsigned)n);
    mp_result_free(r);
    return size >= 0 ? POOL_DONE : size == -ESRCH ? POOL_DIED : POOL_CANCELLED;
}

void
pool_use_and_end(void)
{
    mp_result *r = pool_submit(POOL_LATER, POOL_WELL, NULL);

    if (sweep_check(r != NULL, "cannot submit: %s", mp_last_error()))
        sweep_check(pool_settle(r, POOL_LATER, 1) == POOL_DONE,
                    "a task of the new worker died");
    sweep_check(mp_pool_close(pool) == 0, "close: %s", mp_last_error());
    sweep_check(mp_pool_join(pool, mp_timeout(SWEEP_BOUND)) == 0,
                "the workers do not end");
    sweep_check(mp_pool_destroy(pool) == 0, "destroy: %s", mp_last_error());
}

void
pool_free(void)
{
    mp_free(pool_work);
}

/* ---- Callbacks ---- */

void *
pool_number(uint64_t n)
{
    return (void *)(uintptr_t)n;
}

void
pool_note_call(mp_result *result, void *arg)
{
    sweep_check(mp_result_ready(result) == 1,
                "a callback for a task that has not ended");
    mp__add(&pool_work->called[(uintptr_t)arg], 1);
}

void
pool_await_call(uint64_t n)
{
    mp_time deadline = mp_timeout(SWEEP_BOUND);

    while (mp__load(&pool_work->called[n]) == 0 && mp__now() < deadline)
        mp_pool_callbacks(pool, deadline);
    sweep_check(mp__load(&pool_work->called[n]) == 1,
                "callback %u was called %u times", (unsigned)n,
                (unsigned)mp__load(&pool_work->called[n]));
}
