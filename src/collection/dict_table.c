/* SPDX-License-Identifier: MIT */
/* The table of a dict: open addressing, linear probing. Entries only come; a
 * deleted one stays in the index, as it holds the chain together, until the
 * table is made anew. Linear probing does with hashes as good as ours are. */
#include "collection/dict.h"

#include "region/extents.h"

#include <string.h>

#define LEAST_SLOTS 16u

uint64_t
mp__dict_capacity(uint64_t slots)
{
    return slots / 3 * 2; /* of a power of two: at least a third is free */
}

uint64_t
mp__dict_slots(uint64_t entries)
{
    uint64_t slots = LEAST_SLOTS;

    while (mp__dict_capacity(slots) < entries)
        slots *= 2;
    return slots;
}

size_t
mp__dict_table_size(uint64_t slots)
{
    return sizeof(struct mp__dict_table) +
           mp__dict_capacity(slots) * sizeof(struct mp__dict_cell) +
           slots * sizeof(uint64_t);
}

/* Who only writes to fresh pages has a fault for each of them:
 * mp__block_fill() tells more. */
static void
map_pages(const void *block, size_t size)
{
    for (size_t at = 0; at < size; at += MP__GRANULE)
        (void)*((const volatile char *)block + at);
}

struct mp__dict_table *
mp__dict_table_init(void *block, uint64_t slots)
{
    struct mp__dict_table *table = block;

    map_pages(block, mp__dict_table_size(slots));
    table->capacity = mp__dict_capacity(slots);
    table->slots = slots;
    table->cells = (struct mp__dict_cell *)(table + 1);
    table->index = (uint64_t *)(table->cells + table->capacity);
    memset(table->index, 0, slots * sizeof(table->index[0]));
    return table;
}

void
mp__dict_table_enter(struct mp__dict_table *table, uint64_t at, uint32_t hash)
{
    uint64_t slot = hash & (table->slots - 1);
    uint64_t word = (uint64_t)hash << 32 | (at + 1);

    while (table->index[slot] && table->index[slot] != word)
        slot = (slot + 1) & (table->slots - 1);
    table->index[slot] = word;
}

void
mp__dict_cell_fill(struct mp__dict_cell *cell, uint64_t key, uint64_t value,
                   uint64_t serial, uint32_t hash)
{
    cell->key = key;
    cell->value = value;
    cell->serial = serial;
    cell->hash = (uint64_t)hash << 1 | 1;
}

struct mp__dict_cell *
mp__dict_find(const mp_dict *dict, mp_any key, uint32_t hash)
{
    const struct mp__dict_table *table = dict->table;
    uint64_t slot, word;

    if (table == NULL)
        return NULL;
    for (slot = hash & (table->slots - 1); (word = table->index[slot]) != 0;
         slot = (slot + 1) & (table->slots - 1)) {
        struct mp__dict_cell *cell = &table->cells[(uint32_t)word - 1];

        if (word >> 32 == hash && cell->key &&
            mp__key_equal(mp__word_any(&cell->key), key))
            return cell;
    }
    return NULL;
}

struct mp__dict_cell *
mp__dict_live_from(const mp_dict *dict, uint64_t at)
{
    uint64_t used = mp__load_relaxed(&dict->used);

    for (; at < used; at++)
        if (dict->table->cells[at].key)
            return &dict->table->cells[at];
    return NULL;
}

/* Entries are deleted at either end again and again: where they begin and end
 * is kept in mind. */
struct mp__dict_cell *
mp__dict_first(mp_dict *dict)
{
    struct mp__dict_cell *cell = mp__dict_live_from(dict, dict->first);

    if (cell)
        dict->first = (uint64_t)(cell - dict->table->cells);
    return cell;
}

struct mp__dict_cell *
mp__dict_last(mp_dict *dict)
{
    for (; dict->end > dict->first; dict->end--)
        if (dict->table->cells[dict->end - 1].key)
            return &dict->table->cells[dict->end - 1];
    return NULL;
}
