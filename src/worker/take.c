/* SPDX-License-Identifier: MIT */
/* How a worker takes its next message: that of the highest priority, else it
 * sleeps until there is one. */
#include "worker/take.h"

#include "keeper/attend.h"
#include "progress/trace.h"

#include <errno.h>

static int
take_from(mp_pool *pool, struct mp__post *post, uint32_t level,
          mp_time deadline)
{
    mp_queue *queue = mp__pool_level(pool, level);

    if (!queue)
        return -EAGAIN;
    post->claim.tag = (uint64_t)level << 32;
    return mp__queue_get_claim(queue, &post->claim, deadline);
}

/* From the levels in [from, to), the highest first. */
static int
take_from_levels(mp_pool *pool, struct mp__post *post, uint32_t from,
                 uint32_t to)
{
    while (to-- > from)
        if (mp__pool_level(pool, to) &&
            mp_queue_size(mp__pool_level(pool, to)) > 0 &&
            take_from(pool, post, to, MP_NOW) == 0)
            return 0;
    return -EAGAIN;
}

static int
take_anything(mp_pool *pool, struct mp__post *post)
{
    int r = take_from_levels(pool, post, MP__POOL_NORMAL + 1, MP__POOL_LEVELS);

    if (r < 0)
        r = take_from(pool, post, MP__POOL_NORMAL, MP_NOW);
    if (r < 0 && take_from_levels(pool, post, 0, MP__POOL_NORMAL) == 0)
        r = 0;
    return r;
}

/* A submitter that looked between our taking of a message and the end of our
 * being idle has counted on us for the next one, too, and has started nobody.
 * Either it saw us busy, or we see what it has put. */
static void
stand_in(mp_pool *pool)
{
    if (MP__UNLIKELY(pool->least != 0) && mp__posts_wanted(pool))
        mp__pool_attend(pool);
}

int
mp__pool_take(mp_pool *pool, struct mp__post *post, mp_time deadline)
{
    int r = take_anything(pool, post);

    if (r == -EAGAIN && deadline != MP_NOW) {
        mp__trace_flush();
        mp__store(&post->idle, 1);
        r = take_from(pool, post, MP__POOL_NORMAL, deadline);
        mp__store(&post->idle, 0);
        if (r == 0)
            stand_in(pool);
    }
    /* The others were closed before: what is in them now is all. */
    return r == -ESHUTDOWN ? take_anything(pool, post) : r;
}
