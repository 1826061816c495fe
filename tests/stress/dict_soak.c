/* SPDX-License-Identifier: MIT */
/* A dict that eight processes change, one of which is killed all the time.
 *
 * Each notes what it is about to do, and what came of it, with the times of
 * a clock that all have in common, in memory that is no part of the
 * library. After each round the history of each key must be linearizable,
 * from the value that the round before has left to the one that is there.
 * What changes several keys at once is noted for each of them. Beside that
 * each has keys of its own, which come and go, so that the table does. */
#include "collection_soak.h"
#include "history.h"

#include "base/atomic.h"
#include "base/macros.h"
#include "os/clock.h"
#include "region/participant.h"

#include <mproc.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEYS     8 /* the last of which are counters */
#define COUNTERS 3
#define STEPS    800 /* of one worker in a round, at least */
#define OWN      70  /* keys of a worker */
#define BIG      ((int64_t)1 << 40)
#define NOTHING  HISTORY_NOTHING

struct worker {
    mp__a32 n; /* operations, those under way too */
    struct history_operation operation[STEPS + 2 * KEYS];
    int64_t seen[KEYS]; /* what it has seen last */
    uint64_t random;
};

static struct {
    mp__a64 clock, unique, violations;
    struct worker worker[SOAK_WORKERS];
} * soak;
static mp_dict *dict;
static int64_t value_of[KEYS]; /* before the round */
static uint64_t operations, pending, longest, undecided;

static uint64_t
tick(void)
{
    return mp__add(&soak->clock, 1) + 1;
}

static uint64_t
draw(struct worker *w)
{
    w->random ^= w->random << 13;
    w->random ^= w->random >> 7;
    w->random ^= w->random << 17;
    return w->random >> 11;
}

static void
complain(const char *what, int64_t r)
{
    mp__add(&soak->violations, 1);
    printf("VIOLATION: %s: %" PRId64 " (%s)\n", what, r, mp_last_error());
    fflush(stdout);
}

/* ---- Keys and values ---- */

struct written {
    unsigned char buf[120];
    mp_any any;
};

static mp_any
end_of(struct written *w, mp_any_writer *writer)
{
    if (mp_any_end(writer, &w->any) < 0)
        complain("cannot write a value", 0);
    return w->any;
}

static mp_any
write_key(struct written *w, uint32_t key)
{
    mp_any_writer writer;
    char text[60];

    mp_any_writer_init(&writer, w->buf, sizeof(w->buf));
    snprintf(text, sizeof(text), "a key that is too long for a word: %u", key);
    if (key % 2)
        mp_any_build(&writer, "s", text);
    else
        mp_any_build(&writer, "i", (int)key);
    return end_of(w, &writer);
}

static int
is_counter(uint32_t key)
{
    return key >= KEYS - COUNTERS;
}

/* Numbers, texts and lists; counters are numbers. */
static mp_any
write_value(struct written *w, uint32_t key, int64_t x)
{
    mp_any_writer writer;
    char text[80];

    if (x == NOTHING)
        return (mp_any){0};
    mp_any_writer_init(&writer, w->buf, sizeof(w->buf));
    snprintf(text, sizeof(text), "%" PRId64 " is the number of this value", x);
    if (is_counter(key) || x % 3 == 0)
        mp_any_write_int(&writer, x);
    else if (x % 3 == 1)
        mp_any_build(&writer, "s", text);
    else
        mp_any_build(&writer, "[q,s]", x, text);
    return end_of(w, &writer);
}

static int64_t
read_value(mp_any any)
{
    int64_t x = -1;
    const char *text;
    size_t size;
    mp_any item;

    if (mp_any_get_int(any, &x) == 0)
        return x;
    if (mp_any_get_string(any, &text, &size) == 0)
        return strtoll(text, NULL, 10);
    if (mp_any_item(any, 0, &item) == 0)
        mp_any_get_int(item, &x);
    return x;
}

/* ---- Noting ---- */

/* The `i`th of those that are about to be done. */
static struct history_operation *
note(struct worker *w, uint32_t i, uint32_t key, uint32_t kind)
{
    struct history_operation *o = &w->operation[mp__load(&w->n) + i];

    *o = (struct history_operation){
        .kind = kind, .key = key, .x = NOTHING, .expected = NOTHING};
    return o;
}

/* They count when all is written. */
static void
begin(struct worker *w, uint32_t n)
{
    struct history_operation *o = &w->operation[mp__load(&w->n)];
    uint64_t now = tick();

    for (uint32_t i = 0; i < n; i++)
        o[i].began = now;
    mp__add(&w->n, n);
}

static void
end(struct history_operation *o, int64_t result, uint64_t now)
{
    o->result = result;
    mp__compiler_barrier();
    *(volatile uint64_t *)&o->ended = now;
}

/* ---- What they do ---- */

static int64_t
new_value(struct worker *w, uint32_t key)
{
    int64_t x = (int64_t)mp__add(&soak->unique, 1) + 1000;

    return is_counter(key) && draw(w) % 2 ? x + BIG : x;
}

static int64_t
get(mp_any key)
{
    mp_any any;
    int r = mp_dict_get_any(dict, key, &any);
    int64_t x;

    if (r < 0 && r != -ENOENT)
        complain("get", r);
    if (r < 0)
        return NOTHING;
    x = read_value(any);
    mp_any_free(any);
    return x;
}

static int64_t
pop(struct worker *w, mp_any key)
{
    int r = draw(w) % 2 ? mp_dict_delete(dict, "v", key)
                        : mp_dict_pop(dict, "v", key, "_");

    if (r < 0 && r != -ENOENT)
        complain("delete", r);
    return r == 0;
}

static int64_t
no_failure(const char *what, int64_t r)
{
    if (r < 0)
        complain(what, r);
    return r;
}

/* What it brings, and expects. */
static void
choose_values(struct worker *w, struct history_operation *o)
{
    if (o->kind == HISTORY_ADD)
        o->x = draw(w) % 8 ? 1 : BIG;
    else if (o->kind == HISTORY_SET || o->kind == HISTORY_DEFAULT)
        o->x = new_value(w, o->key);
    else if (o->kind == HISTORY_EXCHANGE) {
        o->expected = draw(w) % 8 ? w->seen[o->key] : NOTHING;
        o->x = draw(w) % 4 ? new_value(w, o->key) : NOTHING;
    }
}

static int64_t
act(struct worker *w, const struct history_operation *o)
{
    struct written written[3];
    mp_any key = write_key(&written[0], o->key);
    mp_any x = write_value(&written[1], o->key, o->x);
    mp_any expected = write_value(&written[2], o->key, o->expected);
    int64_t sum = NOTHING;

    switch (o->kind) {
    case HISTORY_SET:
        return no_failure("set", mp_dict_set_any(dict, key, x));
    case HISTORY_ADD:
        no_failure("add", mp_dict_add_int(dict, o->x, &sum, "v", key));
        return sum;
    case HISTORY_DELETE:
        return pop(w, key);
    case HISTORY_EXCHANGE:
        return no_failure("exchange",
                          mp_dict_compare_exchange(dict, key, expected, x));
    case HISTORY_DEFAULT:
        return no_failure("setdefault",
                          mp_dict_setdefault(dict, "v", key, "v", x));
    default:
        return w->seen[o->key] = get(key);
    }
}

static void
do_one(struct worker *w, uint32_t key, uint32_t kind)
{
    struct history_operation *o = note(w, 0, key, kind);
    int64_t result;

    choose_values(w, o);
    begin(w, 1);
    result = act(w, o);
    end(o, result, tick());
}

static void
set_two(struct worker *w)
{
    struct history_operation *o[2];
    uint32_t first = (uint32_t)(draw(w) % (KEYS - 1));
    struct written written[4];
    mp_any_writer writer = MP_ANY_WRITER;
    mp_any both = {0};
    uint64_t now;

    mp_any_write_dict(&writer, 2);
    for (uint32_t i = 0; i < 2; i++) {
        o[i] = note(w, i, first + i, HISTORY_SET);
        choose_values(w, o[i]);
        mp_any_write_value(&writer, write_key(&written[i], first + i));
        mp_any_write_value(&writer,
                           write_value(&written[2 + i], first + i, o[i]->x));
    }
    mp_any_end(&writer, &both);
    begin(w, 2);
    no_failure("update", mp_dict_update(dict, both));
    now = tick();
    end(o[0], 0, now);
    end(o[1], 0, now);
    mp_any_discard(&writer);
}

static void
clear_all(struct worker *w)
{
    struct history_operation *o[KEYS];
    uint64_t now;

    for (uint32_t i = 0; i < KEYS; i++)
        o[i] = note(w, i, i, HISTORY_CLEAR);
    begin(w, KEYS);
    no_failure("clear", mp_dict_clear(dict));
    now = tick();
    for (uint32_t i = 0; i < KEYS; i++)
        end(o[i], 0, now);
}

/* Keys that nobody else knows: the table grows, and shrinks. */
static void
come_and_go(struct worker *w, unsigned number)
{
    int own = 1000 + (int)number * OWN, n = (int)(draw(w) % OWN);

    for (int i = 0; i < n; i++)
        no_failure("set", mp_dict_set(dict, "i", own + i, "s",
                                      "a text that is too long for a word"));
    for (int i = 0; i < OWN; i++)
        mp_dict_delete(dict, "i", own + i);
}

static void
do_something(struct worker *w, unsigned number)
{
    static const uint32_t often[] = {
        HISTORY_SET, HISTORY_SET,      HISTORY_GET,      HISTORY_GET,
        HISTORY_GET, HISTORY_DELETE,   HISTORY_EXCHANGE, HISTORY_EXCHANGE,
        HISTORY_SET, HISTORY_EXCHANGE, HISTORY_DEFAULT};
    uint32_t key = (uint32_t)(draw(w) % KEYS), n = (uint32_t)(draw(w) % 100);

    if (n == 0)
        clear_all(w);
    else if (n < 3)
        come_and_go(w, number);
    else if (n < 8)
        set_two(w);
    else if (is_counter(key) && n < 60)
        do_one(w, key, HISTORY_ADD);
    else
        do_one(w, key, often[n % MP__LENGTH(often)]);
}

/* A successor goes on where the killed one was. */
static void
work(unsigned number)
{
    struct worker *w = &soak->worker[number];

    while (mp__load(&w->n) < STEPS && mp__load(&soak->violations) == 0)
        do_something(w, number);
}

/* ---- Rounds ---- */

/* All that was done with one key, and that it is read at the end. */
static size_t
gather(uint32_t key, struct history_operation *history)
{
    struct written written;
    size_t n = 0;

    for (unsigned i = 0; i < SOAK_WORKERS; i++)
        for (uint32_t j = 0; j < mp__load(&soak->worker[i].n); j++)
            if (soak->worker[i].operation[j].key == key)
                history[n++] = soak->worker[i].operation[j];
    history[n] = (struct history_operation){.kind = HISTORY_GET, .key = key};
    history[n].began = tick();
    history[n].result = get(write_key(&written, key));
    history[n].ended = tick();
    return n + 1;
}

static void
check_key(uint32_t key)
{
    static struct history_operation history[HISTORY_MOST];
    size_t n = gather(key, history);
    int64_t value = history[n - 1].result;
    int r = history_check(history, n, value_of[key]);

    operations += n;
    for (size_t i = 0; i < n; i++)
        pending += history[i].ended == 0;
    longest = n > longest ? n : longest;
    undecided += r < 0;
    if (r == 0) {
        complain("the history of a key is not linearizable", (int64_t)key);
        printf("  it was %" PRId64 " before\n", value_of[key]);
        history_print(history, n);
    }
    value_of[key] = value;
}

/* How many were killed; -1: a violation. */
static int
play_round(void)
{
    int kills;

    for (unsigned i = 0; i < SOAK_WORKERS; i++)
        mp__store(&soak->worker[i].n, 0);
    kills = soak_workers(work, NULL);
    for (uint32_t key = 0; kills >= 0 && key < KEYS; key++)
        check_key(key);
    return mp__load(&soak->violations) ? -1 : kills;
}

static int
begin_soak(unsigned seed)
{
    soak = soak_shared(sizeof(*soak));
    if (soak == NULL || mp_dict_create(&dict) < 0)
        return -1;
    for (unsigned i = 0; i < SOAK_WORKERS; i++)
        soak->worker[i].random = (seed + i + 1) * 0x9e3779b97f4a7c15u;
    for (uint32_t key = 0; key < KEYS; key++)
        value_of[key] = NOTHING;
    return 0;
}

int
stress_dict_soak(double seconds, unsigned seed)
{
    mp_time end_of_all = mp_timeout(seconds);
    uint64_t kills = 0, rounds = 0;
    int64_t live, left;
    int r = history_check_itself() ? 0 : -1;

    live = mp__enter() < 0 ? -1 : soak_live();
    if (live < 0 || begin_soak(seed) < 0)
        return 1;
    while (r >= 0 && mp__now() < end_of_all) {
        r = play_round();
        kills += r > 0 ? (uint64_t)r : 0;
        rounds++;
    }
    if (r >= 0)
        no_failure("destroy", mp_dict_destroy(dict));
    left = r < 0 ? live : soak_live();
    printf("%" PRIu64 " operations in %" PRIu64 " rounds, %" PRIu64
           " of them without an end; %" PRIu64 " kills; at most %" PRIu64
           " of one key; %" PRIu64 " histories not decided; %" PRId64
           " blocks lost\n",
           operations, rounds, pending, kills, longest, undecided,
           left - live);
    return r < 0 || left != live || mp__load(&soak->violations) ||
           undecided > rounds / 100;
}
