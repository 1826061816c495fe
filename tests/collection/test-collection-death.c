/* SPDX-License-Identifier: MIT */
/* Processes that use collections are killed, at any moment; the others go on,
 * and each step was made whole, or not at all. Nothing is lost of the memory,
 * either.
 *
 * (Every single instruction is the kill sweep's business: tests/sweep.) */
#include "kit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WORKERS 3
#define ROUNDS  (mp_test_scale() > 1 ? 10u : 50u)
#define STEPS   500 /* of number 0, which is not killed */

static const char *const pad = "something that does not fit into a word";

struct stage {
    mp_list *list;
    mp_dict *dict;
    mp__a64 done[WORKERS]; /* steps of each that have returned */
};

static struct stage *
stage_new(void)
{
    struct stage *stage = mp_new(struct stage);

    ck_assert_ptr_nonnull(stage);
    must(mp_list_create(&stage->list));
    must(mp_dict_create(&stage->dict));
    return stage;
}

static void
end_stage(struct stage *stage)
{
    must(mp_list_destroy(stage->list));
    must(mp_dict_destroy(stage->dict));
    must(mp_free(stage));
}

/* Whether worker `i` goes on after `n` steps. Those that are to be killed stop
 * some time, too, and wait for it: memory is finite. */
static int
goes_on(int i, int n)
{
    while (i > 0 && n == 4 * STEPS)
        pause();
    return i > 0 || n < STEPS;
}

static unsigned
random_below(unsigned n)
{
    static uint64_t state;

    if (state == 0)
        state = mp__me.id * 2654435761u + 1;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (unsigned)(state >> 33) % n;
}

/* Kills all but one, each after some steps more; that one has to go on to its
 * end. */
static void
kill_some(struct stage *stage, kin_fn *fn, unsigned round)
{
    uint64_t from[WORKERS];
    struct kin *kin;

    for (int i = 1; i < WORKERS; i++)
        from[i] = mp__load(&stage->done[i]);
    kin = kin_start(PROCESSES, WORKERS, fn, stage);
    for (int i = 1; i < WORKERS; i++) {
        wait_until(mp__load(&stage->done[i]) > from[i] + round * 7 % 50, 20);
        kin_kill(kin, i);
    }
    kin_end(kin);
}

/* ---- Appending ---- */

static int
append_on(void *arg, int i)
{
    struct stage *stage = arg;

    for (int n = 0; goes_on(i, n); n++) {
        long long number = (long long)mp__load(&stage->done[i]);
        int r = number % 3
                    ? mp_list_append(stage->list, "[i,q]", i, number)
                    : mp_list_append(stage->list, "[i,q,s]", i, number, pad);

        if (r < 0)
            return r;
        mp__add(&stage->done[i], 1);
    }
    return 0;
}

/* Who was killed may have made one step more than it knew of: the next life
 * writes that number again. */
START_TEST(list_append_of_the_killed_is_whole)
{
    struct stage *stage = stage_new();
    int64_t next[WORKERS] = {0};
    unsigned again = 0;
    mp_any_walker walker;
    mp_any all, item;

    for (unsigned round = 0; round < ROUNDS; round++)
        kill_some(stage, append_on, round);
    must(mp_list_slice(stage->list, 0, MP_LIST_END, 1, &all));
    must(mp_any_walk(all, &walker));
    while (mp_any_next(&walker, NULL, &item) > 0) {
        int64_t number;
        int who;

        must(mp_any_parse(item, "[i,q *]", &who, &number));
        if (number == next[who] - 1)
            again++;
        else
            ck_assert_int_eq(number, next[who]++);
    }
    for (int i = 0; i < WORKERS; i++)
        ck_assert(next[i] == (int64_t)mp__load(&stage->done[i]) ||
                  next[i] == (int64_t)mp__load(&stage->done[i]) + 1);
    ck_assert_uint_le(again, ROUNDS * (WORKERS - 1));
    mp_any_free(all);
    end_stage(stage);
    mp__reap();
    heap_now();
}
END_TEST

/* ---- Anything ---- */

/* The items are texts that can be told from anything else. */
static int
change_list(mp_list *list)
{
    int64_t at = (int64_t)random_below(200) - 100;
    mp_any any;
    int r;

    switch (random_below(10)) {
    case 0:
        return mp_list_append(list, "s", pad);
    case 1:
        return mp_list_insert(list, at, "s", "short");
    case 2:
        return mp_list_extend(list, "[s,s,s,s]", pad, "short", pad, "");
    case 3:
        return mp_list_pop(list, at, NULL);
    case 4:
        return mp_list_set(list, at, "s", random_below(2) ? pad : "short");
    case 5:
        return mp_list_remove(list, "s", pad);
    case 6:
        return mp_list_replace(list, at, at + 5, value_of("[s]", pad));
    case 7:
        return mp_list_reverse(list);
    case 8:
        r = mp_list_slice(list, at, MP_LIST_END, 3, &any);
        mp_any_free(any);
        return r;
    default:
        return random_below(20) ? mp_list_sort(list, 0) : mp_list_clear(list);
    }
}

static int
change_dict(mp_dict *dict)
{
    int key = (int)random_below(60);
    int64_t sum;

    switch (random_below(7)) {
    case 0:
        return mp_dict_set(dict, "i", key, "s", pad);
    case 1:
        return mp_dict_set(dict, "s", pad, "s", "short");
    case 2:
        return mp_dict_pop(dict, "i", key, NULL);
    case 3:
        return mp_dict_delete(dict, "i", key);
    case 4:
        return mp_dict_setdefault(dict, "i", key, "s", "short");
    case 5:
        return mp_dict_add_int(dict, 1, &sum, "s", "a counter with a name");
    default:
        return random_below(20)
                   ? mp_dict_update(dict, value_of("{i:s,i:s}", key, pad,
                                                   key + 1, "short"))
                   : mp_dict_clear(dict);
    }
}

static int
change_on(void *arg, int i)
{
    struct stage *stage = arg;

    for (int n = 0; goes_on(i, n); n++) {
        int r = random_below(2) ? change_list(stage->list)
                                : change_dict(stage->dict);

        if (r < 0 && r != -ERANGE && r != -ENOENT)
            return r;
        mp__add(&stage->done[i], 1);
    }
    return 0;
}

static void
look_at_text(mp_any any)
{
    const char *text;
    size_t size;

    must(mp_any_get_string(any, &text, &size));
    ck_assert((size == strlen(pad) && memcmp(text, pad, size) == 0) ||
              (size == 5 && memcmp(text, "short", 5) == 0) || size == 0);
}

static void
look_at_all(struct stage *stage)
{
    mp_any_walker walker;
    mp_any all, key, item;
    ssize_t n;

    must(mp_list_slice(stage->list, 0, MP_LIST_END, 1, &all));
    n = mp_any_size(all);
    ck_assert_int_eq(mp_list_len(stage->list), n);
    must(mp_any_walk(all, &walker));
    while (mp_any_next(&walker, NULL, &item) > 0)
        look_at_text(item);
    mp_any_free(all);
    must(mp_dict_items(stage->dict, &all));
    ck_assert_int_eq(mp_dict_len(stage->dict), mp_any_size(all));
    must(mp_any_walk(all, &walker));
    while (mp_any_next(&walker, &key, &item) > 0)
        if (mp_any_type(item) == MP_ANY_STRING)
            look_at_text(item);
    mp_any_free(all);
}

START_TEST(collections_outlive_those_who_change_them)
{
    uint64_t before = heap_use();
    struct stage *stage = stage_new();

    for (unsigned round = 0; round < ROUNDS; round++) {
        kill_some(stage, change_on, round);
        look_at_all(stage);
    }
    end_stage(stage);
    mp__reap();
    ck_assert_uint_eq(heap_use(), before); /* nothing is lost */
    heap_now();
}
END_TEST

/* ---- The end of a collection ---- */

static int
make_on(void *arg, int i)
{
    struct stage *stage = arg;

    for (int n = 0; goes_on(i, n); n++) {
        mp_list *list;

        must(mp_list_create(&list));
        for (int k = 0; k < 20; k++)
            must(mp_list_append(list, "s", pad));
        if (n % 2 && mp_list_lock(list) == NULL)
            return 1;
        must(mp_list_destroy(list));
        mp__add(&stage->done[i], 1);
    }
    return 0;
}

static void
destroy(void *list, void *count)
{
    must(mp_list_destroy(list));
    ++*(unsigned *)count;
}

/* It leaves a list behind, whole or with less in it; or, at the very end, its
 * cell and its lock. */
START_TEST(list_whose_destroyer_is_killed_can_be_destroyed)
{
    struct stage *stage = stage_new();
    uint64_t before = heap_use();
    unsigned lists = 0;

    for (unsigned round = 0; round < ROUNDS; round++)
        kill_some(stage, make_on, round);
    mp__reap();
    must(mp_list_destroy(stage->list));
    mp__object_each(MP__SLAB_LIST, destroy, &lists);
    ck_assert_uint_le(lists, ROUNDS * (WORKERS - 1));
    mp__reap();
    ck_assert_uint_le(heap_use(), before + 2 * ROUNDS * (WORKERS - 1));
    must(mp_list_create(&stage->list));
    end_stage(stage);
    heap_now();
}
END_TEST

struct race {
    _Atomic(mp_list *) list;
    mp__a32 stop;
    mp__a64 found, missed;
};

/* Those who are late are told so; a list is never half gone. */
static int
use_what_is_there(void *arg, int i)
{
    struct race *race = arg;

    while (!mp__load(&race->stop)) {
        mp_list *list = mp__load(&race->list);
        int r = i % 2 ? mp_list_append(list, "s", pad)
                      : mp_list_extend(list, "[s,i,s]", pad, 1, pad);

        if (r == 0)
            r = (int)mp_list_pop(list, 0, NULL);
        if (r < 0 && r != -EBADF && r != -ERANGE)
            return r;
        mp__add(r < 0 ? &race->missed : &race->found, 1);
    }
    return 0;
}

START_TEST(G36_list_destroyed_under_its_users)
{
    uint64_t before = heap_use();
    struct race *race = mp_new(struct race);
    struct kin *kin;
    mp_list *list, *next;

    must(mp_list_create(&list));
    mp__store(&race->list, list);
    kin = kin_start((enum kin_how)_i, WORKERS, use_what_is_there, race);
    for (int round = 0; round < 3000; round++) {
        must(mp_list_create(&next));
        must(mp_list_append(next, "s", pad));
        mp__store(&race->list, next);
        must(mp_list_destroy(list));
        list = next;
    }
    mp__store(&race->stop, 1);
    kin_end(kin);
    must(mp_list_destroy(list));
    must(mp_free(race));
    mp__reap();
    ck_assert_uint_eq(heap_use(), before);
    heap_now();
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("collection-death");
    TCase *tcase = mp_test_case(suite, "death", 60);

    tcase_add_test(tcase, list_append_of_the_killed_is_whole);
    tcase_add_test(tcase, collections_outlive_those_who_change_them);
    tcase_add_test(tcase, list_whose_destroyer_is_killed_can_be_destroyed);
    tcase_add_loop_test(tcase, G36_list_destroyed_under_its_users, PROCESSES,
                        THREADS + 1);
    return mp_test_main(suite);
}
