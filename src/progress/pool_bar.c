/* SPDX-License-Identifier: MIT */
/* The bar of a pool: its tasks, drawn while somebody waits for them.
 *
 * Waits are short, work is long: one waits for a result, and then for the next.
 * So the bar is not that of a wait, but of the pool: it begins when somebody
 * waits and there are tasks, and ends when there are none. It counts the tasks
 * that had not ended at its beginning, and those that have come since. A
 * process draws one at a time. */
#include "progress/pool_bar.h"

#include "progress/bar.h"
#include "progress/tally.h"

#include <unistd.h>

static struct {
    mp__a32 busy; /* 1: a thread is in here, the others go on */
    pid_t pid;    /* whose it is */
    mp_pool *pool;
    uint64_t id; /* of the pool */
    int active;
    uint64_t ended, failed; /* before it began */
    struct mp__bar bar;
} own;

/* 1: this thread alone is in here. */
static int
begin(void)
{
    if (mp__swap(&own.busy, 1))
        return 0;
    if (own.pid != getpid()) { /* a copy */
        own.active = 0;
        own.pid = getpid();
    }
    if (own.active && !mp__pool_is(own.pool, own.id)) {
        mp__bar_end(&own.bar);
        own.active = 0;
    }
    return 1;
}

static void
end(void)
{
    mp__store(&own.busy, 0);
}

static int
is_own(mp_pool *pool)
{
    return own.active && own.pool == pool && own.id == pool->id;
}

static void
open_bar(mp_pool *pool, const struct mp__tasks *t, uint64_t ended)
{
    own.pool = pool;
    own.id = pool->id;
    own.ended = ended;
    own.failed = t->failed;
    own.active = 1;
    mp__bar_begin(&own.bar, pool->name, t->submitted - ended);
}

static mp_time
show(mp_pool *pool)
{
    struct mp__tasks t;
    uint64_t ended;
    mp_time next;

    mp__tally_tasks(pool, &t);
    ended = t.done + t.failed + t.cancelled;
    if (!own.active && ended < t.submitted)
        open_bar(pool, &t, ended);
    if (!is_own(pool))
        return MP_FOREVER;
    next = mp__bar_show(&own.bar, t.submitted - own.ended, ended - own.ended,
                        t.failed - own.failed);
    if (ended >= t.submitted) {
        mp__bar_end(&own.bar);
        own.active = 0;
        next = MP_FOREVER;
    }
    return next;
}

/* A task that waits for another of its own pool draws nothing. */
static int
is_worker(mp_pool *pool)
{
    uint64_t me = mp__participant_id(mp__me.part);

    for (uint32_t i = 0; i < mp__posts(pool); i++)
        if (mp__load(&mp__post_at(pool, i)->participant) == me)
            return 1;
    return 0;
}

mp_time
mp__pool_bar_show(mp_pool *pool, mp_time until)
{
    mp_time next;

    if (is_worker(pool) || !begin())
        return until;
    next = show(pool);
    end();
    return next < until ? next : until;
}

void
mp__pool_bar_rest(mp_pool *pool)
{
    if (!pool->progress || !own.active || !begin())
        return;
    if (is_own(pool))
        show(pool);
    end();
}

void
mp__pool_bar_end(mp_pool *pool)
{
    if (!pool->progress || !begin())
        return;
    if (is_own(pool)) {
        show(pool);
        if (own.active)
            mp__bar_end(&own.bar);
        own.active = 0;
    }
    end();
}
