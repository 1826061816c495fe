/* SPDX-License-Identifier: MIT */
/* A queue's ring follows what it holds: it grows by segments, up to a size, and
 * shrinks again when most of it stays empty; nothing is lost on the way. */
#include "queue/ring.h"
#include "region/kin.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

#define MIB          ((uint64_t)1 << 20)
#define SEGMENT_MOST (4 * MIB)
#define SIZE         100 /* of a message: with its record, 112 */
#define LENGTH_OF(n) ((uint64_t)(n)*112)

struct stage {
    mp_queue *queue;
    uint64_t each;   /* messages of each producer */
    mp__a64 sums[2]; /* of what was put, and got */
    mp__a32 producing, got;
};

static struct stage *
stage_new(void)
{
    struct stage *stage = mp_new(struct stage);

    ck_assert_ptr_nonnull(stage);
    must(mp_queue_create(&stage->queue, NULL));
    return stage;
}

static void
end_stage(struct stage *stage)
{
    must(mp_queue_destroy(stage->queue));
    must(mp_free(stage));
}

static void
put(struct stage *stage, uint64_t number)
{
    char message[SIZE];

    memset(message, (int)number, sizeof(message));
    memcpy(message, &number, sizeof(number));
    must(mp_queue_put(stage->queue, message, sizeof(message), MP_FOREVER));
}

/* Whether it is a message, and whole; its number. */
static int
read_number(const char *message, ssize_t size, uint64_t *ret_number)
{
    memcpy(ret_number, message, sizeof(*ret_number));
    for (size_t i = sizeof(*ret_number); i < SIZE; i++)
        if (message[i] != (char)*ret_number)
            return 0;
    return size == SIZE;
}

static void
get(struct stage *stage, uint64_t number)
{
    char message[SIZE];
    uint64_t found;
    ssize_t size =
        mp_queue_get(stage->queue, message, sizeof(message), MP_NOW);

    if (!read_number(message, size, &found) || found != number)
        ck_abort_msg("message %d: size %zd", (int)number, size);
}

/* Puts until `filled` bytes lie in the queue; then as many more, and gets one
 * for each. */
static void
keep_filled(struct stage *stage, uint64_t filled, uint64_t more)
{
    uint64_t n = filled / LENGTH_OF(1) + 1, i;

    for (i = 0; i < n; i++)
        put(stage, i);
    for (i = 0; i < more / LENGTH_OF(1); i++) {
        put(stage, n + i);
        get(stage, i);
    }
    while (mp_queue_size(stage->queue))
        get(stage, i++);
}

/* Of the segment that the producers are in, in bytes. */
static uint64_t
segment_size(struct stage *stage)
{
    return (uint64_t)stage->queue->producers.segment->granules *
           MP__RING_GRANULE;
}

/* There are no other large blocks here. */
static uint64_t
bytes_of_segments(void)
{
    mp__reap();
    return heap_now().large_bytes;
}

/* ---- One process ---- */

START_TEST(queue_grows_by_doubling_up_to_a_size)
{
    struct stage *stage = stage_new();
    uint64_t filled = 0, before = segment_size(stage);

    for (uint64_t i = 0; filled < 16 * MIB; i++) {
        put(stage, i);
        filled += LENGTH_OF(1);
        if (segment_size(stage) == before)
            continue;
        ck_assert_uint_eq(segment_size(stage), 2 * before);
        before *= 2;
    }
    ck_assert_uint_eq(segment_size(stage), SEGMENT_MOST);
    ck_assert_uint_ge(bytes_of_segments(), filled);
    for (uint64_t i = 0; mp_queue_size(stage->queue); i++)
        get(stage, i);
    /* what is passed is given back: one is left */
    ck_assert_uint_le(bytes_of_segments(), SEGMENT_MOST + 65536);
    end_stage(stage);
}
END_TEST

START_TEST(queue_that_has_little_in_it_shrinks_to_the_least)
{
    struct stage *stage = stage_new();
    uint64_t before, size, least = segment_size(stage);

    keep_filled(stage, 16 * MIB, 0);
    before = segment_size(stage);
    ck_assert_uint_eq(before, SEGMENT_MOST);
    /* Never more than a message in it, but laps of all sizes. */
    for (uint64_t i = 0; i < 8 * SEGMENT_MOST / LENGTH_OF(1); i++) {
        put(stage, i);
        get(stage, i);
        size = segment_size(stage);
        ck_assert(size == before || size == before / 2);
        before = size;
    }
    ck_assert_uint_eq(before, least);
    ck_assert_uint_le(bytes_of_segments(), 2 * least);
    end_stage(stage);
}
END_TEST

/* It keeps the size that it uses, and does not go to and fro. */
START_TEST(queue_that_is_well_filled_stays_as_it_is)
{
    struct stage *stage = stage_new();
    struct mp__segment *segment;

    keep_filled(stage, MIB / 2, 0);
    segment = stage->queue->producers.segment;
    ck_assert_uint_eq(segment_size(stage), MIB / 2);
    for (int round = 0; round < 5; round++) {
        keep_filled(stage, MIB / 4, 4 * MIB);
        ck_assert_ptr_eq(stage->queue->producers.segment, segment);
    }
    end_stage(stage);
}
END_TEST

START_TEST(queue_that_has_shrunk_grows_again)
{
    struct stage *stage = stage_new();

    for (int round = 0; round < 4; round++) {
        keep_filled(stage, 2 * MIB, 0);
        ck_assert_uint_ge(segment_size(stage), MIB);
        keep_filled(stage, 0, 16 * MIB);
        ck_assert_uint_eq(segment_size(stage), 65536);
    }
    end_stage(stage);
}
END_TEST

/* A message by reference is a small record. */
START_TEST(queue_of_large_messages_shrinks_as_well)
{
    static char message[20000];
    struct stage *stage = stage_new();

    keep_filled(stage, MIB / 4, 0);
    ck_assert_uint_ge(segment_size(stage), MIB / 4);
    for (uint64_t i = 0; i < MIB / MP__RING_GRANULE; i++) {
        must(mp_queue_put(stage->queue, message, sizeof(message), MP_NOW));
        must(mp_queue_get(stage->queue, message, sizeof(message), MP_NOW));
    }
    ck_assert_uint_eq(segment_size(stage), 65536);
    end_stage(stage);
}
END_TEST

/* ---- Several ---- */

/* Bursts of thousands, and in between one by one. */
static int
produce(void *arg, int i)
{
    struct stage *stage = arg;
    char message[SIZE];
    uint64_t sum = 0;

    for (uint64_t n = 1; n <= stage->each; n++) {
        uint64_t number = (uint64_t)i << 32 | n;

        memset(message, (int)number, sizeof(message));
        memcpy(message, &number, sizeof(number));
        if (mp_queue_put(stage->queue, message, sizeof(message), MP_FOREVER))
            return 1;
        sum += number;
        while (n / 8000 % 2 && mp_queue_size(stage->queue) > 4)
            sched_yield();
    }
    mp__add(&stage->sums[0], sum);
    if (mp__sub(&stage->producing, 1) == 1)
        return mp_queue_close(stage->queue);
    return 0;
}

static int
consume(void *arg, int i)
{
    struct stage *stage = arg;
    uint64_t number, sum = 0, last[2] = {0};
    char message[SIZE];
    ssize_t size;

    (void)i;
    while ((size = mp_queue_get(stage->queue, message, sizeof(message),
                                MP_FOREVER)) >= 0) {
        if (!read_number(message, size, &number) || number >> 32 > 1)
            return 1;
        if (number <= last[number >> 32])
            return 2; /* out of order */
        last[number >> 32] = number;
        sum += number;
    }
    mp__add(&stage->sums[1], sum);
    return size == -ESHUTDOWN ? 0 : 3;
}

static int
produce_or_consume(void *arg, int i)
{
    return i < 2 ? produce(arg, i) : consume(arg, i);
}

START_TEST(queue_loses_nothing_as_it_grows_and_shrinks)
{
    struct stage *stage = stage_new();

    stage->each = mp_test_scale() > 1 ? 20000 : 100000;
    mp__store(&stage->producing, 2);
    kin_run((enum kin_how)_i, 4, produce_or_consume, stage);
    ck_assert_uint_gt(mp__load(&stage->sums[0]), 0);
    ck_assert_uint_eq(mp__load(&stage->sums[0]), mp__load(&stage->sums[1]));
    end_stage(stage);
}
END_TEST

/* ---- Deaths ---- */

static int
go_up_and_down(void *arg, int i)
{
    struct stage *stage = arg;

    (void)i;
    for (;;) {
        for (uint64_t n = 0; n < 3000; n++)
            put(stage, n);
        for (uint64_t n = 0; n < 20000; n++) {
            char message[SIZE];
            uint64_t number;
            ssize_t size = mp_queue_get(stage->queue, message, SIZE, MP_NOW);

            if (size >= 0 && !read_number(message, size, &number))
                return 1;
            if (n >= 3000)
                put(stage, n);
        }
    }
}

/* Whoever is killed: the next go on, and no segment is lost. */
START_TEST(queue_users_killed_as_it_grows_and_shrinks)
{
    struct stage *stage = stage_new();
    uint64_t before = bytes_of_segments();
    int rounds = mp_test_scale() > 1 ? 5 : 40;
    struct kin *kin;

    for (int round = 0; round < rounds; round++) {
        kin = kin_start(PROCESSES, 3, go_up_and_down, stage);
        wait_until(mp__load(&kin->begun[2]), 20);
        for (int i = 0; i < 3; i++) {
            uint32_t count = mp__count(mp__load(&stage->queue->head));

            wait_until(mp__count(mp__load(&stage->queue->head)) - count > 2000,
                       60);
            kin_kill(kin, i);
        }
        kin_end(kin);
    }
    while (mp_queue_size(stage->queue)) {
        char message[SIZE];
        uint64_t number;
        ssize_t size = mp_queue_get(stage->queue, message, SIZE, MP_NOW);

        ck_assert(read_number(message, size, &number));
    }
    keep_filled(stage, 0, 8 * SEGMENT_MOST);
    ck_assert_uint_eq(segment_size(stage), before);
    ck_assert_uint_eq(bytes_of_segments(), before);
    end_stage(stage);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("queue-grow");
    TCase *tcase = mp_test_case(suite, "size", 60);

    tcase_add_test(tcase, queue_grows_by_doubling_up_to_a_size);
    tcase_add_test(tcase, queue_that_has_little_in_it_shrinks_to_the_least);
    tcase_add_test(tcase, queue_that_is_well_filled_stays_as_it_is);
    tcase_add_test(tcase, queue_that_has_shrunk_grows_again);
    tcase_add_test(tcase, queue_of_large_messages_shrinks_as_well);
    tcase = mp_test_case(suite, "many", 120);
    tcase_add_loop_test(tcase, queue_loses_nothing_as_it_grows_and_shrinks, 0,
                        2);
    tcase_add_test(tcase, queue_users_killed_as_it_grows_and_shrinks);
    return mp_test_main(suite);
}
