/* SPDX-License-Identifier: MIT */
/* mp_dict in one process: what each function gives. */
#include "collection/dict-kit.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- Entries ---- */

START_TEST(dict_gives_what_was_set_last)
{
    mp_dict *dict = dict_new();
    char *text;
    double d;
    int i;

    must(mp_dict_set(dict, "s", "answer", "[i,d]", 42, 0.5));
    must(mp_dict_get(dict, "s", "answer", "[i,d]", &i, &d));
    ck_assert_int_eq(i, 42);
    ck_assert(d == 0.5);
    must(mp_dict_set(dict, "i", 7, "s", "a text that is not so short"));
    must(mp_dict_set(dict, "n", "b", 1));
    must(mp_dict_set(dict, "s", "answer", "s", "replaced"));
    expect_dict(dict, "{'answer': 'replaced', 7: 'a text that is not so "
                      "short', None: True}");
    must(mp_dict_get(dict, "i", 7, "s", &text));
    ck_assert_str_eq(text, "a text that is not so short");
    free(text);
    ck_assert_int_eq(mp_dict_len(dict), 3);
    ck_assert_int_eq(mp_dict_has(dict, "n"), 1);
    ck_assert_int_eq(mp_dict_has(dict, "s", "n"), 0);
    must(mp_dict_destroy(dict));
}
END_TEST

START_TEST(dict_keeps_the_order_of_the_keys)
{
    mp_dict *dict = dict_new();

    for (int i = 5; i > 0; i--)
        must(mp_dict_set(dict, "i", i, "n"));
    must(mp_dict_delete(dict, "i", 4));
    must(mp_dict_set(dict, "i", 3, "i", 0)); /* stays in its place */
    must(mp_dict_set(dict, "i", 4, "i", 0)); /* comes again, last */
    expect_dict(dict, "{5: None, 3: 0, 2: None, 1: None, 4: 0}");
    for (int i = 10; i < 100; i++)
        must(mp_dict_set(dict, "i", i, "n"));
    for (int i = 10; i < 100; i++)
        must(mp_dict_delete(dict, "i", i));
    expect_dict(dict, "{5: None, 3: 0, 2: None, 1: None, 4: 0}");
    must(mp_dict_destroy(dict));
}
END_TEST

START_TEST(dict_without_the_key_says_so)
{
    mp_dict *dict = dict_new();
    int x = 5;

    for (int n = 0; n < 2; n++) {
        must_fail(mp_dict_get(dict, "s", "a", "i", &x), -ENOENT,
                  "mp_dict_get: the dict has no such key");
        must_fail(mp_dict_pop(dict, "s", "a", "i", &x), -ENOENT, "pop");
        must_fail(mp_dict_delete(dict, "s", "a"), -ENOENT, "delete");
        ck_assert_int_eq(mp_dict_has(dict, "s", "a"), 0);
        must(mp_dict_set(dict, "s", "b", "i", 1));
    }
    ck_assert_int_eq(x, 5);
    must(mp_dict_destroy(dict));
}
END_TEST

START_TEST(dict_pop_that_does_not_fit_leaves_the_entry)
{
    mp_dict *dict = dict_new();
    double d;
    int x;

    must(mp_dict_set(dict, "s", "a", "[i,d]", 1, 2.5));
    must_fail(mp_dict_pop(dict, "s", "a", "i", &x), -EINVAL, "mp_dict_pop");
    must_fail(mp_dict_pop(dict, "s", "a", "[i,i]", &x, &x), -EINVAL, "item 1");
    ck_assert_int_eq(mp_dict_len(dict), 1);
    must(mp_dict_pop(dict, "s", "a", "[i,d]", &x, &d));
    ck_assert_int_eq(mp_dict_len(dict), 0);
    must(mp_dict_set(dict, "s", "a", "i", 1));
    must(mp_dict_pop(dict, "s", "a", NULL));
    expect_dict(dict, "{}");
    must(mp_dict_destroy(dict));
}
END_TEST

START_TEST(dict_setdefault_leaves_what_is_there)
{
    mp_dict *dict = dict_new();
    mp_any key = value_of("s", "a long key of a dict");
    mp_any value = value_of("[i,s]", 1, "and a long value"),
           other = value_of("n");
    mp_any there;

    ck_assert_int_eq(mp_dict_setdefault(dict, "s", "a", "i", 1), 1);
    ck_assert_int_eq(mp_dict_setdefault(dict, "s", "a", "s", "a long value"),
                     0);
    expect_dict(dict, "{'a': 1}");
    must(mp_dict_clear(dict));
    ck_assert_int_eq(mp_dict_setdefault_any(dict, key, value, &there), 1);
    expect_any(there, "[1, 'and a long value']");
    mp_any_free(there);
    ck_assert_int_eq(mp_dict_setdefault_any(dict, key, other, &there), 0);
    expect_any(there, "[1, 'and a long value']");
    mp_any_free(there);
    mp_any_free(key);
    mp_any_free(value);
    mp_any_free(other);
    must(mp_dict_destroy(dict));
}
END_TEST

START_TEST(dict_exchanges_what_was_expected)
{
    mp_dict *dict = dict_new();
    mp_any key = value_of("s", "k"), one = value_of("i", 1),
           real = value_of("d", 1.),
           text = value_of("s", "a text that is long enough"),
           none = {NULL, 0};

    ck_assert_int_eq(mp_dict_compare_exchange(dict, key, one, text), 0);
    expect_dict(dict, "{}");
    ck_assert_int_eq(mp_dict_compare_exchange(dict, key, none, one), 1);
    ck_assert_int_eq(mp_dict_compare_exchange(dict, key, none, text), 0);
    expect_dict(dict, "{'k': 1}");
    ck_assert_int_eq(mp_dict_compare_exchange(dict, key, text, none), 0);
    ck_assert_int_eq(mp_dict_compare_exchange(dict, key, real, text), 1);
    expect_dict(dict, "{'k': 'a text that is long enough'}");
    ck_assert_int_eq(mp_dict_compare_exchange(dict, key, text, none), 1);
    ck_assert_int_eq(mp_dict_compare_exchange(dict, key, none, none), 1);
    expect_dict(dict, "{}");
    mp_any_free(key);
    mp_any_free(one);
    mp_any_free(real);
    mp_any_free(text);
    must(mp_dict_destroy(dict));
}
END_TEST

START_TEST(dict_popitem_takes_the_last)
{
    mp_dict *dict = dict_new();
    mp_any key, value;

    must_fail(mp_dict_popitem(dict, &key, &value), -ENOENT, "empty");
    for (int i = 0; i < 1000; i++)
        must(mp_dict_set(dict, "i", i, "i", i * i));
    must(mp_dict_delete(dict, "i", 998));
    for (int i = 999; i >= 0; i -= i == 999 ? 2 : 1) {
        int64_t k, v = 0;

        must(mp_dict_popitem(dict, &key, i % 2 ? &value : NULL));
        must(mp_any_get_int(key, &k));
        ck_assert_int_eq(k, i);
        mp_any_free(key);
        if (i % 2 == 0)
            continue;
        must(mp_any_get_int(value, &v));
        ck_assert_int_eq(v, i * i);
        mp_any_free(value);
    }
    must_fail(mp_dict_popitem(dict, &key, &value), -ENOENT, "empty");
    must(mp_dict_destroy(dict));
}
END_TEST

/* ---- Keys ---- */

static const unsigned char short_as_long[] = {0xd9, 2, 'a', 'b'},
                           five_as_64[] = {0xd3, 0, 0, 0, 0, 0, 0, 0, 5},
                           five_as_float[] = {0xca, 0x40, 0xa0, 0, 0};

START_TEST(keys_are_the_same_as_in_python)
{
    mp_dict *dict = dict_new();
    mp_any ab = {short_as_long, sizeof(short_as_long)};
    mp_any five = {five_as_64, sizeof(five_as_64)};
    mp_any real = {five_as_float, sizeof(five_as_float)};

    must(mp_dict_set(dict, "i", 1, "s", "one"));
    must(mp_dict_set(dict, "d", 1.0, "s", "1.0"));
    must(mp_dict_set(dict, "b", 1, "s", "True"));
    must(mp_dict_set(dict, "d", -0.0, "s", "-0.0"));
    must(mp_dict_set(dict, "i", 0, "s", "zero"));
    must(mp_dict_set(dict, "b", 0, "s", "False"));
    must(mp_dict_set(dict, "s", "ab", "i", 0));
    must(mp_dict_set(dict, "v", ab, "i", 1));
    must(mp_dict_set(dict, "y", "ab", (size_t)2, "i", 2));
    must(mp_dict_set(dict, "i", 5, "i", 0));
    must(mp_dict_set(dict, "v", five, "i", 1));
    must(mp_dict_set(dict, "v", real, "i", 2));
    must(mp_dict_set(dict, "Q", UINT64_C(1) << 63, "i", 0));
    must(mp_dict_set(dict, "d", 0x1p63, "i", 1));
    must(mp_dict_set(dict, "q", INT64_MIN, "i", 2));
    must(mp_dict_set(dict, "d", -0x1p63, "i", 3));
    must(mp_dict_set(dict, "q", (int64_t)-1, "i", 4));
    must(mp_dict_set(dict, "Q", UINT64_MAX, "i", 5));
    must(mp_dict_set(dict, "d", (double)INFINITY, "i", 6));
    must(mp_dict_set(dict, "s", "", "i", 7));
    must(mp_dict_set(dict, "y", "", (size_t)0, "i", 8));
    expect_dict(dict,
                "{1: 'True', -0.0: 'False', 'ab': 1, b'ab': 2, 5: 2, "
                "9223372036854775808: 1, -9223372036854775808: 3, -1: 4, "
                "18446744073709551615: 5, inf: 6, '': 7, b'': 8}");
    must(mp_dict_destroy(dict));
}
END_TEST

static int
set_key(mp_dict *dict, mp_any key)
{
    static const unsigned char nil = 0xc0;

    return mp_dict_set_any(dict, key, (mp_any){&nil, 1});
}

START_TEST(lists_dicts_and_nan_are_no_keys)
{
    mp_dict *dict = dict_new();
    mp_any out, bad = value_of("{s:i,[i]:i}", "a", 1, 2, 3);

    must_fail(mp_dict_set(dict, "[i]", 1, "i", 1), -EINVAL, "list is no key");
    must_fail(mp_dict_get(dict, "{}", "i", &out), -EINVAL, "dict is no key");
    must_fail(mp_dict_has(dict, "[]"), -EINVAL, "mp_dict_has");
    must_fail(mp_dict_delete(dict, "d", (double)NAN), -EINVAL, "NaN");
    must_fail(mp_dict_add_int(dict, 1, NULL, "[]"), -EINVAL, "add_int");
    must_fail(mp_dict_update(dict, bad), -EINVAL, "list is no key");
    must_fail(mp_dict_update(dict, (mp_any){"\x91\x01", 2}), -EINVAL, "dict");
    must_fail(set_key(dict, (mp_any){NULL, 0}), -EPROTO, "not a value");
    must_fail(set_key(dict, (mp_any){NULL, 5}), -EPROTO, "not a value");
    must_fail(set_key(dict, (mp_any){"\xc1", 1}), -EPROTO, "not a value");
    must_fail(set_key(dict, (mp_any){"\xa5xx", 3}), -EPROTO, "not a value");
    must_fail(set_key(dict, (mp_any){"\x01\x02", 2}), -EPROTO, "follow");
    ck_assert_int_eq(mp_dict_len(dict), 0);
    mp_any_free(bad);
    must(mp_dict_destroy(dict));
}
END_TEST

/* ---- Values ---- */

START_TEST(dict_adds_to_numbers)
{
    mp_dict *dict = dict_new();
    int64_t n = 0;
    double x = 0;

    must(mp_dict_add_int(dict, 5, &n, "s", "n"));
    must(mp_dict_add_int(dict, -7, NULL, "s", "n"));
    must(mp_dict_add_int(dict, 0, &n, "s", "n"));
    ck_assert_int_eq(n, -2);
    must(mp_dict_add_double(dict, 0.5, &x, "s", "x"));
    must(mp_dict_add_double(dict, 0.25, &x, "s", "x"));
    ck_assert(x == 0.75);
    must(mp_dict_add_double(dict, 0.5, &x, "s", "n"));
    ck_assert(x == -1.5);
    must_fail(mp_dict_add_int(dict, 1, &n, "s", "n"), -EINVAL, "");
    must(mp_dict_add_int(dict, 1, NULL, "s", "n"));
    must(mp_dict_set(dict, "s", "b", "b", 1));
    must(mp_dict_add_int(dict, 1, &n, "s", "b"));
    ck_assert_int_eq(n, 2);
    must(mp_dict_set(dict, "s", "q", "q", INT64_MAX));
    must_fail(mp_dict_add_int(dict, INT64_MAX, &n, "s", "q"), -ERANGE, "");
    must(mp_dict_add_int(dict, 1, NULL, "s", "q"));
    must(mp_dict_add_int(dict, INT64_MIN, &n, "s", "q"));
    ck_assert_int_eq(n, 0);
    must(mp_dict_set(dict, "s", "s", "s", "a text"));
    must_fail(mp_dict_add_int(dict, 1, NULL, "s", "s"), -EINVAL, "number");
    must_fail(mp_dict_add_double(dict, 1, NULL, "s", "s"), -EINVAL, "number");
    expect_dict(dict, "{'n': -0.5, 'x': 0.75, 'b': 2, 'q': 0, 's': 'a text'}");
    must(mp_dict_destroy(dict));
}
END_TEST

/* ---- The whole ---- */

static const unsigned char comes_twice[] = {0x83, 1, 10, 2, 20, 1, 30};

START_TEST(dict_update_sets_all)
{
    mp_dict *dict = dict_new();
    mp_any some = value_of("{s:i,s:s,s:[i]}", "a", 1, "a key of some length",
                           "and a value of some length", "c", 3);
    mp_any more = value_of("{s:n,s:s}", "a key of some length", "d", "new");
    mp_any twice = {comes_twice, sizeof(comes_twice)};

    must(mp_dict_update(dict, (mp_any){"\x80", 1}));
    expect_dict(dict, "{}");
    must(mp_dict_set(dict, "s", "c", "i", 0));
    must(mp_dict_update(dict, some));
    expect_dict(dict,
                "{'c': [3], 'a': 1, 'a key of some length': 'and a value "
                "of some length'}");
    must(mp_dict_update(dict, more));
    must(mp_dict_update(dict, twice));
    expect_dict(dict, "{'c': [3], 'a': 1, 'a key of some length': None, "
                      "'d': 'new', 1: 30, 2: 20}");
    must(mp_dict_update(dict, twice));
    ck_assert_int_eq(mp_dict_len(dict), 6);
    must(mp_dict_clear(dict));
    must(mp_dict_clear(dict));
    expect_dict(dict, "{}");
    mp_any_free(some);
    mp_any_free(more);
    must(mp_dict_destroy(dict));
}
END_TEST

START_TEST(dict_as_one_value)
{
    mp_dict *dict = dict_new();
    mp_any any;

    must(mp_dict_keys(dict, &any));
    expect_any(any, "[]");
    mp_any_free(any);
    must(mp_dict_set(dict, "s", "a", "[i]", 1));
    must(mp_dict_set(dict, "s", "gone", "n"));
    must(mp_dict_set(dict, "d", 2.5, "{s:s}", "k", "v"));
    must(mp_dict_delete(dict, "s", "gone"));
    must(mp_dict_keys(dict, &any));
    expect_any(any, "['a', 2.5]");
    mp_any_free(any);
    must(mp_dict_values(dict, &any));
    expect_any(any, "[[1], {'k': 'v'}]");
    mp_any_free(any);
    must(mp_dict_items(dict, &any));
    expect_any(any, "{'a': [1], 2.5: {'k': 'v'}}");
    mp_any_free(any);
    must(mp_dict_destroy(dict));
}
END_TEST

START_TEST(dict_equals_as_in_python)
{
    static const struct {
        const char *json;
        int equal;
    } cases[] = {
        {"{\"a\": 1, \"b\": [2, null]}", 1},
        {"{\"b\": [2.0, null], \"a\": 1.0}", 1},
        {"{\"b\": [2, null], \"a\": true}", 1},
        {"{\"a\": 1}", 0},
        {"{\"a\": 1, \"b\": [2, null], \"c\": 1}", 0},
        {"{\"a\": 1, \"c\": [2, null]}", 0},
        {"{\"a\": 1, \"b\": [2, 0]}", 0},
        {"[1]", 0},
        {"null", 0},
        {"{}", 0},
    };
    mp_dict *dict = dict_new();

    must(mp_dict_set(dict, "s", "a", "i", 1));
    must(mp_dict_set(dict, "s", "b", "[i,n]", 2));
    for (size_t i = 0; i < LENGTH(cases); i++) {
        mp_any_writer w = MP_ANY_WRITER;
        mp_any any;

        must(mp_any_from_json(&w, cases[i].json, strlen(cases[i].json)));
        must(mp_any_end(&w, &any));
        ck_assert_msg(mp_dict_equal(dict, any) == cases[i].equal, "%s",
                      cases[i].json);
        mp_any_discard(&w);
    }
    must(mp_dict_destroy(dict));
}
END_TEST

/* ---- Walking ---- */

/* The next key of a walk; -1: that was all. */
static int64_t
next_key(mp_dict *dict, mp_dict_walker *walker)
{
    mp_any key;
    int64_t x;

    if (must(mp_dict_next(dict, walker, &key, NULL)) == 0)
        return -1;
    must(mp_any_get_int(key, &x));
    mp_any_free(key);
    return x;
}

START_TEST(walk_meets_all_in_order)
{
    mp_dict *dict = dict_new();
    mp_dict_walker walker = MP_DICT_WALKER;
    mp_any key, value;

    ck_assert_int_eq(next_key(dict, &walker), -1);
    for (int i = 0; i < 100; i++)
        must(mp_dict_set(dict, "i", i, "s", "value"));
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(next_key(dict, &walker), i);
    ck_assert_int_eq(next_key(dict, &walker), -1);
    must(mp_dict_set(dict, "s", "late", "s", "comer"));
    ck_assert_int_eq(mp_dict_next(dict, &walker, &key, &value), 1);
    expect_any(key, "'late'");
    expect_any(value, "'comer'");
    mp_any_free(key);
    mp_any_free(value);
    ck_assert_int_eq(mp_dict_next(dict, &walker, &key, &value), 0);
    must(mp_dict_destroy(dict));
}
END_TEST

/* The dict grows, shrinks, is made anew, cleared: the walk goes on where it
 * was. Those that stay, the multiples of ten, are met once each, in order. */
START_TEST(walk_survives_changes)
{
    enum { N = 2000 };
    mp_dict *dict = dict_new();
    mp_dict_walker walker = MP_DICT_WALKER;
    int64_t x, expected = 0;

    for (int i = 0; i < N; i++)
        must(mp_dict_set(dict, "i", i, "i", i));
    for (int step = 0; (x = next_key(dict, &walker)) >= 0; step++) {
        if (x % 10 == 0 && x < N) {
            ck_assert_int_eq(x, expected);
            expected += 10;
        }
        for (int i = 0; i < N; i++) {
            if (i % 10 && step == 7)
                must(mp_dict_delete(dict, "i", i));
            else if (step < 5)
                must(mp_dict_set(dict, "i", N + step * N + i, "n"));
            else if (step == 9)
                mp_dict_delete(dict, "i", 3 * N + i);
        }
    }
    ck_assert_int_eq(expected, N);
    walker = (mp_dict_walker)MP_DICT_WALKER;
    ck_assert_int_eq(next_key(dict, &walker), 0);
    must(mp_dict_clear(dict));
    ck_assert_int_eq(next_key(dict, &walker), -1);
    must(mp_dict_set(dict, "i", 77, "n"));
    ck_assert_int_eq(next_key(dict, &walker), 77);
    must(mp_dict_destroy(dict));
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("dict");
    TCase *entries = mp_test_case(suite, "entries", 10);
    TCase *keys = mp_test_case(suite, "keys", 10);
    TCase *whole = mp_test_case(suite, "whole", 10);

    tcase_add_test(entries, dict_gives_what_was_set_last);
    tcase_add_test(entries, dict_keeps_the_order_of_the_keys);
    tcase_add_test(entries, dict_without_the_key_says_so);
    tcase_add_test(entries, dict_pop_that_does_not_fit_leaves_the_entry);
    tcase_add_test(entries, dict_setdefault_leaves_what_is_there);
    tcase_add_test(entries, dict_exchanges_what_was_expected);
    tcase_add_test(entries, dict_popitem_takes_the_last);
    tcase_add_test(entries, dict_adds_to_numbers);
    tcase_add_test(keys, keys_are_the_same_as_in_python);
    tcase_add_test(keys, lists_dicts_and_nan_are_no_keys);
    tcase_add_test(whole, dict_update_sets_all);
    tcase_add_test(whole, dict_as_one_value);
    tcase_add_test(whole, dict_equals_as_in_python);
    tcase_add_test(whole, walk_meets_all_in_order);
    tcase_add_test(whole, walk_survives_changes);
    return mp_test_main(suite);
}
