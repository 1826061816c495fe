/* SPDX-License-Identifier: MIT */
/* The pool: closing, ending, and who works at it.
 *
 * A pool is a cell of the region, a block of posts for its workers, and its
 * queues. What is submitted goes through a queue; what the workers have in
 * hand is in their posts. There is no list of tasks: each task finds out by
 * itself whether its pool still is what it was, see task/task.c. The mutex
 * guards single stores only, so there is nothing to repair. */
#include "pool/pool.h"

#include "base/error.h"
#include "bell/waiters.h"
#include "keeper/attend.h"
#include "keeper/watch.h"
#include "progress/pool_bar.h"
#include "progress/trace.h"
#include "region/heap.h"
#include "result/callback.h"

#include <errno.h>

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

/* ---- Ending ---- */

int
mp_pool_close(mp_pool *pool)
{
    int r = enter(pool, "mp_pool_close");

    if (r < 0)
        return (int)MP__FAR(r, pool, MP__FAR_PLAIN, "");
    mp__pool_advance(pool, MP__POOL_CLOSED, NULL);
    mp__pool_close_queues(pool);
    mp__pool_attend(pool);
    return 0;
}

static void
terminate(mp_pool *pool)
{
    mp__pool_advance(pool, MP__POOL_TERMINATED, NULL);
    mp__pool_close_queues(pool);
    mp__pool_kill(pool);
    mp__pool_attend(pool);
}

int
mp_pool_terminate(mp_pool *pool)
{
    int r = enter(pool, "mp_pool_terminate");

    if (r < 0)
        return (int)MP__FAR(r, pool, MP__FAR_PLAIN, "");
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
        return (int)MP__FAR(r, pool, deadline, "");
    if (mp__pool_state(pool) == MP__POOL_RUNNING)
        return mp__fail(-EINVAL,
                        "mp_pool_join: pool %s is neither closed nor "
                        "terminated",
                        pool->name);
    mp__pool_close_queues(pool); /* who closed the pool may have died */
    mp__wait_begin(&pool->bell);
    r = wait_until_empty(pool, deadline);
    mp__wait_end();
    if (r == 0) {
        mp__pool_bar_end(pool);
        mp__callbacks_run(pool);
    }
    return r;
}

/* Tasks that nobody has taken out of the queues end here. */
static void
drain(mp_pool *pool)
{
    void *p;

    for (size_t i = 0; i < MP__LENGTH(pool->levels); i++) {
        mp_queue *queue = atomic_load(&pool->levels[i]);

        while (queue &&
               mp_queue_get(queue, &p, sizeof(p), MP_NOW) == sizeof(p))
            if (p != MP__HINT)
                mp__task_drop(p);
    }
}

/* From here on nobody can become a keeper: see keeper/keeper.c. 0 if somebody
 * else has destroyed the pool. */
static int
retire(mp_pool *pool)
{
    int r;

    mp__mutex_lock(&pool->mutex);
    r = mp__object_retire(pool, MP__SLAB_POOL);
    mp__mutex_unlock(&pool->mutex);
    return r == 0;
}

void
mp__pool_free(mp_pool *pool)
{
    for (size_t i = 0; i < MP__LENGTH(pool->levels); i++)
        mp_queue_destroy(atomic_load(&pool->levels[i]));
    mp__posts_free(pool);
    if (pool->initializer_arg)
        mp__block_free(pool->initializer_arg);
    if (pool->cpus)
        mp__block_free(pool->cpus);
    mp__object_free(pool, MP__SLAB_POOL);
}

int
mp_pool_destroy(mp_pool *pool)
{
    int r;

    if (!pool)
        return 0;
    r = enter(pool, "mp_pool_destroy");
    if (r < 0)
        return (int)MP__FAR(r, pool, MP__FAR_PLAIN, "");
    terminate(pool);
    while (wait_until_empty(pool, MP_FOREVER) < 0)
        ;
    drain(pool);
    mp__job_forget_all(pool);
    mp__callbacks_forget(pool);
    mp__pool_bar_end(pool);
    if (!retire(pool))
        return mp__fail_handle("mp_pool_destroy", pool, "a pool");
    while (wait_until_empty(pool, MP_FOREVER) < 0)
        ;
    mp__trace_close(pool);
    mp__inboxes_free(pool);
    mp__pool_free(pool);
    return 0;
}

void
mp_pool_leave(mp_pool **pool)
{
    if (pool && *pool) {
        mp_pool_destroy(*pool);
        *pool = NULL;
    }
}

/* ---- Looking ---- */

int
mp_pool_workers(mp_pool *pool, mp_process **list, size_t n)
{
    int alive = 0;
    int r = enter(pool, "mp_pool_workers");

    if (r < 0) /* their handles are at home only */
        return n ? r : (int)MP__FAR(r, pool, MP__FAR_PLAIN, "");
    if (n && !list)
        return mp__fail(-EINVAL, "mp_pool_workers: list is NULL");
    mp__pool_attend(pool);
    for (uint32_t i = 0; i < mp__posts(pool); i++) {
        mp_process *process = atomic_load(&mp__post_at(pool, i)->process);

        /* One that leaves is none of the pool's any more. */
        if (!process || mp_process_is_alive(process) != 1 ||
            mp__post_stage(mp__post_at(pool, i)) == MP__STAGE_RELIEVED)
            continue;
        if ((size_t)alive < n)
            list[alive] = process;
        alive++;
    }
    return alive;
}
