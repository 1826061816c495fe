/* SPDX-License-Identifier: MIT */
/* Writing values and looking at them: every kind, at its limits; and bytes that
 * are no value. */
#include "codec/kit.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- Each kind, byte by byte (the MessagePack specification) ---- */

static const struct {
    int64_t x;
    size_t size;
    unsigned char bytes[9];
} integers[] = {
    {0, 1, {0}},
    {127, 1, {0x7f}},
    {128, 2, {0xcc, 0x80}},
    {255, 2, {0xcc, 0xff}},
    {256, 3, {0xcd, 1, 0}},
    {65535, 3, {0xcd, 0xff, 0xff}},
    {65536, 5, {0xce, 0, 1, 0, 0}},
    {UINT32_MAX, 5, {0xce, 0xff, 0xff, 0xff, 0xff}},
    {UINT32_MAX + INT64_C(1), 9, {0xcf, 0, 0, 0, 1, 0, 0, 0, 0}},
    {INT64_MAX, 9, {0xcf, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}},
    {-1, 1, {0xff}},
    {-32, 1, {0xe0}},
    {-33, 2, {0xd0, 0xdf}},
    {-128, 2, {0xd0, 0x80}},
    {-129, 3, {0xd1, 0xff, 0x7f}},
    {-32768, 3, {0xd1, 0x80, 0}},
    {-32769, 5, {0xd2, 0xff, 0xff, 0x7f, 0xff}},
    {INT32_MIN, 5, {0xd2, 0x80, 0, 0, 0}},
    {INT32_MIN - INT64_C(1),
     9,
     {0xd3, 255, 255, 255, 255, 127, 255, 255, 255}},
    {INT64_MIN, 9, {0xd3, 0x80, 0, 0, 0, 0, 0, 0, 0}},
};

START_TEST(integers_are_as_short_as_can_be)
{
    mp_any_writer w = MP_ANY_WRITER;
    mp_any any;
    int64_t x = 1;
    double real;

    must(mp_any_write_int(&w, integers[_i].x));
    any = ended(&w);
    ck_assert_uint_eq(any.size, integers[_i].size);
    ck_assert_mem_eq(any.data, integers[_i].bytes, any.size);
    ck_assert_int_eq(mp_any_type(any), MP_ANY_INT);
    must(mp_any_get_int(any, &x));
    ck_assert_int_eq(x, integers[_i].x);
    if (x > -(INT64_C(1) << 53) && x < INT64_C(1) << 53) {
        must(mp_any_get_double(any, &real));
        ck_assert(real == (double)x);
    }
    mp_any_discard(&w);
}
END_TEST

START_TEST(numbers_that_do_not_fit)
{
    mp_any_writer w = MP_ANY_WRITER;
    uint64_t u;
    int64_t i;
    double d;
    int b;

    must(mp_any_write_unsigned(&w, UINT64_MAX));
    must(mp_any_get_unsigned(ended(&w), &u));
    ck_assert_uint_eq(u, UINT64_MAX);
    must_fail(mp_any_get_int(ended(&w), &i), -ERANGE, "18446744073709551615");
    must_fail(mp_any_get_double(ended(&w), &d), -ERANGE, "exact");
    mp_any_discard(&w);
    must(mp_any_write_int(&w, -1));
    must_fail(mp_any_get_unsigned(ended(&w), &u), -ERANGE, "-1");
    must_fail(mp_any_get_bool(ended(&w), &b), -EINVAL,
              "expected bool, got int");
    mp_any_discard(&w);
    must(mp_any_write_int(&w, INT64_MIN));
    must(mp_any_get_double(ended(&w), &d));
    ck_assert(d == -0x1p63);
    mp_any_discard(&w);
    must(mp_any_write_int(&w, (INT64_C(1) << 53) + 1));
    must_fail(mp_any_get_double(ended(&w), &d), -ERANGE, "exact");
    mp_any_discard(&w);
}
END_TEST

START_TEST(floats)
{
    static const double numbers[] = {0.0,     -0.0,     0.1,     DBL_MAX,
                                     DBL_MIN, INFINITY, -1e-310, 1e22};
    static const unsigned char half[] = {0xca, 0x3f, 0x80, 0, 0};
    mp_any any;
    double x;

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        mp_any_writer w = MP_ANY_WRITER;

        must(mp_any_write_double(&w, numbers[i]));
        must(mp_any_get_double(ended(&w), &x));
        ck_assert_mem_eq(&x, &numbers[i], sizeof(x));
        mp_any_discard(&w);
    }
    must(mp_any_check(half, sizeof(half), &any)); /* others send 32 bits */
    must(mp_any_get_double(any, &x));
    ck_assert(x == 1.0);
}
END_TEST

static const size_t sizes[] = {0, 1, 15, 16, 31, 32, 255, 256, 65535, 65536};

START_TEST(strings_and_bytes)
{
    size_t size = sizes[_i], n = 0;
    char *text = malloc(size + 1);
    mp_any_writer w = MP_ANY_WRITER;
    const char *back = NULL;
    const void *data = NULL;

    memset(text, 'x', size);
    text[size] = 0;
    must(mp_any_write_string(&w, text, SIZE_MAX));
    must(mp_any_get_string(ended(&w), &back, &n));
    ck_assert_uint_eq(n, size);
    ck_assert_mem_eq(back, text, size);
    must_fail(mp_any_get_bytes(ended(&w), &data, &n), -EINVAL, "got string");
    mp_any_discard(&w);
    must(mp_any_write_bytes(&w, text, size));
    must(mp_any_get_bytes(ended(&w), &data, &n));
    ck_assert_uint_eq(n, size);
    ck_assert_mem_eq(data, text, size);
    must_fail(mp_any_get_string(ended(&w), &back, &n), -EINVAL, "got bytes");
    mp_any_discard(&w);
    free(text);
}
END_TEST

START_TEST(lists_and_dicts)
{
    size_t size = sizes[_i];
    mp_any_writer w = MP_ANY_WRITER;
    mp_any_walker walker;
    mp_any key, item;
    uint64_t x = 0;

    for (int pairs = 0; pairs < 2; pairs++) {
        size_t i = 0;

        must(pairs ? mp_any_write_dict(&w, size)
                   : mp_any_write_list(&w, size));
        for (i = 0; i < size * (size_t)(1 + pairs); i++)
            must(mp_any_write_unsigned(&w, i));
        ck_assert_int_eq(mp_any_size(ended(&w)), (ssize_t)size);
        must(mp_any_walk(ended(&w), &walker));
        for (i = 0; mp_any_next(&walker, &key, &item) > 0; i++) {
            must(mp_any_get_unsigned(item, &x));
            ck_assert_uint_eq(x, pairs ? 2 * i + 1 : i);
            if (!pairs)
                continue;
            must(mp_any_get_unsigned(key, &x));
            ck_assert_uint_eq(x, 2 * i);
        }
        ck_assert_uint_eq(i, size);
        mp_any_discard(&w);
    }
}
END_TEST

START_TEST(items_and_entries)
{
    mp_any_writer w = MP_ANY_WRITER;
    mp_any any = from_json(&w, "{\"a\": [10, 20, 30], \"\": 4}"), list, item;
    int64_t x = 0;

    must(mp_any_entry(any, "a", &list));
    must(mp_any_item(list, 1, &item));
    must(mp_any_get_int(item, &x));
    ck_assert_int_eq(x, 20);
    must(mp_any_item(list, -1, &item));
    must(mp_any_get_int(item, &x));
    ck_assert_int_eq(x, 30);
    must(mp_any_entry(any, "", &item));
    must_fail(mp_any_item(list, 3, &item), -ENOENT,
              "no item 3 in a list of 3");
    must_fail(mp_any_item(list, -4, &item), -ENOENT, "-4");
    must_fail(mp_any_entry(any, "b", &item), -ENOENT, "'b'");
    must_fail(mp_any_entry(list, "a", &item), -EINVAL, "got list");
    must_fail(mp_any_item(any, 0, &item), -EINVAL, "got dict");
    mp_any_discard(&w);
}
END_TEST

/* ---- The writer ---- */

START_TEST(writer_counts)
{
    mp_any_writer w = MP_ANY_WRITER;
    mp_any any;

    must_fail(mp_any_end(&w, &any), -EINVAL, "nothing was written");
    must(mp_any_write_list(&w, 2));
    must(mp_any_write_nil(&w));
    must_fail(mp_any_end(&w, &any), -EINVAL, "1 values are missing");
    must(mp_any_write_list(&w, 0));
    ended(&w);
    must(mp_any_write_int(&w, 5)); /* in place of the first */
    ck_assert_uint_eq(ended(&w).size, 1);
    mp_any_discard(&w);
}
END_TEST

START_TEST(writer_has_an_end_of_its_depth)
{
    mp_any_writer w = MP_ANY_WRITER;

    for (int i = 0; i < MP_ANY_DEPTH; i++)
        must(mp_any_write_list(&w, 1));
    must_fail(mp_any_write_list(&w, 1), -EINVAL, "deeper than 64");
    ck_assert_int_eq(mp_any_write_nil(&w), -EINVAL); /* it stays */
    mp_any_discard(&w);
    for (int i = 1; i < MP_ANY_DEPTH; i++)
        must(mp_any_write_list(&w, 1));
    must(mp_any_write_list(&w, 0));
    ended(&w);
    mp_any_discard(&w);
}
END_TEST

/* What is as deep as can be does not fit into a list any more. */
START_TEST(writer_counts_the_depth_of_values)
{
    mp_any_writer v = MP_ANY_WRITER, w = MP_ANY_WRITER;

    for (int i = 1; i < MP_ANY_DEPTH; i++)
        must(mp_any_write_list(&v, 1));
    must(mp_any_write_dict(&v, 0));
    must(mp_any_write_value(&w, ended(&v)));
    ended(&w);
    must(mp_any_write_list(&w, 1));
    must_fail(mp_any_write_value(&w, ended(&v)), -EPROTO, "too deep");
    mp_any_discard(&v);
    mp_any_discard(&w);
}
END_TEST

START_TEST(writer_into_a_buffer)
{
    unsigned char buf[8];
    mp_any_writer w;
    mp_any any;

    mp_any_writer_init(&w, buf, sizeof(buf));
    must(mp_any_write_string(&w, "1234567", 7));
    ck_assert_ptr_eq(ended(&w).data, buf);
    must_fail(mp_any_write_string(&w, "12345678", 8), -EMSGSIZE, "8 bytes");
    ck_assert_int_eq(mp_any_end(&w, &any), -EMSGSIZE);
    mp_any_discard(&w);
    must(mp_any_write_nil(&w));
    ck_assert_ptr_eq(ended(&w).data, buf);
    mp_any_writer_init(&w, buf, 0); /* has no room at all */
    ck_assert_int_eq(mp_any_write_nil(&w), -EMSGSIZE);
    ck_assert_int_eq(mp_any_end(&w, &any), -EMSGSIZE);
}
END_TEST

/* ---- What is no value ---- */

static const struct {
    size_t size;
    const char *bytes;
} broken[] = {
    {0, ""},
    {1, "\xc1"},
    {1, "\xcc"},
    {2, "\xcd\1"},
    {1, "\xa1"},
    {2, "\xd9\1"},
    {1, "\x91"},
    {1, "\x81"},
    {2, "\x81\1"},
    {5, "\xdd\xff\xff\xff\xff"},
    {5, "\xdf\xff\xff\xff\xff"},
    {5, "\xc6\xff\xff\xff\xff"},
    {2, "\1\1"},
    {1, "\xd4"},
    {2, "\xd4\1"},
    {3, "\x92\1\xc1"},
    {8, "\xcb\0\0\0\0\0\0"},
    {2, "\xc7\0"},
};

START_TEST(G12_broken_bytes_are_refused)
{
    mp_any any = {broken[_i].bytes, broken[_i].size}, other = any, item;
    mp_any_walker walker;
    char *text = NULL;
    size_t size;
    FILE *file = open_memstream(&text, &size);

    ck_assert_int_eq(mp_any_check(any.data, any.size, &item), -EPROTO);
    ck_assert_int_lt(mp_any_equal(any, other), broken[_i].size == 2 ? 2 : 0);
    if (mp_any_walk(any, &walker) == 0)
        while (mp_any_next(&walker, NULL, &item) > 0)
            ;
    if (mp_any_type(any) < 0)
        ck_assert_int_eq(mp_any_print(any, file), -EPROTO);
    fclose(file);
    free(text);
}
END_TEST

/* A list in a list in a list...: by a few bytes from anybody. */
START_TEST(G12_deep_bytes_are_refused)
{
    unsigned char bytes[100000];
    mp_any any;

    memset(bytes, 0x91, sizeof(bytes));
    bytes[sizeof(bytes) - 1] = 0xc0;
    ck_assert_int_eq(mp_any_check(bytes, sizeof(bytes), &any), -EPROTO);
    ck_assert_int_eq(mp_any_check(bytes + sizeof(bytes) - 1 - MP_ANY_DEPTH,
                                  MP_ANY_DEPTH + 1, &any),
                     0);
    ck_assert_int_eq(mp_any_check(bytes + sizeof(bytes) - 2 - MP_ANY_DEPTH,
                                  MP_ANY_DEPTH + 2, &any),
                     -EPROTO);
    /* An empty list is as deep as any other. */
    bytes[sizeof(bytes) - 1] = 0x90;
    ck_assert_int_eq(
        mp_any_check(bytes + sizeof(bytes) - MP_ANY_DEPTH, MP_ANY_DEPTH, &any),
        0);
    ck_assert_int_eq(mp_any_check(bytes + sizeof(bytes) - 1 - MP_ANY_DEPTH,
                                  MP_ANY_DEPTH + 1, &any),
                     -EPROTO);
}
END_TEST

/* Any bytes may be looked at in any way; and what is a value is written, read
 * and printed again as the same. */
START_TEST(G12_any_bytes_can_be_looked_at)
{
    srand((unsigned)_i + 1);
    for (int round = 0; round < 20000; round++) {
        unsigned char bytes[24];
        size_t size = (size_t)rand() % sizeof(bytes);
        mp_any_writer w = MP_ANY_WRITER;
        mp_any any = {bytes, size};

        for (size_t i = 0; i < size; i++)
            bytes[i] =
                (unsigned char)(rand() % 3 ? rand() % 16 + 0x90 : rand());
        if (mp_any_check(bytes, size, &any) == 0) {
            must(mp_any_write_value(&w, any));
            ck_assert_int_eq(mp_any_equal(any, ended(&w)), 1);
            free(printed(any));
        } else {
            ck_assert_int_lt(mp_any_write_value(&w, any), 0);
        }
        mp_any_discard(&w);
    }
}
END_TEST

/* ---- Equality ---- */

static const struct {
    const char *a, *b;
    int equal;
} pairs[] = {
    {"1", "1.0", 1},
    {"1", "true", 1},
    {"0", "false", 1},
    {"0", "null", 0},
    {"18446744073709551615", "-1", 0},
    {"18446744073709551615", "18446744073709551616", 0},
    {"9007199254740993", "9007199254740992.0", 0},
    {"\"a\"", "\"a\"", 1},
    {"\"a\"", "\"b\"", 0},
    {"[1, 2]", "[1.0, 2]", 1},
    {"[1, 2]", "[2, 1]", 0},
    {"[1]", "[1, 2]", 0},
    {"{\"a\": 1, \"b\": 2}", "{\"b\": 2, \"a\": 1.0}", 1},
    {"{\"a\": 1, \"a\": 2}", "{\"a\": 2}", 1},
    {"{\"a\": 1}", "{\"a\": 1, \"b\": 2}", 0},
    {"{}", "[]", 0},
};

START_TEST(equal_as_to_python)
{
    mp_any_writer v = MP_ANY_WRITER, w = MP_ANY_WRITER;
    mp_any a = from_json(&v, pairs[_i].a), b = from_json(&w, pairs[_i].b);

    ck_assert_int_eq(mp_any_equal(a, b), pairs[_i].equal);
    ck_assert_int_eq(mp_any_equal(b, a), pairs[_i].equal);
    mp_any_discard(&v);
    mp_any_discard(&w);
}
END_TEST

/* Dicts as keys of dicts, to any depth, take no exponential time. */
START_TEST(equality_of_deep_keys_ends)
{
    mp_any_writer v = MP_ANY_WRITER, w = MP_ANY_WRITER;

    for (int i = 0; i < MP_ANY_DEPTH; i++) {
        must(mp_any_write_dict(&v, 1));
        must(mp_any_write_dict(&w, 1));
    }
    for (int i = 0; i <= MP_ANY_DEPTH; i++) {
        must(mp_any_write_int(&v, 1));
        must(mp_any_write_double(&w, 1));
    }
    ck_assert_int_eq(mp_any_equal(ended(&v), ended(&v)), 1);
    ck_assert_int_ge(mp_any_equal(ended(&v), ended(&w)), 0);
    mp_any_discard(&v);
    mp_any_discard(&w);
}
END_TEST

#define N(array) ((int)(sizeof(array) / sizeof((array)[0])))

int
main(void)
{
    Suite *suite = suite_create("any");
    TCase *tcase = mp_test_case(suite, "kinds", 20);

    tcase_add_loop_test(tcase, integers_are_as_short_as_can_be, 0,
                        N(integers));
    tcase_add_test(tcase, numbers_that_do_not_fit);
    tcase_add_test(tcase, floats);
    tcase_add_loop_test(tcase, strings_and_bytes, 0, N(sizes));
    tcase_add_loop_test(tcase, lists_and_dicts, 0, N(sizes));
    tcase_add_test(tcase, items_and_entries);
    tcase = mp_test_case(suite, "writer", 20);
    tcase_add_test(tcase, writer_counts);
    tcase_add_test(tcase, writer_has_an_end_of_its_depth);
    tcase_add_test(tcase, writer_counts_the_depth_of_values);
    tcase_add_test(tcase, writer_into_a_buffer);
    tcase = mp_test_case(suite, "broken", 60);
    tcase_add_loop_test(tcase, G12_broken_bytes_are_refused, 0, N(broken));
    tcase_add_test(tcase, G12_deep_bytes_are_refused);
    tcase_add_loop_test(tcase, G12_any_bytes_can_be_looked_at, 0, 4);
    tcase = mp_test_case(suite, "equal", 20);
    tcase_add_loop_test(tcase, equal_as_to_python, 0, N(pairs));
    tcase_add_test(tcase, equality_of_deep_keys_ends);
    return mp_test_main(suite);
}
