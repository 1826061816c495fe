/* SPDX-License-Identifier: MIT */
/* Making a pool: its attributes, its cell, its first workers.
 *
 * Nobody else knows the pool until mp_pool_create() returns, but for its own
 * workers. A maker that is killed on the way takes them along; what it has
 * allocated by then is lost to the family. */
#include "pool/pool.h"

#include "base/attr.h"
#include "base/error.h"
#include "keeper/birth.h"
#include "os/clock.h"
#include "os/cpu.h"
#include "progress/trace.h"
#include "region/heap.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

_Static_assert(sizeof(struct mp_pool) <= MP__SLAB_CELL_MAX, "one cell");
_Static_assert(sizeof(struct mp_pool) % 64 == 0, "a slab's cell");

#define IDLE_TIMEOUT       10.0 /* s, unless said otherwise */
#define IDLE_TIMEOUT_LEAST 0.01
#define LONGEST            1e9 /* s: what is longer is for ever */

static mp__a32 pools_made; /* by this process: for names */

/* ---- Checking ---- */

static int
check_workers(int workers, const mp_pool_attr *a)
{
    if (workers < 0 || workers > MP__POOL_WORKERS_MAX)
        return mp__fail(-EINVAL, "mp_pool_create: %d workers (may be 0 to %d)",
                        workers, MP__POOL_WORKERS_MAX);
    if (a->least < 0 || a->least > MP__POOL_WORKERS_MAX)
        return mp__fail(-EINVAL,
                        "mp_pool_create: .least is %d (may be 0 to %d)",
                        (int)a->least, MP__POOL_WORKERS_MAX);
    if (a->method < MP_DEFAULT || a->method > MP_FORKSERVER)
        return mp__fail(-EINVAL, "mp_pool_create: no start method %d",
                        (int)a->method);
    if (a->reserved != 0 || a->reserved2 != 0)
        return mp__fail(-EINVAL, "mp_pool_create: .%s is not 0",
                        a->reserved ? "reserved" : "reserved2");
    return 0;
}

static int
check_texts(const mp_pool_attr *a)
{
    if (a->name && strlen(a->name) > MP__POOL_NAME_MAX)
        return mp__fail(-EINVAL,
                        "mp_pool_create: the name is longer than %u bytes",
                        MP__POOL_NAME_MAX);
    if (a->initializer_size && !a->initializer_arg)
        return mp__fail(-EINVAL, "mp_pool_create: .initializer_arg is NULL, "
                                 ".initializer_size is not 0");
    if (a->cpus && mp__cpu_list(a->cpus, NULL, 0) < 1)
        return mp__fail(-EINVAL,
                        "mp_pool_create: .cpus \"%s\" is neither \"all\" nor "
                        "a list of processors",
                        a->cpus);
    return 0;
}

static int
check_limits(const mp_pool_attr *a)
{
    /* Written so that what is not a number fails. */
    if (!(a->task_timeout >= 0))
        return mp__fail(-EINVAL,
                        "mp_pool_create: .task_timeout is %g (at least 0)",
                        a->task_timeout);
    if (a->task_retries > MP__TASK_RETRIES)
        return mp__fail(-EINVAL,
                        "mp_pool_create: .task_retries is %u (at most %u)",
                        (unsigned)a->task_retries, MP__TASK_RETRIES);
    if (!(a->idle_timeout == 0 || a->idle_timeout >= IDLE_TIMEOUT_LEAST))
        return mp__fail(-EINVAL,
                        "mp_pool_create: .idle_timeout is %g (at least %g)",
                        a->idle_timeout, IDLE_TIMEOUT_LEAST);
    if (a->threads < -1)
        return mp__fail(-EINVAL,
                        "mp_pool_create: .threads is %d (at least -1)",
                        (int)a->threads);
    return 0;
}

static int
check(int workers, const mp_pool_attr *a)
{
    int r = check_workers(workers, a);

    if (r == 0)
        r = check_texts(a);
    if (r == 0)
        r = check_limits(a);
    if (r == 0)
        r = mp__enter();
    if (r == 0 && mp__budget_depth() >= MP_POOL_DEPTH)
        r = mp__fail(-ELOOP,
                     "mp_pool_create: this process is inside of %u pools "
                     "already",
                     (unsigned)mp__budget_depth());
    return r;
}

/* ---- The cell ---- */

static void
set_name(mp_pool *pool, const char *name)
{
    if (name)
        snprintf(pool->name, sizeof(pool->name), "%s", name);
    else
        snprintf(pool->name, sizeof(pool->name), "Pool-%u",
                 (unsigned)mp__add(&pools_made, 1) + 1);
}

/* In ns; 0 stays 0. */
static mp_time
duration(double seconds)
{
    return seconds > LONGEST ? (mp_time)(LONGEST * 1e9)
                             : (mp_time)(seconds * 1e9);
}

static void
set_numbers(mp_pool *pool, const mp_pool_attr *a)
{
    pool->id = (uint64_t)mp__now();
    pool->made = (mp_time)pool->id;
    pool->method = a->method ? a->method : mp_get_start_method();
    pool->owner = mp_current_process();
    pool->depth = mp__budget_depth();
    pool->budget = mp__budget_share();
    pool->threads = a->threads;
    pool->least = (uint32_t)a->least;
    pool->idle = duration(a->idle_timeout ? a->idle_timeout : IDLE_TIMEOUT);
    pool->tasks_per_worker = a->tasks_per_worker;
    pool->memory_soft = a->memory_soft;
    pool->memory_hard = a->memory_hard;
    pool->task_timeout = duration(a->task_timeout);
    pool->task_retries = a->task_retries;
    pool->progress = a->flags & MP_POOL_PROGRESS;
}

static int
set_argument(mp_pool *pool, const mp_pool_attr *a)
{
    void *copy;

    if (a->initializer_size == 0)
        return 0;
    copy = mp__block_alloc(a->initializer_size, 0);
    if (!copy)
        return -ENOMEM;
    memcpy(copy, a->initializer_arg, a->initializer_size);
    mp__block_keep(copy);
    pool->initializer_arg = copy;
    pool->initializer_size = a->initializer_size;
    return 0;
}

static int
set_functions(mp_pool *pool, const mp_pool_attr *a)
{
    int r = 0;

    if (a->initializer)
        r = mp__function_export((mp__code *)a->initializer, &pool->initializer,
                                "mp_pool_create");
    if (r == 0 && a->finalizer)
        r = mp__function_export((mp__code *)a->finalizer, &pool->finalizer,
                                "mp_pool_create");
    return r;
}

static int
set_cpus(mp_pool *pool, const char *list)
{
    uint32_t *cpus;

    if (!list)
        return 0;
    cpus = mp__block_alloc(MP__POOL_WORKERS_MAX * sizeof(*cpus), 0);
    if (!cpus)
        return -ENOMEM;
    pool->cpus_count =
        (uint32_t)mp__cpu_list(list, cpus, MP__POOL_WORKERS_MAX);
    mp__block_keep(cpus);
    pool->cpus = cpus;
    return 0;
}

static int
set_posts(mp_pool *pool, uint32_t workers)
{
    int r = mp__posts_make(pool, workers);

    mp__store(&pool->wanted, workers);
    if (r == 0)
        r = mp_queue_create(&pool->queue, NULL);
    if (r == 0)
        mp__object_hide(pool->queue); /* there are pointers in it */
    if (r == 0)
        atomic_store(&pool->levels[MP__POOL_NORMAL], pool->queue);
    return r;
}

/* The pool without its workers. */
static int
make(mp_pool **ret_pool, int workers, const mp_pool_attr *a)
{
    mp_pool *pool = mp__object_alloc(MP__SLAB_POOL, sizeof(*pool));
    int r;

    if (!pool)
        return -ENOMEM;
    mp__mutex_init(&pool->mutex, MP__MUTEX_POOL);
    set_numbers(pool, a);
    set_name(pool, a->name);
    r = set_posts(pool, workers ? (uint32_t)workers : pool->budget);
    if (r == 0)
        r = set_argument(pool, a);
    if (r == 0)
        r = set_functions(pool, a);
    if (r == 0)
        r = set_cpus(pool, a->cpus);
    if (r < 0) {
        mp__pool_free(pool);
        return r;
    }
    mp__object_publish(pool, MP__SLAB_POOL);
    *ret_pool = pool;
    return 0;
}

/* ---- The public face ---- */

/* Its first workers could not be started. */
static int
fail_start(mp_pool *pool, int r)
{
    char why[MP__POOL_WHY];

    snprintf(why, sizeof(why), "%s", mp_last_error());
    mp_pool_destroy(pool);
    return mp__fail(r, "%s", why);
}

int
mp_pool_create(mp_pool **ret_pool, int workers, const mp_pool_attr *attr)
{
    mp_pool_attr a;
    mp_pool *pool = NULL;
    int r;

    if (!ret_pool)
        return mp__fail(-EINVAL, "mp_pool_create: ret_pool is NULL");
    r = mp__attr_read(&a, sizeof(a), attr, MP_POOL_PROGRESS, "mp_pool_create");
    if (r == 0)
        r = check(workers, &a);
    if (r == 0)
        r = make(&pool, workers, &a);
    if (r < 0)
        return r;
    mp__trace_open(pool);
    r = mp__pool_staff(pool, mp__load(&pool->wanted));
    if (r < 0)
        return fail_start(pool, r);
    *ret_pool = pool;
    return 0;
}
