/* SPDX-License-Identifier: MIT */
/* A pool whose workers are killed, one every 5 ms, while several processes give
 * it tasks and maps of all kinds, cancel some, and its size changes. What is
 * known of each task is in memory that is no part of the library:
 *
 *   - each has one answer, the right one, and its callback is called once;
 *   - none runs more often than it has attempts, or at all if it was cancelled
 *     before it began; what was cancelled is -ECANCELED, what was not is not;
 *   - all together have lost no more attempts than workers were killed: a kill
 *     takes one task along, a cancel none but its own.
 *
 * At the end the pool has all its workers again, and does what it is given. */
#define _GNU_SOURCE
#include "pool_soak.h"

#include "base/atomic.h"
#include "os/clock.h"

#include <mproc.h>

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define KILL_EVERY 5000 /* us */
#define SUBMITTERS 3
#define FEWEST     2 /* workers */
#define MOST       5
#define BATCH      8 /* tasks that a submitter has under way */
#define ITEMS      64
#define RETRIES    3
#define BOUND      20.0 /* s for anything to come */

enum kind {
    PLAIN,    /* fails when its worker dies */
    STUBBORN, /* slow, and tried again */
    TOLD,     /* by a callback; at any priority */
    SLOW,     /* and cancelled, perhaps */
    ENDLESS,  /* killed for its time */
    KINDS,
};

/* One of these for each task that is under way. */
struct record {
    mp__a32 runs;
    uint32_t called; /* back */
};

static struct soak {
    mp__a32 stop;
    mp__a64 violations;
    mp__a64 tasks[KINDS], done, lost, cancelled, timed_out, maps, lost_maps;
    mp__a64 again; /* attempts beyond the first, and items run twice */
    mp__a64 progress[SUBMITTERS];
    struct record record[SUBMITTERS][BATCH];
    mp__a32 items[SUBMITTERS][ITEMS];
} * soak;

static mp_pool *pool;
static uint32_t self; /* which submitter */

struct order {
    uint64_t number;
    uint32_t submitter, place;
    enum kind kind;
    unsigned us;
};

/* A task, seen by its submitter. */
struct under_way {
    struct order order;
    mp_result *result;
    int cancel; /* what mp_result_cancel() said; 1: not called */
};

static void
violation(const char *format, ...)
{
    va_list list;

    mp__add(&soak->violations, 1);
    va_start(list, format);
    printf("VIOLATION: ");
    vprintf(format, list);
    printf("\n");
    va_end(list);
    fflush(stdout);
}

/* ---- What the workers do ---- */

static int
work(mp_task *task)
{
    const struct order *order = mp_task_arg(task, NULL);
    uint64_t x = order->number * 3 + 1;

    mp__add(&soak->record[order->submitter][order->place].runs, 1);
    if (order->kind == SLOW || order->kind == STUBBORN)
        usleep(order->us);
    while (order->kind == ENDLESS)
        usleep(1000);
    return mp_task_return(task, &x, sizeof(x));
}

static int
work_at_item(const void *item, void *out, void *ctx)
{
    uint64_t x = *(const uint64_t *)item;

    mp__add(&soak->items[*(const uint32_t *)ctx][x % ITEMS], 1);
    if (x % 4 == 0)
        usleep(100);
    *(uint64_t *)out = x * 3 + 1;
    return 0;
}

/* ---- Submitters: tasks ---- */

static void
note_call(mp_result *result, void *arg)
{
    struct record *record = arg;

    if (mp_result_ready(result) != 1)
        violation("a callback for a task that has not ended");
    record->called++;
}

static void
submit(struct under_way *u, uint32_t place, uint64_t number)
{
    struct record *record = &soak->record[self][place];
    mp_task_attr attr = {.size = sizeof(attr)};
    int r;

    mp__store(&record->runs, 0);
    record->called = 0;
    u->order = (struct order){.number = number,
                              .submitter = self,
                              .place = place,
                              .us = (unsigned)random() % 2000};
    u->order.kind = random() % 64 == 0 ? ENDLESS : random() % ENDLESS;
    u->cancel = 1;
    switch (u->order.kind) {
    case STUBBORN:
        attr.retries = RETRIES;
        break;
    case TOLD:
        attr.priority = (int32_t)(random() % 7 - 3);
        attr.callback = attr.error_callback = note_call;
        attr.callback_arg = record;
        break;
    case ENDLESS:
        attr.timeout = 0.01;
        break;
    default:
        break;
    }
    mp__add(&soak->tasks[u->order.kind], 1);
    r = mp_pool_apply_async(pool, work, &u->order, sizeof(u->order), &attr,
                            &u->result);
    if (r < 0) {
        violation("apply_async: %s", mp_last_error());
        u->result = NULL;
    }
}

static ssize_t
answer_of(mp_result *result, uint64_t *x)
{
    mp_time deadline = mp_timeout(BOUND);
    ssize_t r;

    do
        r = mp_result_get(result, x, sizeof(*x), deadline);
    while (r == -EINTR);
    return r;
}

static void
check_answer(const struct under_way *u, ssize_t r, uint64_t x, uint32_t runs)
{
    unsigned long long n = u->order.number;
    uint32_t attempts = u->order.kind == STUBBORN ? RETRIES + 1 : 1;

    if (runs > attempts)
        violation("task %llu ran %u times", n, (unsigned)runs);
    if (u->cancel == 0 && r != -ECANCELED)
        violation("task %llu was cancelled, but: %zd", n, r);
    if (r == sizeof(x)) {
        mp__add(&soak->done, 1);
        if (x != n * 3 + 1 || runs == 0)
            violation("task %llu gives %" PRIu64 " and ran %u times", n, x,
                      (unsigned)runs);
    } else if (r == -ESRCH) {
        mp__add(&soak->lost, 1);
    } else if (r == -ECANCELED) {
        mp__add(&soak->cancelled, 1);
        if (u->cancel != 0)
            violation("task %llu was cancelled by nobody", n);
    } else if (r == -ETIMEDOUT && u->order.kind == ENDLESS &&
               mp_result_ready(u->result) == 1) {
        mp__add(&soak->timed_out, 1);
    } else {
        violation("task %llu: %s (%s)", n, mp_strerror((int)r),
                  mp_last_error());
    }
}

static void
await_callback(const struct under_way *u, const struct record *record)
{
    mp_time deadline = mp_timeout(BOUND);

    while (record->called == 0 && mp__now() < deadline)
        mp_pool_callbacks(pool, mp_timeout(0.1));
    if (record->called != 1)
        violation("task %llu was called back %u times",
                  (unsigned long long)u->order.number,
                  (unsigned)record->called);
}

static void
collect(struct under_way *u)
{
    struct record *record = &soak->record[self][u->order.place];
    uint64_t x = 0, same = 0;
    uint32_t runs;
    ssize_t r;

    if (!u->result)
        return;
    r = answer_of(u->result, &x);
    runs = mp__load(&record->runs);
    check_answer(u, r, x, runs);
    if (runs > 1)
        mp__add(&soak->again, runs - 1);
    if (u->order.kind == TOLD)
        await_callback(u, record);
    if (answer_of(u->result, &same) != r || same != x)
        violation("task %llu has a second answer",
                  (unsigned long long)u->order.number);
    mp_result_free(u->result);
}

static void
do_tasks(uint64_t number)
{
    struct under_way u[BATCH];

    for (uint32_t i = 0; i < BATCH; i++)
        submit(&u[i], i, number + i);
    for (uint32_t i = 0; i < BATCH; i++)
        if (u[i].result && u[i].order.kind == SLOW && random() % 2) {
            usleep((unsigned)random() % 500);
            u[i].cancel = mp_result_cancel(u[i].result);
        }
    for (uint32_t i = 0; i < BATCH; i++)
        collect(&u[i]);
}

/* ---- Submitters: maps ---- */

static int
run_map(const uint64_t *in, uint64_t *out)
{
    mp_map_attr attr = {.size = sizeof(attr),
                        .ctx = &self,
                        .ctx_size = sizeof(self),
                        .retries = RETRIES};
    mp_result *result = NULL;
    int r;

    if (random() % 2)
        return mp_pool_map(pool, work_at_item, in, sizeof(*in), out,
                           sizeof(*out), ITEMS, &attr);
    r = mp_pool_map_async(pool, work_at_item, in, sizeof(*in), out,
                          sizeof(*out), ITEMS, &attr, &result);
    if (r < 0)
        return r;
    r = mp_result_wait(result, mp_timeout(BOUND));
    if (r == 0)
        r = (int)mp_result_get(result, NULL, 0, MP_NOW);
    if (r == -EMSGSIZE || r > 0) /* there are results: they are in `out` */
        r = 0;
    mp_result_free(result);
    return r;
}

static void
do_map(uint64_t number)
{
    uint64_t in[ITEMS], out[ITEMS] = {0};
    uint32_t runs;
    int r;

    for (uint32_t i = 0; i < ITEMS; i++) {
        in[i] = number * ITEMS + i;
        mp__store(&soak->items[self][i], 0);
    }
    r = run_map(in, out);
    mp__add(&soak->maps, 1);
    if (r == -ESRCH)
        mp__add(&soak->lost_maps, 1);
    else if (r < 0)
        violation("a map: %s (%s)", mp_strerror(r), mp_last_error());
    for (uint32_t i = 0; i < ITEMS; i++) {
        runs = mp__load(&soak->items[self][i]);
        if (runs > RETRIES + 1)
            violation("item %u ran %u times", (unsigned)i, (unsigned)runs);
        if (r == 0 && (out[i] != in[i] * 3 + 1 || runs == 0))
            violation("item %u gives %" PRIu64 " and ran %u times",
                      (unsigned)i, out[i], (unsigned)runs);
        if (runs > 1)
            mp__add(&soak->again, runs - 1);
    }
}

static void
be_submitter(uint32_t which, unsigned seed)
{
    uint64_t number = 1;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    srandom(seed + which);
    self = which;
    while (!mp__load(&soak->stop)) {
        if (random() % 8 == 0)
            do_map(number);
        else
            do_tasks(number);
        number += BATCH;
        mp__add(&soak->progress[which], 1);
    }
    _exit(0);
}

/* ---- The killer ---- */

static uint64_t
kill_one(void)
{
    mp_process *list[MOST];
    int n = mp_pool_workers(pool, list, MOST);

    if (n < 0)
        violation("the pool: %s", mp_last_error());
    if (n <= 0)
        return 0;
    if (n > MOST)
        n = MOST;
    return mp_process_kill(list[random() % n]) == 0;
}

static void
resize(void)
{
    int r =
        mp_pool_resize(pool, FEWEST + (int)(random() % (MOST - FEWEST + 1)));

    if (r < 0)
        violation("resize: %s", mp_last_error());
}

/* Whether all submitters have gone on since then; checked now and then. */
static void
check_progress(uint64_t *before, mp_time *since)
{
    if (mp__now() - *since < (mp_time)(BOUND * 1e9))
        return;
    for (uint32_t i = 0; i < SUBMITTERS; i++) {
        if (mp__load(&soak->progress[i]) == before[i])
            violation("submitter %u makes no progress", (unsigned)i);
        before[i] = mp__load(&soak->progress[i]);
    }
    *since = mp__now();
}

static uint64_t
kill_workers(double seconds)
{
    mp_time end = mp_timeout(seconds), since = mp__now();
    uint64_t before[SUBMITTERS] = {0}, killed = 0;

    before[0] = before[1] = before[2] = UINT64_MAX;
    while (mp__now() < end) {
        usleep(KILL_EVERY);
        killed += kill_one();
        if (random() % 100 == 0)
            resize();
        check_progress(before, &since);
    }
    return killed;
}

/* ---- The end ---- */

static void
await_submitters(const pid_t *pids)
{
    int status;

    for (uint32_t i = 0; i < SUBMITTERS; i++) {
        mp_time deadline = mp_timeout(2 * BOUND);
        pid_t r;

        while ((r = waitpid(pids[i], &status, WNOHANG)) == 0 &&
               mp__now() < deadline) {
            mp_pool_workers(pool, NULL, 0);
            usleep(1000);
        }
        if (r == pids[i] && status == 0)
            continue;
        violation("submitter %u %s, status 0x%x", (unsigned)i,
                  r == 0 ? "hangs" : "ended", r == 0 ? 0u : (unsigned)status);
        kill(pids[i], SIGKILL);
        waitpid(pids[i], &status, 0);
    }
}

/* All workers are there again, and all tasks are done. */
static void
check_strength(void)
{
    mp_time deadline = mp_timeout(BOUND);
    uint64_t lost = mp__load(&soak->lost);
    int n = 0;

    if (mp_pool_resize(pool, MOST) < 0)
        violation("resize at the end: %s", mp_last_error());
    while ((n = mp_pool_workers(pool, NULL, 0)) != MOST &&
           mp__now() < deadline)
        usleep(1000);
    if (n != MOST)
        violation("%d workers at the end instead of %d", n, MOST);
    self = 0;
    for (uint64_t i = 0; i < 100; i++) {
        struct under_way u;

        submit(&u, 0, i + 1);
        collect(&u);
    }
    if (mp__load(&soak->lost) != lost)
        violation("tasks were lost with nobody killed");
}

static void
end_pool(void)
{
    if (mp_pool_close(pool) < 0 || mp_pool_join(pool, mp_timeout(BOUND)) < 0 ||
        mp_pool_destroy(pool) < 0)
        violation("the pool does not end: %s", mp_last_error());
}

static void
report(uint64_t killed, double seconds)
{
    uint64_t all = 0, lost = mp__load(&soak->lost) +
                             mp__load(&soak->lost_maps) +
                             mp__load(&soak->again);

    for (int i = 0; i < KINDS; i++)
        all += mp__load(&soak->tasks[i]);
    if (lost > killed)
        violation("%" PRIu64 " attempts were lost by %" PRIu64 " kills", lost,
                  killed);
    printf("%" PRIu64 " workers killed, one every %.1f ms; %" PRIu64
           " tasks and %" PRIu64 " maps\n",
           killed, seconds * 1e3 / (killed ? (double)killed : 1), all,
           mp__load(&soak->maps));
    printf("tasks: %" PRIu64 " done, %" PRIu64
           " lost with their worker, %" PRIu64 " cancelled, %" PRIu64
           " killed for their time\n",
           mp__load(&soak->done), mp__load(&soak->lost),
           mp__load(&soak->cancelled), mp__load(&soak->timed_out));
    printf("%" PRIu64 " tasks and items were tried again, %" PRIu64
           " maps lost an item\n",
           mp__load(&soak->again), mp__load(&soak->lost_maps));
}

int
stress_pool_soak(double seconds, unsigned seed)
{
    pid_t pids[SUBMITTERS];
    uint64_t killed;

    soak = mmap(NULL, sizeof(*soak), PROT_READ | PROT_WRITE,
                MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (soak == MAP_FAILED ||
        mp_pool_create(&pool, MOST, MP_POOL_ATTR(.method = MP_FORK)) < 0) {
        printf("cannot begin: %s\n", mp_last_error());
        return 1;
    }
    for (uint32_t i = 0; i < SUBMITTERS; i++) {
        pids[i] = fork();
        if (pids[i] == 0)
            be_submitter(i, seed);
    }
    killed = kill_workers(seconds);
    mp__store(&soak->stop, 1);
    await_submitters(pids);
    check_strength();
    report(killed, seconds);
    end_pool();
    return mp__load(&soak->violations) != 0;
}
