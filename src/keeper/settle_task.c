/* SPDX-License-Identifier: MIT */
/* Tasks of dead workers: for the keeper of a post, who buries its worker.
 *
 * The worker's order of stores (worker/run_task.c) tells how far it was with
 * the message in its claim:
 *
 *   RUNNING at the post  it was at it. The task ends, or becomes AGAIN: then it
 *                        stays in the claim, for the successor
 *   begun is behind      it had not begun (or not again). The task stays in the
 *                        claim, too: nothing was done that could be lost
 *   otherwise            it was through with it
 *
 * So the claim with `begun` behind it is what "waits at the post" means; who
 * starts the successor leaves it as it is, and whoever is there at last either
 * runs the task or lets it go.
 *
 * The keeper may be killed anywhere, and the next does the same again. To try
 * again it first sets `begun` back, then makes the one step to AGAIN: in
 * between the task is still RUNNING at the post, and after it the next keeper
 * finds it waiting. To end the task it first makes the message the dead one's
 * own, as the worker would have, and then ends it: in between the task is
 * RUNNING at the post, and afterwards nobody looks at the cell any more. What
 * the text of an error needs is written before the end. A text_block that the
 * dead keeper has left is replaced; it is lost only if that keeper dies
 * between the two steps of replacing one.
 *
 * Who cancels meanwhile changes the state under the keeper's hands: its
 * compare-and-swap fails then, and it looks again. */
#include "keeper/settle.h"

#include "progress/tally.h"
#include "progress/trace.h"
#include "region/heap.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define NOT_BEGUN UINT64_MAX

/* The task in the claim of a post, which may be through with it. Its cell is
 * one of a task in any case; perhaps of one of another pool by now, which has
 * posts of the same numbers. */
static mp_task *
claimed(struct mp__post *post)
{
    mp_task *task = (void *)(uintptr_t)mp__load(&post->claim.pointer);

    if (!task || (void *)task == MP__HINT || task->pool != post->pool)
        return NULL;
    return task;
}

/* The message in the claim belongs to nobody's work any more. */
static void
set_begun(struct mp__post *post)
{
    mp__store(&post->begun, mp__load(&post->claim.sequence));
}

int
mp__task_waits_at(struct mp__post *post)
{
    return claimed(post) &&
           mp__load(&post->begun) != mp__load(&post->claim.sequence);
}

int
mp__task_is_condemned(struct mp__post *post)
{
    mp_task *task = claimed(post);
    uint32_t state = task ? mp__load(&task->state) : 0;

    return (state & MP__TASK_CANCELLING) &&
           mp__task_is_at(state, MP__TASK_RUNNING, post->number);
}

/* ---- Errors ---- */

#define LONGEST 3000u

/* Sets code and text, in a block if need be. */
static void
set_error(mp_task *task, int code, char *text)
{
    size_t size = strlen(text) + 1;
    char *old = task->text_block, *block = NULL;

    if (size > sizeof(task->text))
        block = mp__block_alloc(size, 0);
    if (block) {
        memcpy(block, text, size);
        mp__block_keep(block);
    }
    task->code = code;
    snprintf(task->text, sizeof(task->text), "%s", text);
    task->text_block = block;
    if (old)
        mp__block_free(old);
}

/* What is to be said of a task whose worker has died for the last time. */
static void
describe(const mp_task *task, uint32_t attempts,
         const struct mp__obituary *obituary, char *text, size_t size)
{
    unsigned long long number = (unsigned long long)task->number;
    size_t length = strlen(obituary->where);

    if (obituary->why) {
        snprintf(text, size, "pool broken: %s", obituary->why);
        return;
    }
    while (length && obituary->where[length - 1] == '\n')
        length--;
    if (attempts > 1)
        snprintf(text, size,
                 "task %llu lost its worker in each of %u attempts; the last: "
                 "%s died while running it: %s%s%.*s",
                 number, (unsigned)attempts, obituary->who, obituary->how,
                 length ? "\n" : "", (int)length, obituary->where);
    else
        snprintf(text, size, "%s died while running task %llu: %s%s%.*s",
                 obituary->who, number, obituary->how, length ? "\n" : "",
                 (int)length, obituary->where);
}

/* The task was RUNNING at the post of a dead worker. 1: it was cancelled. */
static int
fail_dead(mp_task *task, uint32_t attempts,
          const struct mp__obituary *obituary)
{
    char text[LONGEST];

    if (obituary->code == -ECANCELED)
        return mp__task_end(task, MP__TASK_TERMINATED);
    describe(task, attempts, obituary, text, sizeof(text));
    set_error(task, obituary->code, text);
    return mp__task_end(task, MP__TASK_FAILED);
}

/* ---- Settling ---- */

static int
goes_on(mp_pool *pool)
{
    return mp__pool_state(pool) < MP__POOL_TERMINATED;
}

/* One step: whether the task waits for the next worker now. */
static int
try_again(mp_task *task, struct mp__post *post, uint32_t *seen)
{
    uint32_t next = mp__task_attempt(*seen) + 1;
    int granted;

    mp__tally_death(post, 0);
#ifndef MP__MUTATION_GRANT_NOTED_LATE
    mp__store(&post->begun, NOT_BEGUN);
#endif
    granted =
        mp__cas(&task->state, seen,
                (*seen & MP__TASK_KEPT) | MP__TASK_AGAIN |
                    next << MP__TASK_ATTEMPT | post->number << MP__TASK_POST);
#ifdef MP__MUTATION_GRANT_NOTED_LATE
    mp__store(&post->begun, granted ? NOT_BEGUN : mp__load(&post->begun));
#endif
    return granted;
}

static void
settle_running(mp_task *task, struct mp__post *post,
               const struct mp__obituary *obituary)
{
    uint32_t seen = mp__load(&task->state);

    mp__trace_lost(task->pool, post, task, obituary->how);
    while (!(seen & MP__TASK_CANCELLING) && goes_on(task->pool) &&
           mp__task_attempt(seen) <= task->retries)
        if (try_again(task, post, &seen))
            return;
    mp__tally_death(post, !(seen & MP__TASK_CANCELLING));
    set_begun(post);
    if (fail_dead(task, mp__task_attempt(seen), obituary))
        mp__tally_settle(post, 0);
}

int
mp__task_settle(struct mp__post *post, const struct mp__obituary *obituary)
{
    mp_task *task = claimed(post);
    uint32_t seen = task ? mp__load(&task->state) : 0;

    if (mp__task_is_at(seen, MP__TASK_RUNNING, post->number)) {
        settle_running(task, post, obituary);
        return 1;
    }
    if (mp__task_waits_at(post) &&
        (mp__task_has_ended(seen) || !goes_on(task->pool)))
        mp__task_forsake(post);
    return 0;
}

/* ---- Where no worker comes ---- */

/* The pool goes on, but has nobody for this post. */
static void
fail_waiting(mp_task *task, uint32_t seen)
{
    char text[LONGEST];

    snprintf(text, sizeof(text),
             "task %llu lost its worker, and there is no other: %s",
             (unsigned long long)task->number, task->pool->last);
    set_error(task, -ESRCH, text);
    mp__task_step(task, seen, MP__TASK_FAILED);
}

void
mp__task_forsake(struct mp__post *post)
{
    mp_task *task = claimed(post);
    uint32_t seen;

    if (!mp__task_waits_at(post))
        return;
    while (!mp__task_has_ended(seen = mp__load(&task->state)))
        if (!mp__task_overtake(task, seen))
            fail_waiting(task, seen);
    set_begun(post);
    mp__task_let_go(task);
}
