/* SPDX-License-Identifier: MIT */
/* What the scenarios of lists, dicts, sets and namespaces share.
 *
 * A scenario says (in `what`) which collection it is about, how many values
 * that has at first, and what the victim does to it. The same is done to a
 * twin, in peace; the collection must be as one of the twin's states, to
 * the byte. */
#pragma once

#include "sweep.h"

#include <stddef.h>
#include <stdint.h>

/* Texts that do not fit into a word of a collection. */
#define LONG_A "a text that does not fit into a word"
#define LONG_B "another text that does not fit into one"

/* Bytes of a value whose bundle is an extent. */
#define HUGE_VALUE 70000

typedef void stage_act_fn(void *collection);

struct stage_kind {
    void *(*make)(size_t n);
    mp_any (*whole)(void *collection); /* a copy */
    int (*destroy)(void *collection);
    void (*look)(void *collection);  /* into it: whether it is in order */
    void (*go_on)(void *collection); /* survivors do: all of it must work */
};

struct stage_case {
    const struct stage_kind *kind;
    size_t n;
    stage_act_fn *act;   /* of the victim */
    stage_act_fn *first; /* of who is killed before; NULL: nobody */
    stage_act_fn *meet;  /* of another, while the victim stands still; NULL:
                            nobody */
    stage_act_fn *check; /* with `meet`: instead of the twin */
};

void stage_survive(int r, const char *what);

/* For `look`: each of the words that has a bundle, a living block, is counted
 * by it; nobody has died since. A block has so many bytes, or more. */
void stage_look_at_words(const uint64_t *words, size_t n);
void stage_look_at_block(const void *block, size_t size);
mp_any stage_copy(int r, mp_any any);

/* Of sweep_scenario. */
void stage_make_collection(void);
void stage_enter_collection(void);
void stage_act(void);
void stage_act_first(void);
void stage_come_and_act(void);
void stage_check_collection(void);
void stage_end_collection(void);

#define STAGE_CASE(...)        \
    &(const struct stage_case) \
    {                          \
        __VA_ARGS__            \
    }
#define STAGE_ROW(text)                                     \
    .name = text, .setup = stage_make_collection,           \
    .prepare = stage_enter_collection, .victim = stage_act, \
    .check = stage_check_collection, .teardown = stage_end_collection

/* Killed at each instruction; and so after another was killed, anywhere. */
#define STAGE_KILLED(text, of, size, does)                          \
    {                                                               \
        STAGE_ROW(text),                                            \
            .what = STAGE_CASE(.kind = of, .n = size, .act = does), \
    }
#define STAGE_AFTER(text, of, size, does, did)                          \
    {                                                                   \
        STAGE_ROW(text), .before = stage_act_first,                     \
                         .what = STAGE_CASE(.kind = of, .n = size,      \
                                            .act = does, .first = did), \
    }
#define STAGE_BOTH(text, of, size, does) \
    STAGE_KILLED(text, of, size, does),  \
        STAGE_AFTER(text "-after-a-death", of, size, does, does)

/* Stands still at each instruction while another comes. */
#define STAGE_MEET(text, of, size, does, comes, checks)            \
    {                                                              \
        STAGE_ROW(text),                                           \
            .meet = 1, .beside = stage_come_and_act,               \
            .what = STAGE_CASE(.kind = of, .n = size, .act = does, \
                               .meet = comes, .check = checks),    \
    }
