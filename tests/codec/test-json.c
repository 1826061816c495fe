/* SPDX-License-Identifier: MIT */
/* JSON to values and back, and values as Python prints them. */
#include "codec/kit.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *json, *back, *python;
} texts[] = {
    {"null", "null", "None"},
    {" [ true , false ] ", "[true, false]", "[True, False]"},
    {"-0", "0", "0"},
    {"-0.0", "-0.0", "-0.0"},
    {"1e3", "1000.0", "1000.0"},
    {"0.1", "0.1", "0.1"},
    {"18446744073709551615", "18446744073709551615", "18446744073709551615"},
    {"-9223372036854775808", "-9223372036854775808", "-9223372036854775808"},
    {"18446744073709551616", "1.8446744073709552e+19",
     "1.8446744073709552e+19"},
    {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\\"\\\\/\\b\\f\\n\\r\\t\"",
     "'\"\\\\/\\x08\\x0c\\n\\r\\t'"},
    {"\"\\u00e9\\ud83d\\ude00\\u0000\"", "\"\xc3\xa9\xf0\x9f\x98\x80\\u0000\"",
     "'\xc3\xa9\xf0\x9f\x98\x80\\x00'"},
    {"{\"a\":{\"b\":[]},\"c\":{}}", "{\"a\": {\"b\": []}, \"c\": {}}",
     "{'a': {'b': []}, 'c': {}}"},
    {"[[],[[]],1]", "[[], [[]], 1]", "[[], [[]], 1]"},
};

START_TEST(json_there_and_back)
{
    mp_any_writer w = MP_ANY_WRITER;
    mp_any any = from_json(&w, texts[_i].json);
    char *json = as_json(any), *python = printed(any);

    ck_assert_str_eq(json, texts[_i].back);
    ck_assert_str_eq(python, texts[_i].python);
    free(json);
    free(python);
    mp_any_discard(&w);
}
END_TEST

static const struct {
    const char *json, *culprit;
} broken[] = {
    {"", "line 1, column 1"},
    {"[1,\n 2", "line 2, column 3"},
    {"[1,]", "no value"},
    {"{\"a\" 1}", "':' is missing"},
    {"{a: 1}", "a key is a string"},
    {"[1 2]", "',' or the bracket"},
    {"[1}", "',' or the bracket"},
    {"01", "a number"},
    {"1.", "a number"},
    {"-", "a number"},
    {"1e", "a number"},
    {"1e999", "too large"},
    {"\"a", "a string"},
    {"\"\\x\"", "a string"},
    {"\"\\ud800\"", "a string"},
    {"\"\\u12\"", "a string"},
    {"\"\n\"", "a string"},
    {"\"\xff\"", "a string"},
    {"nul", "no value"},
    {"1 1", "behind the value"},
    {"]", "no value"},
};

START_TEST(broken_json)
{
    mp_any_writer w = MP_ANY_WRITER;

    must_fail(mp_any_from_json(&w, broken[_i].json, strlen(broken[_i].json)),
              -EPROTO, broken[_i].culprit);
    must(mp_any_write_nil(&w)); /* nothing has happened to the writer */
    ended(&w);
    mp_any_discard(&w);
}
END_TEST

START_TEST(deep_json_is_refused)
{
    char text[1000];
    mp_any_writer w = MP_ANY_WRITER;

    memset(text, '[', sizeof(text));
    must_fail(mp_any_from_json(&w, text, sizeof(text)), -EPROTO, "too deep");
    mp_any_discard(&w);
}
END_TEST

START_TEST(what_json_does_not_have)
{
    mp_any_writer w = MP_ANY_WRITER;
    char *text = NULL;
    size_t size;
    FILE *file = open_memstream(&text, &size);

    must(mp_any_build(&w, "[y]", "a", (size_t)1));
    must_fail(mp_any_to_json(ended(&w), file), -EINVAL, "no bytes");
    mp_any_discard(&w);
    must(mp_any_build(&w, "[d]", (double)NAN));
    must_fail(mp_any_to_json(ended(&w), file), -EINVAL, "NaN");
    mp_any_discard(&w);
    must(mp_any_build(&w, "[d]", -(double)INFINITY));
    must_fail(mp_any_to_json(ended(&w), file), -EINVAL, "infinity");
    mp_any_discard(&w);
    must(mp_any_build(&w, "[{i:i}]", 1, 2));
    must_fail(mp_any_to_json(ended(&w), file), -EINVAL, "int; in JSON");
    mp_any_discard(&w);
    must(mp_any_build(&w, "S", "\xff", (size_t)1));
    must_fail(mp_any_to_json(ended(&w), file), -EINVAL, "UTF-8");
    mp_any_discard(&w);
    fclose(file);
    ck_assert_uint_eq(size, 0); /* nothing was written */
    free(text);
}
END_TEST

/* Python cannot have such a string; it is shown as surrogateescape has it. */
START_TEST(strings_that_are_no_utf8_are_printed)
{
    mp_any_writer w = MP_ANY_WRITER;
    char *text;

    must(mp_any_build(&w, "S", "a\xff\xc3", (size_t)3));
    text = printed(ended(&w));
    ck_assert_str_eq(text, "'a\\udcff\\udcc3'");
    free(text);
    mp_any_discard(&w);
}
END_TEST

/* Any text either is a value, which comes back as itself, or is refused. */
START_TEST(any_text_can_be_read)
{
    static const char letters[] = "[]{}\",:-0123456789.eE\\utrfnal ";

    srand((unsigned)_i + 1);
    for (int round = 0; round < 50000; round++) {
        mp_any_writer v = MP_ANY_WRITER, w = MP_ANY_WRITER;
        size_t size = (size_t)rand() % 16;
        char text[16], *json;
        mp_any any;

        for (size_t i = 0; i < size; i++)
            text[i] = letters[(size_t)rand() % (sizeof(letters) - 1)];
        if (mp_any_from_json(&v, text, size) == 0) {
            any = ended(&v);
            json = as_json(any);
            ck_assert_int_eq(mp_any_equal(any, from_json(&w, json)), 1);
            free(json);
        }
        mp_any_discard(&v);
        mp_any_discard(&w);
    }
}
END_TEST

#define N(array) ((int)(sizeof(array) / sizeof((array)[0])))

int
main(void)
{
    Suite *suite = suite_create("json");
    TCase *tcase = mp_test_case(suite, "json", 60);

    tcase_add_loop_test(tcase, json_there_and_back, 0, N(texts));
    tcase_add_loop_test(tcase, broken_json, 0, N(broken));
    tcase_add_test(tcase, deep_json_is_refused);
    tcase_add_test(tcase, what_json_does_not_have);
    tcase_add_test(tcase, strings_that_are_no_utf8_are_printed);
    tcase_add_loop_test(tcase, any_text_can_be_read, 0, 2);
    return mp_test_main(suite);
}
