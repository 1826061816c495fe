/* SPDX-License-Identifier: MIT */
/* mp_pool_map() and mp_pool_map_async(): the caller's side of a map.
 *
 * Arrays in the family's memory are used where they lie; others are copied
 * into blocks that go with the job, and the results back (result/map_result.c).
 *
 * The job is put into the pool's list before it is filled: if the caller dies,
 * whoever comes by finds it there, and that its caller is dead. The commit of
 * a map without a waiting caller is `open`: it goes on from there, whoever
 * dies. Should that happen before a hint is in the queue, the items begin when
 * a worker looks at the list for another reason; nobody has the handle, so
 * nobody waits for them. */
#include "base/attr.h"
#include "base/error.h"
#include "keeper/attend.h"
#include "os/clock.h"
#include "pool/far.h"
#include "region/heap.h"
#include "region/region.h"
#include "result/callback.h"
#include "result/result.h"
#include "worker/limit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ATTEMPTS_MOST 0xfffeu /* what a post's word can count */

/* ---- Checking ---- */

static int
check_arrays(const struct mp__map_request *q)
{
    size_t largest = q->in_size > q->out_size ? q->in_size : q->out_size;

    if (q->attr.codes && largest < sizeof(int32_t))
        largest = sizeof(int32_t);
    if (!q->in && q->in_size && q->n)
        return mp__fail(-EINVAL, "%s: in is NULL", q->function);
    if (!q->out && q->out_size && q->n && !q->detached)
        return mp__fail(-EINVAL, "%s: out is NULL, out_size is %zu",
                        q->function, q->out_size);
    if (largest && q->n > SIZE_MAX / 2 / largest)
        return mp__fail(-EINVAL,
                        "%s: %zu items of %zu bytes are more than can be",
                        q->function, q->n, largest);
    return 0;
}

static int
check_attr(const struct mp__map_request *q)
{
    const mp_map_attr *a = &q->attr;

    if (a->ctx_size && !a->ctx)
        return mp__fail(-EINVAL, "%s: .ctx is NULL, .ctx_size is not 0",
                        q->function);
    if (a->timeout != a->timeout)
        return mp__fail(-EINVAL, "%s: .timeout is not a number", q->function);
    if (!q->detached && (a->callback || a->error_callback))
        return mp__fail(-EINVAL, "%s: .callback is for mp_pool_map_async()",
                        q->function);
    return 0;
}

static int
check(mp_pool *pool, const struct mp__map_request *q)
{
    int r = mp__object_enter(pool, MP__SLAB_POOL, q->function, "a pool");

    if (r < 0)
        return r;
    if (!q->f)
        return mp__fail(-EINVAL, "%s: the function is NULL", q->function);
    r = check_arrays(q);
    if (r == 0)
        r = check_attr(q);
    return r < 0 ? r : mp__pool_refusal(pool, q->function);
}

/* ---- The arrays ---- */

/* A block of `size` bytes that goes with the job. */
static void *
add_block(struct mp__job *job, unsigned which, size_t size, const void *from)
{
    void *block = mp__block_alloc(size, from == NULL);

    if (!block)
        return NULL;
    if (from)
        memcpy(block, from, size);
    mp__block_keep(block);
    job->blocks[which] = block;
    return block;
}

/* Whether an array has to be copied. */
static int
is_foreign(const void *array, size_t size)
{
    return size > 0 && !mp__region_contains(array, size);
}

/* The codes of items that never begin are what they are set to here. */
static int
set_codes(struct mp__job *job, const struct mp__map_request *q)
{
    size_t size = sizeof(int32_t) * q->n;
    int32_t *codes = q->attr.codes;

    if (!codes)
        return 0;
    if (is_foreign(codes, size)) {
        job->copy_codes = codes;
        codes = add_block(job, 3, size, NULL);
        if (!codes)
            return -ENOMEM;
    }
    for (size_t i = 0; i < q->n; i++)
        codes[i] = -ECANCELED;
    job->codes = codes;
    return 0;
}

static int
set_arrays(struct mp__job *job, const struct mp__map_request *q)
{
    size_t in = q->in_size * q->n, out = q->out_size * q->n;

    job->in = q->in;
    job->out = q->out;
    job->ctx = (void *)(uintptr_t)q->attr.ctx;
    if (is_foreign(q->in, in)) {
        job->in = add_block(job, 0, in, q->in);
        if (!job->in)
            return -ENOMEM;
    }
    if (is_foreign(q->out, out)) {
        job->copy_out = q->out;
        job->out = add_block(job, 1, out, NULL);
        if (!job->out)
            return -ENOMEM;
    }
    if (q->attr.ctx_size) {
        job->ctx = add_block(job, 2, q->attr.ctx_size, q->attr.ctx);
        if (!job->ctx)
            return -ENOMEM;
    }
    return set_codes(job, q);
}

/* ---- The job ---- */

static void
set_attr(mp_pool *pool, struct mp__job *job, const struct mp__map_request *q)
{
    const mp_map_attr *a = &q->attr;
    const char *label = a->progress;

    if (!label && pool->progress)
        label = pool->name;
    snprintf(job->label, sizeof(job->label), "%s", label ? label : "");
    if (label)
        job->submitted = mp__now();
    job->chunk = a->chunk;
    job->priority = a->priority;
    job->timeout = mp__limit_of(a->timeout, pool->task_timeout);
    job->retries = a->retries ? a->retries : pool->task_retries;
    if (job->retries == MP_TASK_NO_RETRIES)
        job->retries = 0;
    else if (job->retries > ATTEMPTS_MOST)
        job->retries = ATTEMPTS_MOST;
}

static struct mp__job *
new_job(mp_pool *pool, const struct mp__map_request *q)
{
    struct mp__job *job = mp__object_alloc(MP__SLAB_JOB, sizeof(*job));

    if (!job)
        return NULL;
    mp__mutex_init(&job->mutex, MP__MUTEX_JOB);
    job->pool = pool;
    job->pool_id = pool->id;
    job->caller = mp__participant_id(mp__me.part);
    job->origin = (uint32_t)getpid();
    job->mark = mp__job_mark();
    job->detached = (uint32_t)q->detached;
    job->unwanted = (uint32_t)q->unwanted;
    job->inbox = q->inbox;
    job->number = mp__add(&pool->maps, 1) + 1;
    job->in_size = q->in_size;
    job->out_size = q->out_size;
    job->n = q->n;
    mp__store(&job->failure, UINT64_MAX);
    set_attr(pool, job, q);
    return job;
}

static int
make_job(mp_pool *pool, const struct mp__map_request *q,
         struct mp__job **ret_job)
{
    struct mp__function reference;
    struct mp__job *job;
    int r = mp__function_export((mp__code *)q->f, &reference, q->function);

    if (r < 0)
        return r;
    job = new_job(pool, q);
    if (!job)
        return -ENOMEM;
    job->function = reference;
    mp__object_publish(job, MP__SLAB_JOB);
    mp__job_list(pool, job);
    r = set_arrays(job, q);
    if (r < 0) {
        mp__job_stop(job);
        mp__job_retire(job);
        return r;
    }
    *ret_job = job;
    return 0;
}

/* Opens the job and calls the workers to it: at least one hint must find its
 * way into the queue. */
static int
call_workers(mp_pool *pool, struct mp__job *job, const char *function)
{
    uint64_t wanted = mp__load(&pool->wanted), sent = 0;
    uint64_t hints = job->n < wanted ? job->n : wanted;
    int r = 0;

    /* release: pairs with can_be_joined(), for the whole job */
    mp__store_release(&job->open, 1);
    while (sent < hints) {
        r = mp__queue_put_pointer(pool->queue, MP__HINT, MP_FOREVER);
        if (r == 0)
            sent++;
        else if (r != -EINTR)
            break;
    }
    mp__pool_demand(pool);
    if (sent || !hints)
        return 0;
    return mp__pool_refusal(pool, function) < 0
               ? mp__pool_refusal(pool, function)
               : r;
}

/* Makes the job and calls the workers: 0, or there is none. */
static int
submit(mp_pool *pool, const struct mp__map_request *q,
       struct mp__job **ret_job)
{
    int r = make_job(pool, q, ret_job);

    if (r < 0)
        return r;
    r = call_workers(pool, *ret_job, q->function);
    if (r < 0) {
        mp__job_stop(*ret_job);
        mp__job_retire(*ret_job);
    }
    return r;
}

int
mp_pool_map(mp_pool *pool, mp_map_fn f, const void *in, size_t in_size,
            void *out, size_t out_size, size_t n, const mp_map_attr *attr)
{
    struct mp__map_request q = {
        .function = "mp_pool_map",
        .f = f,
        .in = in,
        .in_size = in_size,
        .out = out,
        .out_size = out_size,
        .n = n,
    };
    struct mp__job *job;
    uint64_t id;
    int r = mp__attr_read(&q.attr, sizeof(q.attr), attr, 0, q.function);

    if (r == 0)
        r = check(pool, &q);
    if (r == -EREMOTE)
        return mp__pool_far_map(pool, &q, NULL);
    if (r < 0 || n == 0)
        return r;
    id = pool->id;
    r = submit(pool, &q, &job);
    if (r < 0)
        return r;
    r = mp__job_wait(job, MP_FOREVER);
    if (r < 0)
        mp__job_stop(job);
    else if (mp__job_code(job) < 0)
        r = mp__fail(mp__job_code(job), "%s: %s", q.function,
                     mp__job_error(job));
    mp__job_retire(job);
    if (mp__pool_is(pool, id))
        mp__callbacks_run(pool);
    return r;
}

/* ---- Without waiting ---- */

static int
submit_detached(mp_pool *pool, struct mp__map_request *q,
                mp_result **ret_result)
{
    const struct mp__callback callback = {
        .done = q->attr.callback,
        .failed = q->attr.error_callback,
        .arg = q->attr.callback_arg,
    };
    struct mp__job *job;
    int r;

    if (callback.done || callback.failed) {
        q->inbox = mp__callback_prepare(pool);
        if (!q->inbox)
            return -ENOMEM;
    }
    q->unwanted = !q->inbox && !ret_result;
    r = submit(pool, q, &job);
    if (r < 0) {
        if (q->inbox)
            mp__callback_forgo(pool);
        return r;
    }
    if (q->inbox)
        mp__callback_expect(pool, (mp_result *)job, job->number, &callback,
                            ret_result == NULL);
    if (q->n == 0)
        mp__job_announce(job);
    mp__pool_attend(pool); /* some workers may have left for lack of work */
    if (q->unwanted)
        mp__job_retire(job);
    if (ret_result)
        *ret_result = (mp_result *)job;
    return 0;
}

int
mp_pool_map_async(mp_pool *pool, mp_map_fn f, const void *in, size_t in_size,
                  void *out, size_t out_size, size_t n,
                  const mp_map_attr *attr, mp_result **ret_result)
{
    struct mp__map_request q = {
        .function = "mp_pool_map_async",
        .f = f,
        .in = in,
        .in_size = in_size,
        .out = out,
        .out_size = out_size,
        .n = n,
        .detached = 1,
    };
    int r = mp__attr_read(&q.attr, sizeof(q.attr), attr, 0, q.function);

    if (r == 0)
        r = check(pool, &q);
    if (r == -EREMOTE)
        return mp__pool_far_map(pool, &q, ret_result);
    return r < 0 ? r : submit_detached(pool, &q, ret_result);
}
