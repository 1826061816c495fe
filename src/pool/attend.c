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
 *   settle  what the dead worker had in hand: bury.c
 *   VACANT  counts the death; the process's handle is put aside, to be closed
 *   START.. a new epoch; then a process is started with it: birth.c
 *   UP      set by the worker itself, if the epoch is still its own
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
 * has ended; and when nobody is left either, the pool is broken.
 *
 * The owner may be busy with something else for long. So workers look around
 * between two tasks, one post at a time, and attend to the pool when somebody
 * has been missing for a while: no sooner, for the owner's own calls are to
 * come first, whose children are not foster ones. */
#include "pool/job.h"
#include "pool/pool.h"
#include "pool/progress.h"
#include "pool/task.h"

#include "base/error.h"
#include "os/clock.h"
#include "process/record.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>

#define MISSING      100000000 /* ns, after which workers see to it */
#define UNSURE_SLICE 5000000   /* ns, while not everybody can be watched */
#define WATCH_MOST   120u

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
is_done(mp_pool *pool, struct mp__worker *w)
{
    return mp__pool_state(pool) == MP__POOL_CLOSED &&
           mp__pool_queued(pool) == 0 && !mp__task_waits_at(w) &&
           !mp__job_pending(pool);
}

static enum duty
duty_at_vacant(mp_pool *pool, struct mp__worker *w)
{
    if (mp__pool_state(pool) >= MP__POOL_TERMINATED || is_done(pool, w))
        return CLOSE;
    if (w->refused && !mp__load(&pool->ready))
        return GIVE_UP;
    if (too_many_deaths(pool))
        return GIVE_UP;
    if (w->retry != 0 && mp__now() < w->retry)
        return NOTHING;
    return mp__post_has_work(w) || mp__posts_wanted(pool) ? FILL : NOTHING;
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
    case MP__STAGE_RELIEVED:
    case MP__STAGE_LEAVING:
        return ends || mp__is_dead(mp__load(&w->participant)) ||
                       mp__post_is_condemned(w)
                   ? BURY
                   : NOTHING;
    default:
        return NOTHING;
    }
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

/* ---- Keepers ---- */

/* The pool's mutex, because a pool that is being destroyed under our feet has
 * no posts any more: mp_pool_destroy() takes it too. */
int
mp__post_keep(mp_pool *pool, uint64_t id, struct mp__worker *w)
{
    uint64_t keeper;
    int mine = 0;

    mp__mutex_lock(&pool->mutex);
    if (mp__pool_is(pool, id)) {
        keeper = mp__load(&w->keeper);
        mine = mp__is_dead(keeper) &&
               mp__cas(&w->keeper, &keeper, mp__participant_id(mp__me.part));
    }
    mp__mutex_unlock(&pool->mutex);
    return mine;
}

void
mp__post_resign(mp_pool *pool, struct mp__worker *w)
{
    mp__store(&w->keeper, 0);
    mp__bell_arm(&pool->bell);
    mp__add(&pool->changes, 1);
    mp__bell_ring(&pool->bell, INT_MAX);
}

static void
close_post(mp_pool *pool, struct mp__worker *w)
{
    mp__task_forsake(w);
    mp__job_settle(pool, w, 1, NULL);
    mp__mutex_lock(&pool->mutex);
    mp__post_set(pool, w, mp__worker_epoch(w), MP__STAGE_GONE);
    mp__mutex_unlock(&pool->mutex);
}

/* Does what there is to do at a post; what remains undone. */
static enum duty
look_after(mp_pool *pool, uint64_t id, struct mp__worker *w)
{
    enum duty duty = duty_at(pool, w);

    if (duty == GIVE_UP && !mp__post_has_work(w))
        return GIVE_UP;
    if (duty == NOTHING || !mp__post_keep(pool, id, w))
        return NOTHING;
    while ((duty = duty_at(pool, w)) != NOTHING) {
        if (duty == TIDY)
            tidy(w);
        else if (duty == BURY)
            mp__pool_bury(pool, w);
        else if (duty == CLOSE)
            close_post(pool, w);
        else if (duty == GIVE_UP || mp__pool_fill(pool, w) < 0)
            break;
    }
    if (duty == GIVE_UP) {
        mp__task_forsake(w);
        mp__job_settle(pool, w, 1, NULL);
    }
    mp__post_resign(pool, w);
    return duty;
}

void
mp__pool_kill(mp_pool *pool)
{
    for (uint32_t i = 0; i < mp__posts(pool); i++) {
        struct mp__worker *w = mp__post(pool, i);
        mp_process *process;

        if (!mp__post_keep(pool, pool->id, w)) /* who is will see to it */
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
    const uint32_t count = mp__posts(pool);
    uint32_t given_up = 0;

    if (!mp__pool_is(pool, id))
        return;
    for (uint32_t i = 0; i < count; i++)
        given_up += look_after(pool, id, mp__post(pool, i)) == GIVE_UP;
    if (given_up < count)
        return;
    give_up(pool);
    for (uint32_t i = 0; i < count; i++)
        look_after(pool, id, mp__post(pool, i));
}

/* Whether somebody is wanted at the post who is not there. */
static int
is_missed(mp_pool *pool, struct mp__worker *w)
{
    switch (mp__worker_stage(w)) {
    case MP__STAGE_UP:
        return mp__is_dead(mp__load_relaxed(&w->participant));
    case MP__STAGE_VACANT:
        return mp__post_has_work(w) || mp__posts_wanted(pool);
    default:
        return 1;
    }
}

void
mp__pool_glance(mp_pool *pool, uint64_t turn)
{
    struct mp__worker *w = mp__post(pool, (uint32_t)(turn % mp__posts(pool)));

    if (MP__UNLIKELY(is_missed(pool, w)))
        mp__pool_attend(pool);
}

/* Who was found missing, and when; of this process. */
static struct {
    struct mp__worker *post;
    uint64_t stage;
    mp_time since;
} missing;

/* Whether the one who was missing is so still, as it was. */
static int
is_still_missing(mp_pool *pool)
{
    return missing.post && missing.post->pool == pool &&
           missing.stage == mp__load(&missing.post->stage) &&
           is_missed(pool, missing.post);
}

/* Looks for one who is missing among `count` posts. */
static void
look(mp_pool *pool, const struct mp__worker *w, uint32_t first, uint32_t count)
{
    missing.post = NULL;
    for (uint32_t i = 0; i < count && !missing.post; i++) {
        struct mp__worker *other =
            mp__post(pool, (first + i) % mp__posts(pool));

        if (other == w || MP__LIKELY(!is_missed(pool, other)))
            continue;
        missing.post = other;
        missing.stage = mp__load(&other->stage);
        missing.since = mp__now();
    }
}

static void
look_for_missing(mp_pool *pool, const struct mp__worker *w, uint32_t first,
                 uint32_t count)
{
    if (MP__LIKELY(!missing.post) || !is_still_missing(pool)) {
        look(pool, w, first, count);
    } else if (mp__now() - missing.since >= MISSING) {
        mp__pool_attend(pool);
        missing.post = NULL;
    }
}

void
mp__pool_look_around(mp_pool *pool, struct mp__worker *w)
{
    static uint32_t turn;

    look_for_missing(pool, w, ++turn, 1);
}

void
mp__pool_look_at_all(mp_pool *pool, struct mp__worker *w)
{
    look_for_missing(pool, w, 0, mp__posts(pool));
}

int
mp__pool_is_empty(mp_pool *pool)
{
    for (uint32_t i = 0; i < mp__posts(pool); i++) {
        struct mp__worker *w = mp__post(pool, i);

        if (mp__worker_stage(w) != MP__STAGE_GONE || mp__load(&w->buried) ||
            !mp__is_dead(mp__load(&w->keeper)))
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

    for (uint32_t i = 0; i < mp__posts(pool) && n < WATCH_MOST; i++) {
        struct mp__worker *w = mp__post(pool, i);
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
    if (mp__posts(pool) > WATCH_MOST)
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
    if (MP__UNLIKELY(pool->progress))
        until = mp__pool_bar_show(pool, until);
    r = mp__bell_wait(bell, data, seen, watch, n, until);
    return r == -ETIMEDOUT ? 0 : r;
}
