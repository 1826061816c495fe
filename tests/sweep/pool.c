/* SPDX-License-Identifier: MIT */
/* The pool: a worker is killed while it takes a task, runs it, tells its
 * result, takes the next; while it works at a map; a submitter is killed. The
 * victim's task fails or is done, every other task is done once, and the pool
 * goes on with a new worker.
 *
 * A worker is a process that the library makes; this one's initializer offers
 * it to the harness. Its parent, the pool's owner, is another process: the
 * harness cannot be both parent and tracer, for then the library's waiting
 * for the end of its child would see the halts. */
#include "sweep.h"
#include "trace.h"

#include <errno.h>
#include <unistd.h>

#define TASKS 2
#define ITEMS 6

static mp_pool *pool;
static struct sweep_actor *owner;
static int offering; /* the worker that is forked next is the victim */

/* In the family's memory. */
static struct work {
    mp_pool *pool;
    mp_result *result[TASKS];
    mp__a32 runs[TASKS + 2];
    uint64_t in[ITEMS], out[ITEMS];
    mp__a32 items_run[ITEMS];
} * work;

#define LATER   TASKS       /* the number of the task after the kill */
#define VICTIMS (TASKS + 1) /* and of the one that the victim submits */

static int
offer_worker(void *arg)
{
    (void)arg;
    if (offering)
        trace_offer();
    return 0;
}

static int
square(mp_task *task)
{
    uint64_t *n = mp_task_arg(task, NULL), x;

    mp__add(&work->runs[*n], 1);
    x = *n * *n;
    return mp_task_return(task, &x, sizeof(x));
}

static int
square_item(const void *item, void *out, void *ctx)
{
    uint64_t i = *(const uint64_t *)item;

    (void)ctx;
    mp__add(&work->items_run[i], 1);
    *(uint64_t *)out = i * i + 1;
    return 0;
}

static mp_result *
submit(uint64_t n)
{
    mp_result *r = NULL;

    if (mp_pool_apply_async(pool, square, &n, sizeof(n), NULL, &r) < 0)
        return NULL;
    return r;
}

static void
create_pool(void)
{
    int r = mp_pool_create(
        &pool, 1,
        MP_POOL_ATTR(.initializer = offer_worker, .method = MP_FORK));

    work->pool = r == 0 ? pool : NULL;
}

static void
actor_owns(struct sweep_actor *actor)
{
    offering = 1;
    create_pool();
    sweep_done(actor);
    for (;;)
        pause();
}

static void
make_pool(void)
{
    work = mp_new(struct work);
    if (!sweep_check(work != NULL, "no memory"))
        return;
    owner = sweep_actor(actor_owns);
    sweep_await_done(owner, 1);
    pool = work->pool;
    sweep_check(pool != NULL, "the owner has no pool");
}

static void
make_pool_with_tasks(void)
{
    uint64_t i;

    make_pool();
    for (i = 0; i < TASKS; i++) {
        work->result[i] = submit(i);
        sweep_check(work->result[i] != NULL, "cannot submit: %s",
                    mp_last_error());
    }
}

/* 1: done; 0: it died with its worker. */
static int
settle(mp_result *r, uint64_t n)
{
    uint64_t x = 0;
    ssize_t size = mp_result_get(r, &x, sizeof(x), mp_timeout(SWEEP_BOUND));

    sweep_check(size == -ESRCH || (size == sizeof(x) && x == n * n),
                "task %u: %s, %u", (unsigned)n, mp_strerror((int)size),
                (unsigned)x);
    sweep_check(mp__load(&work->runs[n]) <= 1, "task %u ran twice",
                (unsigned)n);
    sweep_check(size < 0 || mp__load(&work->runs[n]) == 1,
                "task %u has a result, but never ran", (unsigned)n);
    mp_result_free(r);
    return size >= 0;
}

/* The pool goes on, and ends in order. */
static void
use_and_end_pool(void)
{
    mp_result *r = submit(LATER);

    if (sweep_check(r != NULL, "cannot submit: %s", mp_last_error()))
        sweep_check(settle(r, LATER), "a task of the new worker died");
    sweep_check(mp_pool_close(pool) == 0, "close: %s", mp_last_error());
    sweep_check(mp_pool_join(pool, mp_timeout(SWEEP_BOUND)) == 0,
                "the workers do not end");
    sweep_check(mp_pool_destroy(pool) == 0, "destroy: %s", mp_last_error());
}

static void
check_tasks(void)
{
    unsigned i, died = 0;

    for (i = 0; i < TASKS; i++)
        died += !settle(work->result[i], i);
    sweep_check(died <= 1, "%u tasks died with one worker", died);
    sweep_check(died == 0 || !sweep.completed, "a task was done, and died");
    use_and_end_pool();
}

static void
free_work(void)
{
    mp_free(work);
}

/* ---- A map, called by a survivor. */

static struct sweep_actor *mapper;

static void
actor_maps(struct sweep_actor *actor)
{
    int r = mp_pool_map(pool, square_item, work->in, sizeof(*work->in),
                        work->out, sizeof(*work->out), ITEMS, NULL);

    mp__store(&actor->value[0], (uint64_t)-r);
    sweep_done(actor);
}

static void
make_pool_with_map(void)
{
    uint64_t i;

    make_pool();
    for (i = 0; i < ITEMS; i++)
        work->in[i] = i;
    mapper = sweep_actor(actor_maps);
    sweep_await_sleep(mapper);
}

static void
check_map(void)
{
    unsigned i, missing = 0;

    if (!sweep_await_end(mapper))
        return;
    for (i = 0; i < ITEMS; i++) {
        sweep_check(mp__load(&work->items_run[i]) <= 1, "item %u ran twice",
                    i);
        missing += work->out[i] != i * i + 1;
    }
    sweep_check(mp__load(&mapper->value[0]) == 0 ||
                    mp__load(&mapper->value[0]) == ESRCH,
                "map: %s", mp_strerror((int)mp__load(&mapper->value[0])));
    sweep_check(missing <= (mp__load(&mapper->value[0]) == ESRCH),
                "%u items are missing", missing);
    use_and_end_pool();
}

/* ---- A submitter is killed. */

static void
make_idle_pool(void)
{
    work = mp_new(struct work);
    create_pool();
    sweep_check(pool != NULL, "cannot create: %s", mp_last_error());
}

static void
enter_library(void)
{
    mp_current_process();
}

static void
victim_submits(void)
{
    mp__store(&sweep.note[0], (uintptr_t)submit(VICTIMS));
}

static void
check_submitted(void)
{
    mp_result *r = (mp_result *)(uintptr_t)mp__load(&sweep.note[0]);

    if (r)
        sweep_check(settle(r, VICTIMS), "the task died without a worker");
    sweep_check(mp__load(&work->runs[VICTIMS]) <= 1, "the task ran twice");
    use_and_end_pool();
}

/* What a worker was about to hand over or to free is lost with it: of a task
 * the cell and a block, of a map the cell and three. */
const struct sweep_scenario sweep_pool[] = {
    {"pool.worker-tasks", make_pool_with_tasks, .check = check_tasks,
     .adopt = 1, .teardown = free_work, .may_lose = 2},
    {"pool.worker-map", make_pool_with_map, .check = check_map, .adopt = 1,
     .teardown = free_work, .may_lose = 4, .stride = 3},
    {"pool.submit", make_idle_pool, enter_library, victim_submits,
     .check = check_submitted, .teardown = free_work, .may_lose = 4},
    {0},
};
