/* SPDX-License-Identifier: MIT */
/* Many messages by one call: put_many and get_many. Many of those at once are in
 * test-queue-many-stress.c. */
#include "os/clock.h"
#include "queue/modes-kit.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static const uint32_t orders[] = {MP_QUEUE_FIFO, MP_QUEUE_LIFO,
                                  MP_QUEUE_PRIORITY};

/* The next `n` messages, by get_many, are those from number `from` on. */
static void
expect_batch(mp_queue *queue, size_t size, size_t n, size_t ask, uint32_t from)
{
    unsigned char *batch = malloc(ask * size + 1);
    size_t *sizes = malloc(ask * sizeof(*sizes));

    ck_assert_int_eq(mp_queue_get_many(queue, batch, size, ask, sizes, MP_NOW),
                     (ssize_t)n);
    for (size_t i = 0; i < n; i++) {
        ck_assert_uint_eq(sizes[i], size);
        if (message_number(batch + i * size, size) != (int64_t)(from + i))
            ck_abort_msg("%lld, not %zu",
                         (long long)message_number(batch + i * size, size),
                         from + i);
    }
    free(sizes);
    free(batch);
}

/* ---- In and out ---- */

START_TEST(many_put_and_got)
{
    static const size_t counts[] = {1, 2, 7, 100};
    size_t size = message_sizes[_i / 4], n = counts[_i % 4];
    uint64_t before = heap_use();
    mp_queue *queue = queue_with(NULL);

    for (uint32_t round = 0; round < 3; round++) {
        ck_assert_int_eq(put_batch(queue, size, n, 10, MP_NOW), (ssize_t)n);
        ck_assert_uint_eq(mp_queue_size(queue), n);
        expect_batch(queue, size, n, n, 10);
        ck_assert_int_eq(put_batch(queue, size, n, 20, MP_NOW), (ssize_t)n);
        expect_batch(queue, size, n, n + 5, 20); /* as many as there are */
        ck_assert_int_eq(mp_queue_empty(queue), 1);
    }
    must(mp_queue_destroy(queue));
    ck_assert_uint_eq(heap_use(), before);
}
END_TEST

START_TEST(many_mix_with_single_ones)
{
    size_t size = message_sizes[_i];
    mp_queue *queue = queue_with(NULL);

    put_number(queue, size, 1);
    ck_assert_int_eq(put_batch(queue, size, 4, 2, MP_NOW), 4);
    put_number(queue, size, 6);
    gives(queue, size, 1, 2);
    expect_batch(queue, size, 3, 3, 3);
    gives(queue, size, 6);
    ck_assert_int_eq(mp_queue_empty(queue), 1);
    must(mp_queue_destroy(queue));
}
END_TEST

START_TEST(many_in_other_orders)
{
    uint32_t order = orders[_i % 3];
    size_t size = message_sizes[_i / 3];
    mp_queue *queue = queue_with(MP_QUEUE_ATTR(.order = order));

    if (order == MP_QUEUE_PRIORITY) {
        put_with_priority(queue, size, 7, 1);
        put_with_priority(queue, size, 1, -1);
    }
    ck_assert_int_eq(put_batch(queue, size, 5, 2, MP_NOW), 5);
    if (order == MP_QUEUE_LIFO) {
        gives(queue, size, 6, 5);
        expect_batch(queue, size, 1, 1, 4);
        gives(queue, size, 3, 2);
    } else if (order == MP_QUEUE_PRIORITY) {
        expect_batch(queue, size, 4, 4, 1);
        expect_batch(queue, size, 3, 9, 5);
    } else {
        expect_batch(queue, size, 5, 9, 2);
    }
    ck_assert_int_eq(mp_queue_empty(queue), 1);
    must(mp_queue_destroy(queue));
}
END_TEST

START_TEST(many_without_bytes)
{
    size_t sizes[5] = {1, 1, 1, 1, 1};
    mp_queue *queue = queue_with(NULL);

    ck_assert_int_eq(mp_queue_put_many(queue, NULL, 0, 5, MP_NOW), 5);
    ck_assert_uint_eq(mp_queue_size(queue), 5);
    ck_assert_int_eq(mp_queue_get_many(queue, NULL, 0, 3, NULL, MP_NOW), 3);
    ck_assert_int_eq(mp_queue_get_many(queue, NULL, 0, 5, sizes, MP_NOW), 2);
    for (int i = 0; i < 5; i++)
        ck_assert_uint_eq(sizes[i], i < 2 ? 0 : 1);
    must(mp_queue_destroy(queue));
}
END_TEST

START_TEST(many_of_none)
{
    mp_queue *queue = queue_with(MP_QUEUE_ATTR(.maxsize = 1));
    char c = 'c';

    for (int full = 0; full < 2; full++) {
        ck_assert_int_eq(mp_queue_put_many(queue, &c, 1, 0, MP_FOREVER), 0);
        ck_assert_int_eq(mp_queue_put_many(queue, NULL, 0, 0, MP_FOREVER), 0);
        ck_assert_int_eq(mp_queue_get_many(queue, &c, 1, 0, NULL, MP_FOREVER),
                         0);
        ck_assert_int_eq(
            mp_queue_get_many(queue, NULL, 0, 0, NULL, MP_FOREVER), 0);
        ck_assert_uint_eq(mp_queue_size(queue), (size_t)full);
        if (!full)
            must(mp_queue_put(queue, "x", 1, MP_NOW));
    }
    must(mp_queue_destroy(queue));
}
END_TEST

/* ---- Of various sizes ---- */

START_TEST(many_got_tell_their_sizes)
{
    uint32_t order = orders[_i];
    mp_queue *queue = queue_with(MP_QUEUE_ATTR(.order = order));
    unsigned char *data = malloc(20 * 300);
    size_t sizes[20];

    memset(data, 0xee, 20 * 300);
    for (uint32_t i = 0; i < 20; i++)
        put_number(queue, 4 + 13 * i, i);
    ck_assert_int_eq(mp_queue_get_many(queue, data, 300, 20, sizes, MP_NOW),
                     20);
    for (uint32_t i = 0; i < 20; i++) {
        uint32_t n = order == MP_QUEUE_LIFO ? 19 - i : i;

        ck_assert_uint_eq(sizes[i], 4 + 13 * n);
        ck_assert_int_eq(message_number(data + 300 * i, sizes[i]), n);
        ck_assert_uint_eq(data[300 * i + sizes[i]], 0xee); /* no more */
    }
    must(mp_queue_destroy(queue));
    free(data);
}
END_TEST

START_TEST(many_got_end_before_one_too_large)
{
    static const size_t large[] = {101, 9000};
    mp_queue *queue = queue_with(
        MP_QUEUE_ATTR(.redeliver = _i / 2 % 2, .order = orders[_i / 4]));
    unsigned char data[1000];
    size_t sizes[10];
    int lifo = orders[_i / 4] == MP_QUEUE_LIFO;

    put_number(queue, 100, lifo ? 5 : 1);
    put_number(queue, 100, 2);
    put_number(queue, large[_i % 2], 3);
    put_number(queue, 100, 4);
    put_number(queue, 100, lifo ? 1 : 5);
    ck_assert_int_eq(mp_queue_get_many(queue, data, 100, 10, sizes, MP_NOW),
                     2);
    ck_assert_int_eq(message_number(data, sizes[0]), 1);
    ck_assert_int_eq(message_number(data + 100, sizes[1]), lifo ? 4 : 2);
    ck_assert_uint_eq(mp_queue_size(queue), 3);
    must_fail(mp_queue_get_many(queue, data, 100, 10, sizes, MP_FOREVER),
              -EMSGSIZE, _i % 2 ? "9000" : "101");
    ck_assert_uint_eq(mp_queue_size(queue), 3);
    gives(queue, large[_i % 2], 3);
    ck_assert_int_eq(mp_queue_get_many(queue, data, 100, 10, NULL, MP_NOW), 2);
    ck_assert_int_eq(message_number(data, 100), lifo ? 2 : 4);
    ck_assert_int_eq(message_number(data + 100, 100), 5);
    must(mp_queue_destroy(queue));
}
END_TEST

/* ---- Limits ---- */

START_TEST(many_put_as_far_as_there_is_room)
{
    size_t size = message_sizes[_i / 2];
    mp_queue *queue =
        queue_with(_i % 2 ? MP_QUEUE_ATTR(.maxsize = 5)
                          : MP_QUEUE_ATTR(.max_bytes = 5 * size + size / 2));
    mp_time deadline;

    ck_assert_int_eq(put_batch(queue, size, 8, 1, MP_NOW), 5);
    ck_assert_uint_eq(mp_queue_size(queue), 5);
    ck_assert_int_eq(put_batch(queue, size, 8, 1, MP_NOW), -EAGAIN);
    ck_assert_int_eq(put_batch(queue, size, 8, 1, 1), -ETIMEDOUT);
    gives(queue, size, 1, 2);
    deadline = mp_timeout(0.02);
    ck_assert_int_eq(put_batch(queue, size, 8, 6, deadline), 2);
    ck_assert_int_ge(mp__now(), deadline);
    ck_assert_int_eq(put_batch(queue, size, 8, 1, 1), -ETIMEDOUT);
    expect_batch(queue, size, 5, 9, 3);
    ck_assert_int_eq(put_batch(queue, size, 5, 8, MP_FOREVER), 5);
    expect_batch(queue, size, 5, 5, 8);
    must(mp_queue_destroy(queue));
}
END_TEST

START_TEST(many_larger_than_the_limit)
{
    mp_queue *queue = queue_with(MP_QUEUE_ATTR(.max_bytes = 100));
    char data[300] = {0};

    must_fail(mp_queue_put_many(queue, data, 101, 2, MP_FOREVER), -EMSGSIZE,
              "max_bytes");
    ck_assert_int_eq(mp_queue_put_many(queue, data, 100, 2, MP_NOW), 1);
    must(mp_queue_destroy(queue));
}
END_TEST

START_TEST(many_got_at_their_deadline)
{
    mp_queue *queue = queue_with(MP_QUEUE_ATTR(.order = orders[_i]));
    mp_time deadline = mp_timeout(0.02);
    char data[40];

    ck_assert_int_eq(mp_queue_get_many(queue, data, 4, 10, NULL, MP_NOW),
                     -EAGAIN);
    ck_assert_int_eq(mp_queue_get_many(queue, data, 4, 10, NULL, 1),
                     -ETIMEDOUT);
    ck_assert_int_eq(mp_queue_get_many(queue, data, 4, 10, NULL, deadline),
                     -ETIMEDOUT);
    ck_assert_int_ge(mp__now(), deadline);
    put_number(queue, 4, 1);
    ck_assert_int_eq(mp_queue_get_many(queue, data, 4, 10, NULL, MP_FOREVER),
                     1); /* it does not wait for more */
    must(mp_queue_destroy(queue));
}
END_TEST

START_TEST(many_and_closed)
{
    mp_queue *queue = queue_with(MP_QUEUE_ATTR(.order = orders[_i]));
    char data[40];

    ck_assert_int_eq(put_batch(queue, 4, 3, 1, MP_NOW), 3);
    must(mp_queue_close(queue));
    ck_assert_int_eq(put_batch(queue, 4, 3, 1, MP_FOREVER), -ESHUTDOWN);
    ck_assert_int_eq(mp_queue_get_many(queue, data, 4, 2, NULL, MP_FOREVER),
                     2);
    ck_assert_int_eq(mp_queue_get_many(queue, data, 4, 2, NULL, MP_FOREVER),
                     1);
    ck_assert_int_eq(mp_queue_get_many(queue, data, 4, 2, NULL, MP_FOREVER),
                     -ESHUTDOWN);
    must(mp_queue_destroy(queue));
}
END_TEST

/* ---- Against a model ---- */

#define MODEL_MOST 900
#define LARGEST    400

struct model {
    int lifo;
    uint64_t maxsize, max_bytes;
    uint32_t next;
    size_t n, bytes;
    struct {
        uint32_t number;
        size_t size;
    } entries[MODEL_MOST];
};

/* How many of `n` find room. */
static size_t
room_for(const struct model *model, size_t size, size_t n)
{
    if (n > MODEL_MOST - model->n)
        n = MODEL_MOST - model->n;
    if (model->maxsize && n > model->maxsize - model->n)
        n = model->maxsize - model->n;
    if (model->max_bytes && n > (model->max_bytes - model->bytes) / size)
        n = (model->max_bytes - model->bytes) / size;
    return n;
}

static void
enter_batch(mp_queue *queue, struct model *model)
{
    size_t size = 4 + (size_t)rand() % (LARGEST - 3);
    size_t n = 1 + (size_t)rand() % 40, room = room_for(model, size, n);

    if (model->maxsize == 0 && model->max_bytes == 0)
        n = room; /* there is no other limit than the model's */
    if (n == 0)
        return;
    ck_assert_int_eq(put_batch(queue, size, n, model->next, MP_NOW),
                     room ? (ssize_t)room : -EAGAIN);
    for (size_t i = 0; i < room; i++) {
        model->entries[model->n].number = model->next++;
        model->entries[model->n++].size = size;
        model->bytes += size;
    }
}

static void
check_out_batch(mp_queue *queue, struct model *model)
{
    static unsigned char data[60 * LARGEST];
    size_t sizes[60], n = 1 + (size_t)rand() % 60;
    ssize_t r = mp_queue_get_many(queue, data, LARGEST, n, sizes, MP_NOW);

    if (n > model->n)
        n = model->n;
    ck_assert_int_eq(r, n ? (ssize_t)n : -EAGAIN);
    for (size_t i = 0; i < n; i++) {
        size_t at = model->lifo ? model->n - 1 - i : i;

        ck_assert_uint_eq(sizes[i], model->entries[at].size);
        ck_assert_int_eq(message_number(data + i * LARGEST, sizes[i]),
                         model->entries[at].number);
        model->bytes -= sizes[i];
    }
    model->n -= n;
    if (!model->lifo)
        memmove(&model->entries[0], &model->entries[n],
                model->n * sizeof(model->entries[0]));
}

/* A new queue each time, which grows and is emptied: a batch may meet the end
 * of the memory that there is at any place. */
START_TEST(many_are_those_of_the_model)
{
    static const struct {
        uint64_t maxsize, max_bytes;
    } limits[] = {{0, 0}, {77, 0}, {0, 30000}, {0, 140000}, {50, 11111}};
    static struct model model;
    uint64_t before = heap_use();

    srand(31 + (unsigned)_i);
    for (int round = 0; round < rounds(40); round++) {
        mp_queue *queue;

        model = (struct model){.lifo = _i % 2,
                               .maxsize = limits[_i / 2].maxsize,
                               .max_bytes = limits[_i / 2].max_bytes};
        queue = queue_with(
            MP_QUEUE_ATTR(.order = _i % 2 ? MP_QUEUE_LIFO : MP_QUEUE_FIFO,
                          .maxsize = model.maxsize,
                          .max_bytes = model.max_bytes));
        for (int step = 0; step < 100; step++) {
            if (rand() % 10 < (step % 50 < 35 ? 8 : 3))
                enter_batch(queue, &model);
            else
                check_out_batch(queue, &model);
            ck_assert_uint_eq(mp_queue_size(queue), model.n);
        }
        while (model.n > 0)
            check_out_batch(queue, &model);
        must(mp_queue_destroy(queue));
    }
    ck_assert_uint_eq(heap_use(), before);
}
END_TEST

/* ---- Waiting ---- */

struct stage {
    mp_queue *queue;
    size_t size, n;
    mp_time deadline;
    ssize_t result;
};

static struct stage *
stage_with(const mp_queue_attr *attr, size_t size, size_t n)
{
    struct stage *stage = mp_new(struct stage);

    ck_assert_ptr_nonnull(stage);
    stage->queue = queue_with(attr);
    stage->size = size;
    stage->n = n;
    stage->deadline = MP_FOREVER;
    return stage;
}

static void
end_stage(struct stage *stage)
{
    must(mp_queue_destroy(stage->queue));
    must(mp_free(stage));
}

static int
put_all(void *arg, int unused)
{
    struct stage *stage = arg;

    (void)unused;
    stage->result =
        put_batch(stage->queue, stage->size, stage->n, 1, stage->deadline);
    return 0;
}

static int
get_some(void *arg, int unused)
{
    struct stage *stage = arg;
    unsigned char *data = malloc(stage->n * stage->size);

    (void)unused;
    stage->result = mp_queue_get_many(stage->queue, data, stage->size,
                                      stage->n, NULL, stage->deadline);
    for (ssize_t i = 0; i < stage->result; i++)
        ck_assert_int_eq(
            message_number(data + (size_t)i * stage->size, stage->size),
            i + 1);
    free(data);
    return 0;
}

START_TEST(many_put_sleep_until_there_is_room_for_the_rest)
{
    size_t size = message_sizes[_i / 2];
    struct stage *stage = stage_with(MP_QUEUE_ATTR(.maxsize = 3), size, 20);
    struct kin *kin = kin_start((enum kin_how)(_i % 2), 1, put_all, stage);
    unsigned char *data = malloc(size);

    kin_await_sleep(kin);
    ck_assert_int_eq(mp_queue_full(stage->queue), 1);
    for (int i = 1; i <= 20; i++) {
        ck_assert_int_eq(mp_queue_get(stage->queue, data, size, MP_FOREVER),
                         (ssize_t)size);
        ck_assert_int_eq(message_number(data, size), i);
    }
    kin_end(kin);
    ck_assert_int_eq(stage->result, 20);
    ck_assert_int_eq(mp_queue_empty(stage->queue), 1);
    free(data);
    end_stage(stage);
}
END_TEST

/* Part of it is in: that many are told, whatever ended the wait. */
START_TEST(many_put_and_closed_in_between)
{
    size_t size = message_sizes[_i / 2];
    struct stage *stage = stage_with(MP_QUEUE_ATTR(.maxsize = 3), size, 20);
    struct kin *kin = kin_start((enum kin_how)(_i % 2), 1, put_all, stage);

    kin_await_sleep(kin);
    gives(stage->queue, size, 1);
    wait_until(mp_queue_full(stage->queue), 20);
    must(mp_queue_close(stage->queue));
    kin_end(kin);
    ck_assert_int_eq(stage->result, 4);
    gives(stage->queue, size, 2, 3, 4);
    ck_assert_int_eq(mp_queue_get(stage->queue, NULL, 0, MP_NOW), -ESHUTDOWN);
    end_stage(stage);
}
END_TEST

START_TEST(many_put_and_interrupted_in_between)
{
    struct stage *stage = stage_with(MP_QUEUE_ATTR(.maxsize = 3), 4, 20);
    struct kin *kin;

    catch_signals();
    kin = kin_start((enum kin_how)_i, 1, put_all, stage);
    kin_await_sleep(kin);
    kin_interrupt(kin, 0, SIGUSR1);
    kin_end(kin);
    ck_assert_int_eq(stage->result, 3);
    kin = kin_start((enum kin_how)_i, 1, put_all, stage); /* none this time */
    kin_await_sleep(kin);
    kin_interrupt(kin, 0, SIGUSR1);
    kin_end(kin);
    ck_assert_int_eq(stage->result, -EINTR);
    gives(stage->queue, 4, 1, 2, 3);
    end_stage(stage);
}
END_TEST

START_TEST(many_got_sleep_until_there_are_some)
{
    size_t size = message_sizes[_i / 2];
    struct stage *stage = stage_with(NULL, size, 8);
    struct kin *kin = kin_start((enum kin_how)(_i % 2), 1, get_some, stage);

    kin_await_sleep(kin);
    ck_assert_int_eq(put_batch(stage->queue, size, 5, 1, MP_NOW), 5);
    kin_end(kin);
    ck_assert_int_ge(stage->result, 1);
    ck_assert_int_eq((ssize_t)mp_queue_size(stage->queue), 5 - stage->result);
    end_stage(stage);
}
END_TEST

START_TEST(many_got_sleep_until_closed)
{
    struct stage *stage =
        stage_with(MP_QUEUE_ATTR(.order = orders[_i / 2]), 4, 8);
    struct kin *kin = kin_start((enum kin_how)(_i % 2), 1, get_some, stage);

    kin_await_sleep(kin);
    must(mp_queue_close(stage->queue));
    kin_end(kin);
    ck_assert_int_eq(stage->result, -ESHUTDOWN);
    end_stage(stage);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("queue-many");
    TCase *tcase = mp_test_case(suite, "many", 30);

    tcase_add_loop_test(tcase, many_put_and_got, 0, 4 * MESSAGE_SIZES);
    tcase_add_loop_test(tcase, many_mix_with_single_ones, 0, MESSAGE_SIZES);
    tcase_add_loop_test(tcase, many_in_other_orders, 0, 3 * MESSAGE_SIZES);
    tcase_add_test(tcase, many_without_bytes);
    tcase_add_test(tcase, many_of_none);
    tcase_add_loop_test(tcase, many_got_tell_their_sizes, 0, 3);
    tcase_add_loop_test(tcase, many_got_end_before_one_too_large, 0, 12);
    tcase = mp_test_case(suite, "limits", 30);
    tcase_add_loop_test(tcase, many_put_as_far_as_there_is_room, 0,
                        2 * MESSAGE_SIZES);
    tcase_add_test(tcase, many_larger_than_the_limit);
    tcase_add_loop_test(tcase, many_got_at_their_deadline, 0, 3);
    tcase_add_loop_test(tcase, many_and_closed, 0, 3);
    tcase_add_loop_test(tcase, many_are_those_of_the_model, 0, 10);
    tcase = mp_test_case(suite, "wait", 30);
    tcase_add_checked_fixture(tcase, rely_on_wake_ups, NULL);
    tcase_add_loop_test(tcase, many_put_sleep_until_there_is_room_for_the_rest,
                        0, 2 * MESSAGE_SIZES);
    tcase_add_loop_test(tcase, many_put_and_closed_in_between, 0,
                        2 * MESSAGE_SIZES);
    tcase_add_loop_test(tcase, many_put_and_interrupted_in_between, 0, 2);
    tcase_add_loop_test(tcase, many_got_sleep_until_there_are_some, 0,
                        2 * MESSAGE_SIZES);
    tcase_add_loop_test(tcase, many_got_sleep_until_closed, 0, 6);
    return mp_test_main(suite);
}
