/* SPDX-License-Identifier: MIT */
/* One body, many queues: each order, as a plain queue, a joinable one and one
 * that redelivers, with and without a limit; used by processes of each start
 * method, by threads, and by all of these at once.
 *
 * A test's name is that of the clause, of the queue and of the way, as in
 * "handled_once lifo joinable bounded [spawn]". */
#include "queue/modes-kit.h"
#include "sync/crew.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PRODUCERS 2
#define CONSUMERS 2
#define EACH      200 /* messages of a producer */
#define SIZE_MOST 9000
#define LOT       60

static const char *const order_names[] = {"fifo", "lifo", "priority"};
static const char *const task_names[] = {"plain", "joinable", "redelivering"};

#define ORDERS 3
#define TASKS  3
#define LIMITS 2
#define KINDS  (ORDERS * TASKS * LIMITS)

struct stage {
    mp_queue *queue;
    uint32_t order, tasks;
    mp__a32 producing;
    mp__a32 handled[PRODUCERS * EACH]; /* by number */
};

static struct stage *
stage_of(int kind)
{
    struct stage *stage = mp_new(struct stage);

    ck_assert_ptr_nonnull(stage);
    stage->order = (uint32_t)(kind % ORDERS);
    stage->tasks = (uint32_t)(kind / ORDERS % TASKS);
    stage->queue = queue_with(
        MP_QUEUE_ATTR(.order = stage->order, .joinable = stage->tasks == 1,
                      .redeliver = stage->tasks == 2,
                      .maxsize = kind / ORDERS / TASKS ? 4 : 0));
    stage->producing = PRODUCERS;
    return stage;
}

static void
end_stage(struct stage *stage)
{
    ck_assert_uint_eq(mp_queue_unfinished(stage->queue), 0);
    ck_assert_int_eq(mp_queue_empty(stage->queue), 1);
    must(mp_queue_destroy(stage->queue));
    must(mp_free(stage));
}

/* ---- Everything is handled once ---- */

static size_t
size_of(uint32_t n)
{
    static const size_t sizes[] = {4,  24,  64,   65,       72,
                                   73, 200, 8192, SIZE_MOST};

    return sizes[n % 5 ? n % 7 : n % LENGTH(sizes)];
}

static int
put_reserved(struct stage *stage, const void *data, size_t size,
             int64_t priority)
{
    void *p;
    int r = mp_queue_reserve(stage->queue, size, &p, MP_FOREVER);

    if (r < 0)
        return r;
    memcpy(p, data, size);
    if (stage->order == MP_QUEUE_PRIORITY)
        return mp_queue_commit_priority(stage->queue, p, priority);
    return mp_queue_commit(stage->queue, p);
}

static int
put_plain(struct stage *stage, const void *data, size_t size, int64_t priority)
{
    if (stage->order == MP_QUEUE_PRIORITY)
        return mp_queue_put_priority(stage->queue, data, size, priority,
                                     MP_FOREVER);
    return mp_queue_put(stage->queue, data, size, MP_FOREVER);
}

static int
put_three(struct stage *stage, uint32_t number)
{
    unsigned char data[3 * 24];

    for (uint32_t i = 0; i < 3; i++)
        message_fill(data + (size_t)24 * i, 24, number + i);
    return (int)mp_queue_put_many(stage->queue, data, 24, 3, MP_FOREVER);
}

/* Each in another way. A number tells the producer as well. */
static int
produce(struct party *me, unsigned char *data)
{
    struct stage *stage = me->arg;

    for (uint32_t n = 0; n < EACH; n++) {
        uint32_t number = (uint32_t)me->i * EACH + n;
        int64_t priority = number * 7919 % 11;

        if (n % 4 == 0 && n + 3 <= EACH) {
            expect(put_three(stage, number), 3);
            n += 2;
            continue;
        }
        message_fill(data, size_of(n), number);
        if (n % 4 == 1)
            expect(put_reserved(stage, data, size_of(n), priority), 0);
        else
            expect(put_plain(stage, data, size_of(n), priority), 0);
    }
    mp__sub(&stage->producing, 1);
    return 0;
}

/* Up to three messages in one of the three ways; they are in `data`, of
 * SIZE_MOST each. How many. */
static ssize_t
get_some(struct stage *stage, uint32_t way, unsigned char *data, size_t *sizes,
         mp_message *message)
{
    ssize_t r;

    switch (way % 3) {
    case 0:
        return mp_queue_get_many(stage->queue, data, SIZE_MOST, 3, sizes,
                                 MP_FOREVER);
    case 1:
        r = mp_queue_get(stage->queue, data, SIZE_MOST, MP_FOREVER);
        sizes[0] = (size_t)r;
        return r < 0 ? r : 1;
    default:
        r = mp_queue_take(stage->queue, message, MP_FOREVER);
        if (r < 0)
            return r;
        sizes[0] = message->size;
        memcpy(data, message->data, message->size);
        return 1;
    }
}

static int
handle(struct party *me, const unsigned char *data, size_t size, int64_t *last)
{
    struct stage *stage = me->arg;
    int64_t number = message_number(data, size);
    uint32_t producer = (uint32_t)number / EACH;

    expect(number >= 0 && number < PRODUCERS * EACH, 1);
    if (stage->order == MP_QUEUE_FIFO)
        expect(number > last[producer], 1);
    last[producer] = number;
    expect(mp__add(&stage->handled[number], 1), 0);
    return 0;
}

static int
consume(struct party *me, unsigned char *data)
{
    struct stage *stage = me->arg;
    int64_t last[PRODUCERS] = {-1, -1};
    mp_message message;
    size_t sizes[3];

    for (uint32_t way = (uint32_t)me->i;; way++) {
        ssize_t n = get_some(stage, way, data, sizes, &message);

        if (n == -ESHUTDOWN)
            return 0;
        expect(n > 0, 1);
        for (ssize_t i = 0; i < n; i++)
            if (handle(me, data + i * SIZE_MOST, sizes[i], last) != 0)
                return 1;
        if (way % 3 == 2) {
            expect(mp_message_done(stage->queue, &message), 0);
            continue;
        }
        for (ssize_t i = 0; i < n && stage->tasks; i++)
            expect(mp_queue_task_done(stage->queue), 0);
    }
}

static int
trade(struct party *me)
{
    unsigned char *data = malloc((size_t)3 * SIZE_MOST);
    int r = me->i < PRODUCERS ? produce(me, data) : consume(me, data);

    free(data);
    return r;
}

static void
handled_once(enum way way, int kind)
{
    struct stage *stage = stage_of(kind);
    struct crew *crew = crew_start(way, PRODUCERS + CONSUMERS, trade, stage);

    await(crew, mp__load(&stage->producing) == 0);
    if (stage->tasks) {
        ck_assert_int_eq(
            mp_queue_join(stage->queue, mp_timeout(20 * mp_test_scale())), 0);
        for (int i = 0; i < PRODUCERS * EACH; i++)
            ck_assert_uint_eq(mp__load(&stage->handled[i]), 1);
    }
    must(mp_queue_close(stage->queue));
    crew_end(crew);
    for (int i = 0; i < PRODUCERS * EACH; i++)
        ck_assert_uint_eq(mp__load(&stage->handled[i]), 1);
    end_stage(stage);
}

/* ---- Everybody sees the order ---- */

static int64_t
priority_of(uint32_t number)
{
    return (int64_t)(number * 7 % 5) - 2;
}

/* Whether `b` may come after `a`. */
static int
in_order(uint32_t order, uint32_t a, uint32_t b)
{
    if (order == MP_QUEUE_LIFO)
        return a > b;
    if (order == MP_QUEUE_PRIORITY && priority_of(a) != priority_of(b))
        return priority_of(a) < priority_of(b);
    return a < b;
}

static int
consume_in_order(struct party *me)
{
    struct stage *stage = me->arg;
    uint32_t number, last = 0;
    int any = 0;

    while (mp_queue_get(stage->queue, &number, 4, MP_NOW) == 4) {
        expect(!any || in_order(stage->order, last, number), 1);
        expect(mp__add(&stage->handled[number], 1), 0);
        if (stage->tasks)
            expect(mp_queue_task_done(stage->queue), 0);
        last = number;
        any = 1;
    }
    return 0;
}

static uint32_t
fill_queue(struct stage *stage)
{
    uint32_t n = 0;

    while (n < LOT && !mp_queue_full(stage->queue)) {
        if (stage->order == MP_QUEUE_PRIORITY)
            put_with_priority(stage->queue, 4, n, priority_of(n));
        else
            put_number(stage->queue, 4, n);
        n++;
    }
    return n;
}

static void
seen_in_order(enum way way, int kind)
{
    struct stage *stage = stage_of(kind);
    uint32_t n = fill_queue(stage);

    crew_run(way, 3, consume_in_order, stage);
    for (uint32_t i = 0; i < n; i++)
        ck_assert_uint_eq(mp__load(&stage->handled[i]), 1);
    end_stage(stage);
}

/* ---- A consumer dies ---- */

/* Which are the first three of what fill_queue() has put. */
static void
first_three(const struct stage *stage, uint32_t n, int *is_first)
{
    uint32_t first = 0;

    memset(is_first, 0, LOT * sizeof(*is_first));
    for (int times = 0; times < 3; times++) {
        first = LOT;
        for (uint32_t i = 0; i < n; i++)
            if (!is_first[i] &&
                (first == LOT || in_order(stage->order, i, first)))
                first = i;
        is_first[first] = 1;
    }
}

static void
consumer_killed(enum way way, int kind)
{
    static const int methods[] = {MP_FORK, MP_SPAWN, MP_FORKSERVER};
    struct stage *stage = stage_of(kind);
    uint32_t n = fill_queue(stage), number, last = 0;
    int taken[LOT], kept = stage->tasks == 2;

    first_three(stage, n, taken);
    die_holding_by(methods[way], stage->queue, (enum hold)(kind % (int)HOLDS),
                   3);
    for (uint32_t left = kept ? n : n - 3; left > 0; left--) {
        must(mp_queue_get(stage->queue, &number, 4, MP_NOW));
        if (left < (kept ? n : n - 3))
            ck_assert(in_order(stage->order, last, number));
        ck_assert(kept || !taken[number]);
        if (stage->tasks)
            must(mp_queue_task_done(stage->queue));
        last = number;
    }
    ck_assert_int_eq(mp_queue_get(stage->queue, &number, 4, MP_NOW), -EAGAIN);
    if (stage->tasks == 1)
        must_fail(mp_queue_join(stage->queue, MP_FOREVER), -ESRCH, "3");
    if (stage->tasks)
        ck_assert_int_eq(mp_queue_join(stage->queue, MP_FOREVER), 0);
    end_stage(stage);
}

/* ---- A producer dies ---- */

/* Puts four in each of the ways, and is killed as soon as it has. */
static int
put_and_die(void *arg)
{
    struct stage *stage = *(struct stage **)arg;
    unsigned char *data = malloc(SIZE_MOST);

    for (uint32_t number = 0; number < 4; number++) {
        message_fill(data, SIZE_MOST, number);
        if ((number % 2
                 ? put_reserved(stage, data, SIZE_MOST, priority_of(number))
                 : put_plain(stage, data, SIZE_MOST, priority_of(number))) !=
            0)
            return 1;
    }
    return raise(SIGKILL);
}

/* What it has put is visible, and stays; nobody waits for a reader. */
static void
producer_killed(enum way way, int kind)
{
    static const int methods[] = {MP_FORK, MP_SPAWN, MP_FORKSERVER};
    struct stage *stage = stage_of(kind);
    unsigned char *data = malloc(SIZE_MOST);
    mp_process *process;
    uint32_t last = 0;
    int code;

    must(mp_process_start(&process, put_and_die, &stage, sizeof(stage),
                          MP_PROCESS_ATTR(.method = methods[way])));
    must(mp_process_join(process, MP_FOREVER));
    must(mp_process_exitcode(process, &code));
    ck_assert_int_eq(code, -SIGKILL);
    must(mp_process_close(process));
    mp__reap();
    ck_assert_uint_eq(mp_queue_size(stage->queue), 4);
    for (int i = 0; i < 4; i++) {
        uint32_t number;

        ck_assert_int_eq(mp_queue_get(stage->queue, data, SIZE_MOST, MP_NOW),
                         SIZE_MOST);
        ck_assert_int_ge(message_number(data, SIZE_MOST), 0);
        number = (uint32_t)message_number(data, SIZE_MOST);
        ck_assert(i == 0 || in_order(stage->order, last, number));
        if (stage->tasks)
            must(mp_queue_task_done(stage->queue));
        last = number;
    }
    free(data);
    end_stage(stage);
}

/* ---- Handles ---- */

/* Gets a queue, uses it up, and sends one of its own making back. */
static int
exchange(struct party *me)
{
    mp_queue *outer = me->arg, *queue, *back, *answers;
    uint32_t number = 7;

    expect(mp_queue_get(outer, &answers, sizeof(answers), MP_FOREVER),
           sizeof(answers));
    expect(mp_queue_get(outer, &queue, sizeof(queue), MP_FOREVER),
           sizeof(queue));
    expect(mp_queue_put(queue, &number, 4, MP_NOW), 0);
    expect(mp_queue_get(queue, &number, 4, MP_NOW), 4);
    expect(mp_queue_destroy(queue), 0);
    expect(mp_queue_create(
               &back, MP_QUEUE_ATTR(.order = MP_QUEUE_LIFO, .joinable = 1)),
           0);
    for (number = 1; number <= 3; number++)
        expect(mp_queue_put(back, &number, 4, MP_NOW), 0);
    expect(mp_queue_put(answers, &back, sizeof(back), MP_NOW), 0);
    return 0;
}

static void
sent_through_a_queue(enum way way, int kind)
{
    struct stage *stage = stage_of(kind);
    mp_queue *outer = queue_with(NULL), *answers = queue_with(NULL), *got;

    must(mp_queue_put(outer, &answers, sizeof(answers), MP_NOW));
    must(mp_queue_put(outer, &stage->queue, sizeof(stage->queue), MP_NOW));
    crew_run(way, 1, exchange, outer);
    must(mp_queue_get(answers, &got, sizeof(got), MP_NOW));
    gives_tasks(got, 4, 3, 2, 1);
    ck_assert_int_eq(mp_queue_join(got, MP_NOW), 0);
    must(mp_queue_destroy(got));
    ck_assert_int_eq(mp_queue_empty(stage->queue), -EBADF);
    must(mp_queue_destroy(outer));
    must(mp_queue_destroy(answers));
    must(mp_free(stage));
}

/* ---- The suite ---- */

static const struct {
    const char *name;
    void (*fn)(enum way way, int kind);
    int ways; /* the first so many */
} clauses[] = {
    {"handled_once", handled_once, WAYS},
    {"seen_in_order", seen_in_order, WAYS},
    {"G03_consumer_killed", consumer_killed, WAY_THREADS},
    {"G06_producer_killed", producer_killed, WAY_THREADS},
    {"G20_sent_through_a_queue", sent_through_a_queue, WAY_MIXED},
};

static struct {
    TTest test;
    char name[80];
} tests[LENGTH(clauses) * KINDS * WAYS];

/* `place`: of the clause, the kind and the way. */
static void
run_clause(int place)
{
    enum way way = (enum way)(place % WAYS);

    crew_warm_up(way);
    clauses[place / WAYS / KINDS].fn(way, place / WAYS % KINDS);
}

static void
add_clause(TCase *tcase, int place)
{
    char *name = tests[place].name;
    TTest *test = &tests[place].test;
    int kind = place / WAYS % KINDS;

    snprintf(name, sizeof(tests[place].name), "%s %s %s%s [%s]",
             clauses[place / WAYS / KINDS].name, order_names[kind % ORDERS],
             task_names[kind / ORDERS % TASKS],
             kind / ORDERS / TASKS ? " bounded" : "",
             way_name((enum way)(place % WAYS)));
    *test = (TTest){name, run_clause, __FILE__, __LINE__};
    tcase_add_loop_test(tcase, test, place, place + 1);
}

int
main(void)
{
    Suite *suite = suite_create("queue-conformance");
    int most = mp_test_may_fork_with_threads() ? WAYS : WAY_MIXED;

    for (int i = 0; i < (int)LENGTH(clauses); i++) {
        TCase *tcase = mp_test_case(suite, clauses[i].name, 60);

        for (int place = 0; place < KINDS * WAYS; place++)
            if (place % WAYS < clauses[i].ways && place % WAYS < most)
                add_clause(tcase, i * KINDS * WAYS + place);
    }
    return mp_test_main(suite);
}
