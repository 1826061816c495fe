/* SPDX-License-Identifier: MIT */
/* What mp_dict refuses, and what it does without. */
#include "collection/dict-kit.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

START_TEST(dict_refuses_what_is_no_value)
{
    mp_dict *dict = dict_new();
    mp_any key = {"\x01", 1}, bad = {"\x92\x01", 2}, two = {"\x01\x02", 2},
           null = {NULL, 3}, out;
    unsigned char deep[MP_ANY_DEPTH + 1];

    must_fail(mp_dict_set_any(dict, key, bad), -EPROTO, "mp_dict_set_any");
    must_fail(mp_dict_set_any(dict, key, two), -EPROTO, "mp_dict_set_any");
    must_fail(mp_dict_set_any(dict, key, null), -EPROTO, "mp_dict_set_any");
    must_fail(mp_dict_set_any(dict, key, (mp_any){NULL, 0}), -EPROTO, "");
    must_fail(mp_dict_setdefault_any(dict, key, bad, &out), -EPROTO, "");
    must_fail(mp_dict_compare_exchange(dict, key, (mp_any){0}, bad), -EPROTO,
              "mp_dict_compare_exchange");
    must_fail(mp_dict_compare_exchange(dict, key, bad, key), -EPROTO, "");
    must_fail(mp_dict_compare_exchange(dict, key, null, key), -EPROTO, "");
    must_fail(mp_dict_update(dict, bad), -EPROTO, "mp_dict_update");
    must_fail(mp_dict_update(dict, (mp_any){0}), -EPROTO, "mp_dict_update");
    must_fail(mp_dict_equal(dict, bad), -EPROTO, "mp_dict_equal");
    ck_assert_int_eq(mp_dict_len(dict), 0);
    /* As deep as it may be as a part of the whole. */
    memset(deep, 0x91, sizeof(deep));
    deep[MP_ANY_DEPTH] = 1;
    must_fail(mp_dict_set_any(dict, key, (mp_any){deep, sizeof(deep)}),
              -EINVAL, "deep");
    must(mp_dict_set_any(dict, key, (mp_any){deep + 1, sizeof(deep) - 1}));
    must(mp_dict_items(dict, &out));
    must(mp_any_check(out.data, out.size, &out));
    ck_assert_int_eq(mp_dict_equal(dict, out), 1);
    mp_any_free(out);
    must(mp_dict_destroy(dict));
}
END_TEST

START_TEST(dict_refuses_missing_arguments)
{
    mp_dict *dict = dict_new();
    mp_dict_walker walker = MP_DICT_WALKER;
    mp_any any = {"\x01", 1};

    must_fail(mp_dict_create(NULL), -EINVAL, "NULL");
    must_fail(mp_dict_set(dict, NULL), -EINVAL, "format");
    must_fail(mp_dict_set(dict, "s", "k", NULL), -EINVAL, "format");
    must_fail(mp_dict_set(dict, "s", "k", "w"), -EINVAL, "w");
    must_fail(mp_dict_get(dict, NULL), -EINVAL, "format");
    must_fail(mp_dict_get_any(dict, any, NULL), -EINVAL, "NULL");
    must_fail(mp_dict_setdefault_any(dict, any, any, NULL), -EINVAL, "NULL");
    must_fail(mp_dict_popitem(dict, NULL, NULL), -EINVAL, "NULL");
    must_fail(mp_dict_keys(dict, NULL), -EINVAL, "NULL");
    must_fail(mp_dict_items(dict, NULL), -EINVAL, "NULL");
    must_fail(mp_dict_next(dict, NULL, &any, NULL), -EINVAL, "walker");
    must_fail(mp_dict_next(dict, &walker, NULL, NULL), -EINVAL, "NULL");
    must_fail(mp_dict_print(dict, NULL), -EINVAL, "NULL");
    must(mp_dict_destroy(NULL));
    ck_assert_int_eq(mp_dict_len(dict), 0);
    must(mp_dict_destroy(dict));
}
END_TEST

#define CALL(name, ...)                          \
    static int call_##name(void *handle)         \
    {                                            \
        mp_dict *dict = handle;                  \
        mp_any any = {"\x80", 1};                \
        (void)any;                               \
        return (int)mp_dict_##name(__VA_ARGS__); \
    }
CALL(destroy, dict)
CALL(len, dict)
CALL(set, dict, "s", "k", "i", 1)
CALL(get, dict, "s", "k", "_")
CALL(pop, dict, "s", "k", "_")
CALL(setdefault, dict, "s", "k", "i", 1)
CALL(has, dict, "s", "k")
CALL(delete, dict, "s", "k")
CALL(add_int, dict, 1, NULL, "s", "k")
CALL(add_double, dict, 1, NULL, "s", "k")
CALL(compare_exchange, dict, any, any, any)
CALL(get_any, dict, any, &any)
CALL(set_any, dict, any, any)
CALL(setdefault_any, dict, any, any, &any)
CALL(popitem, dict, &any, &any)
CALL(update, dict, any)
CALL(clear, dict)
CALL(keys, dict, &any)
CALL(values, dict, &any)
CALL(items, dict, &any)
CALL(equal, dict, any)
CALL(print, dict, stderr)
#undef CALL

static int
call_next(void *handle)
{
    mp_dict_walker walker = MP_DICT_WALKER;
    mp_any any;

    return mp_dict_next(handle, &walker, &any, NULL);
}

START_TEST(G36_dict_refuses_strangers)
{
#define CALL(name)                    \
    {                                 \
        "mp_dict_" #name, call_##name \
    }
    static const struct handle_call calls[] = {
        CALL(destroy),
        CALL(len),
        CALL(set),
        CALL(get),
        CALL(pop),
        CALL(setdefault),
        CALL(has),
        CALL(delete),
        CALL(add_int),
        CALL(add_double),
        CALL(compare_exchange),
        CALL(get_any),
        CALL(set_any),
        CALL(setdefault_any),
        CALL(popitem),
        CALL(update),
        CALL(clear),
        CALL(keys),
        CALL(values),
        CALL(items),
        CALL(equal),
        CALL(print),
        CALL(next),
    };
    mp_dict *gone = dict_new();
    mp_set *set = set_new();

    must(mp_dict_set(gone, "s", "k", "i", 1));
    must(mp_dict_destroy(gone));
    calls_refuse_strangers(calls + 1, LENGTH(calls) - 1, KINDS, gone);
    ck_assert_int_eq(mp_dict_destroy(gone), -EBADF);
    must_fail(mp_dict_len((mp_dict *)set), -EBADF, "a dict");
    ck_assert_ptr_null(mp_dict_lock(gone));
    must(mp_set_destroy(set));
}
END_TEST

static int
hold_lock(void *dict, int unused)
{
    (void)unused;
    must(mp_rlock_acquire(mp_dict_lock(dict), MP_FOREVER));
    must(mp_dict_set(dict, "s", "mine", "i", 1));
    return sleep(60) == 0;
}

START_TEST(dict_with_a_held_lock_is_not_destroyed)
{
    mp_dict *dict = dict_new();
    struct kin *kin = kin_start(PROCESSES, 1, hold_lock, dict);

    ck_assert_ptr_nonnull(mp_dict_lock(dict));
    ck_assert_ptr_eq(mp_dict_lock(dict), mp_dict_lock(dict));
    wait_until(mp_dict_has(dict, "s", "mine") == 1, 20);
    must_fail(mp_dict_destroy(dict), -EBUSY, "mp_dict_destroy");
    expect_dict(dict, "{'mine': 1}");
    kin_kill(kin, 0);
    ck_assert_int_eq(mp_rlock_acquire(mp_dict_lock(dict), MP_FOREVER),
                     -EOWNERDEAD);
    must(mp_rlock_release(mp_dict_lock(dict)));
    must(mp_dict_destroy(dict));
    kin_end(kin);
}
END_TEST

static int
take_steps(void *arg)
{
    mp_dict *dict = arg;
    int x;

    return mp_dict_set(dict, "s", "key", "i", 3) ||
           mp_dict_get(dict, "s", "key", "i", &x) || x != 3 ||
           mp_dict_add_int(dict, 1, NULL, "s", "key") ||
           mp_dict_has(dict, "s", "key") != 1 ||
           mp_dict_set(dict, "s", "a key of some length", "d", 2.5) ||
           mp_dict_delete(dict, "s", "a key of some length");
}

START_TEST(dict_steps_make_no_system_call)
{
    mp_dict *dict = dict_new();

    for (int i = 0; i < 100; i++) /* has all the memory that it will need */
        ck_assert_int_eq(take_steps(dict), 0);
    needs_no_system_call(take_steps, dict);
    must(mp_dict_destroy(dict));
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("dict-refusals");
    TCase *refusals = mp_test_case(suite, "refusals", 30);

    tcase_add_test(refusals, dict_refuses_what_is_no_value);
    tcase_add_test(refusals, dict_refuses_missing_arguments);
    tcase_add_test(refusals, G36_dict_refuses_strangers);
    tcase_add_test(refusals, dict_with_a_held_lock_is_not_destroyed);
    tcase_add_test(refusals, dict_steps_make_no_system_call);
    return mp_test_main(suite);
}
