/* SPDX-License-Identifier: MIT */
/* Processes that use a queue are killed: asleep, at work, at any moment. The
 * others go on; messages are there whole, once, or not at all.
 *
 * (Every single instruction is the kill sweep's business: tests/sweep.) */
#include "region/kin.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PRODUCERS 3

struct stage {
    mp_queue *queue;
    uint32_t size;          /* of a message, at least 12 */
    mp__a64 put[PRODUCERS]; /* messages of each whose put has returned */
    mp__a64 taken;          /* number + 1 of the last message that the consumer
                              holds */
    mp__a32 stop;
};

struct message {
    uint64_t number;
    uint32_t producer;
    unsigned char rest[]; /* each (unsigned char)number */
};

static struct stage *
stage_with(uint32_t size, const mp_queue_attr *attr)
{
    struct stage *stage = mp_new(struct stage);

    ck_assert_ptr_nonnull(stage);
    stage->size = size;
    must(mp_queue_create(&stage->queue, attr));
    return stage;
}

static void
end_stage(struct stage *stage)
{
    must(mp_queue_destroy(stage->queue));
    must(mp_free(stage));
}

static int
get_one(void *arg, int unused)
{
    struct stage *stage = arg;
    char c;

    (void)unused;
    must(mp_queue_get(stage->queue, &c, 1, MP_FOREVER));
    return 0;
}

static int
put_one(void *arg, int unused)
{
    struct stage *stage = arg;

    (void)unused;
    must(mp_queue_put(stage->queue, "x", 1, MP_FOREVER));
    return 0;
}

/* ---- Killed asleep ---- */

START_TEST(G03_queue_getter_killed_asleep)
{
    struct stage *stage = stage_with(0, NULL);
    struct kin *kin = kin_start(PROCESSES, 4, get_one, stage);

    kin_await_sleep(kin);
    kin_kill(kin, _i);
    for (int i = 0; i < 3; i++)
        must(mp_queue_put(stage->queue, "x", 1, MP_FOREVER));
    kin_end(kin);
    ck_assert_uint_eq(mp_queue_size(stage->queue), 0); /* took none along */
    must(mp_queue_put(stage->queue, "x", 1, MP_FOREVER));
    get_one(stage, 0);
    end_stage(stage);
}
END_TEST

START_TEST(G03_queue_putter_killed_asleep)
{
    struct stage *stage = stage_with(0, MP_QUEUE_ATTR(.maxsize = 1));
    struct kin *kin;

    put_one(stage, 0);
    kin = kin_start(PROCESSES, 4, put_one, stage);
    kin_await_sleep(kin);
    kin_kill(kin, _i);
    for (int i = 0; i < 4; i++)
        get_one(stage, 0);
    kin_end(kin);
    ck_assert_uint_eq(mp_queue_size(stage->queue), 0);
    put_one(stage, 0);
    get_one(stage, 0);
    end_stage(stage);
}
END_TEST

START_TEST(G03_queue_all_killed_asleep)
{
    struct stage *stage = stage_with(0, MP_QUEUE_ATTR(.maxsize = 1));
    struct kin *kin = kin_start(PROCESSES, 3, get_one, stage);

    kin_await_sleep(kin);
    for (int i = 0; i < 3; i++)
        kin_kill(kin, i);
    kin_end(kin);
    put_one(stage, 0);
    kin = kin_start(PROCESSES, 3, put_one, stage);
    kin_await_sleep(kin);
    for (int i = 0; i < 3; i++)
        kin_kill(kin, i);
    kin_end(kin);
    ck_assert_uint_eq(mp_queue_size(stage->queue), 1);
    get_one(stage, 0);
    put_one(stage, 0);
    end_stage(stage); /* nobody is in it any more */
}
END_TEST

/* ---- Producers that leave ---- */

static int
put_and_die(void *arg)
{
    struct stage *stage = arg;
    static char large[100000];

    memset(large, 'x', sizeof(large));
    must(mp_queue_put(stage->queue, "small", 6, MP_NOW));
    must(mp_queue_put(stage->queue, large, sizeof(large), MP_NOW));
    return raise(SIGKILL);
}

START_TEST(G06_queue_message_outlives_its_producer)
{
    struct stage *stage = stage_with(0, NULL);
    static char data[100000];

    expect_killed(child(put_and_die, stage), SIGKILL);
    mp__reap();
    ck_assert_uint_eq(mp_queue_size(stage->queue), 2);
    ck_assert_int_eq(mp_queue_get(stage->queue, data, 6, MP_NOW), 6);
    ck_assert_str_eq(data, "small");
    ck_assert_int_eq(mp_queue_get(stage->queue, data, 100000, MP_NOW), 100000);
    for (size_t i = 0; i < sizeof(data); i++)
        if (data[i] != 'x')
            ck_abort_msg("byte %zu is %d", i, data[i]);
    end_stage(stage);
}
END_TEST

static int
put_much(void *arg)
{
    struct stage *stage = arg;
    static char data[65536];

    for (int i = 0; i < 1600; i++) {
        data[0] = (char)i;
        must(mp_queue_put(stage->queue, data, sizeof(data), MP_FOREVER));
    }
    return 0;
}

START_TEST(G05_queue_exit_does_not_wait_for_a_reader)
{
    struct stage *stage = stage_with(0, NULL);
    static char data[65536];

    expect_exit(child(put_much, stage), 0); /* 100 MiB, and nobody reads */
    for (int i = 0; i < 1600; i++) {
        must(mp_queue_get(stage->queue, data, sizeof(data), MP_NOW));
        ck_assert_int_eq(data[0], (char)i);
    }
    end_stage(stage);
}
END_TEST

/* ---- Killed at any moment ---- */

static int
produce(void *arg, int i)
{
    struct stage *stage = arg;
    struct message *message = malloc(stage->size);

    message->producer = (uint32_t)i;
    while (!mp__load(&stage->stop)) {
        message->number = mp__load(&stage->put[i]);
        memset(message->rest, (int)message->number,
               stage->size - sizeof(*message));
        if (mp_queue_put(stage->queue, message, stage->size, MP_FOREVER) < 0)
            break; /* closed */
        mp__store(&stage->put[i], message->number + 1);
    }
    free(message);
    return 0;
}

static void
pause_at_random(void)
{
    struct timespec t = {.tv_nsec = rand() % 1500000};

    nanosleep(&t, NULL);
}

/* A message of producer `i` that may come next: the next number, or a last
 * one whose put the producer did not live to see return. */
static void
expect_message(const struct message *message, ssize_t size,
               const struct stage *stage, uint64_t *next)
{
    ck_assert_int_eq(size, stage->size);
    if (message->producer >= PRODUCERS ||
        message->number != next[message->producer])
        ck_abort_msg("message %llu of %u, not %llu",
                     (unsigned long long)message->number, message->producer,
                     (unsigned long long)next[message->producer]);
    for (size_t i = 0; i < stage->size - sizeof(*message); i++)
        if (message->rest[i] != (unsigned char)message->number)
            ck_abort_msg("message %llu of %u is torn",
                         (unsigned long long)message->number,
                         message->producer);
    next[message->producer]++;
}

static const uint32_t kinds[] = {24, 8000, 9000};

static int
rounds(int n)
{
    return mp_test_scale() > 1 ? n / 10 + 1 : n;
}

/* All producers are killed at a random moment, one after the other; then the
 * queue is read. */
START_TEST(G01_queue_producers_killed_at_any_moment)
{
    uint64_t before = heap_use();

    srand(1 + (unsigned)_i);
    for (int round = 0; round < rounds(60); round++) {
        struct stage *stage =
            stage_with(kinds[_i], MP_QUEUE_ATTR(.maxsize = 64));
        struct message *message = malloc(stage->size);
        uint64_t next[PRODUCERS] = {0};
        struct kin *kin = kin_start(PROCESSES, PRODUCERS, produce, stage);

        kin_await_sleep_of(kin, 0);
        for (int i = 0; i < PRODUCERS; i++) {
            for (int k = rand() % 40; k > 0; k--)
                expect_message(message,
                               mp_queue_get(stage->queue, message, stage->size,
                                            MP_FOREVER),
                               stage, next);
            kin_kill(kin, i);
        }
        for (;;) {
            ssize_t size =
                mp_queue_get(stage->queue, message, stage->size, MP_NOW);

            if (size == -EAGAIN)
                break;
            expect_message(message, size, stage, next);
        }
        for (int i = 0; i < PRODUCERS; i++) {
            uint64_t told = mp__load(&stage->put[i]);

            ck_assert_uint_ge(next[i], told);     /* none is lost, */
            ck_assert_uint_le(next[i], told + 1); /* or invented */
        }
        kin_end(kin);
        free(message);
        end_stage(stage);
    }
    ck_assert_uint_eq(heap_use(), before); /* and no block leaks */
}
END_TEST

static int
consume(void *arg, int unused)
{
    struct stage *stage = arg;
    struct message *message = malloc(stage->size);

    (void)unused;
    for (;;) {
        must(mp_queue_get(stage->queue, message, stage->size, MP_FOREVER));
        mp__store(&stage->taken, message->number + 1);
    }
    return 0;
}

static void
put_next(struct stage *stage, struct message *message)
{
    message->number = mp__load(&stage->put[0]);
    memset(message->rest, (int)message->number,
           stage->size - sizeof(*message));
    must(mp_queue_put(stage->queue, message, stage->size, MP_FOREVER));
    mp__store(&stage->put[0], message->number + 1);
}

/* A consumer is killed while messages come in: what it did not take comes to
 * the next, from the first to the last. */
START_TEST(G01_queue_consumer_killed_at_any_moment)
{
    uint64_t before = heap_use();

    srand(1 + (unsigned)_i);
    for (int round = 0; round < rounds(100); round++) {
        struct stage *stage = stage_with(kinds[_i], NULL);
        struct message *message = calloc(1, stage->size);
        uint64_t next[PRODUCERS] = {0}, taken;
        struct kin *kin = kin_start(PROCESSES, 1, consume, stage);

        wait_until(mp__load(&kin->begun[0]), 20);
        for (int k = rand() % 60; k >= 0; k--)
            put_next(stage, message);
        if (round % 2)
            pause_at_random();
        kin_kill(kin, 0);
        put_next(stage, message);
        must(mp_queue_get(stage->queue, message, stage->size, MP_NOW));
        /* at the most one was taken that nobody told of */
        taken = mp__load(&stage->taken);
        ck_assert_uint_ge(message->number, taken);
        ck_assert_uint_le(message->number, taken + 1);
        next[0] = message->number + 1;
        while (next[0] < mp__load(&stage->put[0]))
            expect_message(
                message,
                mp_queue_get(stage->queue, message, stage->size, MP_NOW),
                stage, next);
        ck_assert_int_eq(mp_queue_empty(stage->queue), 1);
        kin_end(kin);
        free(message);
        end_stage(stage);
    }
    ck_assert_uint_eq(heap_use(), before);
}
END_TEST

/* Several consumers sleep; the one that a put wakes, or any other, is killed
 * just then. The message comes to somebody. */
START_TEST(G01_queue_wake_up_of_the_killed_goes_to_another)
{
    for (int round = 0; round < rounds(100); round++) {
        struct stage *stage = stage_with(0, NULL);
        struct kin *kin = kin_start(PROCESSES, 3, get_one, stage);
        size_t left;

        kin_await_sleep(kin);
        must(mp_queue_put(stage->queue, "x", 1, MP_NOW));
        ck_assert_int_eq(kill(kin->pids[round % 3], SIGKILL), 0);
        reap(kin->pids[round % 3]); /* it may have been quicker than we */
        kin->pids[round % 3] = 0;
        must(mp_queue_put(stage->queue, "x", 1, MP_NOW));
        must(mp_queue_put(stage->queue, "x", 1, MP_NOW));
        kin_end(kin);
        left = mp_queue_size(stage->queue);
        ck_assert_uint_le(left, 1);
        end_stage(stage);
    }
}
END_TEST

/* The queue is closed while producers die. */
START_TEST(queue_closed_while_producers_are_killed)
{
    srand(7);
    for (int round = 0; round < rounds(60); round++) {
        struct stage *stage =
            stage_with(kinds[round % 3], MP_QUEUE_ATTR(.maxsize = 8));
        struct message *message = malloc(stage->size);
        uint64_t next[PRODUCERS] = {0};
        struct kin *kin = kin_start(PROCESSES, PRODUCERS, produce, stage);
        ssize_t size;

        for (int k = rand() % 50; k > 0; k--)
            expect_message(
                message,
                mp_queue_get(stage->queue, message, stage->size, MP_FOREVER),
                stage, next);
        ck_assert_int_eq(kill(kin->pids[0], SIGKILL), 0);
        must(mp_queue_close(stage->queue));
        while ((size = mp_queue_get(stage->queue, message, stage->size,
                                    MP_FOREVER)) >= 0)
            expect_message(message, size, stage, next);
        ck_assert_int_eq(size, -ESHUTDOWN);
        reap(kin->pids[0]); /* killed, or sent away before */
        kin->pids[0] = 0;
        kin_end(kin);
        for (int i = 0; i < PRODUCERS; i++) {
            uint64_t told = mp__load(&stage->put[i]);

            ck_assert_uint_ge(next[i], told);
            ck_assert_uint_le(next[i], told + (i == 0));
        }
        free(message);
        end_stage(stage);
    }
}
END_TEST

static int
close_and_die(void *arg)
{
    struct stage *stage = arg;

    must(mp_queue_close(stage->queue));
    return raise(SIGKILL);
}

START_TEST(queue_closed_by_one_who_dies)
{
    struct stage *stage = stage_with(0, NULL);
    char c;

    put_one(stage, 0);
    expect_killed(child(close_and_die, stage), SIGKILL);
    ck_assert_int_eq(mp_queue_put(stage->queue, "x", 1, MP_FOREVER),
                     -ESHUTDOWN);
    get_one(stage, 0);
    ck_assert_int_eq(mp_queue_get(stage->queue, &c, 1, MP_FOREVER),
                     -ESHUTDOWN);
    end_stage(stage);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("queue-death");
    TCase *tcase = mp_test_case(suite, "asleep", 30);

    tcase_add_loop_test(tcase, G03_queue_getter_killed_asleep, 0, 4);
    tcase_add_loop_test(tcase, G03_queue_putter_killed_asleep, 0, 4);
    tcase_add_test(tcase, G03_queue_all_killed_asleep);
    tcase = mp_test_case(suite, "leaving", 30);
    tcase_add_test(tcase, G06_queue_message_outlives_its_producer);
    tcase_add_test(tcase, G05_queue_exit_does_not_wait_for_a_reader);
    tcase_add_test(tcase, queue_closed_by_one_who_dies);
    tcase = mp_test_case(suite, "any-moment", 60);
    tcase_add_loop_test(tcase, G01_queue_producers_killed_at_any_moment, 0, 3);
    tcase_add_loop_test(tcase, G01_queue_consumer_killed_at_any_moment, 0, 3);
    tcase_add_test(tcase, G01_queue_wake_up_of_the_killed_goes_to_another);
    tcase_add_test(tcase, queue_closed_while_producers_are_killed);
    tcase = mp_test_case(suite, "sliced", 30);
    tcase_add_checked_fixture(tcase, believe_in_sliced, NULL);
    tcase_add_loop_test(tcase, G03_queue_getter_killed_asleep, 0, 4);
    tcase_add_loop_test(tcase, G03_queue_putter_killed_asleep, 0, 4);
    tcase = mp_test_case(suite, "no-waitv", 30);
    tcase_add_checked_fixture(tcase, believe_in_no_waitv, NULL);
    tcase_add_loop_test(tcase, G03_queue_getter_killed_asleep, 0, 4);
    tcase_add_loop_test(tcase, G03_queue_putter_killed_asleep, 0, 4);
    return mp_test_main(suite);
}
