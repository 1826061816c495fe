/* SPDX-License-Identifier: MIT */
/* Results: a task, seen by who submitted it.
 *
 * Any process of the family may ask for a result. Who waits looks after the
 * pool's workers meanwhile (attend.c), for nobody else may do so.
 *
 * A task does not hear of the end of its pool: nobody keeps a list of tasks.
 * Instead, whoever asks compares: a task that is still queued while its pool
 * was terminated, gave up, or is not there any more, will not run, and is
 * ended on the spot. A task that was running when its worker was killed is
 * ended by who buries that worker. */
#include "base/error.h"
#include "pool/task.h"
#include "region/region.h"
#include "region/waiters.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#define SPINS 200 /* looks at the state before sleeping: some 10 us */

/* ---- The end of the pool ---- */

/* A step of a task that is in nobody's hand: 1 if it was as `seen`. */
static int
step(mp_task *task, uint32_t seen, enum mp__task_phase phase)
{
    uint32_t flags = seen & (MP__TASK_ABANDONED | MP__TASK_SETTLED);
    int done;

    mp__bell_arm(&task->bell);
    done = mp__cas(&task->state, &seen, flags | phase);
    mp__bell_ring(&task->bell, INT_MAX);
    return done;
}

/* Its error is written between two steps; any number of helpers write the
 * same. */
static void
finish_lost(mp_task *task, uint32_t seen)
{
    task->code = -ESRCH;
    if (mp__pool_is(task->pool, task->pool_id))
        snprintf(task->text, sizeof(task->text), "pool broken: %s",
                 task->pool->why);
    else
        snprintf(task->text, sizeof(task->text), "pool broken");
    step(task, seen, MP__TASK_FAILED);
}

int
mp__task_overtake(mp_task *task, uint32_t seen)
{
    int gone = !mp__pool_is(task->pool, task->pool_id);
    enum mp__pool_state pool_state =
        gone ? MP__POOL_TERMINATED : mp__pool_state(task->pool);

    if (pool_state < MP__POOL_TERMINATED)
        return 0;
    switch (mp__task_phase(seen)) {
    case MP__TASK_QUEUED:
        step(task, seen,
             pool_state == MP__POOL_BROKEN ? MP__TASK_LOST
                                           : MP__TASK_TERMINATED);
        return 1;
    case MP__TASK_LOST:
        finish_lost(task, seen);
        return 1;
    case MP__TASK_RUNNING:
        if (gone)
            step(task, seen, MP__TASK_TERMINATED);
        return gone;
    default:
        return 0;
    }
}

/* ---- Waiting ---- */

/* The task of a handle; NULL with `*ret` set. */
static mp_task *
task_of(mp_result *result, const char *function, int *ret)
{
    mp_task *task = (mp_task *)result;

    *ret = mp__enter();
    if (*ret < 0)
        return NULL;
    if (mp__object_ok(task, MP__SLAB_TASK) &&
        !(mp__load_relaxed(&task->state) & MP__TASK_ABANDONED))
        return task;
    *ret = mp__fail_handle(function, result, "a result");
    return NULL;
}

static int
spin(mp_task *task)
{
    for (int n = mp__view.cpus > 1 ? SPINS : 1; n > 0; n--) {
        if (mp__task_has_ended(mp__load_acquire(&task->state)))
            return 1;
        mp__cpu_relax();
    }
    return 0;
}

/* Whether it has ended, after a look at the pool. */
static int
look(mp_task *task)
{
    uint32_t seen = mp__load_acquire(&task->state);

    if (mp__task_has_ended(seen))
        return 1;
    if (mp__pool_is(task->pool, task->pool_id))
        mp__pool_attend(task->pool);
    seen = mp__load_acquire(&task->state);
    while (!mp__task_has_ended(seen) && mp__task_overtake(task, seen))
        seen = mp__load_acquire(&task->state);
    return mp__task_has_ended(seen);
}

static int
sleep_until_end(mp_task *task, mp_time deadline)
{
    uint32_t seen;
    int r = 0;

    while (!look(task)) {
        if (r < 0)
            return r;
        seen = mp__load_acquire(&task->state);
        if (!mp__task_has_ended(seen))
            r = mp__pool_sleep(task->pool, &task->bell, &task->state, seen,
                               deadline);
    }
    return 0;
}

static int
wait_for_end(mp_task *task, mp_time deadline)
{
    int r;

    if (deadline == MP_NOW)
        return look(task) ? 0 : -EAGAIN;
    if (spin(task))
        return 0;
    mp__wait_begin(&task->bell);
    r = sleep_until_end(task, deadline);
    mp__wait_end();
    return r;
}

int
mp_result_wait(mp_result *result, mp_time deadline)
{
    int r;
    mp_task *task = task_of(result, "mp_result_wait", &r);

    return task ? wait_for_end(task, deadline) : r;
}

int
mp_result_ready(mp_result *result)
{
    int r;
    mp_task *task = task_of(result, "mp_result_ready", &r);

    return task ? look(task) : r;
}

int
mp_result_successful(mp_result *result)
{
    int r;
    mp_task *task = task_of(result, "mp_result_successful", &r);

    if (!task)
        return r;
    if (!look(task))
        return -EAGAIN;
    return mp__task_phase(mp__load_acquire(&task->state)) == MP__TASK_DONE;
}

/* ---- What came out ---- */

static const char *
error_text(mp_task *task, enum mp__task_phase phase)
{
    switch (phase) {
    case MP__TASK_FAILED:
        return task->text;
    case MP__TASK_CANCELLED:
        return "cancelled before it began";
    case MP__TASK_TERMINATED:
        return "the pool was terminated before the task had ended";
    default:
        return NULL;
    }
}

ssize_t
mp_result_get(mp_result *result, void *buf, size_t cap, mp_time deadline)
{
    int r;
    mp_task *task = task_of(result, "mp_result_get", &r);
    enum mp__task_phase phase;

    if (!task)
        return r;
    r = wait_for_end(task, deadline);
    if (r < 0)
        return r;
    phase = mp__task_phase(mp__load_acquire(&task->state));
    if (phase != MP__TASK_DONE)
        return mp__fail(phase == MP__TASK_FAILED ? task->code : -ECANCELED,
                        "%s", error_text(task, phase));
    if (task->result_size > cap)
        return mp__fail(-EMSGSIZE,
                        "mp_result_get: the result has %llu bytes, the "
                        "buffer %zu",
                        (unsigned long long)task->result_size, cap);
    if (task->result_size && !buf)
        return mp__fail(-EINVAL, "mp_result_get: buf is NULL");
    if (task->result_size)
        memcpy(buf, task->result_block ? task->result_block : task->result,
               task->result_size);
    return (ssize_t)task->result_size;
}

const char *
mp_result_error(mp_result *result)
{
    int r;
    mp_task *task = task_of(result, "mp_result_error", &r);

    if (!task || !look(task))
        return NULL;
    return error_text(task, mp__task_phase(mp__load_acquire(&task->state)));
}

int
mp_result_cancel(mp_result *result)
{
    int r;
    mp_task *task = task_of(result, "mp_result_cancel", &r);
    uint32_t seen;

    if (!task)
        return r;
    look(task);
    seen = mp__load(&task->state);
    if (mp__task_phase(seen) == MP__TASK_QUEUED &&
        step(task, seen, MP__TASK_CANCELLED))
        return 0;
    return mp__fail(-EALREADY, "mp_result_cancel: task %llu has begun",
                    (unsigned long long)task->number);
}

int
mp_result_free(mp_result *result)
{
    int r;
    mp_task *task;
    uint32_t seen;

    if (!result)
        return 0;
    task = task_of(result, "mp_result_free", &r);
    if (!task)
        return r;
    seen = atomic_fetch_or(&task->state, MP__TASK_ABANDONED);
    if (seen & MP__TASK_ABANDONED)
        return mp__fail_handle("mp_result_free", result, "a result");
    if (seen & MP__TASK_SETTLED)
        mp__task_release(task);
    return 0;
}
