/* SPDX-License-Identifier: MIT */
/* Pools and results, served: pool/far.h is the other end. A result is its
 * client's, and freed when that ends; the task goes on. */
#include "service/service.h"

#include "base/error.h"
#include "base/macros.h"
#include "registry/types.h"

#include <errno.h>
#include <stdlib.h>

/* ---- Submitting ---- */

static ssize_t
serve_apply(struct mp__call *call)
{
    static const char function[] = "mp_pool_apply_async";
    mp_task_attr attr = {.size = sizeof(attr)};
    mp_result *result = NULL;
    const void *arg;
    mp_task_fn f;
    size_t size;
    char *name;
    int wanted;
    ssize_t r = mp__call_args(call, "syiIddb", &name, &arg, &size,
                              &attr.priority, &attr.retries, &attr.timeout,
                              &attr.soft_timeout, &wanted);

    if (r < 0)
        return r;
    r = mp__task_of_name(name, &f, function);
    free(name);
    if (r == 0)
        r = mp_pool_apply_async(call->object, f, arg, size, &attr,
                                wanted ? &result : NULL);
    return r < 0 || !wanted ? r : mp__serve_made(call, result);
}

static ssize_t
serve_map(struct mp__call *call)
{
    static const char function[] = "mp_pool_map_async";
    mp_map_attr attr = {.size = sizeof(attr)};
    size_t in_bytes, ctx_size, in_size, out_size, n;
    const void *in;
    mp_result *result;
    mp_map_fn f;
    char *name;
    ssize_t r =
        mp__call_args(call, "syzzzyQdIi", &name, &in, &in_bytes, &in_size,
                      &out_size, &n, &attr.ctx, &ctx_size, &attr.chunk,
                      &attr.timeout, &attr.retries, &attr.priority);

    if (r < 0)
        return r;
    attr.ctx_size = ctx_size;
    r = mp__map_of_name(name, &f, function);
    free(name);
    if (r == 0 &&
        (in_size ? n != in_bytes / in_size || in_bytes % in_size : in_bytes))
        r = mp__fail(-EINVAL, "%s: %zu items of %zu bytes are not %zu bytes",
                     function, n, in_size, in_bytes);
    if (r == 0)
        r = mp_pool_map_async(call->object, f, in, in_size, NULL, out_size, n,
                              &attr, &result);
    return r < 0 ? r : mp__serve_made(call, result);
}

/* ---- The pool ---- */

static ssize_t
serve_close(struct mp__call *call)
{
    return mp_pool_close(call->object);
}

static ssize_t
serve_terminate(struct mp__call *call)
{
    return mp_pool_terminate(call->object);
}

static ssize_t
serve_join(struct mp__call *call)
{
    return mp__call_wait(call, mp_pool_join(call->object, MP_NOW));
}

static ssize_t
serve_workers(struct mp__call *call)
{
    return mp_pool_workers(call->object, NULL, 0);
}

static ssize_t
serve_resize(struct mp__call *call)
{
    int workers;
    ssize_t r = mp__call_args(call, "i", &workers);

    return r < 0 ? r : mp_pool_resize(call->object, workers);
}

static ssize_t
serve_stats(struct mp__call *call)
{
    mp_pool_statistics s = {.size = sizeof(s)};
    int r = mp_pool_stats(call->object, &s);

    return r < 0 ? r : mp__call_give(call, "y", &s, sizeof(s));
}

/* ---- Results ---- */

static ssize_t
serve_wait(struct mp__call *call)
{
    return mp__call_wait(call, mp_result_wait(call->object, MP_NOW));
}

static ssize_t
serve_ready(struct mp__call *call)
{
    return mp_result_ready(call->object);
}

static ssize_t
serve_successful(struct mp__call *call)
{
    return mp_result_successful(call->object);
}

static ssize_t
serve_size(struct mp__call *call)
{
    return mp_result_size(call->object);
}

/* Whether there is a buffer on the other side is of interest, as at home. */
static ssize_t
get(struct mp__call *call, size_t cap, int there)
{
    ssize_t size = mp_result_size(call->object), r;
    void *buf;

    if (size > 0 && (size_t)size <= cap && there)
        cap = (size_t)size;
    else if (size >= 0) /* it fails, or there is nothing to copy */
        return size == 0 ? mp__call_give(call, "y", "", (size_t)0)
                         : mp_result_get(call->object, NULL, cap, MP_NOW);
    else
        return size;
    buf = malloc(cap);
    if (buf == NULL)
        return mp__fail(-ENOMEM, "mp_result_get: out of memory");
    r = mp_result_get(call->object, buf, cap, MP_NOW);
    if (r >= 0)
        r = mp__call_give(call, "y", buf, (size_t)r);
    free(buf);
    return r;
}

static ssize_t
serve_get(struct mp__call *call)
{
    size_t cap;
    int there;
    ssize_t r = mp__call_args(call, "zb", &cap, &there);

    if (r < 0)
        return r;
    r = mp_result_wait(call->object, MP_NOW);
    return r < 0 ? mp__call_wait(call, r) : get(call, cap, there);
}

static ssize_t
serve_error(struct mp__call *call)
{
    return mp__call_give(call, "?s", mp_result_error(call->object));
}

static ssize_t
serve_cancel(struct mp__call *call)
{
    return mp_result_cancel(call->object);
}

static int
result_fd(void *result)
{
    return mp_result_fd(result);
}

#define POOL(function, how)                                            \
    {                                                                  \
        .name = "pool_" #function, .slab = MP__SLAB_POOL, .serve = how \
    }
#define RESULT_OF(class, function, how)                                     \
    {                                                                       \
        .name = "result_" #function, .slab = MP__SLAB_##class, .serve = how \
    }
#define RESULT(function, how) \
    RESULT_OF(TASK, function, how), RESULT_OF(JOB, function, how)
#define WAIT_OF(class, function, how)                                        \
    {                                                                        \
        .name = "result_" #function, .slab = MP__SLAB_##class, .serve = how, \
        .fd = result_fd                                                      \
    }
#define WAIT(function, how) \
    WAIT_OF(TASK, function, how), WAIT_OF(JOB, function, how)

static const struct mp__op ops[] = {
    POOL(apply_async, serve_apply),
    POOL(map_async, serve_map),
    POOL(close, serve_close),
    POOL(terminate, serve_terminate),
    POOL(join, serve_join),
    POOL(workers, serve_workers),
    POOL(resize, serve_resize),
    POOL(stats, serve_stats),
    POOL(destroy, mp__serve_destroy),
    WAIT(wait, serve_wait),
    WAIT(get, serve_get),
    RESULT(ready, serve_ready),
    RESULT(successful, serve_successful),
    RESULT(size, serve_size),
    RESULT(error, serve_error),
    RESULT(cancel, serve_cancel),
    RESULT(free, mp__serve_destroy),
};

void
mp__serve_pool(void)
{
    mp__ops_register(ops, MP__LENGTH(ops));
}
