/* SPDX-License-Identifier: MIT */
/* The death of a worker: what it was running is settled, and its post becomes
 * vacant.
 *
 * Its keeper does this (attend.c), and may die at any point: the next one does
 * every step again. What has been settled is told from the state of the task,
 * or of the range.
 *
 * Some are buried alive, because what they run was cancelled. Whoever is to be
 * killed is RELIEVED first, under the pool's mutex, and only if the task or the
 * map is still its own then. From there on it takes nothing any more: it leaves
 * a map, and joins one, under the same mutex; and the end of a cancelled task
 * tells it to go. So nothing else dies with it. That stage also says that the
 * death is not held against anybody.
 *
 *   killed before RELIEVED     the next attendant finds it condemned still
 *   killed before the kill     the same; or the worker has left by itself
 *   killed before the settling the next one finds a dead worker, and what it
 *                              had in hand in its post
 *   killed before VACANT       what is settled is found settled
 *
 * A worker that is not past its initializer has nothing in hand. What waits at
 * the post for it (a task to be tried again, a range of a map) stays there for
 * the next. */
#include "keeper/bury.h"

#include "keeper/crash_text.h"
#include "keeper/settle.h"
#include "os/clock.h"
#include "os/oom.h"
#include "process/record.h"
#include "progress/tally.h"
#include "progress/trace.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define DEATH_WAIT 2.0        /* s: for the system to know of an exit code */
#define ROW_GAP    5000000000 /* ns: a death after that begins a new row */

/* What all workers have done so far. */
uint64_t
mp__pool_work_done(mp_pool *pool)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < mp__posts(pool); i++)
        sum += mp__load_relaxed(&mp__post_at(pool, i)->ended);
    return sum;
}

/* Sees to it that the worker has ended. */
static void
end_process(mp_process *process)
{
    mp_time limit = mp_timeout(DEATH_WAIT);

    mp_process_kill(process); /* its main thread may have ended alone */
    while (mp_process_join(process, limit) == -EINTR)
        ;
}

static int
was_killed(mp_process *process)
{
    int code;

    return mp_process_exitcode(process, &code) == 0 && code == -SIGKILL;
}

uint64_t
mp__pool_oom_kills(mp_pool *pool, mp_time age)
{
    mp_time now = mp__now();

    if (now - (mp_time)mp__load(&pool->oom_looked) >= age) {
        mp__store(&pool->oom_kills, mp__oom_kills(""));
        mp__store(&pool->oom_looked, (uint64_t)now);
    }
    return mp__load(&pool->oom_kills);
}

/* Whether a worker that was killed by SIGKILL was so for its time: see
 * worker/limit.c. */
static int
was_out_of_time(struct mp__post *post)
{
    uint64_t expires = mp__load(&post->expires);

    return expires && (uint64_t)mp__now() >= expires;
}

/* What the exit code alone does not tell. */
static void
find_reason(struct mp__post *post, struct mp__obituary *obituary)
{
    size_t n = strlen(obituary->how);

    if (was_out_of_time(post)) {
        obituary->code = -ETIMEDOUT;
        snprintf(obituary->how, sizeof(obituary->how),
                 "killed by its time limit of %g s",
                 (double)mp__load(&post->limit) / 1e9);
    } else if (mp__pool_oom_kills(post->pool, 0) > post->oom_kills) {
        snprintf(obituary->how + n, sizeof(obituary->how) - n,
                 ", as the system had run out of memory");
    }
}

/* Finds out how it has ended. */
static void
investigate(mp_pool *pool, struct mp__post *post,
            struct mp__obituary *obituary)
{
    enum mp__pool_state state = mp__pool_state(pool);
    mp_process *process = atomic_load(&post->process);

    *obituary = (struct mp__obituary){
        .code = state == MP__POOL_TERMINATED ? -ECANCELED : -ESRCH,
        .why = state == MP__POOL_BROKEN ? pool->why : NULL,
        .how = "nobody knows how",
    };
    snprintf(obituary->who, sizeof(obituary->who), "worker %s:%u (pid %d)",
             pool->name, (unsigned)post->number + 1,
             process ? (int)mp_process_pid(process) : 0);
    if (!process)
        return;
    end_process(process);
    mp__process_describe_end(process, obituary->how, sizeof(obituary->how));
    if (state < MP__POOL_TERMINATED && was_killed(process))
        find_reason(post, obituary);
    mp__crash_describe(post, obituary->where, sizeof(obituary->where));
}

/* Counts the death. The pool's mutex is held. */
static void
count_death(mp_pool *pool, int held, const struct mp__obituary *obituary)
{
    uint64_t done = mp__pool_work_done(pool);

    if (held || done != mp__load(&pool->ended) ||
        mp__now() - pool->died > ROW_GAP)
        mp__store(&pool->deaths, 0);
    mp__store(&pool->ended, done);
    pool->died = mp__now();
    mp__add(&pool->died_in_all, 1);
    if (held)
        return;
    mp__add(&pool->deaths, 1);
    snprintf(pool->last, sizeof(pool->last), "%s, %s", obituary->who,
             obituary->how);
}

/* What follows the stage that a worker has died in. */
static enum mp__stage
next_stage(enum mp__stage stage)
{
    return stage == MP__STAGE_LEAVING ? MP__STAGE_GONE : MP__STAGE_VACANT;
}

/* Ends the worker's time at its post; `seen` is the stage it was found in. */
static void
vacate(mp_pool *pool, struct mp__post *post, uint64_t seen, int held,
       const struct mp__obituary *obituary)
{
    enum mp__stage stage = (enum mp__stage)(seen & 0xff);
    mp_process *process;

    mp__mutex_lock(&pool->mutex);
    if (mp__load(&post->stage) == seen) {
        if (stage != MP__STAGE_LEAVING && stage != MP__STAGE_RELIEVED)
            count_death(pool, held, obituary);
        process = atomic_load(&post->process);
        if (process)
            post->buried_serial = mp__state_serial(mp__load(&process->state));
        atomic_store(&post->buried, process);
        atomic_store(&post->process, NULL);
        mp__store(&post->participant, 0);
        post->vacated = mp__now();
        mp__post_set(pool, post, mp__post_epoch(post), next_stage(stage));
    }
    mp__mutex_unlock(&pool->mutex);
}

int
mp__post_is_condemned(struct mp__post *post)
{
    return mp__task_is_condemned(post) || mp__job_is_condemned(post);
}

/* Whether the worker has to be killed, or was killed, for what it was at. Then
 * it takes nothing any more. */
static int
condemn(mp_pool *pool, struct mp__post *post)
{
    int condemned;

    mp__mutex_lock(&pool->mutex);
    condemned = mp__post_is_condemned(post);
    if (condemned && mp__post_stage(post) == MP__STAGE_UP)
        mp__post_set(pool, post, mp__post_epoch(post), MP__STAGE_RELIEVED);
    mp__mutex_unlock(&pool->mutex);
    return condemned;
}

/* One that is on its way loses the post first: else it might take it, and a
 * task, just before it is killed. 0: it has taken it. */
static int
recall(mp_pool *pool, struct mp__post *post)
{
    int recalled;

    mp__mutex_lock(&pool->mutex);
    recalled = mp__post_stage(post) == MP__STAGE_STARTING;
    if (recalled) /* in another epoch */
        mp__post_set(pool, post, mp__post_epoch(post) + 1, MP__STAGE_STARTING);
    mp__mutex_unlock(&pool->mutex);
    return recalled;
}

/* Whether the worker is not to go on, and takes nothing any more. */
static int
has_to_go(mp_pool *pool, struct mp__post *post)
{
    if (mp__post_stage(post) == MP__STAGE_STARTING)
        return recall(pool, post);
    return mp__pool_state(pool) >= MP__POOL_TERMINATED ||
           condemn(pool, post) || mp__is_dead(mp__load(&post->participant));
}

/* Which queue the claim is of is not known. */
static void
settle_claim(mp_pool *pool, struct mp__post *post)
{
    for (uint32_t level = 0; level < MP__POOL_LEVELS; level++)
        if (mp__pool_level(pool, level))
            mp__queue_settle(mp__pool_level(pool, level), &post->claim);
}

void
mp__pool_bury(mp_pool *pool, struct mp__post *post)
{
    int ends = mp__pool_state(pool) >= MP__POOL_TERMINATED;
    struct mp__obituary obituary;
    uint64_t seen;
    int held = 0;

    if (!has_to_go(pool, post))
        return;
    seen = mp__load(&post->stage);
    mp__reap(); /* wakes the others who watch this life */
    investigate(pool, post, &obituary);
    if ((seen & 0xff) != MP__STAGE_STARTING && post->ready) {
        settle_claim(pool, post);
        held += mp__task_settle(post, &obituary);
        mp__tally_settle(post, 1);
        mp__trace_bury(pool, post);
        held += mp__job_settle(pool, post, ends, &obituary);
    }
    vacate(pool, post, seen, held, &obituary);
}
