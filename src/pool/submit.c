/* SPDX-License-Identifier: MIT */
/* Submitting tasks.
 *
 * The cell is filled while nobody knows it; the put of its address into a queue
 * is the commit. Who is killed before loses the cell at the most, and after it
 * the task runs like any other.
 *
 * There is a queue for each priority, but workers sleep on that of the normal
 * one. So a task of another priority is followed by a hint there. In this
 * order: a worker that is woken by the hint finds the task. Killed in between,
 * the submitter leaves a task that nobody was woken for; it runs as soon as a
 * worker looks for its next, and nobody can wait for it before, as nobody has
 * its handle. */
#include "pool/submit.h"

#include "base/attr.h"
#include "base/error.h"
#include "keeper/attend.h"
#include "keeper/watch.h"
#include "os/clock.h"
#include "pool/far.h"
#include "region/heap.h"
#include "result/callback.h"
#include "worker/limit.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#define PRIORITY_MOST ((int)MP__POOL_NORMAL)

/* ---- Checking ---- */

static int
check_attr(const mp_task_attr *a, const char *function)
{
    if (a->priority < -PRIORITY_MOST || a->priority > PRIORITY_MOST)
        return mp__fail(-EINVAL, "%s: .priority is %d (may be %d to %d)",
                        function, (int)a->priority, -PRIORITY_MOST,
                        PRIORITY_MOST);
    if (a->retries > MP__TASK_RETRIES && a->retries != MP_TASK_NO_RETRIES)
        return mp__fail(-EINVAL, "%s: .retries is %u (may be up to %u)",
                        function, (unsigned)a->retries, MP__TASK_RETRIES);
    if (isnan(a->timeout))
        return mp__fail(-EINVAL, "%s: .timeout is no number", function);
    if (!(a->soft_timeout >= 0))
        return mp__fail(-EINVAL, "%s: .soft_timeout is %g", function,
                        a->soft_timeout);
    return 0;
}

/* Attributes of size 0 were not given. */
static inline int
check(mp_pool *pool, const struct mp__order *order)
{
    int r = mp__object_enter(pool, MP__SLAB_POOL, order->function, "a pool");

    if (MP__UNLIKELY(r < 0))
        return r;
    if (MP__UNLIKELY(mp__pool_state(pool) != MP__POOL_RUNNING))
        return mp__pool_refusal(pool, order->function);
    if (MP__UNLIKELY(!order->f))
        return mp__fail(-EINVAL, "%s: the function is NULL", order->function);
    if (MP__UNLIKELY(order->size && !order->arg))
        return mp__fail(-EINVAL, "%s: arg is NULL, size is %zu",
                        order->function, order->size);
    return order->attr.size ? check_attr(&order->attr, order->function) : 0;
}

/* ---- Making ---- */

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

static uint32_t
retries_of(mp_pool *pool, const mp_task_attr *a)
{
    uint32_t retries = a->retries ? a->retries : pool->task_retries;

    if (retries == MP_TASK_NO_RETRIES)
        return 0;
    return retries < MP__TASK_RETRIES ? retries : MP__TASK_RETRIES;
}

static inline void
set_attr(mp_task *task, mp_pool *pool, const mp_task_attr *a)
{
    task->retries = retries_of(pool, a);
    task->timeout = pool->task_timeout;
    if (MP__LIKELY(a->size == 0))
        return;
    task->priority = a->priority;
    task->timeout = mp__limit_of(a->timeout, pool->task_timeout);
    task->soft_timeout = mp__limit_of(a->soft_timeout, 0);
}

/* A task that nobody else has seen yet. */
static int
make_task(mp_pool *pool, const struct mp__order *order, mp_task **ret_task)
{
    struct mp__function reference;
    mp_task *task;
    int r =
        mp__function_export((mp__code *)order->f, &reference, order->function);

    if (r < 0)
        return r;
    task = mp__object_alloc(MP__SLAB_TASK, sizeof(*task));
    if (!task)
        return -ENOMEM;
    r = set_arg(task, order->arg, order->size);
    if (r < 0) {
        mp__object_free(task, MP__SLAB_TASK);
        return r;
    }
    task->function = reference;
    task->pool = pool;
    task->pool_id = pool->id;
    task->number = mp__add(&pool->submitted, 1) + 1;
    task->inbox = order->inbox;
    task->submitted = mp__now();
    set_attr(task, pool, &order->attr);
    mp__store_relaxed(&task->state,
                      MP__TASK_QUEUED |
                          (order->wanted ? 0 : MP__TASK_ABANDONED));
    mp__object_publish(task, MP__SLAB_TASK);
    *ret_task = task;
    return 0;
}

/* ---- Queueing ---- */

static int
put(mp_queue *queue, void *message)
{
    int r;

    do
        r = mp__queue_put_pointer(queue, message, MP_FOREVER);
    while (r == -EINTR);
    return r;
}

/* Nobody may ever look into the queue that the task is in: if it has not begun
 * all the same, it is cancelled, and its handle given back. */
static int
take_back(mp_task *task)
{
    if (!mp__task_step(task, MP__TASK_QUEUED, MP__TASK_CANCELLED))
        return 0;
    mp__add(&task->pool->cancelled, 1);
    mp_result_free((mp_result *)task);
    return 1;
}

/* 0, if the task is in a queue, and will be seen there. */
static int
enqueue(mp_pool *pool, mp_task *task, int wanted)
{
    mp_queue *queue = pool->queue;
    int r;

    if (MP__UNLIKELY(task->priority != 0))
        queue = mp__pool_queue(pool, task->priority);
    r = queue ? put(queue, task) : -ENOMEM;
    if (r < 0) {
        mp__sub(&pool->submitted, 1);
        mp__task_release(task);
    }
    if (r < 0 || queue == pool->queue)
        return r;
    r = put(pool->queue, MP__HINT);
    /* The workers of a closed pool look everywhere before they go. */
    return r == -ENOMEM && wanted && take_back(task) ? r : 0;
}

int
mp__task_submit(mp_pool *pool, const struct mp__order *order,
                mp_task **ret_task)
{
    mp_task *task = NULL;
    int r = check(pool, order);

    if (r == 0)
        r = make_task(pool, order, &task);
    if (r < 0)
        return r;
    mp__pool_glance(pool, task->number);
    r = enqueue(pool, task, order->wanted);
    if (r < 0) {
        mp__add(&pool->refused, 1);
        return mp__pool_refusal(pool, order->function) < 0
                   ? mp__pool_refusal(pool, order->function)
                   : r;
    }
    mp__pool_demand(pool);
    *ret_task = task;
    return 0;
}

/* ---- The public calls ---- */

/* Submits a task that has callbacks: with a handle in any case, which goes with
 * the call if nobody else wants it. */
static int
submit_with_callback(mp_pool *pool, struct mp__order *order,
                     mp_task **ret_task)
{
    const struct mp__callback callback = {
        .done = order->attr.callback,
        .failed = order->attr.error_callback,
        .arg = order->attr.callback_arg,
    };
    int owned = !order->wanted;
    int r = check(pool, order);

    if (r < 0)
        return r;
    order->inbox = mp__callback_prepare(pool);
    if (!order->inbox)
        return -ENOMEM;
    order->wanted = 1;
    r = mp__task_submit(pool, order, ret_task);
    if (r < 0)
        mp__callback_forgo(pool);
    else
        mp__callback_expect(pool, (mp_result *)*ret_task, (*ret_task)->number,
                            &callback, owned);
    return r;
}

int
mp_pool_apply_async(mp_pool *pool, mp_task_fn f, const void *arg, size_t size,
                    const mp_task_attr *attr, mp_result **ret_result)
{
    struct mp__order order = {
        .f = f,
        .arg = arg,
        .size = size,
        .wanted = ret_result != NULL,
        .function = "mp_pool_apply_async",
    };
    mp_task *task;
    int r = 0;

    if (attr)
        r = mp__attr_read(&order.attr, sizeof(order.attr), attr, 0,
                          "mp_pool_apply_async");
    if (r < 0)
        return r;
    if (order.attr.callback || order.attr.error_callback)
        r = submit_with_callback(pool, &order, &task);
    else
        r = mp__task_submit(pool, &order, &task);
    if (r == -EREMOTE)
        return mp__pool_far_submit(pool, &order, ret_result);
    if (r == 0 && ret_result)
        *ret_result = (mp_result *)task;
    return r;
}

int
mp_pool_apply(mp_pool *pool, mp_task_fn f, const void *arg, size_t size,
              mp_result **ret_result)
{
    const struct mp__order order = {
        .f = f,
        .arg = arg,
        .size = size,
        .wanted = 1,
        .function = "mp_pool_apply",
    };
    mp_result *result;
    mp_task *task;
    int r = mp__task_submit(pool, &order, &task);

    if (r == 0)
        result = (mp_result *)task;
    else if (r == -EREMOTE)
        r = mp__pool_far_submit(pool, &order, &result);
    if (r < 0)
        return r;
    r = mp_result_wait(result, MP_FOREVER);
    if (ret_result)
        *ret_result = result;
    else
        mp_result_free(result);
    return r;
}
