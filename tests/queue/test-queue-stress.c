/* SPDX-License-Identifier: MIT */
/* Many at one queue: nothing is lost, torn or seen twice, and the order is
 * that in which the puts completed. */
#include "region/kin.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST      8
#define SIZE_MOST 9000

struct message {
    uint64_t number;
    uint32_t producer;
    uint32_t size;
    unsigned char rest[SIZE_MOST];
};
#define HEAD offsetof(struct message, rest)

struct market {
    mp_queue *queue;
    uint32_t producers, consumers;
    uint32_t each;      /* messages of a producer */
    uint32_t size_most; /* beyond HEAD */
    mp__a32 producing;
    mp__a64 seen[MOST]; /* messages of a producer: how many, */
    mp__a64 sum[MOST];  /* and the sum of their numbers */
};

static const struct {
    uint32_t producers, consumers;
} crowds[] = {{1, 1}, {2, 2}, {1, 8}, {8, 1}, {4, 4}};

static const struct {
    uint64_t maxsize, max_bytes;
    uint32_t size_most, each;
} goods[] = {
    {0, 0, 0, 20000},            /* small, no limit */
    {4, 0, 48, 6000},            /* both sides sleep often */
    {0, 40000, SIZE_MOST, 1500}, /* in place and by reference */
};

#define CROWDS LENGTH(crowds)
#define GOODS  LENGTH(goods)

static int
produce(struct market *market, uint32_t i)
{
    struct message *message = malloc(sizeof(*message));
    unsigned seed = i;

    message->producer = i;
    for (uint64_t n = 0; n < market->each; n++) {
        uint32_t rest = market->size_most
                            ? (uint32_t)rand_r(&seed) % market->size_most
                            : 0;

        message->number = n;
        message->size = rest;
        memset(message->rest, (int)(n + i), rest);
        must(mp_queue_put(market->queue, message, HEAD + rest, MP_FOREVER));
    }
    free(message);
    /* The last one closes the shop. */
    if (mp__sub(&market->producing, 1) == 1)
        must(mp_queue_close(market->queue));
    return 0;
}

static void
check(const struct message *m, ssize_t size, const int64_t *last)
{
    if (size != (ssize_t)(HEAD + m->size) || m->producer >= MOST)
        ck_abort_msg("size %zd, producer %u", size, m->producer);
    if ((int64_t)m->number <= last[m->producer])
        ck_abort_msg("producer %u: %lld after %lld", m->producer,
                     (long long)m->number, (long long)last[m->producer]);
    for (uint32_t i = 0; i < m->size; i++)
        if (m->rest[i] != (unsigned char)(m->number + m->producer))
            ck_abort_msg("producer %u: message %lld is torn", m->producer,
                         (long long)m->number);
}

static int
consume(struct market *market)
{
    struct message *message = malloc(sizeof(*message));
    int64_t last[MOST];
    ssize_t size;

    for (int i = 0; i < MOST; i++)
        last[i] = -1;
    while ((size = mp_queue_get(market->queue, message, sizeof(*message),
                                MP_FOREVER)) >= 0) {
        check(message, size, last);
        last[message->producer] = (int64_t)message->number;
        mp__add(&market->seen[message->producer], 1);
        mp__add(&market->sum[message->producer], message->number);
    }
    free(message);
    return size == -ESHUTDOWN ? 0 : 1;
}

static int
trade(void *arg, int i)
{
    struct market *market = arg;

    if ((uint32_t)i < market->producers)
        return produce(market, (uint32_t)i);
    return consume(market);
}

static void
trade_all(enum kin_how how, size_t crowd, size_t good)
{
    struct market *market = mp_new(struct market);
    uint64_t n, before = heap_use();

    market->producers = crowds[crowd].producers;
    market->consumers = crowds[crowd].consumers;
    n = goods[good].each / market->producers / (mp_test_scale() > 1 ? 10 : 1);
    market->each = (uint32_t)n;
    market->size_most = goods[good].size_most;
    market->producing = market->producers;
    must(mp_queue_create(&market->queue,
                         MP_QUEUE_ATTR(.maxsize = goods[good].maxsize,
                                       .max_bytes = goods[good].max_bytes)));
    kin_run(how, (int)(market->producers + market->consumers), trade, market);
    for (uint32_t i = 0; i < market->producers; i++) {
        ck_assert_uint_eq(market->seen[i], n);
        ck_assert_uint_eq(market->sum[i], n * (n - 1) / 2);
    }
    ck_assert_uint_eq(mp_queue_size(market->queue), 0);
    must(mp_queue_destroy(market->queue));
    ck_assert_uint_eq(heap_use(), before);
    must(mp_free(market));
}

START_TEST(queue_stress_by_processes)
{
    trade_all(PROCESSES, (size_t)_i % CROWDS, (size_t)_i / CROWDS);
}
END_TEST

START_TEST(queue_stress_by_threads)
{
    trade_all(THREADS, (size_t)_i % CROWDS, (size_t)_i / CROWDS);
}
END_TEST

/* ---- One total order ---- */

#define LINE 8000

/* A clock that all share ticks before each put and after it. */
struct order {
    mp_queue *queue;
    mp__a32 clock;
    uint32_t begun[LINE], ended[LINE]; /* by message */
};

static int
put_by_the_clock(void *arg, int i)
{
    struct order *order = arg;

    for (uint32_t n = (uint32_t)i; n < LINE; n += 4) {
        order->begun[n] = mp__add(&order->clock, 1);
        must(mp_queue_put(order->queue, &n, sizeof(n), MP_FOREVER));
        order->ended[n] = mp__add(&order->clock, 1);
    }
    return 0;
}

START_TEST(G09_queue_order_is_that_of_the_puts)
{
    struct order *order = mp_new(struct order);
    uint32_t line[LINE], latest = 0;
    struct kin *kin;

    must(mp_queue_create(&order->queue, NULL));
    kin = kin_start((enum kin_how)_i, 4, put_by_the_clock, order);
    for (int at = 0; at < LINE; at++)
        must(mp_queue_get(order->queue, &line[at], sizeof(line[at]),
                          MP_FOREVER));
    kin_end(kin);
    /* None comes out behind one whose put began after its own had ended. */
    for (int at = 0; at < LINE; at++) {
        uint32_t n = line[at];

        if (order->ended[n] < latest)
            ck_abort_msg("message %u is late", n);
        if (order->begun[n] > latest)
            latest = order->begun[n];
    }
    must(mp_queue_destroy(order->queue));
    must(mp_free(order));
}
END_TEST

/* Two consumers, who note when they got what: their two lists, merged by the
 * clock, are the same one order. */
struct getting {
    mp_queue *queue;
    mp__a32 clock;
    uint32_t begun[LINE], ended[LINE];
};

static int
get_by_the_clock(void *arg, int unused)
{
    struct getting *getting = arg;
    uint32_t n, begun;

    (void)unused;
    for (;;) {
        begun = mp__add(&getting->clock, 1);
        if (mp_queue_get(getting->queue, &n, sizeof(n), MP_NOW) < 0)
            return 0;
        getting->ended[n] = mp__add(&getting->clock, 1);
        getting->begun[n] = begun;
    }
}

START_TEST(G09_queue_order_is_one_for_all_consumers)
{
    struct getting *getting = mp_new(struct getting);
    uint32_t latest = 0;

    must(mp_queue_create(&getting->queue, NULL));
    for (uint32_t n = 0; n < LINE; n++)
        must(mp_queue_put(getting->queue, &n, sizeof(n), MP_NOW));
    kin_run((enum kin_how)_i, 3, get_by_the_clock, getting);
    ck_assert_uint_eq(mp_queue_size(getting->queue), 0);
    for (uint32_t n = 0; n < LINE; n++) {
        ck_assert_uint_ne(getting->ended[n], 0);
        if (getting->ended[n] < latest)
            ck_abort_msg("message %u was got too late", n);
        if (getting->begun[n] > latest)
            latest = getting->begun[n];
    }
    must(mp_queue_destroy(getting->queue));
    must(mp_free(getting));
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("queue-stress");
    TCase *tcase = mp_test_case(suite, "stress", 60);

    tcase_add_loop_test(tcase, queue_stress_by_processes, 0,
                        (int)(CROWDS * GOODS));
    tcase_add_loop_test(tcase, queue_stress_by_threads, 0,
                        (int)(CROWDS * GOODS));
    tcase = mp_test_case(suite, "order", 30);
    tcase_add_loop_test(tcase, G09_queue_order_is_that_of_the_puts, 0, 2);
    tcase_add_loop_test(tcase, G09_queue_order_is_one_for_all_consumers, 0, 2);
    return mp_test_main(suite);
}
