/* SPDX-License-Identifier: MIT */
/* How pools and results are described.
 *
 * The posts of a pool lie in a block that is freed with it. What was read of a
 * post counts only if the pool is still the same afterwards, since its block
 * was there until then; else the report ends. Before that, a block that went
 * is memory of the region still, and reading it does no harm. Pointers out of
 * a post are followed only if they are those of a live object of their class,
 * whose cell never becomes anything else. */
#include "pool/job.h"
#include "pool/pool.h"
#include "pool/task.h"
#include "process/record.h"
#include "region/describe.h"

#include <errno.h>
#include <stdio.h>

/* ---- Posts ---- */

/* What is read of a post: a copy. */
struct look {
    uint32_t post;
    enum mp__stage stage;
    uint64_t participant;
    mp_process *process;
    mp_task *task;
    struct mp__job *job;
    uint64_t at, to;
};

/* Whether the pool was there all the time. */
static int
look_at_post(mp_pool *pool, uint64_t id, struct mp__worker *w,
             struct look *look)
{
    look->stage = mp__worker_stage(w);
    look->participant = mp__load(&w->participant);
    look->process = mp__load(&w->process);
    look->task = (void *)(uintptr_t)mp__load(&w->claim.pointer);
    look->job = mp__load(&w->job);
    look->at = mp__load(&w->at);
    look->to = mp__load(&w->to);
    return mp__pool_is(pool, id);
}

/* Whether the worker of that post is running the task that it took last. */
static int
runs_task(mp_pool *pool, const struct look *look)
{
    uint32_t state;

    if (!mp__object_ok(look->task, MP__SLAB_TASK) || look->task->pool != pool)
        return 0;
    state = mp__load_acquire(&look->task->state);
    return mp__task_phase(state) == MP__TASK_RUNNING &&
           state >> MP__TASK_POST == look->post;
}

static void
report_work(struct mp__report *report, mp_pool *pool, const struct look *look)
{
    if (runs_task(pool, look))
        mp__report(report, " runs task %llu\n",
                   (unsigned long long)look->task->number);
    else if (mp__object_ok(look->job, MP__SLAB_JOB) && look->at < look->to)
        mp__report(report, " maps item %llu of %llu\n",
                   (unsigned long long)look->at,
                   (unsigned long long)look->job->n);
    else
        mp__report(report, " has nothing to do\n");
}

/* "pid 12 (Pool-1:1)" */
static void
report_worker(struct mp__report *report, const struct look *look)
{
    mp_process *p = look->process;

    if (!mp__process_ok(p)) {
        mp__report(report, "a worker");
        return;
    }
    mp__report(report, "pid %u (", mp__load_relaxed(&p->pid));
    mp__report_name(report, p->name, sizeof(p->name));
    mp__report(report, ")");
}

static void
report_post(struct mp__report *report, mp_pool *pool, const struct look *look)
{
    int dead = mp__participant_find(look->participant) == NULL;

    if (look->stage == MP__STAGE_GONE)
        return;
    mp__report(report, "  ");
    if (look->stage == MP__STAGE_VACANT) {
        mp__report(report, "nobody works at post %u\n", look->post + 1);
        return;
    }
    report_worker(report, look);
    if (look->stage == MP__STAGE_STARTING)
        mp__report(report, " is on its way\n");
    else if (look->stage == MP__STAGE_UP && !dead)
        report_work(report, pool, look);
    else
        mp__report(report,
                   dead ? " has died, nobody has noticed yet\n" : " leaves\n");
}

/* ---- Maps ---- */

struct maps {
    struct mp__report *report;
    mp_pool *pool;
};

static void
report_map(void *object, void *arg)
{
    struct mp__job *job = object;
    struct maps *maps = arg;
    uint64_t n = job->n, taken = mp__load(&job->cursor);
    struct mp__waiting waiting;
    char what[96];

    if (job->pool != maps->pool)
        return;
    mp__waiting_in(&waiting, &job->bell, sizeof(job->bell));
    snprintf(what, sizeof(what), ", for a map of %llu items, %llu begun",
             (unsigned long long)n, (unsigned long long)taken);
    mp__report_waiting(maps->report, &waiting, what);
}

/* ---- The pool ---- */

static const char *
state_name(enum mp__pool_state state)
{
    switch (state) {
    case MP__POOL_RUNNING:
        return "running";
    case MP__POOL_CLOSED:
        return "closed";
    case MP__POOL_TERMINATED:
        return "terminated";
    default:
        return "broken";
    }
}

static int
describe_pool(struct mp__report *report, void *object)
{
    mp_pool *pool = object;
    uint64_t id = pool->id;
    struct mp__worker *workers = pool->workers;
    uint32_t count = pool->count;
    enum mp__pool_state state = mp__pool_state(pool);
    struct maps maps = {report, pool};
    mp_queue *queue = pool->queue;
    struct mp__waiting waiting;
    size_t queued;
    struct look look;

    if (!mp__pool_is(pool, id) ||
        !mp__region_contains(workers, count * sizeof(*workers)))
        return -EBADF;
    queued = mp__object_ok(queue, MP__SLAB_QUEUE) ? mp_queue_size(queue) : 0;
    mp__waiting_in(&waiting, &pool->bell, sizeof(pool->bell));
    mp__report_object(report, "pool", pool, pool->name, sizeof(pool->name));
    mp__report(report, ": %s", state_name(state));
    if (state == MP__POOL_BROKEN) {
        mp__report(report, " (");
        mp__report_name(report, pool->why, sizeof(pool->why));
        mp__report(report, ")");
    }
    mp__report(report, "; %u worker%s; %zu in its queue\n", count,
               count == 1 ? "" : "s", queued);
    for (look.post = 0; look.post < count; look.post++) {
        if (!look_at_post(pool, id, &workers[look.post], &look))
            return 0;
        report_post(report, pool, &look);
    }
    mp__object_each(MP__SLAB_JOB, report_map, &maps);
    mp__report_waiting(report, &waiting, ", for its end");
    return 0;
}

/* ---- Results ---- */

/* "running at pid 12 (Pool-1:1)" */
static void
report_runner(struct mp__report *report, mp_pool *pool, uint64_t id,
              uint32_t post)
{
    struct look look = {.post = post};
    struct mp__worker *workers;

    mp__report(report, "running");
    if (!mp__pool_is(pool, id))
        return;
    workers = pool->workers;
    if (post >= pool->count ||
        !mp__region_contains(workers, (post + 1) * sizeof(*workers)) ||
        !look_at_post(pool, id, &workers[post], &look))
        return;
    mp__report(report, " at ");
    report_worker(report, &look);
}

static void
report_failure(struct mp__report *report, mp_task *task)
{
    mp__report(report, "failed with %d: ", (int)task->code);
    mp__report_name(report, task->text, sizeof(task->text));
}

static void
report_task(struct mp__report *report, mp_task *task, uint32_t state)
{
    switch (mp__task_phase(state)) {
    case MP__TASK_QUEUED:
        mp__report(report, "queued");
        break;
    case MP__TASK_RUNNING:
        report_runner(report, task->pool, task->pool_id,
                      state >> MP__TASK_POST);
        break;
    case MP__TASK_DONE:
        mp__report(report, "done, %llu bytes",
                   (unsigned long long)task->result_size);
        break;
    case MP__TASK_FAILED:
        report_failure(report, task);
        break;
    case MP__TASK_CANCELLED:
        mp__report(report, "cancelled");
        break;
    default: /* or about to be */
        mp__report(report, "ended by the end of its pool");
    }
}

static int
describe_result(struct mp__report *report, void *object)
{
    mp_task *task = object;
    uint32_t state = mp__load_acquire(&task->state);
    mp_pool *pool = task->pool;
    uint64_t id = task->pool_id;
    struct mp__waiting waiting;

    if (state & MP__TASK_ABANDONED)
        return -EBADF;
    mp__waiting_in(&waiting, &task->bell, sizeof(task->bell));
    mp__report_object(report, "result", task, NULL, 0);
    mp__report(report, " of task %llu", (unsigned long long)task->number);
    if (mp__pool_is(pool, id)) {
        mp__report(report, " in ");
        mp__report_object(report, "pool", pool, pool->name,
                          sizeof(pool->name));
    }
    mp__report(report, ": ");
    report_task(report, task, state);
    mp__report(report, "; ");
    mp__report_count(report, waiting.n);
    mp__report(report, "\n");
    mp__report_waiting(report, &waiting, "");
    return 0;
}

void
mp__pool_describe(void)
{
    mp__describe_with(MP__SLAB_POOL, "pool", describe_pool);
    mp__describe_with(MP__SLAB_TASK, "result", describe_result);
}
