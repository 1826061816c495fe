/* SPDX-License-Identifier: MIT */
/* Pools and results of other families. What is copied in and out at home goes
 * there as bytes; callbacks, iterators, and what is handed on as it is need
 * memory in common. */
#include "pool/far.h"

#include "base/error.h"
#include "result/far.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static mp__function_name_fn *name_of;

void
mp__pool_names_with(mp__function_name_fn *f)
{
    name_of = f;
}

static int
find_name(mp_task_fn task, mp_map_fn map, const char *function,
          const char **ret_name)
{
    if (!task && !map)
        return mp__fail(-EINVAL, "%s: the function is NULL", function);
    *ret_name = name_of ? name_of(task, map) : NULL;
    return *ret_name ? 0
                     : mp__fail(-EINVAL,
                                "%s: the pool is of another program, which "
                                "knows a function by its name: register it "
                                "there and here by mp_manager_register_%s()",
                                function, task ? "task" : "map");
}

static int
fail_remote(const char *function, const char *what)
{
    return mp__fail(-EREMOTE, "%s: %s can be used at home only", function,
                    what);
}

/* ---- Tasks ---- */

int
mp__pool_far_submit(mp_pool *pool, const struct mp__order *order,
                    mp_result **ret_result)
{
    const mp_task_attr *a = &order->attr;
    const char *name;
    int r = find_name(order->f, NULL, order->function, &name);

    if (r < 0)
        return r;
    if (a->callback || a->error_callback)
        return fail_remote(order->function, ".callback");
    if (order->size && !order->arg)
        return mp__fail(-EINVAL, "%s: arg is NULL, size is %zu",
                        order->function, order->size);
    if (!order->wanted)
        return (int)mp__far_call(pool, "mp_pool_apply_async", MP__FAR_PLAIN,
                                 "syiIddb", name, order->arg ? order->arg : "",
                                 order->size, a->priority, a->retries,
                                 a->timeout, a->soft_timeout, 0);
    return (int)mp__far_call(pool, "mp_pool_apply_async", MP__FAR_PLAIN,
                             "syiIddb > h", name, order->arg ? order->arg : "",
                             order->size, a->priority, a->retries, a->timeout,
                             a->soft_timeout, 1, ret_result);
}

/* ---- Maps ---- */

static int
check_map(const struct mp__map_request *q)
{
    if (q->attr.callback || q->attr.error_callback)
        return fail_remote(q->function, ".callback");
    if (q->attr.codes)
        return fail_remote(q->function, ".codes");
    if (q->attr.ctx && !q->attr.ctx_size)
        return fail_remote(q->function, ".ctx without .ctx_size");
    if (!q->in && q->in_size && q->n)
        return mp__fail(-EINVAL, "%s: in is NULL", q->function);
    if (q->in_size && q->n > SIZE_MAX / 2 / q->in_size)
        return mp__fail(-EINVAL,
                        "%s: %zu items of %zu bytes are more than can be",
                        q->function, q->n, q->in_size);
    return 0;
}

/* Waits, and fetches the results. */
static int
finish_map(const struct mp__map_request *q, mp_result *result)
{
    size_t size = q->out_size * q->n;
    ssize_t r = mp_result_wait(result, MP_FOREVER);

    if (r == 0)
        r = mp__result_far_get(result, size ? q->out : NULL, size, MP_FOREVER);
    mp_result_free(result);
    return r < 0 ? (int)r : 0;
}

int
mp__pool_far_map(mp_pool *pool, const struct mp__map_request *q,
                 mp_result **ret_result)
{
    const mp_map_attr *a = &q->attr;
    mp_result *result;
    const char *name;
    int r = find_name(NULL, q->f, q->function, &name);

    if (r == 0)
        r = check_map(q);
    if (r == 0 && q->detached && q->out)
        r = fail_remote(q->function, "`out` (mp_result_get() gives all)");
    if (r == 0 && !q->detached && q->out_size && q->n && !q->out)
        r = mp__fail(-EINVAL, "%s: out is NULL, out_size is %zu", q->function,
                     q->out_size);
    if (r < 0)
        return r;
    r = (int)mp__far_call(pool, "mp_pool_map_async", MP__FAR_PLAIN,
                          "syzzzyQdIi > h", name, q->in ? q->in : "",
                          q->in_size * q->n, q->in_size, q->out_size, q->n,
                          a->ctx ? a->ctx : "", a->ctx_size, a->chunk,
                          a->timeout, a->retries, a->priority, &result);
    if (r < 0)
        return r;
    if (!q->detached)
        return finish_map(q, result);
    if (ret_result)
        *ret_result = result;
    else
        mp_result_free(result);
    return 0;
}

/* ---- The pool ---- */

int
mp__pool_far_stats(mp_pool *pool, mp_pool_statistics *ret_statistics)
{
    uint64_t size = ret_statistics ? ret_statistics->size : 0;
    const void *data;
    size_t n;
    int r;

    if (size < sizeof(ret_statistics->size) || size > 65536)
        return mp__fail(-EINVAL,
                        "mp_pool_stats: ret_statistics->size is not set");
    r = (int)mp__far_call(pool, "mp_pool_stats", MP__FAR_PLAIN, " > y", &data,
                          &n);
    if (r < 0)
        return r;
    memset(ret_statistics, 0, size);
    memcpy(ret_statistics, data, n < size ? n : size);
    ret_statistics->size = size;
    free((void *)data);
    return 0;
}
