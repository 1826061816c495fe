/* SPDX-License-Identifier: MIT */
/* The joinable queue while everybody lives: tasks are counted, done, and
 * waited for. What deaths do to it is in test-queue-join-death.c. */
#include "os/clock.h"
#include "queue/modes-kit.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define MOST 6 /* joiners at once */

static mp_queue *
joinable(void)
{
    return queue_with(MP_QUEUE_ATTR(.joinable = 1));
}

/* ---- Counting ---- */

START_TEST(join_of_nothing_returns_at_once)
{
    mp_queue *queue = joinable();

    for (int i = 0; i < 3; i++) {
        ck_assert_uint_eq(mp_queue_unfinished(queue), 0);
        ck_assert_int_eq(mp_queue_join(queue, MP_NOW), 0);
        ck_assert_int_eq(mp_queue_join(queue, 1), 0);
        ck_assert_int_eq(mp_queue_join(queue, MP_FOREVER), 0);
        put_number(queue, 4, 1);
        gives_tasks(queue, 4, 1);
    }
    must(mp_queue_destroy(queue));
}
END_TEST

static void
expect_unfinished(mp_queue *queue, size_t unfinished, size_t size)
{
    ck_assert_uint_eq(mp_queue_unfinished(queue), unfinished);
    ck_assert_uint_eq(mp_queue_size(queue), size);
    ck_assert_int_eq(mp_queue_empty(queue), size == 0);
    if (unfinished == 0) {
        ck_assert_int_eq(mp_queue_join(queue, MP_NOW), 0);
        return;
    }
    ck_assert_int_eq(mp_queue_join(queue, MP_NOW), -EAGAIN);
    ck_assert_int_eq(mp_queue_join(queue, 1), -ETIMEDOUT);
}

START_TEST(join_counts_what_is_queued_and_what_is_taken)
{
    size_t size = message_sizes[_i], n = 5;
    mp_queue *queue = joinable();

    for (int round = 0; round < 3; round++) {
        expect_unfinished(queue, 0, 0);
        for (uint32_t i = 0; i < n; i++) {
            put_number(queue, size, i);
            expect_unfinished(queue, i + 1, i + 1);
        }
        for (uint32_t i = 0; i < n; i++) {
            gives(queue, size, i);
            expect_unfinished(queue, n, n - 1 - i);
        }
        for (uint32_t i = 0; i < n; i++) {
            must(mp_queue_task_done(queue));
            expect_unfinished(queue, n - 1 - i, 0);
        }
    }
    must(mp_queue_destroy(queue));
}
END_TEST

START_TEST(task_done_too_often_is_an_error)
{
    mp_queue *queue = joinable();

    for (int round = 0; round < 3; round++) {
        must_fail(mp_queue_task_done(queue), -EOVERFLOW, "mp_queue_task_done");
        put_numbers(queue, 4, 1, 3);
        must_fail(mp_queue_task_done(queue), -EOVERFLOW, "mp_queue_task_done");
        gives(queue, 4, 1, 2);
        must(mp_queue_task_done(queue));
        must(mp_queue_task_done(queue));
        must_fail(mp_queue_task_done(queue), -EOVERFLOW, "mp_queue_task_done");
        ck_assert_uint_eq(mp_queue_unfinished(queue), 1);
        gives_tasks(queue, 4, 3);
        ck_assert_int_eq(mp_queue_join(queue, MP_NOW), 0);
    }
    must(mp_queue_destroy(queue));
}
END_TEST

START_TEST(task_of_no_bytes_is_one_too)
{
    mp_queue *queue = joinable();

    must(mp_queue_put(queue, NULL, 0, MP_NOW));
    ck_assert_int_eq(mp_queue_get(queue, NULL, 0, MP_NOW), 0);
    expect_unfinished(queue, 1, 0);
    must(mp_queue_task_done(queue));
    expect_unfinished(queue, 0, 0);
    must(mp_queue_destroy(queue));
}
END_TEST

START_TEST(join_is_for_joinable_queues)
{
    mp_queue *queue = queue_with(NULL);

    put_numbers(queue, 4, 1, 3);
    ck_assert_uint_eq(mp_queue_unfinished(queue), 3);
    gives(queue, 4, 1);
    ck_assert_uint_eq(mp_queue_unfinished(queue), 2); /* of those in it */
    must_fail(mp_queue_task_done(queue), -EINVAL, "joinable");
    must_fail(mp_queue_join(queue, MP_FOREVER), -EINVAL, "joinable");
    gives(queue, 4, 2, 3);
    must(mp_queue_destroy(queue));
    queue = queue_with(MP_QUEUE_ATTR(.redeliver = 1)); /* is joinable */
    put_number(queue, 4, 1);
    gives_tasks(queue, 4, 1);
    ck_assert_int_eq(mp_queue_join(queue, MP_NOW), 0);
    must(mp_queue_destroy(queue));
}
END_TEST

START_TEST(tasks_taken_make_room)
{
    mp_queue *queue = queue_with(MP_QUEUE_ATTR(.joinable = 1, .maxsize = 2));

    for (uint32_t i = 0; i < 20; i += 2) {
        put_numbers(queue, 4, i, i + 1);
        ck_assert_int_eq(mp_queue_full(queue), 1);
        ck_assert_int_eq(mp_queue_put(queue, "x", 1, MP_NOW), -EAGAIN);
        gives(queue, 4, i, i + 1);
        ck_assert_uint_eq(mp_queue_unfinished(queue), i + 2);
    }
    for (int i = 0; i < 20; i++)
        must(mp_queue_task_done(queue));
    ck_assert_int_eq(mp_queue_join(queue, MP_NOW), 0);
    must(mp_queue_destroy(queue));
}
END_TEST

START_TEST(tasks_by_take_and_by_get_many)
{
    mp_queue *queue = joinable();
    mp_message first, third;
    uint32_t numbers[8];

    put_numbers(queue, 4, 1, 8);
    ck_assert_int_eq(take_number(queue, &first), 1);
    gives(queue, 4, 2);
    ck_assert_int_eq(take_number(queue, &third), 3);
    ck_assert_int_eq(mp_queue_get_many(queue, numbers, 4, 8, NULL, MP_NOW), 5);
    expect_unfinished(queue, 8, 0);
    must(mp_message_done(queue, &third));
    must(mp_message_done(queue, &first));
    expect_unfinished(queue, 6, 0);
    for (int left = 5; left >= 0; left--) {
        must(mp_queue_task_done(queue));
        expect_unfinished(queue, (size_t)left, 0);
    }
    must_fail(mp_queue_task_done(queue), -EOVERFLOW, "");
    must(mp_queue_destroy(queue));
}
END_TEST

START_TEST(join_of_a_closed_queue)
{
    mp_queue *queue = joinable();

    put_numbers(queue, 4, 1, 2);
    gives(queue, 4, 1);
    must(mp_queue_close(queue));
    expect_unfinished(queue, 2, 1);
    must(mp_queue_task_done(queue));
    gives_tasks(queue, 4, 2);
    expect_unfinished(queue, 0, 0);
    must(mp_queue_destroy(queue));
}
END_TEST

START_TEST(tasks_taken_go_with_the_queue)
{
    uint64_t before = heap_use();

    for (int keep = 0; keep < 2; keep++) {
        mp_queue *queue =
            queue_with(MP_QUEUE_ATTR(.joinable = 1, .redeliver = keep));
        mp_message message;

        for (uint32_t i = 0; i < 300; i++)
            put_number(queue, message_sizes[i % (MESSAGE_SIZES - 1)], i);
        for (uint32_t i = 0; i < 200; i++) {
            if (i % 3 == 0)
                ck_assert_int_eq(take_number(queue, &message), i);
            else
                gives(queue, message_sizes[i % (MESSAGE_SIZES - 1)], i);
        }
        must(mp_queue_destroy(queue));
        ck_assert_uint_eq(heap_use(), before);
    }
}
END_TEST

/* ---- Whose task it is ---- */

struct stage {
    mp_queue *queue;
    mp_time deadline;
    mp__a32 joined;
    mp__a32 begun, go;
    int results[MOST];
};

static struct stage *
join_stage(void)
{
    struct stage *stage = mp_new(struct stage);

    ck_assert_ptr_nonnull(stage);
    stage->queue = joinable();
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
do_three(void *arg, int unused)
{
    struct stage *stage = arg;

    (void)unused;
    for (int i = 0; i < 3; i++)
        must(mp_queue_task_done(stage->queue));
    must_fail(mp_queue_task_done(stage->queue), -EOVERFLOW, "");
    return 0;
}

START_TEST(task_done_by_another_thread)
{
    struct stage *stage = join_stage();

    put_numbers(stage->queue, 4, 1, 3);
    gives(stage->queue, 4, 1, 2, 3);
    kin_run(THREADS, 1, do_three, stage);
    ck_assert_int_eq(mp_queue_join(stage->queue, MP_NOW), 0);
    must_fail(mp_queue_task_done(stage->queue), -EOVERFLOW, "");
    end_stage(stage);
}
END_TEST

static int
do_in_vain(void *arg, int unused)
{
    struct stage *stage = arg;

    (void)unused;
    must_fail(mp_queue_task_done(stage->queue), -EOVERFLOW,
              "mp_queue_task_done");
    put_number(stage->queue, 4, 3);
    must_fail(mp_queue_task_done(stage->queue), -EOVERFLOW, "");
    return 0;
}

/* Not even the child of the one who took it. */
START_TEST(task_done_by_a_process_that_took_nothing)
{
    struct stage *stage = join_stage();

    put_numbers(stage->queue, 4, 1, 2);
    gives(stage->queue, 4, 1);
    kin_run(PROCESSES, 1, do_in_vain, stage);
    expect_unfinished(stage->queue, 3, 2);
    must(mp_queue_task_done(stage->queue));
    must_fail(mp_queue_task_done(stage->queue), -EOVERFLOW, "");
    gives_tasks(stage->queue, 4, 2, 3);
    ck_assert_int_eq(mp_queue_join(stage->queue, MP_NOW), 0);
    end_stage(stage);
}
END_TEST

/* Each of the parties has tasks of its own, and does just these. */
static int
get_and_do(void *arg, int i)
{
    struct stage *stage = arg;
    uint32_t number;

    for (int n = 0; n < 10 + i; n++)
        must(mp_queue_get(stage->queue, &number, 4, MP_FOREVER));
    mp__add(&stage->joined, 1);
    wait_until(mp__load(&stage->joined) == MOST, 20);
    for (int n = 0; n < 10 + i; n++)
        must(mp_queue_task_done(stage->queue));
    return 0;
}

START_TEST(tasks_of_many_at_once)
{
    struct stage *stage = join_stage();

    put_numbers(stage->queue, 4, 1, 10 * MOST + MOST * (MOST - 1) / 2);
    kin_run((enum kin_how)_i, MOST, get_and_do, stage);
    expect_unfinished(stage->queue, 0, 0);
    end_stage(stage);
}
END_TEST

/* ---- Waiting ---- */

static int
join_it(void *arg, int i)
{
    struct stage *stage = arg;

    stage->results[i] = mp_queue_join(stage->queue, stage->deadline);
    mp__add(&stage->joined, 1);
    return 0;
}

static void
expect_results(const struct stage *stage, int n, int result)
{
    for (int i = 0; i < n; i++)
        ck_assert_int_eq(stage->results[i], result);
}

START_TEST(join_waits_for_the_last_task)
{
    struct stage *stage = join_stage();
    struct kin *kin;

    put_numbers(stage->queue, 4, 1, 5);
    gives(stage->queue, 4, 1, 2);
    kin = kin_start((enum kin_how)_i, MOST, join_it, stage);
    kin_await_sleep(kin);
    gives(stage->queue, 4, 3, 4, 5);
    for (int i = 0; i < 5; i++) {
        ck_assert_uint_eq(mp__load(&stage->joined), 0);
        must(mp_queue_task_done(stage->queue));
    }
    kin_end(kin);
    expect_results(stage, MOST, 0);
    end_stage(stage);
}
END_TEST

/* Python's own: what is put while one waits is waited for as well. */
START_TEST(join_waits_for_what_others_put_meanwhile)
{
    struct stage *stage = join_stage();
    struct kin *kin;

    put_number(stage->queue, 4, 0);
    kin = kin_start((enum kin_how)_i, 2, join_it, stage);
    kin_await_sleep(kin);
    for (uint32_t i = 0; i < 200; i++) {
        put_number(stage->queue, 4, i + 1);
        gives_tasks(stage->queue, 4, i);
        ck_assert_uint_eq(mp__load(&stage->joined), 0);
    }
    gives_tasks(stage->queue, 4, 200);
    kin_end(kin);
    expect_results(stage, 2, 0);
    end_stage(stage);
}
END_TEST

START_TEST(join_lasts_until_its_deadline)
{
    struct stage *stage = join_stage();

    put_number(stage->queue, 4, 1);
    stage->deadline = mp_timeout(0.1);
    kin_run((enum kin_how)_i, MOST, join_it, stage);
    ck_assert_int_ge(mp__now(), stage->deadline);
    expect_results(stage, MOST, -ETIMEDOUT);
    gives_tasks(stage->queue, 4, 1);
    ck_assert_int_eq(mp_queue_join(stage->queue, stage->deadline), 0);
    end_stage(stage);
}
END_TEST

START_TEST(join_ends_at_a_signal)
{
    struct stage *stage = join_stage();
    struct kin *kin;

    catch_signals();
    put_number(stage->queue, 4, 1);
    kin = kin_start((enum kin_how)_i, 2, join_it, stage);
    kin_await_sleep(kin);
    kin_interrupt(kin, 0, SIGUSR1);
    ck_assert_int_eq(stage->results[0], -EINTR);
    ck_assert_uint_eq(mp__load(&stage->joined), 1);
    gives_tasks(stage->queue, 4, 1);
    kin_end(kin);
    ck_assert_int_eq(stage->results[1], 0);
    end_stage(stage);
}
END_TEST

/* Somebody is inside: the queue cannot go. */
START_TEST(join_keeps_the_queue)
{
    struct stage *stage = join_stage();
    struct kin *kin;

    put_number(stage->queue, 4, 1);
    kin = kin_start((enum kin_how)_i, 2, join_it, stage);
    kin_await_sleep(kin);
    must_fail(mp_queue_destroy(stage->queue), -EBUSY, "mp_queue_destroy");
    gives_tasks(stage->queue, 4, 1);
    kin_end(kin);
    expect_results(stage, 2, 0);
    end_stage(stage);
}
END_TEST

/* ---- All at once ---- */

#define PRODUCERS 2
#define CONSUMERS 2
#define BATCH     20
#define ROUNDS    100

struct mill {
    mp_queue *queue;
    int rounds;
    mp__a32 producing;
    mp__a32 handled[PRODUCERS][ROUNDS][BATCH];
};

/* When a join returns, all that was put before is handled. */
static int
mill_put(struct mill *mill, uint32_t i)
{
    for (uint32_t round = 0; round < (uint32_t)mill->rounds; round++) {
        for (uint32_t n = 0; n < BATCH; n++) {
            uint32_t task[3] = {i, round, n};

            must(mp_queue_put(mill->queue, task, sizeof(task), MP_FOREVER));
        }
        must(mp_queue_join(mill->queue, mp_timeout(20 * mp_test_scale())));
        for (uint32_t n = 0; n < BATCH; n++)
            if (mp__load(&mill->handled[i][round][n]) != 1)
                ck_abort_msg("joined, but task %u of round %u is not handled",
                             n, round);
    }
    if (mp__sub(&mill->producing, 1) == 1)
        must(mp_queue_close(mill->queue));
    return 0;
}

static int
mill_get(struct mill *mill)
{
    uint32_t task[3];
    ssize_t r;

    while ((r = mp_queue_get(mill->queue, task, sizeof(task), MP_FOREVER)) >
           0) {
        mp__add(&mill->handled[task[0]][task[1]][task[2]], 1);
        must(mp_queue_task_done(mill->queue));
    }
    return r == -ESHUTDOWN ? 0 : 1;
}

static int
mill_work(void *arg, int i)
{
    return i < PRODUCERS ? mill_put(arg, (uint32_t)i) : mill_get(arg);
}

START_TEST(join_means_that_all_is_handled)
{
    static const uint64_t limits[] = {0, 3};
    struct mill *mill = mp_new(struct mill);

    ck_assert_ptr_nonnull(mill);
    mill->rounds = rounds(ROUNDS);
    mill->producing = PRODUCERS;
    mill->queue =
        queue_with(MP_QUEUE_ATTR(.joinable = 1, .maxsize = limits[_i / 2]));
    kin_run((enum kin_how)(_i % 2), PRODUCERS + CONSUMERS, mill_work, mill);
    ck_assert_int_eq(mp_queue_join(mill->queue, MP_NOW), 0);
    must(mp_queue_destroy(mill->queue));
    must(mp_free(mill));
}
END_TEST

/* Hands one on to itself without end: at each moment there is a message, or a
 * task, or both. */
static int
hand_on(void *arg, int unused)
{
    struct stage *stage = arg;
    char c;

    (void)unused;
    for (int n = rounds(20000); n > 0; n--) {
        must(mp_queue_put(stage->queue, "x", 1, MP_NOW));
        must(mp_queue_task_done(stage->queue));
        must(mp_queue_get(stage->queue, &c, 1, MP_NOW));
    }
    mp__store(&stage->go, 1);
    wait_until(mp__load(&stage->joined), 20);
    must(mp_queue_task_done(stage->queue));
    return 0;
}

static int
get_and_hand_on(void *arg, int i)
{
    struct stage *stage = arg;

    gives(stage->queue, 4, 1);
    mp__store(&stage->begun, 1);
    return hand_on(arg, i);
}

START_TEST(unfinished_never_misses_one)
{
    struct stage *stage = join_stage();
    struct kin *kin;

    put_number(stage->queue, 4, 1);
    kin = kin_start((enum kin_how)_i, 1, get_and_hand_on, stage);
    wait_until(mp__load(&stage->begun), 20);
    while (!mp__load(&stage->go)) {
        size_t unfinished = mp_queue_unfinished(stage->queue);

        if (unfinished < 1 || unfinished > 2)
            ck_abort_msg("%zu unfinished", unfinished);
        ck_assert_int_eq(mp_queue_join(stage->queue, MP_NOW), -EAGAIN);
    }
    mp__store(&stage->joined, 1);
    kin_end(kin);
    ck_assert_int_eq(mp_queue_join(stage->queue, MP_NOW), 0);
    end_stage(stage);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("queue-join");
    TCase *tcase = mp_test_case(suite, "count", 20);

    tcase_add_test(tcase, join_of_nothing_returns_at_once);
    tcase_add_loop_test(tcase, join_counts_what_is_queued_and_what_is_taken, 0,
                        MESSAGE_SIZES);
    tcase_add_test(tcase, task_done_too_often_is_an_error);
    tcase_add_test(tcase, task_of_no_bytes_is_one_too);
    tcase_add_test(tcase, join_is_for_joinable_queues);
    tcase_add_test(tcase, tasks_taken_make_room);
    tcase_add_test(tcase, tasks_by_take_and_by_get_many);
    tcase_add_test(tcase, join_of_a_closed_queue);
    tcase_add_test(tcase, tasks_taken_go_with_the_queue);
    tcase_add_test(tcase, task_done_by_another_thread);
    tcase_add_test(tcase, task_done_by_a_process_that_took_nothing);
    tcase_add_loop_test(tcase, tasks_of_many_at_once, 0, 2);
    tcase = mp_test_case(suite, "wait", 30);
    tcase_add_checked_fixture(tcase, rely_on_wake_ups, NULL);
    tcase_add_loop_test(tcase, join_waits_for_the_last_task, 0, 2);
    tcase_add_loop_test(tcase, join_waits_for_what_others_put_meanwhile, 0, 2);
    tcase_add_loop_test(tcase, join_lasts_until_its_deadline, 0, 2);
    tcase_add_loop_test(tcase, join_ends_at_a_signal, 0, 2);
    tcase_add_loop_test(tcase, join_keeps_the_queue, 0, 2);
    tcase = mp_test_case(suite, "all", 60);
    tcase_add_loop_test(tcase, join_means_that_all_is_handled, 0, 4);
    tcase_add_loop_test(tcase, unfinished_never_misses_one, 0, 2);
    return mp_test_main(suite);
}
