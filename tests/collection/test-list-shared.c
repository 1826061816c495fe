/* SPDX-License-Identifier: MIT */
/* Lists between processes of each start method, and threads. */
#include "kit.h"

#include "sync/crew.h"

#include <errno.h>

#define PARTIES 4
#define STEPS   3000

static const char *const pad = "something that does not fit into a word";

struct stage {
    mp_list *list, *other;
    mp_value *come;
};

static struct stage *
stage_new(void)
{
    struct stage *stage = mp_new(struct stage);

    ck_assert_ptr_nonnull(stage);
    must(mp_list_create(&stage->list));
    must(mp_list_create(&stage->other));
    must(mp_value_create(&stage->come, 'i', 0));
    return stage;
}

static void
end_stage(struct stage *stage)
{
    must(mp_list_destroy(stage->list));
    must(mp_list_destroy(stage->other));
    must(mp_value_destroy(stage->come));
    must(mp_free(stage));
}

/* Waits until all have come: else they might do their part one by one. */
static int
meet(struct party *me)
{
    struct stage *stage = me->arg;

    expect(mp_value_add(stage->come, 1), 0);
    party_await(mp_value_compare_exchange(stage->come, PARTIES, PARTIES) == 1);
    return 0;
}

/* ---- Nothing is lost ---- */

static int
append_all(struct party *me)
{
    struct stage *stage = me->arg;

    expect(meet(me), 0);
    for (int i = 0; i < STEPS; i += 3) {
        expect(mp_list_append(stage->list, "[i,i]", me->i, i), 0);
        expect(mp_list_extend(stage->list, "[[i,i,?s],[i,i]]", me->i, i + 1,
                              i % 2 ? pad : NULL, me->i, i + 2),
               0);
    }
    return 0;
}

START_TEST(list_appended_by_many_at_once_has_it_all)
{
    struct stage *stage = stage_new();
    int next[PARTIES] = {0};

    crew_warm_up((enum way)_i);
    crew_run((enum way)_i, PARTIES, append_all, stage);
    ck_assert_int_eq(mp_list_len(stage->list), PARTIES * STEPS);
    for (int i = 0; i < PARTIES * STEPS; i++) {
        int who, number;

        must(mp_list_get(stage->list, i, "[i,i *]", &who, &number));
        ck_assert_int_eq(number, next[who]++);
        if (number % 3 == 1) { /* what came at once lies together */
            int he, his;

            must(mp_list_get(stage->list, i + 1, "[i,i]", &he, &his));
            ck_assert(he == who && his == number + 1);
        }
    }
    end_stage(stage);
}
END_TEST

static int
add_up(struct party *me)
{
    struct stage *stage = me->arg;
    int64_t mine, last = -1;

    expect(meet(me), 0);
    for (int i = 0; i < STEPS; i++) {
        expect(mp_list_add_int(stage->list, 0, 1, &mine), 0);
        expect(mine > last, 1);
        last = mine;
        expect(mp_list_add_double(stage->list, 1, 0.25, NULL), 0);
        expect(mp_list_add_int(stage->list, -1, (int64_t)1 << 33, NULL), 0);
    }
    return 0;
}

START_TEST(G24_list_add_is_atomic)
{
    struct stage *stage = stage_new();
    int64_t n, large;
    double d;

    must(mp_list_extend(stage->list, "[i,d,i]", 0, 0.0, 0));
    crew_warm_up((enum way)_i);
    crew_run((enum way)_i, PARTIES, add_up, stage);
    must(mp_list_get(stage->list, 0, "q", &n));
    must(mp_list_get(stage->list, 1, "d", &d));
    must(mp_list_get(stage->list, 2, "q", &large));
    ck_assert_int_eq(n, PARTIES * STEPS);
    ck_assert(d == PARTIES * STEPS * 0.25);
    ck_assert_int_eq(large, ((int64_t)PARTIES * STEPS) << 33);
    end_stage(stage);
}
END_TEST

static int
exchange_up(struct party *me)
{
    struct stage *stage = me->arg;

    expect(meet(me), 0);
    for (int i = 0; i < STEPS / 4; i++) {
        mp_any now, next;
        int64_t x;
        mp_any_writer w = MP_ANY_WRITER;
        int r;

        do {
            expect(mp_list_get(stage->list, 0, "v", &now), 0);
            expect(mp_any_get_int(now, &x), 0);
            expect(mp_any_build(&w, "q", x + ((int64_t)1 << 40)), 0);
            expect(mp_any_end(&w, &next), 0);
            r = mp_list_compare_exchange(stage->list, 0, now, next);
            mp_any_free(now);
        } while (r == 0);
        mp_any_discard(&w);
        expect(r, 1);
    }
    return 0;
}

START_TEST(list_compare_exchange_lets_one_win)
{
    struct stage *stage = stage_new();
    int64_t x;

    must(mp_list_append(stage->list, "i", 0));
    crew_warm_up((enum way)_i);
    crew_run((enum way)_i, PARTIES, exchange_up, stage);
    must(mp_list_get(stage->list, 0, "q", &x));
    ck_assert_int_eq(x, ((int64_t)PARTIES * (STEPS / 4)) << 40);
    end_stage(stage);
}
END_TEST

/* ---- What goes from hand to hand ---- */

/* Each takes from one list what it puts into the other, at any place; the even
 * ones move things one way, the odd ones the other way. */
static int
carry(struct party *me)
{
    struct stage *stage = me->arg;
    mp_list *from = me->i % 2 ? stage->other : stage->list;
    mp_list *to = me->i % 2 ? stage->list : stage->other;

    expect(meet(me), 0);
    for (int i = 0; i < STEPS; i++) {
        mp_any any;
        int r = mp_list_pop(from, i % 2 ? 0 : -1, "v", &any);

        if (r == -ERANGE)
            continue; /* there was none just now */
        expect(r, 0);
        expect(mp_list_insert(to, i % 7 - 3, "v", any), 0);
        mp_any_free(any);
        if (i % 64 == 0)
            expect(mp_list_reverse(to), 0);
    }
    return 0;
}

START_TEST(list_items_are_popped_once)
{
    enum { N = 300 };
    struct stage *stage = stage_new();
    mp_any any;

    for (int i = 0; i < N; i++)
        must(mp_list_append(stage->list, "[i,s]", i, pad));
    crew_warm_up((enum way)_i);
    crew_run((enum way)_i, PARTIES, carry, stage);
    must(mp_list_slice(stage->other, 0, MP_LIST_END, 1, &any));
    must(mp_list_extend(stage->list, "v", any));
    mp_any_free(any);
    must(mp_list_sort(stage->list, 0));
    ck_assert_int_eq(mp_list_len(stage->list), N);
    for (int i = 0; i < N; i++) {
        int number;

        must(mp_list_get(stage->list, i, "[i,_]", &number));
        ck_assert_int_eq(number, i);
    }
    end_stage(stage);
}
END_TEST

/* ---- Steps that take long ---- */

/* Some sort a long list, others change it: what is seen is always all
 * of it. */
static int
sort_or_change(struct party *me)
{
    struct stage *stage = me->arg;

    expect(meet(me), 0);
    for (int i = 0; i < 20; i++) {
        if (me->i % 2 == 0) {
            expect(mp_list_sort(stage->list, i % 2 ? MP_LIST_DESCENDING : 0),
                   0);
        } else {
            expect(mp_list_append(stage->list, "q", (int64_t)i << 40), 0);
            expect(mp_list_set(stage->list, i, "i", i), 0);
            expect(mp_list_replace(stage->list, 0, 1, (mp_any){"\x91\x01", 2}),
                   0);
        }
        expect(mp_list_len(stage->list) >= 5000, 1);
    }
    return 0;
}

START_TEST(list_is_sorted_while_others_change_it)
{
    struct stage *stage = stage_new();
    int64_t x, last = INT64_MIN;

    for (int i = 0; i < 5000; i++)
        must(mp_list_append(stage->list, "q", (int64_t)i * 7919 % 5003 << 20));
    crew_warm_up((enum way)_i);
    crew_run((enum way)_i, PARTIES, sort_or_change, stage);
    ck_assert_int_eq(mp_list_len(stage->list), 5000 + PARTIES / 2 * 20);
    must(mp_list_sort(stage->list, 0));
    for (int i = 0; i < 5040; i++, last = x) {
        must(mp_list_get(stage->list, i, "q", &x));
        ck_assert_int_le(last, x);
    }
    end_stage(stage);
}
END_TEST

/* ---- Its lock ---- */

static int
take_turns(struct party *me)
{
    struct stage *stage = me->arg;
    mp_rlock *lock = mp_list_lock(stage->list);

    expect(meet(me), 0);
    for (int i = 0; i < 300; i++) {
        int64_t a;

        expect(mp_rlock_acquire(lock, MP_FOREVER), 0);
        expect(mp_list_get(stage->list, 0, "q", &a), 0);
        expect(mp_list_set(stage->list, 0, "q", a + 1), 0);
        expect(mp_rlock_release(lock), 0);
    }
    return 0;
}

START_TEST(list_lock_is_one_for_all)
{
    struct stage *stage = stage_new();
    int64_t x;

    must(mp_list_append(stage->list, "i", 0));
    crew_warm_up((enum way)_i);
    crew_run((enum way)_i, PARTIES, take_turns, stage);
    must(mp_list_get(stage->list, 0, "q", &x));
    ck_assert_int_eq(x, PARTIES * 300);
    end_stage(stage);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("list-shared");
    TCase *tcase = mp_test_case(suite, "shared", 60);

    tcase_add_loop_test(tcase, list_appended_by_many_at_once_has_it_all, 0,
                        WAYS);
    tcase_add_loop_test(tcase, G24_list_add_is_atomic, 0, WAYS);
    tcase_add_loop_test(tcase, list_compare_exchange_lets_one_win, WAY_THREADS,
                        WAYS);
    tcase_add_loop_test(tcase, list_items_are_popped_once, WAY_SPAWN, WAYS);
    tcase_add_loop_test(tcase, list_is_sorted_while_others_change_it,
                        WAY_THREADS, WAYS);
    tcase_add_loop_test(tcase, list_lock_is_one_for_all, WAY_THREADS, WAYS);
    return mp_test_main(suite);
}
