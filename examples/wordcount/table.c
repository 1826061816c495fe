/* SPDX-License-Identifier: MIT */
/* A hash table of words: open addressing, at most half full. The letters lie
 * one after the other in one string, to which the slots hold offsets. */
#include "wordcount.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct slot {
    struct word word; /* times 0: free */
    size_t text;      /* offset */
};

uint64_t table_count;
static struct slot *slots;
static size_t slot_count; /* a power of two */
static char *texts;
static size_t texts_used, texts_room;

static const char *
text_of(const struct slot *slot)
{
    return texts + slot->text;
}

void
table_clear(void)
{
    if (slots)
        memset(slots, 0, slot_count * sizeof(*slots));
    table_count = 0;
    texts_used = 0;
}

/* The slot of that word, or the free one where it belongs. */
static struct slot *
find(const char *text, uint32_t length, uint32_t hash)
{
    size_t i = hash & (slot_count - 1);

    while (slots[i].word.times != 0 &&
           (slots[i].word.hash != hash || slots[i].word.length != length ||
            memcmp(text_of(&slots[i]), text, length) != 0))
        i = (i + 1) & (slot_count - 1);
    return &slots[i];
}

static void
grow(void)
{
    struct slot *old = slots;
    size_t old_count = slot_count;

    slot_count = old_count ? old_count * 2 : 1 << 14;
    slots = calloc(slot_count, sizeof(*slots));
    if (!slots)
        die_of_memory();
    for (size_t i = 0; i < old_count; i++) {
        if (old[i].word.times != 0)
            *find(text_of(&old[i]), old[i].word.length, old[i].word.hash) =
                old[i];
    }
    free(old);
}

static size_t
keep_text(const char *text, uint32_t length)
{
    size_t at = texts_used;

    if (texts_room - at < length) {
        texts_room = (texts_room + length) * 2;
        texts = realloc(texts, texts_room);
        if (!texts)
            die_of_memory();
    }
    memcpy(texts + at, text, length);
    texts_used += length;
    return at;
}

void
table_add(const char *text, uint32_t length, uint32_t hash, uint64_t times)
{
    struct slot *slot;

    if (table_count * 2 >= slot_count)
        grow();
    slot = find(text, length, hash);
    if (slot->word.times == 0) {
        slot->word = (struct word){.hash = hash, .length = length};
        slot->text = keep_text(text, length);
        table_count++;
    }
    slot->word.times += times;
}

/* ---- On its way from one process to another ---- */

/* Words are aligned: their letters are followed by some bytes of nothing. */
static size_t
packed_size(uint32_t length)
{
    return sizeof(struct word) + ((size_t)length + 7) / 8 * 8;
}

struct words *
table_pack(void)
{
    size_t size = sizeof(struct words);
    struct words *words;
    char *at;

    for (size_t i = 0; i < slot_count; i++)
        if (slots[i].word.times != 0)
            size += packed_size(slots[i].word.length);
    words = mp_alloc(size);
    if (!words)
        return NULL;
    words->count = table_count;
    at = words->list;
    for (size_t i = 0; i < slot_count; i++) {
        const struct slot *slot = &slots[i];

        if (slot->word.times == 0)
            continue;
        memcpy(at, &slot->word, sizeof(slot->word));
        memcpy(at + sizeof(slot->word), text_of(slot), slot->word.length);
        at += packed_size(slot->word.length);
    }
    return words;
}

void
table_merge(const struct words *words)
{
    const char *at = words->list;

    for (uint64_t i = 0; i < words->count; i++) {
        struct word word;

        memcpy(&word, at, sizeof(word));
        table_add(at + sizeof(word), word.length, word.hash, word.times);
        at += packed_size(word.length);
    }
}

/* ---- At the end ---- */

static int
more_often_first(const void *a, const void *b)
{
    const struct slot *const *x = a, *const *y = b;
    const struct word *v = &(*x)->word, *w = &(*y)->word;
    uint32_t least = v->length < w->length ? v->length : w->length;
    int order;

    if (v->times != w->times)
        return v->times < w->times ? 1 : -1;
    order = memcmp(text_of(*x), text_of(*y), least);
    return order ? order : (v->length > w->length) - (v->length < w->length);
}

void
table_print(uint64_t most)
{
    const struct slot **list = calloc(table_count + 1, sizeof(*list));
    size_t n = 0;

    if (!list)
        die_of_memory();
    for (size_t i = 0; i < slot_count; i++)
        if (slots[i].word.times != 0)
            list[n++] = &slots[i];
    qsort(list, n, sizeof(*list), more_often_first);
    for (size_t i = 0; i < n && i < most; i++)
        printf("%9llu %.*s\n", (unsigned long long)list[i]->word.times,
               (int)list[i]->word.length, text_of(list[i]));
    free(list);
}

uint64_t
table_total(uint64_t *ret_sum)
{
    uint64_t total = 0;

    *ret_sum = 0;
    for (size_t i = 0; i < slot_count; i++) {
        total += slots[i].word.times;
        *ret_sum += slots[i].word.times * (slots[i].word.hash | 1ull);
    }
    return total;
}
