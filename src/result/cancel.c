/* SPDX-License-Identifier: MIT */
/* Cancelling.
 *
 * A task that is in nobody's hand, QUEUED or AGAIN, is CANCELLED by one step;
 * of a worker that begins it at the same instant and who cancels, one wins.
 * Where it lies it is found later, and let go.
 *
 * A task that is RUNNING gets a flag, CANCELLING: that is the commit, for
 * whoever ends it from then on ends it as CANCELLED. And its worker never takes
 * another task, because it sees the flag at the step that ends this one. So who
 * attends to the post may kill the worker without asking what it is at by now:
 * no other task is ever hit. If the canceller dies after the flag, the next who
 * attends does the killing; if the worker was faster, there is nothing to do.
 *
 * A map is cancelled by one store, `cancelled`, under the job's mutex: a map of
 * which all items have ended never is, and of a cancelled one no range is taken
 * any more. Who dies right after it leaves the rest to repair. Workers that are
 * at cheap items see `stop` and leave by themselves within a moment; those that
 * do not are killed by whoever attends (keeper/settle_map.c). */
#include "result/result.h"

#include "base/error.h"
#include "os/clock.h"
#include "region/far.h"

#include <errno.h>

/* The step from `seen`, if there is one. 1: it is done; 0: look again. */
static int
cancel_as_seen(mp_task *task, uint32_t seen)
{
    switch (mp__task_phase(seen)) {
    case MP__TASK_QUEUED:
        return mp__task_step(task, seen, MP__TASK_CANCELLED);
    case MP__TASK_AGAIN:
        return mp__task_step(task, seen,
                             MP__TASK_CANCELLED | MP__TASK_CANCELLING);
    case MP__TASK_RUNNING:
        return mp__cas(&task->state, &seen, seen | MP__TASK_CANCELLING);
    default:
        return 0;
    }
}

static int
cancel_task(mp_task *task)
{
    uint32_t seen;

    mp__task_look(task);
    do {
        seen = mp__load(&task->state);
        if (mp__task_has_ended(seen) || mp__task_phase(seen) == MP__TASK_LOST)
            return mp__fail(-EALREADY, "mp_result_cancel: task %llu has ended",
                            (unsigned long long)task->number);
    } while (!(seen & MP__TASK_CANCELLING) && !cancel_as_seen(task, seen));
    if (!(seen & MP__TASK_CANCELLING) &&
        mp__pool_is(task->pool, task->pool_id))
        mp__add(&task->pool->cancelled, 1);
    mp__task_look(task); /* which kills */
    return 0;
}

static int
cancel_map(struct mp__job *job)
{
    mp__job_look(job);
    if (!mp__job_cancel(job))
        return mp__fail(-EALREADY, "mp_result_cancel: map %llu has ended",
                        (unsigned long long)job->number);
    while (!mp__job_look(job))
        mp__job_sleep(job, mp__now() + MP__JOB_GRACE);
    return 0;
}

int
mp_result_cancel(mp_result *result)
{
    struct mp__job *job = mp__job_of(result);
    mp_task *task;
    int r;

    if (job)
        return cancel_map(job);
    task = mp__result_task(result, "mp_result_cancel", &r);
    return task ? cancel_task(task)
                : (int)MP__FAR(r, result, MP__FAR_PLAIN, "");
}
