/* SPDX-License-Identifier: MIT */
/* Messages on their way to remote clients, as the manager's server sees it: they
 * arrive, come back to the front, or their taker dies; in queues that did with
 * their ring alone, with consumers that have begun before and sleep. */
#include "queue/consume.h"
#include "queue/modes-kit.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static const mp_queue_attr *const kinds[] = {
    &(mp_queue_attr){.size = sizeof(mp_queue_attr)},
    &(mp_queue_attr){.size = sizeof(mp_queue_attr), .joinable = 1},
    &(mp_queue_attr){.size = sizeof(mp_queue_attr), .redeliver = 1},
    &(mp_queue_attr){.size = sizeof(mp_queue_attr), .maxsize = 10},
};

static int
likes(const void *data, size_t size, void *arg)
{
    int *liked = arg;

    (void)data;
    (void)size;
    return *liked;
}

static int64_t
serve(mp_queue *queue, mp_message *message)
{
    int liked = 0;

    if (mp__queue_serve(queue, likes, &liked, message) < 0)
        return -1;
    return message_number(message->data, message->size);
}

/* Takes what is there, of tasks or not. */
static int64_t
next(mp_queue *queue)
{
    static unsigned char buf[MESSAGE_MOST];
    ssize_t r = mp_queue_get(queue, buf, sizeof(buf), MP_NOW);

    if (r >= 0 && queue->mode & MP__QUEUE_JOINABLE)
        must(mp_queue_task_done(queue));
    return r < 0 ? r : message_number(buf, (size_t)r);
}

START_TEST(served_arrives_or_comes_back_to_the_front)
{
    size_t size = message_sizes[_i % MESSAGE_SIZES];
    uint64_t before = heap_use();
    mp_queue *queue = queue_with(kinds[_i / MESSAGE_SIZES]);
    mp_message a, b;

    put_numbers(queue, size, 1, 4);
    ck_assert_int_eq(serve(queue, &a), 1);
    ck_assert_int_eq(serve(queue, &b), 2);
    ck_assert_uint_eq(mp_queue_size(queue), 2);
    mp__queue_return(queue, &b);
    mp__queue_return(queue, &a);
    ck_assert_uint_eq(mp_queue_size(queue), 4);
    put_number(queue, size, 5);
    ck_assert_int_eq(serve(queue, &a), 1);
    mp__queue_arrived(queue, &a);
    if (queue->mode & MP__QUEUE_JOINABLE)
        must(mp_queue_task_done(queue));
    for (int i = 2; i <= 5; i++)
        ck_assert_int_eq(next(queue), i);
    ck_assert_int_eq(next(queue), -EAGAIN);
    if (queue->mode & MP__QUEUE_JOINABLE)
        must(mp_queue_join(queue, MP_NOW));
    must(mp_queue_destroy(queue));
    ck_assert_uint_eq(heap_use(), before);
}
END_TEST

START_TEST(served_what_is_not_liked_stays)
{
    int liked = -ERANGE;
    mp_queue *queue = queue_with(kinds[_i]);
    mp_message message;

    put_numbers(queue, 100, 1, 2);
    ck_assert_int_eq(mp__queue_serve(queue, likes, &liked, &message), -ERANGE);
    ck_assert_uint_eq(mp_queue_size(queue), 2);
    ck_assert_int_eq(next(queue), 1);
    ck_assert_int_eq(next(queue), 2);
    must(mp_queue_destroy(queue));
}
END_TEST

struct taker {
    mp_queue *queue;
    mp__a32 has;
    uint32_t n, arrived;
};

static int
take_and_wait(void *arg)
{
    struct taker *taker = *(struct taker **)arg;
    mp_message message;

    for (uint32_t i = 0; i < taker->n; i++) {
        if (serve(taker->queue, &message) < 0)
            return 1;
        if (i < taker->arrived)
            mp__queue_arrived(taker->queue, &message);
    }
    mp__store(&taker->has, 1);
    for (;;)
        pause();
}

static void
die_serving(mp_queue *queue, uint32_t n, uint32_t arrived)
{
    struct taker *taker = mp_new(struct taker);
    pid_t pid;

    *taker = (struct taker){.queue = queue, .n = n, .arrived = arrived};
    pid = child(take_and_wait, &taker);
    wait_until(mp__load(&taker->has), 20);
    kill_holder(pid);
    must(mp_free(taker));
}

START_TEST(served_by_one_who_dies)
{
    size_t size = message_sizes[_i % MESSAGE_SIZES];
    uint64_t before = heap_use();
    mp_queue *queue = queue_with(kinds[_i / MESSAGE_SIZES]);

    put_numbers(queue, size, 1, 5);
    die_serving(queue, 3, 0);
    for (int i = 1; i <= 5; i++)
        ck_assert_int_eq(next(queue), i);
    ck_assert_int_eq(next(queue), -EAGAIN);
    if (queue->mode & MP__QUEUE_JOINABLE)
        must(mp_queue_join(queue, MP_NOW));
    must(mp_queue_destroy(queue));
    ck_assert_uint_eq(heap_use(), before);
}
END_TEST

/* What has arrived is a task like any other: lost with who had it. */
START_TEST(served_tasks_that_arrived_are_lost)
{
    mp_queue *queue = queue_with(kinds[1]);

    put_numbers(queue, 8, 1, 4);
    die_serving(queue, 3, 1);
    for (int i = 2; i <= 4; i++)
        ck_assert_int_eq(next(queue), i);
    must_fail(mp_queue_join(queue, MP_NOW), -ESRCH, "1 task");
    must(mp_queue_destroy(queue));
}
END_TEST

/* ---- Consumers that sleep ---- */

struct sleeper {
    mp_queue *queue;
    mp__a32 begun, has;
};

static int
sleep_for_one(void *arg)
{
    struct sleeper *sleeper = *(struct sleeper **)arg;
    unsigned char buf[100];
    ssize_t r;

    mp__store(&sleeper->begun, 1);
    r = mp_queue_get(sleeper->queue, buf, sizeof(buf), mp_timeout(60));
    mp__store(&sleeper->has,
              r < 0 ? 1000 : (uint32_t)message_number(buf, (size_t)r));
    return 0;
}

/* The one message is on its way; a consumer sleeps for it, and it comes back. */
START_TEST(served_comes_back_to_one_who_sleeps)
{
    mp_queue *queue = queue_with(kinds[_i]);
    struct sleeper *sleeper = mp_new(struct sleeper);
    mp_message message;
    pid_t pid;

    rely_on_wake_ups();
    sleeper->queue = queue;
    put_number(queue, 8, 1);
    ck_assert_int_eq(serve(queue, &message), 1);
    pid = child(sleep_for_one, &sleeper);
    wait_until(mp__load(&queue->consumer_sleeps) & MP__FLAG_SLEEPER, 20);
    mp__queue_return(queue, &message);
    wait_until(mp__load(&sleeper->has), 20);
    ck_assert_uint_eq(mp__load(&sleeper->has), 1);
    expect_exit(pid, 0);
    must(mp_free(sleeper));
    must(mp_queue_destroy(queue));
}
END_TEST

/* The first message is on its way; a consumer sleeps for it. */
START_TEST(served_comes_back_from_the_dead_to_one_who_sleeps)
{
    mp_queue *queue = queue_with(kinds[_i]);
    struct sleeper *sleeper = mp_new(struct sleeper);
    struct taker *taker = mp_new(struct taker);
    pid_t pids[2];

    sleeper->queue = queue;
    *taker = (struct taker){.queue = queue, .n = 1};
    put_number(queue, 8, 1);
    pids[0] = child(take_and_wait, &taker);
    wait_until(mp__load(&taker->has), 20);
    pids[1] = child(sleep_for_one, &sleeper);
    wait_until(mp__load(&queue->consumer_sleeps) & MP__FLAG_SLEEPER, 20);
    kill_and_reap(pids[0]);
    wait_until(mp__load(&sleeper->has), 20);
    ck_assert_uint_eq(mp__load(&sleeper->has), 1);
    expect_exit(pids[1], 0);
    must(mp_free(sleeper));
    must(mp_free(taker));
    must(mp_queue_destroy(queue));
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("queue-serve");
    TCase *tcase = mp_test_case(suite, "serve", 30);

    tcase_add_loop_test(tcase, served_arrives_or_comes_back_to_the_front, 0,
                        4 * MESSAGE_SIZES);
    tcase_add_loop_test(tcase, served_what_is_not_liked_stays, 0, 4);
    tcase_add_loop_test(tcase, served_by_one_who_dies, 0, 4 * MESSAGE_SIZES);
    tcase_add_test(tcase, served_tasks_that_arrived_are_lost);
    tcase_add_loop_test(tcase, served_comes_back_to_one_who_sleeps, 0, 4);
    tcase_add_loop_test(
        tcase, served_comes_back_from_the_dead_to_one_who_sleeps, 0, 4);
    return mp_test_main(suite);
}
