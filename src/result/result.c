/* SPDX-License-Identifier: MIT */
/* Results: a task, seen by who submitted it. (The handle of a map that nobody
 * waits for is a result, too: map_result.c.)
 *
 * Any process of the family may ask for a result. Who waits looks after the
 * pool's workers meanwhile (keeper/attend.c), for nobody else may do so.
 *
 * A task does not hear of the end of its pool: nobody keeps a list of tasks.
 * Instead, whoever asks compares: a task that is still queued while its pool
 * was terminated, gave up, or is not there any more, will not run, and is
 * ended on the spot. A task that was running when its worker was killed is
 * ended by who buries that worker. */
#include "result/result.h"

#include "base/error.h"
#include "bell/waiters.h"
#include "keeper/attend.h"
#include "keeper/watch.h"
#include "progress/pool_bar.h"
#include "region/region.h"
#include "result/callback.h"
#include "result/far.h"

#include <errno.h>
#include <string.h>

#define SPINS 200 /* looks at the state before sleeping: some 10 us */

static inline mp_task *
task_of(mp_result *result, const char *function, int *ret)
{
    mp_task *task = (mp_task *)result;

    *ret = mp__enter();
    if (MP__UNLIKELY(*ret < 0))
        return NULL;
    if (MP__LIKELY(mp__object_ok(task, MP__SLAB_TASK) &&
                   !(mp__load_relaxed(&task->state) & MP__TASK_ABANDONED)))
        return task;
    *ret = mp__far_enter(result, MP__SLAB_TASK, function, "a result");
    if (*ret == -EBADF)
        *ret = mp__far_enter(result, MP__SLAB_JOB, function, "a result");
    return NULL;
}

mp_task *
mp__result_task(mp_result *result, const char *function, int *ret)
{
    return task_of(result, function, ret);
}

/* The map of a handle, if it is one of a map. */
static inline struct mp__job *
map_of(mp_result *result)
{
    return MP__LIKELY(mp__object_ok(result, MP__SLAB_TASK))
               ? NULL
               : mp__job_of(result);
}

/* ---- Waiting ---- */

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

int
mp__task_look(mp_task *task)
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

    while (!mp__task_look(task)) {
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
    int r = 0;

    if (deadline == MP_NOW) {
        r = mp__task_look(task) ? 0 : -EAGAIN;
    } else if (!spin(task)) {
        mp__wait_begin(&task->bell);
        r = sleep_until_end(task, deadline);
        mp__wait_end();
    }
    if (mp__pool_is(task->pool, task->pool_id)) {
        mp__pool_bar_rest(task->pool);
        mp__callbacks_run(task->pool);
    }
    return r;
}

int
mp_result_wait(mp_result *result, mp_time deadline)
{
    struct mp__job *job = map_of(result);
    mp_task *task;
    int r;

    if (job)
        return mp__job_wait(job, deadline);
    task = task_of(result, "mp_result_wait", &r);
    return task ? wait_for_end(task, deadline)
                : (int)MP__FAR(r, result, deadline, "");
}

int
mp_result_ready(mp_result *result)
{
    struct mp__job *job = map_of(result);
    mp_task *task;
    int r;

    if (job)
        return mp__result_after_look(result, mp__job_look(job));
    task = task_of(result, "mp_result_ready", &r);
    return task ? mp__result_after_look(result, mp__task_look(task))
                : (int)MP__FAR(r, result, MP__FAR_PLAIN, "");
}

int
mp_result_successful(mp_result *result)
{
    struct mp__job *job = map_of(result);
    mp_task *task;
    int r;

    if (job)
        return mp__job_successful(job);
    task = task_of(result, "mp_result_successful", &r);
    if (!task)
        return (int)MP__FAR(r, result, MP__FAR_PLAIN, "");
    if (!mp__task_look(task))
        return -EAGAIN;
    return mp__task_phase(mp__load_acquire(&task->state)) == MP__TASK_DONE;
}

/* ---- What came out ---- */

static const char *
error_text(mp_task *task, uint32_t state)
{
    switch (mp__task_phase(state)) {
    case MP__TASK_FAILED:
        return task->text_block ? task->text_block : task->text;
    case MP__TASK_CANCELLED:
        return state & MP__TASK_CANCELLING ? "cancelled after it had begun"
                                           : "cancelled before it began";
    case MP__TASK_TERMINATED:
        return "the pool was terminated before the task had ended";
    default:
        return NULL;
    }
}

/* The size of the result of a task that has ended, or its code. */
static ssize_t
size_of_result(mp_task *task)
{
    uint32_t state = mp__load_acquire(&task->state);
    enum mp__task_phase phase = mp__task_phase(state);

    if (phase != MP__TASK_DONE)
        return mp__fail(phase == MP__TASK_FAILED ? task->code : -ECANCELED,
                        "%s", error_text(task, state));
    return (ssize_t)task->result_size;
}

/* The result of a task that has ended. */
static ssize_t
copy_result(mp_task *task, void *buf, size_t cap)
{
    ssize_t size = size_of_result(task);

    if (size < 0)
        return size;
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
    return size;
}

ssize_t
mp_result_size(mp_result *result)
{
    struct mp__job *job = map_of(result);
    mp_task *task;
    int r;

    if (job)
        return mp__job_look(job) ? mp__job_size(job) : -EAGAIN;
    task = task_of(result, "mp_result_size", &r);
    if (!task)
        return MP__FAR(r, result, MP__FAR_PLAIN, "");
    return mp__task_look(task) ? size_of_result(task) : -EAGAIN;
}

ssize_t
mp_result_get(mp_result *result, void *buf, size_t cap, mp_time deadline)
{
    struct mp__job *job = map_of(result);
    mp_task *task;
    int r;

    if (job) {
        r = mp__job_wait(job, deadline);
        return r < 0 ? r : mp__job_get(job, buf, cap);
    }
    task = task_of(result, "mp_result_get", &r);
    if (r == -EREMOTE)
        return mp__result_far_get(result, buf, cap, deadline);
    if (task)
        r = wait_for_end(task, deadline);
    return r < 0 ? r : copy_result(task, buf, cap);
}

const char *
mp_result_error(mp_result *result)
{
    struct mp__job *job = map_of(result);
    mp_task *task;
    int r;

    if (job)
        return mp__job_error(job);
    task = task_of(result, "mp_result_error", &r);
    if (r == -EREMOTE)
        return mp__result_far_error(result);
    if (!task || !mp__task_look(task))
        return NULL;
    return error_text(task, mp__load_acquire(&task->state));
}

int
mp_result_free(mp_result *result)
{
    struct mp__job *job = map_of(result);
    mp_task *task;
    uint32_t seen;
    int r;

    if (!result)
        return 0;
    if (job)
        return mp__job_give_back(job);
    task = task_of(result, "mp_result_free", &r);
    if (!task)
        return r == -EREMOTE ? mp__result_far_free(result) : r;
    /* A callback that is to come gets the result, and frees it. */
    if (task->inbox && mp__callback_adopt(result, task->number))
        return 0;
    mp__result_forget(result);
    seen = atomic_fetch_or(&task->state, MP__TASK_ABANDONED);
    if (seen & MP__TASK_ABANDONED)
        return mp__fail_handle("mp_result_free", result, "a result");
    if (seen & MP__TASK_SETTLED)
        mp__task_release(task);
    return 0;
}
