/* SPDX-License-Identifier: MIT */
/* The heap: small blocks (cells of chunks) and large ones (extents).
 *
 * After each kill a survivor takes and gives back memory of the same sort in
 * every shard, since it need not be in the victim's, and no piece may come
 * out twice: what the victim or the harness holds keeps its contents. The
 * engine compares the heap with what it was. An allocation that is killed
 * may cost the block that it was about to return; a release, nothing. */
#include "sweep.h"

#include "region/bin.h"
#include "region/heap.h"
#include "region/layout.h"

#include <string.h>

#define SMALL       ((size_t)64)
#define MEDIUM      ((size_t)20000)
#define GRANULES(n) ((n)*MP__GRANULE - 100)

/* Notes of the victim: what it was given, and that its call returned; the
 * blocks that it took to make its bin as the scenario wants it. */
enum { GIVEN, RETURNED, OWN, FILLING };

#define HELD 8
static unsigned char *held[HELD]; /* blocks of the harness */

static void
note(unsigned at, const void *p)
{
    mp__store(&sweep.note[at], (uintptr_t)p);
}

static void *
noted(unsigned at)
{
    return (void *)(uintptr_t)mp__load(&sweep.note[at]);
}

static void
note_return(void)
{
    mp__store(&sweep.note[RETURNED], 1);
}

static int
is_filled(const unsigned char *p, int byte, size_t size)
{
    size_t i;

    for (i = 0; i < size; i++) {
        if (p[i] != byte)
            return 0;
    }
    return 1;
}

/* ---- Survivors. */

static struct mp__bin *
bin_of(uint32_t shard, size_t size)
{
    uint32_t class = 0;

    while (mp__region()->bins[shard][class].cell < size)
        class ++;
    return &mp__region()->bins[shard][class];
}

static void
use_bin(struct sweep_actor *actor, struct mp__bin *bin, size_t size)
{
    unsigned char *p[4];
    int i;

    for (i = 0; i < 4; i++) {
        p[i] = mp__bin_take(bin, 1);
        if (!p[i]) {
            sweep_complain(actor, "no cell: %s", mp_last_error());
            return;
        }
        mp__block_keep(p[i]);
        memset(p[i], i + 1, size);
    }
    for (i = 0; i < 4; i++) {
        if (!is_filled(p[i], i + 1, size))
            sweep_complain(actor, "a cell was given twice");
        if (mp_free(p[i]) < 0)
            sweep_complain(actor, "a cell cannot be freed");
    }
}

static void
use_large(struct sweep_actor *actor)
{
    unsigned char *p[4];
    int i;

    for (i = 0; i < 4; i++) {
        p[i] = mp__block_alloc(GRANULES(2 + (unsigned)i), 0);
        if (!p[i]) {
            sweep_complain(actor, "no extent: %s", mp_last_error());
            return;
        }
        mp__block_keep(p[i]);
        memset(p[i], i + 1, 4096);
    }
    for (i = 0; i < 4; i++) {
        if (!is_filled(p[i], i + 1, 4096))
            sweep_complain(actor, "an extent was given twice");
        if (mp_free(p[i]) < 0)
            sweep_complain(actor, "an extent cannot be freed");
    }
}

static void
actor_uses_heap(struct sweep_actor *actor)
{
    uint32_t shard;

    for (shard = 0; shard < MP__SHARDS; shard++) {
        use_bin(actor, bin_of(shard, SMALL), SMALL);
        use_bin(actor, bin_of(shard, MEDIUM), MEDIUM);
    }
    use_large(actor);
    sweep_done(actor);
}

static void
check_held(void)
{
    int i;

    for (i = 0; i < HELD; i++)
        sweep_check(!held[i] || is_filled(held[i], 0x40 + i, 4096),
                    "a block that is held was given away");
}

/* The harness takes memory before anybody has buried the victim, whose hands
 * may be full: what was not quite the victim's must not be taken back from
 * its next owner. */
static unsigned char *early[3 * MP__SHARDS];

static void
take_early(void)
{
    uint32_t i;

    for (i = 0; i < MP__SHARDS; i++) {
        early[3 * i] = mp__bin_take(bin_of(i, SMALL), 1);
        mp__block_keep(early[3 * i]);
        early[3 * i + 1] = mp__bin_take(bin_of(i, MEDIUM), 1);
        mp__block_keep(early[3 * i + 1]);
        early[3 * i + 2] = mp__block_alloc(GRANULES(2), 0);
        mp__block_keep(early[3 * i + 2]);
    }
    for (i = 0; i < MP__LENGTH(early); i++)
        memset(early[i], 0x80 + (int)i, SMALL);
}

static void
check_early(void)
{
    uint32_t i;

    for (i = 0; i < MP__LENGTH(early); i++) {
        sweep_check(is_filled(early[i], 0x80 + (int)i, SMALL),
                    "memory was taken back from its new owner");
        sweep_check(mp_free(early[i]) == 0,
                    "memory of a new owner is not live");
    }
}

static int
use_heap(void)
{
    int ok;

    take_early();
    ok = sweep_await_end(sweep_actor(actor_uses_heap));
    check_early();
    check_held();
    return ok;
}

/* ---- What the victim did to make its bin as it should be. */

static void
hold_cell(void *p)
{
    *(void **)p = noted(FILLING);
    note(FILLING, p);
}

static void
free_filling(void)
{
    void *p, *next;

    for (p = noted(FILLING); p; p = next) {
        next = *(void **)p;
        sweep_check(mp_free(p) == 0, "a held cell is not live");
    }
}

/* Takes cells until the victim's bin has none left. */
static void
fill_bin(void)
{
    struct mp__bin *bin;

    mp__enter();
    bin = bin_of(mp__me.index % MP__SHARDS, SMALL);
    while (bin->available)
        hold_cell(mp_alloc(SMALL));
}

/* One cell alone in a second chunk, and a free one in the first: giving back
 * the one gives back its chunk. */
static void
have_lone_cell(void)
{
    void *first = mp_alloc(SMALL);

    fill_bin();
    note(OWN, mp_alloc(SMALL));
    mp_free(first);
}

static void
have_small(void)
{
    void *p = mp_alloc(SMALL);

    memset(p, 0x5a, SMALL);
    note(OWN, p);
}

static void
have_large(void)
{
    void *p = mp_alloc(GRANULES(2));

    memset(p, 0x5a, 4096);
    note(OWN, p);
}

static void
enter_library(void)
{
    mp__enter();
}

/* ---- Taking. */

static void
victim_takes_small(void)
{
    note(GIVEN, mp_alloc(SMALL));
}

static void
victim_takes_medium(void)
{
    note(GIVEN, mp_alloc(MEDIUM));
}

static void
victim_takes_large(void)
{
    void *p = mp__block_alloc(GRANULES(2), 0);

    mp__block_keep(p);
    note(GIVEN, p);
}

static void
check_taken(size_t zeroed)
{
    unsigned char *p = noted(GIVEN);

    free_filling();
    if (!use_heap() || !p)
        return;
    sweep_check(is_filled(p, 0, zeroed),
                "the victim's block was given to another");
    sweep_check(mp_free(p) == 0, "the victim's block is not live");
    sweep_check(mp_free(p) < 0, "the victim's block is freed twice");
}

static void
check_small_taken(void)
{
    check_taken(SMALL);
}

static void
check_medium_taken(void)
{
    check_taken(MEDIUM);
}

static void
check_large_taken(void)
{
    check_taken(0);
}

/* ---- One is killed, and the next, who repairs. What the first was given,
 * if it got it, comes first. */

static void
check_first_taken(void)
{
    void *p = noted(GIVEN);

    if (p)
        sweep_check(mp_free(p) == 0, "the first victim's block is not live");
    note(GIVEN, NULL);
}

/* ---- Giving back. */

static void
victim_gives(void)
{
    if (mp_free(noted(OWN)) < 0)
        return;
    note_return();
}

/* A free that did not return may have happened or not; one that did, did. */
static void
check_given(void)
{
    int r;

    free_filling();
    if (!use_heap())
        return;
    r = mp_free(noted(OWN));
    if (noted(RETURNED) || sweep.completed)
        sweep_check(r < 0, "the victim's free is undone");
    sweep_check(r == 0 || mp_free(noted(OWN)) < 0, "freed twice");
}

/* ---- Extents beside each other, held by the harness or free. */

static void
hold(int at, size_t granules)
{
    held[at] = mp_alloc(GRANULES(granules));
    if (sweep_check(held[at] != NULL, "no memory: %s", mp_last_error()))
        memset(held[at], 0x40 + at, 4096);
}

static void
let_go(int at)
{
    sweep_check(mp_free(held[at]) == 0, "a held block is not live");
    held[at] = NULL;
}

static void
let_all_go(void)
{
    int i;

    for (i = 0; i < HELD; i++) {
        if (held[i])
            let_go(i);
    }
}

static int
are_in_a_row(const size_t *granules, int n)
{
    int i;

    for (i = 0; i + 1 < n; i++) {
        if (held[i + 1] != held[i] + granules[i] * MP__GRANULE)
            return 0;
    }
    return 1;
}

/* Holds blocks that lie one behind the other. Holes elsewhere may be filled
 * first: what comes to lie apart is put aside until there is a row. */
static void
hold_row(const size_t *granules, int n)
{
    void *aside = NULL, *next;
    int i, tries;

    for (tries = 0; tries < 50; tries++) {
        for (i = 0; i < n; i++)
            hold(i, granules[i]);
        if (are_in_a_row(granules, n))
            break;
        for (i = 0; i < n; i++) {
            *(void **)(void *)held[i] = aside;
            aside = held[i];
        }
    }
    sweep_check(tries < 50, "there is no row of free extents");
    for (; aside; aside = next) {
        next = *(void **)aside;
        mp_free(aside);
    }
}

/* Held, free (3 granules), held: the victim's two are split off the three. */
static void
make_gap_to_split(void)
{
    static const size_t row[] = {2, 3, 2};

    hold_row(row, 3);
    let_go(1);
}

static void
make_gap_that_fits(void)
{
    static const size_t row[] = {2, 2, 2};

    hold_row(row, 3);
    let_go(1);
}

/* The victim's extent has a free one on each side, then held ones. */
static void
make_islands(void)
{
    static const size_t row[] = {2, 3, 2, 3, 2};

    hold_row(row, 5);
    note(OWN, held[2]);
    held[2] = NULL;
    let_go(1);
    let_go(3);
}

/* ---- Changing the size. */

static void
victim_grows_small(void)
{
    note(GIVEN, mp_realloc(noted(OWN), 300));
}

static void
victim_grows_large(void)
{
    note(GIVEN, mp_realloc(noted(OWN), GRANULES(3)));
}

static void
victim_shrinks_large(void)
{
    note(GIVEN, mp_realloc(noted(OWN), 3000));
}

/* At the latest when the call returned, the old block is gone; before, it is
 * there with its contents or gone, and then the new one may be lost. */
static void
check_resized(size_t kept)
{
    unsigned char *p = noted(GIVEN), *old = noted(OWN);

    if (!use_heap())
        return;
    if (p && p != old) {
        sweep_check(is_filled(p, 0x5a, kept), "contents were lost");
        sweep_check(mp_free(p) == 0, "the victim's block is not live");
        sweep_check(mp_free(old) < 0, "the old block is still live");
        return;
    }
    if (mp__block_size(old)) {
        sweep_check(is_filled(old, 0x5a, kept), "old contents were lost");
        sweep_check(mp_free(old) == 0, "the old block is not live");
    }
}

static void
check_small_resized(void)
{
    check_resized(SMALL);
}

static void
check_large_resized(void)
{
    check_resized(3000);
}

const struct sweep_scenario sweep_heap[] = {
    {"alloc.64B", NULL, enter_library, victim_takes_small,
     .check = check_small_taken, .may_lose = 1},
    {"alloc.64B-first-call", .victim = victim_takes_small,
     .check = check_small_taken, .may_lose = 1},
    {"alloc.64B-new-chunk", NULL, fill_bin, victim_takes_small,
     .check = check_small_taken, .may_lose = 1},
    {"alloc.20KB", NULL, enter_library, victim_takes_medium,
     .check = check_medium_taken, .may_lose = 1},
    {"alloc.large-split", make_gap_to_split, enter_library, victim_takes_large,
     .check = check_large_taken, .teardown = let_all_go, .may_lose = 1},
    {"alloc.large-fit", make_gap_that_fits, enter_library, victim_takes_large,
     .check = check_large_taken, .teardown = let_all_go, .may_lose = 1},
    {"alloc.64B-after-a-death", NULL, fill_bin, victim_takes_small,
     .check = check_small_taken, .before = victim_takes_small,
     .between = check_first_taken, .may_lose = 2},
    {"alloc.large-after-a-death", make_gap_to_split, enter_library,
     victim_takes_large, .check = check_large_taken, .teardown = let_all_go,
     .before = victim_takes_large, .between = check_first_taken,
     .may_lose = 2},
    {"free.64B", NULL, have_small, victim_gives, .check = check_given},
    {"free.64B-last-of-chunk", NULL, have_lone_cell, victim_gives,
     .check = check_given},
    {"free.large", NULL, have_large, victim_gives, .check = check_given},
    {"free.large-merge", make_islands, enter_library, victim_gives,
     .check = check_given, .teardown = let_all_go},
    {"realloc.64B-300B", NULL, have_small, victim_grows_small,
     .check = check_small_resized, .may_lose = 1},
    {"realloc.large-grow", NULL, have_large, victim_grows_large,
     .check = check_large_resized, .may_lose = 1},
    {"realloc.large-shrink", NULL, have_large, victim_shrinks_large,
     .check = check_large_resized, .may_lose = 1},
    {0},
};
