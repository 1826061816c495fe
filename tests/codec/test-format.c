/* SPDX-License-Identifier: MIT */
/* Format strings, and items: building values, taking them apart, and what the
 * errors say. */
#include "codec/kit.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define check_printed(writer, text)                \
    do {                                           \
        char *is = printed(ended(writer));         \
        ck_assert_str_eq(is, text);                \
        free(is);                                  \
        mp_any_discard(writer);                    \
    } while (0)

static const int few[] = {3, -2, INT_MAX};
static const double reals[] = {0.5, 1e300};

START_TEST(every_letter_is_built)
{
    mp_any_writer w = MP_ANY_WRITER, inner = MP_ANY_WRITER;

    must(mp_any_build(&w, "[n,b,b,i,I]", 1, 0, INT_MIN, UINT_MAX));
    check_printed(&w, "[None, True, False, -2147483648, 4294967295]");
    must(mp_any_build(&w, "[l L q Q z]", LONG_MIN, ULONG_MAX, INT64_MAX,
                      UINT64_MAX, (size_t)7));
    check_printed(&w, "[-9223372036854775808, 18446744073709551615, "
                      "9223372036854775807, 18446744073709551615, 7]");
    must(mp_any_build(&w, "[d,s,S,y]", 2.5, "a'b", "xyz", (size_t)2, "\0\n",
                      (size_t)2));
    check_printed(&w, "[2.5, \"a'b\", 'xy', b'\\x00\\n']");
    must(mp_any_build(&w, "[*i,*d,*i]", few, (size_t)3, reals, (size_t)2, NULL,
                      (size_t)0));
    check_printed(&w, "[[3, -2, 2147483647], [0.5, 1e+300], []]");
    must(mp_any_build(&inner, "[i]", 1));
    must(mp_any_build(&w, "{'k':v,s:?s,'o':?v}", ended(&inner), "t",
                      (char *)NULL, (mp_any){NULL, 0}));
    check_printed(&w, "{'k': [1], 't': None, 'o': None}");
    must(mp_any_build(&w, " { } "));
    check_printed(&w, "{}");
    must(mp_any_build(&w, "i", 4));
    check_printed(&w, "4");
    mp_any_discard(&inner);
}
END_TEST

START_TEST(formats_that_cannot_be)
{
    static const struct {
        const char *format, *culprit;
    } bad[] = {
        {"", "ends too early"},    {"[i", "ends too early"},
        {"[i}", "'}' at 2"},       {"i]", "']' at 1"},
        {"[i,k]", "'k' at 3"},     {"{'a", "ends too early"},
        {"{i}", "no value"},       {"?i", "'i'"},
        {"*s", "'s'"},             {"ii", "'i' at 1"},
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        mp_any_writer w = MP_ANY_WRITER;
        mp_any any;

        must_fail(mp_any_build(&w, bad[i].format, 1, (size_t)0), -EINVAL,
                  bad[i].culprit);
        ck_assert_int_eq(mp_any_end(&w, &any), -EINVAL);
        mp_any_discard(&w);
    }
}
END_TEST

START_TEST(a_null_string_is_an_error)
{
    mp_any_writer w = MP_ANY_WRITER;

    must_fail(mp_any_build(&w, "[i,s]", 1, (char *)NULL), -EINVAL,
              "item 1: the argument of 's' is NULL");
    mp_any_discard(&w);
}
END_TEST

START_TEST(every_letter_is_parsed)
{
    mp_any_writer w = MP_ANY_WRITER;
    mp_any any;
    int b = 0, i = 0, n3[3];
    unsigned u = 0;
    int64_t q = 0;
    uint64_t uq = 0;
    double d = 0, n2[2];
    const char *s = NULL;
    const void *y = NULL;
    char *copy = NULL;
    size_t size = 0, y_size = 0, z = 0, three = 3, two = 2;

    must(mp_any_build(&w, "[n,b,i,I,q,Q,z,d,s,S,y,*i,*d]", 1, -5, 6u,
                      INT64_MIN, UINT64_MAX, (size_t)9, 2.5, "copy", "where",
                      (size_t)5, "\1", (size_t)1, few, (size_t)3, reals,
                      (size_t)2));
    any = ended(&w);
    ck_assert_msg(mp_any_parse(any, "[n,b,i,I,q,Q,z,d,s,S,y,*i,*d]", &b, &i,
                               &u, &q, &uq, &z, &d, &copy, &s, &size, &y,
                               &y_size, n3, &three, n2, &two) == 0,
                  "%s", mp_last_error());
    ck_assert_int_eq(b, 1);
    ck_assert_int_eq(i, -5);
    ck_assert_uint_eq(u, 6);
    ck_assert_int_eq(q, INT64_MIN);
    ck_assert_uint_eq(uq, UINT64_MAX);
    ck_assert_uint_eq(z, 9);
    ck_assert(d == 2.5);
    ck_assert_str_eq(copy, "copy");
    ck_assert_uint_eq(size, 5);
    ck_assert_mem_eq(s, "where", 5);
    ck_assert_uint_eq(y_size, 1);
    ck_assert_mem_eq(n3, few, sizeof(few));
    ck_assert_mem_eq(n2, reals, sizeof(reals));
    free(copy);
    mp_any_discard(&w);
}
END_TEST

START_TEST(dicts_are_parsed_by_key)
{
    mp_any_writer w = MP_ANY_WRITER;
    mp_any any = from_json(&w, "{\"n\": 5, \"x\": [1, {\"y\": null}]}");
    int n = 0, one = 0, other = 77;

    must(mp_any_parse(any, "{'x':[i,{'y':?i}],'n':i,'z'?:[i,{'q':i}]}", &one,
                      &other, &n, &other, &other));
    ck_assert_int_eq(n, 5);
    ck_assert_int_eq(one, 1);
    ck_assert_int_eq(other, 77);
    must_fail(mp_any_parse(any, "{'z':i}", &n), -EINVAL, "no key 'z'");
    must_fail(mp_any_parse(any, "{'x':[i,{'y':i}]}", &n, &n), -EINVAL,
              "item 0, item 1, item 0: expected int, got None");
    mp_any_discard(&w);
}
END_TEST

START_TEST(errors_tell_the_place)
{
    mp_any_writer w = MP_ANY_WRITER;
    mp_any any = from_json(&w, "[42, null, \"Hello\", 3000000000, [1, 2]]");
    int x, two[1];
    char *text = NULL;
    size_t room = 1;

    must_fail(mp_any_parse(any, "[i,n,i,*]", &x, &x), -EINVAL,
              "item 2: expected int, got string");
    must_fail(mp_any_parse(any, "[i,s,*]", &x, &text), -EINVAL,
              "item 1: expected string, got None");
    must_fail(mp_any_parse(any, "[_,_,_,i,*]", &x), -ERANGE,
              "item 3: the number does not fit into 'i'");
    must_fail(mp_any_parse(any, "[_]"), -EINVAL, "4 items more");
    must_fail(mp_any_parse(any, "[_,_,_,_,_,_]"), -EINVAL, "only 5 items");
    must_fail(mp_any_parse(any, "{'a':i}", &x), -EINVAL,
              "expected dict, got list");
    must_fail(mp_any_parse(any, "[_,_,_,_,*i]", two, &room), -EMSGSIZE,
              "item 4: 2 numbers, and room for 1");
    ck_assert_uint_eq(room, 2);
    must_fail(mp_any_parse(any, "[i,k,*]", &x), -EINVAL, "'k'");
    must_fail(mp_any_parse(any, NULL), -EINVAL, "format");
    mp_any_discard(&w);
}
END_TEST

/* A string that was copied before the failure is not leaked, nor left. */
START_TEST(copies_are_undone)
{
    mp_any_writer w = MP_ANY_WRITER;
    mp_any any = from_json(&w, "[\"one\", \"two\", \"a\\u0000b\"]");
    char *one = (char *)&w, *two = NULL, *three = NULL;

    must_fail(mp_any_parse(any, "[s,s,s]", &one, &two, &three), -EINVAL,
              "item 2: the string has a NUL inside");
    ck_assert_ptr_null(one);
    ck_assert_ptr_null(two);
    mp_any_discard(&w);
}
END_TEST

START_TEST(items_are_written)
{
    mp_any_writer w = MP_ANY_WRITER;
    const char *name = "x", *nobody = NULL;
    unsigned char small = 200;
    float half = 0.5f;
    int r = mp_any_write_item(&w, MP_LIST(42, MP_NIL, "Hello"));

    ck_assert_int_eq(r, 0);
    check_printed(&w, "[42, None, 'Hello']");
    r = mp_any_write_item(
        &w, MP_DICT("name", name, "sizes", MP_LIST(1, 2.5, -3L), 4,
                    MP_BYTES("a\0", 2), (_Bool)1, nobody));
    ck_assert_int_eq(r, 0);
    check_printed(&w, "{'name': 'x', 'sizes': [1, 2.5, -3], 4: b'a\\x00', "
                      "True: None}");
    r = mp_any_write_item(&w, MP_LIST(MP_EMPTY_LIST, MP_EMPTY_DICT, small,
                                      half, UINT64_MAX));
    ck_assert_int_eq(r, 0);
    check_printed(&w, "[[], {}, 200, 0.5, 18446744073709551615]");
    must(mp_any_write_item(&w, MP_ITEM("alone")));
    check_printed(&w, "'alone'");
    r = mp_any_write_item(&w, MP_DICT("a", 1, "b"));
    ck_assert_int_eq(r, -EINVAL);
    ck_assert_ptr_nonnull(strstr(mp_last_error(), "a key has no value"));
    mp_any_discard(&w);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("format");
    TCase *tcase = mp_test_case(suite, "build", 20);

    tcase_add_test(tcase, every_letter_is_built);
    tcase_add_test(tcase, formats_that_cannot_be);
    tcase_add_test(tcase, a_null_string_is_an_error);
    tcase_add_test(tcase, items_are_written);
    tcase = mp_test_case(suite, "parse", 20);
    tcase_add_test(tcase, every_letter_is_parsed);
    tcase_add_test(tcase, dicts_are_parsed_by_key);
    tcase_add_test(tcase, errors_tell_the_place);
    tcase_add_test(tcase, copies_are_undone);
    return mp_test_main(suite);
}
