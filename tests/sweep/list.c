/* SPDX-License-Identifier: MIT */
/* Lists: see collection_stage.c. */
#include "collection_stage.h"

#include "collection/list.h"

#include <errno.h>
#include <string.h>

#define COMING 30                 /* items that another appends meanwhile */
#define FIRST  5000               /* of them */
#define BIG    ((int64_t)1 << 40) /* does not fit into a word */

/* What is noted: how many came, what the victim has made. */
enum { CAME, MADE };

/* ---- Lists ---- */

/* A mixture: the first half has one bundle in common. */
static void *
make_list(size_t n)
{
    mp_any_writer w = MP_ANY_WRITER;
    mp_list *list = NULL;
    mp_any any = {0};

    stage_survive(mp_list_create(&list), "cannot make a list");
    mp_any_write_list(&w, n / 2);
    for (size_t i = 0; i < n / 2; i++)
        if (i % 2)
            mp_any_write_int(&w, (int64_t)i);
        else
            mp_any_write_string(&w, LONG_A, strlen(LONG_A));
    stage_survive(mp_any_end(&w, &any), "no values");
    stage_survive(mp_list_extend(list, "v", any), "cannot extend");
    mp_any_discard(&w);
    for (size_t i = n / 2; i < n; i++)
        stage_survive(i % 2 ? mp_list_append(list, "i", (int)i)
                            : mp_list_append(list, "s", LONG_B),
                      "cannot append");
    return list;
}

/* Who comes next needs a larger vector. */
static void *
make_full_list(size_t n)
{
    mp_list *list = make_list(n);

    while (mp__list_len(list) < mp__list_capacity(list))
        stage_survive(mp_list_append(list, "i", 1), "cannot append");
    return list;
}

/* Who takes one out makes it so small that it needs a smaller vector. */
static void *
make_shrunk_list(size_t n)
{
    mp_list *list = make_list(n);

    while (mp__list_capacity(list) < 4 * n)
        stage_survive(mp_list_append(list, "i", 1), "cannot append");
    while (mp__list_len(list) > mp__list_capacity(list) / 4 + 1)
        stage_survive(mp_list_pop(list, -1, NULL), "cannot pop");
    return list;
}

/* They can be sorted; every other one has a bundle. */
static void *
make_numbers(size_t n)
{
    mp_list *list = NULL;

    stage_survive(mp_list_create(&list), "cannot make a list");
    for (size_t i = 0; i < n; i++)
        stage_survive(
            mp_list_append(list, "q",
                           (i % 2 ? BIG : 0) + (int64_t)(i * 37 % 101)),
            "cannot append");
    return list;
}

static mp_any
whole_list(void *list)
{
    mp_any any = {0};
    int r = mp_list_slice(list, 0, MP_LIST_END, 1, &any);

    return stage_copy(r, any);
}

static int
end_list(void *list)
{
    return mp_list_destroy(list);
}

static void
go_on(void *list)
{
    ssize_t n = mp_list_len(list), now;

    stage_survive(mp_list_append(list, "s", LONG_A), "cannot append");
    stage_survive(mp_list_insert(list, 1, "i", 5), "cannot insert");
    stage_survive(mp_list_set(list, 0, "s", LONG_B), "cannot set");
    stage_survive(mp_list_extend(list, "[s,s,i]", LONG_A, LONG_B, 1),
                  "cannot extend");
    stage_survive(mp_list_reverse(list), "cannot reverse");
    stage_survive(mp_list_pop(list, 0, "_"), "cannot pop");
    now = mp_list_len(list);
    sweep_check(now == n + 4, "it has %zd items, not %zd", now, n + 4);
    stage_survive(mp_list_pop(list, now - 1, NULL), "cannot pop the last");
}

/* Somebody has made a step since the last death. */
static void
look_into(void *list)
{
    const mp_list *l = list;

    sweep_check(mp__list_len(l) <= mp__list_capacity(l),
                "%zu items in room for %zu", mp__list_len(l),
                mp__list_capacity(l));
    stage_look_at_block(l->items, mp__list_capacity(l) * sizeof(uint64_t));
    stage_look_at_block(l->c.spare, l->c.spare_size);
    stage_look_at_words(l->items, mp__list_len(l));
}

static const struct stage_kind lists = {make_list, whole_list, end_list,
                                        look_into, go_on};
static const struct stage_kind full = {make_full_list, whole_list, end_list,
                                       look_into, go_on};
static const struct stage_kind shrunk = {make_shrunk_list, whole_list,
                                         end_list, look_into, go_on};
static const struct stage_kind numbers = {make_numbers, whole_list, end_list,
                                          look_into, go_on};

/* ---- What is done to them ---- */

static void
append_word(void *list)
{
    mp_list_append(list, "i", 7);
}

static void
append(void *list)
{
    mp_list_append(list, "s", LONG_B);
}

static void
append_huge(void *list)
{
    static char huge[HUGE_VALUE];

    mp_list_append(list, "y", huge, sizeof(huge));
}

static void
insert(void *list)
{
    mp_list_insert(list, 0, "s", LONG_B);
}

static void
set(void *list)
{
    mp_list_set(list, -1, "s", LONG_A);
}

static void
set_shared(void *list)
{
    mp_list_set(list, 0, "s", LONG_B);
}

static void
set_word(void *list)
{
    mp_list_set(list, 0, "i", 1);
}

static void
pop(void *list)
{
    mp_list_pop(list, -2, NULL);
}

static void
pop_first(void *list)
{
    mp_list_pop(list, 0, "_");
}

static void
pop_word(void *list)
{
    mp_list_pop(list, 1, NULL);
}

static void
drop(void *list)
{
    mp_list_remove(list, "s", LONG_B);
}

static void
extend(void *list)
{
    mp_list_extend(list, "[s,i,s]", LONG_A, 1, LONG_B);
}

static void
extend_words(void *list)
{
    mp_list_extend(list, "[i,i,i]", 1, 2, 3);
}

static void
replace_by(void *list, int64_t start, int64_t stop, const char *format)
{
    unsigned char buf[300];
    mp_any_writer w;
    mp_any any;

    mp_any_writer_init(&w, buf, sizeof(buf));
    mp_any_build(&w, format, LONG_A, LONG_B);
    if (mp_any_end(&w, &any) == 0)
        mp_list_replace(list, start, stop, any);
}

static void
replace(void *list)
{
    replace_by(list, 2, 5, "[s,s]");
}

static void
replace_all(void *list)
{
    replace_by(list, 0, MP_LIST_END, "[s,s]");
}

static void
delete_part(void *list)
{
    replace_by(list, 1, 4, "[]");
}

static void
sort(void *list)
{
    mp_list_sort(list, 0);
}

static void
sort_down(void *list)
{
    mp_list_sort(list, MP_LIST_DESCENDING);
}

static void
reverse(void *list)
{
    mp_list_reverse(list);
}

static void
clear(void *list)
{
    mp_list_clear(list);
}

static void
add(void *list)
{
    mp_list_add_int(list, 0, 1, NULL);
}

static void
add_big(void *list)
{
    mp_list_add_int(list, 0, BIG, NULL);
}

static void
add_double(void *list)
{
    mp_list_add_double(list, 1, 0.5, NULL);
}

static void
exchange_for(void *list, int64_t index, const char *expected)
{
    unsigned char buf[2][80];
    mp_any_writer w[2];
    mp_any any[2];

    for (int i = 0; i < 2; i++) {
        mp_any_writer_init(&w[i], buf[i], sizeof(buf[i]));
        mp_any_build(&w[i], "s", i ? expected : "the one that is desired");
        mp_any_end(&w[i], &any[i]);
    }
    mp_list_compare_exchange(list, index, any[1], any[0]);
}

static void
exchange(void *list)
{
    exchange_for(list, 0, LONG_A);
}

static void
exchange_refused(void *list)
{
    exchange_for(list, 0, LONG_B);
}

/* Nothing changes. */
static void
look(void *list)
{
    mp_any any;

    mp_list_get(list, 0, "_");
    mp_list_index(list, "s", LONG_B);
    mp_list_count(list, "s", LONG_B);
    mp_list_equal(list, (mp_any){(const unsigned char *)"\x90", 1});
    if (mp_list_slice(list, 1, 5, 2, &any) == 0)
        mp_any_free(any);
}

/* ---- One stands still while another comes ---- */

/* As many as the vector has room for then. */
static void
append_some(void *list)
{
    const mp_list *l = list;
    int i = 0;

    while (i < COMING || mp__list_len(l) < mp__list_capacity(l))
        mp_list_append(list, "i", FIRST + i++);
    mp__store(&sweep.note[CAME], (uint64_t)i);
}

static int
came(void)
{
    return (int)mp__load(&sweep.note[CAME]);
}

/* They are all there, and `others`. */
static void
check_some(mp_list *list, size_t others)
{
    ssize_t len = mp_list_len(list);

    for (int i = 0; i < came(); i++)
        sweep_check(mp_list_count(list, "i", FIRST + i) == 1,
                    "%d is there %zd times", FIRST + i,
                    mp_list_count(list, "i", FIRST + i));
    sweep_check((size_t)len == others + (size_t)came(),
                "it has %zd items, not %zu and %d", len, others, came());
}

/* In their order, from somewhere on; `between`: items that are not theirs. */
static void
check_order(mp_list *list, int between)
{
    int64_t x = 0, last = 0;

    for (int64_t i = mp_list_index(list, "i", FIRST); i < mp_list_len(list);
         i++)
        if (mp_list_get(list, i, "q", &x) < 0 || x < FIRST)
            between--;
        else
            sweep_check(x == (last ? last + 1 : FIRST), "%lld after %lld",
                        (long long)x, (long long)last),
                last = x;
    sweep_check(between >= 0, "others are between them");
}

static size_t
made(void)
{
    return ((const struct stage_case *)sweep.scenario->what)->n;
}

static void
check_appended(void *list)
{
    mp_list *twin = make_full_list(made());

    check_some(list, mp__list_len(twin) + 1);
    check_order(list, 1);
    stage_survive(mp_list_destroy(twin), "cannot destroy the twin");
}

static void
check_extended(void *list)
{
    mp_list *twin = make_full_list(made());

    check_some(list, mp__list_len(twin) + 3);
    check_order(list, 3);
    stage_survive(mp_list_destroy(twin), "cannot destroy the twin");
}

static void
check_replaced(void *list)
{
    check_some(list, made() - 1);
    check_order(list, 0);
}

static void
check_reversed(void *list)
{
    check_some(list, made());
}

static void
check_shrunk(void *list)
{
    mp_list *twin = make_shrunk_list(made());

    check_some(list, mp__list_len(twin) - 1);
    check_order(list, 0);
    stage_survive(mp_list_destroy(twin), "cannot destroy the twin");
}

/* Those that came later are behind. */
static void
check_sorted(void *list)
{
    int64_t i, last = -1, x;

    check_some(list, made());
    for (i = 0; mp_list_get(list, i, "q", &x) == 0 && x >= last; i++)
        last = x;
    for (last = 0; mp_list_get(list, i, "q", &x) == 0 && x > last; i++)
        last = x;
    sweep_check(i == mp_list_len(list), "item %lld is not in order",
                (long long)i);
}

static void
add_some(void *list)
{
    for (int i = 0; i < COMING; i++)
        mp_list_add_int(list, 0, i % 2 ? BIG : 1, NULL);
}

static void
check_sum(void *list)
{
    int64_t sum = 0;

    stage_survive(mp_list_get(list, 0, "q", &sum), "no sum");
    sweep_check(sum == BIG + (BIG + 1) * COMING / 2, "the sum is %lld",
                (long long)sum);
}

static void
pop_some(void *list)
{
    for (int i = 0; i < 4; i++)
        mp_list_pop(list, 0, NULL);
}

static void
check_popped(void *list)
{
    sweep_check(mp_list_len(list) == (ssize_t)made() - 5, "it has %zd items",
                mp_list_len(list));
}

/* ---- Life ---- */

static void
no_list(void)
{
    sweep_fast_seconds = 0.15;
}

static void
victim_makes(void)
{
    mp_list *list;

    if (mp_list_create(&list) == 0)
        mp__store(&sweep.note[MADE], (uintptr_t)list);
}

static void
check_made(void)
{
    mp_list *list = (mp_list *)(uintptr_t)mp__load(&sweep.note[MADE]);

    sweep_check(list || !sweep.completed, "it was not made");
    if (list == NULL)
        return;
    go_on(list);
    stage_survive(mp_list_destroy(list), "cannot destroy it");
}

static mp_list *doomed;

static void
make_doomed(void)
{
    doomed = make_list(12);
    stage_survive(mp_list_reverse(doomed), "cannot reverse"); /* a spare */
    stage_survive(mp_list_lock(doomed) ? 0 : -ENOMEM, "no lock");
}

static void
victim_destroys(void)
{
    mp_list_destroy(doomed);
}

/* It is there, and in order, or not there. */
static void
check_doomed(void)
{
    if (mp_list_len(doomed) < 0) {
        sweep_check(mp_list_append(doomed, "i", 1) == -EBADF, "half a list");
        return;
    }
    sweep_check(!sweep.completed, "it has not been destroyed");
    stage_survive(mp_list_append(doomed, "s", LONG_A), "cannot append");
    stage_survive(mp_list_destroy(doomed), "cannot destroy it");
}

static void
victim_locks(void)
{
    mp_rlock *lock = mp_list_lock(doomed);

    if (lock && mp_rlock_acquire(lock, MP_NOW) == 0)
        mp_rlock_release(lock);
}

static void
make_few(void)
{
    doomed = make_list(2);
}

static void
check_locked(void)
{
    mp_rlock *lock = mp_list_lock(doomed);
    int r = lock ? mp_rlock_acquire(lock, mp_timeout(SWEEP_BOUND)) : -ENOMEM;

    sweep_check(r == 0 || r == -EOWNERDEAD, "cannot acquire: %d", r);
    if (r == 0 || r == -EOWNERDEAD)
        mp_rlock_release(lock);
    stage_survive(mp_list_destroy(doomed), "cannot destroy it");
}

#define LIST(text, n, act)       STAGE_BOTH("list." text, &lists, n, act)
#define FULL(text, n, act)       STAGE_BOTH("list." text, &full, n, act)
#define NUMBERS(text, n, act)    STAGE_BOTH("list." text, &numbers, n, act)
#define MEET(text, kind, n, ...) STAGE_MEET("list." text, kind, n, __VA_ARGS__)

const struct sweep_scenario sweep_list[] = {
    LIST("append-word", 6, append_word),
    LIST("append", 6, append),
    LIST("append-first", 0, append),
    FULL("append-grows", 6, append),
    FULL("append-word-grows", 6, append_word),
    LIST("append-huge", 6, append_huge),
    LIST("insert", 6, insert),
    FULL("insert-grows", 6, insert),
    LIST("set", 6, set),
    LIST("set-shared", 6, set_shared),
    LIST("set-word", 6, set_word),
    LIST("pop", 6, pop),
    LIST("pop-first", 6, pop_first),
    LIST("pop-word", 6, pop_word),
    LIST("pop-shared-last", 2, pop_first),
    STAGE_BOTH("list.pop-shrinks", &shrunk, 8, pop_first),
    LIST("remove", 6, drop),
    LIST("extend", 6, extend),
    LIST("extend-words", 6, extend_words),
    FULL("extend-grows", 6, extend),
    LIST("replace", 8, replace),
    LIST("replace-all", 8, replace_all),
    LIST("replace-nothing", 0, replace),
    LIST("delete-part", 8, delete_part),
    NUMBERS("sort", 6, sort),
    NUMBERS("sort-down", 6, sort_down),
    LIST("sort-refused", 6, sort),
    LIST("reverse", 6, reverse),
    LIST("clear", 6, clear),
    NUMBERS("add", 4, add),
    NUMBERS("add-big", 4, add_big),
    NUMBERS("add-double", 4, add_double),
    LIST("exchange", 6, exchange),
    LIST("exchange-refused", 6, exchange_refused),
    LIST("look", 6, look),
    STAGE_AFTER("list.append-after-dead-pop", &lists, 6, append, pop),
    STAGE_AFTER("list.append-after-dead-clear", &lists, 6, append, clear),
    STAGE_AFTER("list.append-after-dead-growth", &full, 6, append_word,
                append),
    STAGE_AFTER("list.pop-after-dead-replace", &lists, 8, pop, replace),
    STAGE_AFTER("list.sort-after-dead-reverse", &numbers, 6, sort, reverse),
    STAGE_AFTER("list.extend-after-dead-set", &full, 6, extend, set_shared),
    STAGE_AFTER("list.clear-after-dead-extend", &full, 6, clear, extend),
    STAGE_AFTER("list.look-after-dead-insert", &full, 6, look, insert),
    MEET("append-meet", &full, 6, append, append_some, check_appended),
    MEET("extend-meet", &full, 6, extend, append_some, check_extended),
    MEET("sort-meet", &numbers, 16, sort, append_some, check_sorted),
    MEET("reverse-meet", &lists, 16, reverse, append_some, check_reversed),
    MEET("replace-meet", &lists, 16, replace, append_some, check_replaced),
    MEET("add-meet", &numbers, 4, add_big, add_some, check_sum),
    MEET("pop-meet", &lists, 16, pop, pop_some, check_popped),
    MEET("pop-shrinks-meet", &shrunk, 8, pop_first, append_some, check_shrunk),
    {
        .name = "list.create",
        .setup = no_list,
        .prepare = stage_enter_collection,
        .victim = victim_makes,
        .check = check_made,
        .may_lose = 1,
    },
    {
        .name = "list.destroy",
        .setup = make_doomed,
        .prepare = stage_enter_collection,
        .victim = victim_destroys,
        .check = check_doomed,
        .may_lose = 2, /* the list and its lock */
    },
    {
        .name = "list.lock",
        .setup = make_few,
        .prepare = stage_enter_collection,
        .victim = victim_locks,
        .check = check_locked,
        .may_lose = 1,
    },
    {.name = NULL},
};
