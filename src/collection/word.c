/* SPDX-License-Identifier: MIT */
#include "collection/word.h"

#include "region/hand.h"
#include "region/heap.h"
#include "region/mutex.h"

#include <errno.h>

#define ALIGNED(size) (((size) + 7) & ~(size_t)7)

/* Bytes that the value takes of a bundle. */
static size_t
room_for(mp_any any)
{
    return any.size <= MP__WORD_INLINE
               ? 0
               : ALIGNED(sizeof(struct mp__bundled) + any.size);
}

/* A bundle of `n` words and `room` bytes of values, in hand. */
static struct mp__bundle *
make_bundle(size_t n, size_t room, struct mp__mutex *mutex)
{
    struct mp__bundle *bundle;

    bundle = mp__block_alloc(sizeof(*bundle) + n * sizeof(uint64_t) + room, 0);
    if (bundle == NULL)
        return NULL;
    bundle->refs = 0;
    bundle->n = n;
    mp__hand_set(mp__block_hand(bundle), bundle, mutex);
    return bundle;
}

/* Keeps the value at *at, and moves that on. */
static uint64_t
keep(struct mp__bundle *bundle, char **at, mp_any any)
{
    struct mp__bundled *kept = (struct mp__bundled *)*at;

    if (any.size <= MP__WORD_INLINE)
        return mp__word_inline(any);
    kept->size = any.size;
    kept->back = (uint64_t)(*at - (char *)bundle);
    memcpy(kept->data, any.data, any.size);
    bundle->refs++;
    *at += room_for(any);
    return (uintptr_t)kept;
}

static int
make_blank(struct mp__incoming *in, struct mp__mutex *mutex)
{
    in->bundle = make_bundle(
        0, ALIGNED(sizeof(struct mp__bundled) + MP__WORD_BLANK), mutex);
    return in->bundle ? 0 : -ENOMEM;
}

void
mp__incoming_fill(struct mp__incoming *in, mp_any number)
{
    char *at = (char *)in->bundle->words;

    in->word = keep(in->bundle, &at, number);
}

static int
make_one(struct mp__incoming *in, struct mp__mutex *mutex)
{
    char *at;

    in->bundle = NULL;
    if (in->any.size <= MP__WORD_INLINE) {
        in->word = mp__word_inline(in->any);
        return 0;
    }
    in->bundle = make_bundle(0, room_for(in->any), mutex);
    if (in->bundle == NULL)
        return -ENOMEM;
    at = (char *)in->bundle->words;
    in->word = keep(in->bundle, &at, in->any);
    return 0;
}

/* How much room the items take, and how many words. */
static int
measure(mp_any any, size_t *ret_n, size_t *ret_room)
{
    mp_any_walker walker;
    mp_any key, item;
    int r = mp_any_walk(any, &walker);

    *ret_n = *ret_room = 0;
    if (r < 0)
        return r;
    while ((r = mp_any_next(&walker, &key, &item)) > 0) {
        *ret_n += walker.pairs ? 2 : 1;
        *ret_room += room_for(item) + (walker.pairs ? room_for(key) : 0);
    }
    return r;
}

static void
keep_all(struct mp__bundle *bundle, mp_any any)
{
    uint64_t *word = bundle->words;
    char *at = (char *)(bundle->words + bundle->n);
    mp_any_walker walker;
    mp_any key, item;

    mp_any_walk(any, &walker);
    while (mp_any_next(&walker, &key, &item) > 0) {
        if (walker.pairs)
            *word++ = keep(bundle, &at, key);
        *word++ = keep(bundle, &at, item);
    }
}

static int
make_many(struct mp__incoming *in, struct mp__mutex *mutex)
{
    size_t n, room;
    int r = measure(in->any, &n, &room);

    if (r < 0)
        return r;
    in->word = 0;
    in->bundle = make_bundle(n, room, mutex);
    if (in->bundle == NULL)
        return -ENOMEM;
    keep_all(in->bundle, in->any);
    return 0;
}

int
mp__incoming_make(struct mp__incoming *in, struct mp__mutex *mutex)
{
    if (in->blank)
        return make_blank(in, mutex);
    return in->many ? make_many(in, mutex) : make_one(in, mutex);
}

int
mp__words_make(const mp_any *values, size_t n, struct mp__mutex *mutex,
               uint64_t *ret_words, struct mp__bundle **ret_bundle)
{
    struct mp__bundle *bundle = NULL;
    size_t room = 0;
    char *at = NULL;

    for (size_t i = 0; i < n; i++)
        room += room_for(values[i]);
    if (room) {
        bundle = make_bundle(0, room, mutex);
        if (bundle == NULL)
            return -ENOMEM;
        at = (char *)bundle->words;
    }
    for (size_t i = 0; i < n; i++)
        ret_words[i] = keep(bundle, &at, values[i]);
    *ret_bundle = bundle;
    return 0;
}

void
mp__bundle_drop(struct mp__bundle *bundle)
{
    if (bundle)
        mp__block_free(bundle);
    mp__hands_settled();
}

void
mp__incoming_drop(struct mp__incoming *in)
{
    mp__bundle_drop(in->bundle);
}
