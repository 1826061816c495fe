/* SPDX-License-Identifier: MIT */
/* Messages over which too many consumers have died go to the queue of dead
 * letters, whole, once, whatever kind of queue that is. */
#include "queue/modes-kit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static mp_queue *
queue_with_letters(mp_queue *letters, uint32_t attempts)
{
    return queue_with(MP_QUEUE_ATTR(.redeliver = 1, .max_attempts = attempts,
                                    .dead_letters = letters));
}

/* Nothing is in there, nothing was lost. */
static void
end_queue(mp_queue *queue)
{
    ck_assert_int_eq(mp_queue_get(queue, NULL, 0, MP_NOW), -EAGAIN);
    ck_assert_uint_eq(mp_queue_unfinished(queue), 0);
    ck_assert_int_eq(mp_queue_join(queue, MP_NOW), 0);
    must(mp_queue_destroy(queue));
}

START_TEST(dead_letters_come_whole_and_in_order)
{
    uint32_t attempts = (uint32_t)(_i % 2) * 2 + 1;
    enum hold how = (enum hold)(_i / 2 % HOLDS);
    size_t size = message_sizes[_i / 2 / HOLDS];
    uint64_t before = heap_use();
    mp_queue *letters = queue_with(NULL);
    mp_queue *queue = queue_with_letters(letters, attempts);

    for (uint32_t round = 0; round < 2; round++) {
        put_numbers(queue, size, 1, 4);
        for (uint32_t i = 0; i < attempts; i++) {
            ck_assert_int_eq(mp_queue_empty(letters), 1);
            die_holding(queue, how, 3);
        }
        gives_tasks(queue, size, 4);
        ck_assert_int_eq(mp_queue_join(queue, MP_FOREVER), 0);
        ck_assert_uint_eq(mp_queue_size(letters), 3);
        gives(letters, size, 1, 2, 3);
        ck_assert_int_eq(mp_queue_empty(letters), 1);
    }
    end_queue(queue);
    must(mp_queue_destroy(letters));
    ck_assert_uint_eq(heap_use(), before);
}
END_TEST

/* They stay there, and outlive the queue that they come from. */
START_TEST(dead_letters_outlive_their_queue)
{
    uint64_t before = heap_use();
    mp_queue *letters = queue_with(NULL);
    mp_queue *queue = queue_with_letters(letters, 1);

    for (uint32_t i = 0; i < MESSAGE_SIZES; i++)
        put_number(queue, message_sizes[i], i);
    die_holding(queue, HOLD_TAKEN, MESSAGE_SIZES / 2);
    die_holding(queue, HOLD_GOT, MESSAGE_SIZES - MESSAGE_SIZES / 2);
    end_queue(queue);
    for (uint32_t i = 0; i < MESSAGE_SIZES; i++)
        gives(letters, message_sizes[i], i);
    must(mp_queue_destroy(letters));
    ck_assert_uint_eq(heap_use(), before);
}
END_TEST

START_TEST(dead_letters_go_with_their_queue)
{
    uint64_t before = heap_use();
    mp_queue *letters = queue_with(NULL);
    mp_queue *queue = queue_with_letters(letters, 1);

    for (uint32_t i = 0; i < MESSAGE_SIZES; i++)
        put_number(queue, message_sizes[i], i);
    die_holding(queue, HOLD_TAKEN, MESSAGE_SIZES);
    end_queue(queue);
    ck_assert_uint_eq(mp_queue_size(letters), MESSAGE_SIZES);
    must(mp_queue_destroy(letters));
    ck_assert_uint_eq(heap_use(), before);
}
END_TEST

/* ---- Into other queues ---- */

START_TEST(dead_letters_go_beyond_the_limits)
{
    mp_queue *letters = queue_with(_i ? MP_QUEUE_ATTR(.maxsize = 2)
                                      : MP_QUEUE_ATTR(.max_bytes = 200));
    mp_queue *queue = queue_with_letters(letters, 1);

    put_numbers(letters, 100, 1, 2);
    put_numbers(queue, 100, 3, 5);
    die_holding(queue, HOLD_GOT, 3);
    end_queue(queue); /* nobody waited */
    ck_assert_uint_eq(mp_queue_size(letters), 5);
    gives(letters, 100, 1, 2, 3);
    ck_assert_int_eq(mp_queue_full(letters), 1);
    gives(letters, 100, 4);
    ck_assert_int_eq(mp_queue_full(letters), 0);
    gives(letters, 100, 5);
    must(mp_queue_destroy(letters));
}
END_TEST

START_TEST(dead_letters_into_a_lifo)
{
    size_t size = message_sizes[_i];
    mp_queue *letters = queue_with(MP_QUEUE_ATTR(.order = MP_QUEUE_LIFO));
    mp_queue *queue = queue_with_letters(letters, 1);

    put_number(letters, size, 1);
    put_numbers(queue, size, 2, 4);
    die_holding(queue, HOLD_GOT_MANY, 3);
    end_queue(queue);
    gives(letters, size, 4, 3, 2, 1);
    must(mp_queue_destroy(letters));
}
END_TEST

/* From one by priority to another they keep theirs. */
START_TEST(dead_letters_keep_their_priority)
{
    size_t size = message_sizes[_i];
    mp_queue *letters = queue_with(MP_QUEUE_ATTR(.order = MP_QUEUE_PRIORITY));
    mp_queue *queue = queue_with(
        MP_QUEUE_ATTR(.redeliver = 1, .max_attempts = 1,
                      .dead_letters = letters, .order = MP_QUEUE_PRIORITY));
    mp_message message;

    put_with_priority(letters, size, 1, 10);
    put_with_priority(queue, size, 2, 20);
    put_with_priority(queue, size, 3, INT64_MIN);
    die_holding(queue, HOLD_GOT, 2);
    end_queue(queue);
    ck_assert_int_eq(take_number(letters, &message), 3);
    ck_assert_int_eq(message.priority, INT64_MIN);
    must(mp_message_done(letters, &message));
    gives(letters, size, 1, 2);
    must(mp_queue_destroy(letters));
}
END_TEST

/* A line of three: what nobody survives ends in the last. */
START_TEST(dead_letters_of_dead_letters)
{
    size_t size = message_sizes[_i];
    uint64_t before = heap_use();
    mp_queue *last = queue_with(MP_QUEUE_ATTR(.joinable = 1));
    mp_queue *second = queue_with_letters(last, 2);
    mp_queue *first = queue_with_letters(second, 1);

    put_numbers(first, size, 1, 3);
    die_holding(first, HOLD_GOT, 2);
    gives_tasks(first, size, 3);
    ck_assert_int_eq(mp_queue_join(first, MP_NOW), 0);
    ck_assert_uint_eq(mp_queue_unfinished(second), 2);
    ck_assert_int_eq(mp_queue_join(second, MP_NOW), -EAGAIN);
    for (int i = 0; i < 2; i++) /* the count begins again */
        die_holding(second, HOLD_TAKEN, 2);
    ck_assert_int_eq(mp_queue_join(second, MP_FOREVER), 0);
    ck_assert_uint_eq(mp_queue_unfinished(last), 2);
    gives_tasks(last, size, 1, 2);
    end_queue(first);
    end_queue(second);
    end_queue(last);
    ck_assert_uint_eq(heap_use(), before);
}
END_TEST

START_TEST(dead_letters_of_two_queues)
{
    mp_queue *letters = queue_with(NULL), *queues[2];

    for (uint32_t i = 0; i < 2; i++) {
        queues[i] = queue_with_letters(letters, 1);
        put_numbers(queues[i], 4, 10 * i + 1, 10 * i + 2);
        die_holding(queues[i], HOLD_GOT, 2);
    }
    end_queue(queues[1]);
    end_queue(queues[0]);
    gives(letters, 4, 11, 12, 1, 2);
    must(mp_queue_destroy(letters));
}
END_TEST

/* ---- Letters that nobody takes in ---- */

/* A queue that is closed, or no more: the letters are lost, and that is
 * told. */
START_TEST(dead_letters_with_nowhere_to_go)
{
    size_t size = message_sizes[_i / 2];
    uint64_t before = heap_use();
    mp_queue *letters = queue_with(NULL);
    mp_queue *queue = queue_with_letters(letters, 1);

    if (_i % 2)
        must(mp_queue_destroy(letters));
    else
        must(mp_queue_close(letters));
    put_numbers(queue, size, 1, 3);
    die_holding(queue, HOLD_GOT, 2);
    gives_tasks(queue, size, 3);
    must_fail(mp_queue_join(queue, MP_FOREVER), -ESRCH, "2");
    end_queue(queue);
    if (_i % 2 == 0) {
        ck_assert_int_eq(mp_queue_get(letters, NULL, 0, MP_NOW), -ESHUTDOWN);
        must(mp_queue_destroy(letters));
    }
    ck_assert_uint_eq(heap_use(), before);
}
END_TEST

/* ---- Somebody sleeps ---- */

struct stage {
    mp_queue *queue, *letters;
    int64_t number, joined;
};

static int
sleep_there(void *arg, int i)
{
    struct stage *stage = arg;
    unsigned char *data = malloc(MESSAGE_MOST);
    ssize_t size;

    if (i == 0) {
        stage->joined = mp_queue_join(stage->queue, MP_FOREVER);
    } else {
        size = mp_queue_get(stage->letters, data, MESSAGE_MOST, MP_FOREVER);
        stage->number = message_number(data, (size_t)must(size));
    }
    free(data);
    return 0;
}

/* The joiner notices, and so wakes who sleeps for letters. */
START_TEST(dead_letters_wake_who_waits_for_them)
{
    enum kin_how kind = (enum kin_how)(_i % 2);
    size_t size = message_sizes[_i / 2];
    struct stage *stage = mp_new(struct stage);
    struct kin *kin;
    pid_t pid;

    ck_assert_ptr_nonnull(stage);
    stage->letters = queue_with(NULL);
    stage->queue = queue_with_letters(stage->letters, 1);
    put_number(stage->queue, size, 5);
    pid = holder_of(stage->queue, HOLD_TAKEN, 1);
    kin = kin_start(kind, 2, sleep_there, stage);
    kin_await_sleep(kin);
    kill_and_reap(pid);
    kin_end(kin);
    ck_assert_int_eq(stage->number, 5);
    ck_assert_int_eq(stage->joined, 0);
    end_queue(stage->queue);
    must(mp_queue_destroy(stage->letters));
    must(mp_free(stage));
}
END_TEST

static int
put_letter(void *arg, int unused)
{
    struct stage *stage = arg;
    uint32_t number = 2;

    (void)unused;
    return mp_queue_put(stage->letters, &number, 4, MP_FOREVER);
}

/* Somebody waits for room among the letters; that holds up nobody here. */
START_TEST(dead_letters_do_not_wait_behind_others)
{
    struct stage *stage = mp_new(struct stage);
    struct kin *kin;
    char data[4];

    ck_assert_ptr_nonnull(stage);
    stage->letters = queue_with(MP_QUEUE_ATTR(.maxsize = 1));
    stage->queue = queue_with_letters(stage->letters, 1);
    put_number(stage->letters, 4, 1);
    kin = kin_start(PROCESSES, 1, put_letter, stage);
    kin_await_sleep(kin);
    put_numbers(stage->queue, 4, 5, 6);
    die_holding(stage->queue, HOLD_GOT, 1);
    gives_tasks(stage->queue, 4, 6);
    ck_assert_int_eq(mp_queue_join(stage->queue, MP_FOREVER), 0);
    ck_assert_uint_eq(mp_queue_size(stage->letters), 2);
    gives(stage->letters, 4, 1, 5);
    kin_end(kin);
    must(mp_queue_get(stage->letters, data, 4, MP_NOW));
    end_queue(stage->queue);
    must(mp_queue_destroy(stage->letters));
    must(mp_free(stage));
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("queue-dead-letters");
    TCase *tcase = mp_test_case(suite, "letters", 30);

    tcase_add_loop_test(tcase, dead_letters_come_whole_and_in_order, 0,
                        2 * HOLDS * MESSAGE_SIZES);
    tcase_add_test(tcase, dead_letters_outlive_their_queue);
    tcase_add_test(tcase, dead_letters_go_with_their_queue);
    tcase = mp_test_case(suite, "others", 30);
    tcase_add_loop_test(tcase, dead_letters_go_beyond_the_limits, 0, 2);
    tcase_add_loop_test(tcase, dead_letters_into_a_lifo, 0, MESSAGE_SIZES);
    tcase_add_loop_test(tcase, dead_letters_keep_their_priority, 0,
                        MESSAGE_SIZES);
    tcase_add_loop_test(tcase, dead_letters_of_dead_letters, 0, MESSAGE_SIZES);
    tcase_add_test(tcase, dead_letters_of_two_queues);
    tcase_add_loop_test(tcase, dead_letters_with_nowhere_to_go, 0,
                        2 * MESSAGE_SIZES);
    tcase = mp_test_case(suite, "asleep", 30);
    tcase_add_checked_fixture(tcase, rely_on_wake_ups, NULL);
    tcase_add_loop_test(tcase, dead_letters_wake_who_waits_for_them, 0,
                        2 * MESSAGE_SIZES);
    tcase_add_test(tcase, dead_letters_do_not_wait_behind_others);
    tcase = mp_test_case(suite, "sliced", 30);
    tcase_add_checked_fixture(tcase, believe_in_sliced, NULL);
    tcase_add_loop_test(tcase, dead_letters_wake_who_waits_for_them, 0, 2);
    return mp_test_main(suite);
}
