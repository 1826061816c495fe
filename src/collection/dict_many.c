/* SPDX-License-Identifier: MIT */
/* Many entries at once: update, and what sets do with the items of a list. The
 * keys are read, and hashed, before the mutex is acquired; with it held a plan
 * is made (dict_change.c), and committed. So others see all of it or nothing,
 * and what it takes is a matter of how many keys come, not of how many there
 * are. Only an intersection looks at all entries, and makes the table anew. */
#include "collection/dict.h"

#include "base/error.h"

#include <errno.h>

/* ---- A plan ---- */

struct making {
    mp_dict *dict;
    struct mp__bundle *bundle;
    struct mp__dict_cell *free; /* cells */
    uint64_t room, added, changed, live;
};

static struct making
begin(mp_dict *dict, uint64_t room, struct mp__bundle *bundle)
{
    return (struct making){.dict = dict,
                           .bundle = bundle,
                           .free = dict->table->cells +
                                   mp__load_relaxed(&dict->used),
                           .room = room,
                           .live = mp__load_relaxed(&dict->live)};
}

static void
plan_add(struct making *m, const uint64_t words[2], uint32_t hash)
{
    mp__dict_cell_fill(&m->free[m->added], words[0], words[1],
                       m->dict->serial + 2 * (m->added + 1), hash);
    m->added++;
    m->live++;
}

static void
plan_change(struct making *m, const struct mp__dict_cell *cell, uint64_t value)
{
    m->changed++;
    mp__dict_plan_change(m->dict, &m->free[m->room - m->changed], cell, value);
    m->live -= value == 0;
}

/* A word that came, and is not kept. */
static void
let_go(struct making *m, uint64_t word)
{
    if (mp__word_bundle(word))
        m->bundle->refs--;
}

/* What the step makes of one key. */
static void
plan_one(struct making *m, enum mp__dict_op op,
         const struct mp__dict_cell *cell, const uint64_t words[2],
         uint32_t hash)
{
    if (cell == NULL && op != MP__DICT_SUBTRACT)
        plan_add(m, words, hash);
    if (cell == NULL)
        return;
    if (op != MP__DICT_SUBTRACT)
        let_go(m, words[0]);
    plan_change(m, cell, op == MP__DICT_UPDATE ? words[1] : 0);
}

/* ---- Update, subtract, toggle ---- */

/* Cells that the plan may take. */
static uint64_t
room_for(const mp_dict *dict, const struct mp__dict_keys *keys,
         enum mp__dict_op op)
{
    uint64_t live = mp__load_relaxed(&dict->live);

    return op == MP__DICT_SUBTRACT && live < keys->n ? live : keys->n;
}

static int
prepare(mp_dict *dict, const struct mp__dict_keys *keys, enum mp__dict_op op)
{
    int r;

    mp__collection_lock(&dict->c);
    r = mp__dict_make_room(dict, room_for(dict, keys, op));
    mp__collection_unlock(&dict->c);
    return r;
}

static void
update(mp_dict *dict, const struct mp__dict_keys *keys,
       struct mp__bundle *bundle, enum mp__dict_op op, uint64_t room)
{
    struct making m = begin(dict, room, bundle);

    for (size_t i = 0; i < keys->n; i++)
        plan_one(&m, op,
                 mp__dict_find(dict, keys->anys[2 * i], keys->hashes[i]),
                 keys->words + 2 * i, keys->hashes[i]);
    mp__dict_carry_out(dict, m.added, m.changed, m.room, m.live, bundle);
}

/* With the bundle in hand. 0: the mutex could not be had with the room that is
 * needed. */
static int
try_update(mp_dict *dict, const struct mp__dict_keys *keys,
           struct mp__bundle *bundle, enum mp__dict_op op)
{
    uint64_t before, room;

    if (!mp__collection_lock_in_hand(&dict->c))
        return 0;
    before = mp__load_relaxed(&dict->live);
    room = room_for(dict, keys, op);
    if (!mp__dict_has_room(dict, room)) {
        mp__mutex_unlock(&dict->c.mutex);
        return 0;
    }
    if (room)
        update(dict, keys, bundle, op, room);
    mp__dict_unlock_smaller(dict, before);
    return 1;
}

ssize_t
mp__dict_update(mp_dict *dict, const struct mp__dict_step *step)
{
    struct mp__dict_keys keys;
    struct mp__bundle *bundle;
    size_t n;
    int r = mp__dict_keys_read(&keys, dict, step);

    if (r < 0)
        return r;
    n = step->op == MP__DICT_SUBTRACT ? 0 : 2 * keys.n; /* words to be kept */
    if (!mp__dict_has_room(dict, room_for(dict, &keys, step->op)))
        r = prepare(dict, &keys, step->op); /* a guess: no mutex */
    while (r == 0) {
        r = mp__words_make(keys.anys, n, &dict->c.mutex, keys.words, &bundle);
        if (r < 0 || try_update(dict, &keys, bundle, step->op))
            break;
        /* Somebody has been faster, or has died. */
        mp__bundle_drop(bundle);
        r = prepare(dict, &keys, step->op);
    }
    mp__dict_keys_free(&keys);
    return r;
}

/* ---- Intersect ---- */

static int
is_kept(const struct mp__dict_keys *keys, const struct mp__dict_cell *cell)
{
    return mp__dict_keys_has(keys, mp__word_any(&cell->key),
                             mp__dict_cell_hash(cell));
}

static uint64_t
count_kept(const mp_dict *dict, const struct mp__dict_keys *keys)
{
    uint64_t n = 0;

    MP__DICT_EACH(dict, cell)
    n += (uint64_t)is_kept(keys, cell);
    return n;
}

/* Into a table in the spare. */
static void
keep(mp_dict *dict, const struct mp__dict_keys *keys, uint64_t slots)
{
    struct mp__dict_table *to = mp__dict_table_init(dict->c.spare, slots);
    uint64_t n = 0;

    MP__DICT_EACH(dict, cell)
    {
        if (!is_kept(keys, cell))
            continue;
        to->cells[n] = *cell;
        mp__dict_table_enter(to, n++, mp__dict_cell_hash(cell));
    }
    mp__dict_keep(dict, to, n);
}

/* With the mutex held, which may be released until there is a spare. */
static int
intersect(mp_dict *dict, const struct mp__dict_keys *keys)
{
    int r = 0;

    while (r == 0) {
        uint64_t n = count_kept(dict, keys), slots = mp__dict_slots(n + n / 2);

        if (n == mp__load_relaxed(&dict->live))
            break;
        if (n == 0) {
            mp__dict_clear(dict);
            break;
        }
        if (dict->c.spare_size >= mp__dict_table_size(slots)) {
            keep(dict, keys, slots);
            break;
        }
        r = mp__collection_spare(&dict->c, mp__dict_table_size(slots));
    }
    return r;
}

ssize_t
mp__dict_intersect(mp_dict *dict, const struct mp__dict_step *step)
{
    struct mp__dict_keys keys;
    int r = mp__dict_keys_read(&keys, dict, step);

    if (r < 0)
        return r;
    mp__collection_lock(&dict->c);
    r = intersect(dict, &keys);
    mp__collection_leave(&dict->c);
    mp__dict_keys_free(&keys);
    return r;
}
