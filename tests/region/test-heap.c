/* SPDX-License-Identifier: MIT */
/* Shared memory as one process sees it, and as many use it at once. */
#include "base/error.h"
#include "region/extents.h"
#include "region/heap.h"
#include "region/kin.h"
#include "region/layout.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define KIB ((size_t)1024)
#define MIB (KIB * KIB)

static void
expect_bytes(const void *p, int byte, size_t from, size_t to)
{
    const unsigned char *bytes = p;

    for (size_t i = from; i < to; i++)
        if (bytes[i] != (unsigned char)byte)
            ck_abort_msg("byte %zu of [%zu, %zu) is %d, not %d", i, from, to,
                         bytes[i], byte);
}

/* What mp_alloc() promises for a size. */
static uintptr_t
alignment_of(size_t size)
{
    return size && (size % 64 == 0 || size > 256) ? 64 : 16;
}

/* What every block from mp_alloc() is. */
static void
expect_fresh(const void *p, size_t size)
{
    ck_assert_ptr_nonnull(p);
    ck_assert_uint_eq((uintptr_t)p % alignment_of(size), 0);
    ck_assert_int_eq(mp_memory_contains(p, size), 1);
    expect_bytes(p, 0, 0, size);
}

/* ---- Blocks ---- */

START_TEST(heap_blocks_of_every_size_are_zero_and_aligned)
{
    uint64_t before = heap_use();
    size_t step = mp_test_scale() > 1 ? 211 : 13;

    for (int round = 0; round < 2; round++) { /* the second finds used ones */
        for (size_t size = 0; size < 70 * KIB; size += size < 600 ? 1 : step) {
            unsigned char *p = mp_alloc(size), *q = mp_alloc(size);

            expect_fresh(p, size);
            expect_fresh(q, size);
            ck_assert(p + size <= q || q + size <= p);
            ck_assert_uint_ge(mp__block_size(p), size);
            memset(p, 0xa5, size);
            memset(q, 0x5a, size);
            expect_bytes(p, 0xa5, 0, size);
            must(mp_free(p));
            must(mp_free(q));
        }
    }
    ck_assert_uint_eq(heap_use(), before);
}
END_TEST

START_TEST(heap_large_blocks)
{
    static const size_t sizes[] = {65537,   100 * KIB, MIB - 1,  MIB,
                                   MIB + 1, 33 * MIB,  100 * MIB};
    size_t size = sizes[_i];
    uint64_t before = heap_use();

    for (int round = 0; round < 2; round++) {
        char *p = mp_alloc(size);

        expect_fresh(p, size);
        memset(p, 1, size);
        ck_assert_uint_ge(mp__block_size(p), size);
        must(mp_free(p));
    }
    ck_assert_uint_eq(heap_use(), before);
}
END_TEST

START_TEST(heap_many_blocks_do_not_overlap)
{
    enum { COUNT = 5000 };
    static unsigned char *blocks[COUNT];
    static size_t sizes[COUNT];

    srand(3);
    for (int i = 0; i < COUNT; i++) {
        sizes[i] = (size_t)rand() % (i % 100 ? 300 : 100000);
        blocks[i] = mp_alloc(sizes[i]);
        expect_fresh(blocks[i], sizes[i]);
        memset(blocks[i], i, sizes[i]);
    }
    for (int i = 0; i < COUNT; i++) {
        expect_bytes(blocks[i], i, 0, sizes[i]);
        must(mp_free(blocks[i]));
    }
    heap_now();
}
END_TEST

struct node {
    struct node *next;
    int number;
};

static int
walk(void *arg)
{
    int expected = 0;

    for (struct node *node = arg; node; node = node->next)
        if (node->number != expected++)
            return 1;
    return expected == 1000 ? 0 : 2;
}

START_TEST(heap_pointers_are_valid_in_every_process)
{
    struct node *list = NULL;

    for (int i = 999; i >= 0; i--) {
        struct node *node = mp_new(struct node);

        *node = (struct node){list, i};
        list = node;
    }
    expect_exit(child(walk, list), 0);
    while (list) {
        struct node *next = list->next;

        must(mp_free(list));
        list = next;
    }
}
END_TEST

START_TEST(heap_arrays)
{
    double *array = mp_new_array(double, 1000);
    static const struct {
        size_t n, size;
    } too_large[] = {
        {SIZE_MAX, 2},         {2, SIZE_MAX},
        {SIZE_MAX, SIZE_MAX},  {(size_t)1 << 32, (size_t)1 << 32},
        {SIZE_MAX / 8 + 1, 8},
    };

    expect_fresh(array, 1000 * sizeof(double));
    must(mp_free(array));
    for (size_t i = 0; i < LENGTH(too_large); i++) {
        mp__fail(0, "nothing");
        ck_assert_ptr_null(mp_alloc_array(too_large[i].n, too_large[i].size));
        kin_text(mp_last_error(), "mp_alloc_array", __LINE__);
    }
    array = mp_alloc_array(0, 8);
    ck_assert_ptr_nonnull(array);
    must(mp_free(array));
    array = mp_alloc_array(SIZE_MAX, 0);
    ck_assert_ptr_nonnull(array);
    must(mp_free(array));
}
END_TEST

/* ---- realloc ---- */

START_TEST(heap_realloc_keeps_content_and_zeroes_the_rest)
{
    static const size_t sizes[] = {0,     1,     15,     16,     17,     100,
                                   128,   129,   1000,   5000,   65535,  65536,
                                   65537, 70000, 131072, 131073, 3000000};
    enum { N = LENGTH(sizes) };
    size_t old = sizes[_i];

    for (int k = 0; k < N; k++) {
        size_t size = sizes[k], kept = old < size ? old : size;
        char *p = mp_alloc(old), *q;

        memset(p, 7, old);
        q = mp_realloc(p, size);
        ck_assert_ptr_nonnull(q);
        expect_bytes(q, 7, 0, kept);
        expect_bytes(q, 0, kept, size);
        memset(q, 8, size);
        p = mp_realloc(q, old); /* and back */
        ck_assert_ptr_nonnull(p);
        expect_bytes(p, 8, 0, kept);
        expect_bytes(p, 0, kept, old);
        must(mp_free(p));
    }
    heap_now();
}
END_TEST

START_TEST(heap_realloc_of_nothing_is_alloc)
{
    char *p = mp_realloc(NULL, 1000);

    expect_fresh(p, 1000);
    p = mp_realloc(p, 0);
    ck_assert_ptr_nonnull(p);
    must(mp_free(p));
}
END_TEST

START_TEST(heap_realloc_that_fails_changes_nothing)
{
    uint64_t before = heap_use();
    char *p = mp_alloc(1000);

    memset(p, 7, 1000);
    ck_assert_ptr_null(mp_realloc(p, (size_t)1 << 50));
    kin_text(mp_last_error(), "out of memory", __LINE__);
    ck_assert_ptr_null(mp_realloc(p, SIZE_MAX));
    expect_bytes(p, 7, 0, 1000);
    must(mp_free(p));
    ck_assert_uint_eq(heap_use(), before);
}
END_TEST

/* ---- Mistakes ---- */

static void
expect_no_block(void *p)
{
    must_fail(mp_free(p), -EBADF, "mp_free");
    ck_assert_ptr_null(mp_realloc(p, 100));
    kin_text(mp_last_error(), "mp_realloc", __LINE__);
    ck_assert_uint_eq(mp__block_size(p), 0);
}

START_TEST(G36_heap_pointer_that_is_no_block)
{
    static const size_t sizes[] = {1, 100, 5000, 65536, 65537, 1000000};
    static char foreign[64];
    mp_queue *queue;
    uint64_t before;

    must(mp_queue_create(&queue, NULL));
    before = heap_use();
    must(mp_free(NULL));
    expect_no_block(foreign);
    expect_no_block(&before);
    expect_no_block((void *)(uintptr_t)8);
    expect_no_block((void *)(uintptr_t)-8);
    expect_no_block(queue);
    expect_no_block(mp__view.base);
    expect_no_block(mp__view.base + mp__region()->participants_at);
    expect_no_block(mp__view.base + mp__view.size - 65536);
    expect_no_block(mp__view.base + mp__view.size);
    for (size_t i = 0; i < LENGTH(sizes); i++) {
        char *p = mp_alloc(sizes[i]);
        size_t whole = mp__block_size(p);

        memset(p, 7, sizes[i]);
        for (size_t at = 1; at < whole; at = at * 2 + 1)
            expect_no_block(p + at);
        for (size_t at = 16; at < whole; at *= 2)
            expect_no_block(p + at);
        expect_bytes(p, 7, 0, sizes[i]);
        must(mp_free(p));
        expect_no_block(p); /* twice */
    }
    ck_assert_uint_eq(heap_use(), before);
    must(mp_queue_destroy(queue));
}
END_TEST

START_TEST(heap_contains_only_its_region)
{
    char *p = mp_alloc(100), c;

    ck_assert_int_eq(mp_memory_contains(p, 100), 1);
    ck_assert_int_eq(mp_memory_contains(p, 0), 1);
    ck_assert_int_eq(mp_memory_contains(&c, 1), 0);
    ck_assert_int_eq(mp_memory_contains(NULL, 0), 0);
    ck_assert_int_eq(mp_memory_contains(p, SIZE_MAX), 0);
    ck_assert_int_eq(mp_memory_contains(p, (size_t)0 - (size_t)p), 0);
    ck_assert_int_eq(mp_memory_contains(mp__view.base, mp__view.size), 1);
    ck_assert_int_eq(mp_memory_contains(mp__view.base, mp__view.size + 1), 0);
    ck_assert_int_eq(mp_memory_contains(mp__view.base - 1, 2), 0);
    ck_assert_int_eq(mp_memory_contains(mp__view.base + mp__view.size, 1), 0);
    must(mp_free(p));
}
END_TEST

/* ---- Memory of the system ---- */

START_TEST(heap_gives_memory_back_to_the_system)
{
    enum { COUNT = 80 };
    uint64_t before = pages_of_region(), most;
    char *blocks[COUNT];

    for (int i = 0; i < COUNT; i++) {
        blocks[i] = mp_alloc(8 * MIB);
        ck_assert_ptr_nonnull(blocks[i]);
    }
    most = pages_of_region();
    ck_assert_uint_ge(most, before + COUNT * 8 * MIB);
    for (int i = 0; i < COUNT; i++)
        must(mp_free(blocks[i]));
    ck_assert_uint_le(pages_of_region(), before + 256 * MIB);
    heap_now();
}
END_TEST

START_TEST(heap_that_shrank_serves_zeroes)
{
    for (int round = 0; round < 3; round++) {
        char *p = mp_alloc(70 * MIB), *q = mp_alloc(70 * MIB);

        ck_assert_ptr_nonnull(p);
        ck_assert_ptr_nonnull(q);
        for (size_t i = 0; i < 70 * MIB; i += 4096) {
            if (p[i] || q[i])
                ck_abort_msg("byte %zu is not zero", i);
            p[i] = q[i] = 1;
        }
        must(mp_free(round % 2 ? p : q));
        must(mp_free(round % 2 ? q : p));
    }
}
END_TEST

/* A request that cannot be served costs nothing. */
START_TEST(heap_impossible_request_is_refused_at_once)
{
    static const size_t gib[] = {800, 1023, 1024, 1 << 20};
    uint64_t use = heap_use(), pages = pages_of_region();
    size_t size = gib[_i] * 1024 * MIB;

    ck_assert_ptr_null(mp_alloc(size));
    kin_text(mp_last_error(), "out of memory", __LINE__);
    ck_assert_uint_eq(heap_use(), use);
    ck_assert_uint_le(pages_of_region(), pages + MIB);
    must(mp_free(mp_alloc(100)));
}
END_TEST

/* ---- A long run beside a model of it ---- */

enum { SLOTS = 400 };

struct shadow {
    unsigned char *p;
    size_t size;
    unsigned char byte;
};

static size_t
any_size(unsigned *seed)
{
    switch (rand_r(seed) % 10) {
    case 0:
        return (size_t)rand_r(seed) % 400000;
    case 1:
        return (size_t)rand_r(seed) % 70000;
    case 2:
    case 3:
        return (size_t)rand_r(seed) % 5000;
    default:
        return (size_t)rand_r(seed) % 300;
    }
}

static void
check_shadow(const struct shadow *s)
{
    if (s->size == 0)
        return;
    if (s->p[0] != s->byte || s->p[s->size / 2] != s->byte ||
        s->p[s->size - 1] != s->byte)
        ck_abort_msg("a block of %zu bytes has changed", s->size);
}

static void
replace(struct shadow *s, unsigned *seed)
{
    size_t size = any_size(seed), old = s->size;

    check_shadow(s);
    if (rand_r(seed) % 4 == 0) {
        s->p = mp_realloc(s->p, size);
        if (size > old)
            expect_bytes(s->p, 0, old, size);
        s->size = size < old ? size : old;
        check_shadow(
            &(struct shadow){s->p, s->size ? 1 : 0, s->size ? s->byte : 0});
    } else {
        must(mp_free(s->p));
        s->p = mp_alloc(size);
        if (s->p == NULL)
            ck_abort_msg("%s", mp_last_error());
        expect_bytes(s->p, 0, 0, size);
    }
    s->size = size;
    s->byte = (unsigned char)rand_r(seed);
    memset(s->p, s->byte, size);
}

static void
exercise(struct shadow *shadows, int n, unsigned *seed)
{
    while (n-- > 0)
        replace(&shadows[(unsigned)rand_r(seed) % SLOTS], seed);
}

static void
clear(struct shadow *shadows)
{
    for (int i = 0; i < SLOTS; i++) {
        check_shadow(&shadows[i]);
        must(mp_free(shadows[i].p));
        shadows[i] = (struct shadow){NULL, 0, 0};
    }
}

START_TEST(heap_random_run_agrees_with_its_model)
{
    static struct shadow shadows[SLOTS];
    unsigned seed = (unsigned)_i;
    uint64_t before = heap_use(), live;

    for (int round = 0; round < (mp_test_scale() > 1 ? 2 : 20); round++) {
        exercise(shadows, 1000, &seed);
        live = 0;
        for (int i = 0; i < SLOTS; i++)
            live += shadows[i].p != NULL;
        ck_assert_uint_eq(heap_use(), before + live);
    }
    clear(shadows);
    ck_assert_uint_eq(heap_use(), before);
}
END_TEST

/* ---- Several at once ---- */

static int
exercise_alone(void *arg, int i)
{
    struct shadow *shadows = calloc(SLOTS, sizeof(*shadows));
    unsigned seed = (unsigned)i + 100;

    (void)arg;
    exercise(shadows, mp_test_scale() > 1 ? 500 : 4000, &seed);
    clear(shadows);
    free(shadows);
    return 0;
}

START_TEST(heap_used_by_several_at_once)
{
    uint64_t before = heap_use();

    kin_run((enum kin_how)_i, 6, exercise_alone, NULL);
    ck_assert_uint_eq(heap_use(), before);
}
END_TEST

/* Blocks go round: each is freed by another one than it was made by. */
struct exchange {
    _Atomic(void *) places[64];
};

static int
swap_blocks(void *arg, int i)
{
    struct exchange *exchange = arg;
    unsigned seed = (unsigned)i;

    for (int n = 0; n < (mp_test_scale() > 1 ? 1000 : 20000); n++) {
        size_t size = any_size(&seed) + 16;
        uint64_t *p = mp_alloc(size);

        if (p == NULL || p[0] || p[1])
            ck_abort_msg("not zero, or no memory");
        p[0] = (uintptr_t)p;
        p[1] = size;
        p = mp__swap(&exchange->places[rand_r(&seed) % 64], p);
        if (p && p[0] != (uintptr_t)p)
            ck_abort_msg("it has changed");
        if (p && p[1] > mp__block_size(p))
            ck_abort_msg("it is smaller");
        must(mp_free(p));
    }
    return 0;
}

START_TEST(heap_block_is_freed_by_another)
{
    struct exchange *exchange = mp_new(struct exchange);
    uint64_t before = heap_use();

    kin_run((enum kin_how)_i, 4, swap_blocks, exchange);
    for (int i = 0; i < 64; i++)
        must(mp_free(exchange->places[i]));
    ck_assert_uint_eq(heap_use(), before);
    must(mp_free(exchange));
}
END_TEST

/* ---- Deaths ---- */

static int
swap_for_ever(void *arg, int i)
{
    for (;;)
        swap_blocks(arg, i);
    return 0;
}

/* Killed at any moment of alloc and free. What was in somebody's hand by our
 * program's lights is lost (at most two blocks each); the heap is not. */
START_TEST(heap_users_killed_at_any_moment)
{
    struct exchange *exchange = mp_new(struct exchange);
    uint64_t before = heap_use(), lost;
    int rounds = mp_test_scale() > 1 ? 5 : 20;

    srand(5);
    for (int round = 0; round < rounds; round++) {
        struct kin *kin = kin_start(PROCESSES, 3, swap_for_ever, exchange);

        for (int i = 0; i < 3; i++) {
            struct timespec pause = {.tv_nsec = rand() % 2000000};

            wait_until(mp__load(&kin->begun[i]), 20);
            nanosleep(&pause, NULL);
            kin_kill(kin, i);
        }
        kin_end(kin);
        heap_now();
    }
    for (int i = 0; i < 64; i++)
        must(mp_free(exchange->places[i]));
    lost = heap_use() - before;
    ck_assert_uint_le(lost, (unsigned)rounds * 3 * 2);
    must(mp_free(exchange));
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("heap");
    TCase *tcase = mp_test_case(suite, "blocks", 30);

    tcase_add_test(tcase, heap_blocks_of_every_size_are_zero_and_aligned);
    tcase_add_loop_test(tcase, heap_large_blocks, 0, 7);
    tcase_add_test(tcase, heap_many_blocks_do_not_overlap);
    tcase_add_test(tcase, heap_pointers_are_valid_in_every_process);
    tcase_add_test(tcase, heap_arrays);
    tcase_add_loop_test(tcase, heap_realloc_keeps_content_and_zeroes_the_rest,
                        0, 17);
    tcase_add_test(tcase, heap_realloc_of_nothing_is_alloc);
    tcase_add_test(tcase, heap_realloc_that_fails_changes_nothing);
    tcase = mp_test_case(suite, "mistakes", 30);
    tcase_add_test(tcase, G36_heap_pointer_that_is_no_block);
    tcase_add_test(tcase, heap_contains_only_its_region);
    tcase = mp_test_case(suite, "system", 30);
    tcase_add_test(tcase, heap_gives_memory_back_to_the_system);
    tcase_add_test(tcase, heap_that_shrank_serves_zeroes);
    tcase_add_loop_test(tcase, heap_impossible_request_is_refused_at_once, 0,
                        4);
    tcase = mp_test_case(suite, "random", 60);
    tcase_add_loop_test(tcase, heap_random_run_agrees_with_its_model, 1, 5);
    tcase_add_loop_test(tcase, heap_used_by_several_at_once, 0, 2);
    tcase_add_loop_test(tcase, heap_block_is_freed_by_another, 0, 2);
    tcase = mp_test_case(suite, "death", 60);
    tcase_add_test(tcase, heap_users_killed_at_any_moment);
    return mp_test_main(suite);
}
