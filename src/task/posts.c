/* SPDX-License-Identifier: MIT */
/* Posts: how many there are, and are to have a worker.
 *
 * They are made in steps and never taken away before the pool is: a post's
 * address holds as long as the pool does. How many of them are to have a worker
 * is another number, `wanted`, which may go up and down: posts are vacant then
 * because nobody is needed there. `filled` is a cache of what the stages say,
 * for those who submit; whoever comes after one who died changing it counts
 * again. */
#include "task/post.h"

#include "region/heap.h"
#include "task/job.h"

#include <errno.h>

static struct mp__post *
make_segment(mp_pool *pool, uint32_t first)
{
    struct mp__post *segment =
        mp__block_alloc(MP__POSTS_STEP * sizeof(*segment), 1);

    if (!segment)
        return NULL;
    for (uint32_t i = 0; i < MP__POSTS_STEP; i++) {
        segment[i].pool = pool;
        segment[i].number = first + i;
    }
    mp__block_keep(segment);
    return segment;
}

static int
add_segment(mp_pool *pool, uint32_t first)
{
    struct mp__post *segment = make_segment(pool, first), *none = NULL;

    if (!segment)
        return -ENOMEM;
    if (!atomic_compare_exchange_strong(
            &pool->segments[first / MP__POSTS_STEP], &none, segment))
        mp__block_free(segment); /* another was faster */
    return 0;
}

/* Where workers are replaced, one post more: the next one need not wait until
 * the last has ended. */
static uint32_t
posts_for(mp_pool *pool, uint32_t workers)
{
    return workers + (pool->tasks_per_worker || pool->memory_soft);
}

int
mp__posts_make(mp_pool *pool, uint32_t workers)
{
    uint32_t count = posts_for(pool, workers), posts = mp__posts(pool);

    for (uint32_t i = 0; i < count; i += MP__POSTS_STEP)
        if (!atomic_load(&pool->segments[i / MP__POSTS_STEP]) &&
            add_segment(pool, i) < 0)
            return -ENOMEM;
    /* release: their segments are seen with them */
    while (posts < count && !mp__cas(&pool->posts, &posts, count))
        ;
    return 0;
}

void
mp__posts_free(mp_pool *pool)
{
    for (size_t i = 0; i < MP__LENGTH(pool->segments); i++)
        if (atomic_load(&pool->segments[i]))
            mp__block_free(atomic_load(&pool->segments[i]));
}

static int
is_filled(uint64_t stage)
{
    return (stage & 0xff) == MP__STAGE_STARTING ||
           (stage & 0xff) == MP__STAGE_UP;
}

void
mp__post_set(mp_pool *pool, struct mp__post *post, uint64_t epoch,
             enum mp__stage stage)
{
    uint64_t old = mp__load_relaxed(&post->stage);
    uint64_t word = mp__stage_word(epoch, stage);
    uint32_t filled = mp__load_relaxed(&pool->filled);
    int change = is_filled(word) - is_filled(old);

    /* Should we die between the two stores, the number is too low, never too
     * high: then somebody tries to start a worker, takes the mutex for that,
     * and counts again. seq_cst: who leaves is not counted any more when it
     * looks for the last time whether there is something to do, see
     * worker/relief.c. What was written about the post is seen with its stage. */
    if (change < 0)
        mp__store(&pool->filled, filled + (uint32_t)change);
    mp__store(&post->stage, word);
    if (change > 0)
        mp__store(&pool->filled, filled + (uint32_t)change);
}

/* Somebody died between the two stores of mp__post_set(). */
static void
recount(struct mp__mutex *mutex)
{
    mp_pool *pool = MP__CONTAINER(mutex, struct mp_pool, mutex);
    uint32_t filled = 0;

    for (uint32_t i = 0; i < mp__posts(pool); i++)
        filled += (uint32_t)is_filled(mp__load(&mp__post_at(pool, i)->stage));
    mp__store(&pool->filled, filled);
}

__attribute__((constructor)) static void
register_repair(void)
{
    mp__mutex_repair_with(MP__MUTEX_POOL, recount);
}

/* Workers that will take something without further ado. */
static uint32_t
count_idle(mp_pool *pool)
{
    uint32_t idle = 0;

    for (uint32_t i = 0; i < mp__posts(pool); i++) {
        struct mp__post *post = mp__post_at(pool, i);
        enum mp__stage stage = mp__post_stage(post);

        idle +=
            stage == MP__STAGE_STARTING ||
            (stage == MP__STAGE_UP && (!post->ready || mp__load(&post->idle)));
    }
    return idle;
}

/* Whether there is a map that nobody is at or will come to: who had taken the
 * hint has died. */
static int
is_map_forgotten(mp_pool *pool)
{
    if (mp__pool_queued(pool) > 0)
        return 0;
    for (uint32_t i = 0; i < mp__posts(pool); i++)
        if (mp__load(&mp__post_at(pool, i)->job))
            return 0;
    return mp__job_pending(pool);
}

int
mp__posts_wanted(mp_pool *pool)
{
    uint32_t filled = mp__posts_filled(pool);

    if (filled >= mp__load(&pool->wanted))
        return 0;
    return pool->least == 0 || filled < pool->least ||
           mp__pool_queued(pool) > count_idle(pool) || is_map_forgotten(pool);
}
