/* SPDX-License-Identifier: MIT */
/* Lists when the family's memory is full: a step that finds none says -ENOMEM,
 * and has done nothing. The program makes its region small, and a ballast
 * fills it. */
#include "kit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MIB ((uint64_t)1 << 20)

static const char *const pad = "something that does not fit into a word";

static int
try_append(mp_list *list)
{
    return mp_list_append(list, "[s,s]", pad, pad);
}

static int
try_insert(mp_list *list)
{
    return mp_list_insert(list, 1, "[s,s]", pad, pad);
}

static int
try_set(mp_list *list)
{
    return mp_list_set(list, 1, "[s,s]", pad, pad);
}

static int
try_extend(mp_list *list)
{
    return mp_list_extend(list, "[s,s,i]", pad, pad, 1);
}

static int
try_replace(mp_list *list)
{
    return mp_list_replace(list, 1, 2, value_of("[s,s,s]", pad, "x", pad));
}

static int
try_add(mp_list *list)
{
    return mp_list_add_double(list, 0, 0.5, NULL);
}

static int
try_exchange(mp_list *list)
{
    int r = mp_list_compare_exchange(list, 0, value_of("i", 1),
                                     value_of("s", pad));

    return r == 1 ? 0 : r;
}

static int
try_sort(mp_list *list)
{
    return mp_list_sort(list, MP_LIST_DESCENDING);
}

static int (*const tries[])(mp_list *) = {
    try_append, try_insert,   try_set,  try_extend,      try_replace,
    try_add,    try_exchange, try_sort, mp_list_reverse,
};

static mp_list *
small_list(void)
{
    mp_list *list;

    must(mp_list_create(&list));
    for (int i = 0; i < 16; i++) /* what the first vector has room for */
        must(mp_list_append(list, "i", i + 1));
    return list;
}

START_TEST(list_without_memory_stays_as_it_was)
{
    int refused = 0, r;
    mp_list *list = small_list(), *untouched = small_list();
    mp_any before;

    must(mp_list_slice(list, 0, MP_LIST_END, 1, &before));
    fill_memory();
    while ((r = tries[_i](list)) != 0) {
        ck_assert_msg(r == -ENOMEM && strstr(mp_last_error(), "memory"),
                      "%s: %s", mp_strerror(r), mp_last_error());
        ck_assert_int_eq(mp_list_equal(list, before), 1);
        refused++;
        ck_assert(drop_ballast(1));
    }
    ck_assert_int_gt(refused, 0);
    ck_assert_int_eq(mp_list_equal(list, before), 0);
    while (drop_ballast(1000))
        ;
    mp_any_free(before);
    must(mp_list_destroy(list));
    must(mp_list_destroy(untouched));
    heap_now();
}
END_TEST

/* To take out, and to give back, needs no memory. */
START_TEST(list_is_emptied_without_memory)
{
    uint64_t before;
    mp_list *list, *other;
    int64_t sum;

    before = heap_use();
    list = small_list();
    other = small_list();
    for (int i = 0; i < 1000; i++)
        must(mp_list_append(list, "s", pad));
    fill_memory();
    must(mp_list_add_int(list, 0, 1, &sum));
    ck_assert_int_eq(sum, 2);
    must(mp_list_set(list, 0, "s", "short"));
    for (int i = 0; i < 1016; i++)
        must(mp_list_pop(list, i % 2 ? 0 : -1, NULL));
    must(mp_list_clear(other));
    must(mp_list_destroy(list));
    must(mp_list_destroy(other));
    while (drop_ballast(1000))
        ;
    ck_assert_uint_eq(heap_use(), before);
}
END_TEST

START_TEST(list_too_large_for_the_family_is_refused)
{
    mp_list *list = small_list();
    static char large[20 * MIB];
    mp_any_writer w = MP_ANY_WRITER;
    mp_any any;

    ck_assert_int_eq(mp_list_append(list, "S", large, sizeof(large)), -ENOMEM);
    ck_assert_int_eq(mp_list_set(list, 0, "y", large, sizeof(large)), -ENOMEM);
    mp_any_write_list(&w, 4 * MIB);
    for (uint64_t i = 0; i < 4 * MIB; i++)
        mp_any_write_nil(&w);
    must(mp_any_end(&w, &any));
    ck_assert_int_eq(mp_list_extend(list, "v", any), -ENOMEM);
    ck_assert_int_eq(mp_list_replace(list, 0, 5, any), -ENOMEM);
    mp_any_discard(&w);
    ck_assert_int_eq(mp_list_len(list), 16);
    must(mp_list_destroy(list));
    heap_now();
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("list-no-memory");
    TCase *tcase = mp_test_case(suite, "full", 60);

    setenv("MPROC_REGION_SIZE", "16M", 1);
    tcase_add_loop_test(tcase, list_without_memory_stays_as_it_was, 0,
                        LENGTH(tries));
    tcase_add_test(tcase, list_is_emptied_without_memory);
    tcase_add_test(tcase, list_too_large_for_the_family_is_refused);
    return mp_test_main(suite);
}
