/* SPDX-License-Identifier: MIT */
/* mp_list in one process: every operation, as Python's lists have it. */
#include "kit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static mp_list *
list_of(mp_any items)
{
    mp_list *list = NULL;

    must(mp_list_create(&list));
    must(mp_list_extend(list, "v", items));
    return list;
}

#define LIST(...) list_of(value_of(__VA_ARGS__))

/* ---- Items ---- */

START_TEST(list_items_come_and_go)
{
    mp_list *list = LIST("[]");
    char *text;
    int n;

    must(mp_list_append(list, "s", "Hello"));
    must(mp_list_append(list, "[i,n]", 42));
    must(mp_list_insert(list, 0, "d", 0.5));
    must(
        mp_list_insert(list, -1, "s", "a string that is too long for a word"));
    list_is(list, "[0.5, 'Hello', 'a string that is too long for a word', "
                  "[42, None]]");
    ck_assert_int_eq(mp_list_len(list), 4);
    must(mp_list_get(list, -1, "[i,n]", &n));
    ck_assert_int_eq(n, 42);
    must(mp_list_get(list, 2, "s", &text));
    ck_assert_str_eq(text, "a string that is too long for a word");
    free(text);
    must(mp_list_get(list, 0, NULL)); /* it is there */
    must(mp_list_set(list, 1, "s", "another string, long as well"));
    must(mp_list_pop(list, 0, "_"));
    must(mp_list_pop(list, -1, NULL));
    must(mp_list_pop(list, 0, "s", &text));
    ck_assert_str_eq(text, "another string, long as well");
    free(text);
    list_is(list, "['a string that is too long for a word']");
    must(mp_list_clear(list));
    list_is(list, "[]");
    must(mp_list_clear(list));
    must(mp_list_destroy(list));
}
END_TEST

START_TEST(list_keeps_every_kind_of_value)
{
    mp_list *list = LIST("[]");
    static char large[100000];
    size_t size;
    char *back;

    memset(large, 'x', sizeof(large));
    must(mp_list_append(list, "n"));
    must(mp_list_append(list, "b", 1));
    must(mp_list_append(list, "q", INT64_MIN));
    must(mp_list_append(list, "Q", UINT64_MAX));
    must(mp_list_append(list, "d", -0.0));
    must(mp_list_append(list, "s", ""));
    must(mp_list_append(list, "y", "\0\1", (size_t)2));
    must(mp_list_append(list, "{'a':[],i:{}}", 1));
    list_is(list, "[None, True, -9223372036854775808, 18446744073709551615, "
                  "-0.0, '', b'\\x00\\x01', {'a': [], 1: {}}]");
    must(mp_list_append(list, "S", large, sizeof(large)));
    must(mp_list_get(list, -1, "S", &back, &size));
    ck_assert_uint_eq(size, sizeof(large));
    ck_assert_int_eq(memcmp(back, large, size), 0);
    free(back);
    must(mp_list_destroy(list));
}
END_TEST

/* Sizes about that of a word, and of the heap's blocks. */
START_TEST(list_keeps_strings_of_every_length)
{
    mp_list *list = LIST("[]");
    char text[200];

    memset(text, 'y', sizeof(text));
    for (size_t n = 0; n < sizeof(text); n++)
        must(mp_list_append(list, "S", text, n));
    for (size_t n = 0; n < sizeof(text); n++) {
        char *back;
        size_t size;

        must(mp_list_get(list, (int64_t)n, "S", &back, &size));
        ck_assert_uint_eq(size, n);
        ck_assert_int_eq(memcmp(back, text, n), 0);
        free(back);
    }
    must(mp_list_destroy(list));
}
END_TEST

START_TEST(list_item_that_does_not_fit_stays)
{
    mp_list *list = LIST("[i,s]", 300, "x");
    size_t n = 1;
    char *text;
    int x;

    must_fail(mp_list_get(list, 0, "s", &text), -EINVAL,
              "mp_list_get: expected string, got int");
    must_fail(mp_list_pop(list, 0, "s", &text), -EINVAL, "mp_list_pop");
    must_fail(mp_list_pop(list, 1, "[i]", &x), -EINVAL, "expected list");
    must_fail(mp_list_pop(list, 0, "%"), -EINVAL, "'%'");
    must(mp_list_append(list, "[i,i]", 1, 2));
    must_fail(mp_list_pop(list, -1, "*i", &x, &n), -EMSGSIZE, "room");
    list_is(list, "[300, 'x', [1, 2]]");
    must(mp_list_destroy(list));
}
END_TEST

START_TEST(list_index_out_of_bounds_is_refused)
{
    mp_list *list = LIST("[i,i,i]", 1, 2, 3), *empty = LIST("[]");
    const int64_t outside[] = {3, -4, 1000000, INT64_MAX, INT64_MIN};
    mp_any one = value_of("i", 1);
    int64_t sum;
    int x;

    for (size_t i = 0; i < LENGTH(outside); i++) {
        int64_t at = outside[i];

        must_fail(mp_list_get(list, at, "i", &x), -ERANGE, "list of 3");
        must_fail(mp_list_set(list, at, "i", 1), -ERANGE, "list of 3");
        must_fail(mp_list_set(list, at, "q", INT64_MAX), -ERANGE, "of 3");
        must_fail(mp_list_pop(list, at, "i", &x), -ERANGE, "list of 3");
        must_fail(mp_list_pop(list, at, NULL), -ERANGE, "list of 3");
        must_fail(mp_list_add_int(list, at, 1, &sum), -ERANGE, "list of 3");
        must_fail(mp_list_add_double(list, at, 1, NULL), -ERANGE, "of 3");
        must_fail(mp_list_compare_exchange(list, at, one, one), -ERANGE,
                  "list of 3");
    }
    must_fail(mp_list_get(empty, 0, "i", &x), -ERANGE,
              "mp_list_get: there is no item 0 in a list of 0");
    must_fail(mp_list_pop(empty, -1, NULL), -ERANGE, "list of 0");
    list_is(list, "[1, 2, 3]");
    must(mp_list_destroy(list));
    must(mp_list_destroy(empty));
}
END_TEST

START_TEST(list_insert_beyond_the_ends_is_at_the_end)
{
    mp_list *list = LIST("[i,i]", 1, 2);

    must(mp_list_insert(list, 100, "i", 3));
    must(mp_list_insert(list, -100, "i", 0));
    must(mp_list_insert(list, INT64_MAX, "i", 4));
    must(mp_list_insert(list, INT64_MIN, "i", -1));
    must(mp_list_insert(list, -1, "i", 33));
    list_is(list, "[-1, 0, 1, 2, 3, 33, 4]");
    must(mp_list_destroy(list));
}
END_TEST

/* ---- By value ---- */

START_TEST(list_is_searched_as_python_does)
{
    mp_list *list = LIST("[i,d,b,s,[i],n,i]", 1, 1.0, 1, "1", 1, 2);

    ck_assert_int_eq(mp_list_index(list, "b", 1), 0);
    ck_assert_int_eq(mp_list_count(list, "d", 1.0), 3);
    ck_assert_int_eq(mp_list_index(list, "s", "1"), 3);
    ck_assert_int_eq(mp_list_index(list, "[d]", 1.0), 4);
    ck_assert_int_eq(mp_list_index(list, "n"), 5);
    ck_assert_int_eq(mp_list_count(list, "s", "x"), 0);
    must_fail(mp_list_index(list, "s", "x"), -ENOENT,
              "mp_list_index: the list has no such item");
    must(mp_list_remove(list, "d", 1.0));
    must(mp_list_remove(list, "i", 1));
    must(mp_list_remove(list, "[i]", 1));
    must_fail(mp_list_remove(list, "y", "1", (size_t)1), -ENOENT, "item");
    list_is(list, "[True, '1', None, 2]");
    ck_assert_int_eq(mp_list_equal(list, value_of("[i,s,n,d]", 1, "1", 2.0)),
                     1);
    ck_assert_int_eq(mp_list_equal(list, value_of("[i,s,n]", 1, "1")), 0);
    ck_assert_int_eq(mp_list_equal(list, value_of("[i,s,n,i]", 1, "1", 3)), 0);
    ck_assert_int_eq(mp_list_equal(list, value_of("i", 1)), 0);
    must(mp_list_clear(list));
    ck_assert_int_eq(mp_list_equal(list, value_of("[]")), 1);
    must(mp_list_destroy(list));
}
END_TEST

/* ---- Numbers ---- */

START_TEST(list_add_is_pythons)
{
    mp_list *list =
        LIST("[i,d,b,s,q,q]", 1, 0.5, 1, "x", INT64_MAX, INT64_MIN);
    int64_t sum = -1;
    double d = -1;

    must(mp_list_add_int(list, 0, 41, &sum));
    ck_assert_int_eq(sum, 42);
    must(mp_list_add_int(list, -6, (int64_t)1 << 40, &sum));
    ck_assert_int_eq(sum, ((int64_t)1 << 40) + 42);
    must(mp_list_add_double(list, 0, 0.5, &d));
    ck_assert(d == 0x1p40 + 42.5);
    must(mp_list_add_int(list, 2, 1, NULL));
    must(mp_list_add_int(list, 1, 1, NULL)); /* 0.5 + 1 */
    must(mp_list_add_double(list, 1, 0.25, NULL));
    must_fail(mp_list_add_int(list, 3, 1, NULL), -EINVAL,
              "mp_list_add_int: expected number, got string");
    must_fail(mp_list_add_int(list, 5, -1, NULL), -ERANGE, "64 bits");
    must(mp_list_add_int(list, 4, 1, NULL)); /* up to 2^64 - 1 */
    list_is(list, "[1099511627818.5, 1.75, 2, 'x', 9223372036854775808, "
                  "-9223372036854775808]");
    must_fail(mp_list_add_int(list, 4, INT64_MAX, &sum), -ERANGE, "*ret_sum");
    must_fail(mp_list_add_int(list, 1, 1, &sum), -ERANGE, "*ret_sum");
    ck_assert_int_eq(sum, ((int64_t)1 << 40) + 42);
    list_is(list, "[1099511627818.5, 1.75, 2, 'x', 9223372036854775808, "
                  "-9223372036854775808]");
    must(mp_list_destroy(list));
}
END_TEST

START_TEST(list_compare_exchange_is_one_step)
{
    mp_list *list = LIST("[i,s]", 1, "a string that is longer than a word");
    mp_any one = value_of("d", 1.0), text = value_of("s", "another string");

    ck_assert_int_eq(mp_list_compare_exchange(list, 0, one, text), 1);
    ck_assert_int_eq(mp_list_compare_exchange(list, 0, one, text), 0);
    ck_assert_int_eq(mp_list_compare_exchange(list, -2, text, one), 1);
    ck_assert_int_eq(mp_list_compare_exchange(list, -1, text, one), 0);
    list_is(list, "[1.0, 'a string that is longer than a word']");
    must(mp_list_destroy(list));
}
END_TEST

/* ---- Parts ---- */

#define E MP_LIST_END

static const struct {
    int64_t start, stop, step;
    const char *text;
} slices[] = {
    {0, E, 1, "[0, 1, 2, 3, 4]"},
    {1, 3, 1, "[1, 2]"},
    {-2, E, 1, "[3, 4]"},
    {0, -1, 2, "[0, 2]"},
    {3, 1, 1, "[]"},
    {-100, 100, 3, "[0, 3]"},
    {E, E, -1, "[4, 3, 2, 1, 0]"},
    {E, 2, -1, "[4, 3]"},
    {3, E, -2, "[3, 1]"},
    {-1, -100, -3, "[4, 1]"},
    {1, 3, -1, "[]"},
    {0, E, INT64_MAX, "[0]"},
    {4, E, INT64_MIN, "[4]"},
    {INT64_MIN, INT64_MAX, 1, "[0, 1, 2, 3, 4]"},
    {E, INT64_MIN, INT64_MIN, "[4]"},
    {5, E, 1, "[]"},
};

START_TEST(list_slices_are_pythons)
{
    mp_list *list = LIST("[i,i,i,i,i]", 0, 1, 2, 3, 4), *empty = LIST("[]");
    mp_any any = {0};

    must(mp_list_slice(list, slices[_i].start, slices[_i].stop,
                       slices[_i].step, &any));
    taken_any_is(any, slices[_i].text);
    must(mp_list_slice(empty, slices[_i].start, slices[_i].stop,
                       slices[_i].step, &any));
    taken_any_is(any, "[]");
    must(mp_list_destroy(list));
    must(mp_list_destroy(empty));
}
END_TEST

START_TEST(list_parts_are_replaced)
{
    mp_list *list = LIST("[i,i,i,i,i]", 0, 1, 2, 3, 4);
    static const char text[] = "a string that is longer than a word";

    must(mp_list_replace(list, 1, 3, value_of("[s,s,s]", text, "b", text)));
    must(mp_list_replace(list, -1, E, value_of("[]")));
    must(mp_list_replace(list, 0, 1, value_of("[n]")));
    must(mp_list_replace(list, E, 0, value_of("[i]", 9)));
    must(mp_list_replace(list, 4, 2, value_of("[i]", 8))); /* inserts */
    must(mp_list_replace(list, 3, 4, value_of("[]")));
    list_is(list, "[None, 'a string that is longer than a word', 'b', 8, 3, "
                  "9]");
    must(mp_list_replace(list, -100, 100, value_of("[i]", 1)));
    must(mp_list_extend(list, "*i", (int[]){2, 3}, (size_t)2));
    must(mp_list_extend(list, "[]"));
    must(mp_list_extend(list, "*d", (double[]){4}, (size_t)1));
    list_is(list, "[1, 2, 3, 4.0]");
    must_fail(mp_list_extend(list, "i", 5), -EINVAL,
              "mp_list_extend: expected list, got int");
    must_fail(mp_list_replace(list, 0, 1, value_of("{}")), -EINVAL,
              "expected list, got dict");
    must(mp_list_replace(list, 0, E, value_of("[]")));
    ck_assert_int_eq(mp_list_len(list), 0);
    must(mp_list_destroy(list));
}
END_TEST

/* ---- Order ---- */

#define sorted_is(flags, text, ...)          \
    do {                                     \
        mp_list *list__ = LIST(__VA_ARGS__); \
        must(mp_list_sort(list__, (flags))); \
        list_is(list__, (text));             \
        must(mp_list_destroy(list__));       \
    } while (0)

#define unsortable(...)                                          \
    do {                                                         \
        mp_list *list__ = LIST(__VA_ARGS__);                     \
        char *before__ = list_text(list__);                      \
        must_fail(mp_list_sort(list__, 0), -EINVAL, "no order"); \
        list_is(list__, before__);                               \
        free(before__);                                          \
        must(mp_list_destroy(list__));                           \
    } while (0)

START_TEST(list_sort_is_pythons)
{
    const double infinity = __builtin_inf();

    sorted_is(0, "[-1, 0.5, True, 1, 1.0, 2]", "[i,b,i,d,d,i]", 2, 1, 1, 1.0,
              0.5, -1);
    sorted_is(MP_LIST_DESCENDING, "[2, True, 1, 1.0, 0.5]", "[b,i,d,d,i]", 1,
              1, 1.0, 0.5, 2);
    sorted_is(0, "['', 'B', 'a', 'ab', 'é']", "[s,s,s,s,s]", "é", "ab", "a",
              "B", "");
    sorted_is(0, "[b'', b'\\x00', b'\\xff']", "[y,y,y]", "\xff", (size_t)1, "",
              (size_t)0, "\0", (size_t)1);
    sorted_is(0, "[[], [1], [1, 'b'], [1, 'c'], [2, 0]]",
              "[[i,i],[i,s],[i],[],[i,s]]", 2, 0, 1, "c", 1, 1, "b");
    sorted_is(0, "[[None, 1], [None, 2]]", "[[n,i],[n,i]]", 2, 1);
    /* 2^53 + 1 is no double, nor is 2^63 - 1. */
    sorted_is(0, "[9007199254740992.0, 9007199254740993]", "[q,d]",
              ((int64_t)1 << 53) + 1, 0x1p53);
    sorted_is(0, "[9223372036854775807, 9.223372036854776e+18]", "[d,q]",
              0x1p63, INT64_MAX);
    sorted_is(0, "[-inf, -9223372036854775808, 18446744073709551615, inf]",
              "[d,Q,d,q]", infinity, UINT64_MAX, -infinity, INT64_MIN);
    sorted_is(0, "[]", "[]");
    sorted_is(0, "[None]", "[n]");
    unsortable("[i,s]", 1, "a");
    unsortable("[n,n]");
    unsortable("[s,y]", "a", "a", (size_t)1);
    unsortable("[[i],[s]]", 1, "a");
    unsortable("[{},{}]");
    unsortable("[s,s,s,s,s,s,s,s,s,s,i]", "j", "i", "h", "g", "f", "e", "d",
               "c", "b", "a", 1);
}
END_TEST

struct pair {
    int key, place;
};

static int
order_pairs(const void *a, const void *b)
{
    const struct pair *p = a, *q = b;

    return p->key != q->key ? (p->key > q->key) - (p->key < q->key)
                            : p->place - q->place;
}

/* Many, few different ones, each told apart from its equals; NaN among them
 * may be anywhere, but nothing is lost. */
START_TEST(list_sort_is_stable)
{
    enum { N = 5000 };
    struct pair *pairs = calloc(N, sizeof(*pairs));
    mp_list *list = LIST("[]");
    unsigned seed = 1;

    for (int i = 0; i < N; i++) {
        seed = seed * 1103515245 + 12345;
        pairs[i] = (struct pair){(int)(seed >> 16) % 50, i};
        must(mp_list_append(list, "[i,i]", pairs[i].key, i));
    }
    must(mp_list_sort(list, 0));
    qsort(pairs, N, sizeof(*pairs), order_pairs);
    for (int i = 0; i < N; i++) {
        int key, place;

        must(mp_list_get(list, i, "[i,i]", &key, &place));
        ck_assert(key == pairs[i].key && place == pairs[i].place);
    }
    must(mp_list_clear(list));
    for (int i = 0; i < N; i++)
        must(mp_list_append(list, "d", i % 7 ? i * 7919 % N : 0.0 / 0.0));
    must(mp_list_sort(list, MP_LIST_DESCENDING));
    ck_assert_int_eq(mp_list_len(list), N);
    for (int i = 1; i < N; i += 70)
        if (i % 7)
            ck_assert_int_eq(mp_list_count(list, "i", i * 7919 % N), 1);
    free(pairs);
    must(mp_list_destroy(list));
}
END_TEST

START_TEST(list_is_reversed)
{
    mp_list *list = LIST("[]");

    must(mp_list_reverse(list));
    must(mp_list_append(list, "i", 1));
    must(mp_list_reverse(list));
    must(mp_list_append(list, "s", "a string that is longer than a word"));
    must(mp_list_append(list, "i", 3));
    must(mp_list_reverse(list));
    list_is(list, "[3, 'a string that is longer than a word', 1]");
    must(mp_list_destroy(list));
}
END_TEST

/* ---- What is refused ---- */

START_TEST(list_refuses_what_is_no_value)
{
    mp_list *list = LIST("[i]", 1);
    static const unsigned char bytes[] = {0x91, 0x01, 0x01, 0xc1, 0xdd, 0xff};
    const mp_any bad[] = {{NULL, 0},      {bytes, 0},    {NULL, 5},
                          {bytes, 3},     {bytes, 1},    {bytes + 3, 1},
                          {bytes + 4, 2}, {bytes + 1, 2}};
    mp_any one = value_of("i", 1), any;

    for (size_t i = 0; i < LENGTH(bad); i++) {
        must_fail(mp_list_replace(list, 0, 1, bad[i]), -EPROTO,
                  "mp_list_replace");
        must_fail(mp_list_replace(list, E, E, bad[i]), -EPROTO, "replace");
        must_fail(mp_list_equal(list, bad[i]), -EPROTO, "mp_list_equal");
        must_fail(mp_list_compare_exchange(list, 0, bad[i], one), -EPROTO,
                  "mp_list_compare_exchange");
        must_fail(mp_list_compare_exchange(list, 0, one, bad[i]), -EPROTO,
                  "mp_list_compare_exchange");
        must_fail(mp_list_append(list, "v", bad[i]), -EPROTO, "");
    }
    must_fail(mp_list_append(list, NULL), -EINVAL, "format is NULL");
    must_fail(mp_list_append(list, ""), -EINVAL, "mp_list_append");
    must_fail(mp_list_append(list, "s", NULL), -EINVAL, "NULL");
    must_fail(mp_list_append(list, "ii", 1, 2), -EINVAL, "mp_list_append");
    must_fail(mp_list_set(list, 0, "["), -EINVAL, "mp_list_set");
    must_fail(mp_list_slice(list, 0, E, 0, &any), -EINVAL, "step is 0");
    must_fail(mp_list_slice(list, 0, E, 1, NULL), -EINVAL, "ret_any is NULL");
    must_fail(mp_list_print(list, NULL), -EINVAL, "mp_list_print");
    must_fail(mp_list_sort(list, 2), -EINVAL, "flags");
    must_fail(mp_list_create(NULL), -EINVAL, "ret_list");
    list_is(list, "[1]");
    must(mp_list_destroy(list));
}
END_TEST

/* As deep as a value can be; an item has the list round it. */
START_TEST(list_items_leave_room_for_the_list)
{
    char deep[MP_ANY_DEPTH * 2 + 1] = "";
    mp_list *list = LIST("[]");
    mp_any any;

    for (int i = 0; i < MP_ANY_DEPTH; i++) {
        deep[i] = '[';
        deep[2 * MP_ANY_DEPTH - 1 - i] = ']';
    }
    any = value_of(deep);
    must_fail(mp_list_append(list, "v", any), -EINVAL, "63 deep");
    must_fail(mp_list_insert(list, 0, "v", any), -EINVAL, "63 deep");
    must(mp_list_extend(list, "v", any));
    must_fail(mp_list_set(list, 0, "v", any), -EINVAL, "63 deep");
    must_fail(mp_list_compare_exchange(list, 0, any, any), -EINVAL, "deep");
    deep[2 * MP_ANY_DEPTH - 1] = 0;
    must(mp_list_append(list, "v", value_of(deep + 1)));
    must(mp_list_slice(list, 0, E, 1, &any));
    ck_assert_int_eq(mp_any_size(any), 2);
    must(mp_any_check(any.data, any.size, &any));
    mp_any_free(any);
    free(list_text(list));
    must(mp_list_destroy(list));
}
END_TEST

static int
call_all(mp_list *list, int i)
{
    mp_any one = value_of("i", 1), items = value_of("[i]", 1), any;
    int64_t sum;
    double d;
    int x;

    switch (i) {
    case 0:
        return mp_list_destroy(list);
    case 1:
        return (int)mp_list_len(list);
    case 2:
        return mp_list_append(list, "i", 1);
    case 3:
        return mp_list_insert(list, 0, "i", 1);
    case 4:
        return mp_list_extend(list, "[i]", 1);
    case 5:
        return mp_list_set(list, 0, "i", 1);
    case 6:
        return mp_list_get(list, 0, "i", &x);
    case 7:
        return mp_list_pop(list, 0, NULL);
    case 8:
        return mp_list_remove(list, "i", 1);
    case 9:
        return (int)mp_list_index(list, "i", 1);
    case 10:
        return (int)mp_list_count(list, "i", 1);
    case 11:
        return mp_list_add_int(list, 0, 1, &sum);
    case 12:
        return mp_list_add_double(list, 0, 1, &d);
    case 13:
        return mp_list_compare_exchange(list, 0, one, one);
    case 14:
        return mp_list_slice(list, 0, E, 1, &any);
    case 15:
        return mp_list_replace(list, 0, 0, items);
    case 16:
        return mp_list_sort(list, 0);
    case 17:
        return mp_list_reverse(list);
    case 18:
        return mp_list_clear(list);
    case 19:
        return mp_list_equal(list, items);
    case 20:
        return mp_list_print(list, stderr);
    default:
        return mp_list_lock(list) ? 0 : -EBADF;
    }
}

#define CALLS 22

/* NULL is allowed where something is given back. */
START_TEST(G36_list_handle_of_another_kind_is_refused)
{
    mp_list *gone = LIST("[i]", 1);
    mp_dict *dict;
    mp_queue *queue;
    int local = 0;

    must(mp_list_destroy(gone));
    must(mp_dict_create(&dict));
    must(mp_queue_create(&queue, NULL));
    for (int i = 0; i < CALLS; i++) {
        void *strangers[] = {gone, dict, queue, &local, (char *)dict + 8,
                             NULL};

        for (size_t k = 0; k < LENGTH(strangers); k++)
            if (i > 0 || strangers[k])
                must_fail(call_all(strangers[k], i), -EBADF, "mp_list_");
    }
    must(mp_list_destroy(NULL));
    ck_assert_int_eq(mp_list_destroy(gone), -EBADF);
    must(mp_dict_destroy(dict));
    must(mp_queue_destroy(queue));
}
END_TEST

/* ---- The rest ---- */

START_TEST(list_lock_is_the_users)
{
    mp_list *list = LIST("[i]", 1);
    mp_rlock *lock = mp_list_lock(list);
    char *text;

    ck_assert_ptr_eq(lock, mp_list_lock(list));
    must(mp_rlock_acquire(lock, MP_FOREVER));
    must(mp_list_append(list, "i", 2)); /* who does not ask for it */
    must_fail(mp_list_destroy(list), -EBUSY, "mp_list_destroy: its lock");
    text = described(list);
    must(mp_rlock_release(lock));
    ck_assert_msg(strstr(text, "list 0x") && strstr(text, ": 2 items") &&
                      strstr(text, "held by"),
                  "%s", text);
    free(text);
    must(mp_list_destroy(list));
    ck_assert_int_eq(mp_rlock_acquire(lock, MP_NOW), -EBADF);
}
END_TEST

START_TEST(collections_are_described)
{
    mp_list *list = LIST("[i]", 1);
    mp_dict *dict;
    mp_set *set;
    mp_namespace *names;
    void *all[4];
    static const char *const begin[] = {"list 0x", "dict 0x", "set 0x",
                                        "namespace 0x"};
    static const char *const say[] = {": 1 item;", ": 1 entry", ": 0 items",
                                      ": 0 names"};

    must(mp_dict_create(&dict));
    must(mp_dict_set(dict, "i", 1, "i", 2));
    must(mp_set_create(&set));
    must(mp_namespace_create(&names));
    ck_assert_ptr_nonnull(mp_list_lock(list));
    all[0] = list, all[1] = dict, all[2] = set, all[3] = names;
    for (int i = 0; i < 4; i++) {
        char *text = described(all[i]);

        ck_assert_msg(strncmp(text, begin[i], strlen(begin[i])) == 0 &&
                          strstr(text, say[i]),
                      "%s", text);
        free(text);
    }
    must(mp_list_destroy(list));
    must(mp_dict_destroy(dict));
    must(mp_set_destroy(set));
    must(mp_namespace_destroy(names));
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("list");
    TCase *tcase = mp_test_case(suite, "list", 20);

    tcase_add_test(tcase, list_items_come_and_go);
    tcase_add_test(tcase, list_keeps_every_kind_of_value);
    tcase_add_test(tcase, list_keeps_strings_of_every_length);
    tcase_add_test(tcase, list_item_that_does_not_fit_stays);
    tcase_add_test(tcase, list_index_out_of_bounds_is_refused);
    tcase_add_test(tcase, list_insert_beyond_the_ends_is_at_the_end);
    tcase_add_test(tcase, list_is_searched_as_python_does);
    tcase_add_test(tcase, list_add_is_pythons);
    tcase_add_test(tcase, list_compare_exchange_is_one_step);
    tcase_add_loop_test(tcase, list_slices_are_pythons, 0, LENGTH(slices));
    tcase_add_test(tcase, list_parts_are_replaced);
    tcase_add_test(tcase, list_sort_is_pythons);
    tcase_add_test(tcase, list_sort_is_stable);
    tcase_add_test(tcase, list_is_reversed);
    tcase_add_test(tcase, list_refuses_what_is_no_value);
    tcase_add_test(tcase, list_items_leave_room_for_the_list);
    tcase_add_test(tcase, G36_list_handle_of_another_kind_is_refused);
    tcase_add_test(tcase, list_lock_is_the_users);
    tcase_add_test(tcase, collections_are_described);
    return mp_test_main(suite);
}
