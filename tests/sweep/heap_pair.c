/* SPDX-License-Identifier: MIT */
/* Two users of one bin, or of the extents, are killed.
 *
 * Memory that one of them got whole, and noted, is live and nobody else's;
 * what one gave back is given back if the call returned. A kill costs the
 * block that the victim was about to get, at the most: the engine compares the
 * heap with what it was. */
#include "sweep.h"

#include "region/bin.h"
#include "region/heap.h"
#include "region/layout.h"

#include <string.h>

#define CELL  ((size_t)64)
#define LARGE ((size_t)150000)
#define TRIES 6

/* Notes: for each of the two, what it was given, and that its call returned.
 * Then the chain of the cells that fill the bin. */
enum { VICTIM, OTHER };
#define GIVEN(who)    ((unsigned)(who))
#define RETURNED(who) (2 + (unsigned)(who))

static struct mp__bin *bin;
static void *owned[2];  /* what each of them gives back */
static void *filling;   /* cells of the harness, chained */
static size_t size = 0; /* of all this */

static void
find_bin(void)
{
    uint32_t class = 0;

    while (mp__region()->bins[0][class].cell < CELL)
        class ++;
    bin = &mp__region()->bins[0][class];
}

static void *
take(void)
{
    void *p = size == CELL ? mp__bin_take(bin, 1) : mp__block_alloc(size, 0);

    if (p)
        mp__block_keep(p);
    return p;
}

static void
make(size_t each)
{
    find_bin();
    size = each;
    filling = NULL;
    for (int i = 0; i < 2; i++) {
        owned[i] = take();
        memset(owned[i], 0x5a, CELL);
    }
}

static void
make_cells(void)
{
    make(CELL);
}

static void
make_large(void)
{
    make(LARGE);
}

/* The bin has no free cell: who takes one has to get a chunk first. */
static void
make_full_bin(void)
{
    make(CELL);
    while (bin->available) {
        void *p = take();

        *(void **)p = filling;
        filling = p;
    }
}

/* The two cells are the last of their chunk, which goes with them. */
static void
make_lone_cells(void)
{
    void *mine[2];

    make_full_bin();
    mine[0] = owned[0];
    mine[1] = owned[1];
    owned[0] = take();
    owned[1] = take();
    /* Else theirs would be the one empty chunk that stays. */
    mp_free(mine[0]);
    mp_free(mine[1]);
}

static void
enter(void)
{
    mp__enter();
}

static void
take_and_note(unsigned who)
{
    mp__store(&sweep.note[GIVEN(who)], (uintptr_t)take());
}

static void
give_and_note(unsigned who)
{
    if (mp_free(owned[who]) == 0)
        mp__store(&sweep.note[RETURNED(who)], 1);
}

static void
victim_takes(void)
{
    take_and_note(VICTIM);
}

static void
other_takes(void)
{
    take_and_note(OTHER);
}

static void
victim_gives(void)
{
    give_and_note(VICTIM);
}

static void
other_gives(void)
{
    give_and_note(OTHER);
}

/* What was given is marked, and must stay so while others take. */
static void
check_given(void)
{
    unsigned char *given[2], *p[TRIES];
    int i;

    for (i = 0; i < 2; i++) {
        given[i] = (unsigned char *)(uintptr_t)mp__load(&sweep.note[i]);
        if (given[i])
            memset(given[i], 0x60 + i, CELL);
    }
    for (i = 0; i < TRIES; i++) {
        p[i] = take();
        if (!sweep_check(p[i] != NULL, "no memory: %s", mp_last_error()))
            return;
        memset(p[i], i + 1, CELL);
    }
    for (i = 0; i < TRIES; i++) {
        sweep_check(p[i][0] == i + 1 && p[i][CELL - 1] == i + 1,
                    "memory was given twice");
        sweep_check(mp_free(p[i]) == 0, "it cannot be freed");
    }
    for (i = 0; i < 2; i++) {
        if (!given[i])
            continue;
        sweep_check(given[i][0] == 0x60 + i && given[i][CELL - 1] == 0x60 + i,
                    "what a victim has was given to another");
        sweep_check(mp_free(given[i]) == 0, "what a victim has is not live");
    }
}

/* What one of them gave back the other may have got. */
static int
is_given(const void *p)
{
    return (uintptr_t)p == mp__load(&sweep.note[GIVEN(VICTIM)]) ||
           (uintptr_t)p == mp__load(&sweep.note[GIVEN(OTHER)]);
}

/* ... and may have died before it could tell. */
static int
may_be_given(void)
{
    int victim = sweep.scenario->victim == victim_takes;
    int other = sweep.scenario->other == other_takes;

    return (victim && !mp__load(&sweep.note[GIVEN(VICTIM)])) ||
           (other && !mp__load(&sweep.note[GIVEN(OTHER)]));
}

static void
check_owned(void)
{
    for (int i = 0; i < 2; i++) {
        int r;

        if (is_given(owned[i]))
            continue;
        r = mp_free(owned[i]);
        if (mp__load(&sweep.note[RETURNED(i)]))
            sweep_check(r < 0 || may_be_given(), "a free is undone");
        sweep_check(r == 0 || mp_free(owned[i]) < 0, "it is freed twice");
    }
}

/* Whoever is dead is reaped first: else what lies in its hands, half given
 * back, may be given to others and then be told to be theirs. */
static void
check(void)
{
    void *p, *next;

    mp__reap();
    check_owned();
    check_given();
    for (p = filling; p; p = next) {
        next = *(void **)p;
        sweep_check(mp_free(p) == 0, "a held cell is not live");
    }
}

#define TWO(name, make, one, another, lose)                              \
    {                                                                    \
        name, make, enter, one, .check = check, .may_lose = lose,        \
                                .other_prepare = enter, .other = another \
    }

const struct sweep_scenario sweep_heap_pair[] = {
    TWO("pair.alloc-alloc", make_cells, victim_takes, other_takes, 2),
    TWO("pair.alloc-free", make_cells, victim_takes, other_gives, 1),
    TWO("pair.free-alloc", make_cells, victim_gives, other_takes, 1),
    TWO("pair.free-free", make_cells, victim_gives, other_gives, 0),
    TWO("pair.alloc-alloc-new-chunk", make_full_bin, victim_takes, other_takes,
        2),
    TWO("pair.free-free-last-of-chunk", make_lone_cells, victim_gives,
        other_gives, 0),
    TWO("pair.alloc-free-large", make_large, victim_takes, other_gives, 1),
    TWO("pair.alloc-alloc-large", make_large, victim_takes, other_takes, 2),
    TWO("pair.free-free-large", make_large, victim_gives, other_gives, 0),
    {0},
};
