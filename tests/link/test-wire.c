/* SPDX-License-Identifier: MIT */
/* What client and server say: read again as it was written, and nothing else
 * is taken for it. */
#include "link/wire.h"
#include "region/kin.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static mp_any_writer writer = MP_ANY_WRITER;

static mp_any
written(int r)
{
    mp_any any;

    must(r);
    must(mp_any_end(&writer, &any));
    return any;
}

/* ---- As it was written ---- */

START_TEST(hello_is_read_as_it_was)
{
    struct mp__hello hello = {.version = 7, .resumes = _i}, back;

    memset(hello.session, _i ? 0xa5 : 0, sizeof(hello.session));
    must(mp__hello_read(written(mp__hello_write(&writer, &hello)), &back));
    ck_assert_uint_eq(back.version, 7);
    ck_assert_int_eq(back.resumes, _i);
    ck_assert_mem_eq(back.session, hello.session, sizeof(back.session));
    ck_assert_uint_le(written(mp__hello_write(&writer, &hello)).size,
                      MP__WIRE_HELLO);
}
END_TEST

START_TEST(welcome_is_read_as_it_was)
{
    struct mp__welcome welcome = {.version = 1,
                                  .server = UINT64_MAX,
                                  .resumed = _i,
                                  .calls = 256},
                       back;

    memset(welcome.family, 1, sizeof(welcome.family));
    memset(welcome.session, 2, sizeof(welcome.session));
    must(mp__welcome_read(written(mp__welcome_write(&writer, &welcome)),
                          &back));
    ck_assert_uint_eq(back.server, UINT64_MAX);
    ck_assert_int_eq(back.resumed, _i);
    ck_assert_uint_eq(back.calls, 256);
    ck_assert_mem_eq(back.family, welcome.family, sizeof(back.family));
    ck_assert_mem_eq(back.session, welcome.session, sizeof(back.session));
}
END_TEST

static const mp_time waits[] = {MP_NOW, 1, 1000000000, MP_FOREVER - 1,
                                MP_FOREVER};

START_TEST(request_is_read_as_it_was)
{
    struct mp__request request = {.serial = (uint64_t)1 << 40,
                                  .done = 3,
                                  .thread = UINT32_MAX,
                                  .op = "list_append",
                                  .op_size = 11,
                                  .slab = 9,
                                  .object = UINT64_MAX - 63,
                                  .wait = waits[_i]},
                       back;
    char *text;
    int n;

    must(mp__request_begin(&writer, &request));
    must(mp__request_read(written(mp_any_build(&writer, "[i,s]", 5, "five")),
                          &back));
    ck_assert_uint_eq(back.serial, request.serial);
    ck_assert_uint_eq(back.done, 3);
    ck_assert_uint_eq(back.thread, UINT32_MAX);
    ck_assert_uint_eq(back.op_size, 11);
    ck_assert_mem_eq(back.op, "list_append", 11);
    ck_assert_uint_eq(back.slab, 9);
    ck_assert_uint_eq(back.object, request.object);
    ck_assert_int_eq(back.wait, waits[_i]);
    must(mp_any_parse(back.args, "[i,s]", &n, &text));
    ck_assert_int_eq(n, 5);
    ck_assert_str_eq(text, "five");
    free(text);
}
END_TEST

START_TEST(answer_is_read_as_it_was)
{
    struct mp__answer answer = {.serial = 12,
                                .result = -_i,
                                .confirm = !_i,
                                .error = _i ? "why" : NULL,
                                .error_size = SIZE_MAX},
                      back;

    must(mp__answer_begin(&writer, &answer));
    must(mp__answer_read(written(mp_any_build(&writer, "[n]")), &back));
    ck_assert_uint_eq(back.serial, 12);
    ck_assert_int_eq(back.result, -_i);
    ck_assert_int_eq(back.confirm, !_i);
    ck_assert_int_eq(back.error != NULL, _i);
    if (_i)
        ck_assert_mem_eq(back.error, "why", back.error_size);
    ck_assert_int_eq(mp_any_size(back.outs), 1);
}
END_TEST

/* ---- What is none ---- */

/* None of the four. */
static void
is_nothing(mp_any any)
{
    struct mp__hello hello;
    struct mp__welcome welcome;
    struct mp__request request;
    struct mp__answer answer;

    ck_assert_int_eq(mp__hello_read(any, &hello), -EPROTO);
    ck_assert_int_eq(mp__welcome_read(any, &welcome), -EPROTO);
    ck_assert_int_eq(mp__request_read(any, &request), -EPROTO);
    ck_assert_int_eq(mp__answer_read(any, &answer), -EPROTO);
}

static const char *const strange[] = {
    "n", "i", "[]", "{}", "[[]]", "['mproc']", "['mproc',i,n,n]",
};

START_TEST(other_values_are_refused)
{
    is_nothing(written(mp_any_build(&writer, strange[_i], 1, 1)));
}
END_TEST

/* Fields of a wrong type, too large, too many. */
START_TEST(wrong_fields_are_refused)
{
    struct mp__request request;
    struct mp__answer answer;
    struct mp__hello hello;
    const uint64_t wide = (uint64_t)1 << 32;

#define NO_REQUEST(format, ...)                                               \
    ck_assert_int_eq(                                                         \
        mp__request_read(written(mp_any_build(&writer, format, __VA_ARGS__)), \
                         &request),                                           \
        -EPROTO)
    NO_REQUEST("[i,i,i,s,i,i,n,[]]", -1, 0, 0, "x", 0, 0);
    NO_REQUEST("[i,i,Q,s,i,i,n,[]]", 1, 0, wide, "x", 0, 0);
    NO_REQUEST("[i,i,i,y,i,i,n,[]]", 1, 0, 0, "x", (size_t)1, 0, 0);
    NO_REQUEST("[i,i,i,s,Q,i,n,[]]", 1, 0, 0, "x", wide, 0);
    NO_REQUEST("[i,i,i,s,i,i,i,[]]", 1, 0, 0, "x", 0, 0, -1);
    NO_REQUEST("[i,i,i,s,i,i,d,[]]", 1, 0, 0, "x", 0, 0, 1.0);
    NO_REQUEST("[i,i,i,s,i,i,n,n]", 1, 0, 0, "x", 0, 0);
    NO_REQUEST("[i,i,i,s,i,i,n,{}]", 1, 0, 0, "x", 0, 0);
    NO_REQUEST("[i,i,i,s,i,i,n,[],n]", 1, 0, 0, "x", 0, 0);
    ck_assert_int_eq(
        mp__answer_read(
            written(mp_any_build(&writer, "[i,Q,b,n,[]]", 1, UINT64_MAX, 0)),
            &answer),
        -EPROTO);
    ck_assert_int_eq(
        mp__hello_read(written(mp_any_build(&writer, "[s,i,y]", "mproc", 1,
                                            "short", (size_t)5)),
                       &hello),
        -EPROTO);
    ck_assert_int_eq(
        mp__hello_read(written(mp_any_build(&writer, "[s,i,n]", "mprod", 1)),
                       &hello),
        -EPROTO);
}
END_TEST

/* Every beginning of a message, and one with a byte behind. */
START_TEST(cut_messages_are_refused)
{
    struct mp__request request = {
        .serial = 300, .op = "dict_set", .op_size = 8, .wait = 70000};
    unsigned char copy[128];
    mp_any any;

    must(mp__request_begin(&writer, &request));
    any = written(mp_any_build(&writer, "[s,d]", "key", 0.5));
    ck_assert_uint_lt(any.size, sizeof(copy));
    memcpy(copy, any.data, any.size);
    for (size_t n = 0; n < any.size; n++)
        is_nothing((mp_any){copy, n});
    copy[any.size] = 0;
    is_nothing((mp_any){copy, any.size + 1});
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("wire");
    TCase *tcase = mp_test_case(suite, "written", 20);

    tcase_add_loop_test(tcase, hello_is_read_as_it_was, 0, 2);
    tcase_add_loop_test(tcase, welcome_is_read_as_it_was, 0, 2);
    tcase_add_loop_test(tcase, request_is_read_as_it_was, 0, LENGTH(waits));
    tcase_add_loop_test(tcase, answer_is_read_as_it_was, 0, 2);
    tcase = mp_test_case(suite, "none", 20);
    tcase_add_loop_test(tcase, other_values_are_refused, 0, LENGTH(strange));
    tcase_add_test(tcase, wrong_fields_are_refused);
    tcase_add_test(tcase, cut_messages_are_refused);
    return mp_test_main(suite);
}
