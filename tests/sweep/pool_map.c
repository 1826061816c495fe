/* SPDX-License-Identifier: MIT */
/* Maps: a worker is killed while it works at one, and who begins one without
 * waiting, cancels it, or reads results as they come. No item is run more often
 * than it may, none is missing, and the pool goes on. */
#include "pool_stage.h"

#include <errno.h>
#include <unistd.h>

#define HELD_ITEMS 2 /* as many as workers that are at them */

static struct sweep_actor *mapper;
static mp_map_attr map_attr;

static int
square_item(const void *item, void *out, void *ctx)
{
    uint64_t i = *(const uint64_t *)item;

    mp__add(&pool_work->items_run[i], 1);
    while (ctx && !mp__load(&pool_work->released))
        usleep(200);
    *(uint64_t *)out = i * i + 1;
    return 0;
}

static unsigned
count_missing(unsigned attempts)
{
    unsigned missing = 0;

    for (unsigned i = 0; i < POOL_ITEMS; i++) {
        sweep_check(mp__load(&pool_work->items_run[i]) <= attempts,
                    "item %u ran %u times", i,
                    (unsigned)mp__load(&pool_work->items_run[i]));
        missing += pool_work->out[i] != i * i + 1;
    }
    return missing;
}

/* ---- The worker is killed ---- */

static void
actor_maps(struct sweep_actor *actor)
{
    int r = mp_pool_map(pool, square_item, pool_work->in,
                        sizeof(*pool_work->in), pool_work->out,
                        sizeof(*pool_work->out), POOL_ITEMS, &map_attr);

    mp__store(&actor->value[0], (uint64_t)-r);
    sweep_done(actor);
}

static void
make_pool_with_mapper(void (*maps)(struct sweep_actor *), uint32_t retries)
{
    map_attr = (mp_map_attr){.size = sizeof(map_attr), .retries = retries};
    pool_make_other(NULL, 1);
    mapper = sweep_actor(maps);
    sweep_await_sleep(mapper);
}

static void
make_pool_with_map(void)
{
    make_pool_with_mapper(actor_maps, 0);
}

static void
make_pool_with_retries(void)
{
    make_pool_with_mapper(actor_maps, 1);
}

static void
check_map(void)
{
    uint64_t r;

    if (!sweep_await_end(mapper))
        return;
    r = mp__load(&mapper->value[0]);
    sweep_check(r == 0 || r == ESRCH, "map: %s", mp_strerror((int)r));
    sweep_check(count_missing(1) <= (r == ESRCH), "items are missing");
    pool_use_and_end();
}

static void
check_retried(void)
{
    uint64_t r;

    if (!sweep_await_end(mapper))
        return;
    r = mp__load(&mapper->value[0]);
    sweep_check(r == 0, "map: %s", mp_strerror((int)r));
    sweep_check(count_missing(2) == 0, "items are missing");
    pool_use_and_end();
}

/* ---- Without waiting ---- */

static mp_result *
map_async(size_t n, const mp_map_attr *attr)
{
    mp_result *r = NULL;
    int error = mp_pool_map_async(pool, square_item, pool_work->in,
                                  sizeof(*pool_work->in), pool_work->out,
                                  sizeof(*pool_work->out), n, attr, &r);

    return error < 0 ? NULL : r;
}

static void
make_pool_with_async(void)
{
    pool_make_other(NULL, 1);
    pool_work->result[0] =
        map_async(POOL_ITEMS, MP_MAP_ATTR(.callback = pool_note_call,
                                          .error_callback = pool_note_call));
    sweep_check(pool_work->result[0] != NULL, "cannot map: %s",
                mp_last_error());
}

static int
error_of(mp_result *r)
{
    char buf[POOL_ITEMS * sizeof(uint64_t)];
    ssize_t size = mp_result_get(r, buf, sizeof(buf), mp_timeout(SWEEP_BOUND));

    mp_result_free(r);
    return size < 0 ? (int)size : 0;
}

static void
check_async(void)
{
    int r;

    pool_await_call(0);
    r = error_of(pool_work->result[0]);
    sweep_check(r == 0 || r == -ESRCH, "map: %s", mp_strerror(r));
    sweep_check(count_missing(1) <= (r == -ESRCH), "items are missing");
    pool_use_and_end();
}

static void
make_idle_pool(void)
{
    pool_make(1);
}

static void
victim_maps(void)
{
    mp__store(&sweep.note[0], (uintptr_t)map_async(POOL_ITEMS, NULL));
}

static void
check_begun(void)
{
    mp_result *r = (mp_result *)(uintptr_t)mp__load(&sweep.note[0]);
    int error;

    if (r) {
        error = error_of(r);
        sweep_check(error == 0, "map: %s", mp_strerror(error));
        sweep_check(count_missing(1) == 0, "items are missing");
    }
    pool_use_and_end();
    count_missing(1);
}

/* ---- Cancelled ---- */

/* Two workers are at items, the third at a task of somebody else. */
static void
make_pool_with_running(void)
{
    pool_make(3);
    pool_work->result[1] = pool_submit(1, POOL_HELD, NULL);
    pool_await_run(1);
    pool_work->result[0] =
        map_async(HELD_ITEMS, MP_MAP_ATTR(.ctx = pool_work, .chunk = 1));
    for (unsigned i = 0; i < HELD_ITEMS; i++)
        while (mp__load(&pool_work->items_run[i]) == 0)
            usleep(50);
}

static void
victim_cancels(void)
{
    mp__store(&sweep.note[0],
              (uint64_t)(1 + (mp_result_cancel(pool_work->result[0]) == 0)));
}

static void
check_cancelled(void)
{
    int r;

    sweep_check(!sweep.completed || mp__load(&sweep.note[0]) == 2,
                "it was not cancelled");
    pool_release();
    sweep_check(pool_settle(pool_work->result[1], 1, 1) == POOL_DONE,
                "a task ended with it");
    r = error_of(pool_work->result[0]);
    sweep_check(r == -ECANCELED || (r == 0 && !sweep.completed), "map: %s",
                mp_strerror(r));
    count_missing(1);
    pool_await_workers(3);
    pool_use_and_end();
}

/* ---- Read as they come ---- */

static int
next_item(void *item, void *arg)
{
    uint64_t *next = arg;

    *(uint64_t *)item = *next;
    return (*next)++ < POOL_ITEMS;
}

/* The next results from `it`, up to `n`. */
static const char *
read_results(mp_imap *it, unsigned n)
{
    size_t index;
    uint64_t x;

    for (unsigned i = 0; i < n; i++)
        if (mp_imap_next(it, &x, &index, MP_FOREVER) != 1)
            return mp_last_error();
        else if (index != i || x != (uint64_t)i * i + 1)
            return "a wrong result";
    return NULL;
}

static const char *
iterate(unsigned n)
{
    uint64_t next = 0;
    mp_imap *it = NULL;
    const char *wrong;
    int r = mp_pool_imap(pool, square_item, next_item, &next, sizeof(uint64_t),
                         sizeof(uint64_t),
                         MP_MAP_ATTR(.window = 3, .retries = map_attr.retries),
                         &it);

    if (r < 0)
        return mp_last_error();
    wrong = read_results(it, n);
    mp_imap_free(it);
    return wrong;
}

static void
victim_iterates(void)
{
    iterate(3);
}

static void
check_iterated(void)
{
    pool_use_and_end();
    count_missing(1);
}

static void
actor_iterates(struct sweep_actor *actor)
{
    const char *wrong = iterate(POOL_ITEMS);

    if (wrong)
        sweep_complain(actor, "imap: %s", wrong);
    sweep_done(actor);
}

static void
make_pool_with_iterator(void)
{
    make_pool_with_mapper(actor_iterates, 1);
}

static void
check_iterator(void)
{
    if (!sweep_await_end(mapper))
        return;
    count_missing(2);
    pool_use_and_end();
}

static void
let_victim_sleep(void)
{
}

/* What a worker was about to hand over or to free is lost with it: of a map
 * the cell and three blocks. With an iterator all that it has read is lost. */
const struct sweep_scenario sweep_pool_map[] = {
    {"pool.worker-map", make_pool_with_map, .check = check_map, .adopt = 1,
     .teardown = pool_free, .may_lose = 4, .stride = 3},
    {"pool.worker-map-retries", make_pool_with_retries, .check = check_retried,
     .adopt = 1, .teardown = pool_free, .may_lose = 4, .stride = 3},
    {"pool.worker-map-async", make_pool_with_async, .check = check_async,
     .adopt = 1, .teardown = pool_free, .may_lose = 4, .stride = 3},
    {"pool.map-async", make_idle_pool, pool_enter_library, victim_maps,
     .check = check_begun, .teardown = pool_free, .may_lose = 6},
    {"pool.map-cancel", make_pool_with_running, pool_enter_library,
     victim_cancels, .wake = let_victim_sleep, .check = check_cancelled,
     .teardown = pool_free, .may_lose = 6, .stride = 97},
    {"pool.imap", make_idle_pool, pool_enter_library, victim_iterates,
     .wake = let_victim_sleep, .sleeps = 8, .check = check_iterated,
     .teardown = pool_free, .may_lose = 16, .stride = 7},
    {"pool.worker-imap", make_pool_with_iterator, .check = check_iterator,
     .adopt = 1, .teardown = pool_free, .may_lose = 4, .stride = 3},
    {0},
};
