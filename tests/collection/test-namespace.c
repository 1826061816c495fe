/* SPDX-License-Identifier: MIT */
/* mp_namespace in one process: what each function gives, and what it
 * refuses. */
#include "collection/dict-kit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static mp_namespace *
namespace_new(void)
{
    mp_namespace *ns;

    must(mp_namespace_create(&ns));
    return ns;
}

START_TEST(namespace_gives_what_was_set_last)
{
    mp_namespace *ns = namespace_new();
    char *text;
    int64_t n;
    double d;
    int x = 5;

    expect_namespace(ns, "Namespace()");
    must(mp_namespace_set(ns, "x", "i", 10));
    must(mp_namespace_set(ns, "a_name_of_some_length", "s", "a long value"));
    must(mp_namespace_get(ns, "x", "i", &x));
    ck_assert_int_eq(x, 10);
    must(mp_namespace_get(ns, "a_name_of_some_length", "s", &text));
    ck_assert_str_eq(text, "a long value");
    free(text);
    must_fail(mp_namespace_get(ns, "y", "i", &x), -ENOENT,
              "mp_namespace_get: the namespace has no such name");
    must_fail(mp_namespace_delete(ns, "y"), -ENOENT, "mp_namespace_delete");
    must_fail(mp_namespace_get(ns, "x", "s", &text), -EINVAL, "string");
    ck_assert_int_eq(mp_namespace_has(ns, "x"), 1);
    ck_assert_int_eq(mp_namespace_has(ns, "y"), 0);
    must(mp_namespace_add_int(ns, "x", 5, &n));
    ck_assert_int_eq(n, 15);
    must(mp_namespace_add_double(ns, "y", 0.5, &d));
    ck_assert(d == 0.5);
    must_fail(mp_namespace_add_int(ns, "a_name_of_some_length", 5, NULL),
              -EINVAL, "number");
    must(mp_namespace_delete(ns, "a_name_of_some_length"));
    expect_namespace(ns, "Namespace(x=15, y=0.5)");
    must(mp_namespace_destroy(ns));
}
END_TEST

/* Python sorts "a1=..." before "a=...", and leaves out "_...". */
START_TEST(namespace_is_printed_as_in_python)
{
    static const char *const names[] = {"b",  "a",   "a1", "_hidden", "Z",
                                        "aa", "a_b", "__", "b2",      "ab"};
    mp_namespace *ns = namespace_new();
    mp_any all;

    for (size_t i = 0; i < LENGTH(names); i++)
        must(mp_namespace_set(ns, names[i], "[i,s]", (int)i, names[i]));
    expect_namespace(
        ns, "Namespace(Z=[4, 'Z'], a1=[2, 'a1'], a=[1, 'a'], a_b=[6, 'a_b'], "
            "aa=[5, 'aa'], ab=[9, 'ab'], b2=[8, 'b2'], b=[0, 'b'])");
    must(mp_namespace_items(ns, &all));
    ck_assert_int_eq(mp_any_size(all), LENGTH(names));
    mp_any_free(all);
    must(mp_namespace_destroy(ns));
}
END_TEST

START_TEST(namespace_refuses_missing_arguments)
{
    mp_namespace *ns = namespace_new();

    must_fail(mp_namespace_create(NULL), -EINVAL, "NULL");
    must_fail(mp_namespace_set(ns, NULL, "i", 1), -EINVAL, "name is NULL");
    must_fail(mp_namespace_set(ns, "x", NULL), -EINVAL, "format");
    must_fail(mp_namespace_get(ns, NULL, "_"), -EINVAL, "name is NULL");
    must_fail(mp_namespace_has(ns, NULL), -EINVAL, "name is NULL");
    must_fail(mp_namespace_delete(ns, NULL), -EINVAL, "name is NULL");
    must_fail(mp_namespace_add_int(ns, NULL, 1, NULL), -EINVAL, "name");
    must_fail(mp_namespace_items(ns, NULL), -EINVAL, "NULL");
    must_fail(mp_namespace_print(ns, NULL), -EINVAL, "NULL");
    must(mp_namespace_destroy(NULL));
    expect_namespace(ns, "Namespace()");
    must(mp_namespace_destroy(ns));
}
END_TEST

#define CALL(name, ...)                               \
    static int call_##name(void *ns)                  \
    {                                                 \
        mp_any any;                                   \
        (void)any;                                    \
        return (int)mp_namespace_##name(__VA_ARGS__); \
    }
CALL(set, ns, "x", "i", 1)
CALL(get, ns, "x", "_")
CALL(has, ns, "x")
CALL(delete, ns, "x")
CALL(add_int, ns, "x", 1, NULL)
CALL(add_double, ns, "x", 1, NULL)
CALL(items, ns, &any)
CALL(print, ns, stderr)
#undef CALL

START_TEST(G36_namespace_refuses_strangers)
{
#define CALL(name)                         \
    {                                      \
        "mp_namespace_" #name, call_##name \
    }
    static const struct handle_call calls[] = {
        CALL(set),     CALL(get),        CALL(has),   CALL(delete),
        CALL(add_int), CALL(add_double), CALL(items), CALL(print),
    };
    mp_namespace *gone = namespace_new();
    mp_dict *dict = dict_new();

    must(mp_namespace_set(gone, "x", "i", 1));
    must(mp_namespace_destroy(gone));
    calls_refuse_strangers(calls, LENGTH(calls), KINDS, gone);
    ck_assert_int_eq(mp_namespace_destroy(gone), -EBADF);
    must_fail(mp_namespace_has((mp_namespace *)dict, "x"), -EBADF,
              "a namespace");
    ck_assert_ptr_null(mp_namespace_lock(gone));
    must(mp_dict_destroy(dict));
}
END_TEST

static int
change(void *ns, int i)
{
    char name[20];

    snprintf(name, sizeof(name), "mine%d", i);
    return mp_namespace_set(ns, name, "i", i * i) ||
           mp_namespace_add_int(ns, "all", 1, NULL);
}

START_TEST(namespace_is_shared)
{
    uint64_t use = heap_use();
    mp_namespace *ns = namespace_new();

    kin_run((enum kin_how)_i, 4, change, ns);
    expect_namespace(ns,
                     "Namespace(all=4, mine0=0, mine1=1, mine2=4, mine3=9)");
    ck_assert_ptr_nonnull(mp_namespace_lock(ns));
    must(mp_namespace_destroy(ns));
    ck_assert_uint_eq(heap_use(), use);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("namespace");
    TCase *tcase = mp_test_case(suite, "namespace", 20);

    tcase_add_test(tcase, namespace_gives_what_was_set_last);
    tcase_add_test(tcase, namespace_is_printed_as_in_python);
    tcase_add_test(tcase, namespace_refuses_missing_arguments);
    tcase_add_test(tcase, G36_namespace_refuses_strangers);
    tcase_add_loop_test(tcase, namespace_is_shared, PROCESSES, THREADS + 1);
    return mp_test_main(suite);
}
