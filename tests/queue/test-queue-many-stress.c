/* SPDX-License-Identifier: MIT */
/* Batches of put_many while others look, put and get, and when their producer
 * is killed. */
#include "queue/modes-kit.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

struct stage {
    mp_queue *queue;
    size_t size, n;
    uint32_t batches; /* of each producer */
    ssize_t result;
};

static struct stage *
stage_with(const mp_queue_attr *attr, size_t size, size_t n)
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

/* ---- At once ---- */

static const struct {
    size_t size, n;
} batches[] = {{0, 10}, {8, 10}, {60, 100}, {1000, 30}, {8192, 3}};

static int
put_batch_of(void *arg, int unused)
{
    struct stage *stage = arg;
    static char batch[32768];

    (void)unused;
    stage->result = mp_queue_put_many(stage->queue, batch, stage->size,
                                      stage->n, MP_FOREVER);
    return 0;
}

/* Whoever looks meanwhile sees the whole batch, or nothing, where it fits into
 * the memory that a queue begins with. */
START_TEST(many_put_are_visible_at_once)
{
    for (int round = 0; round < rounds(100); round++) {
        struct stage *stage =
            stage_with(NULL, batches[_i].size, batches[_i].n);
        struct kin *kin = kin_start(PROCESSES, 1, put_batch_of, stage);
        size_t size;

        do {
            size = mp_queue_size(stage->queue);
            if (size != 0 && size != stage->n)
                ck_abort_msg("%zu messages of %zu", size, stage->n);
        } while (size == 0 && !mp__load(&kin->ended[0]));
        kin_end(kin);
        ck_assert_int_eq(stage->result, (ssize_t)stage->n);
        end_stage(stage);
    }
}
END_TEST

static const struct {
    size_t size, n;
    uint32_t batches;
} crowds[] = {{8, 10, 50},
              {100, 1000, 3},
              {1000, 1000, 2},
              {8192, 50, 4},
              {9000, 10, 10}};

static int
put_batches(void *arg, int i)
{
    struct stage *stage = arg;
    uint32_t n = (uint32_t)stage->n;

    for (uint32_t round = 0; round < stage->batches; round++)
        if (put_batch(stage->queue, stage->size, n,
                      (uint32_t)i * stage->batches * n + round * n,
                      MP_FOREVER) != (ssize_t)n)
            return 1;
    return 0;
}

/* Those of one producer come in its order, whatever their number and size. */
START_TEST(many_put_keep_their_order)
{
    static const uint64_t limits[] = {0, 70};
    struct stage *stage = stage_with(MP_QUEUE_ATTR(.maxsize = limits[_i % 2]),
                                     crowds[_i / 2].size, crowds[_i / 2].n);
    uint32_t each = crowds[_i / 2].batches * (uint32_t)stage->n;
    uint32_t next[3] = {0, each, 2 * each};
    unsigned char *data = malloc(stage->size);
    struct kin *kin;

    stage->batches = crowds[_i / 2].batches;
    kin = kin_start(PROCESSES, 3, put_batches, stage);
    for (uint32_t i = 0; i < 3 * each; i++) {
        ssize_t r = mp_queue_get(stage->queue, data, stage->size, MP_FOREVER);
        int64_t number = message_number(data, (size_t)must(r));

        ck_assert_int_ge(number, 0);
        ck_assert_int_lt(number, 3 * each);
        ck_assert_int_eq(number, next[number / each]++);
    }
    kin_end(kin);
    ck_assert_int_eq(mp_queue_empty(stage->queue), 1);
    free(data);
    end_stage(stage);
}
END_TEST

/* ---- Killed at any moment ---- */

struct shop {
    mp_queue *queue;
    size_t size;
    mp__a32 batches; /* whose put has returned */
};

#define LOT 7

static int
put_for_ever(void *arg, int unused)
{
    struct shop *shop = arg;

    (void)unused;
    for (uint32_t n = 0;; n++) {
        ck_assert_int_eq(
            put_batch(shop->queue, shop->size, LOT, n * LOT, MP_FOREVER), LOT);
        mp__store(&shop->batches, n + 1);
    }
}

/* All batches whose put has returned are there; of the last one those from its
 * beginning on, or none. */
START_TEST(G01_many_put_by_one_killed_at_any_moment)
{
    static const size_t sizes[] = {8, 2000, 9000};
    struct shop *shop = mp_new(struct shop);
    uint64_t before = heap_use();

    srand(11);
    ck_assert_ptr_nonnull(shop);
    shop->size = sizes[_i];
    for (int round = 0; round < rounds(50); round++) {
        unsigned char *data = malloc(shop->size);
        struct kin *kin;
        uint32_t n = 0;

        shop->queue = queue_with(NULL);
        mp__store(&shop->batches, 0);
        kin = kin_start(PROCESSES, 1, put_for_ever, shop);
        wait_until(mp__load(&kin->begun[0]), 20);
        pause_at_random(600);
        kin_kill(kin, 0);
        kin_end(kin);
        while (mp_queue_get(shop->queue, data, shop->size, MP_NOW) > 0)
            ck_assert_int_eq(message_number(data, shop->size), n++);
        ck_assert_uint_ge(n, mp__load(&shop->batches) * LOT);
        ck_assert_uint_le(n, mp__load(&shop->batches) * LOT + LOT);
        must(mp_queue_destroy(shop->queue));
        free(data);
    }
    ck_assert_uint_eq(heap_use(), before);
    must(mp_free(shop));
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("queue-many-stress");
    TCase *tcase = mp_test_case(suite, "at-once", 60);

    tcase_add_loop_test(tcase, many_put_are_visible_at_once, 0,
                        LENGTH(batches));
    tcase_add_loop_test(tcase, many_put_keep_their_order, 0,
                        2 * LENGTH(crowds));
    tcase_add_loop_test(tcase, G01_many_put_by_one_killed_at_any_moment, 0, 3);
    return mp_test_main(suite);
}
