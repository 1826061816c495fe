/* SPDX-License-Identifier: MIT */
/* The queue's producers: killed while they put, wait for room, grow the queue
 * or let it shrink. A consumer that is asleep gets what was committed without
 * anybody's help. */
#include "queue_stage.h"

/* ---- A producer is killed. */

static unsigned char prepared[2][SIZE_MOST];

static void
prepare_messages(void)
{
    mp__enter();
    stage_write(prepared[0], VICTIM);
    stage_write(prepared[1], VICTIM + 1);
}

static void
victim_puts_one(void)
{
    if (mp_queue_put(stage.queue, prepared[0], stage.size, MP_FOREVER) == 0)
        mp__add(&sweep.note[RETURNED], 1);
}

static void
victim_puts(void)
{
    victim_puts_one();
    if (mp_queue_put(stage.queue, prepared[1], stage.size, MP_FOREVER) == 0)
        mp__add(&sweep.note[RETURNED], 1);
}

/* One that returned is committed, and at most one more. */
static unsigned
victims_puts(unsigned others)
{
    unsigned n = stage_puts() - others;
    unsigned returned = (unsigned)mp__load(&sweep.note[RETURNED]);

    sweep_check(n == returned || n == returned + 1,
                "%u puts returned, %u are committed", returned, n);
    return n;
}

static void
check_put(void)
{
    stage_check_rest(VICTIM, victims_puts(0));
}

static void
make_consumer_asleep(void)
{
    stage_make_small();
    stage.one = stage_consumer(3);
    sweep_await_sleep(stage.one);
}

static void
make_large_consumer_asleep(void)
{
    stage_make_large();
    stage.one = stage_consumer(3);
    sweep_await_sleep(stage.one);
}

/* The consumer gets what was committed without anybody's help. */
static void
check_consumer_woken(void)
{
    unsigned n = victims_puts(0), i;

    if (!sweep_await_done(stage.one, n))
        return;
    for (i = n; i < 3; i++)
        stage_put_bound(LATER + i);
    if (!sweep_await_end(stage.one))
        return;
    for (i = 0; i < 3; i++)
        stage_check_got(stage.one, i, i < n ? VICTIM + i : LATER + i);
    stage_check_rest(0, 0);
}

static void
make_two_consumers_asleep(void)
{
    stage_make_small();
    stage.one = stage_consumer(1);
    sweep_await_sleep(stage.one);
    stage.two = stage_consumer(1);
    sweep_await_sleep(stage.two);
}

static void
check_two_consumers(void)
{
    unsigned n = victims_puts(0), i;

    if (n == 2 && (!sweep_await_end(stage.one) || !sweep_await_end(stage.two)))
        return;
    if (n == 1 && !sweep_await_done(stage.one, 1))
        return;
    for (i = n; i < 2; i++)
        stage_put_bound(LATER + i);
    if (n < 2 && (!sweep_await_end(stage.one) || !sweep_await_end(stage.two)))
        return;
    stage_check_got(stage.one, 0, n > 0 ? VICTIM : LATER);
    stage_check_got(stage.two, 0, n > 1 ? VICTIM + 1 : LATER + 1);
    stage_check_rest(0, 0);
}

/* ---- A producer is killed, and the next, who repairs. */

static unsigned earlier;

static void
count_earlier(void)
{
    earlier = stage_puts();
    mp__store(&sweep.note[RETURNED], 0);
}

static void
victim_puts_second(void)
{
    if (mp_queue_put(stage.queue, prepared[1], stage.size, MP_FOREVER) == 0)
        mp__add(&sweep.note[RETURNED], 1);
}

static void
check_after_two(void)
{
    unsigned n = victims_puts(earlier), all = earlier + n, i;

    if (!sweep_await_done(stage.one, all))
        return;
    for (i = all; i < 3; i++)
        stage_put_bound(LATER + i);
    if (!sweep_await_end(stage.one))
        return;
    if (earlier)
        stage_check_got(stage.one, 0, VICTIM);
    if (n)
        stage_check_got(stage.one, earlier, VICTIM + 1);
    for (i = all; i < 3; i++)
        stage_check_got(stage.one, i, LATER + i);
    stage_check_rest(0, 0);
}

static void
check_grown(void)
{
    unsigned n = stage_count_grow(), m = victims_puts(n), i;
    struct sweep_actor *first = stage_consumer(n);

    if (!sweep_await_end(first))
        return;
    for (i = 0; i < n; i++)
        stage_check_got(first, i, FIRST + i);
    stage_check_rest(VICTIM, m);
}

/* ---- The queue has been larger: the victim's put goes on to a segment of half
 * the size. One message lies in the old one. */

static unsigned rounds_to_shrink;

static void
put_and_get(void)
{
    stage_put_bound(FIRST);
    stage_get_first();
}

static void
make_to_shrink(void)
{
    struct mp__segment *large;

    stage_make_grow();
    stage_put_bound(FIRST + stage_count_grow());
    while (stage_gets() < stage_puts())
        stage_get(MP_NOW);
    stage_put_bound(FIRST);
    if (rounds_to_shrink == 0) {
        large = stage.queue->producers.segment;
        while (stage.queue->producers.segment == large) {
            put_and_get();
            rounds_to_shrink++;
        }
        stage_destroy();
        make_to_shrink();
    } else {
        for (unsigned i = 1; i < rounds_to_shrink; i++)
            put_and_get();
    }
}

static void
check_shrunk(void)
{
    unsigned others = stage_count_grow() + 1 + rounds_to_shrink;
    unsigned n = victims_puts(others);
    struct sweep_actor *first = stage_consumer(1);

    if (!sweep_await_end(first))
        return;
    stage_check_got(first, 0, FIRST);
    stage_check_rest(VICTIM, n);
    sweep_check(n == 0 || stage.queue->producers.segment->granules ==
                              MP__SEGMENT_LEAST,
                "it has not shrunk");
}

/* ---- The queue is full: the victim is the first of two that wait. */

static int
victim_produces(void)
{
    return mp__mutex_holder(&stage.queue->producers.mutex) ==
           (uint32_t)sweep.victim;
}

static void
come_to_put(void)
{
    stage.one = stage_producer(1);
    if (!sweep.killed)
        sweep_await_sleep(stage.one);
}

/* What comes out: the first message if it is still there, the victim's if it
 * was committed, the survivor's; in this order. */
static void
check_leading_producer(void)
{
    unsigned last = 0, victims = 0;

    while (last != BESIDE) {
        int id = stage_get(mp_timeout(SWEEP_BOUND));

        if (!sweep_check(id > (int)last, "got %d after %u", id, last))
            return;
        last = (unsigned)id;
        victims += last == VICTIM;
    }
    sweep_check(victims || !mp__load(&sweep.note[RETURNED]),
                "the victim's message is lost");
    if (sweep_await_end(stage.one))
        stage_check_rest(0, 0);
}
/* ---- A consumer comes while the victim is anywhere in between. */

static void
come_to_get_three(void)
{
    stage.one = stage_consumer(3);
    sweep_let_come(stage.one);
}

const struct sweep_scenario sweep_queue_put[] = {
    {"queue.put", stage_make_small, prepare_messages, victim_puts,
     .check = check_put, .teardown = stage_destroy},
    {"queue.put-large", stage_make_large, prepare_messages, victim_puts,
     .check = check_put, .teardown = stage_destroy},
    {"queue.put-consumer-asleep", make_consumer_asleep, prepare_messages,
     victim_puts, .check = check_consumer_woken, .teardown = stage_destroy},
    {"queue.put-large-consumer-asleep", make_large_consumer_asleep,
     prepare_messages, victim_puts_one, .check = check_consumer_woken,
     .teardown = stage_destroy},
    {"queue.put-two-consumers-asleep", make_two_consumers_asleep,
     prepare_messages, victim_puts, .check = check_two_consumers,
     .teardown = stage_destroy},
    {"queue.put-after-a-death", make_consumer_asleep, prepare_messages,
     victim_puts_second, .check = check_after_two, .teardown = stage_destroy,
     .before = victim_puts_one, .between = count_earlier},
    {"queue.put-large-after-a-death", make_large_consumer_asleep,
     prepare_messages, victim_puts_second, .check = check_after_two,
     .teardown = stage_destroy, .before = victim_puts_one,
     .between = count_earlier},
    {"queue.put-grows", stage_make_grow, prepare_messages, victim_puts_one,
     .check = check_grown, .teardown = stage_destroy},
    {"queue.put-shrinks", make_to_shrink, prepare_messages, victim_puts_one,
     .check = check_shrunk, .teardown = stage_destroy},
    {"queue.put-full-first", stage_make_full, prepare_messages,
     victim_puts_one, victim_produces, come_to_put, stage_get_first,
     .check = check_leading_producer, .teardown = stage_destroy},
    {"queue.put-meet", stage_make_small, prepare_messages, victim_puts_one,
     .beside = come_to_get_three, .check = check_consumer_woken,
     .teardown = stage_destroy, .meet = 1},
    {0},
};
