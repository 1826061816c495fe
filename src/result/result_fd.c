/* SPDX-License-Identifier: MIT */
/* Waiting for a result in poll(): mp_result_fd(), and results in mp_wait().
 *
 * Who ends a task or a map tells its pollers before (bell/notice.h). Who dies
 * at that was a worker, or the keeper of a post, and those are on the lookout's
 * list (lookout.h): the program looks after the pool then, and it is ended all
 * the same. */
#include "result/result.h"

#include "base/error.h"
#include "bell/waitable.h"
#include "result/lookout.h"

#include <errno.h>

/* A task or a map. */
struct target {
    mp_task *task; /* NULL: a map */
    struct mp__job *job;
    mp_pool *pool;
    uint64_t pool_id;
    mp__notice_at *notice;
};

static struct target
target_of(mp_result *result)
{
    mp_task *task = (mp_task *)result;
    struct mp__job *job = (struct mp__job *)result;

    if (mp__object_ok(result, MP__SLAB_TASK))
        return (struct target){task, NULL, task->pool, task->pool_id,
                               &task->notice};
    return (struct target){NULL, job, job->pool, job->pool_id, &job->notice};
}

static int
has_ended(const struct target *t)
{
    return t->task ? mp__task_has_ended(mp__load(&t->task->state))
                   : mp__job_is_done(t->job);
}

/* ---- Arming ---- */

static MP__COLD void
arm(const struct target *t)
{
    struct mp__notice *notice = atomic_load(t->notice);
    struct mp__poller *poller =
        notice ? mp__poller_begin(&notice->pollers) : NULL;
    int r;

    if (!poller)
        return;
    /* A pool that has ended tells nobody: look again until this has, too. */
    r = mp__lookout_renew(poller);
    mp__poller_end(poller,
                   r != 0 || mp__notice_is_busy(notice) || has_ended(t));
}

int
mp__result_after_look(mp_result *result, int ended)
{
    struct target t;

    if (ended == 0 && MP__UNLIKELY(mp__pollers_exist())) {
        t = target_of(result);
        arm(&t);
    }
    return ended;
}

void
mp__result_forget(mp_result *result)
{
    struct target t = target_of(result);
    struct mp__notice *notice = atomic_load(t.notice);

    if (notice)
        mp__poller_forget(&notice->pollers);
}

/* ---- The public face ---- */

/* A fresh descriptor joins a lookout of the pool, if there is a pool. */
static int
join(const struct target *t, struct mp__notice *notice)
{
    struct mp__poller *poller = mp__poller_get(&notice->pollers);
    int r = 0;

    if (!poller)
        return 0;
    if (!poller->lookout && mp__pool_is(t->pool, t->pool_id))
        r = mp__lookout_join(poller, t->pool);
    mp__poller_end(poller, 0);
    if (r < 0) {
        mp__poller_forget(&notice->pollers);
        mp__fail(r, "mp_result_fd: no descriptor: %s", mp_strerror(r));
    }
    return r;
}

int
mp_result_fd(mp_result *result)
{
    static const struct mp__poller_kind kind = {"mp_result_fd", "result", 1};
    struct mp__notice *notice;
    struct target t;
    int fd, r;

    if (!mp__job_of(result) && !mp__result_task(result, "mp_result_fd", &r))
        return r;
    t = target_of(result);
    notice = mp__notice_make(t.notice);
    if (!notice)
        return -ENOMEM;
    if (t.task)
        atomic_fetch_or(&t.task->state, MP__TASK_POLLED);
    else
        atomic_fetch_or(&t.job->done, MP__JOB_POLLED);
    fd = mp__poller_fd(&notice->pollers, &kind);
    r = fd < 0 ? fd : join(&t, notice);
    return r < 0 ? r : fd;
}

/* ---- For mp_wait() ---- */

static int
look_at_task(void *object)
{
    int r;
    mp_task *task = mp__result_task(object, "mp_wait", &r);

    return task ? mp__task_look(task) : r;
}

static int
look_at_map(void *object)
{
    struct mp__job *job = mp__job_of(object);

    return job ? mp__job_look(job) : -EBADF;
}

static int
result_fd(void *object)
{
    return mp_result_fd(object);
}

static int
result_is_ready(void *object)
{
    return mp_result_ready(object);
}

static struct mp__pollers *
pollers_of(void *object)
{
    struct mp__notice *notice = atomic_load(target_of(object).notice);

    return notice ? &notice->pollers : NULL;
}

__attribute__((constructor)) static void
register_results(void)
{
    static const struct mp__waitable task = {
        MP__SLAB_TASK, look_at_task, result_fd, result_is_ready, pollers_of};
    static const struct mp__waitable map = {
        MP__SLAB_JOB, look_at_map, result_fd, result_is_ready, pollers_of};

    mp__waitable_register(&task);
    mp__waitable_register(&map);
}
