/* SPDX-License-Identifier: MIT */
/* mp_pool_resize(): how many workers a pool is to have.
 *
 * One store says it: `wanted`. What follows from it is done by the caller at
 * once: it makes posts before, and starts workers or calls those who may be too
 * many after it. If it dies in between, whoever looks after the pool starts
 * those that are missing, and workers that have nothing to do look now and then
 * whether they are too many.
 *
 * Posts are not taken away: those without a worker wait for the next change. */
#include "base/error.h"
#include "keeper/attend.h"
#include "keeper/birth.h"

#include <errno.h>

static int
check(mp_pool *pool, int workers)
{
    int r = mp__object_enter(pool, MP__SLAB_POOL, "mp_pool_resize", "a pool");

    if (r < 0)
        return r;
    if (workers < 1 || workers > MP__POOL_WORKERS_MAX)
        return mp__fail(-EINVAL, "mp_pool_resize: %d workers (may be 1 to %d)",
                        workers, MP__POOL_WORKERS_MAX);
    return mp__pool_refusal(pool, "mp_pool_resize");
}

/* Wakes so many that have nothing to do. */
static void
call(mp_pool *pool, uint32_t workers)
{
    while (workers > 0) {
        int r = mp__queue_put_pointer(pool->queue, MP__HINT, MP_FOREVER);

        if (r == 0)
            workers--;
        else if (r != -EINTR)
            return; /* the pool was closed; they will look by themselves */
    }
}

int
mp_pool_resize(mp_pool *pool, int workers)
{
    uint32_t wanted = (uint32_t)workers, filled;
    int r = check(pool, workers);

    if (r == 0)
        r = mp__posts_make(pool, wanted);
    if (r < 0)
        return (int)MP__FAR(r, pool, MP__FAR_PLAIN, "i", workers);
    mp__mutex_lock(&pool->mutex);
    mp__store(&pool->wanted, wanted);
    filled = mp__posts_filled(pool);
    mp__mutex_unlock(&pool->mutex);
    if (filled > wanted)
        call(pool, filled - wanted);
    mp__pool_attend(pool);
    if (pool->least && pool->least < wanted)
        wanted = pool->least;
    return mp__pool_staff(pool, wanted);
}
