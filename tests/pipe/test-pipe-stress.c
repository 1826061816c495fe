/* SPDX-License-Identifier: MIT */
/* Many at each end of a pipe, in processes of each start method and in threads:
 * their messages never mix, none is lost, and each is received once. */
#include "pipe/pipe.h"
#include "sync/crew.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MOST      4
#define SIZE_MOST 12000

struct message {
    uint64_t number;
    uint32_t sender;
    uint32_t size;
    unsigned char rest[SIZE_MOST];
};
#define HEAD offsetof(struct message, rest)

struct market {
    mp_conn *in, *out;
    uint32_t senders, receivers;
    uint32_t each;      /* messages of a sender */
    uint32_t size_most; /* beyond HEAD */
    mp__a32 sending;
    mp__a64 seen[MOST]; /* messages of a sender: how many, */
    mp__a64 sum[MOST];  /* and the sum of their numbers */
};

static const struct {
    uint32_t senders, receivers;
} crowds[] = {{1, 1}, {4, 1}, {1, 4}, {3, 3}};

static const struct {
    uint32_t size_most, each;
} goods[] = {
    {0, 20000},        /* small */
    {3000, 4000},      /* the ring runs full */
    {SIZE_MOST, 1200}, /* in place and by reference */
};

#define CROWDS LENGTH(crowds)
#define GOODS  LENGTH(goods)

static int
send_all(struct party *me, struct message *message)
{
    struct market *market = me->arg;
    uint32_t i = (uint32_t)me->i;
    unsigned seed = i;

    message->sender = i;
    for (uint64_t n = 0; n < market->each; n++) {
        uint32_t rest = market->size_most
                            ? (uint32_t)rand_r(&seed) % market->size_most
                            : 0;

        message->number = n;
        message->size = rest;
        memset(message->rest, (int)(n + i), rest);
        expect(mp_conn_send(market->out, message, HEAD + rest, MP_FOREVER), 0);
    }
    /* The last one says that this was all, to each receiver. */
    if (mp__sub(&market->sending, 1) == 1)
        for (uint32_t n = 0; n < market->receivers; n++)
            expect(mp_conn_send(market->out, NULL, 0, MP_FOREVER), 0);
    return 0;
}

static int
is_torn(const struct message *m)
{
    for (uint32_t i = 0; i < m->size; i++)
        if (m->rest[i] != (unsigned char)(m->number + m->sender))
            return 1;
    return 0;
}

static int
recv_all(struct party *me, struct message *message)
{
    struct market *market = me->arg;
    int64_t last[MOST] = {-1, -1, -1, -1};
    ssize_t size;

    while ((size = mp_conn_recv(market->in, message, sizeof(*message),
                                MP_FOREVER)) > 0) {
        expect(size == (ssize_t)(HEAD + message->size), 1);
        expect(message->sender < market->senders, 1);
        expect((int64_t)message->number > last[message->sender], 1);
        expect(is_torn(message), 0);
        last[message->sender] = (int64_t)message->number;
        mp__add(&market->seen[message->sender], 1);
        mp__add(&market->sum[message->sender], message->number);
    }
    expect(size, 0);
    return 0;
}

static int
trade(struct party *me)
{
    struct market *market = me->arg;
    struct message *message = malloc(sizeof(*message));
    int r = (uint32_t)me->i < market->senders ? send_all(me, message)
                                              : recv_all(me, message);

    free(message);
    return r;
}

/* Holds both ends, whoever else comes and goes. */
static void
open_market(struct market *market)
{
    must(mp_pipe(&market->in, &market->out, 0));
    must(mp_conn_send(market->out, NULL, 0, MP_NOW));
    must(mp_conn_recv(market->in, NULL, 0, MP_NOW));
}

static void
trade_all(enum way way, size_t crowd, size_t good)
{
    struct market *market = mp_new(struct market);
    uint64_t n;

    market->senders = crowds[crowd].senders;
    market->receivers = crowds[crowd].receivers;
    n = goods[good].each / market->senders / (mp_test_scale() > 1 ? 10 : 1);
    market->each = (uint32_t)n;
    market->size_most = goods[good].size_most;
    market->sending = market->senders;
    open_market(market);
    crew_run(way, (int)(market->senders + market->receivers), trade, market);
    for (uint32_t i = 0; i < market->senders; i++) {
        ck_assert_uint_eq(mp__load(&market->seen[i]), n);
        ck_assert_uint_eq(mp__load(&market->sum[i]), n * (n - 1) / 2);
    }
    ck_assert_int_eq(mp_conn_poll(market->in, MP_NOW), 0);
    must(mp_conn_close(market->in));
    must(mp_conn_close(market->out));
    must(mp_free(market));
}

/* By way, crowd and goods. */
START_TEST(G11_pipe_messages_never_mix)
{
    enum way way = (enum way)(_i % WAYS);

    crew_warm_up(way);
    trade_all(way, (size_t)_i / WAYS % CROWDS, (size_t)_i / WAYS / CROWDS);
}
END_TEST

/* ---- Both ways, from both ends ---- */

struct exchange {
    mp_conn *end[2];
    uint32_t each;
};

/* Each sends what the other echoes; two at either end. */
static int
talk(struct party *me)
{
    struct exchange *exchange = me->arg;
    mp_conn *conn = exchange->end[me->i % 2];
    struct mp__pipe_end *end = (struct mp__pipe_end *)(void *)conn;
    uint64_t n, got = 0;

    expect(end->conn.can, MP__CONN_RECEIVE | MP__CONN_SEND);
    for (n = 0; n < exchange->each; n++) {
        expect(mp_conn_send(conn, &n, sizeof(n), MP_FOREVER), 0);
        expect(mp_conn_recv(conn, &got, sizeof(got), MP_FOREVER), 8);
        expect(got < exchange->each, 1);
    }
    return 0;
}

START_TEST(G11_pipe_ends_are_shared_both_ways)
{
    enum way way = (enum way)_i;
    struct exchange *exchange;

    crew_warm_up(way);
    exchange = mp_new(struct exchange);
    exchange->each = mp_test_scale() > 1 ? 200 : 2000;
    must(mp_pipe(&exchange->end[0], &exchange->end[1], 1));
    for (int i = 0; i < 2; i++) {
        must(mp_conn_send(exchange->end[i], NULL, 0, MP_NOW));
        must(mp_conn_recv(exchange->end[!i], NULL, 0, MP_NOW));
    }
    crew_run(way, 4, talk, exchange);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(mp_conn_poll(exchange->end[i], MP_NOW), 0);
    for (int i = 0; i < 2; i++)
        must(mp_conn_close(exchange->end[i]));
    must(mp_free(exchange));
}
END_TEST

/* ---- An end that is passed on ---- */

/* Whoever gets the end uses it, and passes it to the next, through the pipe
 * itself at last. */
static int
use_and_answer(struct party *me)
{
    mp_conn *conn = me->arg, *fresh[2];
    mp_conn *got;

    expect(mp_conn_recv(conn, &got, sizeof(got), MP_FOREVER), sizeof(got));
    expect(mp_conn_send(got, "used", 4, MP_FOREVER), 0);
    expect(mp_pipe(&fresh[0], &fresh[1], 1), 0);
    expect(mp_conn_send(fresh[1], "fresh", 5, MP_FOREVER), 0);
    expect(mp_conn_send(conn, &fresh[0], sizeof(fresh[0]), MP_FOREVER), 0);
    expect(mp_conn_poll(fresh[1], mp_timeout(20)), 1);
    return 0;
}

START_TEST(G20_pipe_ends_travel_through_pipes)
{
    enum way way = (enum way)_i;
    mp_conn *a, *b, *x, *y, *got;
    struct crew *crew;
    char text[8];

    crew_warm_up(way);
    must(mp_pipe(&a, &b, 1));
    must(mp_pipe(&x, &y, 1));
    crew = crew_start(way, 1, use_and_answer, b);
    must(mp_conn_send(a, &y, sizeof(y), MP_FOREVER));
    ck_assert_int_eq(mp_conn_recv(x, text, 8, MP_FOREVER), 4);
    ck_assert_int_eq(mp_conn_recv(a, &got, sizeof(got), MP_FOREVER),
                     sizeof(got));
    ck_assert_int_eq(mp_conn_recv(got, text, 8, MP_FOREVER), 5);
    must(mp_conn_send(got, "thanks", 6, MP_FOREVER));
    crew_end(crew);
    must(mp_conn_close(got));
    must(mp_conn_close(a));
    must(mp_conn_close(x));
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("pipe-stress");
    TCase *tcase = mp_test_case(suite, "mixing", 60);
    int ways = mp_test_may_fork_with_threads() ? WAYS : WAY_MIXED;

    for (int i = 0; i < (int)(WAYS * CROWDS * GOODS); i++)
        if (i % WAYS < ways)
            tcase_add_loop_test(tcase, G11_pipe_messages_never_mix, i, i + 1);
    tcase_add_loop_test(tcase, G11_pipe_ends_are_shared_both_ways, 0, ways);
    tcase_add_loop_test(tcase, G20_pipe_ends_travel_through_pipes, 0, ways);
    return mp_test_main(suite);
}
