/* SPDX-License-Identifier: MIT */
/* Extents of the region.
 *
 * The table has one word per granule. The word at an extent's first granule
 * tells kind and length; the words inside are NONE (PART inside a chunk).
 * Reading from the first granule on, length by length, always gives a
 * partition of the whole space, because every change is one store:
 *
 *   split   the remainder's word is written first (it still lies inside the
 *           free extent), then the start's word: that store takes the extent
 *   free    the start's word becomes FREE
 *   merge   the start's word gets the sum of both lengths, then the swallowed
 *           word becomes NONE
 *
 * Lists, links, sums are caches under the mutex; after a death they are built
 * again from the table. `intent` names the one extent whose change of owner
 * may be half done: repair frees it. That finishes a free, and takes back an
 * allocation that nobody has seen yet, so the hand of the dead is emptied as
 * well: an extent in a dead thread's hand, with this mutex in order, is
 * therefore really its own.
 *
 * Pages are committed after the extent was taken, outside of the mutex; fresh
 * ones in huge pages where there is more than a little to commit, so that more
 * is taken than was asked for, and the surplus freed with its pages: a split
 * like any other. A freed extent keeps its pages up to a bound, because
 * committing fresh ones costs more than clearing old ones. Beyond it they are
 * given back in steps, and others come in between. Free extents with and
 * without pages stay apart, unless only both together are large enough. */
#include "region/extents.h"

#include "base/error.h"
#include "os/mapping.h"
#include "region/commit.h"
#include "region/free_list.h"
#include "region/hand.h"

#include <errno.h>

/* Table words are committed in steps: one page of the table. */
#define TABLE_STEP ((uint32_t)1024)
/* Pages are given back in steps: granules, a multiple of those of a huge page,
 * which had to be split else. */
#define COOL_STEP (2 * MP__HUGE_GRANULES)

#define SPREAD_LEAST 8u /* granules that are taken in huge pages, if fresh */

static void *
address_of(uint32_t granule)
{
    return mp__view.base + (size_t)granule * MP__GRANULE;
}

static uint32_t
granule_of(const void *p)
{
    return (uint32_t)((size_t)((const char *)p - mp__view.base) / MP__GRANULE);
}

/* ---- Repair ---- */

static void
clear_inside(uint32_t granule, uint32_t length)
{
    uint32_t end = granule + length;

    if (end > mp__load_relaxed(&mp__extents()->tabled))
        end = mp__load_relaxed(&mp__extents()->tabled);
    for (uint32_t g = granule + 1; g < end; g++)
        mp__store_relaxed(&mp__extent_table()[g], 0);
}

/* Whether two free extents may become one. Those with and without pages stay
 * apart, so that warm memory is known to be warm. */
static int
alike(uint32_t entry, uint32_t other)
{
    return MP__EXTENT_KIND(other) == MP__EXTENT_FREE &&
           ((entry ^ other) & MP__EXTENT_BACKED) == 0;
}

/* Makes the free extent at `granule` swallow its successor if that is free
 * too, and alike unless `any`. Neither is in a list. */
static int
merge_next(uint32_t granule, int any)
{
    mp__a32 *table = mp__extent_table();
    uint32_t entry = mp__load_relaxed(&table[granule]);
    uint32_t next = granule + MP__EXTENT_LENGTH(entry);
    uint32_t other;

    if (next >= mp__extents()->end)
        return 0;
    other = mp__load_relaxed(&table[next]);
    if (any ? MP__EXTENT_KIND(other) != MP__EXTENT_FREE : !alike(entry, other))
        return 0;
#ifdef MP__MUTATION_CLEAR_BEFORE_MERGE
    mp__store_release(&table[next], 0);
#endif
    mp__store_release(
        &table[granule],
        MP__EXTENT_ENTRY(MP__EXTENT_FREE, entry & other & MP__EXTENT_FLAGS,
                         MP__EXTENT_LENGTH(entry) + MP__EXTENT_LENGTH(other)));
    mp__store_release(&table[next], 0);
    return 1;
}

/* Commits the words of the table, and the links, of all granules below
 * `end`. */
static int
table_reach(uint32_t end)
{
    struct mp__extents *x = mp__extents();
    struct mp__region *region = mp__region();
    uint32_t from = mp__load_relaxed(&x->tabled), n;

    if (end <= from)
        return 0;
    n = (uint32_t)mp__round_up(end - from, TABLE_STEP);
    if (n > x->end - from)
        n = x->end - from;
    if (mp__region_commit(region->table_at + from * sizeof(uint32_t),
                          n * sizeof(uint32_t)) < 0 ||
        mp__memfd_commit(mp__view.fd,
                         region->links_at + from * sizeof(struct mp__link),
                         n * sizeof(struct mp__link)) < 0)
        return -ENOMEM;
    /* release: who may look at the words from here on finds them there */
    mp__store_release(&x->tabled, from + n);
    return 0;
}

static void
free_intent(struct mp__extents *x)
{
    mp__a32 *word = &mp__extent_table()[x->intent];
    uint32_t entry = mp__load_relaxed(word);
    void *p = address_of(x->intent);

    mp__hand_clear_of(x->intent_part, MP__HAND_EXTENT, p);
    mp__hand_clear_of(x->intent_part, MP__HAND_SEGMENT, p);
    if (mp__extent_is_used(entry))
        mp__store_release(word, MP__EXTENT_ENTRY(MP__EXTENT_FREE,
                                                 entry & MP__EXTENT_FLAGS,
                                                 MP__EXTENT_LENGTH(entry)));
    x->intent = 0;
}

/* Builds the cache from the table; merges what may be merged, or `any`. */
static void
rebuild(struct mp__extents *x, int any)
{
    uint32_t granule, length;

    mp__free_list_clear();
    for (granule = x->first; granule < x->end; granule += length) {
        uint32_t entry = mp__load_relaxed(&mp__extent_table()[granule]);

        if (MP__EXTENT_KIND(entry) == MP__EXTENT_FREE) {
            while (merge_next(granule, any))
                ;
            entry = mp__load_relaxed(&mp__extent_table()[granule]);
            clear_inside(granule, MP__EXTENT_LENGTH(entry));
            mp__free_list_insert(granule);
        } else {
            mp__extents_count_taken(entry);
        }
        length = MP__EXTENT_LENGTH(entry);
    }
}

static void
repair(struct mp__mutex *mutex)
{
    struct mp__extents *x = MP__CONTAINER(mutex, struct mp__extents, mutex);

    if (x->intent)
        free_intent(x);
    rebuild(x, 0);
}

__attribute__((constructor)) static void
register_repair(void)
{
    mp__mutex_repair_with(MP__MUTEX_EXTENTS, repair);
}

int
mp__extents_init(size_t region_size, size_t first_offset)
{
    struct mp__extents *x = mp__extents();

    mp__mutex_init(&x->mutex, MP__MUTEX_EXTENTS);
    x->first = (uint32_t)(first_offset / MP__GRANULE);
    x->end = (uint32_t)(region_size / MP__GRANULE);
    if (table_reach(x->first + 1) < 0)
        return -ENOMEM;
    mp__store_release(
        &mp__extent_table()[x->first],
        MP__EXTENT_ENTRY(MP__EXTENT_FREE, MP__EXTENT_ZERO, x->end - x->first));
    mp__free_list_insert(x->first);
    return 0;
}

/* ---- Merging ---- */

/* The free extent that ends just before `granule`; 0: there is none. */
static uint32_t
free_before(uint32_t granule)
{
    struct mp__extents *x = mp__extents();
    uint32_t start, entry;

    if (granule == x->first)
        return 0;
    start = mp__extent_links()[granule - 1].start;
    if (start < x->first || start >= granule)
        return 0;
    entry = mp__load_relaxed(&mp__extent_table()[start]);
    if (MP__EXTENT_KIND(entry) != MP__EXTENT_FREE ||
        start + MP__EXTENT_LENGTH(entry) != granule)
        return 0;
    return start;
}

/* The mutex is held; the extent at `granule` is free, and in no list. Returns
 * where the extent that it is part of now starts. */
static uint32_t
merge_and_list(uint32_t granule)
{
    struct mp__extents *x = mp__extents();
    mp__a32 *table = mp__extent_table();
    uint32_t entry = mp__load_relaxed(&table[granule]);
    uint32_t next = granule + MP__EXTENT_LENGTH(entry);
    uint32_t before = free_before(granule);

    if (next < x->end && alike(entry, mp__load_relaxed(&table[next]))) {
        mp__free_list_remove(next);
        merge_next(granule, 0);
    }
    if (before && alike(entry, mp__load_relaxed(&table[before]))) {
        mp__free_list_remove(before);
        merge_next(before, 0);
        granule = before;
    }
    mp__free_list_insert(granule);
    return granule;
}

/* ---- Taking ---- */

/* The mutex is held. Takes `length` granules of the free extent at
 * `granule`; returns its flags. What is used is never marked as ZERO. */
static uint32_t
take(uint32_t granule, uint32_t length, enum mp__hand hand)
{
    struct mp__extents *x = mp__extents();
    mp__a32 *table = mp__extent_table();
    uint32_t entry = mp__load_relaxed(&table[granule]);
    uint32_t flags = entry & MP__EXTENT_FLAGS;
    uint32_t rest = MP__EXTENT_LENGTH(entry) - length;
    uint32_t kind =
        hand == MP__HAND_SEGMENT ? MP__EXTENT_SEGMENT : MP__EXTENT_LARGE;
    uint32_t taken = MP__EXTENT_ENTRY(kind, flags & MP__EXTENT_BACKED, length);

    mp__free_list_remove(granule);
    x->intent_part = mp__me.index;
    mp__compiler_barrier();
    x->intent = granule;
    mp__compiler_barrier();
    mp__hand_set(hand, address_of(granule), NULL);
#ifdef MP__MUTATION_COMMIT_BEFORE_SPLIT
    mp__store_release(&table[granule], taken);
#endif
    if (rest)
        mp__store_release(&table[granule + length],
                          MP__EXTENT_ENTRY(MP__EXTENT_FREE, flags, rest));
    mp__store_release(&table[granule], taken);
    mp__compiler_barrier();
    x->intent = 0;
    if (rest)
        mp__free_list_insert(granule + length);
    mp__extents_count_taken(taken);
    return flags;
}

/* How much to take of a free extent for one of `length`. Pages come cheaper as
 * huge ones: where fresh ones are needed, up to the end of one of these. */
static uint32_t
spread(uint32_t granule, uint32_t length)
{
    uint32_t entry = mp__load_relaxed(&mp__extent_table()[granule]);
    uint32_t end = (uint32_t)mp__round_up(granule + length, MP__HUGE_GRANULES);

    if ((entry & MP__EXTENT_BACKED) || length < SPREAD_LEAST ||
        end - granule > MP__EXTENT_LENGTH(entry))
        return length;
    return end - granule;
}

static uint32_t
find_and_take(uint32_t length, int spread_it, enum mp__hand hand,
              uint32_t *ret_flags)
{
    struct mp__extents *x = mp__extents();
    uint32_t granule;

    mp__mutex_lock(&x->mutex);
    granule = mp__free_list_find(length);
    if (granule == 0) { /* perhaps in one piece with pages and without */
        rebuild(x, 1);
        granule = mp__free_list_find(length);
    }
    if (granule && spread_it)
        length = spread(granule, length);
    /* One more than its end: the remainder's word. */
    if (granule &&
        table_reach(granule + length + 1 < x->end ? granule + length + 1
                                                  : x->end) < 0)
        granule = 0;
    if (granule)
        *ret_flags = take(granule, length, hand);
    mp__mutex_unlock(&x->mutex);
    return granule;
}

/* An extent of address space, in hand. */
static uint32_t
take_space(size_t size, int spread_it, enum mp__hand hand, uint32_t *ret_flags)
{
    struct mp__extents *x = mp__extents();
    uint32_t length, granule = 0;

    if (size <= (size_t)(x->end - x->first) * MP__GRANULE) {
        length = (uint32_t)((size + MP__GRANULE - 1) / MP__GRANULE);
        granule = find_and_take(length, spread_it, hand, ret_flags);
        /* What the dead had in hand may be enough; the reaper needs ours. */
        if (granule == 0 &&
            mp__load_relaxed(&mp__me.part->hand[MP__HAND_EXTENT]) == 0) {
            mp__reap();
            granule = find_and_take(length, spread_it, hand, ret_flags);
        }
    }
    if (granule == 0)
        mp__fail(-ENOMEM,
                 "out of memory: no %zu bytes in one piece left of the "
                 "family's address space (%zu; MPROC_REGION_SIZE)",
                 size, mp__view.size);
    return granule;
}

/* Commits the pages of an extent in hand, unless they are there. */
static int
back(uint32_t granule)
{
    mp__a32 *word = &mp__extent_table()[granule];
    uint32_t entry = mp__load_relaxed(word);

    if (entry & MP__EXTENT_BACKED)
        return 0;
    if (mp__region_commit((size_t)granule * MP__GRANULE,
                          mp__extent_bytes(entry)) < 0)
        return -ENOMEM;
    mp__store_release(word, entry | MP__EXTENT_BACKED);
    return 0;
}

/* Frees what an extent in hand has beyond `size`. */
static void
give_surplus(uint32_t granule, size_t size, uint32_t flags)
{
    mp__a32 *table = mp__extent_table();
    struct mp__extents *x = mp__extents();
    uint32_t entry = mp__load_relaxed(&table[granule]);
    uint32_t length = (uint32_t)((size + MP__GRANULE - 1) / MP__GRANULE);
    uint32_t surplus = MP__EXTENT_LENGTH(entry) - length;

    if (surplus == 0)
        return;
    flags |= MP__EXTENT_BACKED;
    mp__mutex_lock(&x->mutex);
    mp__store_release(&table[granule + length],
                      MP__EXTENT_ENTRY(MP__EXTENT_FREE, flags, surplus));
    mp__store_release(&table[granule], entry - surplus);
    mp__extents_count_freed(entry);
    mp__extents_count_taken(entry - surplus);
    merge_and_list(granule + length);
    mp__mutex_unlock(&x->mutex);
}

/* An extent in hand, with its pages. -ENOMEM; -ENOSPC if what is lacking is
 * address space. */
static int
take_backed(size_t size, int spread_it, enum mp__hand hand,
            uint32_t *ret_granule, uint32_t *ret_flags)
{
    if (mp__region_afford(size) < 0)
        return -ENOMEM;
    *ret_granule = take_space(size, spread_it, hand, ret_flags);
    if (*ret_granule == 0)
        return -ENOSPC;
    if (back(*ret_granule) == 0)
        return 0;
    mp__extent_free(address_of(*ret_granule), mp__me.index, hand);
    return -ENOMEM;
}

void *
mp__extent_alloc(size_t size, enum mp__hand hand, int *ret_zero)
{
    uint32_t granule = 0, flags = 0;
    int r = take_backed(size, 1, hand, &granule, &flags);

    if (r == -ENOMEM) { /* what is kept for later may be what is lacking */
        mp__extents_trim();
        r = take_backed(size, 0, hand, &granule, &flags);
    }
    if (r == -ENOMEM)
        mp__fail(-ENOMEM, "out of memory: the system has no %zu bytes", size);
    if (r < 0)
        return NULL;
    give_surplus(granule, size, flags);
    *ret_zero = (flags & MP__EXTENT_ZERO) != 0;
    return address_of(granule);
}

/* ---- Giving back ---- */

/* Gives pages of a listed free extent back to the system: those of its last
 * part, so that no other thread waits for long. Returns how many bytes; 0 if it
 * is said to have none. */
static uint64_t
cool(uint32_t granule)
{
    mp__a32 *table = mp__extent_table();
    uint32_t entry = mp__load_relaxed(&table[granule]);
    uint32_t backed = entry & MP__EXTENT_BACKED;
    uint32_t end = granule + MP__EXTENT_LENGTH(entry);
    uint32_t from = (end - 1) / COOL_STEP * COOL_STEP;

    if (from < granule || !backed)
        from = granule;
    mp__free_list_remove(granule);
    /* Not backed first, and zero only after: in case we die in between. */
    mp__store_release(&table[from],
                      MP__EXTENT_ENTRY(MP__EXTENT_FREE, 0, end - from));
    if (from > granule) {
        mp__store_release(
            &table[granule],
            MP__EXTENT_ENTRY(MP__EXTENT_FREE, backed, from - granule));
        mp__free_list_insert(granule);
    }
#ifdef MP__MUTATION_ZERO_TOO_EARLY
    mp__store_release(
        &table[from],
        MP__EXTENT_ENTRY(MP__EXTENT_FREE, MP__EXTENT_ZERO, end - from));
#endif
    mp__memfd_discard(mp__view.fd, (size_t)from * MP__GRANULE,
                      (size_t)(end - from) * MP__GRANULE);
    mp__store_release(
        &table[from],
        MP__EXTENT_ENTRY(MP__EXTENT_FREE, MP__EXTENT_ZERO, end - from));
    merge_and_list(from);
    return backed ? (uint64_t)(end - from) * MP__GRANULE : 0;
}

/* Lets others come in between two steps that take long. */
static void
pause_inside(struct mp__extents *x)
{
    mp__mutex_unlock(&x->mutex);
    mp__mutex_lock(&x->mutex);
}

/* How much free memory may keep its pages when `bytes` are freed at once. A
 * few messages of many MiB under way, more or fewer from one moment to the
 * next, must not be more than is kept. */
static uint64_t
kept_most(uint64_t bytes)
{
    uint64_t warm = mp__region_warm();
    uint64_t several = bytes < warm / 4 ? bytes * 8 : warm * 2;
    uint64_t most = mp__extents()->used / 4;

    if (most < warm)
        most = warm;
    return most < several ? several : most;
}

/* Keeps the free memory that holds pages within a bound: the largest go
 * first, and the one that was freed last goes last. */
static void
keep_within(uint64_t bound, uint32_t latest)
{
    struct mp__extents *x = mp__extents();
    uint32_t granule;

    if (x->warm <= bound)
        return;
    while (x->warm > bound / 2 &&
           (granule = mp__free_list_find_warm(latest)) != 0) {
        cool(granule);
        pause_inside(x);
    }
    while (x->warm > bound && (granule = mp__free_list_find_warm(0)) != 0) {
        cool(granule);
        pause_inside(x);
    }
}

uint64_t
mp__extents_trim(void)
{
    struct mp__extents *x = mp__extents();
    uint64_t bytes = 0, all;
    uint32_t granule;

    mp__mutex_lock(&x->mutex);
    all = x->warm; /* others may go on to free more for ever */
    while (bytes < all && (granule = mp__free_list_find_warm(0)) != 0) {
        bytes += cool(granule);
        pause_inside(x);
    }
    /* Who gave pages back may have died over it. */
    while ((granule = mp__free_list_find_dirty()) != 0) {
        cool(granule);
        pause_inside(x);
    }
    mp__mutex_unlock(&x->mutex);
    return bytes;
}

int
mp__extent_free(void *p, uint32_t index, enum mp__hand hand)
{
    struct mp__extents *x = mp__extents();
    uint32_t granule = granule_of(p), entry;

    mp__mutex_lock(&x->mutex);
    entry = mp__load_relaxed(&mp__extent_table()[granule]);
    if (!mp__extent_is_used(entry) || address_of(granule) != p) {
        mp__mutex_unlock(&x->mutex);
        return -EBADF;
    }
    x->intent_part = index;
    mp__compiler_barrier();
    x->intent = granule;
    mp__compiler_barrier();
    mp__hand_clear_of(index, hand, p);
    /* A chunk's, or what was about to become one. */
    if (MP__EXTENT_LENGTH(entry) <= MP__CHUNK_GRANULES)
        clear_inside(granule, MP__EXTENT_LENGTH(entry));
    mp__store_release(&mp__extent_table()[granule],
                      MP__EXTENT_ENTRY(MP__EXTENT_FREE,
                                       entry & MP__EXTENT_BACKED,
                                       MP__EXTENT_LENGTH(entry)));
    mp__compiler_barrier();
    x->intent = 0;
    mp__extents_count_freed(entry);
    granule = merge_and_list(granule);
    keep_within(kept_most(mp__extent_bytes(entry)), granule);
    mp__mutex_unlock(&x->mutex);
    return 0;
}

void
mp__extents_sum(struct mp__extents_sum *ret_sum)
{
    struct mp__extents *x = mp__extents();

    mp__mutex_lock(&x->mutex);
    *ret_sum = (struct mp__extents_sum){
        .warm = x->warm,
        .used = x->used,
        .most = x->most,
        .segments = x->segments,
        .n = x->n,
        .n_segments = x->n_segments,
    };
    mp__mutex_unlock(&x->mutex);
}

uint32_t
mp__extent_entry(const void *p)
{
    uint32_t granule = granule_of(p);

    if (!mp__region_contains(p, 1) || granule < mp__extents()->first ||
        granule >= mp__load_acquire(&mp__extents()->tabled))
        return 0;
    return mp__load_acquire(&mp__extent_table()[granule]);
}

void
mp__extent_make_chunk(void *p)
{
    mp__a32 *table = mp__extent_table();
    uint32_t granule = granule_of(p);
    uint32_t entry = mp__load_relaxed(&table[granule]);
    uint32_t length = MP__EXTENT_LENGTH(entry);

    for (uint32_t i = 1; i < length; i++)
        mp__store_relaxed(&table[granule + i],
                          MP__EXTENT_ENTRY(MP__EXTENT_PART, 0, i));
    mp__store_release(
        &table[granule],
        MP__EXTENT_ENTRY(MP__EXTENT_CHUNK, entry & MP__EXTENT_FLAGS, length));
}
