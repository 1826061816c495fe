/* SPDX-License-Identifier: MIT */
/* Looking after the workers.
 *
 * A pool has no thread and no process that watches over it. Whoever is in a
 * call on the pool does: it sleeps with an eye on the life words of the
 * workers, and when one is dead it settles what that worker was running,
 * records the death, and starts a successor. So may several at once, and any
 * of them may die at it.
 *
 * Each post has one keeper at a time, whose participant id is in the post. A
 * dead keeper counts as none, and the next one does every step again:
 *
 *   settle  the task and the item of the dead worker fail. What has been
 *           settled is told from the state of the task or of the range
 *   VACANT  counts the death; the process's handle is put aside, to be closed
 *   START.. a new epoch; then a process is started with that epoch, outside
 *           every lock
 *   UP      set by the worker itself, if the epoch is still its own. So when a
 *           keeper dies in between, its worker either has the post or, if the
 *           next keeper has begun another epoch, goes home
 *
 * Restarts are bounded: deaths are counted in a row, as long as nothing ends
 * in between. A death that takes a task with it is paid for by that task and
 * does not count. Beyond the limit nobody is started any more until something
 * has ended; and when nobody is left either, the pool is broken. */
#include "pool/job.h"
#include "pool/pool.h"
#include "pool/task.h"

#include "base/error.h"
#include "os/clock.h"
#include "process/record.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define DEATH_WAIT   2.0        /* for the system to know of an exit code */
#define RETRY_AFTER  100000000  /* ns, when no process could be started */
#define ROW_GAP      5000000000 /* ns: a death after that begins a new row */
#define UNSURE_SLICE 5000000    /* ns, while not everybody can be watched */
#define WATCH_MOST   120u

enum duty {
    NOTHING,
    TIDY,    /* close the handle of a worker that was buried */
    BURY,    /* its worker is dead, or has to be */
    FILL,    /* start a worker */
    CLOSE,   /* nobody is needed here any more */
    GIVE_UP, /* too many have died, or refused */
};

static int
is_dead(uint64_t participant)
{
    return mp__participant_find(participant) == NULL;
}

/* What all workers have done so far. */
static uint64_t
work_done(mp_pool *pool)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < pool->count; i++)
        sum += mp__load_relaxed(&pool->workers[i].ended);
    return sum;
}

/* Whether too many died in a row. */
static int
too_many_deaths(mp_pool *pool)
{
    uint32_t limit = 4 * pool->count;

    if (limit < 10)
        limit = 10;
    return mp__load(&pool->deaths) > limit &&
           work_done(pool) == mp__load(&pool->ended);
}

static enum duty
duty_at_vacant(mp_pool *pool, struct mp__worker *w)
{
    enum mp__pool_state state = mp__pool_state(pool);

    if (state >= MP__POOL_TERMINATED)
        return CLOSE;
    if (state == MP__POOL_CLOSED && mp_queue_size(pool->queue) == 0 &&
        !mp__job_pending(pool))
        return CLOSE;
    if (w->refused && !mp__load(&pool->ready))
        return GIVE_UP;
    if (too_many_deaths(pool))
        return GIVE_UP;
    return w->retry == 0 || mp__now() >= w->retry ? FILL : NOTHING;
}

/* What there is to do at a post that has no keeper but perhaps the caller. */
static enum duty
duty_at(mp_pool *pool, struct mp__worker *w)
{
    int ends = mp__pool_state(pool) >= MP__POOL_TERMINATED;
    mp_process *process;

    if (atomic_load(&w->buried))
        return TIDY;
    switch (mp__worker_stage(w)) {
    case MP__STAGE_VACANT:
        return duty_at_vacant(pool, w);
    case MP__STAGE_STARTING:
        process = atomic_load(&w->process);
        return ends || !process || mp_process_is_alive(process) != 1 ? BURY
                                                                     : NOTHING;
    case MP__STAGE_UP:
    case MP__STAGE_LEAVING:
        return ends || is_dead(mp__load(&w->participant)) ? BURY : NOTHING;
    default:
        return NOTHING;
    }
}

/* ---- Death ---- */

/* Sees to it that the worker has ended, and finds out how. */
static void
investigate(mp_pool *pool, struct mp__worker *w, struct mp__obituary *obituary)
{
    mp_process *process = atomic_load(&w->process);
    mp_time limit = mp_timeout(DEATH_WAIT);

    if (process) {
        mp_process_kill(process); /* its main thread may have ended alone */
        while (mp_process_join(process, limit) == -EINTR)
            ;
    }
    obituary->code =
        mp__pool_state(pool) == MP__POOL_TERMINATED ? -ECANCELED : -ESRCH;
    obituary->why = mp__pool_state(pool) == MP__POOL_BROKEN ? pool->why : NULL;
    snprintf(obituary->who, sizeof(obituary->who), "worker %s:%u (pid %d)",
             pool->name, (unsigned)(w - pool->workers) + 1,
             process ? (int)mp_process_pid(process) : 0);
    if (process)
        mp__process_describe_end(process, obituary->how,
                                 sizeof(obituary->how));
    else
        snprintf(obituary->how, sizeof(obituary->how), "nobody knows how");
}

/* Counts the death. The pool's mutex is held. */
static void
count_death(mp_pool *pool, int held, const struct mp__obituary *obituary)
{
    uint64_t done = work_done(pool);

    if (held || done != mp__load(&pool->ended) ||
        mp__now() - pool->died > ROW_GAP)
        mp__store(&pool->deaths, 0);
    mp__store(&pool->ended, done);
    pool->died = mp__now();
    if (held)
        return;
    mp__add(&pool->deaths, 1);
    snprintf(pool->last, sizeof(pool->last), "%s, %s", obituary->who,
             obituary->how);
}

/* Ends the worker's time at its post; `seen` is the stage it was found in. */
static void
vacate(mp_pool *pool, struct mp__worker *w, uint64_t seen, int held,
       const struct mp__obituary *obituary)
{
    int leaving = (seen & 0xff) == MP__STAGE_LEAVING;
    mp_process *process;

    mp__mutex_lock(&pool->mutex);
    if (mp__load(&w->stage) == seen) {
        if (!leaving)
            count_death(pool, held, obituary);
        process = atomic_load(&w->process);
        if (process)
            w->buried_serial = mp__state_serial(mp__load(&process->state));
        atomic_store(&w->buried, process);
        atomic_store(&w->process, NULL);
        mp__store(&w->participant, 0);
        mp__worker_set_stage(w, leaving ? MP__STAGE_GONE : MP__STAGE_VACANT);
    }
    mp__mutex_unlock(&pool->mutex);
}

/* A keeper that died here may have closed the handle already: the serial tells
 * another process in the same cell. */
static void
tidy(struct mp__worker *w)
{
    mp_process *process = atomic_load(&w->buried);

    if (mp__process_ok(process) &&
        mp__state_serial(mp__load(&process->state)) == w->buried_serial)
        mp_process_close(process);
    atomic_store(&w->buried, NULL);
}

static void
bury(mp_pool *pool, struct mp__worker *w)
{
    uint64_t seen = mp__load(&w->stage);
    int ends = mp__pool_state(pool) >= MP__POOL_TERMINATED;
    struct mp__obituary obituary;
    int held = 0;

    mp__reap(); /* wakes the others who watch this life */
    investigate(pool, w, &obituary);
    if ((seen & 0xff) != MP__STAGE_STARTING && w->ready) {
        mp__queue_settle(pool->queue, &w->claim);
        held += mp__task_settle(w, (uint32_t)(w - pool->workers), &obituary);
        held += mp__job_settle(pool, w, ends, &obituary);
    }
    vacate(pool, w, seen, held, &obituary);
}

/* ---- Birth ---- */

static uint64_t
begin_epoch(mp_pool *pool, struct mp__worker *w)
{
    uint64_t epoch;

    mp__mutex_lock(&pool->mutex);
    epoch = (mp__load(&w->stage) >> 8) + 1;
    mp__store(&w->claim.pointer, 0);
    mp__store(&w->begun, UINT64_MAX);
    w->refused = 0;
    w->ready = 0;
    w->starter = (uint32_t)getpid();
    w->foster = (uint32_t)mp__worker_is_of(pool);
    mp__store(&w->stage, mp__stage_word(epoch, MP__STAGE_STARTING));
    mp__mutex_unlock(&pool->mutex);
    return epoch;
}

static void
record_start(mp_pool *pool, struct mp__worker *w, uint64_t epoch,
             mp_process *process)
{
    mp__mutex_lock(&pool->mutex);
    if (mp__load(&w->stage) >> 8 == epoch) {
        if (process) {
            atomic_store(&w->process, process);
        } else {
            mp__add(&pool->deaths, 1);
            snprintf(pool->last, sizeof(pool->last), "%s", mp_last_error());
            w->retry = mp__now() + RETRY_AFTER;
            mp__worker_set_stage(w, MP__STAGE_VACANT);
        }
    }
    mp__mutex_unlock(&pool->mutex);
}

int
mp__pool_fill(mp_pool *pool, struct mp__worker *w)
{
    struct mp__posting posting = {
        .pool = pool,
        .pool_id = pool->id,
        .index = (uint32_t)(w - pool->workers),
        .epoch = begin_epoch(pool, w),
    };
    char name[MP__POOL_NAME_MAX + 16];
    mp_process *process = NULL;
    int r;

    snprintf(name, sizeof(name), "%s:%u", pool->name, posting.index + 1);
    /* A worker that another worker starts must not die with it: that would
     * take a second task along. */
    r = mp_process_start(
        &process, mp__worker_main, &posting, sizeof(posting),
        MP_PROCESS_ATTR(.name = name, .daemon = 1, .method = pool->method,
                        .on_parent_death =
                            w->foster ? MP_DEATH_STAY : MP_DEATH_KILL));
    record_start(pool, w, posting.epoch, r < 0 ? NULL : process);
    return r;
}

/* ---- Keepers ---- */

/* The pool's mutex, because a pool that is being destroyed under our feet has
 * no posts any more: mp_pool_destroy() takes it too. */
static int
become_keeper(mp_pool *pool, uint64_t id, struct mp__worker *w)
{
    uint64_t keeper;
    int mine = 0;

    mp__mutex_lock(&pool->mutex);
    if (mp__pool_is(pool, id)) {
        keeper = mp__load(&w->keeper);
        mine = is_dead(keeper) &&
               mp__cas(&w->keeper, &keeper, mp__participant_id(mp__me.part));
    }
    mp__mutex_unlock(&pool->mutex);
    return mine;
}

static void
resign(mp_pool *pool, struct mp__worker *w)
{
    mp__store(&w->keeper, 0);
    mp__bell_arm(&pool->bell);
    mp__add(&pool->changes, 1);
    mp__bell_ring(&pool->bell, INT_MAX);
}

static void
close_post(mp_pool *pool, struct mp__worker *w)
{
    mp__job_settle(pool, w, 1, NULL);
    mp__mutex_lock(&pool->mutex);
    mp__worker_set_stage(w, MP__STAGE_GONE);
    mp__mutex_unlock(&pool->mutex);
}

/* Does what there is to do at a post; what remains undone. */
static enum duty
look_after(mp_pool *pool, uint64_t id, struct mp__worker *w)
{
    enum duty duty = duty_at(pool, w);

    if (duty == GIVE_UP && !mp__load(&w->job))
        return GIVE_UP;
    if (duty == NOTHING || !become_keeper(pool, id, w))
        return NOTHING;
    while ((duty = duty_at(pool, w)) != NOTHING) {
        if (duty == TIDY)
            tidy(w);
        else if (duty == BURY)
            bury(pool, w);
        else if (duty == CLOSE)
            close_post(pool, w);
        else if (duty == GIVE_UP || mp__pool_fill(pool, w) < 0)
            break;
    }
    if (duty == GIVE_UP)
        mp__job_settle(pool, w, 1, NULL);
    resign(pool, w);
    return duty;
}

void
mp__pool_kill(mp_pool *pool)
{
    for (uint32_t i = 0; i < pool->count; i++) {
        struct mp__worker *w = &pool->workers[i];
        mp_process *process;

        if (!become_keeper(pool, pool->id, w)) /* who is will see to it */
            continue;
        process = atomic_load(&w->process);
        if (process)
            mp_process_kill(process);
        mp__store(&w->keeper, 0);
    }
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
    struct mp__worker *const workers = pool->workers;
    const uint32_t count = pool->count;
    uint32_t given_up = 0;

    if (!mp__pool_is(pool, id))
        return;
    for (uint32_t i = 0; i < count; i++)
        given_up += look_after(pool, id, &workers[i]) == GIVE_UP;
    if (given_up < count)
        return;
    give_up(pool);
    for (uint32_t i = 0; i < count; i++)
        look_after(pool, id, &workers[i]);
}

void
mp__pool_glance(mp_pool *pool, uint64_t turn)
{
    struct mp__worker *w = &pool->workers[turn % pool->count];

    if (MP__UNLIKELY(mp__worker_stage(w) != MP__STAGE_UP ||
                     is_dead(mp__load_relaxed(&w->participant))))
        mp__pool_attend(pool);
}

int
mp__pool_is_empty(mp_pool *pool)
{
    for (uint32_t i = 0; i < pool->count; i++) {
        struct mp__worker *w = &pool->workers[i];

        if (mp__worker_stage(w) != MP__STAGE_GONE || mp__load(&w->buried) ||
            !is_dead(mp__load(&w->keeper)))
            return 0;
    }
    return 1;
}

/* ---- Sleeping with an eye on them ---- */

/* Those whose death would matter: workers, or who looks after their posts. 0
 * in *sure: not all can be watched. */
static unsigned
whom_to_watch(mp_pool *pool, struct mp__participant **watch, int *sure)
{
    unsigned n = 0;

    for (uint32_t i = 0; i < pool->count && n < WATCH_MOST; i++) {
        struct mp__worker *w = &pool->workers[i];
        struct mp__participant *part =
            mp__participant_find(mp__load(&w->keeper));

        if (mp__worker_stage(w) == MP__STAGE_GONE)
            continue;
        if (part || mp__worker_stage(w) < MP__STAGE_UP)
            *sure = 0;
        else
            part = mp__participant_find(mp__load(&w->participant));
        if (part)
            watch[n++] = part;
        else
            *sure = 0;
    }
    if (pool->count > WATCH_MOST)
        *sure = 0;
    return n;
}

int
mp__pool_sleep(mp_pool *pool, struct mp__bell *bell, mp__a32 *data,
               uint32_t seen, mp_time deadline)
{
    struct mp__participant *watch[WATCH_MOST];
    mp_time until = deadline;
    int sure = 1;
    unsigned n;
    int r = mp__expired(deadline);

    if (r < 0)
        return r;
    n = whom_to_watch(pool, watch, &sure);
    if (!sure && mp__now() + UNSURE_SLICE < until)
        until = mp__now() + UNSURE_SLICE;
    r = mp__bell_wait(bell, data, seen, watch, n, until);
    return r == -ETIMEDOUT ? 0 : r;
}
