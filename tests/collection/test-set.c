/* SPDX-License-Identifier: MIT */
/* mp_set in one process: what each function gives, and what it refuses. (What
 * it does with many items is compared with a model in test-dict-model.c.) */
#include "collection/dict-kit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

START_TEST(set_has_what_was_added)
{
    mp_set *set = set_new();
    char *text;
    int x;

    expect_set(set, "set()");
    ck_assert_int_eq(mp_set_add(set, "s", "red"), 1);
    ck_assert_int_eq(mp_set_add(set, "s", "red"), 0);
    ck_assert_int_eq(mp_set_add(set, "i", 1), 1);
    ck_assert_int_eq(mp_set_add(set, "d", 1.0), 0);
    ck_assert_int_eq(mp_set_add(set, "s", "an item of some length"), 1);
    ck_assert_int_eq(mp_set_add(set, "s", "an item of some length"), 0);
    expect_set(set, "{'red', 1, 'an item of some length'}");
    ck_assert_int_eq(mp_set_len(set), 3);
    ck_assert_int_eq(mp_set_has(set, "b", 1), 1);
    ck_assert_int_eq(mp_set_has(set, "s", "blue"), 0);
    must_fail(mp_set_pop(set, "i", &x), -EINVAL, "mp_set_pop");
    must(mp_set_pop(set, "s", &text));
    ck_assert_str_eq(text, "red");
    free(text);
    must(mp_set_pop(set, "i", &x));
    ck_assert_int_eq(x, 1);
    must_fail(mp_set_remove(set, "i", 1), -ENOENT,
              "mp_set_remove: the set has no such item");
    must(mp_set_remove(set, "s", "an item of some length"));
    must_fail(mp_set_pop(set, NULL), -ENOENT, "mp_set_pop: the set is empty");
    must(mp_set_destroy(set));
}
END_TEST

START_TEST(set_with_a_list)
{
    mp_set *set = set_new();
    mp_any some = value_of("[i,i,i,i]", 1, 2, 3, 2);
    mp_any more = value_of("[i,s]", 3, "four"), all, none = value_of("[]");

    must(mp_set_update(set, some));
    expect_set(set, "{1, 2, 3}");
    must(mp_set_toggle(set, more));
    expect_set(set, "{1, 2, 'four'}");
    ck_assert_int_eq(mp_set_is_subset(set, some), 0);
    ck_assert_int_eq(mp_set_is_superset(set, more), 0);
    ck_assert_int_eq(mp_set_is_superset(set, none), 1);
    ck_assert_int_eq(mp_set_is_disjoint(set, none), 1);
    ck_assert_int_eq(mp_set_is_disjoint(set, more), 0);
    must(mp_set_subtract(set, more));
    expect_set(set, "{1, 2}");
    ck_assert_int_eq(mp_set_is_subset(set, some), 1);
    ck_assert_int_eq(mp_set_equal(set, some), 0);
    must(mp_set_items(set, &all));
    expect_any(all, "[1, 2]");
    ck_assert_int_eq(mp_set_equal(set, all), 1);
    mp_any_free(all);
    must(mp_set_intersect(set, more));
    expect_set(set, "set()");
    ck_assert_int_eq(mp_set_equal(set, none), 1);
    must(mp_set_destroy(set));
}
END_TEST

START_TEST(set_walks_and_clears)
{
    mp_set *set = set_new();
    mp_set_walker walker = MP_SET_WALKER;
    mp_any item, list = list_of(0, 5000);
    int64_t x;

    must(mp_set_update(set, list));
    mp_any_free(list);
    for (int i = 0; i < 5000; i++) {
        ck_assert_int_eq(mp_set_next(set, &walker, &item), 1);
        must(mp_any_get_int(item, &x));
        ck_assert_int_eq(x, i);
        mp_any_free(item);
        must(mp_set_remove(set, "i", i));
    }
    ck_assert_int_eq(mp_set_next(set, &walker, &item), 0);
    must(mp_set_add(set, "i", 1));
    must(mp_set_clear(set));
    ck_assert_int_eq(mp_set_len(set), 0);
    must(mp_set_destroy(set));
}
END_TEST

/* ---- Refusals ---- */

START_TEST(set_refuses_what_is_no_item)
{
    mp_set *set = set_new();
    mp_any dict = value_of("{s:i}", "a", 1),
           nested = value_of("[i,[i]]", 1, 2), any;
    mp_set_walker walker = MP_SET_WALKER;

    must_fail(mp_set_create(NULL), -EINVAL, "NULL");
    must_fail(mp_set_add(set, NULL), -EINVAL, "format");
    must_fail(mp_set_add(set, "[i]", 1), -EINVAL, "list is no key");
    must_fail(mp_set_update(set, dict), -EINVAL, "list");
    must_fail(mp_set_update(set, nested), -EINVAL, "list is no key");
    must_fail(mp_set_toggle(set, nested), -EINVAL, "mp_set_toggle");
    must_fail(mp_set_subtract(set, (mp_any){0}), -EPROTO, "mp_set_subtract");
    must_fail(mp_set_intersect(set, dict), -EINVAL, "mp_set_intersect");
    must_fail(mp_set_is_subset(set, dict), -EINVAL, "mp_set_is_subset");
    must_fail(mp_set_is_superset(set, nested), -EINVAL, "mp_set_is_superset");
    must_fail(mp_set_is_disjoint(set, (mp_any){"\xc1", 1}), -EPROTO, "");
    ck_assert_int_eq(mp_set_equal(set, dict), 0);
    must_fail(mp_set_items(set, NULL), -EINVAL, "NULL");
    must_fail(mp_set_next(set, NULL, &any), -EINVAL, "walker");
    must_fail(mp_set_next(set, &walker, NULL), -EINVAL, "NULL");
    must_fail(mp_set_print(set, NULL), -EINVAL, "NULL");
    must(mp_set_destroy(NULL));
    ck_assert_int_eq(mp_set_len(set), 0);
    must(mp_set_destroy(set));
}
END_TEST

#define CALL(name, ...)                         \
    static int call_##name(void *handle)        \
    {                                           \
        mp_set *set = handle;                   \
        mp_any any = {"\x90", 1};               \
        (void)any;                              \
        return (int)mp_set_##name(__VA_ARGS__); \
    }
CALL(len, set)
CALL(add, set, "i", 1)
CALL(has, set, "i", 1)
CALL(remove, set, "i", 1)
CALL(pop, set, "_")
CALL(update, set, any)
CALL(subtract, set, any)
CALL(intersect, set, any)
CALL(toggle, set, any)
CALL(clear, set)
CALL(is_subset, set, any)
CALL(is_superset, set, any)
CALL(is_disjoint, set, any)
CALL(equal, set, any)
CALL(items, set, &any)
CALL(print, set, stderr)
#undef CALL

static int
call_next(void *handle)
{
    mp_set_walker walker = MP_SET_WALKER;
    mp_any any;

    return mp_set_next(handle, &walker, &any);
}

START_TEST(G36_set_refuses_strangers)
{
#define CALL(name)                   \
    {                                \
        "mp_set_" #name, call_##name \
    }
    static const struct handle_call calls[] = {
        CALL(len),         CALL(add),    CALL(has),       CALL(remove),
        CALL(pop),         CALL(update), CALL(subtract),  CALL(intersect),
        CALL(toggle),      CALL(clear),  CALL(is_subset), CALL(is_superset),
        CALL(is_disjoint), CALL(equal),  CALL(items),     CALL(print),
        CALL(next),
    };
    mp_set *gone = set_new();
    mp_dict *dict = dict_new();

    must(mp_set_add(gone, "i", 1));
    must(mp_set_destroy(gone));
    calls_refuse_strangers(calls, LENGTH(calls), KINDS, gone);
    ck_assert_int_eq(mp_set_destroy(gone), -EBADF);
    must_fail(mp_set_len((mp_set *)dict), -EBADF, "a set");
    ck_assert_ptr_null(mp_set_lock(gone));
    must(mp_dict_destroy(dict));
}
END_TEST

START_TEST(set_has_a_lock)
{
    uint64_t use = heap_use();
    mp_set *set = set_new();
    mp_rlock *lock = mp_set_lock(set);

    ck_assert_ptr_nonnull(lock);
    must(mp_rlock_acquire(lock, MP_NOW));
    must_fail(mp_set_destroy(set), -EBUSY, "mp_set_destroy");
    must(mp_rlock_release(lock));
    must(mp_set_destroy(set));
    ck_assert_uint_eq(heap_use(), use);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("set");
    TCase *items = mp_test_case(suite, "items", 10);
    TCase *refusals = mp_test_case(suite, "refusals", 10);

    tcase_add_test(items, set_has_what_was_added);
    tcase_add_test(items, set_with_a_list);
    tcase_add_test(items, set_walks_and_clears);
    tcase_add_test(refusals, set_refuses_what_is_no_item);
    tcase_add_test(refusals, G36_set_refuses_strangers);
    tcase_add_test(refusals, set_has_a_lock);
    return mp_test_main(suite);
}
