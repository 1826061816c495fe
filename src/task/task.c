/* SPDX-License-Identifier: MIT */
/* Tasks: the cell, and the steps of its state.
 *
 * A task is one cell of the region. Its address is the message in the pool's
 * queue, the mp_result of the submitter and the mp_task of the worker. The
 * state word decides everything:
 *
 *   QUEUED -> RUNNING at post P, attempt 1             the worker
 *   RUNNING at P -> DONE or FAILED                     the worker
 *   RUNNING at P -> AGAIN at P, the next attempt       who buries it
 *   AGAIN at P -> RUNNING at P                         its successor
 *   RUNNING at P -> FAILED or TERMINATED               who buries it
 *   QUEUED, AGAIN -> CANCELLED                         who cancels
 *   RUNNING + CANCELLING -> CANCELLED                  the worker, or who
 *                                                      buries it
 *   QUEUED, AGAIN -> TERMINATED; -> LOST -> FAILED     whoever notices that
 *                              the pool ended before the task began (again)
 *
 * The worker is in worker/run_task.c, who buries it in keeper/settle_task.c,
 * who cancels in result/cancel.c.
 *
 * Each arrow is one compare-and-swap, and the commit of what it tells. Two
 * flags beside the phase say who still knows the cell: ABANDONED, the
 * submitter does not; SETTLED, neither queue nor post does. The second to
 * leave frees it. Who is killed between its commit and the freeing loses the
 * cell, and nothing else.
 *
 * Who is to be told of the end (inbox.h) is told before the commit: whoever
 * makes the step in the dead one's stead tells it again. So is who polls for it
 * (bell/notice.h): a third flag, POLLED, says that there is somebody. The
 * sleepers are woken after it, and by the kernel if that is too late.
 *
 * The death of a submitter changes nothing: its tasks run, and its results
 * stay until somebody frees them, as memory of the family does. */
#include "task/task.h"

#include "region/heap.h"
#include "task/inbox.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>

_Static_assert(sizeof(struct mp_task) == 4 * MP__LINE, "four lines");
_Static_assert(MP__POOL_WORKERS_MAX <= 1u << (32 - MP__TASK_POST),
               "a post's number has room in the state");

void
mp__task_release(mp_task *task)
{
    if (mp__object_retire(task, MP__SLAB_TASK) < 0)
        return;
    if (task->arg_size > MP__TASK_ARG)
        mp__block_free(task->arg_block);
    if (task->result_block)
        mp__block_free(task->result_block);
    if (task->text_block)
        mp__block_free(task->text_block);
    mp__notice_free(atomic_load(&task->notice));
    mp__object_free(task, MP__SLAB_TASK);
}

/* ---- In the hand of the caller ---- */

int
mp__task_begin(mp_task *task, uint32_t post)
{
    uint32_t seen = mp__load(&task->state);
    uint32_t attempt;

    do {
        if (mp__task_phase(seen) == MP__TASK_QUEUED)
            attempt = 1;
        else if (mp__task_is_at(seen, MP__TASK_AGAIN, post))
            attempt = mp__task_attempt(seen);
        else
            return 0;
    } while (!mp__cas(&task->state, &seen,
                      (seen & MP__TASK_KEPT) | MP__TASK_RUNNING |
                          attempt << MP__TASK_ATTEMPT |
                          post << MP__TASK_POST));
    return 1;
}

/* The flags that it has ended with. `told`: POLLED if those who poll have been;
 * else 0, and if there are any it has not ended: POLLED. */
static uint32_t
end_and_ring(mp_task *task, enum mp__task_phase phase, uint32_t told)
{
    uint32_t seen, flags;

    mp__bell_arm(&task->bell);
    seen = mp__load(&task->state);
    do {
        if (MP__UNLIKELY(seen & MP__TASK_POLLED & ~told)) {
            mp__bell_disarm();
            return MP__TASK_POLLED;
        }
        flags = seen & (MP__TASK_ABANDONED | MP__TASK_CANCELLING);
#ifdef MP__MUTATION_CANCEL_UNSEEN
        flags &= MP__TASK_ABANDONED;
#endif
        if (flags & MP__TASK_CANCELLING)
            phase = MP__TASK_CANCELLED;
    } while (!mp__cas(&task->state, &seen, flags | MP__TASK_SETTLED | phase));
    /* The submitter may have freed the cell by now. A bell lies where only
     * bells of tasks do, so the worst is a sleeper woken for nothing. */
    mp__bell_ring(&task->bell, INT_MAX);
    return flags;
}

static MP__COLD uint32_t
tell_and_end(mp_task *task, enum mp__task_phase phase)
{
    struct mp__notice *notice = atomic_load(&task->notice);
    unsigned teller = mp__notice_begin(notice);
    uint32_t flags = end_and_ring(task, phase, MP__TASK_POLLED);

    mp__notice_end(notice, teller);
    return flags;
}

int
mp__task_end(mp_task *task, enum mp__task_phase phase)
{
    uint32_t flags;

    if (MP__UNLIKELY(task->inbox != NULL))
        mp__inbox_put(task->inbox, task, task->number);
    flags = end_and_ring(task, phase, 0);
    if (MP__UNLIKELY(flags & MP__TASK_POLLED))
        flags = tell_and_end(task, phase);
    if (flags & MP__TASK_ABANDONED)
        mp__task_release(task);
    return (flags & MP__TASK_CANCELLING) != 0;
}

void
mp__task_let_go(mp_task *task)
{
    if (atomic_fetch_or(&task->state, MP__TASK_SETTLED) & MP__TASK_ABANDONED)
        mp__task_release(task);
}

/* ---- In nobody's hand ---- */

static int
step_and_ring(mp_task *task, uint32_t seen, uint32_t phase)
{
    uint32_t flags = seen & (MP__TASK_KEPT | MP__TASK_SETTLED);
    int done;

    mp__bell_arm(&task->bell);
    done = mp__cas(&task->state, &seen, flags | phase);
    mp__bell_ring(&task->bell, INT_MAX);
    return done;
}

int
mp__task_step(mp_task *task, uint32_t seen, uint32_t phase)
{
    struct mp__notice *notice;
    unsigned teller;
    int done;

    /* The inboxes go with the pool. */
    if (task->inbox && mp__task_has_ended(phase) &&
        mp__pool_is(task->pool, task->pool_id))
        mp__inbox_put(task->inbox, task, task->number);
    if (MP__LIKELY(!(seen & MP__TASK_POLLED)) || !mp__task_has_ended(phase))
        return step_and_ring(task, seen, phase);
    notice = atomic_load(&task->notice);
    teller = mp__notice_begin(notice);
    done = step_and_ring(task, seen, phase);
    mp__notice_end(notice, teller);
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
    mp__task_step(task, seen, MP__TASK_FAILED);
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
    case MP__TASK_AGAIN:
        mp__task_step(task, seen,
                      pool_state == MP__POOL_BROKEN ? MP__TASK_LOST
                                                    : MP__TASK_TERMINATED);
        return 1;
    case MP__TASK_LOST:
        finish_lost(task, seen);
        return 1;
    case MP__TASK_RUNNING:
        if (gone)
            mp__task_step(task, seen, MP__TASK_TERMINATED);
        return gone;
    default:
        return 0;
    }
}

void
mp__task_drop(mp_task *task)
{
    while (mp__task_overtake(task, mp__load(&task->state)))
        ;
    mp__task_let_go(task);
}
