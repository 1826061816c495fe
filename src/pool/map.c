/* SPDX-License-Identifier: MIT */
/* mp_pool_map(): the caller's side of a map.
 *
 * Arrays in the family's memory are used where they lie; others are copied
 * into blocks that go with the job, and the results back. The job is put into
 * the pool's list before it is filled: if the caller dies, whoever comes by
 * finds it there, and that its caller is dead. */
#include "base/attr.h"
#include "base/error.h"
#include "pool/job.h"
#include "region/region.h"
#include "region/waiters.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#define SPINS 200 /* looks before sleeping: some 10 us */

/* The arguments of mp_pool_map(). */
struct request {
    mp_map_fn f;
    const void *in;
    void *out;
    size_t in_size, out_size, n;
    mp_map_attr attr;
};

static int
check(mp_pool *pool, const struct request *q)
{
    size_t largest = q->in_size > q->out_size ? q->in_size : q->out_size;

    if (!mp__object_ok(pool, MP__SLAB_POOL))
        return mp__fail_handle("mp_pool_map", pool, "a pool");
    if (!q->f)
        return mp__fail(-EINVAL, "mp_pool_map: the function is NULL");
    if (!q->in && q->in_size && q->n)
        return mp__fail(-EINVAL, "mp_pool_map: in is NULL");
    if (!q->out && q->out_size && q->n)
        return mp__fail(-EINVAL, "mp_pool_map: out is NULL, out_size is %zu",
                        q->out_size);
    if (q->attr.ctx_size && !q->attr.ctx)
        return mp__fail(-EINVAL,
                        "mp_pool_map: .ctx is NULL, .ctx_size is not 0");
    if (largest && q->n > SIZE_MAX / 2 / largest)
        return mp__fail(-EINVAL,
                        "mp_pool_map: %zu items of %zu bytes are more than "
                        "can be",
                        q->n, largest);
    return mp__pool_refusal(pool, "mp_pool_map");
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

/* Bytes of the array that have to be copied. */
static size_t
foreign_bytes(const void *array, size_t item, size_t n)
{
    return mp__region_contains(array, item * n) ? 0 : item * n;
}

static int
set_arrays(struct mp__job *job, const struct request *q)
{
    size_t in = foreign_bytes(q->in, q->in_size, q->n);
    size_t out = foreign_bytes(q->out, q->out_size, q->n);

    job->in = in ? add_block(job, 0, in, q->in) : q->in;
    job->out = out ? add_block(job, 1, out, NULL) : q->out;
    job->ctx = q->attr.ctx_size
                   ? add_block(job, 2, q->attr.ctx_size, q->attr.ctx)
                   : (void *)(uintptr_t)q->attr.ctx;
    return (in && !job->in) || (out && !job->out) ||
                   (q->attr.ctx_size && !job->ctx)
               ? -ENOMEM
               : 0;
}

/* ---- The job ---- */

static int
make_job(mp_pool *pool, const struct request *q, struct mp__job **ret_job)
{
    struct mp__job *job;
    struct mp__function reference;
    int r = mp__function_export((mp__code *)q->f, &reference, "mp_pool_map");

    if (r < 0)
        return r;
    job = mp__object_alloc(MP__SLAB_JOB, sizeof(*job));
    if (!job)
        return -ENOMEM;
    mp__mutex_init(&job->mutex, MP__MUTEX_JOB);
    job->pool = pool;
    job->caller = mp__participant_id(mp__me.part);
    job->function = reference;
    job->in_size = q->in_size;
    job->out_size = q->out_size;
    job->n = q->n;
    job->chunk = q->attr.chunk;
    mp__store(&job->failure, UINT64_MAX);
    mp__object_publish(job, MP__SLAB_JOB);
    mp__job_list(pool, job);
    r = set_arrays(job, q);
    if (r < 0) {
        mp__job_retire(pool, job);
        return r;
    }
    *ret_job = job;
    return 0;
}

/* Opens the job and calls the workers to it: at least one hint must find its
 * way into the queue. */
static int
call_workers(mp_pool *pool, struct mp__job *job)
{
    uint64_t hints = job->n < pool->count ? job->n : pool->count;
    uint64_t sent = 0;
    int r = 0;

    /* release: pairs with pick_job(), for the whole job */
    mp__store_release(&job->open, 1);
    while (sent < hints) {
        r = mp__queue_put_pointer(pool->queue, MP__HINT, MP_FOREVER);
        if (r == 0)
            sent++;
        else if (r != -EINTR)
            break;
    }
    if (sent)
        return 0;
    return mp__pool_refusal(pool, "mp_pool_map") < 0
               ? mp__pool_refusal(pool, "mp_pool_map")
               : r;
}

static int
spin(struct mp__job *job)
{
    for (int n = mp__view.cpus > 1 ? SPINS : 1; n > 0; n--) {
        if (mp__load_acquire(&job->done))
            return 1;
        mp__cpu_relax();
    }
    return 0;
}

static int
wait_for_job(mp_pool *pool, uint64_t id, struct mp__job *job)
{
    int r = 0;

    if (spin(job))
        return 0;
    for (;;) {
        if (mp__job_is_complete(job))
            return 0;
        if (r < 0)
            return r;
        if (!mp__pool_is(pool, id))
            return mp__fail(-ECANCELED, "mp_pool_map: the pool was "
                                        "destroyed meanwhile");
        if (mp__pool_state(pool) >= MP__POOL_TERMINATED)
            return mp__pool_refusal(pool, "mp_pool_map");
        mp__pool_attend(pool);
        if (!mp__job_is_complete(job))
            r = mp__pool_sleep(pool, &job->bell, &job->done, 0, MP_FOREVER);
    }
}

/* What has not begun shall not begin. */
static void
stop_job(struct mp__job *job)
{
    mp__store(&job->stop, 1);
    mp__mutex_lock(&job->mutex);
    mp__store(&job->cursor, job->n);
    mp__mutex_unlock(&job->mutex);
}

/* The code of the first failed item, with a text; 0 if none failed. */
static int
first_failure(struct mp__job *job)
{
    uint64_t word = mp__load(&job->failure);
    struct mp__failure *failure = &job->failures[word & 1];
    int code = (int)failure->code;

    if (word == UINT64_MAX)
        return 0;
    return mp__fail(code, "mp_pool_map: item %llu failed: %s",
                    (unsigned long long)(word >> 1),
                    failure->text[0] ? failure->text : mp_strerror(code));
}

static int
run_job(mp_pool *pool, struct mp__job *job, const struct request *q)
{
    uint64_t id = pool->id;
    int r = call_workers(pool, job);

    if (r == 0) {
        mp__wait_begin(&job->bell);
        r = wait_for_job(pool, id, job);
        mp__wait_end();
    }
    if (r < 0) {
        stop_job(job);
    } else {
        if (job->blocks[1])
            memcpy(q->out, job->blocks[1], q->out_size * q->n);
        r = first_failure(job);
    }
    if (mp__pool_is(pool, id))
        mp__job_retire(pool, job);
    else
        mp__job_free(job);
    return r;
}

int
mp_pool_map(mp_pool *pool, mp_map_fn f, const void *in, size_t in_size,
            void *out, size_t out_size, size_t n, const mp_map_attr *attr)
{
    struct request q = {
        .f = f,
        .in = in,
        .in_size = in_size,
        .out = out,
        .out_size = out_size,
        .n = n,
    };
    struct mp__job *job;
    int r = mp__attr_read(&q.attr, sizeof(q.attr), attr, 0, "mp_pool_map");

    if (r == 0)
        r = mp__enter();
    if (r == 0)
        r = check(pool, &q);
    if (r < 0 || n == 0)
        return r;
    r = make_job(pool, &q, &job);
    return r < 0 ? r : run_job(pool, job, &q);
}
