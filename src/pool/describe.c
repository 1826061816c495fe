/* SPDX-License-Identifier: MIT */
/* How pools and results are described.
 *
 * The posts of a pool lie in a block that is freed with it. What was read of a
 * post counts only if the pool is still the same afterwards, since its block
 * was there until then; else the report ends. Before that, a block that went
 * is memory of the region still, and reading it does no harm. Pointers out of
 * a post are followed only if they are those of a live object of their class,
 * whose cell never becomes anything else. */
#include "pool/pool.h"

#include "process/record.h"
#include "report/describe.h"
#include "task/job.h"
#include "task/task.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

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
    int wanted; /* somebody is missing */
};

/* Whether the pool was there all the time. */
static int
look_at_post(mp_pool *pool, uint64_t id, uint32_t number, struct look *look)
{
    struct mp__post *post = mp__post_at(pool, number);

    if (!mp__region_contains(post, sizeof(*post)))
        return 0;
    look->stage = mp__post_stage(post);
    look->participant = mp__load(&post->participant);
    look->process = mp__load(&post->process);
    look->task = (void *)(uintptr_t)mp__load(&post->claim.pointer);
    look->job = mp__load(&post->job);
    look->at = mp__load(&post->at);
    look->to = mp__load(&post->to);
    look->wanted = mp__posts_filled(pool) < mp__load(&pool->wanted);
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

    if (look->stage == MP__STAGE_GONE ||
        (look->stage == MP__STAGE_VACANT && !look->wanted))
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
    uint32_t count = mp__posts(pool), wanted = mp__load(&pool->wanted);
    enum mp__pool_state state = mp__pool_state(pool);
    struct maps maps = {report, pool};
    struct mp__waiting waiting;
    size_t queued;
    struct look look;

    if (!mp__pool_is(pool, id) || count > MP__POOL_WORKERS_MAX)
        return -EBADF;
    queued = mp__pool_queued(pool);
    mp__waiting_in(&waiting, &pool->bell, sizeof(pool->bell));
    mp__report_object(report, "pool", pool, pool->name, sizeof(pool->name));
    mp__report(report, ": %s", state_name(state));
    if (state == MP__POOL_BROKEN) {
        mp__report(report, " (");
        mp__report_name(report, pool->why, sizeof(pool->why));
        mp__report(report, ")");
    }
    mp__report(report, "; %u worker%s; %zu in its queue\n", wanted,
               wanted == 1 ? "" : "s", queued);
    for (look.post = 0; look.post < count; look.post++) {
        if (!look_at_post(pool, id, look.post, &look))
            return 0;
        report_post(report, pool, &look);
    }
    mp__object_each(MP__SLAB_JOB, report_map, &maps);
    mp__report_waiting(report, &waiting, ", for its end");
    return 0;
}

/* ---- Results ---- */

/* "result 0x1 of task 7 in pool 0x2 (Pool-1): " */
static void
begin_result(struct mp__report *report, const void *result, const char *kind,
             uint64_t number, mp_pool *pool, uint64_t pool_id)
{
    mp__report_object(report, "result", result, NULL, 0);
    mp__report(report, " of %s %llu", kind, (unsigned long long)number);
    if (mp__pool_is(pool, pool_id)) {
        mp__report(report, " in ");
        mp__report_object(report, "pool", pool, pool->name,
                          sizeof(pool->name));
    }
    mp__report(report, ": ");
}

static void
end_result(struct mp__report *report, const struct mp__waiting *waiting)
{
    mp__report(report, "; ");
    mp__report_count(report, waiting->n);
    mp__report(report, "\n");
    mp__report_waiting(report, waiting, "");
}

/* "running at pid 12 (Pool-1:1)" */
static void
report_runner(struct mp__report *report, mp_pool *pool, uint64_t id,
              uint32_t post)
{
    struct look look = {.post = post};

    mp__report(report, "running");
    if (!mp__pool_is(pool, id) || post >= mp__posts(pool) ||
        post >= MP__POOL_WORKERS_MAX || !look_at_post(pool, id, post, &look))
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
    case MP__TASK_AGAIN:
        mp__report(report, "about to be tried again");
        break;
    case MP__TASK_RUNNING:
        report_runner(report, task->pool, task->pool_id,
                      state >> MP__TASK_POST);
        if (state & MP__TASK_CANCELLING)
            mp__report(report, ", to be cancelled");
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
    struct mp__waiting waiting;

    if (state & MP__TASK_ABANDONED)
        return -EBADF;
    mp__waiting_in(&waiting, &task->bell, sizeof(task->bell));
    begin_result(report, task, "task", task->number, task->pool,
                 task->pool_id);
    report_task(report, task, state);
    end_result(report, &waiting);
    return 0;
}

/* ---- Results of maps ---- */

static void
report_map_state(struct mp__report *report, struct mp__job *job)
{
    uint64_t begun = mp__load(&job->cursor), failure = mp__load(&job->failure);
    const struct mp__failure *f = &job->failures[failure & 1];

    switch (mp__load_acquire(&job->verdict)) {
    case MP__JOB_OPEN:
        mp__report(report, "%llu begun",
                   (unsigned long long)(begun < job->n ? begun : job->n));
        break;
    case MP__JOB_DONE:
        if (failure == ~(uint64_t)0) {
            mp__report(report, "done");
            break;
        }
        mp__report(report, "failed with %d: ", (int)f->code);
        mp__report_name(report, f->text, strcspn(f->text, "\n"));
        break;
    case MP__JOB_CANCELLED:
        mp__report(report, "cancelled");
        break;
    default:
        mp__report(report, "ended by the end of its pool");
    }
}

static int
describe_map(struct mp__report *report, void *object)
{
    struct mp__job *job = object;
    struct mp__waiting waiting;

    if (!job->detached || job->retired)
        return -EBADF;
    mp__waiting_in(&waiting, &job->bell, sizeof(job->bell));
    begin_result(report, job, "map", job->number, job->pool, job->pool_id);
    mp__report(report, "%llu items, ", (unsigned long long)job->n);
    report_map_state(report, job);
    end_result(report, &waiting);
    return 0;
}

void
mp__pool_describe(void)
{
    mp__describe_with(MP__SLAB_POOL, "pool", describe_pool);
    mp__describe_with(MP__SLAB_TASK, "result", describe_result);
    mp__describe_with(MP__SLAB_JOB, "result", describe_map);
}
