/* SPDX-License-Identifier: MIT */
/* The family's memory is full: each function either works or says -ENOMEM, and
 * then the dict is as it was; and as soon as there is memory again, all goes
 * well. What needs no memory always works.
 *
 * The program makes its region small (main), and a ballast fills it. */
#include "collection/dict-kit.h"

#include <errno.h>
#include <stdlib.h>

#define N 300

static mp_dict *dict;
static mp_set *set;
static char long_text[3000];

/* ---- What is asked for ---- */

static int
try_set(int i)
{
    return mp_dict_set(dict, "i", i, "i", i);
}

static int
try_set_large(int i)
{
    return mp_dict_set(dict, "S", long_text + i, (size_t)100, "s", long_text);
}

static int
try_replace(int i)
{
    return mp_dict_set(dict, "s", "there", "s", long_text + i);
}

static int
try_default(int i)
{
    int r = mp_dict_setdefault(dict, "i", i, "s", "some text");

    return r < 0 ? r : 0;
}

static int
try_add(int i)
{
    return mp_dict_add_double(dict, 0.5, NULL, "d", i + 0.5);
}

static int
try_exchange(int i)
{
    mp_any key = {"\x01", 1}, now, next = value_of("[i,s]", i, "some text");
    int r;

    if (mp_dict_get_any(dict, key, &now) < 0)
        return mp_dict_set_any(dict, key, next);
    r = mp_dict_compare_exchange(dict, key, now, next);
    mp_any_free(now);
    return r < 0 ? r : r == 0;
}

static int
try_update(int i)
{
    mp_any some = dict_of(i << 20, 50);
    int r = mp_dict_update(dict, some);

    mp_any_free(some);
    return r;
}

static int
try_toggle(int i)
{
    mp_any some = list_of(i << 20, 40);
    int r = mp_set_toggle(set, some);

    mp_any_free(some);
    return r;
}

static int
try_subtract(int i)
{
    mp_any some = list_of(i, 40);
    int r = mp_set_subtract(set, some);

    mp_any_free(some);
    return r;
}

static int
try_intersect(int i)
{
    mp_any some = list_of(0, (size_t)(N - i));
    int r = mp_set_intersect(set, some);

    mp_any_free(some);
    return r;
}

static const struct {
    const char *name;
    int (*fn)(int i);
} tries[] = {
    {"set", try_set},           {"set large", try_set_large},
    {"replace", try_replace},   {"default", try_default},
    {"add", try_add},           {"exchange", try_exchange},
    {"update", try_update},     {"toggle", try_toggle},
    {"subtract", try_subtract}, {"intersect", try_intersect},
};

static void
begin(void)
{
    mp_any some = list_of(0, N);
    uint32_t random = 1; /* so that no part of the text is like another */

    for (size_t i = 0; i < sizeof(long_text) - 1; i++) {
        random = random * 1103515245 + 12345;
        long_text[i] = (char)('a' + (random >> 16) % 26);
    }
    dict = dict_new();
    set = set_new();
    must(mp_dict_set(dict, "s", "there", "n"));
    must(mp_set_update(set, some));
    mp_any_free(some);
}

/* As it was: both. */
static void
expect_unchanged(mp_any entries, mp_any items, const char *name)
{
    ck_assert_msg(mp_dict_equal(dict, entries) == 1, "%s: dict", name);
    ck_assert_msg(mp_set_equal(set, items) == 1, "%s: set", name);
}

START_TEST(full_memory_changes_nothing)
{
    uint64_t use = heap_use();
    int refused = 0;

    begin();
    fill_memory();
    for (int i = 0; i < N; i++) {
        mp_any entries, items;
        int r;

        must(mp_dict_items(dict, &entries));
        must(mp_set_items(set, &items));
        while ((r = tries[_i].fn(i)) != 0) {
            ck_assert_msg(r == -ENOMEM, "%s: %s", tries[_i].name,
                          mp_last_error());
            expect_unchanged(entries, items, tries[_i].name);
            ck_assert_msg(drop_ballast(++refused), "%s: with memory free",
                          tries[_i].name);
        }
        mp_any_free(entries);
        mp_any_free(items);
    }
    ck_assert_msg(refused > 0 || tries[_i].fn == try_subtract,
                  "%s: memory was not full", tries[_i].name);
    while (drop_ballast(1000))
        ;
    for (size_t i = 0; i < LENGTH(tries); i++)
        must(tries[i].fn(1));
    must(mp_dict_destroy(dict));
    must(mp_set_destroy(set));
    ck_assert_uint_eq(heap_use(), use);
}
END_TEST

START_TEST(full_memory_is_no_obstacle_to_deleting)
{
    uint64_t use = heap_use();
    int x;

    begin();
    for (int i = 0; i < N; i++)
        must(try_set(i) | try_set_large(i));
    fill_memory();
    for (int i = 0; i < N; i++) {
        must(mp_dict_pop(dict, "i", i, "i", &x));
        must(mp_dict_delete(dict, "S", long_text + i, (size_t)100));
        must(mp_set_pop(set, "i", &x));
        ck_assert_int_eq(x, i);
    }
    expect_dict(dict, "{'there': None}");
    must(mp_dict_clear(dict));
    while (drop_ballast(1000))
        ;
    must(mp_dict_destroy(dict));
    must(mp_set_destroy(set));
    ck_assert_uint_eq(heap_use(), use);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("dict-memory");
    TCase *full;

    setenv("MPROC_REGION_SIZE", "16M", 1);
    full = mp_test_case(suite, "full", 120);
    tcase_add_loop_test(full, full_memory_changes_nothing, 0,
                        (int)LENGTH(tries));
    tcase_add_test(full, full_memory_is_no_obstacle_to_deleting);
    return mp_test_main(suite);
}
