/* SPDX-License-Identifier: MIT */
/* The pool: making, closing, ending.
 *
 * A pool is a cell of the region, a block of posts for its workers, and a
 * queue. What is submitted goes through the queue; what the workers have in
 * hand is in their posts. There is no list of tasks: each task finds out by
 * itself whether its pool still is what it was, see task.c.
 *
 * `state` only moves forward, under the pool's mutex. What follows from it
 * (the queue closed, the workers killed) is done by whoever moved it, and
 * again by whoever comes upon it later, for the first may have died: joiners
 * close the queue again, attendants kill the workers again. The mutex guards
 * single stores only, so there is nothing to repair. */
#include "pool/pool.h"

#include "base/attr.h"
#include "base/error.h"
#include "os/clock.h"
#include "pool/job.h"
#include "pool/task.h"
#include "region/waiters.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

_Static_assert(sizeof(struct mp_pool) <= MP__SLAB_CELL_MAX, "one cell");
_Static_assert(sizeof(struct mp_pool) % 64 == 0, "a slab's cell");

static mp__a32 pools_made; /* by this process: for names */

__attribute__((constructor)) static void
register_descriptions(void)
{
    mp__pool_describe();
}

/* 0, or -EBADF. */
static int
enter(mp_pool *pool, const char *function)
{
    return mp__object_enter(pool, MP__SLAB_POOL, function, "a pool");
}

int
mp__pool_refusal(mp_pool *pool, const char *function)
{
    switch (mp__pool_state(pool)) {
    case MP__POOL_RUNNING:
        return 0;
    case MP__POOL_CLOSED:
        return mp__fail(-ESHUTDOWN, "%s: pool %s is closed", function,
                        pool->name);
    case MP__POOL_TERMINATED:
        return mp__fail(-ECANCELED, "%s: pool %s was terminated", function,
                        pool->name);
    default:
        return mp__fail(-ESRCH, "%s: pool %s is broken: %s", function,
                        pool->name, pool->why);
    }
}

/* ---- Making ---- */

static int
check_attr(int workers, const mp_pool_attr *a)
{
    if (workers < 0 || workers > MP__POOL_WORKERS_MAX)
        return mp__fail(-EINVAL, "mp_pool_create: %d workers (may be 0 to %d)",
                        workers, MP__POOL_WORKERS_MAX);
    if (a->method < MP_DEFAULT || a->method > MP_FORKSERVER)
        return mp__fail(-EINVAL, "mp_pool_create: no start method %d",
                        (int)a->method);
    if (a->reserved != 0)
        return mp__fail(-EINVAL, "mp_pool_create: .reserved is not 0");
    if (a->name && strlen(a->name) > MP__POOL_NAME_MAX)
        return mp__fail(-EINVAL,
                        "mp_pool_create: the name is longer than %u bytes",
                        MP__POOL_NAME_MAX);
    if (a->initializer_size && !a->initializer_arg)
        return mp__fail(-EINVAL, "mp_pool_create: .initializer_arg is NULL, "
                                 ".initializer_size is not 0");
    return 0;
}

static void
set_name(mp_pool *pool, const char *name)
{
    if (name)
        snprintf(pool->name, sizeof(pool->name), "%s", name);
    else
        snprintf(pool->name, sizeof(pool->name), "Pool-%u",
                 (unsigned)mp__add(&pools_made, 1) + 1);
}

static int
set_initializer(mp_pool *pool, const mp_pool_attr *a)
{
    void *copy;

    if (a->initializer_size) {
        copy = mp__block_alloc(a->initializer_size, 0);
        if (!copy)
            return -ENOMEM;
        memcpy(copy, a->initializer_arg, a->initializer_size);
        mp__block_keep(copy);
        pool->initializer_arg = copy;
        pool->initializer_size = a->initializer_size;
    }
    if (!a->initializer)
        return 0;
    return mp__function_export((mp__code *)a->initializer, &pool->initializer,
                               "mp_pool_create");
}

static int
set_posts(mp_pool *pool, int workers)
{
    size_t size = (size_t)workers * sizeof(struct mp__worker);
    void *block = mp__block_alloc(size, 1);

    if (!block)
        return -ENOMEM;
    mp__block_keep(block);
    pool->workers = block;
    pool->count = (uint32_t)workers;
    return mp_queue_create(&pool->queue, NULL);
}

static void
give_back(mp_pool *pool)
{
    mp_queue_destroy(pool->queue);
    if (pool->workers)
        mp__block_free(pool->workers);
    if (pool->initializer_arg)
        mp__block_free(pool->initializer_arg);
    mp__object_free(pool, MP__SLAB_POOL);
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
    pool->id = (uint64_t)mp__now();
    pool->method = a->method ? a->method : mp_get_start_method();
    pool->owner = mp_current_process();
    set_name(pool, a->name);
    r = set_posts(pool, workers);
    if (r == 0)
        r = set_initializer(pool, a);
    if (r < 0) {
        give_back(pool);
        return r;
    }
    mp__object_publish(pool, MP__SLAB_POOL);
    *ret_pool = pool;
    return 0;
}

int
mp_pool_create(mp_pool **ret_pool, int workers, const mp_pool_attr *attr)
{
    mp_pool_attr a;
    mp_pool *pool = NULL;
    int r;

    if (!ret_pool)
        return mp__fail(-EINVAL, "mp_pool_create: ret_pool is NULL");
    r = mp__attr_read(&a, sizeof(a), attr, 0, "mp_pool_create");
    if (r == 0)
        r = check_attr(workers, &a);
    if (r == 0)
        r = mp__enter();
    if (r == 0)
        r = make(&pool, workers ? workers : mp_cpu_count(), &a);
    if (r < 0)
        return r;
    for (uint32_t i = 0; r == 0 && i < pool->count; i++) {
        struct mp__worker *w = &pool->workers[i];

        mp__store(&w->keeper, mp__participant_id(mp__me.part));
        r = mp__pool_fill(pool, w);
        mp__store(&w->keeper, 0);
    }
    if (r < 0) {
        char why[MP__POOL_WHY];

        snprintf(why, sizeof(why), "%s", mp_last_error());
        mp_pool_destroy(pool);
        return mp__fail(r, "%s", why);
    }
    *ret_pool = pool;
    return 0;
}

/* ---- Ending ---- */

/* Moves the pool forward to `state`; 0 if it is there or beyond already. */
static int
advance(mp_pool *pool, enum mp__pool_state state, const char *why)
{
    int moved;

    mp__mutex_lock(&pool->mutex);
    moved = mp__pool_state(pool) < MP__POOL_TERMINATED &&
            mp__pool_state(pool) < state;
    if (moved) {
        if (why)
            snprintf(pool->why, sizeof(pool->why), "%s", why);
        /* release: pairs with mp__pool_state(), for `why` */
        mp__store_release(&pool->state, state);
    }
    mp__mutex_unlock(&pool->mutex);
    return moved;
}

void
mp__pool_break(mp_pool *pool, const char *why)
{
    advance(pool, MP__POOL_BROKEN, why);
    mp_queue_close(pool->queue);
    mp__pool_kill(pool);
}

int
mp_pool_close(mp_pool *pool)
{
    int r = enter(pool, "mp_pool_close");

    if (r < 0)
        return r;
    advance(pool, MP__POOL_CLOSED, NULL);
    mp_queue_close(pool->queue);
    mp__pool_attend(pool);
    return 0;
}

static void
terminate(mp_pool *pool)
{
    advance(pool, MP__POOL_TERMINATED, NULL);
    mp_queue_close(pool->queue);
    mp__pool_kill(pool);
    mp__pool_attend(pool);
}

int
mp_pool_terminate(mp_pool *pool)
{
    int r = enter(pool, "mp_pool_terminate");

    if (r < 0)
        return r;
    terminate(pool);
    return 0;
}

/* Waits until no post has a worker any more. */
static int
wait_until_empty(mp_pool *pool, mp_time deadline)
{
    for (;;) {
        uint32_t seen = mp__load(&pool->changes);
        int r;

        mp__pool_attend(pool);
        if (mp__pool_is_empty(pool)) {
            /* Workers of this process that others have buried are zombies
             * until this process looks at its children. */
            mp_active_children(NULL, 0);
            return 0;
        }
        r = mp__pool_sleep(pool, &pool->bell, &pool->changes, seen, deadline);
        if (r < 0)
            return r;
    }
}

int
mp_pool_join(mp_pool *pool, mp_time deadline)
{
    int r = enter(pool, "mp_pool_join");

    if (r < 0)
        return r;
    if (mp__pool_state(pool) == MP__POOL_RUNNING)
        return mp__fail(-EINVAL,
                        "mp_pool_join: pool %s is neither closed nor "
                        "terminated",
                        pool->name);
    mp_queue_close(pool->queue); /* who closed the pool may have died */
    mp__wait_begin(&pool->bell);
    r = wait_until_empty(pool, deadline);
    mp__wait_end();
    return r;
}

/* Tasks that nobody has taken out of the queue end here. */
static void
drain(mp_pool *pool)
{
    void *p;

    while (mp_queue_get(pool->queue, &p, sizeof(p), MP_NOW) == sizeof(p))
        if (p != MP__HINT)
            mp__task_drop(p);
}

/* From here on nobody can become a keeper: see attend.c. 0 if somebody else
 * has destroyed the pool. */
static int
retire(mp_pool *pool)
{
    int r;

    mp__mutex_lock(&pool->mutex);
    r = mp__object_retire(pool, MP__SLAB_POOL);
    mp__mutex_unlock(&pool->mutex);
    return r == 0;
}

int
mp_pool_destroy(mp_pool *pool)
{
    int r;

    if (!pool)
        return 0;
    r = enter(pool, "mp_pool_destroy");
    if (r < 0)
        return r;
    terminate(pool);
    while (wait_until_empty(pool, MP_FOREVER) < 0)
        ;
    drain(pool);
    mp__job_forget_all(pool);
    if (!retire(pool))
        return mp__fail_handle("mp_pool_destroy", pool, "a pool");
    while (wait_until_empty(pool, MP_FOREVER) < 0)
        ;
    give_back(pool);
    return 0;
}

/* ---- Looking ---- */

int
mp_pool_workers(mp_pool *pool, mp_process **list, size_t n)
{
    int alive = 0;
    int r = enter(pool, "mp_pool_workers");

    if (r < 0)
        return r;
    if (n && !list)
        return mp__fail(-EINVAL, "mp_pool_workers: list is NULL");
    mp__pool_attend(pool);
    for (uint32_t i = 0; i < pool->count; i++) {
        mp_process *process = atomic_load(&pool->workers[i].process);

        if (!process || mp_process_is_alive(process) != 1)
            continue;
        if ((size_t)alive < n)
            list[alive] = process;
        alive++;
    }
    return alive;
}
