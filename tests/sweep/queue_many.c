/* SPDX-License-Identifier: MIT */
/* Many messages at a time, and segments that come and go. Of a batch those from
 * the front are put, or taken, whole; nothing of the others is seen. */
#include "queue_stage.h"

#include <errno.h>
#include <string.h>

#define BATCH 5u
#define MANY  40u /* so many of MEDIUM go on to a new segment */

#define MEDIUM 3000

/* Notes: how many a call said that it has put; or the ids it got. */
enum { PUT };

static unsigned char batch[MANY * MEDIUM];
static unsigned n_batch;

/* ---- Queues. */

static void
make_unlimited(void)
{
    stage_make(0, 40);
    n_batch = BATCH;
}

static void
make_limited_bytes(void)
{
    int r = mp_queue_create(&stage.queue, MP_QUEUE_ATTR(.max_bytes = 1000));

    stage.size = 40;
    stage.one = stage.two = NULL;
    n_batch = BATCH;
    sweep_check(r == 0, "cannot create a queue: %s", mp_strerror(r));
}

static void
make_medium(void)
{
    stage_make(0, MEDIUM);
    n_batch = MANY;
}

static void
make_large(void)
{
    stage_make(0, 20000);
    n_batch = 3;
}

/* Room for two, and there is one. */
static void
make_nearly_full(void)
{
    stage_make(2, 40);
    stage_put_bound(FIRST);
    n_batch = BATCH;
}

static void
make_consumer_asleep(void)
{
    make_unlimited();
    stage.one = stage_consumer(BATCH);
    sweep_await_sleep(stage.one);
}

static void
make_with_five(void)
{
    make_unlimited();
    stage_put_first(BATCH);
}

static void
make_large_with_three(void)
{
    make_large();
    stage_put_first(3);
}

static void
make_bytes_with_five(void)
{
    make_limited_bytes();
    stage_put_first(BATCH);
}

/* Several segments hold what the victim takes. */
static void
make_with_many(void)
{
    make_medium();
    stage_put_first(MANY);
}

static void
make_producer_asleep(void)
{
    stage_make(3, 40);
    stage_put_first(3);
    n_batch = BATCH;
    stage.one = stage_producer(3);
    sweep_await_sleep(stage.one);
}

/* ---- Who is killed. */

static void
prepare_batch(void)
{
    mp__enter();
    for (unsigned i = 0; i < n_batch; i++)
        stage_write(batch + i * stage.size, VICTIM + i);
}

static void
victim_puts_many(void)
{
    ssize_t n =
        mp_queue_put_many(stage.queue, batch, stage.size, n_batch, MP_FOREVER);

    mp__store(&sweep.note[PUT], (uint64_t)n);
}

static void
victim_gets_many(void)
{
    size_t sizes[MANY];
    ssize_t n = mp_queue_get_many(stage.queue, batch, stage.size, n_batch,
                                  sizes, MP_FOREVER);

    for (ssize_t i = 0; i < n; i++) {
        unsigned id;

        memcpy(&id, batch + (size_t)i * stage.size, sizeof(id));
        mp__store(&sweep.note[i], sizes[i] == stage.size ? id : 1);
    }
}

/* ---- What became of it. */

static unsigned
check_puts(unsigned before)
{
    unsigned n = stage_puts() - before;
    unsigned returned = (unsigned)mp__load(&sweep.note[PUT]);

    sweep_check(n <= n_batch && n >= returned, "%u were put, %u returned", n,
                returned);
    return n;
}

static void
check_put_many(void)
{
    stage_check_rest(VICTIM, check_puts(0));
}

static void
get_one(void)
{
    sweep_check(stage_get(mp_timeout(SWEEP_BOUND)) > 0, "get fails");
}

/* The victim waits for room after each one or two. */
static void
check_put_into_full(void)
{
    unsigned n = check_puts(1), gets = stage_gets();

    if (gets == 0) {
        stage_get_first();
        gets++;
    }
    stage_check_rest(VICTIM + gets - 1, n + 1 - gets);
}

static void
check_consumer(void)
{
    unsigned n = check_puts(0), i;

    if (!sweep_await_done(stage.one, n))
        return;
    for (i = n; i < BATCH; i++)
        stage_put_bound(LATER + 2 + i);
    if (!sweep_await_end(stage.one))
        return;
    for (i = 0; i < BATCH; i++)
        stage_check_got(stage.one, i, i < n ? VICTIM + i : LATER + 2 + i);
    stage_check_rest(0, 0);
}

/* Those that the victim says it got are the first, and gone: `first` that were
 * there, then those of the survivor. */
static void
check_gets(unsigned first)
{
    unsigned i;

    for (i = 0; i < 64 && mp__load(&sweep.note[i]); i++)
        sweep_check(mp__load(&sweep.note[i]) ==
                        (i < first ? FIRST + i : BESIDE + i - first),
                    "the victim's message %u is %u", i,
                    (unsigned)mp__load(&sweep.note[i]));
    sweep_check(stage_gets() >= i, "%u gets returned, %u are committed", i,
                stage_gets());
}

static void
check_get_many(void)
{
    unsigned n = stage_gets();

    check_gets(n_batch);
    stage_check_rest(FIRST + n, stage_puts() - n);
}

/* The producer takes the places that were made without anybody's help. */
static void
check_producer(void)
{
    unsigned n = stage_gets(), i;
    struct sweep_actor *last;

    check_gets(3);
    if (!sweep_await_done(stage.one, n < 3 ? n : 3))
        return;
    last = stage_consumer(6 - n);
    if (!sweep_await_end(last) || !sweep_await_end(stage.one))
        return;
    for (i = n; i < 6; i++)
        stage_check_got(last, i - n, i < 3 ? FIRST + i : BESIDE + i - 3);
    stage_check_rest(0, 0);
}

#define PUT_ROW(name, make, test)                    \
    {                                                \
        name, make, prepare_batch, victim_puts_many, \
            .check = test, .teardown = stage_destroy \
    }
#define GET_ROW(name, make, test)                                            \
    {                                                                        \
        name, make, stage_enter, victim_gets_many, .check = test,            \
                                                   .teardown = stage_destroy \
    }

const struct sweep_scenario sweep_queue_many[] = {
    PUT_ROW("many.put", make_unlimited, check_put_many),
    PUT_ROW("many.put-bytes", make_limited_bytes, check_put_many),
    PUT_ROW("many.put-large", make_large, check_put_many),
    PUT_ROW("many.put-grows", make_medium, check_put_many),
    PUT_ROW("many.put-consumer-asleep", make_consumer_asleep, check_consumer),
    {"many.put-full", make_nearly_full, prepare_batch, victim_puts_many,
     .wake = get_one, .check = check_put_into_full, .teardown = stage_destroy,
     .sleeps = BATCH},
    GET_ROW("many.get", make_with_five, check_get_many),
    GET_ROW("many.get-bytes", make_bytes_with_five, check_get_many),
    GET_ROW("many.get-large", make_large_with_three, check_get_many),
    GET_ROW("many.get-segments", make_with_many, check_get_many),
    GET_ROW("many.get-producer-asleep", make_producer_asleep, check_producer),
    {0},
};
