/* SPDX-License-Identifier: MIT */
/* Dicts and sets between processes of each start method, and threads; and when
 * these are killed. */
#include "collection/dict-kit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PARTIES 4
#define STEPS   (mp_test_scale() > 1 ? 2000 : 10000)

struct stage {
    mp_dict *dict;
    mp_set *set;
    mp__a64 done[PARTIES]; /* steps that have returned, of each */
    mp__a32 over;
};

static struct stage *
stage_new(void)
{
    struct stage *stage = mp_new(struct stage);

    ck_assert_ptr_nonnull(stage);
    stage->dict = dict_new();
    stage->set = set_new();
    return stage;
}

static void
end_stage(struct stage *stage)
{
    must(mp_dict_destroy(stage->dict));
    must(mp_set_destroy(stage->set));
    must(mp_free(stage));
}

/* ---- Each start method ---- */

static int
add_up(struct party *me)
{
    struct stage *stage = me->arg;
    int64_t last = 0, mine;

    for (int i = 0; i < STEPS; i++) {
        expect(mp_dict_add_int(stage->dict, 1, &mine, "s", "count"), 0);
        expect(mine > last, 1);
        last = mine;
        expect(mp_dict_add_double(stage->dict, 0.25, NULL, "s",
                                  "the sum of all quarters"),
               0);
        expect(mp_dict_add_int(stage->dict, i % 2 ? 1 : -1, NULL, "i", i % 50),
               0);
    }
    return 0;
}

START_TEST(G24_dict_add_is_atomic)
{
    struct stage *stage = stage_new();
    int64_t n;
    double x;

    crew_warm_up((enum way)_i);
    crew_run((enum way)_i, PARTIES, add_up, stage);
    must(mp_dict_get(stage->dict, "s", "count", "q", &n));
    ck_assert_int_eq(n, PARTIES * STEPS);
    must(mp_dict_get(stage->dict, "s", "the sum of all quarters", "d", &x));
    ck_assert(x == PARTIES * STEPS * 0.25);
    for (int i = 0; i < 50; i++) {
        must(mp_dict_get(stage->dict, "i", i, "q", &n));
        ck_assert_int_eq(n, (i % 2 ? 1 : -1) * PARTIES * (STEPS / 50));
    }
    ck_assert_int_eq(mp_dict_len(stage->dict), 52);
    end_stage(stage);
}
END_TEST

/* Each item is added by one of all who try, and popped by one. */
static int
add_and_pop(struct party *me)
{
    struct stage *stage = me->arg;
    int64_t x, mine = 0;

    for (int i = 0; i < STEPS / 4; i++)
        mine += mp_set_add(stage->set, "i", i);
    mp__add(&stage->done[0], (uint64_t)mine);
    mp__add(&stage->done[1], 1);
    party_await(mp__load(&stage->done[1]) == PARTIES);
    while (mp_set_pop(stage->set, "q", &x) == 0) {
        mp__add(&stage->done[2], 1);
        mp__add(&stage->done[3], (uint64_t)x);
    }
    return 0;
}

START_TEST(set_add_and_pop_are_one_step)
{
    struct stage *stage = stage_new();
    uint64_t n = (uint64_t)STEPS / 4;

    crew_warm_up((enum way)_i);
    crew_run((enum way)_i, PARTIES, add_and_pop, stage);
    ck_assert_uint_eq(mp__load(&stage->done[0]), n);
    ck_assert_uint_eq(mp__load(&stage->done[2]), n);
    ck_assert_uint_eq(mp__load(&stage->done[3]), n * (n - 1) / 2);
    ck_assert_int_eq(mp_set_len(stage->set), 0);
    end_stage(stage);
}
END_TEST

/* ---- Seen whole ---- */

static int
update_both(mp_dict *dict, int64_t n)
{
    mp_any_writer w = MP_ANY_WRITER;
    mp_any both;
    int r;

    mp_any_build(&w, "{s:q,s:q,s:[q,s]}", "a", n, "b", n,
                 "a key of some length", n, "and a value that is longer yet");
    mp_any_end(&w, &both);
    r = mp_dict_update(dict, both);
    mp_any_discard(&w);
    return r;
}

/* Two update, and make the table grow and shrink; the others look. */
static int
update_or_look(struct party *me)
{
    struct stage *stage = me->arg;
    mp_dict *dict = stage->dict;
    int64_t a, b, c;
    mp_any all;

    for (int i = 0; i < STEPS / 4 && me->i < 2; i++) {
        int temporary = 1000 * me->i + i % 500;

        expect(update_both(dict, i), 0);
        if (i / 500 % 2 == 0)
            expect(mp_dict_set(dict, "i", temporary, "n"), 0);
        else
            expect(mp_dict_delete(dict, "i", temporary), 0);
    }
    mp__add(&stage->over, me->i < 2);
    while (me->i >= 2 && mp__load(&stage->over) < 2) {
        expect(mp_dict_items(dict, &all), 0);
        expect(mp_any_parse(all, "{'a':q,'b':q,'a key of some length':[q,_]}",
                            &a, &b, &c),
               0);
        mp_any_free(all);
        expect(a == b && b == c, 1);
    }
    return 0;
}

START_TEST(dict_update_is_seen_whole)
{
    struct stage *stage = stage_new();

    must(update_both(stage->dict, 0));
    crew_warm_up((enum way)_i);
    crew_run((enum way)_i, PARTIES, update_or_look, stage);
    end_stage(stage);
}
END_TEST

/* ---- Walking while others change it ---- */

#define STAYING 500

static int
come_and_go(struct party *me)
{
    struct stage *stage = me->arg;

    for (int i = 0; !mp__load(&stage->over); i++) {
        int key = -1 - me->i - i % 2000 * PARTIES;

        if (i / 2000 % 2 == 0)
            expect(mp_dict_set(stage->dict, "i", key, "s", "on its way"), 0);
        else
            expect(mp_dict_delete(stage->dict, "i", key), 0);
        mp__add(&stage->done[me->i], 1);
    }
    return 0;
}

static void
walk(mp_dict *dict)
{
    mp_dict_walker walker = MP_DICT_WALKER;
    int64_t x, expected = 0;
    mp_any key;

    while (must(mp_dict_next(dict, &walker, &key, NULL)) > 0) {
        must(mp_any_get_int(key, &x));
        mp_any_free(key);
        if (x >= 0)
            ck_assert_int_eq(x, expected++);
    }
    ck_assert_int_eq(expected, STAYING);
}

START_TEST(walk_meets_those_that_stay)
{
    struct stage *stage = stage_new();
    struct crew *crew;

    for (int i = 0; i < STAYING; i++)
        must(mp_dict_set(stage->dict, "i", i, "n"));
    crew_warm_up((enum way)_i);
    crew = crew_start((enum way)_i, 2, come_and_go, stage);
    for (int i = 0; i < 10; i++) {
        uint64_t before = mp__load(&stage->done[0]);

        walk(stage->dict);
        await(crew, mp__load(&stage->done[0]) > before + 500);
    }
    mp__store(&stage->over, 1);
    crew_end(crew);
    end_stage(stage);
}
END_TEST

/* ---- Destroyed ---- */

static int
use_until_it_is_gone(void *arg, int i)
{
    struct stage *stage = arg;
    mp_any some = dict_of(i * 100, 50);
    int r = 0;

    for (int n = 0; r == 0; n++) {
        r = mp_dict_set(stage->dict, "i", n % 1000, "s", "a value in a block");
        if (r == 0)
            r = mp_dict_update(stage->dict, some);
        if (r == 0 && n % 100 == 0)
            r = mp_dict_clear(stage->dict);
        mp__add(&stage->done[i], 1);
    }
    mp_any_free(some);
    return r != -EBADF;
}

/* Whoever comes too late is told so, and what he brings is not lost. */
START_TEST(dict_is_destroyed_under_its_users)
{
    uint64_t use = heap_use();
    struct stage *stage = stage_new();
    struct kin *kin =
        kin_start((enum kin_how)_i, PARTIES, use_until_it_is_gone, stage);

    for (int i = 0; i < PARTIES; i++)
        wait_until(mp__load(&stage->done[i]) > 50, 20);
    must(mp_dict_destroy(stage->dict));
    kin_end(kin);
    must(mp_set_destroy(stage->set));
    must(mp_free(stage));
    ck_assert_uint_eq(heap_use(), use);
}
END_TEST

/* ---- Killed ---- */

static const char *const names[PARTIES] = {"first", "second", "third",
                                           "the fourth of them"};

/* What writer `i` has: a count, and a pair that is always the same. */
static int
count_up(mp_dict *dict, int i, int64_t n)
{
    mp_any_writer w = MP_ANY_WRITER;
    mp_any pair;
    int r = mp_dict_add_int(dict, 1, NULL, "s", names[i]);

    mp_any_build(&w, "{i:q,i:[q,s]}", 2 * i, n, 2 * i + 1, n,
                 "with a value of some length");
    mp_any_end(&w, &pair);
    if (r == 0)
        r = mp_dict_update(dict, pair);
    mp_any_discard(&w);
    return r;
}

/* Two items, which are both there or not. */
static int
toggle_both(mp_set *set, int i)
{
    mp_any_writer w = MP_ANY_WRITER;
    mp_any both;
    int r;

    mp_any_build(&w, "[i,d]", i, i + 0.5);
    mp_any_end(&w, &both);
    r = mp_set_toggle(set, both);
    mp_any_discard(&w);
    return r;
}

/* Many come and go, with the table. */
static int
pass_through(mp_dict *dict, int i, int64_t n)
{
    int key = 100 + i * 1000 + (int)(n % 200);

    if (n / 200 % 2 == 0)
        return mp_dict_set(dict, "i", key, "s", "something on its way");
    return mp_dict_setdefault(dict, "i", key, "n") < 0 ||
           mp_dict_pop(dict, "i", key, NULL);
}

static int
write_for_ever(void *arg, int i)
{
    struct stage *stage = arg;
    int r = 0;

    for (int64_t n = 1; r == 0; n++) {
        r = count_up(stage->dict, i, n) || toggle_both(stage->set, i) ||
            pass_through(stage->dict, i, n);
        mp__add(&stage->done[i], 1);
    }
    return r;
}

static void
check_writer(struct stage *stage, int i, uint64_t before)
{
    uint64_t done = mp__load(&stage->done[i]) - before;
    int64_t count = 0, a = 0, b = 0;

    must(mp_dict_pop(stage->dict, "s", names[i], "q", &count));
    ck_assert_msg((uint64_t)count == done || (uint64_t)count == done + 1,
                  "%lld of %llu", (long long)count, (unsigned long long)done);
    if (mp_dict_pop(stage->dict, "i", 2 * i, "q", &a) == 0)
        must(mp_dict_pop(stage->dict, "i", 2 * i + 1, "[q,_]", &b));
    ck_assert_int_eq(a, b);
    ck_assert(a == count || a == count - 1);
    ck_assert_int_eq(mp_set_has(stage->set, "i", i),
                     mp_set_has(stage->set, "d", i + 0.5));
}

static void
kill_some(struct stage *stage)
{
    struct kin *kin;
    uint64_t before[PARTIES];

    for (int i = 0; i < PARTIES; i++)
        before[i] = mp__load(&stage->done[i]);
    kin = kin_start(PROCESSES, PARTIES, write_for_ever, stage);
    for (int i = 0; i < PARTIES; i++) {
        wait_until(mp__load(&stage->done[i]) > before[i] + 100, 20);
        kin_kill(kin, i);
        must(mp_dict_len(stage->dict));
        check_writer(stage, i, before[i]);
    }
    kin_end(kin);
}

START_TEST(killed_writers_have_done_all_or_nothing)
{
    uint64_t use = heap_use();
    struct stage *stage = stage_new();
    mp_any all;

    for (int i = 0; i < 20; i++) {
        kill_some(stage);
        must(mp_dict_items(stage->dict, &all));
        ck_assert_int_eq(mp_dict_equal(stage->dict, all), 1);
        ck_assert_int_eq(mp_any_size(all), mp_dict_len(stage->dict));
        mp_any_free(all);
        must(mp_set_items(stage->set, &all));
        ck_assert_int_eq(mp_set_equal(stage->set, all), 1);
        mp_any_free(all);
        if (i % 3 == 0)
            must(mp_dict_clear(stage->dict));
    }
    end_stage(stage);
    ck_assert_uint_eq(heap_use(), use);
}
END_TEST

/* Who is killed while it destroys leaves a dict that is gone, or empty, or as
 * it was. */
static int
destroy_many(void *arg, int unused)
{
    mp_dict **dicts = arg;
    int r = 0;

    (void)unused;
    for (int i = 0; r == 0 && dicts[i]; i++)
        r = mp_dict_destroy(dicts[i]);
    while (r == 0)
        pause(); /* for who kills it */
    return r;
}

START_TEST(killed_destroyer_loses_no_entries)
{
    enum { N = 40, ENTRIES = 500 };
    uint64_t use = heap_use();
    mp_dict **dicts = mp_alloc((N + 1) * sizeof(*dicts));
    mp_any many = dict_of(1 << 20, ENTRIES);
    struct kin *kin;

    ck_assert_ptr_nonnull(dicts);
    for (int i = 0; i < N; i++) {
        dicts[i] = dict_new();
        for (int key = 0; key < 20; key++)
            must(mp_dict_set(dicts[i], "i", key, "s", "a value in a block"));
        must(mp_dict_update(dicts[i], many));
    }
    mp_any_free(many);
    kin = kin_start(PROCESSES, 1, destroy_many, dicts);
    wait_until(mp_dict_len(dicts[_i]) <= 0, 20);
    kin_kill(kin, 0);
    for (int i = 0; i < N; i++) {
        ssize_t n = mp_dict_len(dicts[i]);

        ck_assert(n == -EBADF || n == 0 || n == ENTRIES + 20);
        if (n >= 0)
            must(mp_dict_destroy(dicts[i]));
    }
    kin_end(kin);
    must(mp_free(dicts));
    ck_assert_uint_le(heap_use(), use + 1); /* a cell on its way */
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("dict-shared");
    TCase *ways = mp_test_case(suite, "ways", 60);
    TCase *deaths = mp_test_case(suite, "deaths", 120);

    tcase_add_loop_test(ways, G24_dict_add_is_atomic, 0, WAYS);
    tcase_add_loop_test(ways, set_add_and_pop_are_one_step, 0, WAYS);
    tcase_add_loop_test(ways, dict_update_is_seen_whole, 0, WAYS);
    tcase_add_loop_test(ways, walk_meets_those_that_stay, 0, WAYS);
    tcase_add_loop_test(ways, dict_is_destroyed_under_its_users, PROCESSES,
                        THREADS + 1);
    tcase_add_test(deaths, killed_writers_have_done_all_or_nothing);
    tcase_add_loop_test(deaths, killed_destroyer_loses_no_entries, 0, 4);
    return mp_test_main(suite);
}
