/* SPDX-License-Identifier: MIT */
/* Queues of other orders than first in, first out, as one process sees them:
 * against a model, at their limits, large, and closed. Many at once are in
 * test-queue-order-stress.c. */
#include "os/clock.h"
#include "queue/modes-kit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const uint32_t orders[] = {MP_QUEUE_LIFO, MP_QUEUE_PRIORITY,
                                  MP_QUEUE_FIFO};

static mp_queue *
queue_of(uint32_t order)
{
    return queue_with(MP_QUEUE_ATTR(.order = order));
}

/* ---- The order ---- */

START_TEST(lifo_gives_the_latest_first)
{
    size_t size = message_sizes[_i];
    mp_queue *queue = queue_of(MP_QUEUE_LIFO);

    put_numbers(queue, size, 1, 3);
    gives(queue, size, 3);
    put_numbers(queue, size, 4, 5);
    gives(queue, size, 5, 4, 2);
    put_number(queue, size, 6);
    gives(queue, size, 6, 1);
    ck_assert_int_eq(mp_queue_empty(queue), 1);
    must(mp_queue_destroy(queue));
}
END_TEST

START_TEST(priority_gives_the_lowest_first)
{
    size_t size = message_sizes[_i];
    mp_queue *queue = queue_of(MP_QUEUE_PRIORITY);

    put_with_priority(queue, size, 1, 1);
    put_with_priority(queue, size, 2, -1);
    put_number(queue, size, 3); /* 0 */
    put_with_priority(queue, size, 4, INT64_MAX);
    put_with_priority(queue, size, 5, INT64_MIN);
    put_with_priority(queue, size, 6, INT64_MAX - 1);
    put_with_priority(queue, size, 7, INT64_MIN + 1);
    put_with_priority(queue, size, 8, 0);
    gives(queue, size, 5, 7, 2, 3);
    put_with_priority(queue, size, 9, 0);
    put_with_priority(queue, size, 10, INT64_MAX);
    put_with_priority(queue, size, 11, INT64_MIN);
    gives(queue, size, 11, 8, 9, 1, 6, 4, 10);
    ck_assert_int_eq(mp_queue_empty(queue), 1);
    must(mp_queue_destroy(queue));
}
END_TEST

START_TEST(priority_is_told_by_take)
{
    static const int64_t priorities[] = {INT64_MIN, -1, 0, 1, INT64_MAX};
    size_t size = message_sizes[_i];
    mp_queue *queue = queue_of(MP_QUEUE_PRIORITY);
    mp_message message;

    for (size_t i = LENGTH(priorities); i-- > 0;)
        put_with_priority(queue, size, (uint32_t)i, priorities[i]);
    for (size_t i = 0; i < LENGTH(priorities); i++) {
        ck_assert_int_eq(take_number(queue, &message), (int64_t)i);
        ck_assert_int_eq(message.priority, priorities[i]);
        ck_assert_uint_eq(message.attempt, 1);
        must(mp_message_done(queue, &message));
    }
    must(mp_queue_destroy(queue));
}
END_TEST

START_TEST(priority_keeps_equals_in_line)
{
    mp_queue *queue = queue_of(MP_QUEUE_PRIORITY);
    uint32_t next[3] = {0}, number;

    for (uint32_t i = 0; i < 3000; i++)
        put_with_priority(queue, 4, i / 3, (int64_t)(i % 3));
    for (uint32_t i = 0; i < 3000; i++) {
        must(mp_queue_get(queue, &number, 4, MP_NOW));
        ck_assert_uint_eq(number, next[i / 1000]++);
    }
    must(mp_queue_destroy(queue));
}
END_TEST

/* ---- Against a model ---- */

#define MODEL_MOST 400

struct entry {
    int64_t priority;
    uint32_t number, size;
};

struct model {
    uint32_t order;
    uint32_t n, next;
    uint64_t bytes;
    struct entry entries[MODEL_MOST]; /* as they came */
};

static uint32_t
first_of(const struct model *model)
{
    uint32_t first = 0;

    if (model->order == MP_QUEUE_LIFO)
        return model->n - 1;
    if (model->order == MP_QUEUE_FIFO)
        return 0;
    for (uint32_t i = 1; i < model->n; i++)
        if (model->entries[i].priority < model->entries[first].priority)
            first = i;
    return first;
}

static struct entry
leave(struct model *model)
{
    uint32_t first = first_of(model);
    struct entry entry = model->entries[first];

    model->n--;
    model->bytes -= entry.size;
    memmove(&model->entries[first], &model->entries[first + 1],
            (model->n - first) * sizeof(entry));
    return entry;
}

/* Small as a rule; the larger ones come through blocks. */
static uint32_t
size_by_chance(void)
{
    static const uint32_t sizes[] = {4, 8, 24, 63, 64, 65, 72, 73, 100, 400};

    if (rand() % 50 == 0)
        return 8000 + (uint32_t)rand() % 2000;
    return sizes[(size_t)rand() % LENGTH(sizes)];
}

static int64_t
priority_by_chance(void)
{
    switch (rand() % 8) {
    case 0:
        return INT64_MIN + rand() % 2;
    case 1:
        return INT64_MAX - rand() % 2;
    default:
        return rand() % 9 - 4;
    }
}

static void
put_entry(mp_queue *queue, struct model *model, const struct entry *entry)
{
    static unsigned char data[10000];
    int by_priority = model->order == MP_QUEUE_PRIORITY;
    void *p;

    message_fill(data, entry->size, entry->number);
    if (rand() % 4 == 0) {
        must(mp_queue_reserve(queue, entry->size, &p, MP_NOW));
        memcpy(p, data, entry->size);
        if (by_priority)
            must(mp_queue_commit_priority(queue, p, entry->priority));
        else
            must(mp_queue_commit(queue, p));
    } else if (by_priority) {
        must(mp_queue_put_priority(queue, data, entry->size, entry->priority,
                                   MP_NOW));
    } else {
        must(mp_queue_put(queue, data, entry->size, MP_NOW));
    }
}

static void
enter(mp_queue *queue, struct model *model)
{
    struct entry *entry = &model->entries[model->n];

    if (model->n == MODEL_MOST)
        return;
    *entry = (struct entry){.number = model->next++, .size = size_by_chance()};
    if (model->order == MP_QUEUE_PRIORITY)
        entry->priority = priority_by_chance();
    put_entry(queue, model, entry);
    model->n++;
    model->bytes += entry->size;
}

static void
check_out(mp_queue *queue, struct model *model, int joinable)
{
    static unsigned char data[10000];
    struct entry entry;
    mp_message message;
    int64_t number;

    if (model->n == 0) {
        ck_assert_int_eq(mp_queue_get(queue, data, 1, MP_NOW), -EAGAIN);
        ck_assert_int_eq(take_number(queue, &message), -1);
        return;
    }
    entry = leave(model);
    ck_assert_int_eq(mp_queue_next_size(queue, MP_NOW), (ssize_t)entry.size);
    if (rand() % 2) {
        number = take_number(queue, &message);
        ck_assert_uint_eq(message.size, entry.size);
        ck_assert_int_eq(message.priority, entry.priority);
        must(mp_message_done(queue, &message));
    } else {
        ck_assert_int_eq(mp_queue_get(queue, data, sizeof(data), MP_NOW),
                         (ssize_t)entry.size);
        number = message_number(data, entry.size);
        if (joinable)
            must(mp_queue_task_done(queue));
    }
    ck_assert_int_eq(number, entry.number);
}

/* In waves, so that it grows and is emptied again. */
START_TEST(order_is_that_of_the_model)
{
    static struct model model;
    uint64_t before = heap_use();
    int joinable = _i / 3;
    mp_queue *queue = queue_with(MP_QUEUE_ATTR(.order = orders[_i % 3],
                                               .joinable = joinable > 0,
                                               .redeliver = joinable > 1));

    srand(1 + (unsigned)_i);
    model = (struct model){.order = orders[_i % 3]};
    for (int step = 0; step < rounds(10000); step++) {
        int more = step / 1000 % 2 == 0;

        if (rand() % 5 < 2 + more)
            enter(queue, &model);
        else
            check_out(queue, &model, joinable);
        ck_assert_uint_eq(mp_queue_size(queue), model.n);
        ck_assert_uint_eq(mp_queue_unfinished(queue), model.n);
        ck_assert_int_eq(mp_queue_empty(queue), model.n == 0);
        ck_assert_int_eq(mp_queue_full(queue), 0);
    }
    while (model.n > 0)
        check_out(queue, &model, joinable);
    check_out(queue, &model, joinable);
    must(mp_queue_destroy(queue));
    ck_assert_uint_eq(heap_use(), before);
}
END_TEST

/* ---- Limits ---- */

START_TEST(G08_ordered_queue_state_is_exact)
{
    size_t size = message_sizes[_i / 3];
    mp_queue *queue =
        queue_with(MP_QUEUE_ATTR(.maxsize = 5, .order = orders[_i % 3]));
    static char data[MESSAGE_MOST];

    for (int round = 0; round < 4; round++) {
        for (size_t i = 0; i <= 5; i++) {
            ck_assert_uint_eq(mp_queue_size(queue), i);
            ck_assert_int_eq(mp_queue_empty(queue), i == 0);
            ck_assert_int_eq(mp_queue_full(queue), i == 5);
            ck_assert_int_eq(mp_queue_put(queue, data, size, MP_NOW),
                             i == 5 ? -EAGAIN : 0);
        }
        for (size_t i = 5; i > 0; i--) {
            ck_assert_uint_eq(mp_queue_size(queue), i);
            ck_assert_int_eq(mp_queue_get(queue, data, size, MP_NOW),
                             (ssize_t)size);
            ck_assert_int_eq(mp_queue_full(queue), 0);
        }
    }
    must(mp_queue_destroy(queue));
}
END_TEST

START_TEST(ordered_queue_max_bytes_is_exact)
{
    mp_queue *queue =
        queue_with(MP_QUEUE_ATTR(.max_bytes = 1000, .order = orders[_i]));
    uint32_t left = 1000, n = 0, refused = 0;
    static char data[1001];

    must_fail(mp_queue_put(queue, data, 1001, MP_FOREVER), -EMSGSIZE,
              "max_bytes");
    srand(5);
    for (int step = 0; step < 5000; step++) {
        uint32_t size = 1 + (uint32_t)rand() % 300;

        ck_assert_int_eq(mp_queue_full(queue), left == 0);
        if (rand() % 3 == 0 && n > 0) {
            /* which one comes is not the question here */
            left += (uint32_t)must(
                mp_queue_get(queue, data, sizeof(data), MP_NOW));
            n--;
        } else if (size <= left) {
            must(mp_queue_put(queue, data, size, MP_NOW));
            left -= size;
            n++;
        } else {
            ck_assert_int_eq(mp_queue_put(queue, data, size, MP_NOW), -EAGAIN);
            refused++;
        }
    }
    ck_assert_uint_gt(refused, 100);
    must(mp_queue_destroy(queue));
}
END_TEST

START_TEST(ordered_message_larger_than_the_buffer_stays)
{
    mp_queue *queue = queue_of(orders[_i]);
    char data[100];

    put_number(queue, 99, 1);
    for (int i = 0; i < 3; i++) {
        must_fail(mp_queue_get(queue, data, 98, MP_NOW), -EMSGSIZE, "99");
        must_fail(mp_queue_get(queue, data, 98, MP_FOREVER), -EMSGSIZE, "99");
        ck_assert_int_eq(mp_queue_next_size(queue, MP_FOREVER), 99);
        ck_assert_uint_eq(mp_queue_size(queue), 1);
    }
    if (orders[_i] == MP_QUEUE_PRIORITY)
        put_with_priority(queue, 50, 2, -1);
    else
        put_number(queue, 50, 2);
    if (orders[_i] != MP_QUEUE_FIFO) { /* it is not the first any more */
        ck_assert_int_eq(mp_queue_next_size(queue, MP_NOW), 50);
        gives(queue, 50, 2);
    }
    gives(queue, 99, 1);
    must(mp_queue_destroy(queue));
}
END_TEST

START_TEST(ordered_deadlines)
{
    mp_queue *queue =
        queue_with(MP_QUEUE_ATTR(.maxsize = 1, .order = orders[_i]));
    mp_time deadline = mp_timeout(0.02);
    char c;

    ck_assert_int_eq(mp_queue_get(queue, &c, 1, MP_NOW), -EAGAIN);
    ck_assert_int_eq(mp_queue_next_size(queue, 1), -ETIMEDOUT);
    ck_assert_int_eq(mp_queue_get(queue, &c, 1, deadline), -ETIMEDOUT);
    ck_assert_int_ge(mp__now(), deadline);
    must(mp_queue_put(queue, "x", 1, 1)); /* there is room: no wait */
    deadline = mp_timeout(0.02);
    ck_assert_int_eq(mp_queue_put(queue, "y", 1, MP_NOW), -EAGAIN);
    ck_assert_int_eq(mp_queue_put(queue, "y", 1, deadline), -ETIMEDOUT);
    ck_assert_int_ge(mp__now(), deadline);
    ck_assert_int_eq(mp_queue_get(queue, &c, 1, 1), 1);
    must(mp_queue_destroy(queue));
}
END_TEST

START_TEST(ordered_queue_closed_gives_what_is_left)
{
    mp_queue *queue = queue_of(orders[_i]);
    char c;

    put_numbers(queue, 4, 1, 3);
    must(mp_queue_close(queue));
    ck_assert_int_eq(mp_queue_put(queue, "x", 1, MP_FOREVER), -ESHUTDOWN);
    if (orders[_i] == MP_QUEUE_LIFO)
        gives(queue, 4, 3, 2, 1);
    else
        gives(queue, 4, 1, 2, 3);
    ck_assert_int_eq(mp_queue_get(queue, &c, 1, MP_FOREVER), -ESHUTDOWN);
    ck_assert_int_eq(mp_queue_next_size(queue, MP_FOREVER), -ESHUTDOWN);
    must(mp_queue_destroy(queue));
}
END_TEST

/* ---- Large ---- */

/* Both times the same: what was needed once is there again. */
START_TEST(ordered_queue_grows_and_shrinks)
{
    uint32_t count = mp_test_scale() > 1 ? 10000 : 100000, number;
    uint64_t before = heap_use(), pages = pages_of_region();
    mp_queue *queue = queue_of(orders[_i]);

    for (int round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < count; i++) {
            if (orders[_i] == MP_QUEUE_PRIORITY)
                must(mp_queue_put_priority(queue, &i, 4, -(int64_t)i, MP_NOW));
            else
                must(mp_queue_put(queue, &i, 4, MP_NOW));
            /* half of them are out of the ring already */
            if (i == count / 2)
                ck_assert_int_eq(mp_queue_next_size(queue, MP_NOW), 4);
        }
        ck_assert_uint_eq(mp_queue_size(queue), count);
        for (uint32_t i = 0; i < count; i++) {
            must(mp_queue_get(queue, &number, 4, MP_NOW));
            if (number != (orders[_i] == MP_QUEUE_FIFO ? i : count - 1 - i))
                ck_abort_msg("%u came as number %u", number, i);
        }
        ck_assert_int_eq(mp_queue_empty(queue), 1);
        ck_assert_int_eq(mp_queue_get(queue, &number, 4, MP_NOW), -EAGAIN);
    }
    ck_assert_uint_le(heap_use(), before + 4); /* most of it was given back */
    must(mp_queue_destroy(queue));
    ck_assert_uint_eq(heap_use(), before);
    ck_assert_uint_le(pages_of_region(), pages + ((uint64_t)80 << 20));
}
END_TEST

/* Equal, falling, rising and mixed: what a heap may do badly. */
START_TEST(priority_of_any_pattern_is_quick)
{
    uint32_t count = (uint32_t)rounds(50000);
    mp_queue *queue = queue_of(MP_QUEUE_PRIORITY);
    int64_t last = INT64_MIN;
    mp_message message;

    srand(9);
    for (uint32_t i = 0; i < count; i++) {
        int64_t patterns[] = {7, i, -(int64_t)i, rand() % 1000,
                              i % 2 ? i : -(int64_t)i};

        must(mp_queue_put_priority(queue, &i, 4, patterns[_i], MP_NOW));
    }
    for (uint32_t i = 0; i < count; i++) {
        must(mp_queue_take(queue, &message, MP_NOW));
        if (message.priority < last)
            ck_abort_msg("%lld after %lld", (long long)message.priority,
                         (long long)last);
        last = message.priority;
        must(mp_message_done(queue, &message));
    }
    must(mp_queue_destroy(queue));
}
END_TEST

/* Being done costs the same, however many wait. */
START_TEST(tasks_of_a_long_queue)
{
    uint32_t count = (uint32_t)rounds(50000), number;
    mp_queue *queue =
        queue_with(MP_QUEUE_ATTR(.order = orders[_i % 3], .joinable = 1,
                                 .redeliver = _i / 3));

    for (uint32_t i = 0; i < count; i++)
        must(mp_queue_put(queue, &i, 4, MP_NOW));
    for (uint32_t i = 0; i < count; i++) {
        must(mp_queue_get(queue, &number, 4, MP_NOW));
        must(mp_queue_task_done(queue));
    }
    ck_assert_int_eq(mp_queue_join(queue, MP_NOW), 0);
    must(mp_queue_destroy(queue));
}
END_TEST

START_TEST(ordered_queue_destroyed_takes_its_messages_along)
{
    uint64_t before = heap_use();
    mp_queue *queue = queue_of(orders[_i]);

    for (uint32_t i = 0; i < 400; i++) {
        put_number(queue, message_sizes[i % (MESSAGE_SIZES - 1)], i);
        if (i == 200)
            must(mp_queue_next_size(queue, MP_NOW));
    }
    must(mp_queue_destroy(queue));
    ck_assert_uint_eq(heap_use(), before);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("queue-order");
    TCase *tcase = mp_test_case(suite, "order", 30);

    tcase_add_loop_test(tcase, lifo_gives_the_latest_first, 0, MESSAGE_SIZES);
    tcase_add_loop_test(tcase, priority_gives_the_lowest_first, 0,
                        MESSAGE_SIZES);
    tcase_add_loop_test(tcase, priority_is_told_by_take, 0, MESSAGE_SIZES);
    tcase_add_test(tcase, priority_keeps_equals_in_line);
    tcase_add_loop_test(tcase, order_is_that_of_the_model, 0, 9);
    tcase = mp_test_case(suite, "limits", 20);
    tcase_add_loop_test(tcase, G08_ordered_queue_state_is_exact, 0,
                        3 * MESSAGE_SIZES);
    tcase_add_loop_test(tcase, ordered_queue_max_bytes_is_exact, 0, 3);
    tcase_add_loop_test(tcase, ordered_message_larger_than_the_buffer_stays, 0,
                        3);
    tcase_add_loop_test(tcase, ordered_deadlines, 0, 3);
    tcase_add_loop_test(tcase, ordered_queue_closed_gives_what_is_left, 0, 3);
    tcase = mp_test_case(suite, "large", 60);
    tcase_add_loop_test(tcase, ordered_queue_grows_and_shrinks, 0, 3);
    tcase_add_loop_test(tcase, priority_of_any_pattern_is_quick, 0, 5);
    tcase_add_loop_test(
        tcase, ordered_queue_destroyed_takes_its_messages_along, 0, 3);
    tcase = mp_test_case(suite, "long", 1); /* it takes milliseconds */
    tcase_add_loop_test(tcase, tasks_of_a_long_queue, 0, 6);
    return mp_test_main(suite);
}
