/* SPDX-License-Identifier: MIT */
/* The posts of a pool and its queues: what there is of both.
 *
 * Posts are made in steps and never taken away before the pool is: a worker's
 * address holds as long as the pool does. How many of them are to have a worker
 * is another number, `wanted`, which may go up and down: posts are vacant then
 * because nobody is needed there. `filled` is a cache of what the stages say,
 * for those who submit; whoever comes after one who died changing it counts
 * again.
 *
 * There is a queue for each priority that was ever asked for. Workers sleep on
 * that of the normal one; who puts a task into another puts a hint into it. */
#include "base/error.h"
#include "pool/job.h"
#include "pool/pool.h"
#include "pool/task.h"
#include "pool/trace.h"

#include <errno.h>

/* ---- Posts ---- */

static struct mp__worker *
make_segment(mp_pool *pool, uint32_t first)
{
    struct mp__worker *segment =
        mp__block_alloc(MP__POSTS_STEP * sizeof(*segment), 1);

    if (!segment)
        return NULL;
    for (uint32_t i = 0; i < MP__POSTS_STEP; i++) {
        segment[i].pool = pool;
        segment[i].post = first + i;
    }
    mp__block_keep(segment);
    return segment;
}

static int
add_segment(mp_pool *pool, uint32_t first)
{
    struct mp__worker *segment = make_segment(pool, first), *none = NULL;

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
mp__post_set(mp_pool *pool, struct mp__worker *w, uint64_t epoch,
             enum mp__stage stage)
{
    uint64_t old = mp__load_relaxed(&w->stage);
    uint64_t word = mp__stage_word(epoch, stage);
    uint32_t filled = mp__load_relaxed(&pool->filled);
    int change = is_filled(word) - is_filled(old);

    /* Should we die between the two stores, the number is too low, never too
     * high: then somebody tries to start a worker, takes the mutex for that,
     * and counts again. seq_cst: who leaves is not counted any more when it
     * looks for the last time whether there is something to do, see relief.c.
     * What was written about the post is seen with its stage. */
    if (change < 0)
        mp__store(&pool->filled, filled + (uint32_t)change);
    mp__store(&w->stage, word);
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
        filled += (uint32_t)is_filled(mp__load(&mp__post(pool, i)->stage));
    mp__store(&pool->filled, filled);
}

__attribute__((constructor)) static void
register_repair(void)
{
    mp__mutex_repair_with(MP__MUTEX_POOL, recount);
}

int
mp__post_has_work(struct mp__worker *w)
{
    return mp__load(&w->job) != NULL || mp__task_waits_at(w);
}

/* Workers that will take something without further ado. */
static uint32_t
count_idle(mp_pool *pool)
{
    uint32_t idle = 0;

    for (uint32_t i = 0; i < mp__posts(pool); i++) {
        struct mp__worker *w = mp__post(pool, i);
        enum mp__stage stage = mp__worker_stage(w);

        idle += stage == MP__STAGE_STARTING ||
                (stage == MP__STAGE_UP && (!w->ready || mp__load(&w->idle)));
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
        if (mp__load(&mp__post(pool, i)->job))
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

/* ---- Queues ---- */

static mp_queue *
queue_at(mp_pool *pool, uint32_t level)
{
    return atomic_load_explicit(&pool->levels[level], memory_order_acquire);
}

mp_queue *
mp__pool_queue(mp_pool *pool, int priority)
{
    uint32_t level = (uint32_t)(priority + (int)MP__POOL_NORMAL);
    mp_queue *queue = queue_at(pool, level), *none = NULL;

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
        if (queue_at(pool, level))
            queued += mp_queue_size(queue_at(pool, level));
    return queued;
}

/* The normal one last: who is told by it that the pool is closed looks at the
 * others once more. */
void
mp__pool_close_queues(mp_pool *pool)
{
    for (uint32_t level = 0; level < MP__POOL_LEVELS; level++)
        if (level != MP__POOL_NORMAL && queue_at(pool, level))
            mp_queue_close(queue_at(pool, level));
    mp_queue_close(pool->queue);
}

static int
take_from(mp_pool *pool, struct mp__worker *w, uint32_t level,
          mp_time deadline)
{
    mp_queue *queue = queue_at(pool, level);

    if (!queue)
        return -EAGAIN;
    w->claim.tag = (uint64_t)level << 32;
    return mp__queue_get_claim(queue, &w->claim, deadline);
}

/* From the levels in [from, to), the highest first. */
static int
take_from_levels(mp_pool *pool, struct mp__worker *w, uint32_t from,
                 uint32_t to)
{
    while (to-- > from)
        if (queue_at(pool, to) && mp_queue_size(queue_at(pool, to)) > 0 &&
            take_from(pool, w, to, MP_NOW) == 0)
            return 0;
    return -EAGAIN;
}

static int
take_anything(mp_pool *pool, struct mp__worker *w)
{
    int r = take_from_levels(pool, w, MP__POOL_NORMAL + 1, MP__POOL_LEVELS);

    if (r < 0)
        r = take_from(pool, w, MP__POOL_NORMAL, MP_NOW);
    if (r < 0 && take_from_levels(pool, w, 0, MP__POOL_NORMAL) == 0)
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
mp__pool_take(mp_pool *pool, struct mp__worker *w, mp_time deadline)
{
    int r = take_anything(pool, w);

    if (r == -EAGAIN && deadline != MP_NOW) {
        mp__trace_flush();
        mp__store(&w->idle, 1);
        r = take_from(pool, w, MP__POOL_NORMAL, deadline);
        mp__store(&w->idle, 0);
        if (r == 0)
            stand_in(pool);
    }
    /* The others were closed before: what is in them now is all. */
    return r == -ESHUTDOWN ? take_anything(pool, w) : r;
}

void
mp__pool_settle_claim(mp_pool *pool, struct mp__worker *w)
{
    for (uint32_t level = 0; level < MP__POOL_LEVELS; level++)
        if (queue_at(pool, level))
            mp__queue_settle(queue_at(pool, level), &w->claim);
}
