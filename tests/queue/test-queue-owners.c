/* SPDX-License-Identifier: MIT */
/* Whose a reservation or a taken message is: of the thread that made it, as
 * long as that lives; but any thread of its process may end it, and no other
 * process. And what is none. */
#include "queue/modes-kit.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static const size_t sizes[] = {0, 1, 64, 65, 8192, 8193, 1 << 20};

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

struct stage {
    mp_queue *queue;
    void *data;
    mp_message message;
};

/* ---- Of the process ---- */

static int
read_and_change(void *arg)
{
    struct stage *stage = arg;
    unsigned char *data = stage->message.data;

    if (!is_filled(data, stage->message.size, 1))
        return 1;
    fill(data, stage->message.size, 2);
    must_fail(mp_message_done(stage->queue, &stage->message), -EINVAL,
              "mp_message_done");
    return stage->message.data == data ? 0 : 2; /* it was left alone */
}

START_TEST(taken_message_is_valid_in_other_processes)
{
    struct stage *stage = mp_new(struct stage);
    size_t size = sizes[_i];
    void *data;

    stage->queue = queue_with(NULL);
    must(mp_queue_reserve(stage->queue, size, &data, MP_NOW));
    fill(data, size, 1);
    must(mp_queue_commit(stage->queue, data));
    must(mp_queue_take(stage->queue, &stage->message, MP_NOW));
    expect_exit(child(read_and_change, stage), 0);
    ck_assert_int_eq(is_filled(stage->message.data, size, 2), 1);
    must(mp_message_done(stage->queue, &stage->message));
    must(mp_queue_destroy(stage->queue));
    must(mp_free(stage));
}
END_TEST

/* Written by one, the reservation of another. */
static int
write_and_fail_to_commit(void *arg)
{
    struct stage *stage = arg;

    fill(stage->data, 5000, 3);
    must_fail(mp_queue_commit(stage->queue, stage->data), -EINVAL,
              "mp_queue_commit");
    must_fail(mp_queue_cancel(stage->queue, stage->data), -EINVAL,
              "mp_queue_cancel");
    return 0;
}

START_TEST(reservation_is_of_its_process)
{
    struct stage *stage = mp_new(struct stage);
    mp_message message;

    stage->queue = queue_with(NULL);
    must(mp_queue_reserve(stage->queue, 5000, &stage->data, MP_NOW));
    expect_exit(child(write_and_fail_to_commit, stage), 0);
    ck_assert_int_eq(mp_queue_empty(stage->queue), 1);
    must(mp_queue_commit(stage->queue, stage->data));
    must(mp_queue_take(stage->queue, &message, MP_NOW));
    ck_assert_int_eq(is_filled(message.data, 5000, 3), 1);
    must(mp_message_done(stage->queue, &message));
    must(mp_queue_destroy(stage->queue));
    must(mp_free(stage));
}
END_TEST

static int
reserve_and_take(void *arg, int unused)
{
    struct stage *stage = arg;

    (void)unused;
    must(mp_queue_reserve(stage->queue, 5000, &stage->data, MP_NOW));
    fill(stage->data, 5000, 4);
    must(mp_queue_take(stage->queue, &stage->message, MP_NOW));
    return 0;
}

static int
commit_and_do(void *arg, int unused)
{
    struct stage *stage = arg;

    (void)unused;
    must(mp_queue_commit(stage->queue, stage->data));
    must(mp_message_done(stage->queue, &stage->message));
    return 0;
}

/* What one thread began another may end, while that lives. */
START_TEST(reserved_and_taken_is_of_all_threads)
{
    struct stage *stage = mp_new(struct stage);
    mp_message message;

    stage->queue = queue_with(MP_QUEUE_ATTR(.redeliver = _i));
    put_number(stage->queue, 5000, 1);
    reserve_and_take(stage, 0);
    kin_run(THREADS, 1, commit_and_do, stage);
    must(mp_queue_take(stage->queue, &message, MP_NOW));
    ck_assert_int_eq(is_filled(message.data, 5000, 4), 1);
    must(mp_message_done(stage->queue, &message));
    ck_assert_uint_eq(mp_queue_unfinished(stage->queue), 0);
    must(mp_queue_destroy(stage->queue));
    must(mp_free(stage));
}
END_TEST

static int
end_in_vain(void *arg, int unused)
{
    struct stage *stage = arg;

    (void)unused;
    must_fail(mp_queue_commit(stage->queue, stage->data), -EINVAL,
              "mp_queue_commit");
    must_fail(mp_queue_cancel(stage->queue, stage->data), -EINVAL,
              "mp_queue_cancel");
    must_fail(mp_message_done(stage->queue, &stage->message), -EINVAL,
              "mp_message_done");
    return 0;
}

/* A thread that ends is like a process that dies, also for its own. */
START_TEST(reserved_and_taken_ends_with_its_thread)
{
    uint64_t before = heap_use();
    struct stage *stage = mp_new(struct stage);
    mp_message message;

    stage->queue = queue_with(MP_QUEUE_ATTR(.redeliver = _i));
    for (int round = 0; round < 3; round++) {
        put_number(stage->queue, 5000, 1);
        kin_run(THREADS, 1, reserve_and_take, stage);
        mp__reap();
        end_in_vain(stage, 0);
        if (_i) {
            ck_assert_int_eq(take_number(stage->queue, &message), 1);
            ck_assert_uint_eq(message.attempt, 2);
            must(mp_message_done(stage->queue, &message));
            ck_assert_int_eq(mp_queue_join(stage->queue, MP_NOW), 0);
        }
        ck_assert_int_eq(take_number(stage->queue, &message), -1);
    }
    must(mp_queue_destroy(stage->queue));
    must(mp_free(stage));
    ck_assert_uint_eq(heap_use(), before);
}
END_TEST

/* ---- What is none ---- */

START_TEST(message_done_only_once)
{
    size_t size = message_sizes[_i];
    mp_queue *queue = queue_with(NULL), *other = queue_with(NULL);
    mp_message message, copy, next;

    put_numbers(queue, size, 1, 2);
    ck_assert_int_eq(take_number(queue, &message), 1);
    copy = message;
    must_fail(mp_message_done(other, &message), -EINVAL, "mp_message_done");
    must(mp_message_done(queue, &message));
    must_fail(mp_message_done(queue, &message), -EINVAL, "mp_message_done");
    message = copy;
    must_fail(mp_message_done(queue, &message), -EINVAL, "mp_message_done");
    ck_assert_int_eq(take_number(queue, &next), 2); /* in the same slot */
    must_fail(mp_message_done(queue, &copy), -EINVAL, "mp_message_done");
    ck_assert_int_eq(message_number(next.data, next.size), 2);
    must(mp_message_done(queue, &next));
    must(mp_queue_destroy(queue));
    must(mp_queue_destroy(other));
}
END_TEST

START_TEST(message_that_is_none)
{
    mp_queue *queue = queue_with(NULL);
    mp_message message, wrong;

    put_numbers(queue, 4, 1, 2);
    memset(&wrong, 0, sizeof(wrong));
    must_fail(mp_message_done(queue, &wrong), -EINVAL, "mp_message_done");
    memset(&wrong, 0xff, sizeof(wrong));
    must_fail(mp_message_done(queue, &wrong), -EINVAL, "mp_message_done");
    ck_assert_int_eq(take_number(queue, &message), 1);
    must(mp_message_done(queue, &message));
    ck_assert_int_eq(take_number(queue, &message), 2);
    for (int i = 0; i < 2; i++) {
        const uint64_t others[] = {0, message.handle[i] + 1,
                                   message.handle[i] + 128, (uintptr_t)&wrong,
                                   UINT64_MAX};

        for (size_t n = 0; n < LENGTH(others); n++) {
            wrong = message;
            wrong.handle[i] = others[n];
            if (mp_message_done(queue, &wrong) != -EINVAL)
                ck_abort_msg("handle[%d] = %llx was taken", i,
                             (unsigned long long)others[n]);
            kin_text(mp_last_error(), "mp_message_done", __LINE__);
        }
    }
    ck_assert_int_eq(message_number(message.data, message.size), 2);
    must(mp_message_done(queue, &message));
    must(mp_queue_destroy(queue));
}
END_TEST

static void
expect_no_reservation(mp_queue *queue, void *data)
{
    must_fail(mp_queue_commit(queue, data), -EINVAL, "mp_queue_commit");
    must_fail(mp_queue_cancel(queue, data), -EINVAL, "mp_queue_cancel");
}

START_TEST(reservation_that_is_none)
{
    size_t size = message_sizes[_i];
    mp_queue *queue = queue_with(NULL), *other = queue_with(NULL);
    char *block = mp_alloc(size), stack[64] = {0};
    void *data, *gone;

    expect_no_reservation(queue, NULL); /* it has never had any */
    expect_no_reservation(queue, stack);
    must(mp_queue_reserve(queue, size, &gone, MP_NOW));
    must(mp_queue_cancel(queue, gone));
    expect_no_reservation(queue, gone);
    must(mp_queue_reserve(queue, size, &gone, MP_NOW));
    must(mp_queue_reserve(queue, size, &data, MP_NOW));
    must(mp_queue_commit(queue, gone));
    expect_no_reservation(queue, gone);
    expect_no_reservation(queue, NULL);
    expect_no_reservation(queue, stack);
    expect_no_reservation(queue, block);
    expect_no_reservation(queue, (char *)data + 1);
    expect_no_reservation(queue, (char *)data + 64);
    expect_no_reservation(queue, (char *)data - 64);
    expect_no_reservation(queue, mp__view.base);
    expect_no_reservation(queue, mp__view.base + mp__view.size);
    expect_no_reservation(queue, (void *)UINTPTR_MAX);
    expect_no_reservation(other, data);
    message_fill(data, size, 5);
    must(mp_queue_commit(queue, data));
    must(mp_queue_get(queue, block, size, MP_NOW));
    gives(queue, size, 5);
    must(mp_queue_destroy(queue));
    must(mp_queue_destroy(other));
    must(mp_free(block));
}
END_TEST

/* What was taken was never reserved by the taker. */
START_TEST(reservation_is_not_what_was_taken)
{
    size_t size = message_sizes[_i];
    mp_queue *queue = queue_with(NULL);
    mp_message message;

    put_number(queue, size, 1);
    ck_assert_int_eq(take_number(queue, &message), 1);
    expect_no_reservation(queue, message.data);
    ck_assert_int_eq(message_number(message.data, size), 1);
    must(mp_message_done(queue, &message));
    must(mp_queue_destroy(queue));
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("queue-owners");
    TCase *tcase = mp_test_case(suite, "process", 20);

    tcase_add_loop_test(tcase, taken_message_is_valid_in_other_processes, 0,
                        LENGTH(sizes));
    tcase_add_test(tcase, reservation_is_of_its_process);
    tcase_add_loop_test(tcase, reserved_and_taken_is_of_all_threads, 0, 2);
    tcase_add_loop_test(tcase, reserved_and_taken_ends_with_its_thread, 0, 2);
    tcase_add_loop_test(tcase, message_done_only_once, 0, MESSAGE_SIZES);
    tcase_add_test(tcase, message_that_is_none);
    tcase_add_loop_test(tcase, reservation_that_is_none, 0, MESSAGE_SIZES);
    tcase_add_loop_test(tcase, reservation_is_not_what_was_taken, 0,
                        MESSAGE_SIZES);
    return mp_test_main(suite);
}
