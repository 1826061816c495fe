/* SPDX-License-Identifier: MIT */
/* Looking after the workers.
 *
 * A pool has no thread and no process that watches over it. Whoever is in a
 * call on the pool does: it sleeps with an eye on the life words of the
 * workers, and when one is dead it settles what that worker was running,
 * records the death, and starts a successor. So may several at once, and any
 * of them may die at it.
 *
 * A vacant post gets a worker when one is wanted: there are fewer than there
 * are to be, or, where workers come and go with the work, more is waiting than
 * there are idle ones. A post with work left that only its next worker can do
 * always gets one.
 *
 * A worker is also buried alive: when the task that it runs was cancelled, and
 * when the pool has ended.
 *
 * Restarts are bounded: deaths are counted in a row, as long as nothing ends
 * in between. A death that takes a task with it is paid for by that task and
 * does not count. Beyond the limit nobody is started any more until something
 * has ended; and when nobody is left either, the pool is broken. */
#include "keeper/attend.h"

#include "keeper/birth.h"
#include "keeper/bury.h"
#include "keeper/keeper.h"
#include "keeper/settle.h"
#include "os/clock.h"
#include "process/record.h"

#include <stdio.h>

enum duty {
    NOTHING,
    TIDY,    /* close the handle of a worker that was buried */
    BURY,    /* its worker is dead, or has to be */
    FILL,    /* start a worker */
    CLOSE,   /* nobody is needed here any more */
    GIVE_UP, /* too many have died, or refused */
};

/* Whether too many died in a row. */
static int
too_many_deaths(mp_pool *pool)
{
    uint32_t limit = 4 * mp__posts(pool);

    if (limit < 10)
        limit = 10;
    return mp__load(&pool->deaths) > limit &&
           mp__pool_work_done(pool) == mp__load(&pool->ended);
}

/* Whether a closed pool has nothing left to do at a vacant post. */
static int
is_done(mp_pool *pool, struct mp__post *post)
{
    return mp__pool_state(pool) == MP__POOL_CLOSED &&
           mp__pool_queued(pool) == 0 && !mp__task_waits_at(post) &&
           !mp__job_pending(pool);
}

static enum duty
duty_at_vacant(mp_pool *pool, struct mp__post *post)
{
    if (mp__pool_state(pool) >= MP__POOL_TERMINATED || is_done(pool, post))
        return CLOSE;
    if (post->refused && !mp__load(&pool->ready))
        return GIVE_UP;
    if (too_many_deaths(pool))
        return GIVE_UP;
    if (post->retry != 0 && mp__now() < post->retry)
        return NOTHING;
    return mp__post_has_work(post) || mp__posts_wanted(pool) ? FILL : NOTHING;
}

/* What there is to do at a post that has no keeper but perhaps the caller. */
static enum duty
duty_at(mp_pool *pool, struct mp__post *post)
{
    int ends = mp__pool_state(pool) >= MP__POOL_TERMINATED;
    mp_process *process;

    if (atomic_load(&post->buried))
        return TIDY;
    switch (mp__post_stage(post)) {
    case MP__STAGE_VACANT:
        return duty_at_vacant(pool, post);
    case MP__STAGE_STARTING:
        process = atomic_load(&post->process);
        return ends || !process || mp_process_is_alive(process) != 1 ? BURY
                                                                     : NOTHING;
    case MP__STAGE_UP:
    case MP__STAGE_RELIEVED:
    case MP__STAGE_LEAVING:
        return ends || mp__is_dead(mp__load(&post->participant)) ||
                       mp__post_is_condemned(post)
                   ? BURY
                   : NOTHING;
    default:
        return NOTHING;
    }
}

/* A keeper that died here may have closed the handle already: the serial tells
 * another process in the same cell. */
static void
tidy(struct mp__post *post)
{
    mp_process *process = atomic_load(&post->buried);

    if (mp__process_ok(process) &&
        mp__state_serial(mp__load(&process->state)) == post->buried_serial)
        mp_process_close(process);
    atomic_store(&post->buried, NULL);
}

static void
close_post(mp_pool *pool, struct mp__post *post)
{
    mp__task_forsake(post);
    mp__job_settle(pool, post, 1, NULL);
    mp__mutex_lock(&pool->mutex);
    mp__post_set(pool, post, mp__post_epoch(post), MP__STAGE_GONE);
    mp__mutex_unlock(&pool->mutex);
}

/* Does what there is to do at a post; what remains undone. */
static enum duty
look_after(mp_pool *pool, uint64_t id, struct mp__post *post)
{
    enum duty duty = duty_at(pool, post);

    if (duty == GIVE_UP && !mp__post_has_work(post))
        return GIVE_UP;
    if (duty == NOTHING || !mp__post_keep(pool, id, post))
        return NOTHING;
    while ((duty = duty_at(pool, post)) != NOTHING) {
        if (duty == TIDY)
            tidy(post);
        else if (duty == BURY)
            mp__pool_bury(pool, post);
        else if (duty == CLOSE)
            close_post(pool, post);
        else if (duty == GIVE_UP || mp__pool_fill(pool, post) < 0)
            break;
    }
    if (duty == GIVE_UP) {
        mp__task_forsake(post);
        mp__job_settle(pool, post, 1, NULL);
    }
    mp__post_resign(pool, post);
    return duty;
}

void
mp__pool_kill(mp_pool *pool)
{
    for (uint32_t i = 0; i < mp__posts(pool); i++) {
        struct mp__post *post = mp__post_at(pool, i);
        mp_process *process;

        if (!mp__post_keep(pool, pool->id, post)) /* who is will see to it */
            continue;
        process = atomic_load(&post->process);
        if (process)
            mp_process_kill(process);
        mp__store(&post->keeper, 0);
    }
}

void
mp__pool_break(mp_pool *pool, const char *why)
{
    mp__pool_advance(pool, MP__POOL_BROKEN, why);
    mp__pool_close_queues(pool);
    mp__pool_kill(pool);
}

/* The pool has no worker, and none can be had. */
static void
give_up(mp_pool *pool)
{
    char why[MP__POOL_WHY];

    if (too_many_deaths(pool))
        snprintf(why, sizeof(why),
                 "%u workers ended one after another and no task did; the "
                 "last: %.100s",
                 (unsigned)mp__load(&pool->deaths), pool->last);
    else
        snprintf(why, sizeof(why),
                 "its initializer failed in every worker; the last: %.100s",
                 pool->last);
    mp__pool_break(pool, why);
}

void
mp__pool_attend(mp_pool *pool)
{
    const uint64_t id = pool->id;
    const uint32_t count = mp__posts(pool);
    uint32_t given_up = 0;

    if (!mp__pool_is(pool, id))
        return;
    for (uint32_t i = 0; i < count; i++)
        given_up += look_after(pool, id, mp__post_at(pool, i)) == GIVE_UP;
    if (given_up < count)
        return;
    give_up(pool);
    for (uint32_t i = 0; i < count; i++)
        look_after(pool, id, mp__post_at(pool, i));
}

void
mp__pool_recruit(mp_pool *pool)
{
    mp__pool_attend(pool);
    if (mp__posts_filled(pool) > 0 ||
        mp__posts(pool) >= MP__POOL_WORKERS_MAX ||
        mp__pool_state(pool) >= MP__POOL_TERMINATED)
        return;
    if (mp__posts_make(pool, mp__posts(pool)) == 0)
        mp__pool_attend(pool);
}

int
mp__pool_is_empty(mp_pool *pool)
{
    for (uint32_t i = 0; i < mp__posts(pool); i++) {
        struct mp__post *post = mp__post_at(pool, i);

        if (mp__post_stage(post) != MP__STAGE_GONE ||
            mp__load(&post->buried) || !mp__is_dead(mp__load(&post->keeper)))
            return 0;
    }
    return 1;
}
