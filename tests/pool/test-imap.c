/* SPDX-License-Identifier: MIT */
/* Maps over what is read as it goes. */
#include "pool/maps.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- Results ---- */

START_TEST(squares_of_any_number_of_items)
{
    mp_pool *pool;

    use_method(_i);
    pool = pool_of(3);
    for (int kind = 0; kind < 2; kind++) {
        iterate_squares(pool, kind, 0, 0);
        iterate_squares(pool, kind, 1, 0);
        iterate_squares(pool, kind, 10, 1);
        iterate_squares(pool, kind, 1000, 7);
        iterate_squares(pool, kind, 1000, 5000);
    }
    end_pool(pool);
}
END_TEST

START_TEST(imap_leaves_no_memory)
{
    mp_pool *pool = pool_of(2);
    pid_t pids[2];
    uint64_t before;

    iterate_squares(pool, 0, 100, 0);
    iterate_squares(pool, 1, 100, 0); /* its inbox stays with the pool */
    await_workers(pool, 2, pids);
    before = heap_use();
    for (int i = 0; i < 20; i++)
        iterate_squares(pool, i & 1, 100, 0);
    await_workers(pool, 2, pids);
    ck_assert_uint_eq(heap_use(), before);
    end_pool(pool);
}
END_TEST

START_TEST(G30_reading_is_never_more_than_the_window_ahead)
{
    struct source source = {.end = 1000};
    mp_pool *pool = pool_of(2);
    mp_imap *imap = imap_of(_i, pool, square_long, &source, sizeof(long),
                            MP_MAP_ATTR(.window = 5));
    long result;

    ck_assert_int_eq(source.read, 0); /* nobody has asked yet */
    for (long given = 1; given <= 1000; given++) {
        must(mp_imap_next(imap, &result, NULL, MP_FOREVER));
        ck_assert_int_le(source.read - given, 5);
    }
    must(mp_imap_free(imap));
    end_pool(pool);
}
END_TEST

/* Items and results of any size, and a context beside them. */
struct large {
    long number;
    char bytes[5000];
};

static int
read_large(void *item, void *arg)
{
    struct source *source = arg;
    struct large *large = item;

    if (source->next == source->end)
        return 0;
    large->number = source->next++;
    memset(large->bytes, (int)large->number, sizeof(large->bytes));
    return 1;
}

static int
add_context(const void *item, void *result, void *ctx)
{
    const struct large *large = item;
    struct large *sum = result;

    if ((uintptr_t)item % 16 || (uintptr_t)ctx % 8)
        return -EFAULT;
    sum->number = large->number + *(long *)ctx;
    for (size_t i = 0; i < sizeof(sum->bytes); i++)
        sum->bytes[i] = (char)(large->bytes[i] + 1);
    return 0;
}

START_TEST(large_items_and_a_context)
{
    struct source source = {.end = 100};
    long own = 1000, *shared = mp_new(long);
    mp_pool *pool = pool_of(2);
    struct large result;
    mp_imap *imap;
    size_t index;

    *shared = 1000;
    must(imap_kinds[_i & 1](
        pool, add_context, read_large, &source, sizeof(struct large),
        sizeof(struct large),
        _i & 2 ? MP_MAP_ATTR(.ctx = shared)
               : MP_MAP_ATTR(.ctx = &own, .ctx_size = sizeof(own)),
        &imap));
    own = 0;
    for (int i = 0; i < 100; i++) {
        ck_assert_int_eq(mp_imap_next(imap, &result, &index, MP_FOREVER), 1);
        ck_assert_int_eq(result.number, (long)index + 1000);
        ck_assert_int_eq(result.bytes[4999], (int)index + 1);
    }
    ck_assert_int_eq(mp_imap_next(imap, &result, &index, MP_FOREVER), 0);
    must(mp_imap_free(imap));
    end_pool(pool);
    must(mp_free(shared));
}
END_TEST

START_TEST(several_at_once)
{
    enum { EACH = 300 };
    struct source sources[4];
    mp_imap *imaps[4];
    long sums[4] = {0}, result;
    mp_pool *pool = pool_of(2);

    for (int i = 0; i < 4; i++) {
        sources[i] = (struct source){.end = EACH};
        imaps[i] =
            imap_of(i & 1, pool, square_long, &sources[i], sizeof(long), NULL);
    }
    for (int k = 0; k < EACH; k++)
        for (int i = 0; i < 4; i++) {
            ck_assert_int_eq(mp_imap_next(imaps[i], &result, NULL, MP_FOREVER),
                             1);
            sums[i] += result;
        }
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(sums[i],
                         (long)(EACH - 1) * EACH * (2 * EACH - 1) / 6);
        ck_assert_int_eq(mp_imap_next(imaps[i], &result, NULL, MP_FOREVER), 0);
        must(mp_imap_free(imaps[i]));
    }
    end_pool(pool);
}
END_TEST

/* ---- Order and time ---- */

/* Item 0 waits at the gate. */
static int
hold_first(const void *item, void *result, void *ctx)
{
    struct gate *gate = ctx;
    pid_t pid = getpid();
    char c;

    if (*(const long *)item == 0 &&
        (mp_queue_put(gate->begun, &pid, sizeof(pid), MP_FOREVER) < 0 ||
         mp_queue_get(gate->pass, &c, 1, MP_FOREVER) < 0))
        return -EIO;
    return square_long(item, result, NULL);
}

START_TEST(unordered_does_not_wait_for_the_slow_one)
{
    enum { ITEMS = 200 };
    struct gate gate = gate_open();
    struct source source = {.end = ITEMS};
    mp_pool *pool = pool_of(2);
    mp_imap *imap = imap_of(
        1, pool, hold_first, &source, sizeof(long),
        MP_MAP_ATTR(.ctx = &gate, .ctx_size = sizeof(gate), .window = 4));
    char seen[ITEMS] = {0};
    size_t index;
    long result;

    for (int i = 1; i < ITEMS; i++) { /* and reading goes on */
        ck_assert_int_eq(mp_imap_next(imap, &result, &index, MP_FOREVER), 1);
        ck_assert_int_ne(index, 0);
        ck_assert_int_eq(seen[index]++, 0);
    }
    ck_assert_int_eq(mp_imap_next(imap, &result, &index, MP_NOW), -EAGAIN);
    ck_assert_int_eq(mp_imap_next(imap, &result, &index, mp_timeout(0.02)),
                     -ETIMEDOUT);
    ck_assert_uint_eq(index, SIZE_MAX);
    gate_let_go(gate);
    ck_assert_int_eq(mp_imap_next(imap, &result, &index, MP_FOREVER), 1);
    ck_assert_uint_eq(index, 0);
    ck_assert_int_eq(mp_imap_next(imap, &result, &index, MP_FOREVER), 0);
    must(mp_imap_free(imap));
    end_pool(pool);
    gate_close(gate);
}
END_TEST

START_TEST(ordered_waits_for_the_slow_one)
{
    struct gate gate = gate_open();
    struct source source = {.end = 200};
    mp_pool *pool = pool_of(2);
    mp_imap *imap =
        imap_of(0, pool, hold_first, &source, sizeof(long),
                MP_MAP_ATTR(.ctx = &gate, .ctx_size = sizeof(gate)));
    size_t index = 7;
    long result;

    ck_assert_int_eq(mp_imap_next(imap, &result, &index, MP_NOW), -EAGAIN);
    ck_assert_uint_eq(index, SIZE_MAX);
    ck_assert_int_eq(source.read, 64); /* 32 for each worker */
    ck_assert_int_eq(mp_imap_next(imap, &result, &index, mp_timeout(0.02)),
                     -ETIMEDOUT);
    ck_assert_int_eq(source.read, 64);
    gate_let_go(gate);
    expect_all_squares(imap, 200, 1);
    must(mp_imap_free(imap));
    end_pool(pool);
    gate_close(gate);
}
END_TEST

static int
take_a_while(const void *item, void *result, void *ctx)
{
    usleep(1000);
    return square_long(item, result, ctx);
}

START_TEST(interrupted_eintr_and_goes_on)
{
    struct source source = {.end = 100};
    mp_pool *pool = pool_of(1);
    mp_imap *imap =
        imap_of(_i, pool, take_a_while, &source, sizeof(long), NULL);
    struct interruption *interruption = interrupt_me();
    int interrupted = 0;
    size_t index;
    long result;

    for (int given = 0; given < 100;) {
        int r = mp_imap_next(imap, &result, &index, MP_FOREVER);

        if (r == -EINTR) {
            interrupted++;
            ck_assert_uint_eq(index, SIZE_MAX);
        } else {
            ck_assert_int_eq(r, 1);
            ck_assert_uint_eq(index, (size_t)given++);
        }
    }
    interrupt_end(interruption);
    ck_assert_int_gt(interrupted, 0);
    must(mp_imap_free(imap));
    end_pool(pool);
}
END_TEST

/* ---- Failures ---- */

/* Every third fails, every seventh kills its worker. */
static int
have_trouble(const void *item, void *result, void *ctx)
{
    long number = *(const long *)item;

    if (number % 7 == 3)
        raise(SIGKILL);
    return number % 3 == 1 ? -ERANGE : square_long(item, result, ctx);
}

START_TEST(failed_items_are_told_and_it_goes_on)
{
    enum { ITEMS = 40 };
    struct source source = {.end = ITEMS};
    char seen[ITEMS] = {0}, text[40];
    mp_pool *pool = pool_of(2);
    mp_imap *imap =
        imap_of(_i, pool, have_trouble, &source, sizeof(long), NULL);
    size_t index;
    long result;

    for (int i = 0; i < ITEMS; i++) {
        int r = mp_imap_next(imap, &result, &index, MP_FOREVER);

        ck_assert_uint_lt(index, ITEMS);
        ck_assert_int_eq(seen[index]++, 0);
        ck_assert_int_eq(r, index % 7 == 3   ? -ESRCH
                            : index % 3 == 1 ? -ERANGE
                                             : 1);
        snprintf(text, sizeof(text), "item %zu failed: ", index);
        if (r < 0)
            expect_text(text);
        if (r == -ESRCH)
            expect_text("killed by signal 9");
    }
    ck_assert_int_eq(mp_imap_next(imap, &result, &index, MP_FOREVER), 0);
    must(mp_imap_free(imap));
    end_pool(pool);
}
END_TEST

static int
die_at_first(const void *item, void *result, void *ctx)
{
    mp__a32 *times = ctx;

    if (mp__add(&times[*(const long *)item], 1) == 0)
        raise(SIGKILL);
    return square_long(item, result, NULL);
}

START_TEST(items_are_tried_again)
{
    struct source source = {.end = 20};
    mp__a32 *times = mp_new_array(mp__a32, 20);
    mp_pool *pool = pool_of(2);
    mp_imap *imap = imap_of(_i, pool, die_at_first, &source, sizeof(long),
                            MP_MAP_ATTR(.ctx = (void *)times, .retries = 1));

    expect_all_squares(imap, 20, _i == 0);
    for (int i = 0; i < 20; i++)
        ck_assert_uint_eq(mp__load(&times[i]), 2);
    must(mp_imap_free(imap));
    end_pool(pool);
    must(mp_free((void *)times));
}
END_TEST

static int
stay_at_second(const void *item, void *result, void *ctx)
{
    while (*(const long *)item == 1)
        pause();
    return square_long(item, result, ctx);
}

START_TEST(slow_item_is_killed_for_its_timeout)
{
    struct source source = {.end = 3};
    mp_pool *pool = pool_of(1);
    mp_imap *imap = imap_of(_i, pool, stay_at_second, &source, sizeof(long),
                            MP_MAP_ATTR(.timeout = 1));
    size_t index;
    long result;

    for (size_t i = 0; i < 3; i++) {
        ck_assert_int_eq(mp_imap_next(imap, &result, &index, MP_FOREVER),
                         i == 1 ? -ETIMEDOUT : 1);
        ck_assert_uint_eq(index, i);
    }
    must(mp_imap_free(imap));
    end_pool(pool);
}
END_TEST

START_TEST(reading_fails_behind_the_results)
{
    struct source source = {.end = 3, .failure = -EBADMSG};
    mp_pool *pool = pool_of(2);
    mp_imap *imap =
        imap_of(_i, pool, square_long, &source, sizeof(long), NULL);
    size_t index;
    long result;

    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(mp_imap_next(imap, &result, &index, MP_FOREVER), 1);
    ck_assert_int_eq(mp_imap_next(imap, &result, &index, MP_FOREVER),
                     -EBADMSG);
    ck_assert_uint_eq(index, SIZE_MAX);
    expect_text("reading");
    ck_assert_int_eq(mp_imap_next(imap, &result, &index, MP_FOREVER), 0);
    must(mp_imap_free(imap));
    end_pool(pool);
}
END_TEST

static const char *
no_function_of_ours(void)
{
    static char data[64];

    return data;
}

START_TEST(bad_arguments_einval)
{
    struct source source = {.end = 3};
    mp_pool *pool = pool_of(1);
    int32_t codes[3];
    mp_imap *imap = NULL;
    long result;

    for (int kind = 0; kind < 2; kind++) {
        ck_assert_int_eq(imap_kinds[kind]((mp_pool *)codes, square_long,
                                          read_number, &source, 8, 8, NULL,
                                          &imap),
                         -EBADF);
        ck_assert_int_eq(imap_kinds[kind](pool, NULL, read_number, &source, 8,
                                          8, NULL, &imap),
                         -EINVAL);
        ck_assert_int_eq(imap_kinds[kind](pool, square_long, NULL, &source, 8,
                                          8, NULL, &imap),
                         -EINVAL);
        expect_text("next is NULL");
        ck_assert_int_eq(imap_kinds[kind](pool, square_long, read_number,
                                          &source, 8, 8,
                                          MP_MAP_ATTR(.codes = codes), &imap),
                         -EINVAL);
        ck_assert_int_eq(imap_kinds[kind](pool, square_long, read_number,
                                          &source, 8, 8,
                                          MP_MAP_ATTR(.chunk = 2), &imap),
                         -EINVAL);
        ck_assert_int_eq(
            imap_kinds[kind](pool, square_long, read_number, &source, 8, 8,
                             MP_MAP_ATTR(.window = SIZE_MAX), &imap),
            -EINVAL);
        ck_assert_int_eq(imap_kinds[kind](pool, square_long, read_number,
                                          &source, SIZE_MAX / 2, 8, NULL,
                                          &imap),
                         -EINVAL);
        ck_assert_int_eq(
            imap_kinds[kind](pool, (mp_map_fn)(uintptr_t)no_function_of_ours(),
                             read_number, &source, 8, 8, NULL, &imap),
            -EINVAL);
    }
    ck_assert_ptr_null(imap);
    imap = imap_of(0, pool, square_long, &source, 8, NULL);
    ck_assert_int_eq(mp_imap_next(imap, NULL, NULL, MP_FOREVER), -EINVAL);
    must(mp_imap_free(imap));
    ck_assert_int_eq(mp_imap_next(imap, &result, NULL, MP_FOREVER), -EBADF);
    ck_assert_int_eq(mp_imap_free(imap), -EBADF);
    must(mp_imap_free(NULL));
    end_pool(pool);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("imap");
    TCase *tcase = pool_case(suite, "results", 60);

    tcase_add_loop_test(tcase, squares_of_any_number_of_items, MP_FORK,
                        MP_FORKSERVER + 1);
    tcase_add_test(tcase, imap_leaves_no_memory);
    tcase_add_loop_test(tcase, G30_reading_is_never_more_than_the_window_ahead,
                        0, 2);
    tcase_add_loop_test(tcase, large_items_and_a_context, 0, 4);
    tcase_add_test(tcase, several_at_once);

    tcase = pool_case(suite, "time", 60);
    tcase_add_test(tcase, unordered_does_not_wait_for_the_slow_one);
    tcase_add_test(tcase, ordered_waits_for_the_slow_one);
    tcase_add_loop_test(tcase, interrupted_eintr_and_goes_on, 0, 2);

    tcase = pool_case(suite, "failures", 60);
    tcase_add_loop_test(tcase, failed_items_are_told_and_it_goes_on, 0, 2);
    tcase_add_loop_test(tcase, items_are_tried_again, 0, 2);
    tcase_add_loop_test(tcase, slow_item_is_killed_for_its_timeout, 0, 2);
    tcase_add_loop_test(tcase, reading_fails_behind_the_results, 0, 2);
    tcase_add_test(tcase, bad_arguments_einval);

    return pool_main(suite);
}
