/* SPDX-License-Identifier: MIT */
/* The start of a worker, at a post that is vacant.
 *
 * Its keeper begins a new epoch of the post, under the pool's mutex, and then
 * makes a process with that epoch, outside every lock. The process takes the
 * post if the epoch is still its own (worker.c). A keeper may be killed
 *
 *   before the epoch     nothing has happened
 *   before the process   the post is STARTING, without a process: the next
 *                        keeper buries nobody, and begins another epoch
 *   after it             the worker takes the post, and writes its own handle
 *                        there; or comes after the next epoch has begun, and
 *                        goes home. Its record is lost then, until the pool's
 *                        memory is: a cell
 *
 * Whether a worker is still wanted is looked at once more with the mutex held,
 * so that two keepers at two posts do not start more than there are to be. But
 * a post where the last worker has left work behind gets its next one in any
 * case: nobody else can do that work.
 *
 * A worker is a child of who starts it. One that was started by another process
 * than the pool's owner must not end with it, for the task it runs has nothing
 * to do with that one: it is a foster child, which stays, is not known to its
 * parent's exit, and looks for the owner by itself. */
#include "base/error.h"
#include "os/clock.h"
#include "pool/pool.h"
#include "pool/task.h"
#include "process/record.h"

#include <stdio.h>

#define RETRY_AFTER 100000000  /* ns, when no process could be started */
#define OOM_AGE     1000000000 /* ns */

/* What the last worker has left in the post that concerns nobody any more. */
static void
clear_post(struct mp__worker *w)
{
    if (!mp__task_waits_at(w)) {
        mp__store(&w->claim.pointer, 0);
        mp__store(&w->begun, UINT64_MAX);
    }
    mp__store(&w->expires, 0);
    mp__store(&w->served, 0);
    mp__store(&w->idle, 0);
    w->refused = 0;
    w->ready = 0;
}

/* The processor that the fewest workers are bound to. The mutex is held. */
static uint32_t
choose_cpu(mp_pool *pool)
{
    uint16_t uses[MP__POOL_WORKERS_MAX] = {0};
    uint32_t best = 0;

    for (uint32_t i = 0; i < mp__posts(pool); i++) {
        struct mp__worker *w = mp__post(pool, i);

        uses[w->cpu] += mp__worker_stage(w) == MP__STAGE_STARTING ||
                        mp__worker_stage(w) == MP__STAGE_UP;
    }
    for (uint32_t i = 1; i < pool->cpus_count; i++)
        if (uses[i] < uses[best])
            best = i;
    return best;
}

/* 1; 0: there are enough. */
static int
begin_epoch(mp_pool *pool, struct mp__worker *w, uint64_t *ret_epoch)
{
    uint64_t kills = mp__pool_oom_kills(pool, OOM_AGE);
    uint32_t foster = !mp__process_is_self(pool->owner);
    int begins;

    mp__mutex_lock(&pool->mutex);
    begins = mp__posts_filled(pool) < mp__load(&pool->wanted) ||
             mp__post_has_work(w);
    if (begins) {
        *ret_epoch = mp__worker_epoch(w) + 1;
        clear_post(w);
        w->oom_kills = kills;
        w->foster = foster;
        w->cpu = pool->cpus ? choose_cpu(pool) : 0;
        mp__post_set(pool, w, *ret_epoch, MP__STAGE_STARTING);
    }
    mp__mutex_unlock(&pool->mutex);
    return begins;
}

static void
record_start(mp_pool *pool, struct mp__worker *w, uint64_t epoch,
             mp_process *process)
{
    mp__mutex_lock(&pool->mutex);
    if (mp__worker_epoch(w) == epoch) {
        if (process) {
            atomic_store(&w->process, process);
        } else {
            mp__add(&pool->deaths, 1);
            snprintf(pool->last, sizeof(pool->last), "%s", mp_last_error());
            w->retry = mp__now() + RETRY_AFTER;
            mp__post_set(pool, w, epoch, MP__STAGE_VACANT);
        }
    }
    mp__mutex_unlock(&pool->mutex);
}

static int
start(mp_pool *pool, struct mp__worker *w, const struct mp__posting *posting,
      mp_process **ret_process)
{
    struct mp__budget_environment environment;
    char name[MP__POOL_NAME_MAX + 16], cpu[16];
    mp_process_attr attr = {
        .size = sizeof(attr),
        .name = name,
        .method = pool->method,
        .daemon = 1,
        .on_parent_death = w->foster ? MP_DEATH_STAY : MP_DEATH_KILL,
        .rlimit_as = pool->memory_hard,
    };

    snprintf(name, sizeof(name), "%s:%u", pool->name, (unsigned)w->post + 1);
    if (pool->cpus) {
        snprintf(cpu, sizeof(cpu), "%u", (unsigned)pool->cpus[w->cpu]);
        attr.cpus = cpu;
    }
    /* A forked child has the caller's environment, and changes its own: its
     * starter need not wait for it. */
    if (pool->method != MP_FORK && posting->budget.variables) {
        mp__budget_describe(&posting->budget, &environment);
        attr.env = environment.list;
    }
    return mp__process_start(ret_process, mp__worker_main, posting,
                             sizeof(*posting), &attr, (int)w->foster);
}

int
mp__pool_fill(mp_pool *pool, struct mp__worker *w)
{
    struct mp__posting posting = {
        .pool = pool,
        .pool_id = pool->id,
        .post = w->post,
        .budget = mp__budget_of_worker(pool),
    };
    mp_process *process = NULL;
    int r;

    if (!begin_epoch(pool, w, &posting.epoch))
        return 0;
    r = start(pool, w, &posting, &process);
    record_start(pool, w, posting.epoch, r < 0 ? NULL : process);
    return r;
}

int
mp__pool_staff(mp_pool *pool, uint32_t count)
{
    const uint64_t id = pool->id;
    int r = 0;

    for (uint32_t i = 0; r == 0 && i < mp__posts(pool); i++) {
        struct mp__worker *w = mp__post(pool, i);

        if (mp__posts_filled(pool) >= count)
            break;
        if (mp__worker_stage(w) != MP__STAGE_VACANT ||
            !mp__post_keep(pool, id, w))
            continue;
        if (mp__worker_stage(w) == MP__STAGE_VACANT &&
            !atomic_load(&w->buried))
            r = mp__pool_fill(pool, w);
        mp__post_resign(pool, w);
    }
    return r;
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
