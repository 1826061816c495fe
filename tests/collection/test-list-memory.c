/* SPDX-License-Identifier: MIT */
/* What lists take of the family's memory, and give back. */
#include "kit.h"

#include <stdlib.h>

#define MILLION (mp_test_scale() > 1 ? 50000 : 1000000)

static const char *const pad = "something that does not fit into a word";

static uint64_t
heap_bytes(void)
{
    struct mp__heap_report report = heap_now();

    return report.block_bytes + report.large_bytes;
}

/* Every way by which items may leave. */
static void
leave_one(mp_list *list, int way, int64_t i)
{
    switch (way) {
    case 0:
        must(mp_list_pop(list, -1, NULL));
        break;
    case 1:
        must(mp_list_remove(list, "q", i));
        break;
    default:
        must(mp_list_replace(list, -1, MP_LIST_END, value_of("[]")));
    }
}

START_TEST(list_of_a_million_grows_and_goes)
{
    int64_t n = MILLION, x;
    uint64_t before = heap_bytes();
    mp_list *list;

    must(mp_list_create(&list));
    for (int64_t i = 0; i < n; i++)
        if (_i == 0)
            must(mp_list_append(list, "q", i));
        else
            must(mp_list_append(list, "[q,s]", i, pad));
    ck_assert_int_eq(mp_list_len(list), n);
    for (int64_t i = 0; i < n; i += 997) {
        must(_i == 0 ? mp_list_get(list, i, "q", &x)
                     : mp_list_get(list, i, "[q,_]", &x));
        ck_assert_int_eq(x, i);
    }
    ck_assert_uint_ge(heap_bytes(), before + (uint64_t)n * 8);
    while (n > 100) {
        must(mp_list_pop(list, -1, NULL));
        n--;
    }
    ck_assert_uint_le(heap_bytes(), before + 100 * 1024);
    must(mp_list_destroy(list));
    ck_assert_uint_le(heap_bytes(), before);
}
END_TEST

START_TEST(list_of_a_million_is_sorted_and_cleared)
{
    int64_t n = MILLION;
    uint64_t before = heap_bytes(), full;
    mp_list *list;
    mp_any any;

    must(mp_list_create(&list));
    for (int64_t i = 0; i < n; i++)
        must(mp_list_append(list, "q", i * 7919 % n));
    must(mp_list_sort(list, 0));
    must(mp_list_sort(list, MP_LIST_DESCENDING));
    must(mp_list_reverse(list));
    ck_assert_int_eq(mp_list_index(list, "q", n - 1), n - 1);
    must(mp_list_slice(list, 0, MP_LIST_END, 1, &any));
    ck_assert_int_eq(mp_any_size(any), n);
    full = heap_bytes();
    ck_assert_uint_le(full, before + (uint64_t)n * 16);
    must(mp_list_extend(list, "v", any));
    ck_assert_int_eq(mp_list_len(list), 2 * n);
    must(mp_list_replace(list, 10, MP_LIST_END, value_of("[]")));
    mp_any_free(any);
    ck_assert_uint_le(heap_bytes(), before + 100 * 1024);
    list_is(list, "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]");
    must(mp_list_clear(list));
    ck_assert_uint_le(heap_bytes(), before);
    must(mp_list_destroy(list));
}
END_TEST

/* Up and down again and again, at any size: no more than is needed,
 * at most. */
START_TEST(list_gives_back_what_it_does_not_need)
{
    uint64_t before = heap_use(), bytes = heap_bytes();
    mp_list *list;

    must(mp_list_create(&list));
    for (int64_t most = 1; most < 100000; most = most * 3 + 1) {
        for (int64_t i = 0; i < most; i++)
            must(mp_list_append(list, "q", i));
        for (int64_t i = 0; i < most; i++)
            leave_one(list, most > 3000 ? 0 : _i, i);
        ck_assert_int_eq(mp_list_len(list), 0);
        ck_assert_uint_le(heap_bytes(), bytes + 512);
    }
    must(mp_list_destroy(list));
    ck_assert_uint_eq(heap_use(), before);
}
END_TEST

/* Values that came at once lie together, and go with the last of them. */
START_TEST(list_values_that_came_at_once_go_one_by_one)
{
    uint64_t before = heap_use();
    mp_any_writer w = MP_ANY_WRITER;
    mp_list *list;
    mp_any any = {0};

    mp_any_write_list(&w, 100);
    for (int i = 0; i < 100; i++)
        mp_any_write_string(&w, i % 3 ? pad : "short", SIZE_MAX);
    must(mp_any_end(&w, &any));
    must(mp_list_create(&list));
    must(mp_list_extend(list, "v", any));
    must(mp_list_extend(list, "v", any));
    for (int i = 0; i < 200; i++)
        if (i % 2)
            must(mp_list_pop(list, i % 4 ? 0 : -1, NULL));
        else
            must(mp_list_set(list, -1, "s", i % 5 ? pad : "x"));
    must(mp_list_replace(list, 5, 50, value_of("[s,s]", pad, "x")));
    must(mp_list_replace(list, 0, -1, value_of("[]")));
    must(mp_list_pop(list, 0, NULL));
    must(mp_list_destroy(list));
    ck_assert_uint_eq(heap_use(), before);
    mp_any_discard(&w);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("list-memory");
    TCase *tcase = mp_test_case(suite, "memory", 60);

    tcase_add_loop_test(tcase, list_of_a_million_grows_and_goes, 0, 2);
    tcase_add_test(tcase, list_of_a_million_is_sorted_and_cleared);
    tcase_add_loop_test(tcase, list_gives_back_what_it_does_not_need, 0, 3);
    tcase_add_test(tcase, list_values_that_came_at_once_go_one_by_one);
    return mp_test_main(suite);
}
