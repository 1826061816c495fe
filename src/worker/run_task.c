/* SPDX-License-Identifier: MIT */
/* Tasks in the worker: running them, and what their functions may call.
 *
 * Which task did a dead worker have? Its post holds the message it took last
 * and, as `begun`, the sequence of the message it has made its own. The order
 * of a worker's stores is: claim, RUNNING at its post, begun, the end. Killed
 *
 *   before the claim     it has taken nothing
 *   before RUNNING       begun is behind the claim: the task is still what it
 *                        was, and waits at the post for the next worker
 *   before the end       the task is RUNNING at the post: it fails, or is to be
 *                        tried again
 *   after the end        the worker was through with it: the cell may be
 *                        another task by then. But it would not be RUNNING at
 *                        this post, and begun is not behind the claim
 *
 * A time limit begins after RUNNING and is over before the end, so that it
 * never kills for a task that has ended: when the timer is off, the signal
 * either was never sent, or has killed already.
 *
 * A worker that finds at the end that its task is to be cancelled ends it so
 * and takes no other: somebody may be about to kill it. */
#include "worker/run.h"

#include "base/error.h"
#include "keeper/settle.h"
#include "progress/tally.h"
#include "region/heap.h"
#include "worker/limit.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The task that this process is running, if it is a worker. */
static struct {
    mp_task *task;
    int has_text;
    char text[MP__TASK_TEXT];
} current;

/* ---- Running ---- */

void
mp__worker_check(struct mp__post *post)
{
    if (!mp__me.part || *mp__view.fork_guard == 0 ||
        mp__participant_id(mp__me.part) !=
            mp__load_relaxed(&post->participant))
        _exit(EXIT_FAILURE);
}

static int
is_limited(const mp_task *task)
{
    return (task->timeout | task->soft_timeout) != 0;
}

static int
call_function(mp_task *task, struct mp__post *post)
{
    mp__code *code;
    int r = mp__function_import(&task->function, &code, "mp_pool_apply");

    current.has_text = 0;
    if (r == 0 && MP__UNLIKELY(is_limited(task)))
        r = mp__limit_begin(post, task->timeout, task->soft_timeout);
    if (r < 0) {
        current.has_text = 1;
        snprintf(current.text, sizeof(current.text), "%s", mp_last_error());
        return r;
    }
    current.task = task;
    r = ((mp_task_fn)code)(task);
    current.task = NULL;
    /* A child that the function has forked has no time limits, and must not
     * touch what the post says about them. */
    mp__worker_check(post);
    if (MP__UNLIKELY(is_limited(task)))
        mp__limit_end(post);
    return r;
}

/* Runs and ends a task that is RUNNING at the post. */
static int
run_to_end(mp_task *task, struct mp__post *post)
{
    mp_time begun = mp__tally_begin(post, task);
    int r = call_function(task, post);
    int cancelled;

    if (r < 0) {
        task->code = r;
        snprintf(task->text, sizeof(task->text), "%s",
                 current.has_text ? current.text : mp_strerror(r));
    }
    mp__tally_end(post, task, begun, r < 0);
    cancelled = mp__task_end(task, r < 0 ? MP__TASK_FAILED : MP__TASK_DONE);
    mp__tally_settle(post, !cancelled);
    return cancelled;
}

int
mp__task_run(mp_task *task, struct mp__post *post)
{
    int mine, cancelled;

#ifdef MP__MUTATION_BEGUN_EARLY
    mp__store(&post->begun, mp__load_relaxed(&post->claim.sequence));
#endif
    mine = mp__task_begin(task, post->number);
    /* release: after the store of RUNNING, see the head of this file */
    mp__store_release(&post->begun, mp__load_relaxed(&post->claim.sequence));
    if (!mine) {
        mp__task_let_go(task);
        return 0;
    }
    cancelled = run_to_end(task, post);
    mp__store_relaxed(&post->ended, mp__load_relaxed(&post->ended) + 1);
    return cancelled;
}

int
mp__task_resume(struct mp__post *post)
{
    mp_task *task;

    if (!mp__task_waits_at(post))
        return 0;
    task = (void *)(uintptr_t)mp__load_relaxed(&post->claim.pointer);
    task->result_size = 0; /* of an attempt that came to nothing */
    return mp__task_run(task, post);
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
    if (task->arg_size == 0)
        return NULL;
    return task->arg_size > MP__TASK_ARG ? task->arg_block : task->arg;
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
    /* At every instant the task has a block that is its own, or none: it may be
     * tried again. */
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

int
mp_task_cancelled(mp_task *task)
{
    int r = check_current(task, "mp_task_cancelled");

    return r < 0 ? r : mp__limit_is_over();
}

int
mp_task_attempt(mp_task *task)
{
    int r = check_current(task, "mp_task_attempt");

    return r < 0 ? r : (int)mp__task_attempt(mp__load_relaxed(&task->state));
}

void *
mp_task_state(mp_task *task)
{
    if (check_current(task, "mp_task_state") < 0)
        return NULL;
    return mp_worker_state();
}
