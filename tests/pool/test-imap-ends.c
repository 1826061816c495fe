/* SPDX-License-Identifier: MIT */
/* The end of iterators, of their pools, and of those who have them. */
#include "pool/maps.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <unistd.h>

/* Items that are counted, and wait. */
struct hold {
    struct gate gate;
    mp__a32 *begun;
};

static int
hold_at_gate(const void *item, void *result, void *ctx)
{
    struct hold *hold = ctx;
    pid_t pid = getpid();
    char c;

    mp__add(hold->begun, 1);
    if (mp_queue_put(hold->gate.begun, &pid, sizeof(pid), MP_FOREVER) < 0 ||
        mp_queue_get(hold->gate.pass, &c, 1, MP_FOREVER) < 0)
        return -EIO;
    return square_long(item, result, NULL);
}

START_TEST(abandoned_iterator_begins_nothing_more)
{
    struct hold hold = {gate_open(), mp_new(mp__a32)};
    struct source source = {.end = 1000};
    mp_pool *pool = pool_of(1);
    mp_imap *imap;
    pid_t pid, same;
    uint64_t before;
    long result;

    iterate_squares(pool, _i, 10, 16);
    await_workers(pool, 1, &pid);
    before = heap_use();
    imap = imap_of(
        _i, pool, hold_at_gate, &source, sizeof(long),
        MP_MAP_ATTR(.ctx = &hold, .ctx_size = sizeof(hold), .window = 16));
    ck_assert_int_eq(mp_imap_next(imap, &result, NULL, MP_NOW), -EAGAIN);
    gate_await(hold.gate);
    gate_let_go(hold.gate);
    ck_assert_int_eq(mp_imap_next(imap, &result, NULL, MP_FOREVER), 1);
    gate_await(hold.gate);
    must(mp_imap_free(imap)); /* one is running, others are queued */
    gate_let_go(hold.gate);
    await_workers(pool, 1, &same);
    ck_assert_int_eq(same, pid); /* which was not killed for it */
    ck_assert_uint_eq(mp__load(hold.begun), 2);
    ck_assert_uint_eq(heap_use(), before);
    iterate_squares(pool, _i, 100, 0);
    end_pool(pool);
    gate_close(hold.gate);
    must(mp_free((void *)hold.begun));
}
END_TEST

START_TEST(terminated_pool_ecanceled)
{
    struct hold hold = {gate_open(), mp_new(mp__a32)};
    struct source source = {.end = 1000};
    mp_pool *pool = pool_of(2);
    mp_imap *imap = imap_of(
        _i & 1, pool, hold_at_gate, &source, sizeof(long),
        MP_MAP_ATTR(.ctx = &hold, .ctx_size = sizeof(hold), .window = 6));
    int cancelled = 0, r;
    size_t index;
    long result;

    ck_assert_int_eq(mp_imap_next(imap, &result, NULL, MP_NOW), -EAGAIN);
    gate_await(hold.gate);
    must(mp_pool_terminate(pool));
    if (_i & 2)
        must(mp_pool_destroy(pool));
    while ((r = mp_imap_next(imap, &result, &index, MP_FOREVER)) < 0 &&
           index != SIZE_MAX) {
        ck_assert_int_eq(r, -ECANCELED);
        cancelled++;
    }
    ck_assert_int_eq(r, -ECANCELED); /* for what was not read */
    ck_assert_int_eq(cancelled, 6);
    ck_assert_int_eq(mp_imap_next(imap, &result, &index, MP_FOREVER), 0);
    if (_i & 4)
        must(mp_imap_free(imap));
    if (!(_i & 2))
        must(mp_pool_destroy(pool));
    if (!(_i & 4))
        must(mp_imap_free(imap));
    gate_close(hold.gate);
    must(mp_free((void *)hold.begun));
}
END_TEST

START_TEST(closed_pool_gives_what_was_read)
{
    struct source source = {.end = 1000};
    mp_pool *pool = pool_of(2);
    mp_imap *imap = imap_of(_i, pool, square_long, &source, sizeof(long),
                            MP_MAP_ATTR(.window = 5));
    int given = 1, r;
    size_t index;
    long result;

    ck_assert_int_eq(mp_imap_next(imap, &result, NULL, MP_FOREVER), 1);
    must(mp_pool_close(pool));
    while ((r = mp_imap_next(imap, &result, &index, MP_FOREVER)) == 1)
        given++;
    ck_assert_int_eq(r, -ESHUTDOWN);
    ck_assert_uint_eq(index, SIZE_MAX);
    ck_assert_int_eq(given, 5);
    must(mp_imap_free(imap));
    must(mp_pool_join(pool, MP_FOREVER));
    must(mp_pool_destroy(pool));
}
END_TEST

static int
use_parents_iterator(void *arg)
{
    long result;

    return mp_imap_next(arg, &result, NULL, MP_FOREVER) == -EBADF &&
                   mp_imap_free(arg) == -EBADF
               ? 0
               : 1;
}

START_TEST(child_has_no_iterators)
{
    struct source source = {.end = 10};
    mp_pool *pool = pool_of(1);
    mp_imap *imap =
        imap_of(_i, pool, square_long, &source, sizeof(long), NULL);
    long result;

    ck_assert_int_eq(mp_imap_next(imap, &result, NULL, MP_FOREVER), 1);
    expect_exit(child(use_parents_iterator, imap), 0);
    for (int i = 1; i < 10; i++)
        ck_assert_int_eq(mp_imap_next(imap, &result, NULL, MP_FOREVER), 1);
    must(mp_imap_free(imap));
    end_pool(pool);
}
END_TEST

/* Any process may have iterators; one that is killed leaves the pool whole,
 * and its inbox to the next. */
struct errand {
    mp_pool *pool;
    mp__a32 *sum;
    int kind, dies;
};

static int
sum_up(void *arg)
{
    struct errand *errand = arg;
    struct source source = {.end = 100};
    mp_imap *imap;
    long result;

    if (imap_kinds[errand->kind](errand->pool, square_long, read_number,
                                 &source, sizeof(long), sizeof(long), NULL,
                                 &imap) < 0)
        return 1;
    for (int i = 0; i < 100; i++) {
        if (i == 50 && errand->dies)
            raise(SIGKILL);
        if (mp_imap_next(imap, &result, NULL, MP_FOREVER) != 1)
            return 1;
        mp__add(errand->sum, (uint32_t)result);
    }
    return mp_imap_free(imap);
}

START_TEST(any_process_may_have_one)
{
    struct errand errand = {.sum = mp_new(mp__a32)};
    mp_process *process;
    int code;

    use_method(_i);
    errand.pool = pool_of(2);
    for (int i = 0; i < 8; i++) {
        errand.kind = i & 1;
        errand.dies = i >> 1 & 1;
        mp__store(errand.sum, 0);
        must(
            mp_process_start(&process, sum_up, &errand, sizeof(errand), NULL));
        must(mp_process_join(process, MP_FOREVER));
        must(mp_process_exitcode(process, &code));
        ck_assert_int_eq(code, errand.dies ? -SIGKILL : 0);
        if (!errand.dies)
            ck_assert_uint_eq(mp__load(errand.sum), 328350);
        must(mp_process_close(process));
    }
    end_pool(errand.pool);
    must(mp_free((void *)errand.sum));
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("imap-ends");
    TCase *tcase = pool_case(suite, "ends", 60);

    tcase_add_loop_test(tcase, abandoned_iterator_begins_nothing_more, 0, 2);
    tcase_add_loop_test(tcase, terminated_pool_ecanceled, 0, 8);
    tcase_add_loop_test(tcase, closed_pool_gives_what_was_read, 0, 2);
    tcase_add_loop_test(tcase, child_has_no_iterators, 0, 2);
    tcase_add_loop_test(tcase, any_process_may_have_one, MP_FORK,
                        MP_FORKSERVER + 1);
    return pool_main(suite);
}
