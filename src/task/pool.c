/* SPDX-License-Identifier: MIT */
/* The pool's cell: how far it has moved, and its queues.
 *
 * `state` only moves forward, under the pool's mutex. What follows from it
 * (the queues closed, the workers killed) is done by whoever moved it, and
 * again by whoever comes upon it later, for the first may have died: joiners
 * close the queues again, attendants kill the workers again.
 *
 * There is a queue for each priority that was ever asked for. Workers sleep on
 * that of the normal one; who puts a task into another puts a hint into it. */
#include "task/pool.h"

#include "base/error.h"

#include <errno.h>
#include <stdio.h>

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

int
mp__pool_advance(mp_pool *pool, enum mp__pool_state state, const char *why)
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

/* ---- Queues ---- */

mp_queue *
mp__pool_queue(mp_pool *pool, int priority)
{
    uint32_t level = (uint32_t)(priority + (int)MP__POOL_NORMAL);
    mp_queue *queue = mp__pool_level(pool, level), *none = NULL;

    if (queue)
        return queue;
    if (mp_queue_create(&queue, NULL) < 0)
        return NULL;
    mp__object_hide(queue);
    if (!atomic_compare_exchange_strong(&pool->levels[level], &none, queue)) {
        mp_queue_destroy(queue); /* another was faster */
        return none;
    }
    /* Whoever closed the pool may not have seen it. */
    if (mp__pool_state(pool) != MP__POOL_RUNNING)
        mp_queue_close(queue);
    return queue;
}

size_t
mp__pool_queued(mp_pool *pool)
{
    size_t queued = 0;

    for (uint32_t level = 0; level < MP__POOL_LEVELS; level++)
        if (mp__pool_level(pool, level))
            queued += mp_queue_size(mp__pool_level(pool, level));
    return queued;
}

/* The normal one last: who is told by it that the pool is closed looks at the
 * others once more. */
void
mp__pool_close_queues(mp_pool *pool)
{
    for (uint32_t level = 0; level < MP__POOL_LEVELS; level++)
        if (level != MP__POOL_NORMAL && mp__pool_level(pool, level))
            mp_queue_close(mp__pool_level(pool, level));
    mp_queue_close(pool->queue);
}
