/* SPDX-License-Identifier: MIT */
/* The queue's consumers: killed while they get, wait for a message, or follow
 * the queue to its next segment. A producer that is asleep takes a place that
 * was made without anybody's help. */
#include "queue_stage.h"

#include "os/clock.h"

#include <sched.h>
#include <string.h>

/* ---- A consumer is killed. */

static unsigned char taken[SIZE_MOST];
static unsigned earlier; /* gets of an earlier victim */

static void
victim_gets(void)
{
    unsigned id;

    if (mp_queue_get(stage.queue, taken, SIZE_MOST, MP_FOREVER) < 0)
        return;
    memcpy(&id, taken, sizeof(id));
    mp__store(&sweep.note[RETURNED], id);
}

static void
check_victims_get(unsigned id)
{
    uint64_t got = mp__load(&sweep.note[RETURNED]);

    sweep_check(got == 0 || got == id, "the victim got %d", (int)got);
    sweep_check(got == 0 || stage_gets() > 0,
                "the victim's get is not committed");
}

static void
make_with_three(void)
{
    stage_make(3, 40);
    stage_put_first(3);
}

static void
make_large_with_three(void)
{
    stage_make_large();
    stage_put_first(3);
}

static void
check_get(void)
{
    unsigned n = stage_gets();

    check_victims_get(FIRST);
    stage_check_rest(FIRST + n, 3 - n);
}

/* The next get goes on to a segment of its own. */
static void
make_about_to_jump(void)
{
    unsigned n, i;

    stage_make_grow();
    n = stage_count_grow();
    stage_put_bound(VICTIM);
    for (i = 0; i < n; i++)
        sweep_check(stage_get(MP_NOW) == (int)(FIRST + i),
                    "messages are lost");
}

static void
check_jumped(void)
{
    unsigned n = stage_count_grow() + 1 - stage_gets();

    check_victims_get(VICTIM);
    stage_check_rest(VICTIM, n);
}

static void
make_full_producer_asleep(void)
{
    stage_make_full();
    stage.one = stage_producer(2);
    sweep_await_sleep(stage.one);
}

/* A place that the victim has made is taken without anybody's help. */
static void
check_producer_woken(void)
{
    unsigned n = stage_gets(), i;
    struct sweep_actor *last;

    check_victims_get(FIRST);
    if (!sweep_await_done(stage.one, n))
        return;
    last = stage_consumer(3 - n);
    if (!sweep_await_end(last) || !sweep_await_end(stage.one))
        return;
    for (i = n; i < 3; i++)
        stage_check_got(last, i - n, i == 0 ? FIRST : BESIDE + i - 1);
    stage_check_rest(0, 0);
}

/* The same after one who was killed in its get. */
static void
make_two_places(void)
{
    stage_make(2, 40);
    stage_put_first(2);
    stage.one = stage_producer(2);
    sweep_await_sleep(stage.one);
}

static void
count_earlier_gets(void)
{
    earlier = stage_gets();
    mp__store(&sweep.note[RETURNED], 0);
}

static void
check_producer_after_two(void)
{
    unsigned n = stage_gets(), i;
    struct sweep_actor *last;

    sweep_check(n - earlier <= 1, "one get took %u", n - earlier);
    if (!sweep_await_done(stage.one, n))
        return;
    last = stage_consumer(4 - n);
    if (!sweep_await_end(last) || !sweep_await_end(stage.one))
        return;
    for (i = n; i < 4; i++)
        stage_check_got(last, i - n, i < 2 ? FIRST + i : BESIDE + i - 2);
    stage_check_rest(0, 0);
}

static void
make_full_two_producers_asleep(void)
{
    stage_make_full();
    stage.one = stage_producer(1);
    sweep_await_sleep(stage.one);
    stage.two = stage_producer(1);
    sweep_await_sleep(stage.two);
}

static void
check_two_producers(void)
{
    unsigned n = stage_gets(), i;
    struct sweep_actor *last;

    check_victims_get(FIRST);
    if (n && !sweep_await_end(stage.one))
        return;
    last = stage_consumer(3 - n);
    if (!sweep_await_end(last) || (!n && !sweep_await_end(stage.one)) ||
        !sweep_await_end(stage.two))
        return;
    for (i = n; i < 3; i++)
        stage_check_got(last, i - n, i == 0 ? FIRST : BESIDE);
    stage_check_rest(0, 0);
}

/* ---- The queue is empty: the victim is the first of two that wait. */

static int
victim_consumes(void)
{
    return mp__mutex_holder(&stage.queue->consumers.mutex) ==
           (uint32_t)sweep.victim;
}

static void
come_to_get(void)
{
    stage.one = stage_consumer(2);
    if (!sweep.killed)
        sweep_await_sleep(stage.one);
}

static void
put_one(void)
{
    stage_put_bound(FIRST);
}

/* Waits until what is there has been taken, without anybody's help. */
static int
await_drained(void)
{
    mp_time deadline = mp_timeout(SWEEP_BOUND);

    while (stage_gets() != stage_puts()) {
        if (mp__now() > deadline)
            return sweep_check(0, "a message is there and nobody takes it");
        sched_yield();
    }
    return 1;
}

static void
check_leading_consumer(void)
{
    unsigned id = LATER;

    check_victims_get(FIRST);
    if (!await_drained())
        return;
    stage_put_bound(LATER);
    if (!sweep_await_done(stage.one, 1))
        return;
    if (mp__load(&stage.one->value[0]) == FIRST) {
        sweep_check(!mp__load(&sweep.note[RETURNED]), "two got the same");
        stage_check_got(stage.one, 0, FIRST);
    } else {
        stage_check_got(stage.one, 0, id++);
        stage_put_bound(id);
    }
    if (!sweep_await_end(stage.one))
        return;
    stage_check_got(stage.one, 1, id);
    stage_check_rest(0, 0);
}

/* The victim is the second of two that wait. */
static void
make_one_consumer_asleep(void)
{
    stage_make_small();
    stage.one = stage_consumer(1);
    sweep_await_sleep(stage.one);
}

static void
put_two(void)
{
    stage_put_bound(FIRST);
    stage_put_bound(FIRST + 1);
}

static void
check_second_consumer(void)
{
    if (stage_puts() == 0)
        put_two();
    if (!sweep_await_end(stage.one))
        return;
    stage_check_rest(FIRST + stage_gets(), 2 - stage_gets());
}
/* ---- A producer comes while the victim is anywhere in between. */

static void
come_to_put_two(void)
{
    stage.one = stage_producer(2);
    sweep_let_come(stage.one);
}

const struct sweep_scenario sweep_queue_get[] = {
    {"queue.get", make_with_three, stage_enter, victim_gets,
     .check = check_get, .teardown = stage_destroy},
    {"queue.get-large", make_large_with_three, stage_enter, victim_gets,
     .check = check_get, .teardown = stage_destroy},
    {"queue.get-next-segment", make_about_to_jump, stage_enter, victim_gets,
     .check = check_jumped, .teardown = stage_destroy},
    {"queue.get-producer-asleep", make_full_producer_asleep, stage_enter,
     victim_gets, .check = check_producer_woken, .teardown = stage_destroy},
    {"queue.get-two-producers-asleep", make_full_two_producers_asleep,
     stage_enter, victim_gets, .check = check_two_producers,
     .teardown = stage_destroy},
    {"queue.get-after-a-death", make_two_places, stage_enter, victim_gets,
     .check = check_producer_after_two, .teardown = stage_destroy,
     .before = victim_gets, .between = count_earlier_gets},
    {"queue.get-empty-first", stage_make_small, stage_enter, victim_gets,
     victim_consumes, come_to_get, put_one, .check = check_leading_consumer,
     .teardown = stage_destroy},
    {"queue.get-empty-second", make_one_consumer_asleep, stage_enter,
     victim_gets, .wake = put_two, .check = check_second_consumer,
     .teardown = stage_destroy},
    {"queue.get-meet", stage_make_full, stage_enter, victim_gets,
     .beside = come_to_put_two, .check = check_producer_woken,
     .teardown = stage_destroy, .meet = 1},
    {0},
};
