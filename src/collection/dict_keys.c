/* SPDX-License-Identifier: MIT */
/* The keys that a step brings as one value, each once: of a key that comes
 * twice the place is that of the first, and the value that of the last, as in
 * Python. */
#include "collection/dict.h"

#include "base/error.h"
#include "codec/token.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const unsigned char nil = 0xc0;

/* Room for `n` keys, and for an index of them. */
static int
make_room(struct mp__dict_keys *keys, size_t n, const char *function)
{
    uint64_t slots = mp__dict_slots(n);
    char *room = malloc(
        n * (2 * sizeof(mp_any) + 2 * sizeof(uint64_t) + sizeof(uint32_t)) +
        slots * sizeof(uint32_t));

    if (room == NULL)
        return mp__fail(-ENOMEM, "%s: out of memory", function);
    keys->n = 0;
    keys->slots = slots;
    keys->anys = (mp_any *)room;
    keys->words = (uint64_t *)(keys->anys + 2 * n);
    keys->hashes = (uint32_t *)(keys->words + 2 * n);
    keys->index = keys->hashes + n;
    memset(keys->index, 0, slots * sizeof(uint32_t));
    return 0;
}

/* The slot of a key; a free one if it is not there. */
static uint32_t *
slot_of(const struct mp__dict_keys *keys, mp_any key, uint32_t hash)
{
    uint64_t slot = hash & (keys->slots - 1);

    for (; keys->index[slot]; slot = (slot + 1) & (keys->slots - 1)) {
        size_t i = keys->index[slot] - 1;

        if (keys->hashes[i] == hash && mp__key_equal(keys->anys[2 * i], key))
            break;
    }
    return &keys->index[slot];
}

int
mp__dict_keys_has(const struct mp__dict_keys *keys, mp_any key, uint32_t hash)
{
    return *slot_of(keys, key, hash) != 0;
}

static void
enter(struct mp__dict_keys *keys, mp_any key, mp_any value, uint32_t hash)
{
    uint32_t *slot = slot_of(keys, key, hash);
    size_t i;

    if (*slot == 0) {
        i = keys->n++;
        keys->anys[2 * i] = key;
        keys->hashes[i] = hash;
        *slot = (uint32_t)keys->n;
    }
    keys->anys[2 * (*slot - 1) + 1] = value;
}

static int
check_kind(const mp_dict *dict, const struct mp__dict_step *step)
{
    int list = dict->c.slab == MP__SLAB_SET;
    mp_any any;
    int r = mp__any_check(step->function, step->value.data, step->value.size,
                          &any);

    if (r < 0)
        return r;
    if (mp_any_type(any) != (list ? MP_ANY_LIST : MP_ANY_DICT))
        return mp__any_mismatch(step->function, list ? "list" : "dict", any);
    if ((uint64_t)mp_any_size(any) > MP__DICT_MOST)
        return mp__fail(-ENOMEM, "%s: there is room for %llu entries at most",
                        step->function, (unsigned long long)MP__DICT_MOST);
    return 0;
}

int
mp__dict_keys_read(struct mp__dict_keys *keys, const mp_dict *dict,
                   const struct mp__dict_step *step)
{
    mp_any key, item, nothing = {&nil, 1};
    mp_any_walker walker;
    uint32_t hash;
    int r = check_kind(dict, step);

    if (r < 0)
        return r;
    mp_any_walk(step->value, &walker);
    r = make_room(keys, walker.left, step->function);
    if (r < 0)
        return r;
    while (r == 0 && mp_any_next(&walker, &key, &item) > 0) {
        if (!walker.pairs)
            key = item;
        r = mp__key_hash(key, &dict->seed, &hash, step->function);
        if (r == 0)
            enter(keys, key, walker.pairs ? item : nothing, hash);
    }
    if (r < 0)
        mp__dict_keys_free(keys);
    return r;
}

void
mp__dict_keys_free(struct mp__dict_keys *keys)
{
    free(keys->anys);
}
