/* SPDX-License-Identifier: MIT */
/* How a dict lies in memory: entries in the order in which their keys came,
 * and an index of them by hash, in one block. Sets and namespaces are dicts:
 * the items of a set are keys, whose values are None. */
#pragma once

#include "codec/key.h"
#include "collection/collection.h"

#include <mproc/dict.h>
#include <mproc/namespace.h>
#include <mproc/set.h>

/* Four words, and only key and value may be pointers: the others are odd. So
 * what is left of a table that has been cleared is words to be dropped. */
struct mp__dict_cell {
    uint64_t key, value; /* both 0: the entry was deleted */
    uint64_t serial;     /* goes up by 2 from entry to entry */
    uint64_t hash;       /* 2 * hash + 1 */
};
#define MP__DICT_CELL_WORDS 4u

struct mp__dict_table {
    uint64_t capacity; /* entries */
    uint64_t slots;    /* of the index: a power of two, half as many again */
    struct mp__dict_cell *cells;
    uint64_t
        *index; /* hash << 32 | entry + 1: to pass over others costs no look
                        at them; 0: free */
};

struct mp_dict {
    struct mp__collection c;
    struct mp__dict_table *table; /* a block; NULL: none */
    mp__a64 used;                 /* entries, deleted ones too */
    mp__a64 capacity;             /* of the table; both of these, */
    mp__a64 live;                 /* and this, also read without the mutex */
    uint64_t first, end;          /* those before and from there on have been
                                     deleted: may be too small, too large */
    uint64_t serial;              /* of the entry that came last: odd */
    struct mp__key_seed seed;
} MP__ALIGNED(64);

struct mp_set {
    struct mp_dict dict;
};

struct mp_namespace {
    struct mp_dict dict;
};

/* ---- Tables: dict_table.c ---- */

/* More there cannot be: hashes have 32 bits, and so has the index. */
#define MP__DICT_MOST_SLOTS ((uint64_t)1 << 32)
#define MP__DICT_MOST       (MP__DICT_MOST_SLOTS / 3 * 2) /* entries */

/* Slots of the index for so many entries; and for how many those are
 * enough. */
uint64_t mp__dict_slots(uint64_t entries);
uint64_t mp__dict_capacity(uint64_t slots);
size_t mp__dict_table_size(uint64_t slots);
/* Lays an empty table out in a block that is large enough for it. */
struct mp__dict_table *mp__dict_table_init(void *block, uint64_t slots);
/* Enters entry `at`; may be done already. */
void mp__dict_table_enter(struct mp__dict_table *table, uint64_t at,
                          uint32_t hash);
void mp__dict_cell_fill(struct mp__dict_cell *cell, uint64_t key,
                        uint64_t value, uint64_t serial, uint32_t hash);

static inline uint32_t
mp__dict_cell_hash(const struct mp__dict_cell *cell)
{
    return (uint32_t)(cell->hash >> 1);
}

/* ---- To be called with the mutex held ---- */

/* The entry of a key, NULL: there is none. */
struct mp__dict_cell *mp__dict_find(const mp_dict *dict, mp_any key,
                                    uint32_t hash);

/* The first entry from `at` on that has not been deleted; NULL. */
struct mp__dict_cell *mp__dict_live_from(const mp_dict *dict, uint64_t at);
/* The first and the last of all; NULL: the dict is empty. */
struct mp__dict_cell *mp__dict_first(mp_dict *dict);
struct mp__dict_cell *mp__dict_last(mp_dict *dict);

/* For all entries. */
#define MP__DICT_EACH(dict, cell)                                          \
    for (struct mp__dict_cell *cell = mp__dict_live_from((dict), 0); cell; \
         cell = mp__dict_live_from(                                        \
             (dict), (uint64_t)(cell - (dict)->table->cells) + 1))

/* ---- Changes; the mutex is held: dict_change.c ---- */

void mp__dict_set(mp_dict *dict, struct mp__dict_cell *cell, uint64_t word,
                  struct mp__bundle *bundle);
void mp__dict_add(mp_dict *dict, uint32_t hash, uint64_t key, uint64_t value,
                  struct mp__bundle *bundle);
void mp__dict_delete(mp_dict *dict, struct mp__dict_cell *cell);
/* Of the free cells the first `added` become entries, and the last `changed`,
 * before the `room`-th, say what becomes of those that are there: see
 * mp__dict_plan_change(). `live`: after that. */
void mp__dict_carry_out(mp_dict *dict, uint64_t added, uint64_t changed,
                        uint64_t room, uint64_t live,
                        struct mp__bundle *bundle);
/* Fills such a cell in: the other gets the value; 0: it is deleted. */
void mp__dict_plan_change(const mp_dict *dict, struct mp__dict_cell *plan,
                          const struct mp__dict_cell *cell, uint64_t value);
/* Only the entries remain that have been copied into `to`, `n` of them, in the
 * spare. */
void mp__dict_keep(mp_dict *dict, struct mp__dict_table *to, uint64_t n);
/* All entries go. */
void mp__dict_clear(mp_dict *dict);

/* Sees to it that there is room for `more` entries; the mutex is held, and may
 * be released meanwhile. 0; -ENOMEM. */
int mp__dict_make_room(mp_dict *dict, uint64_t more);

/* Releases the mutex after entries were deleted, of `before`; gives memory
 * back if there is much more than is needed. */
void mp__dict_unlock_smaller(mp_dict *dict, uint64_t before);

static inline int
mp__dict_has_room(const mp_dict *dict, uint64_t more)
{
    return mp__load_relaxed(&dict->used) + more <=
           mp__load_relaxed(&dict->capacity);
}

/* ---- Keys of a value, each once: dict_keys.c ---- */

/* Of a list (for a set; the values are None) or a dict. In this process's own
 * memory. */
struct mp__dict_keys {
    size_t n;
    mp_any *anys;    /* key and value in turn */
    uint64_t *words; /* room for as many */
    uint32_t *hashes;
    uint32_t *index; /* key + 1; 0: free */
    uint64_t slots;
};

/* 0; -EINVAL: the step's value is of another type, or has what is no key;
 * -ENOMEM. */
struct mp__dict_step;
int mp__dict_keys_read(struct mp__dict_keys *keys, const mp_dict *dict,
                       const struct mp__dict_step *step);
int mp__dict_keys_has(const struct mp__dict_keys *keys, mp_any key,
                      uint32_t hash);
void mp__dict_keys_free(struct mp__dict_keys *keys);

/* ---- Steps ---- */

/* What is done to one dict, wherever it is: by the public functions here, by
 * the manager's server there. */
enum mp__dict_op {
    MP__DICT_LEN = 1,
    MP__DICT_HAS,
    MP__DICT_GET,
    MP__DICT_SET,
    MP__DICT_DEFAULT,
    MP__DICT_POP,
    MP__DICT_POP_FIRST,
    MP__DICT_POP_LAST,
    MP__DICT_ADD,
    MP__DICT_EXCHANGE,
    MP__DICT_NEXT,
    MP__DICT_UPDATE,
    MP__DICT_SUBTRACT,
    MP__DICT_INTERSECT,
    MP__DICT_TOGGLE,
    MP__DICT_CLEAR,
    MP__DICT_KEYS,
    MP__DICT_VALUES,
    MP__DICT_ITEMS,
    MP__DICT_EQUAL,
    MP__DICT_SUBSET,
    MP__DICT_SUPERSET,
    MP__DICT_DISJOINT,
    MP__DICT_OPS,
};

/* Looks at a value where it lies; below 0: the step is not made. */
typedef int mp__value_look_fn(const void *data, size_t size, void *arg);

struct mp__dict_step {
    enum mp__dict_op op;
    mp_any key, value, expected;
    uint64_t after;          /* of MP__DICT_NEXT: a serial; 0: the first */
    mp__value_look_fn *look; /* at what goes out; NULL: nobody */
    void *arg;
    const char *function; /* for the texts of errors, and far.c */
    const char *fits; /* of a pop: the format by which `look` takes the value
                         apart, for far.c; NULL: anything fits */
};

/* Makes the step. The result is that of the public function. */
ssize_t mp__dict_step(mp_dict *dict, const struct mp__dict_step *step);

/* Some of them: dict_read.c, dict_many.c */
ssize_t mp__dict_next(mp_dict *dict, const struct mp__dict_step *step);
ssize_t mp__dict_collect(mp_dict *dict, const struct mp__dict_step *step);
ssize_t mp__dict_compare(mp_dict *dict, const struct mp__dict_step *step);
ssize_t mp__dict_update(mp_dict *dict, const struct mp__dict_step *step);
ssize_t mp__dict_intersect(mp_dict *dict, const struct mp__dict_step *step);

/* What MP__DICT_NEXT and both MP__DICT_POP_* look at. */
struct mp__dict_entry {
    mp_any key, value;
    uint64_t serial;
};
struct mp__dict_entry mp__dict_entry_of(const struct mp__dict_cell *cell);
