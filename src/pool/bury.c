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
#include "base/error.h"
#include "os/clock.h"
#include "pool/crash.h"
#include "pool/job.h"
#include "pool/limit.h"
#include "pool/pool.h"
#include "pool/stats.h"
#include "pool/task.h"
#include "pool/trace.h"
#include "process/record.h"

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
        sum += mp__load_relaxed(&mp__post(pool, i)->ended);
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

/* What the exit code alone does not tell. */
static void
find_reason(struct mp__worker *w, struct mp__obituary *obituary)
{
    size_t n = strlen(obituary->how);

    if (mp__limit_has_killed(w)) {
        obituary->code = -ETIMEDOUT;
        snprintf(obituary->how, sizeof(obituary->how),
                 "killed by its time limit of %g s",
                 (double)mp__load(&w->limit) / 1e9);
    } else if (mp__pool_oom_kills(w->pool, 0) > w->oom_kills) {
        snprintf(obituary->how + n, sizeof(obituary->how) - n,
                 ", as the system had run out of memory");
    }
}

/* Finds out how it has ended. */
static void
investigate(mp_pool *pool, struct mp__worker *w, struct mp__obituary *obituary)
{
    enum mp__pool_state state = mp__pool_state(pool);
    mp_process *process = atomic_load(&w->process);

    *obituary = (struct mp__obituary){
        .code = state == MP__POOL_TERMINATED ? -ECANCELED : -ESRCH,
        .why = state == MP__POOL_BROKEN ? pool->why : NULL,
        .how = "nobody knows how",
    };
    snprintf(obituary->who, sizeof(obituary->who), "worker %s:%u (pid %d)",
             pool->name, (unsigned)w->post + 1,
             process ? (int)mp_process_pid(process) : 0);
    if (!process)
        return;
    end_process(process);
    mp__process_describe_end(process, obituary->how, sizeof(obituary->how));
    if (state < MP__POOL_TERMINATED && was_killed(process))
        find_reason(w, obituary);
    mp__crash_describe(w, obituary->where, sizeof(obituary->where));
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
vacate(mp_pool *pool, struct mp__worker *w, uint64_t seen, int held,
       const struct mp__obituary *obituary)
{
    enum mp__stage stage = (enum mp__stage)(seen & 0xff);
    mp_process *process;

    mp__mutex_lock(&pool->mutex);
    if (mp__load(&w->stage) == seen) {
        if (stage != MP__STAGE_LEAVING && stage != MP__STAGE_RELIEVED)
            count_death(pool, held, obituary);
        process = atomic_load(&w->process);
        if (process)
            w->buried_serial = mp__state_serial(mp__load(&process->state));
        atomic_store(&w->buried, process);
        atomic_store(&w->process, NULL);
        mp__store(&w->participant, 0);
        w->vacated = mp__now();
        mp__post_set(pool, w, mp__worker_epoch(w), next_stage(stage));
    }
    mp__mutex_unlock(&pool->mutex);
}

int
mp__post_is_condemned(struct mp__worker *w)
{
    return mp__task_is_condemned(w) || mp__job_is_condemned(w);
}

/* Whether the worker has to be killed, or was killed, for what it was at. Then
 * it takes nothing any more. */
static int
condemn(mp_pool *pool, struct mp__worker *w)
{
    int condemned;

    mp__mutex_lock(&pool->mutex);
    condemned = mp__post_is_condemned(w);
    if (condemned && mp__worker_stage(w) == MP__STAGE_UP)
        mp__post_set(pool, w, mp__worker_epoch(w), MP__STAGE_RELIEVED);
    mp__mutex_unlock(&pool->mutex);
    return condemned;
}

/* One that is on its way loses the post first: else it might take it, and a
 * task, just before it is killed. 0: it has taken it. */
static int
recall(mp_pool *pool, struct mp__worker *w)
{
    int recalled;

    mp__mutex_lock(&pool->mutex);
    recalled = mp__worker_stage(w) == MP__STAGE_STARTING;
    if (recalled) /* in another epoch */
        mp__post_set(pool, w, mp__worker_epoch(w) + 1, MP__STAGE_STARTING);
    mp__mutex_unlock(&pool->mutex);
    return recalled;
}

/* Whether the worker is not to go on, and takes nothing any more. */
static int
has_to_go(mp_pool *pool, struct mp__worker *w)
{
    if (mp__worker_stage(w) == MP__STAGE_STARTING)
        return recall(pool, w);
    return mp__pool_state(pool) >= MP__POOL_TERMINATED || condemn(pool, w) ||
           mp__is_dead(mp__load(&w->participant));
}

void
mp__pool_bury(mp_pool *pool, struct mp__worker *w)
{
    int ends = mp__pool_state(pool) >= MP__POOL_TERMINATED;
    struct mp__obituary obituary;
    uint64_t seen;
    int held = 0;

    if (!has_to_go(pool, w))
        return;
    seen = mp__load(&w->stage);
    mp__reap(); /* wakes the others who watch this life */
    investigate(pool, w, &obituary);
    if ((seen & 0xff) != MP__STAGE_STARTING && w->ready) {
        mp__pool_settle_claim(pool, w);
        held += mp__task_settle(w, &obituary);
        mp__tally_settle(w, 1);
        mp__trace_bury(pool, w);
        held += mp__job_settle(pool, w, ends, &obituary);
    }
    vacate(pool, w, seen, held, &obituary);
}
