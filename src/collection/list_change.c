/* SPDX-License-Identifier: MIT */
/* How a list is changed.
 *
 * All that writes the vector, its length and its room is in make(), which
 * depends on nothing but what the change says: it may be made twice, or be
 * gone on with by another (collection.c). */
#include "collection/list.h"

#include <string.h>

enum {
    SET = 1, /* `at`: `word` for `old` */
    INSERT,  /* before `at`, of `n`: `word` */
    REMOVE,  /* `at`, of `n`: `old` */
    EXTEND,  /* behind `n`: the bundle's words */
    REPLACE, /* [at, n) of `from`, which has `word` words, by the bundle's, in
                `to`, which has room for `size` */
    ORDER,   /* `from` by `to`, with room for `size` */
};

/* ---- Changes ---- */

/* Who sees the length sees what was done before. */
static void
set_len(mp_list *list, size_t len)
{
    mp__store_release(&list->len, len);
}

static void
set_vector(mp_list *list, uint64_t *items, size_t capacity)
{
    list->items = items;
    mp__store_relaxed(&list->capacity, capacity);
    if (items)
        mp__change_spare_used(&list->c);
}

/* Moves [at, n) up by one, from the end on, and puts the word in. */
static void
make_insert(mp_list *list)
{
    struct mp__change *ch = &list->c.change;

    for (; ch->at + ch->done < ch->n; ch->done++) {
        size_t i = ch->n - ch->done;

        list->items[i] = list->items[i - 1];
        mp__compiler_barrier();
    }
    list->items[ch->at] = ch->word;
    set_len(list, ch->n + 1);
}

/* Moves (at, n) down by one. */
static void
make_remove(mp_list *list)
{
    struct mp__change *ch = &list->c.change;

#ifdef MP__MUTATION_MOVES_FORGOTTEN
    ch->done = 0;
#endif
    for (; ch->at + ch->done + 1 < ch->n; ch->done++) {
        size_t i = ch->at + ch->done;

        list->items[i] = list->items[i + 1];
        mp__compiler_barrier();
    }
    set_len(list, ch->n - 1);
    mp__change_drop(&list->c);
}

static void
make_extend(mp_list *list)
{
    struct mp__change *ch = &list->c.change;
    struct mp__bundle *bundle = ch->block;

    memcpy(list->items + ch->n, bundle->words,
           bundle->n * sizeof(bundle->words[0]));
    set_len(list, ch->n + bundle->n);
}

/* `to` becomes the vector, with the bundle's words in the place of [at, n). */
static void
make_replace(mp_list *list)
{
    struct mp__change *ch = &list->c.change;
    struct mp__bundle *bundle = ch->block;
    uint64_t *from = ch->from, *to = ch->to;
    size_t more = bundle ? bundle->n : 0, rest = ch->word - ch->n;

    if (ch->at)
        memcpy(to, from, ch->at * sizeof(*to));
    if (more)
        memcpy(to + ch->at, bundle->words, more * sizeof(*to));
    if (rest)
        memcpy(to + ch->at + more, from + ch->n, rest * sizeof(*to));
    set_vector(list, to, ch->size);
    set_len(list, ch->at + more + rest);
    list->c.trash.words = from + ch->at;
    list->c.trash.n = ch->n - ch->at;
    list->c.trash.block = from;
}

static void
make_order(mp_list *list)
{
    struct mp__change *ch = &list->c.change;

    set_vector(list, ch->to, ch->size);
    mp__change_spend(&list->c, ch->from);
}

static void
make(struct mp__collection *c)
{
    mp_list *list = MP__CONTAINER(c, mp_list, c);

    switch (mp__load_relaxed(&c->change.kind)) {
    case SET:
        list->items[c->change.at] = c->change.word;
        mp__change_drop(c);
        break;
    case INSERT:
        make_insert(list);
        break;
    case REMOVE:
        make_remove(list);
        break;
    case EXTEND:
        make_extend(list);
        break;
    case REPLACE:
        make_replace(list);
        break;
    case ORDER:
        make_order(list);
        break;
    }
}

__attribute__((constructor)) static void
register_changes(void)
{
    mp__collection_register(MP__SLAB_LIST, make);
}

/* ---- To be called with the mutex held ---- */

void
mp__list_set(mp_list *list, size_t at, const struct mp__incoming *in)
{
    list->c.change.at = at;
    list->c.change.word = in->word;
    mp__collection_drops(&list->c, list->items[at], 0);
    mp__collection_commit(&list->c, SET, in->bundle);
}

void
mp__list_insert(mp_list *list, size_t at, const struct mp__incoming *in)
{
    list->c.change.at = at;
    list->c.change.n = mp__list_len(list);
    list->c.change.word = in->word;
    mp__collection_commit(&list->c, INSERT, in->bundle);
}

void
mp__list_remove(mp_list *list, size_t at)
{
    list->c.change.at = at;
    list->c.change.n = mp__list_len(list);
    mp__collection_drops(&list->c, list->items[at], 0);
    mp__collection_commit(&list->c, REMOVE, NULL);
}

void
mp__list_extend(mp_list *list, const struct mp__incoming *in)
{
    list->c.change.n = mp__list_len(list);
    mp__collection_commit(&list->c, EXTEND, in->bundle);
}

static void
replace(mp_list *list, size_t start, size_t stop, struct mp__bundle *bundle,
        uint64_t *to, size_t size)
{
    struct mp__change *ch = &list->c.change;

    ch->at = start;
    ch->n = stop;
    ch->word = mp__list_len(list);
    ch->from = list->items;
    ch->to = to;
    ch->size = size;
    mp__collection_commit(&list->c, REPLACE, bundle);
}

void
mp__list_replace(mp_list *list, size_t start, size_t stop,
                 struct mp__bundle *bundle)
{
    replace(list, start, stop, bundle, list->c.spare,
            list->c.spare_size / sizeof(uint64_t));
}

void
mp__list_clear(mp_list *list)
{
    if (list->items)
        replace(list, 0, mp__list_len(list), NULL, NULL, 0);
}

void
mp__list_order(mp_list *list)
{
    struct mp__change *ch = &list->c.change;

    ch->from = list->items;
    ch->to = list->c.spare;
    ch->size = list->c.spare_size / sizeof(uint64_t);
    mp__collection_commit(&list->c, ORDER, NULL);
}
