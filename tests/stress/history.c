/* SPDX-License-Identifier: MIT */
/* The checker: Wing and Gong's search, and Lowe's memory of what was tried.
 *
 * An operation may come next if no other that is still to come had ended
 * before it began. Each of them is tried, and those without an end last; it
 * leads to a value, and a set of operations that are done. What has been
 * tried for one value and one set need not be tried again. */
#include "history.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS      (HISTORY_MOST / 64)
#define STATES     (1u << 16) /* that are remembered */
#define TRIES_MOST 4000000u

struct state {
    uint64_t done[WORDS];
    int64_t value;
    size_t first; /* all before it are done */
};

struct search {
    const struct history_operation *operation;
    size_t n, words;
    uint64_t *seen; /* hashes of states, 0: none */
    size_t n_seen;
    unsigned tries;
};

/* ---- Registers ---- */

/* What the operation does to the value. Returns its result. */
static int64_t
apply(const struct history_operation *o, int64_t *value)
{
    int64_t before = *value;

    switch (o->kind) {
    case HISTORY_SET:
        *value = o->x;
        return 0;
    case HISTORY_GET:
        return before;
    case HISTORY_ADD:
        *value = o->x + (before == HISTORY_NOTHING ? 0 : before);
        return *value;
    case HISTORY_DELETE:
        *value = HISTORY_NOTHING;
        return before != HISTORY_NOTHING;
    case HISTORY_EXCHANGE:
        if (before == o->expected)
            *value = o->x;
        return before == o->expected;
    case HISTORY_DEFAULT:
        if (before == HISTORY_NOTHING)
            *value = o->x;
        return before == HISTORY_NOTHING;
    default:
        *value = HISTORY_NOTHING;
        return 0;
    }
}

/* ---- States ---- */

static int
is_done(const struct state *state, size_t i)
{
    return (int)(state->done[i / 64] >> (i % 64) & 1);
}

static uint64_t
hash(const struct search *s, const struct state *state)
{
    uint64_t h = (uint64_t)state->value * 0x9e3779b97f4a7c15u;

    for (size_t i = 0; i < s->words; i++) {
        h = (h ^ state->done[i]) * 0xd6e8feb86659fd93u;
        /* A change of the top bit alone is still one here: it must not be
         * what a change of the next word takes back. */
        h = (h ^ h >> 29) * 0xbf58476d1ce4e5b9u;
        h ^= h >> 32;
    }
    return h ? h : 1;
}

/* Whether the state has been here before; it has now. Two states with one
 * hash, of 64 bits, are taken for the same. */
static int
was_seen(struct search *s, const struct state *state)
{
    uint64_t h = hash(s, state);
    size_t i = h % STATES;

    while (s->seen[i] && s->seen[i] != h)
        i = (i + 1) % STATES;
    if (s->seen[i])
        return 1;
    if (s->n_seen < STATES / 2) {
        s->seen[i] = h;
        s->n_seen++;
    }
    return 0;
}

/* The earliest end of those that are to come; UINT64_MAX: none has one. */
static uint64_t
next_end(const struct search *s, const struct state *state)
{
    uint64_t end = UINT64_MAX;

    for (size_t i = state->first; i < s->n; i++) {
        const struct history_operation *o = &s->operation[i];

        if (o->began > end)
            break;
        if (!is_done(state, i) && o->ended && o->ended < end)
            end = o->ended;
    }
    return end;
}

/* ---- The search ---- */

static int search_from(struct search *s, struct state *state);

/* Does operation `i`, and goes on; then all is as before. */
static int
try_next(struct search *s, struct state *state, size_t i)
{
    const struct history_operation *o = &s->operation[i];
    int64_t value = state->value;
    size_t first = state->first;
    int64_t result = apply(o, &state->value);
    int r = 0;

    if (o->ended == 0 && state->value == value)
        r = 0; /* as if it were not done */
    else if (o->ended == 0 || result == o->result) {
        state->done[i / 64] |= (uint64_t)1 << (i % 64);
        while (state->first < s->n && is_done(state, state->first))
            state->first++;
        r = search_from(s, state);
        state->done[i / 64] &= ~((uint64_t)1 << (i % 64));
    }
    state->value = value;
    state->first = first;
    return r;
}

/* 1: all that ended can be done; 0; -1: too long. */
static int
search_from(struct search *s, struct state *state)
{
    uint64_t end = next_end(s, state);
    int r = 0;

    if (end == UINT64_MAX)
        return 1;
    if (was_seen(s, state))
        return 0;
    if (s->tries++ > TRIES_MOST)
        return -1;
    for (int pending = 0; pending < 2; pending++)
        for (size_t i = state->first;
             r == 0 && i < s->n && s->operation[i].began < end; i++)
            if (!is_done(state, i) && (s->operation[i].ended == 0) == pending)
                r = try_next(s, state, i);
    return r;
}

static int
compare_beginnings(const void *a, const void *b)
{
    const struct history_operation *x = a, *y = b;

    return (x->began > y->began) - (x->began < y->began);
}

int
history_check(struct history_operation *operation, size_t n, int64_t value)
{
    struct search s = {.operation = operation, .n = n, .words = n / 64 + 1};
    struct state state = {.value = value};
    int r;

    if (n >= HISTORY_MOST)
        return -1;
    qsort(operation, n, sizeof(*operation), compare_beginnings);
    s.seen = calloc(STATES, sizeof(*s.seen));
    if (s.seen == NULL)
        return -1;
    r = search_from(&s, &state);
    free(s.seen);
    return r;
}

void
history_print(const struct history_operation *operation, size_t n)
{
    static const char *const names[] = {
        "set", "get", "add", "delete", "clear", "exchange", "default"};

    for (size_t i = 0; i < n; i++, operation++)
        printf("  %8" PRIu64 " %8" PRIu64 " %-8s x %" PRId64
               " expected %" PRId64 " result %" PRId64 "\n",
               operation->began, operation->ended, names[operation->kind],
               operation->x, operation->expected, operation->result);
}

/* ---- The checker itself ---- */

#define NOTHING HISTORY_NOTHING

/* Each begins with a register that has nothing. */
static const struct {
    const char *what;
    int right;
    struct history_operation operation[5];
} examples[] = {
    {"one after the other",
     1,
     {{1, 2, 7, 0, 0, HISTORY_SET, 0},
      {3, 4, 0, 0, 7, HISTORY_GET, 0},
      {5, 6, 0, 0, 1, HISTORY_DELETE, 0},
      {7, 8, 0, 0, NOTHING, HISTORY_GET, 0}}},
    {"a value that was overwritten",
     0,
     {{1, 2, 7, 0, 0, HISTORY_SET, 0},
      {3, 4, 8, 0, 0, HISTORY_SET, 0},
      {5, 6, 0, 0, 7, HISTORY_GET, 0}}},
    {"two at once, either of which may be the last",
     1,
     {{1, 4, 7, 0, 0, HISTORY_SET, 0},
      {2, 3, 8, 0, 0, HISTORY_SET, 0},
      {5, 6, 0, 0, 7, HISTORY_GET, 0}}},
    {"two readers who see two of them in another order",
     0,
     {{1, 10, 7, 0, 0, HISTORY_SET, 0},
      {2, 11, 8, 0, 0, HISTORY_SET, 0},
      {3, 4, 0, 0, 7, HISTORY_GET, 0},
      {5, 6, 0, 0, 8, HISTORY_GET, 0},
      {7, 8, 0, 0, 7, HISTORY_GET, 0}}},
    {"a killed one, done late",
     1,
     {{1, 0, 7, 0, 0, HISTORY_SET, 0},
      {2, 3, 0, 0, NOTHING, HISTORY_GET, 0},
      {4, 5, 0, 0, 7, HISTORY_GET, 0}}},
    {"a killed one, done and undone",
     0,
     {{1, 0, 7, 0, 0, HISTORY_SET, 0},
      {2, 3, 0, 0, 7, HISTORY_GET, 0},
      {4, 5, 0, 0, NOTHING, HISTORY_GET, 0}}},
    {"a sum that counts a killed one twice",
     0,
     {{1, 0, 1, 0, 0, HISTORY_ADD, 0}, {2, 3, 10, 0, 12, HISTORY_ADD, 0}}},
    {"an exchange that is refused though it fits",
     0,
     {{1, 2, 7, 0, 0, HISTORY_SET, 0}, {3, 4, 8, 7, 0, HISTORY_EXCHANGE, 0}}},
    {"a value that comes from nowhere",
     0,
     {{1, 2, 7, NOTHING, 1, HISTORY_EXCHANGE, 0},
      {3, 4, 9, 0, 0, HISTORY_DEFAULT, 0},
      {5, 6, 0, 0, 9, HISTORY_GET, 0}}},
};

int
history_check_itself(void)
{
    int right = 1;

    for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++) {
        struct history_operation operation[5];
        size_t n = 0;

        memcpy(operation, examples[i].operation, sizeof(operation));
        while (n < 5 && operation[n].began)
            n++;
        if (history_check(operation, n, NOTHING) != examples[i].right) {
            printf("VIOLATION: the checker is wrong about %s\n",
                   examples[i].what);
            right = 0;
        }
    }
    return right;
}
