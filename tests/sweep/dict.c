/* SPDX-License-Identifier: MIT */
/* Dicts: see collection_stage.c. */
#include "collection_stage.h"

#include "collection/dict.h"

#include <errno.h>
#include <string.h>

#define COMING 12   /* entries that another sets meanwhile, at least */
#define FIRST  5000 /* of their keys */
#define BIG    ((int64_t)1 << 40) /* does not fit into a word */

/* What is noted: how many came, what the victim has made. */
enum { CAME, MADE };

/* ---- Dicts ---- */

/* {LONG_A: LONG_A, 1: 1, 2: 'a text ...', LONG_B: 3, 4: 4 ...}: the first four
 * came at once, and have a bundle in common. */
static void *
make_dict(size_t n)
{
    unsigned char buf[300];
    mp_dict *dict = NULL;
    mp_any_writer w;
    mp_any any = {0};

    stage_survive(mp_dict_create(&dict), "cannot make a dict");
    mp_any_writer_init(&w, buf, sizeof(buf));
    mp_any_build(&w, "{s:s,i:i,i:s,s:i}", LONG_A, LONG_A, 1, 1, 2, LONG_B,
                 LONG_B, 3);
    stage_survive(mp_any_end(&w, &any), "no entries");
    if (n >= 4)
        stage_survive(mp_dict_update(dict, any), "cannot update");
    for (int i = 4; i < (int)n; i++)
        stage_survive(i % 2 ? mp_dict_set(dict, "i", i, "q", BIG)
                            : mp_dict_set(dict, "i", i, "i", i),
                      "cannot set");
    return dict;
}

static int
is_full(const mp_dict *dict)
{
    return dict->used == dict->capacity;
}

/* Who comes next needs a larger table. */
static void *
make_full_dict(size_t n)
{
    mp_dict *dict = make_dict(n);

    for (int i = 100; !is_full(dict); i++)
        stage_survive(mp_dict_set(dict, "i", i, "i", i), "cannot set");
    return dict;
}

/* The same, but most were deleted again. */
static void *
make_holed_dict(size_t n)
{
    mp_dict *dict = make_full_dict(n);

    for (int i = 100; mp_dict_has(dict, "i", i) == 1; i++)
        stage_survive(mp_dict_delete(dict, "i", i), "cannot delete");
    return dict;
}

/* Who deletes one makes it so small that it needs a smaller table. */
static void *
make_shrunk_dict(size_t n)
{
    mp_dict *dict = make_dict(n);
    int i = 100;

    while (dict->capacity <= 64)
        stage_survive(mp_dict_set(dict, "i", i++, "i", 1), "cannot set");
    while (dict->live > dict->capacity / 4)
        stage_survive(mp_dict_delete(dict, "i", --i), "cannot delete");
    return dict;
}

static mp_any
whole_dict(void *dict)
{
    mp_any any = {0};
    int r = mp_dict_items(dict, &any);

    return stage_copy(r, any);
}

static int
end_dict(void *dict)
{
    return mp_dict_destroy(dict);
}

/* Every living entry is found by its key, and no other is. */
static void
look_at_index(const mp_dict *dict)
{
    uint64_t last = 0, live = 0;

    MP__DICT_EACH(dict, cell)
    {
        sweep_check(mp__dict_find(dict, mp__word_any(&cell->key),
                                  mp__dict_cell_hash(cell)) == cell,
                    "an entry is not found");
        sweep_check(cell->serial > last, "an entry is out of order");
        last = cell->serial;
        live++;
    }
    sweep_check(live == dict->live, "%lu entries live, not %lu", live,
                (uint64_t)dict->live);
}

/* Somebody has made a step since the last death. */
static void
look_into(void *dict)
{
    const mp_dict *d = dict;

    sweep_check(d->used <= d->capacity && d->live <= d->used,
                "%lu of %lu entries in room for %lu", (uint64_t)d->live,
                (uint64_t)d->used, (uint64_t)d->capacity);
    stage_look_at_block(d->c.spare, d->c.spare_size);
    if (d->table == NULL)
        return;
    stage_look_at_block(d->table, mp__dict_table_size(d->table->slots));
    stage_look_at_words(&d->table->cells[0].key,
                        MP__DICT_CELL_WORDS * d->used);
    look_at_index(d);
}

static void
walk(void *dict)
{
    mp_dict_walker walker = MP_DICT_WALKER;
    mp_any key, value;

    while (mp_dict_next(dict, &walker, &key, &value) > 0) {
        mp_any_free(key);
        mp_any_free(value);
    }
}

static void
go_on(void *dict)
{
    ssize_t n = mp_dict_len(dict), now;

    stage_survive(mp_dict_set(dict, "s", "new", "s", LONG_A), "cannot set");
    stage_survive(mp_dict_set(dict, "s", "a long key, new", "i", 1),
                  "cannot set");
    stage_survive(mp_dict_set(dict, "s", "a long key, new", "i", 2),
                  "cannot set again");
    stage_survive(mp_dict_get(dict, "s", "new", "_"), "cannot get");
    stage_survive(mp_dict_add_int(dict, 1, NULL, "s", "n"), "cannot add");
    walk(dict);
    now = mp_dict_len(dict);
    sweep_check(now == n + 3, "it has %zd entries, not %zd", now, n + 3);
    stage_survive(mp_dict_delete(dict, "s", "new"), "cannot delete");
}

static const struct stage_kind dicts = {make_dict, whole_dict, end_dict,
                                        look_into, go_on};
static const struct stage_kind full = {make_full_dict, whole_dict, end_dict,
                                       look_into, go_on};
static const struct stage_kind holed = {make_holed_dict, whole_dict, end_dict,
                                        look_into, go_on};

static const struct stage_kind shrunk = {make_shrunk_dict, whole_dict,
                                         end_dict, look_into, go_on};

/* ---- What is done to them ---- */

static void
set(void *dict)
{
    mp_dict_set(dict, "s", "a long key that is new", "s", LONG_B);
}

static void
set_word(void *dict)
{
    mp_dict_set(dict, "i", 77, "i", 7);
}

static void
set_huge(void *dict)
{
    static char huge[HUGE_VALUE];

    mp_dict_set(dict, "i", 77, "y", huge, sizeof(huge));
}

static void
set_there(void *dict)
{
    mp_dict_set(dict, "s", LONG_A, "s", LONG_B);
}

/* The key is of no use, and was all of the bundle. */
static void
set_there_word(void *dict)
{
    mp_dict_set(dict, "s", LONG_A, "i", 3);
}

static void delete (void *dict)
{
    mp_dict_delete(dict, "s", LONG_A);
}

static void
delete_word(void *dict)
{
    mp_dict_delete(dict, "i", 1);
}

static void
delete_own(void *dict)
{
    mp_dict_delete(dict, "i", 5);
}

static void
pop(void *dict)
{
    mp_dict_pop(dict, "i", 2, "_");
}

static void
popitem(void *dict)
{
    mp_any key, value;

    if (mp_dict_popitem(dict, &key, &value) == 0) {
        mp_any_free(key);
        mp_any_free(value);
    }
}

static void
setdefault(void *dict)
{
    mp_dict_setdefault(dict, "s", "a long key that is new", "s", LONG_B);
}

static void
setdefault_there(void *dict)
{
    mp_dict_setdefault(dict, "s", LONG_B, "s", LONG_B);
}

static void
add(void *dict)
{
    mp_dict_add_int(dict, 1, NULL, "i", 1);
}

static void
add_to_long_key(void *dict)
{
    mp_dict_add_int(dict, 1, NULL, "s", LONG_B);
}

static void
add_big(void *dict)
{
    mp_dict_add_int(dict, BIG, NULL, "s", LONG_B);
}

static void
add_new(void *dict)
{
    mp_dict_add_double(dict, 0.5, NULL, "s", "a long key that is new");
}

/* A `desired` or `expected` of NULL: none. */
static void
exchange_at(void *dict, int key, const char *expected, const char *desired)
{
    const char *texts[] = {expected, desired};
    mp_any_writer w[3];
    unsigned char buf[3][80];
    mp_any any[3] = {{0}};

    for (int i = 0; i < 2; i++) {
        mp_any_writer_init(&w[i], buf[i], sizeof(buf[i]));
        mp_any_build(&w[i], "s", texts[i] ? texts[i] : "");
        if (texts[i])
            mp_any_end(&w[i], &any[i]);
    }
    mp_any_writer_init(&w[2], buf[2], sizeof(buf[2]));
    mp_any_build(&w[2], "i", key);
    mp_any_end(&w[2], &any[2]);
    mp_dict_compare_exchange(dict, any[2], any[0], any[1]);
}

static void
exchange(void *dict)
{
    exchange_at(dict, 2, LONG_B, LONG_A);
}

static void
exchange_refused(void *dict)
{
    exchange_at(dict, 2, LONG_A, LONG_B);
}

static void
exchange_new(void *dict)
{
    exchange_at(dict, 88, NULL, LONG_A);
}

static void
exchange_away(void *dict)
{
    exchange_at(dict, 2, LONG_B, NULL);
}

static void
update_by(void *dict, mp_any_writer *w)
{
    mp_any any;

    if (mp_any_end(w, &any) == 0)
        mp_dict_update(dict, any);
}

/* Some are there; some come twice. */
static void
update(void *dict)
{
    unsigned char buf[300];
    mp_any_writer w;

    mp_any_writer_init(&w, buf, sizeof(buf));
    mp_any_build(&w, "{s:s,s:i,i:s,s:i}", LONG_A, "x", "a long key, twice", 3,
                 1, LONG_B, "a long key, twice", 5);
    update_by(dict, &w);
}

static void
update_words(void *dict)
{
    unsigned char buf[300];
    mp_any_writer w;

    mp_any_writer_init(&w, buf, sizeof(buf));
    mp_any_build(&w, "{i:i,i:i,i:n}", 1, 2, 3, 4, 55);
    update_by(dict, &w);
}

static void
clear(void *dict)
{
    mp_dict_clear(dict);
}

/* Nothing changes. */
static void
look(void *dict)
{
    mp_any any;

    mp_dict_get(dict, "s", LONG_A, "_");
    mp_dict_get(dict, "s", "none", "_");
    mp_dict_equal(dict, (mp_any){(const unsigned char *)"\x80", 1});
    walk(dict);
    if (mp_dict_keys(dict, &any) == 0)
        mp_any_free(any);
    if (mp_dict_values(dict, &any) == 0)
        mp_any_free(any);
}

/* ---- One stands still while another comes ---- */

/* As many as the table has room for then. */
static void
set_some(void *dict)
{
    int i = 0;

    while (i < COMING || !is_full(dict)) {
        mp_dict_set(dict, "i", FIRST + i, "i", i);
        i++;
    }
    mp__store(&sweep.note[CAME], (uint64_t)i);
}

static size_t
made_at_first(void)
{
    const struct stage_case *c = sweep.scenario->what;
    mp_dict *twin = c->kind->make(c->n);
    uint64_t n = twin->live;

    stage_survive(mp_dict_destroy(twin), "cannot destroy the twin");
    return n;
}

/* They are all there, and `more` than there were. */
static void
check_some(mp_dict *dict, size_t more)
{
    int came = (int)mp__load(&sweep.note[CAME]), x = -1;
    size_t n = made_at_first() + more + (size_t)came;

    for (int i = 0; i < came; i++)
        sweep_check(mp_dict_get(dict, "i", FIRST + i, "i", &x) == 0 && x == i,
                    "entry %d is %d", FIRST + i, x);
    sweep_check((size_t)mp_dict_len(dict) == n, "it has %zd entries, not %zu",
                mp_dict_len(dict), n);
}

static void
check_set(void *dict)
{
    check_some(dict, 1);
    stage_survive(mp_dict_get(dict, "s", "a long key that is new", "_"),
                  "cannot get");
}

static void
check_updated(void *dict)
{
    int x = 0;

    check_some(dict, 1);
    sweep_check(mp_dict_get(dict, "s", "a long key, twice", "i", &x) == 0 &&
                    x == 5,
                "it is %d", x);
}

static void
check_shrunk(void *dict)
{
    check_some(dict, (size_t)-1);
    sweep_check(mp_dict_has(dict, "s", LONG_A) == 0, "it was not deleted");
}

static void
add_some(void *dict)
{
    for (int i = 0; i < COMING; i++)
        mp_dict_add_int(dict, i % 2 ? BIG : 1, NULL, "s", LONG_B);
}

static void
check_sum(void *dict)
{
    int64_t sum = 0;

    stage_survive(mp_dict_get(dict, "s", LONG_B, "q", &sum), "no sum");
    sweep_check(sum == 3 + BIG + (BIG + 1) * COMING / 2, "the sum is %lld",
                (long long)sum);
}

static void
exchange_back(void *dict)
{
    exchange_at(dict, 2, LONG_A, LONG_B);
}

/* Both, or none of them has found what it expects. */
static void
check_exchanged(void *dict)
{
    int r = mp_dict_get(dict, "i", 2, "_");

    sweep_check(r == 0, "it has gone");
}

/* ---- Life ---- */

static mp_dict *doomed;

static void
no_dict(void)
{
    sweep_fast_seconds = 0.15;
}

static void
victim_makes(void)
{
    mp_dict *dict;

    if (mp_dict_create(&dict) == 0)
        mp__store(&sweep.note[MADE], (uintptr_t)dict);
}

static void
check_made(void)
{
    mp_dict *dict = (mp_dict *)(uintptr_t)mp__load(&sweep.note[MADE]);

    sweep_check(dict || !sweep.completed, "it was not made");
    if (dict == NULL)
        return;
    go_on(dict);
    stage_survive(mp_dict_destroy(dict), "cannot destroy it");
}

static void
make_doomed(void)
{
    doomed = make_dict(8);
    stage_survive(mp_dict_lock(doomed) ? 0 : -ENOMEM, "no lock");
}

static void
victim_destroys(void)
{
    mp_dict_destroy(doomed);
}

/* It is there, and in order, or not there. */
static void
check_doomed(void)
{
    if (mp_dict_len(doomed) < 0) {
        sweep_check(mp_dict_set(doomed, "i", 1, "i", 1) == -EBADF,
                    "half a dict");
        return;
    }
    sweep_check(!sweep.completed, "it has not been destroyed");
    stage_survive(mp_dict_set(doomed, "i", 1, "s", LONG_A), "cannot set");
    look_into(doomed);
    stage_survive(mp_dict_destroy(doomed), "cannot destroy it");
}

#define DICT(text, n, act)       STAGE_BOTH("dict." text, &dicts, n, act)
#define FULL(text, n, act)       STAGE_BOTH("dict." text, &full, n, act)
#define HOLED(text, n, act)      STAGE_BOTH("dict." text, &holed, n, act)
#define MEET(text, kind, n, ...) STAGE_MEET("dict." text, kind, n, __VA_ARGS__)

const struct sweep_scenario sweep_dict[] = {
    DICT("set", 4, set),
    DICT("set-word", 4, set_word),
    DICT("set-first", 0, set),
    FULL("set-grows", 4, set),
    FULL("set-word-grows", 4, set_word),
    HOLED("set-in-holed", 6, set),
    DICT("set-huge", 4, set_huge),
    DICT("set-there", 4, set_there),
    DICT("set-there-word", 4, set_there_word),
    DICT("delete", 4, delete),
    DICT("delete-word", 4, delete_word),
    DICT("delete-own", 6, delete_own),
    DICT("pop", 4, pop),
    DICT("popitem", 4, popitem),
    STAGE_BOTH("dict.delete-shrinks", &shrunk, 4, delete),
    DICT("setdefault", 4, setdefault),
    DICT("setdefault-there", 4, setdefault_there),
    DICT("add", 4, add),
    DICT("add-to-long-key", 4, add_to_long_key),
    DICT("add-big", 4, add_big),
    DICT("add-new", 4, add_new),
    DICT("exchange", 4, exchange),
    DICT("exchange-refused", 4, exchange_refused),
    DICT("exchange-new", 4, exchange_new),
    DICT("exchange-away", 4, exchange_away),
    DICT("update", 6, update),
    DICT("update-first", 0, update),
    DICT("update-words", 4, update_words),
    FULL("update-grows", 4, update),
    DICT("clear", 6, clear),
    DICT("look", 6, look),
    STAGE_AFTER("dict.set-after-dead-delete", &dicts, 4, set, delete),
    STAGE_AFTER("dict.set-after-dead-clear", &dicts, 4, set, clear),
    STAGE_AFTER("dict.set-word-after-dead-growth", &full, 4, set_word, set),
    STAGE_AFTER("dict.update-after-dead-set", &full, 4, update, set),
    STAGE_AFTER("dict.clear-after-dead-update", &dicts, 4, clear, update),
    STAGE_AFTER("dict.delete-after-dead-update", &dicts, 4, delete, update),
    STAGE_AFTER("dict.add-after-dead-update", &dicts, 4, add_big, update),
    STAGE_AFTER("dict.look-after-dead-set", &full, 4, look, set),
    MEET("set-meet", &full, 4, set, set_some, check_set),
    MEET("update-meet", &full, 4, update, set_some, check_updated),
    MEET("delete-shrinks-meet", &shrunk, 4, delete, set_some, check_shrunk),
    MEET("add-meet", &dicts, 4, add_big, add_some, check_sum),
    MEET("exchange-meet", &dicts, 4, exchange, exchange_back, check_exchanged),
    {
        .name = "dict.create",
        .setup = no_dict,
        .prepare = stage_enter_collection,
        .victim = victim_makes,
        .check = check_made,
        .may_lose = 1,
    },
    {
        .name = "dict.destroy",
        .setup = make_doomed,
        .prepare = stage_enter_collection,
        .victim = victim_destroys,
        .check = check_doomed,
        .may_lose = 2, /* the dict and its lock */
    },
    {.name = NULL},
};
