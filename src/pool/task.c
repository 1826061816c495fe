/* SPDX-License-Identifier: MIT */
/* Tasks: submitting and running.
 *
 * A task is one cell of the region. Its address is the message in the pool's
 * queue, the mp_result of the submitter and the mp_task of the worker. The
 * state word decides everything:
 *
 *   QUEUED -> RUNNING at post P -> DONE or FAILED      the worker
 *   RUNNING at post P -> FAILED or TERMINATED          who buries it
 *   QUEUED -> CANCELLED                                mp_result_cancel()
 *   QUEUED -> TERMINATED; QUEUED -> LOST -> FAILED     whoever notices that
 *                                    the pool ended before the task began
 *
 * Two flags beside it say who still knows the cell; the second to leave frees
 * it.
 *
 * Which task did a dead worker have? Its post holds the message it took last
 * and, as `begun`, the sequence of the message it has made its own. The order
 * of a worker's stores is: claim, RUNNING at its post, begun, the end. So:
 * a task that is RUNNING at the post is the one; else, if begun is behind the
 * claim, the task is still what it was in the queue; else the worker was
 * through with it, and the cell may be another task by now. Who buries the
 * worker does the steps that are missing, in the same order: it may die too.
 *
 * The death of a submitter changes nothing: its tasks run, and its results
 * stay until somebody frees them, as memory of the family does. */
#include "pool/task.h"

#include "base/attr.h"
#include "base/error.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

_Static_assert(sizeof(struct mp_task) == 3 * MP__LINE, "three lines");

/* The task that this process is running, if it is a worker. */
static struct {
    mp_task *task;
    int has_text;
    char text[MP__TASK_TEXT];
} current;

/* ---- The cell ---- */

static void *
arg_of(mp_task *task)
{
    if (task->arg_size == 0)
        return NULL;
    return task->arg_size > MP__TASK_ARG ? task->arg_block : task->arg;
}

void
mp__task_release(mp_task *task)
{
    if (mp__object_retire(task, MP__SLAB_TASK) < 0)
        return;
    if (task->arg_size > MP__TASK_ARG)
        mp__block_free(task->arg_block);
    if (task->result_block)
        mp__block_free(task->result_block);
    mp__object_free(task, MP__SLAB_TASK);
}

static int
set_arg(mp_task *task, const void *arg, size_t size)
{
    void *block;

    if (size > MP__TASK_ARG) {
        block = mp__block_alloc(size, 0);
        if (!block)
            return -ENOMEM;
        memcpy(block, arg, size);
        mp__block_keep(block);
        task->arg_block = block;
    } else if (size) {
        memcpy(task->arg, arg, size);
    }
    task->arg_size = size;
    return 0;
}

/* Commits the end of a task in the hand of the caller. */
static void
end_task(mp_task *task, enum mp__task_phase phase)
{
    uint32_t seen = mp__load(&task->state);
    uint32_t ended;

    mp__bell_arm(&task->bell);
    do
        ended = (seen & MP__TASK_ABANDONED) | MP__TASK_SETTLED | phase;
    while (!mp__cas(&task->state, &seen, ended));
    /* The submitter may have freed the cell by now. A bell lies where only
     * bells of tasks do, so the worst is a sleeper woken for nothing. */
    mp__bell_ring(&task->bell, INT_MAX);
    if (seen & MP__TASK_ABANDONED)
        mp__task_release(task);
}

/* The queue's side is through with a task that has ended already. */
static void
settle_ended(mp_task *task)
{
    if (atomic_fetch_or(&task->state, MP__TASK_SETTLED) & MP__TASK_ABANDONED)
        mp__task_release(task);
}

static void
fail_task(mp_task *task, int code, const char *text)
{
    task->code = code;
    snprintf(task->text, sizeof(task->text), "%s", text);
    end_task(task, MP__TASK_FAILED);
}

/* From QUEUED to RUNNING at `post`, if nobody has ended it before. */
static int
begin_task(mp_task *task, uint32_t post)
{
    uint32_t seen = mp__load(&task->state);

    do {
        if (mp__task_phase(seen) != MP__TASK_QUEUED)
            return 0;
    } while (!mp__cas(&task->state, &seen,
                      (seen & MP__TASK_ABANDONED) | MP__TASK_RUNNING |
                          post << MP__TASK_POST));
    return 1;
}

/* ---- Running ---- */

static int
call_function(mp_task *task)
{
    mp__code *code;
    int r = mp__function_import(&task->function, &code, "mp_pool_apply");

    current.task = task;
    current.has_text = 0;
    if (r < 0) {
        current.has_text = 1;
        snprintf(current.text, sizeof(current.text), "%s", mp_last_error());
    } else {
        r = ((mp_task_fn)code)(task);
    }
    current.task = NULL;
    return r;
}

void
mp__task_run(mp_task *task, struct mp__worker *w, uint32_t post)
{
    int mine;
    int r;

#ifdef MP__MUTATION_BEGUN_EARLY
    mp__store(&w->begun, mp__load_relaxed(&w->claim.sequence));
#endif
    mine = begin_task(task, post);
    /* release: after the store of RUNNING, see the head of this file */
    mp__store_release(&w->begun, mp__load_relaxed(&w->claim.sequence));
    if (!mine) {
        settle_ended(task);
        return;
    }
    r = call_function(task);
    mp__worker_check(w);
    if (r >= 0)
        end_task(task, MP__TASK_DONE);
    else
        fail_task(task, r, current.has_text ? current.text : mp_strerror(r));
    mp__store_relaxed(&w->ended, mp__load_relaxed(&w->ended) + 1);
}

void
mp__task_drop(mp_task *task)
{
    while (mp__task_overtake(task, mp__load(&task->state)))
        ;
    settle_ended(task);
}

/* The task was RUNNING at the post of a dead worker. */
static void
fail_dead(mp_task *task, const struct mp__obituary *obituary)
{
    if (obituary->code == -ECANCELED) {
        end_task(task, MP__TASK_TERMINATED);
        return;
    }
    task->code = obituary->code;
    if (obituary->why)
        snprintf(task->text, sizeof(task->text), "pool broken: %s",
                 obituary->why);
    else
        snprintf(task->text, sizeof(task->text),
                 "%s died while running task %llu: %s", obituary->who,
                 (unsigned long long)task->number, obituary->how);
    end_task(task, MP__TASK_FAILED);
}

int
mp__task_settle(struct mp__worker *w, uint32_t post,
                const struct mp__obituary *obituary)
{
    mp_task *task = (void *)(uintptr_t)mp__load(&w->claim.pointer);
    uint64_t sequence = mp__load(&w->claim.sequence);
    uint32_t state;
    int mine;

    if (!task || (void *)task == MP__HINT)
        return 0;
    state = mp__load(&task->state);
    mine = mp__task_phase(state) == MP__TASK_RUNNING &&
           state >> MP__TASK_POST == post;
    if (!mine && mp__load(&w->begun) == sequence)
        return 0;
    if (!mine)
        mine = begin_task(task, post);
    mp__store(&w->begun, sequence);
    if (mine)
        fail_dead(task, obituary);
    else
        settle_ended(task);
    return mine;
}

/* ---- What a task's function may call ---- */

static int
check_current(mp_task *task, const char *function)
{
    if (!task || task != current.task)
        return mp__fail(-EBADF,
                        "%s: %p is not the task that this process "
                        "is running",
                        function, (void *)task);
    return 0;
}

void *
mp_task_arg(mp_task *task, size_t *ret_size)
{
    if (check_current(task, "mp_task_arg") < 0)
        return NULL;
    if (ret_size)
        *ret_size = task->arg_size;
    return arg_of(task);
}

int
mp_task_return(mp_task *task, const void *data, size_t size)
{
    int r = check_current(task, "mp_task_return");
    void *old, *block = NULL;

    if (r < 0)
        return r;
    if (size && !data)
        return mp__fail(-EINVAL, "mp_task_return: data is NULL, size is %zu",
                        size);
    if (size > sizeof(task->result)) {
        block = mp__block_alloc(size, 0);
        if (!block)
            return -ENOMEM;
        memcpy(block, data, size);
        mp__block_keep(block);
    } else if (size) {
        memcpy(task->result, data, size);
    }
    old = task->result_block;
    task->result_block = block;
    task->result_size = size;
    if (old)
        mp__block_free(old);
    return 0;
}

int
mp_task_fail(mp_task *task, const char *format, ...)
{
    int r = check_current(task, "mp_task_fail");
    va_list args;

    if (r < 0)
        return r;
    va_start(args, format);
    vsnprintf(current.text, sizeof(current.text), format, args);
    va_end(args);
    current.has_text = 1;
    return -EREMOTEIO;
}

/* ---- Submitting ---- */

static int
check_call(mp_pool *pool, mp_task_fn f, const void *arg, size_t size,
           const char *function)
{
    int r = mp__enter();

    if (r < 0)
        return r;
    if (!mp__object_ok(pool, MP__SLAB_POOL))
        return mp__fail_handle(function, pool, "a pool");
    if (!f)
        return mp__fail(-EINVAL, "%s: the function is NULL", function);
    if (size && !arg)
        return mp__fail(-EINVAL, "%s: arg is NULL, size is %zu", function,
                        size);
    return mp__pool_refusal(pool, function);
}

/* A task that nobody else has seen yet. */
static int
make_task(mp_pool *pool, mp_task_fn f, const void *arg, size_t size,
          const char *function, mp_task **ret_task)
{
    struct mp__function reference;
    mp_task *task;
    int r = mp__function_export((mp__code *)f, &reference, function);

    if (r < 0)
        return r;
    task = mp__object_alloc(MP__SLAB_TASK, sizeof(*task));
    if (!task)
        return -ENOMEM;
    r = set_arg(task, arg, size);
    if (r < 0) {
        mp__object_free(task, MP__SLAB_TASK);
        return r;
    }
    task->function = reference;
    task->pool = pool;
    task->pool_id = pool->id;
    task->number = mp__add(&pool->submitted, 1) + 1;
    *ret_task = task;
    return 0;
}

static int
submit(mp_pool *pool, mp_task_fn f, const void *arg, size_t size, int wanted,
       const char *function, mp_task **ret_task)
{
    int r = check_call(pool, f, arg, size, function);
    mp_task *task = NULL;

    if (r == 0)
        r = make_task(pool, f, arg, size, function, &task);
    if (r < 0)
        return r;
    mp__store_relaxed(&task->state,
                      MP__TASK_QUEUED | (wanted ? 0 : MP__TASK_ABANDONED));
    mp__object_publish(task, MP__SLAB_TASK);
    *ret_task = task;
    mp__pool_glance(pool, task->number);
    do
        r = mp__queue_put_pointer(pool->queue, task, MP_FOREVER);
    while (r == -EINTR);
    if (r == 0)
        return 0;
    mp__task_release(task);
    return mp__pool_refusal(pool, function) < 0
               ? mp__pool_refusal(pool, function)
               : r;
}

int
mp_pool_apply_async(mp_pool *pool, mp_task_fn f, const void *arg, size_t size,
                    const mp_task_attr *attr, mp_result **ret_result)
{
    mp_task_attr a;
    mp_task *task;
    int r = 0;

    if (attr)
        r = mp__attr_read(&a, sizeof(a), attr, 0, "mp_pool_apply_async");
    if (r == 0)
        r = submit(pool, f, arg, size, ret_result != NULL,
                   "mp_pool_apply_async", &task);
    if (r < 0)
        return r;
    if (ret_result)
        *ret_result = (mp_result *)task;
    return 0;
}

int
mp_pool_apply(mp_pool *pool, mp_task_fn f, const void *arg, size_t size,
              mp_result **ret_result)
{
    mp_task *task;
    int r = submit(pool, f, arg, size, 1, "mp_pool_apply", &task);

    if (r < 0)
        return r;
    r = mp_result_wait((mp_result *)task, MP_FOREVER);
    if (ret_result)
        *ret_result = (mp_result *)task;
    else
        mp_result_free((mp_result *)task);
    return r;
}
