/* SPDX-License-Identifier: MIT */
/* Maps, as who waits for them sees them.
 *
 * Any process of the family may wait for a map that has a handle, and looks
 * after the pool meanwhile (keeper/attend.c). The process that submitted it has
 * memory of its own to be filled, `copy_out` and `copy_codes`; nobody else
 * can. (Which process that is, a pid alone does not tell: they come again.) It
 * does so once, when it first learns that the map has ended, under the job's
 * mutex: another thread that asks at the same time must not go on before, and
 * must not do it again after. Should it be killed meanwhile, there is nobody to
 * miss anything. */
#include "result/result.h"

#include "base/error.h"
#include "bell/waiters.h"
#include "keeper/attend.h"
#include "keeper/watch.h"
#include "os/clock.h"
#include "progress/bar.h"
#include "region/region.h"
#include "result/callback.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#define SPINS     200     /* looks before sleeping: some 10 us */
#define END_SLICE 5000000 /* ns, while a pool ends: its workers tell nobody */

/* When this process began, or was forked. */
static uint64_t mark;

static void
renew_mark(void)
{
    mark = (uint64_t)mp__now();
}

__attribute__((constructor)) static void
register_mark(void)
{
    renew_mark();
    pthread_atfork(NULL, NULL, renew_mark);
}

uint64_t
mp__job_mark(void)
{
    return mark;
}

/* Whether this process has submitted it: its memory is that of the call. */
static int
is_mine(const struct mp__job *job)
{
    return job->origin == (uint32_t)getpid() && job->mark == mark;
}

struct mp__job *
mp__job_of(mp_result *result)
{
    struct mp__job *job = (struct mp__job *)result;

    return mp__enter() == 0 && mp__object_ok(job, MP__SLAB_JOB) &&
                   job->detached && !job->retired
               ? job
               : NULL;
}

/* ---- The end ---- */

static void
collect(struct mp__job *job)
{
    if (!job->copy_out && !job->copy_codes)
        return;
    if (!is_mine(job))
        return;
    mp__mutex_lock(&job->mutex);
    if (!job->copied) {
        if (job->copy_out)
            memcpy(job->copy_out, job->out, job->out_size * job->n);
        if (job->copy_codes)
            memcpy(job->copy_codes, job->codes, sizeof(int32_t) * job->n);
        job->copied = 1;
    }
    mp__mutex_unlock(&job->mutex);
}

int
mp__job_look(struct mp__job *job)
{
    mp__job_announce(job);
    if (!mp__job_is_done(job)) {
        if (mp__pool_is(job->pool, job->pool_id))
            mp__pool_attend(job->pool);
        mp__job_announce(job);
    }
    if (!mp__job_is_done(job))
        return 0;
    collect(job);
    return 1;
}

/* ---- Waiting ---- */

static int
spin(struct mp__job *job)
{
    for (int n = mp__view.cpus > 1 ? SPINS : 1; n > 0; n--) {
        if (mp__job_is_done(job))
            return 1;
        mp__cpu_relax();
    }
    return 0;
}

static mp_time
show(struct mp__job *job, struct mp__bar *bar)
{
    if (!mp__pool_is(job->pool, job->pool_id))
        return MP_FOREVER;
    return mp__bar_show(bar, job->n, mp__job_count_ended(job),
                        mp__load(&job->failed));
}

int
mp__job_sleep(struct mp__job *job, mp_time until)
{
    uint32_t done = mp__load(&job->done);

    return done & MP__JOB_ENDED ? 0
                                : mp__pool_sleep(job->pool, &job->bell,
                                                 &job->done, done, until);
}

/* Sleeps for a while. As mp__pool_sleep(). */
static int
nap(struct mp__job *job, struct mp__bar *bar, mp_time deadline)
{
    mp_time until = deadline;
    int r;

    if (bar)
        until = show(job, bar);
    if (mp__pool_state(job->pool) >= MP__POOL_TERMINATED &&
        mp__now() + END_SLICE < until)
        until = mp__now() + END_SLICE;
    if (deadline < until)
        until = deadline;
    r = mp__job_sleep(job, until);
    return r != -EINTR && until < deadline ? 0 : r;
}

static int
sleep_until_end(struct mp__job *job, struct mp__bar *bar, mp_time deadline)
{
    int r = 0;

    while (!mp__job_look(job)) {
        if (r < 0)
            return r;
        r = nap(job, bar, deadline);
    }
    if (bar)
        show(job, bar);
    return 0;
}

static int
draw_until_end(struct mp__job *job, mp_time deadline)
{
    struct mp__bar bar;
    int r;

    if (!job->label[0] || !is_mine(job))
        return sleep_until_end(job, NULL, deadline);
    mp__bar_begin(&bar, job->label, job->n);
    bar.begun = job->submitted; /* it may not be the first wait */
    r = sleep_until_end(job, &bar, deadline);
    mp__bar_end(&bar);
    return r;
}

int
mp__job_wait(struct mp__job *job, mp_time deadline)
{
    int r;

    if (deadline == MP_NOW)
        return mp__job_look(job) ? 0 : -EAGAIN;
    if (spin(job)) {
        collect(job);
        return 0;
    }
    mp__wait_begin(&job->bell);
    r = draw_until_end(job, deadline);
    mp__wait_end();
    return r;
}

/* ---- What came out ---- */

static const struct mp__failure *
first_failure(struct mp__job *job)
{
    uint64_t word = mp__load(&job->failure);

    return word == UINT64_MAX ? NULL : &job->failures[word & 1];
}

int
mp__job_code(struct mp__job *job)
{
    const struct mp__failure *failure = first_failure(job);

    switch ((enum mp__verdict)mp__load(&job->verdict)) {
    case MP__JOB_OPEN:
        return -EAGAIN;
    case MP__JOB_DONE:
        return failure ? (int)failure->code : 0;
    case MP__JOB_BROKEN:
        return -ESRCH;
    default:
        return -ECANCELED;
    }
}

const char *
mp__job_error(struct mp__job *job)
{
    const struct mp__failure *failure;

    if (!mp__job_look(job))
        return NULL;
    failure = first_failure(job);
    switch ((enum mp__verdict)mp__load(&job->verdict)) {
    case MP__JOB_DONE:
        return failure ? failure->text : NULL;
    case MP__JOB_BROKEN:
        return job->why;
    case MP__JOB_CANCELLED:
        return "the map was cancelled";
    default:
        return "the pool was terminated before the map had ended";
    }
}

int
mp__job_successful(struct mp__job *job)
{
    return mp__job_look(job) ? mp__job_code(job) == 0 : -EAGAIN;
}

ssize_t
mp__job_size(struct mp__job *job)
{
    int code = mp__job_code(job);

    if (code < 0)
        return mp__fail(code, "%s", mp__job_error(job));
    return (ssize_t)(job->out_size * job->n);
}

ssize_t
mp__job_get(struct mp__job *job, void *buf, size_t cap)
{
    ssize_t size = mp__job_size(job);

    if (size < 0)
        return size;
    if ((size_t)size > cap)
        return mp__fail(-EMSGSIZE,
                        "mp_result_get: the results have %zd bytes, the "
                        "buffer %zu",
                        size, cap);
    if (size && !buf)
        return mp__fail(-EINVAL, "mp_result_get: buf is NULL");
    if (size)
        memcpy(buf, job->out, (size_t)size);
    return size;
}

int
mp__job_give_back(struct mp__job *job)
{
    if (job->inbox && mp__callback_adopt((mp_result *)job, job->number))
        return 0;
    mp__result_forget((mp_result *)job);
    mp__job_retire(job);
    return 0;
}
