/* SPDX-License-Identifier: MIT */
#include "queue/values.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static const struct values_channel *the;
static void *in, *out;

static void
open_variant(int variant)
{
    the->open(variant, &in, &out);
}

static void
close_variant(void)
{
    the->close(in, out);
}

/* By printf's rules for formats nobody can check these. */
static int
sendf(const char *format, ...)
{
    va_list args;
    int r;

    va_start(args, format);
    r = the->vsendf(in, MP_NOW, format, args);
    va_end(args);
    return r;
}

static int
recvf(const char *format, ...)
{
    va_list args;
    int r;

    va_start(args, format);
    r = the->vrecvf(out, mp_timeout(20), format, args);
    va_end(args);
    return r;
}

/* The next message is a value that Python prints so. */
static void
expect_value(const char *text)
{
    char printed[4096];
    FILE *file = fmemopen(printed, sizeof(printed), "w");
    mp_any any;

    must(the->recv_any(out, &any, mp_timeout(20)));
    must(mp_any_print(any, file));
    fclose(file);
    mp_any_free(any);
    ck_assert_str_eq(printed, text);
}

static void
expect_nothing_left(void)
{
    mp_any any;

    ck_assert_int_eq(the->recv_any(out, &any, MP_NOW), -EAGAIN);
}

/* ---- There and back ---- */

START_TEST(values_arrive)
{
    char *text;
    int n;

    open_variant(_i);
    must(sendf("[i,n,s]", 42, "Hello"));
    must(recvf("[i,n,s]", &n, &text));
    ck_assert_int_eq(n, 42);
    ck_assert_str_eq(text, "Hello");
    free(text);
    must(sendf("{s:[d,b],'k':{}}", "a", 2.5, 1));
    expect_value("{'a': [2.5, True], 'k': {}}");
    must(sendf("n"));
    expect_value("None");
    expect_nothing_left();
    close_variant();
}
END_TEST

START_TEST(items_and_whole_values_arrive)
{
    mp_any_writer w = MP_ANY_WRITER;
    mp_any any;

    open_variant(_i);
    must(the->send_item(in, MP_LIST(42, MP_NIL, "Hello"), MP_NOW));
    expect_value("[42, None, 'Hello']");
    must(mp_any_build(&w, "[i,y]", 7, "\0x", (size_t)2));
    must(mp_any_end(&w, &any));
    must(the->send_any(in, any, MP_NOW));
    mp_any_discard(&w);
    expect_value("[7, b'\\x00x']");
    expect_nothing_left();
    close_variant();
}
END_TEST

/* About what the stack has room for, what lies in a ring, and what does not. */
START_TEST(values_of_any_size_arrive)
{
    static const size_t sizes[] = {0,    1,    50,   60,   70,     500,
                                   505,  509,  510,  515,  600,    8180,
                                   8190, 8192, 8200, 9000, 1 << 20};
    char *data = malloc(1 << 20);

    open_variant(_i);
    for (size_t i = 0; i < LENGTH(sizes); i++) {
        size_t size = 99;
        void *copy = NULL;
        int n;

        if (sizes[i] > 100000 && _i >= the->narrow)
            continue;
        memset(data, (int)('a' + i), 1 << 20);
        must(sendf("[y,i]", data, sizes[i], (int)i));
        must(recvf("[y,i]", &copy, &size, &n));
        ck_assert_uint_eq(size, sizes[i]);
        ck_assert_int_eq(n, (int)i);
        ck_assert(memcmp(copy, data, size) == 0);
        free(copy);
    }
    expect_nothing_left();
    close_variant();
    free(data);
}
END_TEST

/* What is given are copies, each by itself, with a NUL behind. */
START_TEST(what_values_give_is_the_callers_own)
{
    char *s, *S;
    unsigned char *y;
    size_t S_size, y_size;
    mp_any v;

    open_variant(_i);
    must(sendf("[s,S,y,[i,i]]", "one", "two", (size_t)3, "three", (size_t)5, 1,
               2));
    must(recvf("[s,S,y,v]", &s, &S, &S_size, &y, &y_size, &v));
    must(sendf("[s,S,y,[i,i]]", "ONE", "TWO", (size_t)3, "THREE", (size_t)5, 3,
               4));
    expect_value("['ONE', 'TWO', b'THREE', [3, 4]]");
    close_variant();
    ck_assert_str_eq(s, "one");
    ck_assert_str_eq(S, "two");
    ck_assert_str_eq((char *)y, "three");
    ck_assert(S_size == 3 && y_size == 5);
    ck_assert_int_eq(mp_any_size(v), 2);
    free(s);
    free(S);
    free(y);
    mp_any_free(v);
}
END_TEST

/* ---- What does not fit ---- */

START_TEST(value_of_another_format_stays_the_next)
{
    char *text = "none";
    int n = -1, m = -1;
    int few[2];
    size_t room = 2;

    open_variant(_i);
    must(sendf("[s,i,[i,i,i]]", "Hello", 300, 1, 2, 3));
    must(sendf("s", "behind"));
    must_fail(recvf("[s,s,_]", &text, &text), -EINVAL,
              "item 1: expected string, got int");
    ck_assert_ptr_null(text);
    must_fail(recvf("[s]", &text), -EINVAL, "2 items more");
    ck_assert_ptr_null(text);
    must_fail(recvf("{}"), -EINVAL, "expected dict, got list");
    must_fail(recvf("[s,i", &text, &n), -EINVAL, "ends too early");
    must_fail(recvf(NULL), -EINVAL, "format");
    must_fail(recvf("[_,_,*i]", few, &room), -EMSGSIZE, "item 2");
    must(recvf("[s,i,[i,_ *]]", &text, &n, &m));
    ck_assert(n == 300 && m == 1);
    ck_assert_str_eq(text, "Hello");
    free(text);
    must(sendf("Q", UINT64_MAX));
    must(recvf("s", &text));
    ck_assert_str_eq(text, "behind");
    free(text);
    must_fail(recvf("i", &n), -ERANGE, "'i'");
    must_fail(recvf("q", &n), -ERANGE, "");
    expect_value("18446744073709551615");
    close_variant();
}
END_TEST

START_TEST(bytes_that_are_no_value_stay_the_next)
{
    char buf[8];
    mp_any any;
    int n;

    open_variant(_i);
    must(the->send(in, "\xc1", 1, MP_NOW));
    must(the->send(in, "\x07\x07", 2, MP_NOW));
    must(the->send(in, "", 0, MP_NOW));
    must_fail(the->recv_any(out, &any, MP_NOW), -EPROTO, "no value");
    must_fail(recvf("v", &any), -EPROTO, "no value");
    ck_assert_int_eq(the->recv(out, buf, sizeof(buf), MP_NOW), 1);
    must_fail(the->recv_any(out, &any, MP_NOW), -EPROTO, "behind");
    must_fail(recvf("i", &n), -EPROTO, "behind");
    ck_assert_int_eq(the->recv(out, buf, sizeof(buf), MP_NOW), 2);
    must_fail(the->recv_any(out, &any, MP_NOW), -EPROTO, "no value");
    ck_assert_int_eq(the->recv(out, buf, sizeof(buf), MP_NOW), 0);
    expect_nothing_left();
    close_variant();
}
END_TEST

START_TEST(what_cannot_be_built_is_not_sent)
{
    static const mp_any none = {"\xc1", 1}, empty = {NULL, 0};

    open_variant(_i);
    must_fail(sendf("[i"), -EINVAL, "ends too early");
    must_fail(sendf(NULL), -EINVAL, "format");
    must_fail(sendf("[i,v]", 1, none), -EPROTO, "");
    must_fail(the->send_any(in, none, MP_NOW), -EPROTO, "no value");
    must_fail(the->send_any(in, empty, MP_NOW), -EPROTO, "no value");
    must_fail(the->send_item(in, MP_DICT("key"), MP_NOW), -EINVAL, "key");
    expect_nothing_left();
    close_variant();
}
END_TEST

/* No memory for a copy: it stays, and comes when there is some. */
START_TEST(value_stays_when_there_is_no_memory_for_it)
{
    const size_t size = 32 << 20;
    char *data = malloc(size), *text = "none";
    struct rlimit limit, none = {0, 0};
    size_t length;
    mp_any any;
    int r[2];

    if (_i >= the->narrow || mp_test_scale() > 1) { /* malloc() never fails */
        free(data);
        return;
    }
    open_variant(_i);
    memset(data, 'x', size);
    must(sendf("[s,S]", "small", data, size));
    must(getrlimit(RLIMIT_AS, &limit));
    none.rlim_max = limit.rlim_max;
    must(setrlimit(RLIMIT_AS, &none));
    r[0] = recvf("[s,S]", &text, &data, &length);
    r[1] = the->recv_any(out, &any, MP_NOW);
    must(setrlimit(RLIMIT_AS, &limit));
    ck_assert_int_eq(r[0], -ENOMEM);
    ck_assert_int_eq(r[1], -ENOMEM);
    ck_assert_ptr_null(text);
    free(data);
    must(recvf("[s,S]", &text, &data, &length));
    ck_assert_str_eq(text, "small");
    ck_assert_uint_eq(length, size);
    free(text);
    free(data);
    close_variant();
}
END_TEST

/* ---- Waiting, and dying ---- */

START_TEST(values_are_waited_for_until_the_deadline)
{
    mp_any any, before = {"x", 77};

    open_variant(_i);
    any = before;
    ck_assert_int_eq(the->recv_any(out, &any, MP_NOW), -EAGAIN);
    ck_assert_int_eq(the->recv_any(out, &any, mp_timeout(0.01)), -ETIMEDOUT);
    ck_assert(any.data == before.data && any.size == 77);
    close_variant();
}
END_TEST

/* Where the value is to go is no memory: it dies looking at the message. */
static int
die_looking(void *unused)
{
    char *text;

    (void)unused;
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    signal(SIGSEGV, SIG_DFL);
    return recvf("[s,i]", &text, (int *)8);
}

START_TEST(G01_value_stays_when_its_receiver_dies_looking_at_it)
{
    if (_i >= the->narrow)
        return;
    open_variant(_i);
    expect_nothing_left(); /* and this end is ours, too */
    for (int i = 0; i < 3; i++) {
        must(sendf("[s,i]", "Hello", i));
        ck_assert_int_ne(reap(child(die_looking, NULL)), 0);
        ck_assert_int_ne(reap(child(die_looking, NULL)), 0);
    }
    for (int i = 0; i < 3; i++) {
        char *text;
        int n;

        must(recvf("[s,i]", &text, &n));
        ck_assert_str_eq(text, "Hello");
        free(text);
    }
    expect_nothing_left();
    close_variant();
}
END_TEST

/* ---- */

void
values_add_tests(Suite *suite, const struct values_channel *channel,
                 int variants)
{
    TCase *tcase = mp_test_case(suite, "values", 30);

    the = channel;
    tcase_add_loop_test(tcase, values_arrive, 0, variants);
    tcase_add_loop_test(tcase, items_and_whole_values_arrive, 0, variants);
    tcase_add_loop_test(tcase, values_of_any_size_arrive, 0, variants);
    tcase_add_loop_test(tcase, what_values_give_is_the_callers_own, 0,
                        variants);
    tcase_add_loop_test(tcase, value_of_another_format_stays_the_next, 0,
                        variants);
    tcase_add_loop_test(tcase, bytes_that_are_no_value_stay_the_next, 0,
                        variants);
    tcase_add_loop_test(tcase, what_cannot_be_built_is_not_sent, 0, variants);
    tcase_add_loop_test(tcase, value_stays_when_there_is_no_memory_for_it, 0,
                        variants);
    tcase_add_loop_test(tcase, values_are_waited_for_until_the_deadline, 0,
                        variants);
    tcase_add_loop_test(tcase,
                        G01_value_stays_when_its_receiver_dies_looking_at_it,
                        0, variants);
}
