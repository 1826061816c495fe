/* SPDX-License-Identifier: MIT */
/* Many at a queue of another order than first in, first out: they wait for
 * each other, come and go, and are killed. Nothing is lost or seen twice, and
 * what comes out is in order. */
#include "queue/modes-kit.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define MOST      4 /* on each side */
#define EACH_MOST 3000

static const uint32_t orders[] = {MP_QUEUE_LIFO, MP_QUEUE_PRIORITY};

struct task {
    int64_t priority;
    uint32_t producer, number;
};

struct market {
    mp_queue *queue;
    uint32_t order, each;
    mp__a32 producing;
    mp__a32 seen[MOST][EACH_MOST];
};

static struct market *
market_with(const mp_queue_attr *attr, uint32_t each)
{
    struct market *market = mp_new(struct market);

    ck_assert_ptr_nonnull(market);
    market->queue = queue_with(attr);
    market->order = attr->order;
    market->each = each;
    market->producing = MOST;
    return market;
}

static void
end_market(struct market *market)
{
    ck_assert_uint_eq(mp_queue_size(market->queue), 0);
    must(mp_queue_destroy(market->queue));
    must(mp_free(market));
}

static void
expect_all_seen_once(struct market *market)
{
    for (uint32_t i = 0; i < MOST; i++)
        for (uint32_t n = 0; n < market->each; n++)
            if (mp__load(&market->seen[i][n]) != 1)
                ck_abort_msg("message %u of %u was seen %u times", n, i,
                             mp__load(&market->seen[i][n]));
}

static int
put_task(struct market *market, const struct task *task, mp_time deadline)
{
    if (market->order != MP_QUEUE_PRIORITY)
        return mp_queue_put(market->queue, task, sizeof(*task), deadline);
    return mp_queue_put_priority(market->queue, task, sizeof(*task),
                                 task->priority, deadline);
}

static void
produce(struct market *market, uint32_t i)
{
    unsigned seed = i;

    for (uint32_t n = 0; n < market->each; n++) {
        struct task task = {rand_r(&seed) % 100 - 50, i, n};

        must(put_task(market, &task, MP_FOREVER));
    }
    if (mp__sub(&market->producing, 1) == 1)
        must(mp_queue_close(market->queue));
}

static int
consume(struct market *market)
{
    struct task task;
    ssize_t r;

    while ((r = mp_queue_get(market->queue, &task, sizeof(task),
                             MP_FOREVER)) == sizeof(task))
        mp__add(&market->seen[task.producer][task.number], 1);
    return r == -ESHUTDOWN ? 0 : 1;
}

static int
trade(void *arg, int i)
{
    struct market *market = arg;

    if (i >= MOST)
        return consume(market);
    produce(market, (uint32_t)i);
    return 0;
}

/* ---- All live ---- */

START_TEST(ordered_queue_loses_nothing)
{
    static const struct {
        uint64_t maxsize, max_bytes;
    } limits[] = {{0, 0}, {1, 0}, {5, 0}, {0, 4 * sizeof(struct task)}};
    uint64_t before = heap_use();
    uint32_t each = (uint32_t)rounds(_i / 4 == 0 ? EACH_MOST : EACH_MOST / 2);
    struct market *market =
        market_with(MP_QUEUE_ATTR(.order = orders[_i % 2],
                                  .maxsize = limits[_i / 4].maxsize,
                                  .max_bytes = limits[_i / 4].max_bytes),
                    each);

    kin_run((enum kin_how)(_i / 2 % 2), 2 * MOST, trade, market);
    expect_all_seen_once(market);
    end_market(market);
    ck_assert_uint_eq(heap_use(), before);
}
END_TEST

/* What is there before is given out in order: each consumer's own part is in
 * order, and equals are in the order of each producer. */
static int
consume_in_order(void *arg, int unused)
{
    struct market *market = arg;
    struct task task, last = {INT64_MIN, 0, 0};
    int64_t newest[MOST] = {-1, -1, -1, -1};

    (void)unused;
    if (market->order == MP_QUEUE_LIFO)
        for (int i = 0; i < MOST; i++)
            newest[i] = EACH_MOST;
    while (mp_queue_get(market->queue, &task, sizeof(task), MP_NOW) > 0) {
        mp__add(&market->seen[task.producer][task.number], 1);
        if (market->order == MP_QUEUE_LIFO) {
            if (task.number >= newest[task.producer])
                ck_abort_msg("%u after %lld", task.number,
                             (long long)newest[task.producer]);
        } else if (task.priority < last.priority) {
            ck_abort_msg("%lld after %lld", (long long)task.priority,
                         (long long)last.priority);
        } else if (task.priority > last.priority) {
            for (int i = 0; i < MOST; i++)
                newest[i] = -1;
        } else if (task.number <= newest[task.producer]) {
            ck_abort_msg("equals: %u after %lld", task.number,
                         (long long)newest[task.producer]);
        }
        newest[task.producer] = task.number;
        last = task;
    }
    return 0;
}

static int
produce_only(void *arg, int i)
{
    produce(arg, (uint32_t)i);
    return 0;
}

START_TEST(ordered_queue_is_in_order_for_all)
{
    struct market *market = market_with(MP_QUEUE_ATTR(.order = orders[_i % 2]),
                                        (uint32_t)rounds(EACH_MOST));
    enum kin_how how = (enum kin_how)(_i / 2);

    kin_run(how, MOST, produce_only, market);
    kin_run(how, MOST, consume_in_order, market);
    expect_all_seen_once(market);
    end_market(market);
}
END_TEST

/* ---- Waiting ---- */

static int
get_one(void *arg, int unused)
{
    struct market *market = arg;
    struct task task;

    (void)unused;
    must(mp_queue_get(market->queue, &task, sizeof(task), MP_FOREVER));
    mp__add(&market->seen[0][task.number], 1);
    return 0;
}

static int
put_one(void *arg, int i)
{
    struct market *market = arg;
    struct task task = {-i, 0, (uint32_t)i};

    return put_task(market, &task, MP_FOREVER);
}

START_TEST(ordered_getters_wait_for_puts)
{
    struct market *market = market_with(
        MP_QUEUE_ATTR(.order = orders[_i % 2], .maxsize = 1), MOST);
    struct kin *kin = kin_start((enum kin_how)(_i / 2), MOST, get_one, market);

    kin_await_sleep(kin);
    for (int i = 0; i < MOST; i++)
        put_one(market, i);
    kin_end(kin);
    for (int i = 0; i < MOST; i++)
        ck_assert_uint_eq(mp__load(&market->seen[0][i]), 1);
    end_market(market);
}
END_TEST

START_TEST(ordered_putters_wait_for_gets)
{
    struct market *market = market_with(
        MP_QUEUE_ATTR(.order = orders[_i % 2], .maxsize = 1), MOST);
    struct kin *kin;

    put_one(market, MOST);
    kin = kin_start((enum kin_how)(_i / 2), MOST, put_one, market);
    kin_await_sleep(kin);
    for (int i = 0; i <= MOST; i++)
        get_one(market, 0);
    kin_end(kin);
    for (int i = 0; i <= MOST; i++)
        ck_assert_uint_eq(mp__load(&market->seen[0][i]), 1);
    end_market(market);
}
END_TEST

/* Room is made by the get, not by taking out of the ring: who looks for the
 * first message takes all out, and still the queue is full. */
START_TEST(ordered_queue_that_was_looked_at_is_full)
{
    struct market *market =
        market_with(MP_QUEUE_ATTR(.order = orders[_i], .maxsize = 3), MOST);
    struct task task = {0};

    for (int i = 1; i <= 3; i++)
        put_one(market, i);
    must(mp_queue_next_size(market->queue, MP_NOW));
    ck_assert_int_eq(mp_queue_full(market->queue), 1);
    ck_assert_int_eq(put_task(market, &task, MP_NOW), -EAGAIN);
    for (uint32_t i = 3; i >= 1; i--) {
        must(mp_queue_get(market->queue, &task, sizeof(task), MP_NOW));
        ck_assert_uint_eq(task.number, i);
        ck_assert_uint_eq(mp_queue_size(market->queue), i - 1);
    }
    end_market(market);
}
END_TEST

START_TEST(G07_ordered_message_is_visible_when_put_returns)
{
    struct market *market =
        market_with(MP_QUEUE_ATTR(.order = orders[_i % 2]), MOST);
    struct task task;

    for (int round = 0; round < rounds(200); round++) {
        kin_run((enum kin_how)(_i / 2), 1, put_one, market);
        ck_assert_int_eq(mp_queue_empty(market->queue), 0);
        must(mp_queue_get(market->queue, &task, sizeof(task), MP_NOW));
    }
    end_market(market);
}
END_TEST

/* ---- Killed at any moment ---- */

#define LOT 150 /* messages of a round */

static int
consume_for_ever(void *arg, int unused)
{
    (void)unused;
    return consume(arg);
}

/* What a dead consumer had is gone with it: one message at the most. The
 * others are all there, once, and in order. */
START_TEST(G01_ordered_queue_consumer_killed_at_any_moment)
{
    uint64_t before = heap_use();

    srand(3 + (unsigned)_i);
    for (int round = 0; round < rounds(150); round++) {
        struct market *market =
            market_with(MP_QUEUE_ATTR(.order = orders[_i]), LOT);
        struct kin *kin = kin_start(PROCESSES, 1, consume_for_ever, market);
        unsigned missing = 0;

        wait_until(mp__load(&kin->begun[0]), 20);
        for (uint32_t n = 0; n < LOT; n++) {
            struct task task = {rand() % 10, 0, n};

            must(put_task(market, &task, MP_NOW));
        }
        pause_at_random(200);
        kin_kill(kin, 0);
        kin_end(kin);
        consume_in_order(market, 0);
        for (uint32_t n = 0; n < LOT; n++) {
            ck_assert_uint_le(mp__load(&market->seen[0][n]), 1);
            missing += mp__load(&market->seen[0][n]) == 0;
        }
        ck_assert_uint_le(missing, 1);
        end_market(market);
    }
    ck_assert_uint_eq(heap_use(), before);
}
END_TEST

struct shop {
    mp_queue *queue;
    size_t size;
    mp__a32 put[MOST]; /* whose put has returned */
};

static int
put_for_ever(void *arg, int i)
{
    struct shop *shop = arg;
    unsigned char *data = malloc(shop->size);

    for (uint32_t n = 0;; n++) {
        message_fill(data, shop->size, (uint32_t)i << 24 | n);
        if (mp_queue_put(shop->queue, data, shop->size, MP_FOREVER) != 0)
            return 1;
        mp__store(&shop->put[i], n + 1);
    }
}

static uint32_t
producer_of(const void *data, ssize_t size)
{
    int64_t number = message_number(data, (size_t)must(size));

    ck_assert_int_ge(number, 0);
    return (uint32_t)number >> 24;
}

/* All that was put is there, and perhaps one more of each. */
START_TEST(G01_ordered_queue_producers_killed_at_any_moment)
{
    static const size_t sizes[] = {4, 73, 8193};
    uint64_t before = heap_use();
    unsigned char *data = malloc(8193);
    struct shop *shop = mp_new(struct shop);

    srand(4 + (unsigned)_i);
    ck_assert_ptr_nonnull(shop);
    shop->size = sizes[_i / 2];
    for (int round = 0; round < rounds(60); round++) {
        uint32_t got[MOST] = {0};
        struct kin *kin;
        ssize_t r;

        shop->queue =
            queue_with(MP_QUEUE_ATTR(.order = orders[_i % 2], .maxsize = 32));
        memset(shop->put, 0, sizeof(shop->put));
        kin = kin_start(PROCESSES, MOST, put_for_ever, shop);
        for (int i = 0; i < MOST; i++) {
            for (int k = rand() % 20; k > 0; k--) {
                r = mp_queue_get(shop->queue, data, 8193, MP_FOREVER);
                got[producer_of(data, r)]++;
            }
            kin_kill(kin, i);
        }
        kin_end(kin);
        while ((r = mp_queue_get(shop->queue, data, 8193, MP_NOW)) >= 0)
            got[producer_of(data, r)]++;
        ck_assert_int_eq(r, -EAGAIN);
        for (int i = 0; i < MOST; i++) {
            ck_assert_uint_ge(got[i], mp__load(&shop->put[i]));
            ck_assert_uint_le(got[i], mp__load(&shop->put[i]) + 1);
        }
        must(mp_queue_destroy(shop->queue));
    }
    must(mp_free(shop));
    free(data);
    ck_assert_uint_eq(heap_use(), before);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("queue-order-stress");
    TCase *tcase = mp_test_case(suite, "stress", 60);

    tcase_add_loop_test(tcase, ordered_queue_loses_nothing, 0, 16);
    tcase_add_loop_test(tcase, ordered_queue_is_in_order_for_all, 0, 4);
    tcase = mp_test_case(suite, "wait", 30);
    tcase_add_checked_fixture(tcase, rely_on_wake_ups, NULL);
    tcase_add_loop_test(tcase, ordered_getters_wait_for_puts, 0, 4);
    tcase_add_loop_test(tcase, ordered_putters_wait_for_gets, 0, 4);
    tcase_add_loop_test(tcase, ordered_queue_that_was_looked_at_is_full, 0, 2);
    tcase_add_loop_test(tcase, G07_ordered_message_is_visible_when_put_returns,
                        0, 4);
    tcase = mp_test_case(suite, "any-moment", 60);
    tcase_add_loop_test(tcase, G01_ordered_queue_consumer_killed_at_any_moment,
                        0, 2);
    tcase_add_loop_test(
        tcase, G01_ordered_queue_producers_killed_at_any_moment, 0, 6);
    return mp_test_main(suite);
}
