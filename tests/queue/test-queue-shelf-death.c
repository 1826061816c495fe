/* SPDX-License-Identifier: MIT */
/* Processes are killed that have reserved, or taken, messages: nothing leaks,
 * nobody waits for them, and what they had not put is not there. */
#include "queue/modes-kit.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KIB ((size_t)1024)
#define MIB (KIB * KIB)

struct stage {
    mp_queue *queue;
    size_t size;
    int n;
    mp__a32 done; /* operations that have returned */
};

static struct stage *
stage_with(const mp_queue_attr *attr, size_t size, int n)
{
    struct stage *stage = mp_new(struct stage);

    ck_assert_ptr_nonnull(stage);
    stage->queue = queue_with(attr);
    stage->size = size;
    stage->n = n;
    return stage;
}

static void
end_stage(struct stage *stage)
{
    must(mp_queue_destroy(stage->queue));
    must(mp_free(stage));
}

/* ---- Reservations ---- */

static int
reserve_and_die(void *arg)
{
    struct stage *stage = arg;
    void *data;

    for (int i = 0; i < stage->n; i++) {
        must(mp_queue_reserve(stage->queue, stage->size, &data, MP_NOW));
        memset(data, 0xdd, stage->size);
    }
    return raise(SIGKILL);
}

START_TEST(reservations_of_the_dead_leak_nothing)
{
    uint64_t before = heap_use();
    struct stage *stage = stage_with(NULL, message_sizes[_i], 5);
    void *data;

    put_number(stage->queue, 4, 1);
    for (int round = 0; round < 5; round++) {
        expect_killed(child(reserve_and_die, stage), SIGKILL);
        ck_assert_uint_eq(mp_queue_size(stage->queue), 1);
        must(mp_queue_reserve(stage->queue, 4, &data, MP_NOW));
        message_fill(data, 4, 2);
        must(mp_queue_commit(stage->queue, data));
        gives(stage->queue, 4, 1, 2);
        ck_assert_int_eq(mp_queue_empty(stage->queue), 1);
        put_number(stage->queue, 4, 1);
    }
    end_stage(stage);
    ck_assert_uint_eq(heap_use(), before);
}
END_TEST

/* A queue that lives on does not keep it either. */
START_TEST(reservations_of_the_dead_are_used_again)
{
    struct stage *stage = stage_with(NULL, _i ? MIB : 64, _i ? 3 : 100);
    uint64_t bytes = 0, pages = 0;
    void *data;

    for (int round = 0; round < 40; round++) {
        struct mp__heap_report report;

        expect_killed(child(reserve_and_die, stage), SIGKILL);
        mp__reap();
        must(mp_queue_reserve(stage->queue, 4, &data, MP_NOW));
        must(mp_queue_cancel(stage->queue, data));
        report = heap_now();
        if (round == 10) {
            bytes = report.large_bytes + report.block_bytes;
            pages = pages_of_region();
        } else if (round > 10) {
            ck_assert_uint_le(report.large_bytes + report.block_bytes,
                              bytes + MIB);
            ck_assert_uint_le(pages_of_region(), pages + 8 * MIB);
        }
    }
    end_stage(stage);
}
END_TEST

/* A reservation in a bounded queue takes no room: who is dead takes none
 * either. */
START_TEST(reservations_of_the_dead_take_no_room)
{
    struct stage *stage = stage_with(MP_QUEUE_ATTR(.maxsize = 2), 4, 10);

    expect_killed(child(reserve_and_die, stage), SIGKILL);
    put_numbers(stage->queue, 4, 1, 2);
    ck_assert_int_eq(mp_queue_put(stage->queue, "x", 1, MP_NOW), -EAGAIN);
    gives(stage->queue, 4, 1, 2);
    end_stage(stage);
}
END_TEST

/* One is killed who sleeps in reserve. */
static int
reserve_and_commit(void *arg, int i)
{
    struct stage *stage = arg;
    void *data;

    must(mp_queue_reserve(stage->queue, stage->size, &data, MP_FOREVER));
    message_fill(data, stage->size, 10 + (uint32_t)i);
    must(mp_queue_commit(stage->queue, data));
    mp__add(&stage->done, 1);
    return 0;
}

START_TEST(G03_reserver_killed_asleep)
{
    uint64_t before = heap_use();
    struct stage *stage =
        stage_with(MP_QUEUE_ATTR(.maxsize = 1), message_sizes[_i / 4], 0);
    struct kin *kin;
    int got = 0;

    put_number(stage->queue, stage->size, 1);
    kin = kin_start(PROCESSES, 4, reserve_and_commit, stage);
    kin_await_sleep(kin);
    kin_kill(kin, _i % 4);
    gives(stage->queue, stage->size, 1);
    while (got < 3) {
        mp_message message;

        must(mp_queue_take(stage->queue, &message, MP_FOREVER));
        ck_assert_int_ne(message_number(message.data, message.size),
                         10 + _i % 4);
        must(mp_message_done(stage->queue, &message));
        got++;
    }
    kin_end(kin);
    ck_assert_int_eq(mp_queue_empty(stage->queue), 1);
    end_stage(stage);
    ck_assert_uint_eq(heap_use(), before);
}
END_TEST

/* ---- Taken messages ---- */

static int
take_and_die(void *arg)
{
    struct stage *stage = arg;
    mp_message message;

    for (int i = 0; i < stage->n; i++)
        must(mp_queue_take(stage->queue, &message, MP_NOW));
    return raise(SIGKILL);
}

START_TEST(taken_by_the_dead_leaks_nothing)
{
    static const uint32_t orders[] = {MP_QUEUE_FIFO, MP_QUEUE_LIFO,
                                      MP_QUEUE_PRIORITY};
    uint64_t before = heap_use();
    struct stage *stage = stage_with(
        MP_QUEUE_ATTR(.order = orders[_i % 3], .joinable = _i / 3 % 2),
        message_sizes[_i / 6], 3);

    for (int round = 0; round < 3; round++) {
        put_numbers(stage->queue, stage->size, 1, 5);
        expect_killed(child(take_and_die, stage), SIGKILL);
        mp__reap();
        ck_assert_uint_eq(mp_queue_size(stage->queue), 2);
        if (orders[_i % 3] == MP_QUEUE_LIFO)
            gives(stage->queue, stage->size, 2, 1);
        else
            gives(stage->queue, stage->size, 4, 5);
        ck_assert_int_eq(mp_queue_empty(stage->queue), 1);
    }
    end_stage(stage);
    ck_assert_uint_eq(heap_use(), before);
}
END_TEST

START_TEST(taken_by_the_dead_is_used_again)
{
    struct stage *stage = stage_with(NULL, _i ? MIB : 64, _i ? 3 : 100);
    uint64_t bytes = 0, pages = 0;
    char *data = calloc(1, MIB);
    mp_message message;

    for (int round = 0; round < 40; round++) {
        struct mp__heap_report report;

        for (int i = 0; i < stage->n; i++)
            must(mp_queue_put(stage->queue, data, stage->size, MP_NOW));
        expect_killed(child(take_and_die, stage), SIGKILL);
        mp__reap();
        ck_assert_int_eq(take_number(stage->queue, &message), -1);
        put_number(stage->queue, 4, 1);
        ck_assert_int_eq(take_number(stage->queue, &message), 1);
        must(mp_message_done(stage->queue, &message));
        report = heap_now();
        if (round == 10) {
            bytes = report.large_bytes + report.block_bytes;
            pages = pages_of_region();
        } else if (round > 10) {
            ck_assert_uint_le(report.large_bytes + report.block_bytes,
                              bytes + MIB);
            ck_assert_uint_le(pages_of_region(), pages + 8 * MIB);
        }
    }
    free(data);
    end_stage(stage);
}
END_TEST

/* A reader of the message that another has taken: only the other's death
 * counts. */
static int
look_at_it(void *arg)
{
    mp_message *message = *(mp_message **)arg;

    return message_number(message->data, message->size) == 1 ? 0 : 1;
}

START_TEST(taken_stays_when_another_reader_dies)
{
    struct stage *stage = stage_with(NULL, 10000, 0);
    mp_message *message = mp_new(mp_message);

    put_number(stage->queue, stage->size, 1);
    ck_assert_int_eq(take_number(stage->queue, message), 1);
    for (int i = 0; i < 3; i++) {
        expect_exit(child(look_at_it, &message), 0);
        mp__reap();
    }
    ck_assert_int_eq(message_number(message->data, message->size), 1);
    must(mp_message_done(stage->queue, message));
    must(mp_free(message));
    end_stage(stage);
}
END_TEST

/* ---- At any moment ---- */

static int
reserve_for_ever(void *arg, int unused)
{
    struct stage *stage = arg;
    void *data[3];

    (void)unused;
    for (uint32_t n = 0;; n += 2) {
        for (int i = 0; i < 3; i++)
            must(
                mp_queue_reserve(stage->queue, stage->size, &data[i], MP_NOW));
        if (mp_queue_cancel(stage->queue, data[1]) != 0)
            return 1;
        for (uint32_t i = 0; i < 2; i++) {
            message_fill(data[2 * i], stage->size, n + i);
            must(mp_queue_commit(stage->queue, data[2 * i]));
            mp__store(&stage->done, n + i + 1);
        }
    }
}

static const size_t kinds[] = {4, 73, 9000, 70000};

/* What was committed is there, whole and in order; perhaps one more. */
START_TEST(G01_reservers_killed_at_any_moment)
{
    uint64_t before = heap_use();
    unsigned char *data = malloc(MESSAGE_MOST);

    srand(21 + (unsigned)_i);
    for (int round = 0; round < rounds(40); round++) {
        struct stage *stage = stage_with(NULL, kinds[_i], 0);
        struct kin *kin = kin_start(PROCESSES, 1, reserve_for_ever, stage);
        uint32_t n = 0;

        wait_until(mp__load(&kin->begun[0]), 20);
        pause_at_random(500);
        kin_kill(kin, 0);
        kin_end(kin);
        while (mp_queue_get(stage->queue, data, MESSAGE_MOST, MP_NOW) > 0)
            ck_assert_int_eq(message_number(data, stage->size), n++);
        ck_assert_uint_ge(n, mp__load(&stage->done));
        ck_assert_uint_le(n, mp__load(&stage->done) + 1);
        end_stage(stage);
    }
    free(data);
    ck_assert_uint_eq(heap_use(), before);
}
END_TEST

static int
take_for_ever(void *arg, int unused)
{
    struct stage *stage = arg;
    mp_message messages[2];

    (void)unused;
    for (;;) {
        for (int i = 0; i < 2; i++) {
            must(mp_queue_take(stage->queue, &messages[i], MP_FOREVER));
            if (message_number(messages[i].data, messages[i].size) !=
                (int64_t)mp__load(&stage->done))
                return 1;
            mp__add(&stage->done, 1);
        }
        for (int i = 2; i-- > 0;)
            must(mp_message_done(stage->queue, &messages[i]));
    }
}

/* What was not taken is there, whole and in order. */
START_TEST(G01_takers_killed_at_any_moment)
{
    uint64_t before = heap_use();

    srand(22 + (unsigned)_i);
    for (int round = 0; round < rounds(40); round++) {
        struct stage *stage = stage_with(NULL, kinds[_i], 0);
        struct kin *kin = kin_start(PROCESSES, 1, take_for_ever, stage);
        mp_message message;
        int64_t number, first = -1;
        uint32_t done;

        wait_until(mp__load(&kin->begun[0]), 20);
        put_numbers(stage->queue, stage->size, 0, 49);
        pause_at_random(200);
        kin_kill(kin, 0);
        kin_end(kin);
        done = mp__load(&stage->done);
        for (int64_t next = -1;
             (number = take_number(stage->queue, &message)) >= 0;
             next = number + 1) {
            if (first < 0)
                first = number;
            else
                ck_assert_int_eq(number, next);
            must(mp_message_done(stage->queue, &message));
        }
        if (first < 0)
            ck_assert_uint_ge(done, 49);
        else
            ck_assert(first == done || first == done + 1);
        end_stage(stage);
    }
    ck_assert_uint_eq(heap_use(), before);
}
END_TEST

/* ---- Redelivery, at any moment ---- */

#define LOT     60
#define WORKERS 3

struct shop {
    mp_queue *queue;
    mp__a32 handled[LOT];
};

static int
work(void *arg, int i)
{
    struct shop *shop = arg;
    unsigned char *data = malloc(MESSAGE_MOST);
    mp_message message;
    int64_t number;

    for (uint32_t n = (uint32_t)i;; n++) {
        if (n % 2) {
            ssize_t r =
                mp_queue_get(shop->queue, data, MESSAGE_MOST, MP_FOREVER);

            number = message_number(data, (size_t)must(r));
            if (number < 0)
                return 1;
            mp__add(&shop->handled[number], 1);
            must(mp_queue_task_done(shop->queue));
            continue;
        }
        must(mp_queue_take(shop->queue, &message, MP_FOREVER));
        number = message_number(message.data, message.size);
        if (number < 0)
            return 1;
        mp__add(&shop->handled[number], 1);
        must(mp_message_done(shop->queue, &message));
    }
}

static void
put_lot(struct shop *shop, size_t size, int by_priority)
{
    for (uint32_t n = 0; n < LOT; n++) {
        mp__store(&shop->handled[n], 0);
        if (by_priority)
            put_with_priority(shop->queue, size, n, rand() % 5);
        else
            put_number(shop->queue, size, n);
    }
}

/* Every one is handled, and twice only if somebody died over it. */
static unsigned
handled_again(struct shop *shop)
{
    unsigned again = 0;

    for (int n = 0; n < LOT; n++) {
        uint32_t times = mp__load(&shop->handled[n]);

        if (times == 0)
            ck_abort_msg("message %d was not handled", n);
        again += times - 1;
    }
    return again;
}

START_TEST(G01_redelivered_of_workers_killed_at_any_moment)
{
    static const uint32_t orders[] = {MP_QUEUE_FIFO, MP_QUEUE_LIFO,
                                      MP_QUEUE_PRIORITY};
    uint64_t before = heap_use();
    struct shop *shop = mp_new(struct shop);

    srand(23 + (unsigned)_i);
    ck_assert_ptr_nonnull(shop);
    for (int round = 0; round < rounds(15); round++) {
        struct kin *kin;

        shop->queue =
            queue_with(MP_QUEUE_ATTR(.redeliver = 1, .order = orders[_i % 3]));
        kin = kin_start(PROCESSES, WORKERS, work, shop);
        for (int i = 0; i < WORKERS; i++)
            wait_until(mp__load(&kin->begun[i]), 20);
        for (int victim = 0; victim < WORKERS - 1; victim++) {
            put_lot(shop, kinds[_i / 3], _i % 3 == 2);
            pause_at_random(300);
            kin_kill(kin, victim);
            must(mp_queue_join(shop->queue, mp_timeout(20 * mp_test_scale())));
            ck_assert_uint_le(handled_again(shop), 1);
        }
        ck_assert_uint_eq(mp_queue_unfinished(shop->queue), 0);
        kin_kill(kin, WORKERS - 1);
        kin_end(kin);
        must(mp_queue_destroy(shop->queue));
    }
    must(mp_free(shop));
    ck_assert_uint_eq(heap_use(), before);
}
END_TEST

static void
kill_all(struct kin *kin)
{
    for (int i = 0; i < WORKERS; i++)
        ck_assert_int_eq(kill(kin->pids[i], SIGKILL), 0);
    for (int i = 0; i < WORKERS; i++) {
        expect_killed(kin->pids[i], SIGKILL);
        kin->pids[i] = 0;
    }
    kin_end(kin);
}

/* All of them at once, again and again. */
START_TEST(G01_redelivered_of_all_workers_killed_at_once)
{
    uint64_t before = heap_use();
    uint32_t crews = (uint32_t)rounds(20);
    struct shop *shop = mp_new(struct shop);
    struct kin *kin;

    srand(24 + (unsigned)_i);
    ck_assert_ptr_nonnull(shop);
    shop->queue = queue_with(MP_QUEUE_ATTR(.redeliver = 1));
    for (uint32_t n = 0; n < crews; n++) {
        put_numbers(shop->queue, kinds[_i], n * LOT / crews,
                    (n + 1) * LOT / crews - 1);
        kin = kin_start(PROCESSES, WORKERS, work, shop);
        wait_until(mp__load(&kin->begun[0]), 20);
        pause_at_random(50);
        kill_all(kin);
    }
    kin = kin_start(PROCESSES, WORKERS, work, shop);
    must(mp_queue_join(shop->queue, mp_timeout(20 * mp_test_scale())));
    ck_assert_uint_le(handled_again(shop), crews * WORKERS);
    kill_all(kin);
    must(mp_queue_destroy(shop->queue));
    must(mp_free(shop));
    ck_assert_uint_eq(heap_use(), before);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("queue-shelf-death");
    TCase *tcase = mp_test_case(suite, "reserved", 30);

    tcase_add_loop_test(tcase, reservations_of_the_dead_leak_nothing, 0,
                        MESSAGE_SIZES);
    tcase_add_loop_test(tcase, reservations_of_the_dead_are_used_again, 0, 2);
    tcase_add_test(tcase, reservations_of_the_dead_take_no_room);
    tcase_add_loop_test(tcase, G03_reserver_killed_asleep, 0,
                        4 * MESSAGE_SIZES);
    tcase = mp_test_case(suite, "taken", 30);
    tcase_add_loop_test(tcase, taken_by_the_dead_leaks_nothing, 0,
                        6 * MESSAGE_SIZES);
    tcase_add_loop_test(tcase, taken_by_the_dead_is_used_again, 0, 2);
    tcase_add_test(tcase, taken_stays_when_another_reader_dies);
    tcase = mp_test_case(suite, "any-moment", 60);
    tcase_add_loop_test(tcase, G01_reservers_killed_at_any_moment, 0,
                        LENGTH(kinds));
    tcase_add_loop_test(tcase, G01_takers_killed_at_any_moment, 0,
                        LENGTH(kinds));
    tcase_add_loop_test(tcase, G01_redelivered_of_workers_killed_at_any_moment,
                        0, 3 * LENGTH(kinds));
    tcase_add_loop_test(tcase, G01_redelivered_of_all_workers_killed_at_once,
                        0, LENGTH(kinds));
    return mp_test_main(suite);
}
