/* SPDX-License-Identifier: MIT */
/* What is told of the memory, and that it can be given back. */
#include "region/kin.h"

#include "region/layout.h"

#include <errno.h>
#include <string.h>

#define KIB ((size_t)1024)
#define MIB (KIB * KIB)

static mp_memory_statistics
stats_now(void)
{
    mp_memory_statistics now = {.size = sizeof(now)};

    must(mp_memory_stats(&now));
    return now;
}

/* ---- Numbers ---- */

START_TEST(stats_tell_what_a_walk_finds)
{
    struct mp__heap_report report;
    mp_memory_statistics now;
    void *blocks[60];
    mp_queue *queue;

    must(mp_queue_create(&queue, NULL));
    for (size_t i = 0; i < LENGTH(blocks); i++)
        blocks[i] = mp_alloc(i * i * 100);
    for (size_t i = 0; i < LENGTH(blocks); i += 3)
        must(mp_free(blocks[i]));
    report = heap_now();
    now = stats_now();
    ck_assert_uint_eq(now.small_blocks, report.blocks);
    ck_assert_uint_eq(now.small_bytes, report.block_bytes);
    ck_assert_uint_eq(now.large_blocks + now.segments, report.large);
    ck_assert_uint_eq(now.large_bytes + now.segment_bytes, report.large_bytes);
    ck_assert_uint_eq(now.chunks, report.chunks);
    ck_assert_uint_eq(now.used,
                      now.chunk_bytes + now.large_bytes + now.segment_bytes);
    ck_assert_uint_eq(now.queues, report.objects[MP__SLAB_QUEUE]);
    ck_assert_uint_eq(now.resident, pages_of_region());
    ck_assert_uint_eq(now.address_space, mp__view.size);
    ck_assert_uint_ge(now.resident, now.used + now.spare);
    ck_assert_uint_ge(now.peak, now.used);
    for (size_t i = 0; i < LENGTH(blocks); i++)
        if (i % 3)
            must(mp_free(blocks[i]));
    must(mp_queue_destroy(queue));
}
END_TEST

START_TEST(stats_count_small_blocks)
{
    enum { COUNT = 5000 };
    static void *blocks[COUNT];
    mp_memory_statistics before = stats_now(), now;

    for (int i = 0; i < COUNT; i++)
        blocks[i] = mp_alloc(100);
    now = stats_now();
    ck_assert_uint_eq(now.small_blocks, before.small_blocks + COUNT);
    ck_assert_uint_eq(now.small_bytes, before.small_bytes + COUNT * 112);
    ck_assert_uint_ge(now.chunk_bytes,
                      before.chunk_bytes + COUNT * 112 - 65536);
    ck_assert_uint_eq(now.large_blocks, before.large_blocks);
    for (int i = 0; i < COUNT; i++)
        must(mp_free(blocks[i]));
    now = stats_now();
    ck_assert_uint_eq(now.small_blocks, before.small_blocks);
    ck_assert_uint_eq(now.small_bytes, before.small_bytes);
}
END_TEST

START_TEST(stats_count_large_blocks)
{
    mp_memory_statistics before = stats_now(), now;
    void *one = mp_alloc(MIB), *two = mp_alloc(3 * MIB - 1);

    now = stats_now();
    ck_assert_uint_eq(now.large_blocks, before.large_blocks + 2);
    ck_assert_uint_eq(now.large_bytes, before.large_bytes + 4 * MIB);
    ck_assert_uint_eq(now.used, before.used + 4 * MIB);
    must(mp_free(one));
    must(mp_free(two));
    now = stats_now();
    ck_assert_uint_eq(now.large_blocks, before.large_blocks);
    ck_assert_uint_eq(now.used, before.used);
    ck_assert_uint_ge(now.peak, before.used + 4 * MIB);
}
END_TEST

START_TEST(stats_count_segments_of_queues)
{
    mp_memory_statistics before = stats_now(), now;
    char message[1000] = "";
    mp_queue *queue;

    must(mp_queue_create(&queue, NULL));
    now = stats_now();
    ck_assert_uint_eq(now.queues, before.queues + 1);
    ck_assert_uint_ge(now.segments, before.segments + 1);
    for (int i = 0; i < 4000; i++)
        must(mp_queue_put(queue, message, sizeof(message), MP_NOW));
    now = stats_now();
    ck_assert_uint_ge(now.segment_bytes, before.segment_bytes + 4000000);
    ck_assert_uint_eq(now.large_blocks, before.large_blocks);
    must(mp_queue_destroy(queue));
    now = stats_now();
    ck_assert_uint_eq(now.queues, before.queues);
    ck_assert_uint_eq(now.segments, before.segments);
    ck_assert_uint_eq(now.segment_bytes, before.segment_bytes);
}
END_TEST

START_TEST(stats_count_objects_by_kind)
{
    mp_memory_statistics before = stats_now(), now;
    mp_semaphore *semaphore;
    mp_condition *condition;
    mp_barrier *barrier;
    mp_rlock *rlock;
    mp_event *event;
    mp_value *value;
    mp_array *array;
    mp_lock *lock;

    must(mp_lock_create(&lock, NULL));
    must(mp_rlock_create(&rlock, NULL));
    must(mp_semaphore_create(&semaphore, 1, NULL));
    must(mp_event_create(&event, NULL));
    must(mp_condition_create(&condition, NULL));
    must(mp_barrier_create(&barrier, 2, NULL));
    must(mp_value_create(&value, 'i', 0));
    must(mp_array_create(&array, 'i', 10, NULL));
    now = stats_now();
    ck_assert_uint_eq(now.locks, before.locks + 1);
    ck_assert_uint_ge(now.rlocks, before.rlocks + 1);
    ck_assert_uint_eq(now.semaphores, before.semaphores + 1);
    ck_assert_uint_eq(now.events, before.events + 1);
    ck_assert_uint_eq(now.conditions, before.conditions + 1);
    ck_assert_uint_eq(now.barriers, before.barriers + 1);
    ck_assert_uint_eq(now.values, before.values + 1);
    ck_assert_uint_eq(now.arrays, before.arrays + 1);
    must(mp_lock_destroy(lock));
    must(mp_rlock_destroy(rlock));
    must(mp_semaphore_destroy(semaphore));
    must(mp_event_destroy(event));
    must(mp_condition_destroy(condition));
    must(mp_barrier_destroy(barrier));
    must(mp_value_destroy(value));
    must(mp_array_destroy(array));
    now = stats_now();
    ck_assert_uint_eq(now.locks, before.locks);
    ck_assert_uint_eq(now.rlocks, before.rlocks);
    ck_assert_uint_eq(now.values, before.values);
    ck_assert_uint_eq(now.arrays, before.arrays);
}
END_TEST

static int
see_the_same(void *arg)
{
    mp_memory_statistics *expected = arg, now = stats_now();

    ck_assert_uint_eq(now.small_blocks, expected->small_blocks);
    ck_assert_uint_eq(now.large_bytes, expected->large_bytes);
    ck_assert_uint_eq(now.queues, expected->queues);
    return 0;
}

START_TEST(stats_are_those_of_the_family)
{
    void *block = mp_alloc(10 * MIB);
    mp_memory_statistics now = stats_now();

    expect_exit(child(see_the_same, &now), 0);
    must(mp_free(block));
}
END_TEST

START_TEST(stats_of_no_size)
{
    mp_memory_statistics now = {.size = 0};
    struct {
        mp_memory_statistics now;
        uint64_t later;
    } more = {.now.size = sizeof(more), .later = 7};

    must_fail(mp_memory_stats(&now), -EINVAL, "sizeof");
    now.size = sizeof(now) - 8;
    must_fail(mp_memory_stats(&now), -EINVAL, "sizeof");
    must_fail(mp_memory_stats(NULL), -EINVAL, "NULL");
    must(mp_memory_stats(&more.now)); /* of a later version */
    ck_assert_uint_eq(more.later, 7);
    ck_assert_uint_eq(more.now.size, sizeof(now));
}
END_TEST

/* ---- Giving back ---- */

START_TEST(trim_gives_freed_memory_back)
{
    uint64_t least;
    char *block;

    must(mp_memory_trim());
    least = pages_of_region();
    block = mp_alloc(100 * MIB);
    ck_assert_ptr_nonnull(block);
    memset(block, 1, 100 * MIB);
    must(mp_free(block));
    ck_assert_uint_ge(stats_now().spare, 100 * MIB);
    ck_assert_uint_ge(pages_of_region(), least + 100 * MIB);
    ck_assert_int_ge(mp_memory_trim(), 100 * MIB);
    ck_assert_uint_eq(stats_now().spare, 0);
    ck_assert_uint_le(pages_of_region(), least + MIB);
    ck_assert_int_eq(mp_memory_trim(), 0);
    heap_now();
}
END_TEST

START_TEST(trim_leaves_what_is_in_use)
{
    enum { COUNT = 200 };
    static unsigned char *blocks[COUNT];
    size_t size = 300 * KIB;

    for (int i = 0; i < COUNT; i++) {
        blocks[i] = mp_alloc(size);
        memset(blocks[i], i, size);
    }
    for (int i = 0; i < COUNT; i += 2)
        must(mp_free(blocks[i]));
    ck_assert_int_ge(mp_memory_trim(), COUNT / 2 * 300 * KIB);
    heap_now();
    for (int i = 1; i < COUNT; i += 2) {
        ck_assert_uint_eq(*blocks[i], (unsigned char)i);
        ck_assert_int_eq(memcmp(blocks[i], blocks[i] + 1, size - 1), 0);
        must(mp_free(blocks[i]));
    }
}
END_TEST

/* Of each size of cells one chunk stays when all are free. */
START_TEST(trim_gives_empty_chunks_back)
{
    uint64_t chunks;

    must(mp_memory_trim());
    chunks = stats_now().chunks;
    for (size_t size = 16; size <= 65536; size *= 2)
        must(mp_free(mp_alloc(size)));
    ck_assert_uint_ge(stats_now().chunks, chunks + 10);
    must(mp_memory_trim());
    ck_assert_uint_le(stats_now().chunks, chunks);
    heap_now();
}
END_TEST

START_TEST(trimmed_memory_is_served_as_zeroes)
{
    for (int round = 0; round < 3; round++) {
        unsigned char *p = mp_alloc(20 * MIB + 1);

        ck_assert_uint_eq(*p, 0);
        ck_assert_int_eq(memcmp(p, p + 1, 20 * MIB), 0);
        memset(p, 0xff, 20 * MIB);
        must(mp_free(p));
        must(mp_memory_trim());
    }
}
END_TEST

/* ---- While others are at work ---- */

static int
allocate_or_trim(void *arg, int i)
{
    unsigned char *blocks[8] = {0};

    (void)arg;
    for (int turn = 0; turn < 300; turn++) {
        size_t at = (size_t)(turn * 7 + i) % 8;
        size_t size = (size_t)(turn * 37 + i * 11) % 50 * 20 * KIB + 1;

        if (i == 0 && turn % 10 == 0 && mp_memory_trim() < 0)
            return 1;
        if (blocks[at] && (*blocks[at] != at + 1 || mp_free(blocks[at]) < 0))
            return 2;
        blocks[at] = mp_alloc(size);
        if (blocks[at] == NULL || *blocks[at] != 0 ||
            blocks[at][size - 1] != 0)
            return 3;
        *blocks[at] = (unsigned char)(at + 1);
        if (stats_now().used == 0)
            return 4;
    }
    for (size_t at = 0; at < 8; at++)
        if (blocks[at] && mp_free(blocks[at]) < 0)
            return 5;
    return 0;
}

START_TEST(trim_while_others_allocate)
{
    mp_memory_statistics before, now;

    must(mp_free(mp_alloc(1)));
    before = stats_now();
    kin_run((enum kin_how)_i, 4, allocate_or_trim, NULL);
    heap_now();
    now = stats_now();
    ck_assert_uint_eq(now.small_blocks, before.small_blocks);
    ck_assert_uint_eq(now.large_blocks, before.large_blocks);
    must(mp_memory_trim());
    ck_assert_uint_eq(stats_now().spare, 0);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("stats");
    TCase *tcase = mp_test_case(suite, "numbers", 20);

    tcase_add_test(tcase, stats_tell_what_a_walk_finds);
    tcase_add_test(tcase, stats_count_small_blocks);
    tcase_add_test(tcase, stats_count_large_blocks);
    tcase_add_test(tcase, stats_count_segments_of_queues);
    tcase_add_test(tcase, stats_count_objects_by_kind);
    tcase_add_test(tcase, stats_are_those_of_the_family);
    tcase_add_test(tcase, stats_of_no_size);
    tcase = mp_test_case(suite, "trim", 30);
    tcase_add_test(tcase, trim_gives_freed_memory_back);
    tcase_add_test(tcase, trim_leaves_what_is_in_use);
    tcase_add_test(tcase, trim_gives_empty_chunks_back);
    tcase_add_test(tcase, trimmed_memory_is_served_as_zeroes);
    tcase_add_loop_test(tcase, trim_while_others_allocate, PROCESSES,
                        THREADS + 1);
    return mp_test_main(suite);
}
