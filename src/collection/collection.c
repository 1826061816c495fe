/* SPDX-License-Identifier: MIT */
/* Changing a collection.
 *
 * A step that is more than one store is written down first: what is to be done
 * goes into `change`, and storing its kind is the commit. Then it is made. Who
 * gets the mutex after a death finds the kind and makes the change again: it
 * only depends on what is written in it, and each single store of it may be
 * made twice. So there is nothing to undo, and readers, who have the mutex as
 * well, see no half of it.
 *
 * A bundle of new values is in the hand of who changes until the commit, and
 * the collection's after. A step that needs another block, a larger vector,
 * has it put into `spare` before, in a step of its own.
 *
 * What has become of no use goes the other way: whole vectors of words become
 * `trash`, a bundle or vector `spent`; and when the mutex is to be released
 * they go, block by block, into the hand of who releases it and back to the
 * heap, with the mutex released meanwhile. If he dies, the next goes on with
 * the rest.
 *
 * Who comes to a collection that is being destroyed finds it empty, and cannot
 * get a spare for it: so nothing is put into it that nobody would free. */
#include "collection/collection.h"

#include "base/error.h"
#include "region/hand.h"
#include "region/heap.h"

#include <errno.h>
#include <string.h>

static mp__change_fn *kinds[MP__SLABS];

void
mp__collection_register(enum mp__slab slab, mp__change_fn *apply)
{
    kinds[slab] = apply;
}

/* ---- Making a change ---- */

static void **
next_of(void *block)
{
    return block;
}

/* May have been done already: the chain is looked through. */
void
mp__change_spend(struct mp__collection *c, void *block)
{
    void *p = c->spent;

#ifdef MP__MUTATION_SPENT_TWICE
    p = NULL;
#endif
    while (p && p != block)
        p = *next_of(p);
    if (p || block == NULL)
        return;
    *next_of(block) = c->spent;
    mp__compiler_barrier();
    c->spent = block;
}

/* A bundle goes with its last value. */
void
mp__change_drop(struct mp__collection *c)
{
    for (int i = 0; i < 2; i++) {
        struct mp__bundle *bundle = mp__word_bundle(c->change.old[i]);

        if (bundle && c->change.old_refs[i] == 0)
            mp__change_spend(c, bundle);
        else if (bundle)
#ifdef MP__MUTATION_VALUES_COUNTED_DOWN
            bundle->refs--;
#else
            bundle->refs = c->change.old_refs[i];
#endif
    }
}

/* The words of the bundle have all been stored. */
static void
stored(struct mp__collection *c)
{
    struct mp__bundle *bundle = c->change.block;

    if (bundle && c->change.none)
        mp__change_spend(c, bundle);
}

void
mp__change_spare_used(struct mp__collection *c)
{
    c->spare = NULL;
    c->spare_size = 0;
}

static void
take_spare(struct mp__collection *c)
{
    mp__change_spend(c, c->change.from);
    c->spare = c->change.block;
    c->spare_size = c->change.n;
}

static void
make(struct mp__collection *c)
{
    switch (mp__load_relaxed(&c->change.kind)) {
    case MP__CHANGE_DROP:
        c->trash.n = c->change.n;
        mp__change_drop(c);
        break;
    case MP__CHANGE_SPARE:
        take_spare(c);
        break;
    default:
        kinds[c->slab](c);
        stored(c);
    }
    mp__compiler_barrier();
    mp__store_release(&c->change.kind, 0);
    mp__compiler_barrier();
    c->change.block = NULL;
}

static void
repair(struct mp__mutex *mutex)
{
    struct mp__collection *c =
        MP__CONTAINER(mutex, struct mp__collection, mutex);

    if (c->spent)
        mp__hands_clear_of(c->spent_part, c->spent);
    if (c->spent && c->spent == c->trash.block)
        c->trash.block = NULL;
    if (mp__load(&c->change.kind) == 0) {
        c->change.block = NULL;
        return;
    }
#ifndef MP__MUTATION_BUNDLE_STAYS_IN_HAND
    if (c->change.block)
        mp__hands_clear_of(c->change.part, c->change.block);
#endif
    make(c);
}

__attribute__((constructor)) static void
register_all(void)
{
    mp__mutex_repair_with(MP__MUTEX_COLLECTION, repair);
    mp__collection_describe();
}

void
mp__collection_drops(struct mp__collection *c, uint64_t word, uint64_t other)
{
    struct mp__bundle *bundle = mp__word_bundle(word);
    struct mp__bundle *second = mp__word_bundle(other);
    int both = bundle != NULL && bundle == second;

    c->change.old[0] = word;
    c->change.old[1] = both ? 0 : other;
    c->change.old_refs[0] = bundle ? bundle->refs - 1 - (unsigned)both : 0;
    c->change.old_refs[1] = second && !both ? second->refs - 1 : 0;
}

void
mp__collection_commit(struct mp__collection *c, uint32_t kind, void *block)
{
    if (kind < MP__CHANGE_DROP)
        c->version++;
    c->change.part = mp__me.index;
    c->change.done = 0;
    c->change.none = kind < MP__CHANGE_DROP && block &&
                     ((struct mp__bundle *)block)->refs == 0;
    mp__compiler_barrier();
    c->change.block = block;
    mp__compiler_barrier();
    mp__store_release(&c->change.kind, kind);
    mp__compiler_barrier();
#ifdef MP__MUTATION_BUNDLE_KEPT_LATE
    make(c);
#endif
    if (block)
        mp__block_keep(block);
    make(c);
    if (block)
        mp__hands_settled();
}

/* ---- Life ---- */

/* Nobody else writes its own address, changed in this way, there. */
static uint64_t
cell_of(const struct mp__collection *c)
{
    return (uintptr_t)c * 0x9e3779b97f4a7c15u;
}

static void
make_first(struct mp__collection *c, enum mp__slab slab, size_t size)
{
    memset(c, 0, size);
    c->slab = slab;
    mp__mutex_init(&c->mutex, MP__MUTEX_COLLECTION);
    mp__compiler_barrier();
    c->cell = cell_of(c);
}

/* Who has come too late to the last one may be in its mutex just now, or look
 * whether there is room: so the mutex stays, and is held while all else is
 * made anew, in whole words. */
static void
make_again(struct mp__collection *c, size_t size)
{
    mp__a64 *word = (mp__a64 *)(void *)(&c->mutex + 1);
    mp__a64 *end = (mp__a64 *)(void *)((char *)c + size);

    mp__mutex_lock(&c->mutex);
    while (word < end)
        mp__store_relaxed(word++, 0);
    mp__mutex_unlock(&c->mutex);
    mp__store_relaxed(&c->object.serial, 0);
}

void *
mp__collection_new(enum mp__slab slab, size_t size)
{
    struct mp__collection *c = mp__object_alloc_used(slab, size);

    if (c && c->cell == cell_of(c))
        make_again(c, size);
    else if (c)
        make_first(c, slab, size);
    return c;
}

/* ---- The mutex ---- */

/* Words without a bundle may just be forgotten. */
static void
pass_inline(struct mp__trash *trash)
{
    while (trash->n && mp__word_bundle(trash->words[trash->n - 1]) == NULL)
        trash->n--;
}

/* Finds the next block that is to be freed: `spent` is it then. 0: none. */
static int
next_spent(struct mp__collection *c)
{
    struct mp__trash *trash = &c->trash;

    while (c->spent == NULL && trash->block) {
        pass_inline(trash);
        if (trash->n) {
            mp__collection_drops(c, trash->words[trash->n - 1], 0);
            c->change.n = trash->n - 1;
            mp__collection_commit(c, MP__CHANGE_DROP, NULL);
        } else {
            if (!trash->borrowed)
                mp__change_spend(c, trash->block);
            mp__compiler_barrier();
            trash->block = NULL;
        }
    }
    return c->spent != NULL;
}

void
mp__collection_unlock(struct mp__collection *c)
{
    while (MP__UNLIKELY(c->spent || c->trash.block) && next_spent(c)) {
        void *block = c->spent;

        c->spent_part = mp__me.index;
        mp__compiler_barrier();
        mp__hand_set(mp__block_hand(block), block, &c->mutex);
        mp__compiler_barrier();
        c->spent = *next_of(block);
        mp__mutex_unlock(&c->mutex);
        mp__block_free(block);
        mp__hands_settled();
        mp__mutex_lock(&c->mutex);
    }
    mp__mutex_unlock(&c->mutex);
}

void
mp__collection_lock(struct mp__collection *c)
{
    mp__mutex_lock(&c->mutex);
    /* What somebody has left who died. */
    while (MP__UNLIKELY(c->spent || c->trash.block)) {
        mp__collection_unlock(c);
        mp__mutex_lock(&c->mutex);
    }
}

int
mp__collection_lock_in_hand(struct mp__collection *c)
{
    mp__mutex_lock(&c->mutex);
    if (MP__LIKELY(c->spent == NULL && c->trash.block == NULL))
        return 1;
    mp__mutex_unlock(&c->mutex);
    return 0;
}

/* Makes the block the spare: 1; 0: it is not taken, as there was something to
 * be freed; -EBADF. */
static int
offer_spare(struct mp__collection *c, void *block, size_t size)
{
    int alive;

    if (!mp__collection_lock_in_hand(c))
        return 0;
    alive = mp__object_ok(c, (enum mp__slab)c->slab);
    if (alive) {
        c->change.from = c->spare;
        c->change.n = size;
        mp__collection_commit(c, MP__CHANGE_SPARE, block);
    }
    mp__collection_unlock(c); /* frees the old one */
    return alive ? 1 : mp__fail(-EBADF, "the object was destroyed meanwhile");
}

int
mp__collection_spare(struct mp__collection *c, size_t size)
{
    int r = 0;

    while (r >= 0 && c->spare_size < size) {
        void *block;

        mp__collection_unlock(c);
        r = -ENOMEM;
        block = mp__block_alloc(size, 0);
        if (block) {
            mp__hand_set(mp__block_hand(block), block, &c->mutex);
            r = offer_spare(c, block, size);
            if (r != 1)
                mp__block_free(block);
        }
        mp__hands_settled();
        mp__collection_lock(c);
    }
    return r < 0 ? r : 0;
}

void
mp__collection_leave(struct mp__collection *c)
{
    if (MP__UNLIKELY(c->spare != NULL)) {
        c->change.from = c->spare;
        c->change.n = 0;
        mp__collection_commit(c, MP__CHANGE_SPARE, NULL);
    }
    mp__collection_unlock(c);
}

/* ---- The end ---- */

static void
make_empty(struct mp__collection *c, mp__change_fn *clear)
{
    mp__collection_lock(c);
    clear(c);
    mp__collection_leave(c);
}

int
mp__collection_destroy(struct mp__collection *c, mp__change_fn *clear,
                       const char *function, const char *what)
{
    int r = mp__own_lock_idle(&c->own, function);

    if (r < 0)
        return r;
    /* Before its end, so that who is killed meanwhile leaves a collection. */
    make_empty(c, clear);
    if (mp__object_retire(c, (enum mp__slab)c->slab) < 0)
        return mp__fail_handle(function, c, what);
    make_empty(c, clear); /* somebody may have been in it */
    mp__own_lock_end(&c->own);
    mp__object_free(c, (enum mp__slab)c->slab);
    return 0;
}
