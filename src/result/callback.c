/* SPDX-License-Identifier: MIT */
/* Callbacks.
 *
 * What a process has been promised is in its ledger (ledger.c), a table of
 * results for each pool. News come from the inbox; who
 * reads them, in whichever thread, looks the result up, and if it has ended and
 * nobody was faster, marks the entry, calls, and takes it out. So each is
 * called once, however often it was told of.
 *
 * News may be too early (task/inbox.h): then they are put back, so that the
 * descriptor stays readable and whoever comes next looks again. If the end does
 * not come soon, somebody else was faster than who told, and will tell again:
 * then, to be sure, the entry is looked at now and then. They may even come
 * before the submitting thread has entered its result: as long as one is on its
 * way, what nobody knows is kept among the strays.
 *
 * The lock is never held while a callback runs, nor while anything is asked of
 * the pool. In fork's child there are no callbacks: they are its parent's. */
#include "result/callback.h"

#include "base/error.h"
#include "bell/waiters.h"
#include "keeper/watch.h"
#include "os/clock.h"
#include "progress/pool_bar.h"
#include "result/callback_fd.h"
#include "result/hear.h"
#include "result/result.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define NAP          200000    /* ns, when all news were too early */
#define SOON         100000000 /* ns in which an end comes that was told of */
#define NOW_AND_THEN 10000000  /* ns between looks, if it did not */

static __thread pid_t running; /* a callback, in this thread of that process */

/* ---- Submitting ---- */

struct mp__inbox *
mp__callback_prepare(mp_pool *pool)
{
    struct mp__entry *e = calloc(1, sizeof(*e));
    struct mp__ledger *l = e ? mp__ledger_make(pool) : NULL;

    if (!l) {
        free(e);
        mp__fail(-ENOMEM, "no memory for a callback");
        return NULL;
    }
    mp__ledger_lock();
    if (l->entries + l->submissions >= l->buckets)
        mp__ledger_grow(l);
    e->next = l->spare;
    l->spare = e;
    l->submissions++;
    mp__ledger_unlock();
    return l->inbox; /* the ledger stays in use until expect or forgo */
}

/* The submission is over: takes its entry from those to spare. */
static struct mp__entry *
end_submission(struct mp__ledger *l)
{
    struct mp__entry *e = l->spare;

    l->spare = e->next;
    l->submissions--;
    return e;
}

/* Whether there was news of it already; the strays go with the last
 * submission. */
static int
was_told(struct mp__ledger *l, const void *result, uint64_t number)
{
    int told = l->strays > MP__STRAYS;

    for (unsigned i = 0; i < l->strays && !told; i++)
        told = l->stray[i].cell == result && l->stray[i].number == number;
    if (l->submissions == 0)
        l->strays = 0;
    return told;
}

void
mp__callback_expect(mp_pool *pool, mp_result *result, uint64_t number,
                    const struct mp__callback *callback, int owned)
{
    struct mp__ledger *l = mp__ledger_get(pool);
    struct mp__entry *e;
    int told;

    if (!l) /* another thread has destroyed the pool */
        return;
    mp__ledger_lock();
    l->users--; /* that of mp__callback_prepare() */
    e = end_submission(l);
    *e = (struct mp__entry){
        .result = result,
        .number = number,
        .callback = *callback,
        .owned = owned,
    };
    mp__ledger_add(l, e);
    told = was_told(l, result, number);
    mp__ledger_unlock();
    if (told)
        mp__inbox_put(l->inbox, result, number);
    mp__ledger_put(l);
}

void
mp__callback_forgo(mp_pool *pool)
{
    struct mp__ledger *l = mp__ledger_get(pool);

    if (!l)
        return;
    mp__ledger_lock();
    l->users--;
    free(end_submission(l));
    if (l->submissions == 0)
        l->strays = 0;
    mp__ledger_unlock();
    mp__inbox_stir(l->inbox); /* who waits for it need not */
    mp__ledger_put(l);
}

int
mp__callback_adopt(mp_result *result, uint64_t number)
{
    struct mp__entry *e;

    if (mp__load(&mp__ledger_entries) == 0)
        return 0;
    mp__ledger_lock();
    e = mp__ledger_find_any(result, number);
    if (e)
        e->owned = 1;
    mp__ledger_unlock();
    return e != NULL;
}

/* ---- Running ---- */

/* 1, 0, or negative if it is not there any more. */
static int
has_ended(void *cell, uint64_t number)
{
    mp_task *task = cell;
    struct mp__job *job = cell;

    if (mp__object_ok(task, MP__SLAB_TASK) && task->number == number)
        return mp__task_has_ended(mp__load_acquire(&task->state));
    if (mp__object_ok(job, MP__SLAB_JOB) && job->number == number)
        return mp__job_is_done(job) || mp__job_look(job);
    return -EBADF;
}

/* The entry was told of, and has not ended: whether to put the news back. */
static int
is_early(struct mp__ledger *l, struct mp__entry *e)
{
    if (e->doubtful)
        return 0;
    if (e->told == 0)
        e->told = mp__now();
    e->doubtful = mp__now() - e->told > SOON;
    l->doubtful += (size_t)e->doubtful;
    return !e->doubtful;
}

static void
note_stray(struct mp__ledger *l, void *cell, uint64_t number)
{
    if (l->submissions == 0)
        return;
    if (l->strays < MP__STRAYS)
        l->stray[l->strays] = (struct mp__news){cell, number};
    l->strays += l->strays <= MP__STRAYS;
}

static int
is_running_one(void)
{
    return running != 0 && running == getpid();
}

/* Calls, outside of the lock; whether there was anything to call. */
static int
call(const struct mp__entry *e)
{
    mp_result_fn f = mp_result_successful(e->result) == 1 ? e->callback.done
                                                          : e->callback.failed;

    if (!f)
        return 0;
    running = getpid();
    f(e->result, e->callback.arg);
    running = 0;
    return 1;
}

static int
run_entry(struct mp__ledger *l, struct mp__entry *e)
{
    mp_result *result = e->result;
    int called = call(e);
    int owned;

    mp__ledger_lock();
    owned = e->owned;
    mp__ledger_drop(l, e);
    mp__ledger_unlock();
    if (owned)
        mp_result_free(result);
    return called;
}

/* What is to be done about a cell that was told of. */
struct step {
    struct mp__entry *run; /* NULL: nothing */
    int early;             /* 1: put the news back */
    int last; /* 1: others may have nothing to wait for any more */
};

/* Under the lock. */
static struct step
next_step(struct mp__ledger *l, void *cell, uint64_t number, int ended)
{
    struct mp__entry *e = mp__ledger_find(l, cell, number);
    struct step step = {0};

    if (!e) {
        note_stray(l, cell, number);
    } else if (e->running) {
        ; /* told twice */
    } else if (ended < 0) {
        mp__ledger_drop(l, e); /* another process has freed it */
    } else if (ended == 0) {
        step.early = is_early(l, e);
    } else {
        step.run = e;
        e->running = 1;
        l->waiting--;
        step.last = l->waiting == 0;
    }
    return step;
}

/* Whether a callback was run. */
static int
look_at(struct mp__ledger *l, void *cell, uint64_t number, int *early)
{
    int ended = has_ended(cell, number);
    struct step step;

    mp__ledger_lock();
    step = next_step(l, cell, number, ended);
    mp__ledger_unlock();
    *early += step.early;
    if (step.early)
        mp__inbox_put(l->inbox, cell, number);
    if (step.last)
        mp__inbox_stir(l->inbox);
    return step.run ? run_entry(l, step.run) : 0;
}

enum which { WAITING, DOUBTFUL, OWNED };

static int
is_one(const struct mp__entry *e, enum which which)
{
    return !e->running &&
           (which == WAITING || (which == DOUBTFUL && e->doubtful) ||
            (which == OWNED && e->owned));
}

/* A copy of some entries; NULL: no memory. */
static struct mp__news *
list_entries(struct mp__ledger *l, enum which which, size_t *ret_n)
{
    struct mp__news *list;
    size_t n = 0;

    mp__ledger_lock();
    list = malloc((l->entries + 1) * sizeof(*list));
    for (size_t i = 0; list && i < l->buckets; i++)
        for (struct mp__entry *e = l->bucket[i]; e; e = e->next)
            if (is_one(e, which))
                list[n++] = (struct mp__news){e->result, e->number};
    mp__ledger_unlock();
    *ret_n = n;
    return list;
}

/* Looks at entries without having been told of them. */
static int
sweep(struct mp__ledger *l, enum which which)
{
    int called = 0, early = 0;
    size_t n;
    struct mp__news *list = list_entries(l, which, &n);

    for (size_t i = 0; i < n; i++)
        if (mp_result_ready(list[i].cell) != 0)
            called += look_at(l, list[i].cell, list[i].number, &early);
    if (!list && which == WAITING)
        mp__store(&l->inbox->lost, 1); /* later, when there is memory */
    free(list);
    return called;
}

/* News were lost: of any that we wait for. */
static void
doubt_all(struct mp__ledger *l)
{
    mp__ledger_lock();
    for (size_t i = 0; i < l->buckets; i++)
        for (struct mp__entry *e = l->bucket[i]; e; e = e->next)
            e->doubtful = 1;
    l->doubtful = l->entries;
    mp__ledger_unlock();
}

/* Those that have ended so far: a callback may go on submitting for ever. How
 * many were called; *early: of which news came too early. */
static int
run_due(struct mp__ledger *l, int *early)
{
    size_t most = mp_queue_size(atomic_load(&l->inbox->queue)) + 1;
    struct mp__news news;
    int called = 0;

    *early = 0;
    while (most-- > 0 && mp__pool_is(l->pool, l->pool_id) &&
           mp__inbox_get(l->pool, l->inbox, &news, MP_NOW) == 1)
        called += look_at(l, news.cell, news.number, early);
    if (!mp__pool_is(l->pool, l->pool_id))
        return called; /* a callback has destroyed it */
    if (MP__UNLIKELY(mp__load(&l->inbox->lost)) &&
        mp__swap(&l->inbox->lost, 0))
        doubt_all(l);
    if (mp__pool_state(l->pool) >= MP__POOL_TERMINATED)
        called += sweep(l, WAITING); /* nobody tells of those */
    else if (l->doubtful)
        called += sweep(l, DOUBTFUL);
    return called;
}

void
mp__callbacks_run(mp_pool *pool)
{
    struct mp__ledger *l;
    int early;

    if (MP__LIKELY(mp__load_relaxed(&mp__ledger_entries) == 0) ||
        is_running_one())
        return;
    l = mp__object_ok(pool, MP__SLAB_POOL) ? mp__ledger_get(pool) : NULL;
    if (!l)
        return;
    run_due(l, &early);
    mp__ledger_put(l);
}

/* Sleeps until there may be more. */
static int
wait_for_more(struct mp__ledger *l, int early, mp_time deadline)
{
    mp_time soon = mp__now() + (early ? NAP : NOW_AND_THEN);
    mp_time until = soon < deadline ? soon : deadline;
    uint32_t seen = mp__load(&l->inbox->arrivals);
    int r;

    if (!early && !l->doubtful)
        return mp__inbox_wait(l->pool, l->inbox, deadline);
    r = early ? mp__pool_sleep(l->pool, &l->inbox->bell, &l->inbox->arrivals,
                               seen, until)
              : mp__inbox_wait(l->pool, l->inbox, until);
    return r == -ETIMEDOUT && until < deadline ? 0 : r;
}

static int
run_or_wait(struct mp__ledger *l, mp_time deadline)
{
    int early, n, r = 0;

    for (;;) {
        if (!mp__pool_is(l->pool, l->pool_id))
            return mp__fail_handle("mp_pool_callbacks", l->pool, "a pool");
        n = run_due(l, &early);
        if (n > 0 || deadline == MP_NOW)
            return n;
        if (r < 0)
            return r == -EINTR ? r : 0;
        mp__ledger_lock();
        n = l->waiting > 0 || l->submissions > 0;
        mp__ledger_unlock();
        if (n == 0)
            return 0;
        r = wait_for_more(l, early, deadline);
    }
}

int
mp_pool_callbacks(mp_pool *pool, mp_time deadline)
{
    int r =
        mp__object_enter(pool, MP__SLAB_POOL, "mp_pool_callbacks", "a pool");
    struct mp__ledger *l;

    if (r < 0 || is_running_one())
        return r;
    l = mp__ledger_get(pool);
    if (!l)
        return 0;
    mp__wait_begin(&pool->bell);
    r = run_or_wait(l, deadline);
    mp__wait_end();
    if (mp__pool_is(l->pool, l->pool_id)) {
        mp__pool_bar_rest(pool);
        if (mp__pollers_exist())
            mp__callback_fd_rearm(l);
    }
    mp__ledger_put(l);
    return r;
}

/* ---- The end of the pool ---- */

void
mp__callbacks_forget(mp_pool *pool)
{
    struct mp__ledger *l = mp__ledger_get(pool);
    struct mp__news *list;
    size_t n;

    if (!l)
        return;
    mp__ledger_remove(l); /* nobody adopts from here on */
    list = list_entries(l, OWNED, &n);
    for (size_t i = 0; i < n; i++)
        mp_result_free(list[i].cell);
    free(list);
    mp__ledger_put(l);
}
