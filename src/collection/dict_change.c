/* SPDX-License-Identifier: MIT */
/* How a dict is changed.
 *
 * All that writes the table and its counts is in make(), which depends on
 * nothing but what the change says, and may be made twice (collection.c).
 *
 * Many entries at once are a plan, which is written into the free cells of the
 * table before the commit: new entries at the beginning, and behind them, from
 * the end of the room on, what becomes of those that are there. Nobody looks
 * there. After the commit these cells have the words that go: the trash.
 *
 * A table that is full, or much too large, is made anew in the spare, without
 * what was deleted, and then takes the former's place. */
#include "collection/dict.h"

#include "base/error.h"

#include <errno.h>

/* Of tables up to this many entries nothing is given back. */
#define SMALL 64u

enum {
    SET = 1, /* `at`: `word` for old[0] */
    ADD,     /* `at`: `word` (key) and `other` (value), of `hash` */
    DELETE,  /* `at`: old[] */
    PLAN,    /* `word` entries from `at` on are new, `hash` of those before
               `other` are changes; `size` are there then */
    RENEW,   /* `to` for `from`, with the same entries; `at`: how many; `size`:
                of what is kept as the spare */
    KEEP, /* the same with some of them; `from` has `size`, deleted ones too */
    CLEAR, /* NULL for `from`, with `at` entries */
};

/* ---- Changes ---- */

static void
make_add(mp_dict *dict)
{
    struct mp__change *ch = &dict->c.change;

    mp__dict_cell_fill(&dict->table->cells[ch->at], ch->word, ch->other, ch->n,
                       ch->hash);
    mp__dict_table_enter(dict->table, ch->at, ch->hash);
    dict->serial = ch->n;
    dict->end = ch->at + 1;
    mp__store_relaxed(&dict->used, ch->at + 1);
    mp__store_relaxed(&dict->live, ch->size + 1);
}

static void
make_delete(mp_dict *dict)
{
    struct mp__change *ch = &dict->c.change;

    dict->table->cells[ch->at].key = 0;
    dict->table->cells[ch->at].value = 0;
    mp__store_relaxed(&dict->live, ch->size - 1);
    mp__change_drop(&dict->c);
}

/* The parts of a cell that says what becomes of another. */
static void
carry_out(mp_dict *dict, const struct mp__dict_cell *plan)
{
    struct mp__dict_cell *cell = &dict->table->cells[plan->key >> 1];

    if (plan->value == 0)
        cell->key = 0;
    cell->value = plan->value;
}

/* Words of cells that are dropped, and the block that they lie in. */
static void
make_trash(mp_dict *dict, struct mp__dict_table *block, int borrowed,
           struct mp__dict_cell *cells, uint64_t n)
{
    struct mp__trash *trash = &dict->c.trash;

    trash->words = &cells->key;
    trash->n = n * MP__DICT_CELL_WORDS;
    trash->borrowed = borrowed;
    mp__compiler_barrier();
    trash->block = block;
}

/* When all is done the new values are theirs whom they were meant for. */
static void
make_plan(mp_dict *dict)
{
    struct mp__change *ch = &dict->c.change;
    struct mp__dict_table *table = dict->table;
    struct mp__dict_cell *plan = &table->cells[ch->other - ch->hash];
    uint64_t used = ch->at + ch->word;

    for (uint64_t i = ch->at; i < used && ch->done == 0; i++)
        mp__dict_table_enter(table, i, mp__dict_cell_hash(&table->cells[i]));
    for (uint32_t i = 0; i < ch->hash && ch->done == 0; i++)
        carry_out(dict, &plan[i]);
    mp__compiler_barrier();
    ch->done = 1;
    mp__compiler_barrier();
    for (uint32_t i = 0; i < ch->hash; i++)
        plan[i].value = 0;
    if (ch->word) {
        dict->serial = table->cells[used - 1].serial;
        dict->end = used;
        mp__store_relaxed(&dict->used, used);
    }
    mp__store_relaxed(&dict->live, ch->size);
    make_trash(dict, table, 1, plan, ch->hash);
}

static void
make_table(mp_dict *dict, struct mp__dict_table *table, uint64_t used)
{
    dict->table = table;
    dict->first = 0;
    dict->end = used;
    mp__store_relaxed(&dict->capacity, table ? table->capacity : 0);
    mp__store_relaxed(&dict->used, used);
    mp__store_relaxed(&dict->live, used);
}

/* The former table becomes the spare, if that is wanted: of `size` bytes. */
static void
make_spare(struct mp__collection *c)
{
    if (c->change.size == 0)
        mp__change_spend(c, c->change.from);
    c->spare = c->change.size ? c->change.from : NULL;
    c->spare_size = c->change.size;
}

/* Both tables are in the order of serials. */
static void
make_keep(mp_dict *dict)
{
    struct mp__change *ch = &dict->c.change;
    struct mp__dict_table *from = ch->from, *to = ch->to;
    uint64_t kept = 0;

    make_table(dict, to, ch->at);
    mp__change_spare_used(&dict->c);
    for (uint64_t i = 0; i < ch->size && kept < ch->at; i++)
        if (from->cells[i].serial == to->cells[kept].serial) {
            from->cells[i].key = from->cells[i].value = 0;
            kept++;
        }
    make_trash(dict, from, 0, from->cells, ch->size);
}

static void
make(struct mp__collection *c)
{
    mp_dict *dict = MP__CONTAINER(c, mp_dict, c);
    struct mp__change *ch = &c->change;
    struct mp__dict_table *from = ch->from;

    switch (mp__load_relaxed(&ch->kind)) {
    case SET:
        dict->table->cells[ch->at].value = ch->word;
        mp__change_drop(c);
        break;
    case ADD:
        make_add(dict);
        break;
    case DELETE:
        make_delete(dict);
        break;
    case PLAN:
        make_plan(dict);
        break;
    case RENEW:
        make_table(dict, ch->to, ch->at);
        make_spare(c);
        break;
    case KEEP:
        make_keep(dict);
        break;
    case CLEAR:
        make_table(dict, NULL, 0);
        make_trash(dict, from, 0, from->cells, ch->at);
        break;
    }
}

__attribute__((constructor)) static void
register_changes(void)
{
    mp__collection_register(MP__SLAB_DICT, make);
    mp__collection_register(MP__SLAB_SET, make);
    mp__collection_register(MP__SLAB_NAMESPACE, make);
}

/* ---- To be called with the mutex held ---- */

static uint64_t
place_of(const mp_dict *dict, const struct mp__dict_cell *cell)
{
    return (uint64_t)(cell - dict->table->cells);
}

void
mp__dict_set(mp_dict *dict, struct mp__dict_cell *cell, uint64_t word,
             struct mp__bundle *bundle)
{
    dict->c.change.at = place_of(dict, cell);
    dict->c.change.word = word;
    mp__collection_drops(&dict->c, cell->value, 0);
    mp__collection_commit(&dict->c, SET, bundle);
}

void
mp__dict_add(mp_dict *dict, uint32_t hash, uint64_t key, uint64_t value,
             struct mp__bundle *bundle)
{
    struct mp__change *ch = &dict->c.change;

    ch->at = mp__load_relaxed(&dict->used);
    ch->size = mp__load_relaxed(&dict->live);
    ch->n = dict->serial + 2;
    ch->hash = hash;
    ch->word = key;
    ch->other = value;
    mp__collection_commit(&dict->c, ADD, bundle);
}

void
mp__dict_delete(mp_dict *dict, struct mp__dict_cell *cell)
{
    dict->c.change.at = place_of(dict, cell);
    dict->c.change.size = mp__load_relaxed(&dict->live);
    mp__collection_drops(&dict->c, cell->key, cell->value);
    mp__collection_commit(&dict->c, DELETE, NULL);
}

void
mp__dict_plan_change(const mp_dict *dict, struct mp__dict_cell *plan,
                     const struct mp__dict_cell *cell, uint64_t value)
{
    plan->key = place_of(dict, cell) << 1 | 1;
    plan->value = value;
    plan->serial = cell->value;              /* these are dropped: */
    plan->hash = value == 0 ? cell->key : 0; /* so they are words here */
}

void
mp__dict_carry_out(mp_dict *dict, uint64_t added, uint64_t changed,
                   uint64_t room, uint64_t live, struct mp__bundle *bundle)
{
    struct mp__change *ch = &dict->c.change;

    ch->at = mp__load_relaxed(&dict->used);
    ch->word = added;
    ch->hash = (uint32_t)changed;
    ch->other = ch->at + room;
    ch->size = live;
    mp__collection_commit(&dict->c, PLAN, bundle);
}

void
mp__dict_keep(mp_dict *dict, struct mp__dict_table *to, uint64_t n)
{
    struct mp__change *ch = &dict->c.change;

    ch->from = dict->table;
    ch->to = to;
    ch->at = n;
    ch->size = mp__load_relaxed(&dict->used);
    mp__collection_commit(&dict->c, KEEP, NULL);
}

void
mp__dict_clear(mp_dict *dict)
{
    if (dict->table == NULL)
        return;
    dict->c.change.from = dict->table;
    dict->c.change.at = mp__load_relaxed(&dict->used);
    mp__collection_commit(&dict->c, CLEAR, NULL);
}

/* ---- Room ---- */

/* A small table that is made anew for what was deleted, not to grow, soon is
 * so again: the former one waits for that. */
static int
is_worth_keeping(const struct mp__dict_table *from, uint64_t slots)
{
    return from && from->slots == slots && from->capacity <= SMALL;
}

/* The spare has room. */
static void
renew(mp_dict *dict, uint64_t slots)
{
    struct mp__dict_table *to = mp__dict_table_init(dict->c.spare, slots);
    struct mp__change *ch = &dict->c.change;
    uint64_t n = 0;

    MP__DICT_EACH(dict, cell)
    {
        to->cells[n] = *cell;
        mp__dict_table_enter(to, n++, mp__dict_cell_hash(cell));
    }
    ch->from = dict->table;
    ch->to = to;
    ch->at = n;
    ch->size =
        is_worth_keeping(dict->table, slots) ? mp__dict_table_size(slots) : 0;
    mp__collection_commit(&dict->c, RENEW, NULL);
}

/* With some room to spare, so that it is long until the next time. */
static uint64_t
slots_for(const mp_dict *dict, uint64_t more)
{
    uint64_t live = mp__load_relaxed(&dict->live);
    uint64_t slots = mp__dict_slots(live + live / 2 + more + more / 8);

    return slots < MP__DICT_MOST_SLOTS ? slots : MP__DICT_MOST_SLOTS;
}

static int
fail_full(void)
{
    return mp__fail(-ENOMEM, "there is room for %llu entries at most",
                    (unsigned long long)MP__DICT_MOST);
}

int
mp__dict_make_room(mp_dict *dict, uint64_t more)
{
    while (!mp__dict_has_room(dict, more)) {
        uint64_t slots = slots_for(dict, more);
        int r;

        if (mp__load_relaxed(&dict->live) + more > MP__DICT_MOST)
            return fail_full();
        r = mp__collection_spare(&dict->c, mp__dict_table_size(slots));
        if (r == 0 && slots == slots_for(dict, more) &&
            !mp__dict_has_room(dict, more)) {
            renew(dict, slots);
            mp__collection_unlock(&dict->c); /* frees the former one */
        } else { /* no memory, or somebody has been at it */
            mp__collection_leave(&dict->c);
        }
        mp__collection_lock(&dict->c);
        if (r < 0)
            return r;
    }
    return 0;
}

/* When it becomes so: not as long as it is, lest it take away the room that
 * somebody has made for what he is about to bring. */
static int
has_become_too_large(const mp_dict *dict, uint64_t before)
{
    uint64_t capacity = mp__load_relaxed(&dict->capacity);

    return capacity > SMALL && before >= capacity / 4 &&
           mp__load_relaxed(&dict->live) < capacity / 4;
}

void
mp__dict_unlock_smaller(mp_dict *dict, uint64_t before)
{
    uint64_t slots;

    if (MP__LIKELY(!has_become_too_large(dict, before))) {
        mp__collection_unlock(&dict->c);
        return;
    }
    mp__collection_unlock(&dict->c); /* what was deleted */
    mp__collection_lock(&dict->c);
    slots = slots_for(dict, 0);
    /* No memory: it stays as it is. */
    if (mp__collection_spare(&dict->c, mp__dict_table_size(slots)) == 0 &&
        slots == slots_for(dict, 0) &&
        mp__dict_capacity(slots) < mp__load_relaxed(&dict->capacity))
        renew(dict, slots);
    mp__collection_leave(&dict->c);
}
