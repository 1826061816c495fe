/* SPDX-License-Identifier: MIT */
/* Messages that are written and read where they lie: reserve, commit, cancel;
 * take, done. Whose they are is in test-queue-owners.c, deaths are in
 * test-queue-shelf-death.c. */
#include "os/clock.h"
#include "queue/modes-kit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KIB ((size_t)1024)
#define MIB (KIB * KIB)

static const size_t sizes[] = {
    0,        1,   8,   16,  63,      64,          65,       72,           73,
    128,      256, 257, 320, 8 * KIB, 8 * KIB + 1, 64 * KIB, 64 * KIB + 1, MIB,
    64 * MIB,
};

/* Once is enough for what takes its time. */
static unsigned
times(size_t size)
{
    return size > MIB ? 1 : 3;
}

static void
fill(unsigned char *data, size_t size, unsigned seed)
{
    for (size_t i = 0; i < size; i++)
        data[i] = (unsigned char)(i * 31 + i / 251 + seed);
}

static int
is_filled(const unsigned char *data, size_t size, unsigned seed)
{
    for (size_t i = 0; i < size; i++)
        if (data[i] != (unsigned char)(i * 31 + i / 251 + seed))
            return 0;
    return 1;
}

/* As mp_alloc() promises it. */
static void
expect_aligned(const void *data, size_t size)
{
    size_t alignment = (size > 0 && size % 64 == 0) || size > 256 ? 64 : 16;

    ck_assert_ptr_nonnull(data);
    ck_assert_uint_eq((uintptr_t)data % alignment, 0);
    ck_assert_int_eq(mp_memory_contains(data, size), 1);
}

/* ---- In and out ---- */

START_TEST(reserved_message_comes_as_any_other)
{
    static const uint32_t orders[] = {MP_QUEUE_FIFO, MP_QUEUE_LIFO,
                                      MP_QUEUE_PRIORITY};
    uint64_t before = heap_use();
    size_t size = sizes[_i / 3];
    unsigned char *back = malloc(size + 1);
    mp_queue *queue = queue_with(MP_QUEUE_ATTR(.order = orders[_i % 3]));
    void *data = NULL;

    for (unsigned round = 0; round < times(size); round++) {
        must(mp_queue_reserve(queue, size, &data, MP_NOW));
        expect_aligned(data, size);
        ck_assert_int_eq(mp_queue_empty(queue), 1); /* not before commit */
        fill(data, size, round);
        must(mp_queue_commit(queue, data));
        ck_assert_uint_eq(mp_queue_size(queue), 1);
        ck_assert_int_eq(mp_queue_next_size(queue, MP_NOW), (ssize_t)size);
        back[size] = 0xee;
        ck_assert_int_eq(mp_queue_get(queue, back, size, MP_NOW),
                         (ssize_t)size);
        ck_assert_int_eq(is_filled(back, size, round), 1);
        ck_assert_uint_eq(back[size], 0xee);
    }
    must(mp_queue_destroy(queue));
    free(back);
    ck_assert_uint_eq(heap_use(), before);
}
END_TEST

START_TEST(taken_message_lies_there_until_it_is_done)
{
    uint64_t before = heap_use();
    size_t size = sizes[_i / 2];
    unsigned char *data = malloc(size + 1);
    mp_queue *queue = queue_with(NULL);
    mp_message message;

    for (unsigned round = 0; round < times(size); round++) {
        if (_i % 2) {
            void *p;

            must(mp_queue_reserve(queue, size, &p, MP_NOW));
            fill(p, size, round);
            must(mp_queue_commit(queue, p));
        } else {
            fill(data, size, round);
            must(mp_queue_put(queue, data, size, MP_NOW));
        }
        memset(&message, 0xee, sizeof(message));
        must(mp_queue_take(queue, &message, MP_NOW));
        ck_assert_uint_eq(message.size, size);
        ck_assert_int_eq(message.priority, 0);
        ck_assert_uint_eq(message.attempt, 1);
        ck_assert_uint_eq((uintptr_t)message.data % 16, 0);
        ck_assert_int_eq(mp_memory_contains(message.data, size), 1);
        ck_assert_int_eq(mp_queue_empty(queue), 1);
        must(mp_queue_put(queue, "other", 6, MP_NOW));
        ck_assert_int_eq(is_filled(message.data, size, round), 1);
        ck_assert_int_eq(mp_queue_get(queue, data, size, MP_NOW),
                         size < 6 ? -EMSGSIZE : 6);
        if (size < 6)
            must(mp_queue_get(queue, (char[6]){0}, 6, MP_NOW));
        ck_assert_int_eq(is_filled(message.data, size, round), 1);
        must(mp_message_done(queue, &message));
        ck_assert_ptr_null(message.data);
        ck_assert_uint_eq(message.size, 0);
    }
    must(mp_queue_destroy(queue));
    free(data);
    ck_assert_uint_eq(heap_use(), before);
}
END_TEST

/* A message that was reserved, large, and is taken has never been copied: it
 * is at the same place. */
START_TEST(large_message_stays_where_it_is)
{
    static const uint32_t orders[] = {MP_QUEUE_FIFO, MP_QUEUE_LIFO,
                                      MP_QUEUE_PRIORITY};
    mp_queue *queue = queue_with(
        MP_QUEUE_ATTR(.order = orders[_i % 3], .redeliver = _i / 3 != 0));
    mp_message message;
    void *data;

    must(mp_queue_reserve(queue, MIB, &data, MP_NOW));
    fill(data, MIB, 1);
    must(mp_queue_commit(queue, data));
    must(mp_queue_take(queue, &message, MP_NOW));
    ck_assert_ptr_eq(message.data, data);
    ck_assert_int_eq(is_filled(data, MIB, 1), 1);
    must(mp_message_done(queue, &message));
    must(mp_queue_destroy(queue));
}
END_TEST

START_TEST(large_message_gives_its_memory_back)
{
    mp_queue *queue = queue_with(NULL);
    mp_message message;
    uint64_t before;
    void *data;

    for (int round = 0; round < 50; round++) {
        must(mp_queue_reserve(queue, 4 * MIB, &data, MP_NOW));
        if (round % 2) {
            must(mp_queue_commit(queue, data));
            must(mp_queue_take(queue, &message, MP_NOW));
            must(mp_message_done(queue, &message));
        } else {
            must(mp_queue_cancel(queue, data));
        }
        if (round == 1)
            before = heap_now().large_bytes;
        else if (round > 1)
            ck_assert_uint_eq(heap_now().large_bytes, before);
    }
    must(mp_queue_destroy(queue));
}
END_TEST

/* ---- Many at once ---- */

#define MANY 2000

START_TEST(reservations_many_at_once)
{
    static unsigned char *all[MANY];
    uint64_t before = heap_use();
    mp_queue *queue = queue_with(NULL);
    unsigned char back[200];

    for (unsigned i = 0; i < MANY; i++) {
        must(mp_queue_reserve(queue, i % 200, (void **)&all[i], MP_NOW));
        fill(all[i], i % 200, i);
    }
    ck_assert_uint_eq(mp_queue_size(queue), 0);
    for (unsigned i = 0; i < MANY; i++) /* none lies over another */
        if (!is_filled(all[i], i % 200, i))
            ck_abort_msg("reservation %u was written over", i);
    for (unsigned i = MANY; i-- > 0;) /* in the order of their commits */
        must(i % 3 ? mp_queue_commit(queue, all[i])
                   : mp_queue_cancel(queue, all[i]));
    ck_assert_uint_eq(mp_queue_size(queue), MANY - (MANY + 2) / 3);
    for (unsigned i = MANY; i-- > 0;) {
        if (i % 3 == 0)
            continue;
        ck_assert_int_eq(mp_queue_get(queue, back, sizeof(back), MP_NOW),
                         i % 200);
        if (!is_filled(back, i % 200, i))
            ck_abort_msg("message %u is torn", i);
    }
    must(mp_queue_destroy(queue));
    ck_assert_uint_eq(heap_use(), before);
}
END_TEST

START_TEST(messages_taken_many_at_once)
{
    static mp_message all[MANY];
    uint64_t before = heap_use();
    mp_queue *queue =
        queue_with(MP_QUEUE_ATTR(.joinable = _i > 0, .redeliver = _i > 1));

    for (uint32_t i = 0; i < MANY; i++)
        put_number(queue, 4 + i % 200, i);
    for (uint32_t i = 0; i < MANY; i++)
        ck_assert_int_eq(take_number(queue, &all[i]), i);
    ck_assert_uint_eq(mp_queue_size(queue), 0);
    ck_assert_uint_eq(mp_queue_unfinished(queue), _i > 0 ? MANY : 0);
    for (uint32_t i = 0; i < MANY; i++) {
        uint32_t n = i * 7 % MANY; /* in another order */

        ck_assert_int_eq(message_number(all[n].data, all[n].size), n);
        must(mp_message_done(queue, &all[n]));
    }
    ck_assert_uint_eq(mp_queue_unfinished(queue), 0);
    must(mp_queue_destroy(queue));
    ck_assert_uint_eq(heap_use(), before);
}
END_TEST

START_TEST(reservations_and_taken_messages_go_with_the_queue)
{
    uint64_t before = heap_use();
    mp_queue *queue = queue_with(NULL);
    mp_message message;
    void *data;

    for (uint32_t i = 0; i < 200; i++) {
        must(mp_queue_reserve(queue, message_sizes[i % (MESSAGE_SIZES - 1)],
                              &data, MP_NOW));
        put_number(queue, message_sizes[i % (MESSAGE_SIZES - 1)], i);
        ck_assert_int_eq(take_number(queue, &message), i);
    }
    must(mp_queue_destroy(queue));
    ck_assert_uint_eq(heap_use(), before);
}
END_TEST

/* ---- Priorities ---- */

START_TEST(commit_with_a_priority)
{
    size_t size = message_sizes[_i];
    mp_queue *queue = queue_with(MP_QUEUE_ATTR(.order = MP_QUEUE_PRIORITY));
    static const int64_t priorities[] = {3, INT64_MAX, 0, INT64_MIN, 3, -1};
    void *data[LENGTH(priorities)];

    for (uint32_t i = 0; i < LENGTH(priorities); i++) {
        must(mp_queue_reserve(queue, size, &data[i], MP_NOW));
        message_fill(data[i], size, i);
    }
    for (uint32_t i = 0; i < LENGTH(priorities); i++)
        must(priorities[i]
                 ? mp_queue_commit_priority(queue, data[i], priorities[i])
                 : mp_queue_commit(queue, data[i]));
    gives(queue, size, 3, 5, 2, 0, 4, 1);
    must(mp_queue_destroy(queue));
}
END_TEST

START_TEST(commit_with_a_priority_where_there_is_none)
{
    mp_queue *queue =
        queue_with(MP_QUEUE_ATTR(.order = _i ? MP_QUEUE_LIFO : 0));
    void *data;

    must(mp_queue_reserve(queue, 4, &data, MP_NOW));
    must_fail(mp_queue_commit_priority(queue, data, 0), -EINVAL,
              "mp_queue_commit_priority");
    ck_assert_int_eq(mp_queue_empty(queue), 1);
    message_fill(data, 4, 8);
    must(mp_queue_commit(queue, data)); /* it is there still */
    gives(queue, 4, 8);
    must(mp_queue_destroy(queue));
}
END_TEST

/* ---- Limits ---- */

START_TEST(reservations_wait_for_room)
{
    mp_queue *queue = queue_with(_i ? MP_QUEUE_ATTR(.maxsize = 2)
                                    : MP_QUEUE_ATTR(.max_bytes = 20));
    mp_time deadline;
    void *data[4];

    must_fail(
        mp_queue_reserve(queue, _i ? SIZE_MAX / 2 : 21, &data[0], MP_NOW),
        _i ? -ENOMEM : -EMSGSIZE, _i ? "" : "max_bytes");
    for (int i = 0; i < 4; i++) { /* they take no room until then */
        must(mp_queue_reserve(queue, 10, &data[i], MP_NOW));
        message_fill(data[i], 10, (uint32_t)i);
    }
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(mp_queue_full(queue), i >= 2);
        must(mp_queue_commit(queue, data[i])); /* never waits */
    }
    ck_assert_uint_eq(mp_queue_size(queue), 4);
    ck_assert_int_eq(mp_queue_reserve(queue, 10, &data[0], MP_NOW), -EAGAIN);
    deadline = mp_timeout(0.02);
    ck_assert_int_eq(mp_queue_reserve(queue, 10, &data[0], deadline),
                     -ETIMEDOUT);
    ck_assert_int_ge(mp__now(), deadline);
    gives(queue, 10, 0, 1);
    ck_assert_int_eq(mp_queue_reserve(queue, 10, &data[0], MP_NOW), -EAGAIN);
    gives(queue, 10, 2);
    must(mp_queue_reserve(queue, 10, &data[0], MP_NOW));
    must(mp_queue_cancel(queue, data[0]));
    gives(queue, 10, 3);
    must(mp_queue_destroy(queue));
}
END_TEST

struct stage {
    mp_queue *queue;
    mp__a32 told; /* the sum of the numbers that were taken */
};

static int
reserve_and_commit(void *arg, int i)
{
    struct stage *stage = arg;
    uint32_t number = 10 + (uint32_t)i;
    void *data;

    must(mp_queue_reserve(stage->queue, 4, &data, MP_FOREVER));
    memcpy(data, &number, 4);
    must(mp_queue_commit(stage->queue, data));
    return 0;
}

static int
take_and_do(void *arg, int unused)
{
    struct stage *stage = arg;
    mp_message message;

    (void)unused;
    must(mp_queue_take(stage->queue, &message, MP_FOREVER));
    mp__add(&stage->told, (uint32_t)message_number(message.data, 4));
    must(mp_message_done(stage->queue, &message));
    return 0;
}

START_TEST(reserve_sleeps_until_there_is_room)
{
    struct stage *stage = mp_new(struct stage);
    struct kin *kin;

    stage->queue = queue_with(MP_QUEUE_ATTR(.maxsize = 1));
    put_number(stage->queue, 4, 1);
    kin = kin_start((enum kin_how)_i, 3, reserve_and_commit, stage);
    kin_await_sleep(kin);
    ck_assert_uint_eq(mp_queue_size(stage->queue), 1);
    gives(stage->queue, 4, 1);
    for (int i = 0; i < 3; i++)
        take_and_do(stage, 0);
    kin_end(kin);
    ck_assert_uint_eq(mp__load(&stage->told), 33);
    must(mp_queue_destroy(stage->queue));
    must(mp_free(stage));
}
END_TEST

/* The limits are not its business, nor those who wait for them. */
START_TEST(commit_does_not_wait_behind_others)
{
    struct stage *stage = mp_new(struct stage);
    struct kin *kin;
    void *data[3];

    stage->queue = queue_with(MP_QUEUE_ATTR(.maxsize = 1));
    for (uint32_t i = 0; i < 3; i++) {
        must(mp_queue_reserve(stage->queue, 4, &data[i], MP_NOW));
        message_fill(data[i], 4, i + 2);
    }
    put_number(stage->queue, 4, 1);
    kin = kin_start((enum kin_how)_i, 3, reserve_and_commit, stage);
    kin_await_sleep(kin);
    for (uint32_t i = 0; i < 3; i++)
        must(mp_queue_commit(stage->queue, data[i]));
    ck_assert_uint_eq(mp_queue_size(stage->queue), 4);
    gives(stage->queue, 4, 1, 2, 3, 4);
    for (int i = 0; i < 3; i++)
        take_and_do(stage, 0);
    kin_end(kin);
    ck_assert_uint_eq(mp__load(&stage->told), 33);
    must(mp_queue_destroy(stage->queue));
    must(mp_free(stage));
}
END_TEST

START_TEST(take_sleeps_until_there_is_a_message)
{
    struct stage *stage = mp_new(struct stage);
    struct kin *kin;

    stage->queue = queue_with(MP_QUEUE_ATTR(.redeliver = _i / 2 != 0));
    kin = kin_start((enum kin_how)(_i % 2), 3, take_and_do, stage);
    kin_await_sleep(kin);
    reserve_and_commit(stage, 0);
    put_numbers(stage->queue, 4, 11, 12);
    kin_end(kin);
    ck_assert_uint_eq(mp__load(&stage->told), 33);
    must(mp_queue_destroy(stage->queue));
    must(mp_free(stage));
}
END_TEST

/* ---- Closing ---- */

START_TEST(commit_after_closing)
{
    size_t size = message_sizes[_i];
    uint64_t before = heap_use();
    mp_queue *queue = queue_with(NULL);
    void *data[3];

    put_number(queue, size, 1);
    for (int i = 0; i < 3; i++)
        must(mp_queue_reserve(queue, size, &data[i], MP_NOW));
    must(mp_queue_close(queue));
    ck_assert_int_eq(mp_queue_commit(queue, data[0]), -ESHUTDOWN);
    must_fail(mp_queue_commit(queue, data[0]), -EINVAL, "mp_queue_commit");
    must_fail(mp_queue_cancel(queue, data[0]), -EINVAL, "mp_queue_cancel");
    must(mp_queue_cancel(queue, data[1]));
    ck_assert_int_eq(mp_queue_reserve(queue, 1, &data[0], MP_FOREVER),
                     -ESHUTDOWN);
    gives(queue, size, 1);
    ck_assert_int_eq(mp_queue_get(queue, NULL, 0, MP_FOREVER), -ESHUTDOWN);
    must(mp_queue_destroy(queue)); /* with the third */
    ck_assert_uint_eq(heap_use(), before);
}
END_TEST

START_TEST(take_after_closing)
{
    mp_queue *queue = queue_with(NULL);
    mp_message messages[2];

    put_numbers(queue, 4, 1, 2);
    ck_assert_int_eq(take_number(queue, &messages[0]), 1);
    must(mp_queue_close(queue));
    ck_assert_int_eq(take_number(queue, &messages[1]), 2);
    for (int i = 0; i < 2; i++)
        must(mp_message_done(queue, &messages[i]));
    ck_assert_int_eq(mp_queue_take(queue, &messages[0], MP_FOREVER),
                     -ESHUTDOWN);
    must(mp_queue_destroy(queue));
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("queue-zerocopy");
    TCase *tcase = mp_test_case(suite, "bytes", 60);

    tcase_add_loop_test(tcase, reserved_message_comes_as_any_other, 0,
                        3 * LENGTH(sizes));
    tcase_add_loop_test(tcase, taken_message_lies_there_until_it_is_done, 0,
                        2 * LENGTH(sizes));
    tcase_add_loop_test(tcase, large_message_stays_where_it_is, 0, 6);
    tcase_add_test(tcase, large_message_gives_its_memory_back);
    tcase_add_test(tcase, reservations_many_at_once);
    tcase_add_loop_test(tcase, messages_taken_many_at_once, 0, 3);
    tcase_add_test(tcase, reservations_and_taken_messages_go_with_the_queue);
    tcase_add_loop_test(tcase, commit_with_a_priority, 0, MESSAGE_SIZES);
    tcase_add_loop_test(tcase, commit_with_a_priority_where_there_is_none, 0,
                        2);
    tcase = mp_test_case(suite, "limits", 20);
    tcase_add_loop_test(tcase, reservations_wait_for_room, 0, 2);
    tcase_add_loop_test(tcase, reserve_sleeps_until_there_is_room, 0, 2);
    tcase_add_loop_test(tcase, commit_does_not_wait_behind_others, 0, 2);
    tcase_add_loop_test(tcase, take_sleeps_until_there_is_a_message, 0, 4);
    tcase_add_loop_test(tcase, commit_after_closing, 0, MESSAGE_SIZES);
    tcase_add_test(tcase, take_after_closing);
    return mp_test_main(suite);
}
