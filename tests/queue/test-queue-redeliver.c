/* SPDX-License-Identifier: MIT */
/* A queue that redelivers, and consumers that die: what they had taken and not
 * done comes back whole, in its place, and says how often it was tried. Who
 * notices a death, and chance, are in test-queue-redeliver-asleep.c. */
#include "queue/modes-kit.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static mp_queue *
redelivering(void)
{
    return queue_with(MP_QUEUE_ATTR(.redeliver = 1));
}

static void
expect_all_done(mp_queue *queue)
{
    char c;

    ck_assert_uint_eq(mp_queue_size(queue), 0);
    ck_assert_int_eq(mp_queue_empty(queue), 1);
    ck_assert_uint_eq(mp_queue_unfinished(queue), 0);
    ck_assert_int_eq(mp_queue_get(queue, &c, 1, MP_NOW), -EAGAIN);
    must_fail(mp_queue_task_done(queue), -EOVERFLOW, "");
    ck_assert_int_eq(mp_queue_join(queue, MP_NOW), 0); /* nothing is lost */
}

/* ---- In its place ---- */

START_TEST(redelivered_whole_and_in_order)
{
    enum hold how = (enum hold)(_i % HOLDS);
    size_t size = message_sizes[_i / HOLDS];
    uint64_t before = heap_use();
    mp_queue *queue = redelivering();

    for (int round = 0; round < 3; round++) {
        put_numbers(queue, size, 1, 6);
        die_holding(queue, how, 3);
        put_number(queue, size, 7);
        gives_tasks(queue, size, 1, 2, 3, 4, 5, 6, 7);
        expect_all_done(queue);
    }
    must(mp_queue_destroy(queue));
    ck_assert_uint_eq(heap_use(), before);
}
END_TEST

/* Each of several has some of them, and not one behind the other. */
START_TEST(redelivered_from_many_into_one_order)
{
    /* The order in which the four that hold 1, 2, 3 and 4 die. */
    static const int deaths[][4] = {
        {0, 1, 2, 3},
        {3, 2, 1, 0},
        {2, 0, 3, 1},
        {1, 3, 0, 2},
    };
    mp_queue *queue = redelivering();
    pid_t pids[4];

    put_numbers(queue, 4, 1, 6);
    for (int i = 0; i < 4; i++)
        pids[i] = holder_of(queue, (enum hold)(i % HOLDS), 1);
    for (int i = 0; i < 4; i++)
        kill_holder(pids[deaths[_i][i]]);
    gives_tasks(queue, 4, 1, 2, 3, 4, 5, 6);
    expect_all_done(queue);
    must(mp_queue_destroy(queue));
}
END_TEST

/* As before, but what has come back goes out again before the next one dies:
 * each time the oldest of those that are there is the first. */
START_TEST(redelivered_one_after_the_other)
{
    mp_queue *queue = redelivering();
    pid_t pids[4];

    put_numbers(queue, 4, 1, 5);
    for (int i = 0; i < 4; i++)
        pids[i] = holder_of(queue, (enum hold)(i % HOLDS), 1);
    for (uint32_t i = 4; i-- > 0;) {
        kill_holder(pids[i]);
        gives_tasks(queue, 4, i + 1);
    }
    gives_tasks(queue, 4, 5);
    expect_all_done(queue);
    must(mp_queue_destroy(queue));
}
END_TEST

START_TEST(redelivered_of_two_killed_at_once)
{
    mp_queue *queue = redelivering();
    pid_t pids[2];

    for (int round = 0; round < 10; round++) {
        put_numbers(queue, 100, 1, 5);
        pids[0] = holder_of(queue, HOLD_GOT, 2);
        pids[1] = holder_of(queue, HOLD_TAKEN, 2);
        for (int i = 0; i < 2; i++)
            ck_assert_int_eq(kill(pids[i], SIGKILL), 0);
        for (int i = 0; i < 2; i++)
            expect_killed(pids[i], SIGKILL);
        mp__reap();
        gives_tasks(queue, 100, 1, 2, 3, 4, 5);
        expect_all_done(queue);
    }
    must(mp_queue_destroy(queue));
}
END_TEST

/* What the living have is not touched, nor what is done. */
START_TEST(redelivered_is_only_what_the_dead_had)
{
    mp_queue *queue = redelivering();
    pid_t dead, stopped;

    put_numbers(queue, 4, 1, 6);
    gives_tasks(queue, 4, 1);
    gives(queue, 4, 2);
    dead = holder_of(queue, HOLD_GOT, 1);    /* 3 */
    stopped = holder_of(queue, HOLD_GOT, 1); /* 4 */
    gives(queue, 4, 5);
    ck_assert_int_eq(kill(stopped, SIGSTOP), 0); /* that is not to be dead */
    kill_holder(dead);
    gives_tasks(queue, 4, 3, 6); /* these are done: 2 and 5 */
    ck_assert_uint_eq(mp_queue_unfinished(queue), 3);
    must(mp_queue_task_done(queue));
    must(mp_queue_task_done(queue));
    must_fail(mp_queue_task_done(queue), -EOVERFLOW, "");
    ck_assert_int_eq(mp_queue_get(queue, NULL, 0, MP_NOW), -EAGAIN);
    kill_holder(stopped);
    gives_tasks(queue, 4, 4);
    expect_all_done(queue);
    must(mp_queue_destroy(queue));
}
END_TEST

static int
die_with_some_done(void *arg)
{
    mp_queue *queue = arg;
    mp_message message, third;

    gives(queue, 4, 1, 2);
    ck_assert_int_eq(take_number(queue, &third), 3);
    ck_assert_int_eq(take_number(queue, &message), 4);
    gives(queue, 4, 5);
    must(mp_message_done(queue, &message));
    must(mp_queue_task_done(queue)); /* the first that it got: 1 */
    return raise(SIGKILL);
}

START_TEST(redelivered_is_only_what_was_not_done)
{
    mp_queue *queue = redelivering();

    put_numbers(queue, 4, 1, 6);
    expect_killed(child(die_with_some_done, queue), SIGKILL);
    mp__reap();
    gives_tasks(queue, 4, 2, 3, 5, 6);
    expect_all_done(queue);
    must(mp_queue_destroy(queue));
}
END_TEST

static int
get_two_and_do_one(void *arg)
{
    mp_queue *queue = arg;

    must(mp_queue_get(queue, (char[4]){0}, 4, MP_NOW));
    must(mp_queue_get(queue, (char[4]){0}, 4, MP_NOW));
    must(mp_queue_task_done(queue));
    return raise(SIGKILL);
}

/* The task that was got first is done first, whichever is the older one. */
START_TEST(redelivered_is_what_was_got_last)
{
    static const uint32_t orders[] = {MP_QUEUE_FIFO, MP_QUEUE_LIFO,
                                      MP_QUEUE_PRIORITY};
    mp_queue *queue =
        queue_with(MP_QUEUE_ATTR(.redeliver = 1, .order = orders[_i]));

    put_numbers(queue, 4, 1, 2);
    if (orders[_i] == MP_QUEUE_PRIORITY)
        put_with_priority(queue, 4, 3, -1);
    expect_killed(child(get_two_and_do_one, queue), SIGKILL);
    mp__reap();
    if (orders[_i] == MP_QUEUE_FIFO)
        gives_tasks(queue, 4, 2);
    else
        gives_tasks(queue, 4, 1); /* 2, or 3, was got first */
    if (orders[_i] == MP_QUEUE_PRIORITY)
        gives_tasks(queue, 4, 2);
    expect_all_done(queue);
    must(mp_queue_destroy(queue));
}
END_TEST

struct pair {
    mp_queue *queue;
    pid_t holder; /* of the older message */
};

/* Gets the newer one first, and then the older one, which comes back. */
static int
get_what_comes_back(void *arg)
{
    struct pair *pair = arg;
    char data[4];

    gives(pair->queue, 4, 2);
    ck_assert_int_eq(kill(pair->holder, SIGKILL), 0);
    wait_until(mp_queue_get(pair->queue, data, 4, MP_NOW) == 4, 20);
    ck_assert_int_eq(message_number(data, 4), 1);
    must(mp_queue_task_done(pair->queue)); /* 2 */
    return raise(SIGKILL);
}

START_TEST(redelivered_is_done_in_the_order_of_gets)
{
    struct pair pair = {.queue = redelivering()};

    put_numbers(pair.queue, 4, 1, 2);
    pair.holder = holder_of(pair.queue, HOLD_GOT, 1);
    expect_killed(child(get_what_comes_back, &pair), SIGKILL);
    expect_killed(pair.holder, SIGKILL);
    mp__reap();
    gives_tasks(pair.queue, 4, 1);
    expect_all_done(pair.queue);
    must(mp_queue_destroy(pair.queue));
}
END_TEST

/* The child of a consumer has none of its tasks. */
START_TEST(redelivered_is_nothing_when_a_child_dies)
{
    mp_queue *queue = redelivering();

    put_numbers(queue, 4, 1, 3);
    gives(queue, 4, 1, 2);
    die_holding(queue, HOLD_GOT, 1);
    gives_tasks(queue, 4, 3); /* 1 is done */
    ck_assert_int_eq(mp_queue_get(queue, NULL, 0, MP_NOW), -EAGAIN);
    must(mp_queue_task_done(queue));
    must(mp_queue_task_done(queue));
    expect_all_done(queue);
    must(mp_queue_destroy(queue));
}
END_TEST

static int
get_and_leave(void *arg)
{
    gives((mp_queue *)arg, 4, 1, 2);
    return 0;
}

START_TEST(redelivered_when_a_consumer_leaves)
{
    mp_queue *queue = redelivering();

    put_numbers(queue, 4, 1, 3);
    expect_exit(child(get_and_leave, queue), 0);
    mp__reap();
    gives_tasks(queue, 4, 1, 2, 3);
    expect_all_done(queue);
    must(mp_queue_destroy(queue));
}
END_TEST

START_TEST(redelivered_of_consumers_of_each_method)
{
    static const int methods[] = {MP_FORK, MP_SPAWN, MP_FORKSERVER};
    mp_queue *queue = redelivering();

    put_numbers(queue, 10000, 1, 3);
    die_holding_by(methods[_i], queue, HOLD_GOT, 2);
    mp_test_leaks_mark(); /* the forkserver stays */
    die_holding_by(methods[_i], queue, HOLD_TAKEN, 2);
    gives_tasks(queue, 10000, 1, 2, 3);
    expect_all_done(queue);
    must(mp_queue_destroy(queue));
}
END_TEST

/* ---- Other orders ---- */

START_TEST(redelivered_by_priority)
{
    size_t size = message_sizes[_i];
    mp_queue *queue =
        queue_with(MP_QUEUE_ATTR(.redeliver = 1, .order = MP_QUEUE_PRIORITY));

    put_with_priority(queue, size, 1, 5);
    put_with_priority(queue, size, 2, 5);
    put_with_priority(queue, size, 3, -5);
    put_with_priority(queue, size, 4, 6);
    die_holding(queue, HOLD_GOT, 2); /* 3 and 1 */
    put_with_priority(queue, size, 5, 5);
    put_with_priority(queue, size, 6, -6);
    put_with_priority(queue, size, 7, -5);
    gives_tasks(queue, size, 6, 3, 7, 1, 2, 5, 4);
    expect_all_done(queue);
    must(mp_queue_destroy(queue));
}
END_TEST

START_TEST(redelivered_latest_first)
{
    size_t size = message_sizes[_i];
    mp_queue *queue =
        queue_with(MP_QUEUE_ATTR(.redeliver = 1, .order = MP_QUEUE_LIFO));

    put_numbers(queue, size, 1, 5);
    die_holding(queue, HOLD_GOT, 3); /* 5, 4, 3 */
    gives_tasks(queue, size, 5, 4, 3, 2, 1);
    expect_all_done(queue);
    must(mp_queue_destroy(queue));
}
END_TEST

/* ---- Limits ---- */

/* A message that comes back needs no room: it may go beyond the limits. */
START_TEST(redelivered_into_a_full_queue)
{
    mp_queue *queue =
        queue_with(_i ? MP_QUEUE_ATTR(.redeliver = 1, .maxsize = 3)
                      : MP_QUEUE_ATTR(.redeliver = 1, .max_bytes = 300));

    put_numbers(queue, 100, 1, 3);
    ck_assert_int_eq(mp_queue_full(queue), 1);
    for (int deaths = 0; deaths < 3; deaths++) {
        pid_t pid = holder_of(queue, HOLD_GOT, 2);

        if (deaths == 0) {
            ck_assert_int_eq(mp_queue_full(queue), 0);
            put_numbers(queue, 100, 4, 5);
            ck_assert_int_eq(mp_queue_full(queue), 1);
        }
        kill_holder(pid);
    }
    gives_tasks(queue, 100, 1);
    ck_assert_uint_eq(mp_queue_size(queue), 4);
    ck_assert_int_eq(mp_queue_full(queue), 1);
    ck_assert_int_eq(mp_queue_put(queue, "x", 1, MP_NOW), -EAGAIN);
    gives_tasks(queue, 100, 2);
    ck_assert_int_eq(mp_queue_full(queue), 1);
    ck_assert_int_eq(mp_queue_put(queue, "x", 1, MP_NOW), -EAGAIN);
    gives_tasks(queue, 100, 3);
    ck_assert_int_eq(mp_queue_full(queue), 0);
    put_number(queue, 100, 6);
    ck_assert_int_eq(mp_queue_full(queue), 1);
    gives_tasks(queue, 100, 4, 5, 6);
    expect_all_done(queue);
    must(mp_queue_destroy(queue));
}
END_TEST

/* ---- How often ---- */

START_TEST(redelivered_tells_the_attempt)
{
    static const uint32_t orders[] = {MP_QUEUE_FIFO, MP_QUEUE_LIFO,
                                      MP_QUEUE_PRIORITY};
    size_t size = message_sizes[_i % MESSAGE_SIZES];
    mp_queue *queue = queue_with(
        MP_QUEUE_ATTR(.redeliver = 1, .order = orders[_i / MESSAGE_SIZES]));
    mp_message message;

    put_number(queue, size, 7);
    for (uint32_t deaths = 0; deaths < 5; deaths++)
        die_holding(queue, (enum hold)(deaths % HOLDS), 1);
    ck_assert_int_eq(take_number(queue, &message), 7);
    ck_assert_uint_eq(message.size, size);
    ck_assert_uint_eq(message.attempt, 6);
    put_number(queue, size, 8);
    must(mp_message_done(queue, &message));
    ck_assert_int_eq(take_number(queue, &message), 8);
    ck_assert_uint_eq(message.attempt, 1);
    must(mp_message_done(queue, &message));
    expect_all_done(queue);
    must(mp_queue_destroy(queue));
}
END_TEST

/* ---- Too often ---- */

START_TEST(redelivered_no_more_than_max_attempts)
{
    uint32_t most = (uint32_t)(_i / MESSAGE_SIZES) + 1;
    size_t size = message_sizes[_i % MESSAGE_SIZES];
    uint64_t before = heap_use();
    mp_queue *queue =
        queue_with(MP_QUEUE_ATTR(.redeliver = 1, .max_attempts = most));

    for (int round = 0; round < 2; round++) {
        put_numbers(queue, size, 1, 3);
        for (uint32_t i = 0; i < most; i++)
            die_holding(queue, (enum hold)(i % HOLDS), 2);
        gives_tasks(queue, size, 3); /* 1 and 2 are given up */
        must_fail(mp_queue_join(queue, MP_FOREVER), -ESRCH, "2");
        expect_all_done(queue);
    }
    must(mp_queue_destroy(queue));
    ck_assert_uint_eq(heap_use(), before);
}
END_TEST

/* Each message has its own count. */
START_TEST(redelivered_attempts_are_the_messages_own)
{
    mp_queue *queue =
        queue_with(MP_QUEUE_ATTR(.redeliver = 1, .max_attempts = 2));
    mp_message messages[2];

    put_numbers(queue, 4, 1, 3);
    die_holding(queue, HOLD_GOT, 2); /* 1 and 2 */
    die_holding(queue, HOLD_GOT, 1); /* 1: for the last time */
    ck_assert_int_eq(take_number(queue, &messages[0]), 2);
    ck_assert_uint_eq(messages[0].attempt, 2);
    ck_assert_int_eq(take_number(queue, &messages[1]), 3);
    ck_assert_uint_eq(messages[1].attempt, 1);
    must(mp_message_done(queue, &messages[1]));
    ck_assert_int_eq(mp_queue_join(queue, MP_NOW), -EAGAIN);
    must(mp_message_done(queue, &messages[0]));
    must_fail(mp_queue_join(queue, MP_NOW), -ESRCH, "1");
    expect_all_done(queue);
    must(mp_queue_destroy(queue));
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("queue-redeliver");
    TCase *tcase = mp_test_case(suite, "place", 30);

    tcase_add_loop_test(tcase, redelivered_whole_and_in_order, 0,
                        HOLDS * MESSAGE_SIZES);
    tcase_add_loop_test(tcase, redelivered_from_many_into_one_order, 0, 4);
    tcase_add_test(tcase, redelivered_one_after_the_other);
    tcase_add_test(tcase, redelivered_of_two_killed_at_once);
    tcase_add_test(tcase, redelivered_is_only_what_the_dead_had);
    tcase_add_test(tcase, redelivered_is_only_what_was_not_done);
    tcase_add_loop_test(tcase, redelivered_is_what_was_got_last, 0, 3);
    tcase_add_test(tcase, redelivered_is_done_in_the_order_of_gets);
    tcase_add_test(tcase, redelivered_is_nothing_when_a_child_dies);
    tcase_add_test(tcase, redelivered_when_a_consumer_leaves);
    tcase_add_loop_test(tcase, redelivered_of_consumers_of_each_method, 0, 3);
    tcase_add_loop_test(tcase, redelivered_by_priority, 0, MESSAGE_SIZES);
    tcase_add_loop_test(tcase, redelivered_latest_first, 0, MESSAGE_SIZES);
    tcase_add_loop_test(tcase, redelivered_into_a_full_queue, 0, 2);
    tcase = mp_test_case(suite, "attempts", 30);
    tcase_add_loop_test(tcase, redelivered_tells_the_attempt, 0,
                        3 * MESSAGE_SIZES);
    tcase_add_loop_test(tcase, redelivered_no_more_than_max_attempts, 0,
                        3 * MESSAGE_SIZES);
    tcase_add_test(tcase, redelivered_attempts_are_the_messages_own);
    return mp_test_main(suite);
}
