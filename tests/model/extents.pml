/* SPDX-License-Identifier: MIT */
/* The table of extents (src/region/extents.c): split, free and merge as
 * single stores, and the intent that repair finishes.
 *
 * Lists of free extents are a cache, and here the table itself. `owner_of` is
 * no part of the protocol: it says to whom each granule belongs. */
#ifndef USERS
#define USERS 2
#endif
#ifndef CRASHES
#define CRASHES 2
#endif
#ifndef ROUNDS
#define ROUNDS 1
#endif
#define N (USERS + 1) /* and a reaper */

#define MUTEXES 1
#include "lock.pml"

#define GRANULES 4 /* 1..4 */
#define END (GRANULES + 1)

/* An entry: kind and length. */
#define NONE 0
#define FREE 8
#define LARGE 16
#define CHUNK 24
#define PART 32
#define LENGTH(g) (table[g] & 7)
#define KIND(g) (table[g] & 56)
#define IS_START(g) (KIND(g) == LARGE || KIND(g) == CHUNK)

byte table[END + 1];
bool tabled;
byte intent, intent_part;
byte hand[MAX];
byte owner_of[END + 1];
bool reaped[MAX];

/* From the first granule on, length by length, the end is hit exactly. */
inline check_partition() {
    d_step {
        g = 1;
        do
        :: g < END && table[g] != NONE ->
            assert(KIND(g) != PART && LENGTH(g) > 0);
            g = g + LENGTH(g)
        :: else -> break
        od;
        assert(g == END || (g == 1 && table[1] == NONE));
        g = 0
    }
}

/* ... and in between is nothing that could be taken for an extent. */
inline check_insides() {
    d_step {
        g = 1;
        do
        :: g < END && table[g] != NONE ->
            i = 1;
            do
            :: i < LENGTH(g) ->
                assert(KIND(g + i) != FREE && !IS_START(g + i));
                assert(KIND(g + i) == NONE || KIND(g) != FREE);
                i++
            :: else -> break
            od;
            g = g + LENGTH(g)
        :: else -> break
        od;
        g = 0;
        i = 0
    }
}

inline own(g0, n, who) {
    i = 0;
    do
    :: i < n -> owner_of[g0 + i] = who; i++
    :: else -> break
    od;
    i = 0
}

/* The start's word becomes FREE: the store that frees it. */
inline commit_free(g0) {
    d_step {
        assert(owner_of[g0] == me || owner_of[g0] == 0 ||
               dead[owner_of[g0]]);
        own(g0, LENGTH(g0), 0);
        table[g0] = FREE | LENGTH(g0)
    }
}

#define NEXT(g0) (g0 + LENGTH(g0))

inline merge_next(g0) {
    next = NEXT(g0);
#ifdef CLEAR_BEFORE_MERGE
    next_length = LENGTH(next);
    table[next] = NONE;
    table[g0] = FREE | (LENGTH(g0) + next_length);
#else
    table[g0] = FREE | (LENGTH(g0) + LENGTH(next));
    table[next] = NONE;
#endif
    next = 0
}

#define CAN_MERGE(g0) (NEXT(g0) < END && KIND(NEXT(g0)) == FREE)

inline clear_inside(g0) {
    i = 1;
    do
    :: i < LENGTH(g0) -> table[g0 + i] = NONE; i++
    :: else -> break
    od;
    i = 0
}

inline clear_hand_of(p, b) {
    d_step { if :: hand[p] == b -> hand[p] = 0 :: else fi }
}

inline repair() {
    check_partition();
    if
    :: intent != 0 ->
        clear_hand_of(intent_part, intent);
        if
        :: IS_START(intent) -> commit_free(intent)
        :: else
        fi;
        intent = 0
    :: else
    fi;
    at = 1;
    do
    :: at < END && table[at] == NONE -> break /* nothing was prepared */
    :: at < END && KIND(at) == FREE ->
        do
        :: CAN_MERGE(at) -> merge_next(at)
        :: else -> break
        od;
        clear_inside(at);
        at = NEXT(at)
    :: at < END && IS_START(at) -> at = NEXT(at)
    :: at == END -> break
    od;
    at = 0
}

inline lock() {
    if
    :: atomic { owner[0] == 0 && !died[0] -> owner[0] = me }
    :: atomic { owner[0] == 0 && died[0] -> owner[0] = me; died[0] = false }
        repair()
    fi
}

inline unlock_checked() {
    d_step { check_partition(); check_insides(); owner[0] = 0 }
}

inline prepare() {
    if
#ifdef PREPARE_ONCE
    :: !tabled ->
#else
    :: table[1] == NONE ->
#endif
        tabled = true;
        table[1] = FREE | GRANULES
    :: else
    fi
}

#define FITS(g0) (KIND(g0) == FREE && LENGTH(g0) >= length)

inline take() {
    rest = LENGTH(granule) - length;
    intent_part = me;
    intent = granule;
    hand[me] = granule;
#ifdef COMMIT_BEFORE_SPLIT
    table[granule] = LARGE | length;
#endif
    if
    :: rest != 0 -> table[granule + length] = FREE | rest
    :: else
    fi;
    d_step { /* commit */
        assert(owner_of[granule] == 0 &&
               owner_of[granule + length - 1] == 0);
        own(granule, length, me);
        table[granule] = LARGE | length
    };
    intent = 0;
    rest = 0
}

inline allocate() {
    lock();
    prepare();
    if
    :: FITS(1) -> granule = 1
    :: FITS(2) -> granule = 2
    :: FITS(3) -> granule = 3
    :: FITS(4) -> granule = 4
    :: else -> granule = 0
    fi;
    if
    :: granule != 0 -> take()
    :: else
    fi;
    unlock_checked()
}

/* The mutex is held. Takes it out of the hand of `p` if it is there. */
inline give_back(p, g0) {
    intent_part = p;
    intent = g0;
    clear_hand_of(p, g0);
    if
#ifdef PARTS_STAY
    :: KIND(g0) == CHUNK -> clear_inside(g0)
#else
    :: LENGTH(g0) > 1 -> clear_inside(g0)
#endif
    :: else
    fi;
    commit_free(g0);
    intent = 0;
    if
    :: CAN_MERGE(g0) -> merge_next(g0)
    :: else
    fi;
    if
    :: g0 > 1 && KIND(1) == FREE && NEXT(1) == g0 -> merge_next(1)
    :: g0 > 2 && KIND(2) == FREE && NEXT(2) == g0 -> merge_next(2)
    :: g0 > 3 && KIND(3) == FREE && NEXT(3) == g0 -> merge_next(3)
    :: else
    fi
}

inline make_chunk() {
    i = 1;
    do
    :: i < LENGTH(granule) -> table[granule + i] = PART | i; i++
    :: else -> break
    od;
    i = 0;
    table[granule] = CHUNK | LENGTH(granule)
}

proctype user(byte me) {
    byte granule, length, rest, next, next_length, at, g, i, n;
    {
        do
        :: n < ROUNDS ->
            n++;
            if
            :: length = 1
            :: length = 2
            fi;
            allocate();
            if
            :: granule != 0 ->
                if
                :: length == 2 -> make_chunk()
                :: true
                fi;
                lock();
                give_back(me, granule);
                unlock_checked()
            :: else
            fi
        :: else -> break
        od;
        finished()
    } unless { killed() }
}

inline reap(p) {
    /* The hand is read under the mutex: whoever repaired it before may have
     * given the extent to somebody else. */
#ifdef LOOK_BEFORE_LOCK
    granule = hand[p];
#endif
    lock();
#ifndef LOOK_BEFORE_LOCK
    granule = hand[p];
#endif
    if
    :: granule != 0 && IS_START(granule) -> give_back(p, granule)
    :: else
    fi;
    unlock_checked();
    reaped[p] = true
}

proctype reaper(byte me) {
    byte granule, next, next_length, at, g, i;
    {
        do
        :: dead[1] && !reaped[1] -> reap(1)
        :: dead[2] && !reaped[2] -> reap(2)
        od
    } unless { killed() }
}

init {
    byte me = MAX, granule, next, next_length, at, g, i;

    atomic {
        run user(1);
        if :: USERS > 1 -> run user(2) :: else fi;
        run reaper(N);
        run death()
    };
    timeout;
    do
    :: dead[1] && !reaped[1] -> reap(1)
    :: USERS > 1 && dead[2] && !reaped[2] -> reap(2)
    :: else -> break
    od;
    lock();
    prepare();
    unlock_checked();
    assert(table[1] != NONE);
    /* All was given back. With a merge still owed it may be in pieces. */
    g = 1;
    do
    :: g < END && table[g] != NONE ->
        assert(KIND(g) == FREE && owner_of[g] == 0);
        g = NEXT(g)
    :: else -> break
    od
}
