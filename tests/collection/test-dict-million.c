/* SPDX-License-Identifier: MIT */
/* Large dicts: a million entries come, are found, and go; and the memory goes
 * with them. Without a clear, without a destroy; and not only then: who sets
 * and deletes for ever needs no more than for what is there. */
#include "collection/dict-kit.h"

#include <errno.h>
#include <stdlib.h>

#define MILLION (mp_test_scale() > 1 ? 50000 : 1000000)
#define KIB     ((uint64_t)1024)

static uint64_t
bytes_in_use(void)
{
    struct mp__heap_report report = heap_now();

    return report.block_bytes + report.large_bytes;
}

/* Nothing is left, but a small table. */
static void
expect_small(uint64_t before)
{
    uint64_t now = bytes_in_use();

    ck_assert_msg(now <= before + 8 * KIB, "%llu bytes more",
                  (unsigned long long)(now - before));
}

static void
fill(mp_dict *dict, int how)
{
    for (int i = 0; i < MILLION; i += how ? 1000 : 1) {
        mp_any some;

        if (how == 0) {
            must(mp_dict_set(dict, "i", i, "i", i));
            continue;
        }
        some = dict_of(i, 1000);
        must(mp_dict_update(dict, some));
        mp_any_free(some);
    }
    ck_assert_int_eq(mp_dict_len(dict), MILLION);
}

START_TEST(million_entries_come_and_go)
{
    mp_dict *dict = dict_new();
    uint64_t before = bytes_in_use();
    int64_t x;

    fill(dict, _i);
    for (int i = 0; i < MILLION; i++) {
        must(mp_dict_get(dict, "i", i, "q", &x));
        ck_assert_int_eq(x, _i ? (int64_t)i * i : i);
        ck_assert_int_eq(mp_dict_has(dict, "i", -1 - i), 0);
    }
    ck_assert_uint_lt(bytes_in_use() - before, (uint64_t)MILLION * 120);
    for (int i = MILLION - 1; i >= 0; i--)
        must(mp_dict_delete(dict, "i", i));
    ck_assert_int_eq(mp_dict_len(dict), 0);
    expect_small(before);
    must(mp_dict_destroy(dict));
}
END_TEST

START_TEST(million_entries_are_cleared)
{
    mp_dict *dict = dict_new();
    uint64_t before = bytes_in_use();
    mp_any all;

    for (int i = 0; i < MILLION; i++)
        must(mp_dict_set(dict, "i", i, "d", i / 3.0));
    must(mp_dict_items(dict, &all));
    ck_assert_int_eq(mp_any_size(all), MILLION);
    ck_assert_int_eq(mp_dict_equal(dict, all), 1);
    must(mp_dict_clear(dict));
    ck_assert_uint_eq(bytes_in_use(), before);
    must(mp_dict_update(dict, all));
    ck_assert_int_eq(mp_dict_equal(dict, all), 1);
    mp_any_free(all);
    must(mp_dict_clear(dict));
    ck_assert_uint_eq(bytes_in_use(), before);
    must(mp_dict_destroy(dict));
}
END_TEST

/* From either end, as queues and stacks are used. */
START_TEST(million_entries_are_popped)
{
    mp_set *set = set_new();
    mp_dict *dict = dict_new();
    uint64_t before = bytes_in_use();
    mp_any all = list_of(0, (size_t)MILLION), key;
    int64_t x;

    must(mp_set_update(set, all));
    mp_any_free(all);
    for (int i = 0; i < MILLION; i++) {
        must(mp_set_pop(set, "q", &x));
        ck_assert_int_eq(x, i);
    }
    expect_small(before);
    fill(dict, 1);
    for (int i = MILLION - 1; i >= 0; i--) {
        must(mp_dict_popitem(dict, &key, NULL));
        must(mp_any_get_int(key, &x));
        ck_assert_int_eq(x, i);
        mp_any_free(key);
    }
    expect_small(before);
    must(mp_dict_destroy(dict));
    must(mp_set_destroy(set));
}
END_TEST

START_TEST(a_few_remain_of_many)
{
    mp_set *set = set_new();
    uint64_t before = bytes_in_use();
    mp_any all = list_of(0, (size_t)MILLION), few = list_of(MILLION - 5, 10);

    must(mp_set_update(set, all));
    must(mp_set_intersect(set, few));
    ck_assert_int_eq(mp_set_len(set), 5);
    expect_small(before);
    must(mp_set_update(set, all));
    must(mp_set_subtract(set, all));
    ck_assert_int_eq(mp_set_len(set), 0);
    expect_small(before);
    mp_any_free(all);
    mp_any_free(few);
    must(mp_set_destroy(set));
}
END_TEST

START_TEST(cycles_need_no_more_memory)
{
    enum { LIVE = 100 };
    mp_dict *dict = dict_new();
    uint64_t before = bytes_in_use();
    int how = _i;

    for (int i = 0; i < MILLION / 5; i++) {
        must(mp_dict_set(dict, "q", (int64_t)i << 33, "s", "a value of 20"));
        if (i < LIVE)
            continue;
        if (how == 0) {
            must(mp_dict_delete(dict, "q", (int64_t)(i - LIVE) << 33));
        } else {
            mp_any key;

            must(mp_dict_popitem(dict, &key, NULL));
            mp_any_free(key);
        }
        if (i % (MILLION / 50) == 0)
            ck_assert_uint_lt(bytes_in_use() - before, LIVE * 300 + 8 * KIB);
    }
    ck_assert_int_eq(mp_dict_len(dict), LIVE);
    must(mp_dict_destroy(dict));
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("dict-million");
    TCase *tcase = mp_test_case(suite, "million", 120);

    tcase_add_loop_test(tcase, million_entries_come_and_go, 0, 2);
    tcase_add_test(tcase, million_entries_are_cleared);
    tcase_add_test(tcase, million_entries_are_popped);
    tcase_add_test(tcase, a_few_remain_of_many);
    tcase_add_loop_test(tcase, cycles_need_no_more_memory, 0, 2);
    return mp_test_main(suite);
}
