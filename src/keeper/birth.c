/* SPDX-License-Identifier: MIT */
/* The start of a worker, at a post that is vacant.
 *
 * Its keeper begins a new epoch of the post, under the pool's mutex, and then
 * makes a process with that epoch, outside every lock. The process takes the
 * post if the epoch is still its own (worker/worker.c). A keeper may be killed
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
#include "keeper/birth.h"

#include "base/error.h"
#include "keeper/bury.h"
#include "keeper/keeper.h"
#include "keeper/settle.h"
#include "os/clock.h"
#include "process/record.h"

#include <stdio.h>

#define RETRY_AFTER 100000000  /* ns, when no process could be started */
#define OOM_AGE     1000000000 /* ns */

/* What the last worker has left in the post that concerns nobody any more. */
static void
clear_post(struct mp__post *post)
{
    if (!mp__task_waits_at(post)) {
        mp__store(&post->claim.pointer, 0);
        mp__store(&post->begun, UINT64_MAX);
    }
    mp__store(&post->expires, 0);
    mp__store(&post->served, 0);
    mp__store(&post->idle, 0);
    post->refused = 0;
    post->ready = 0;
}

/* The processor that the fewest workers are bound to. The mutex is held. */
static uint32_t
choose_cpu(mp_pool *pool)
{
    uint16_t uses[MP__POOL_WORKERS_MAX] = {0};
    uint32_t best = 0;

    for (uint32_t i = 0; i < mp__posts(pool); i++) {
        struct mp__post *post = mp__post_at(pool, i);

        uses[post->cpu] += mp__post_stage(post) == MP__STAGE_STARTING ||
                           mp__post_stage(post) == MP__STAGE_UP;
    }
    for (uint32_t i = 1; i < pool->cpus_count; i++)
        if (uses[i] < uses[best])
            best = i;
    return best;
}

/* 1; 0: there are enough. */
static int
begin_epoch(mp_pool *pool, struct mp__post *post, uint64_t *ret_epoch)
{
    uint64_t kills = mp__pool_oom_kills(pool, OOM_AGE);
    uint32_t foster = !mp__process_is_self(pool->owner);
    int begins;

    mp__mutex_lock(&pool->mutex);
    begins = mp__posts_filled(pool) < mp__load(&pool->wanted) ||
             mp__post_has_work(post);
    if (begins) {
        *ret_epoch = mp__post_epoch(post) + 1;
        clear_post(post);
        post->oom_kills = kills;
        post->foster = foster;
        post->cpu = pool->cpus ? choose_cpu(pool) : 0;
        mp__post_set(pool, post, *ret_epoch, MP__STAGE_STARTING);
    }
    mp__mutex_unlock(&pool->mutex);
    return begins;
}

static void
record_start(mp_pool *pool, struct mp__post *post, uint64_t epoch,
             mp_process *process)
{
    mp__mutex_lock(&pool->mutex);
    if (mp__post_epoch(post) == epoch) {
        if (process) {
            atomic_store(&post->process, process);
        } else {
            mp__add(&pool->deaths, 1);
            snprintf(pool->last, sizeof(pool->last), "%s", mp_last_error());
            post->retry = mp__now() + RETRY_AFTER;
            mp__post_set(pool, post, epoch, MP__STAGE_VACANT);
        }
    }
    mp__mutex_unlock(&pool->mutex);
}

static int
start(mp_pool *pool, struct mp__post *post, const struct mp__posting *posting,
      mp_process **ret_process)
{
    struct mp__budget_environment environment;
    char name[MP__POOL_NAME_MAX + 16], cpu[16];
    mp_process_attr attr = {
        .size = sizeof(attr),
        .name = name,
        .method = pool->method,
        .daemon = 1,
        .on_parent_death = post->foster ? MP_DEATH_STAY : MP_DEATH_KILL,
        .rlimit_as = pool->memory_hard,
    };

    snprintf(name, sizeof(name), "%s:%u", pool->name,
             (unsigned)post->number + 1);
    if (pool->cpus) {
        snprintf(cpu, sizeof(cpu), "%u", (unsigned)pool->cpus[post->cpu]);
        attr.cpus = cpu;
    }
    /* A forked child has the caller's environment, and changes its own: its
     * starter need not wait for it. */
    if (pool->method != MP_FORK && posting->budget.variables) {
        mp__budget_describe(&posting->budget, &environment);
        attr.env = environment.list;
    }
    return mp__process_start(ret_process, mp__worker_main, posting,
                             sizeof(*posting), &attr, (int)post->foster);
}

int
mp__pool_fill(mp_pool *pool, struct mp__post *post)
{
    struct mp__posting posting = {
        .pool = pool,
        .pool_id = pool->id,
        .post = post->number,
        .budget = mp__budget_of_worker(pool),
    };
    mp_process *process = NULL;
    int r;

    if (!begin_epoch(pool, post, &posting.epoch))
        return 0;
    r = start(pool, post, &posting, &process);
    record_start(pool, post, posting.epoch, r < 0 ? NULL : process);
    return r;
}

int
mp__pool_staff(mp_pool *pool, uint32_t count)
{
    const uint64_t id = pool->id;
    int r = 0;

    for (uint32_t i = 0; r == 0 && i < mp__posts(pool); i++) {
        struct mp__post *post = mp__post_at(pool, i);

        if (mp__posts_filled(pool) >= count)
            break;
        if (mp__post_stage(post) != MP__STAGE_VACANT ||
            !mp__post_keep(pool, id, post))
            continue;
        if (mp__post_stage(post) == MP__STAGE_VACANT &&
            !atomic_load(&post->buried))
            r = mp__pool_fill(pool, post);
        mp__post_resign(pool, post);
    }
    return r;
}
