/* SPDX-License-Identifier: MIT */
/* The segments of a queue's ring. Producers that find theirs full go on to
 * another, larger or smaller one that one of them has in hand, and leave a
 * JUMP behind; whoever comes to it on the consumers' side follows, with the
 * old one in hand, and frees it.
 *
 * Each message comes out once, whole and in its turn; no segment is written or
 * read after it was freed, none is freed twice, none is lost.
 *
 * A record is a granule here. When to go on is anybody's choice, if only there
 * is a spare segment; the heap's steps are not modelled. */
#ifndef PRODUCERS
#define PRODUCERS 1
#endif
#ifndef CONSUMERS
#define CONSUMERS 1
#endif
#ifndef REAPERS
#define REAPERS 1
#endif
#ifndef CRASHES
#define CRASHES 1
#endif
#ifndef MESSAGES
#define MESSAGES 4
#endif
#define N (PRODUCERS + CONSUMERS + REAPERS)

#define SEGMENTS 4 /* 1: the first */
#define SMALL 2
#define LARGE 3 /* granules */

#define MUTEXES 2
#define TAIL 0
#define HEAD 1
#define NONE 2
#include "lock.pml"

bool live[SEGMENTS + 1];
byte next[SEGMENTS + 1], base[SEGMENTS + 1], size[SEGMENTS + 1];
#define JUMP 99
byte record[(SEGMENTS + 1) * LARGE];
#define RECORD(s, place) record[(s) * LARGE + ((place) - base[s]) % size[s]]

/* The positions, and the segments they are in. */
byte tail, tail_place, tail_segment = 1;
byte head, head_place, head_segment = 1;

byte tail_intent, tail_part, tail_before;
byte head_intent, head_part, head_before;

byte hand[8], hand_mutex[8] = NONE;
#define ALIVE 0
#define BURIED 7
byte state[8];

inline clear_hand_of(p, s) {
    d_step { if :: hand[p] == s -> hand[p] = 0 :: else fi }
}

inline free_segment(p, s) {
    d_step {
        assert(live[s] && s != head_segment);
        live[s] = false;
        next[s] = 0;
        base[s] = 0;
        size[s] = 0;
        record[(s) * LARGE] = 0;
        record[(s) * LARGE + 1] = 0;
        record[(s) * LARGE + 2] = 0;
        if :: hand[p] == s -> hand[p] = 0 :: else fi
    }
}

inline repair_tail() {
    if
    :: tail_intent != 0 ->
        if
        :: tail != tail_before ->
#ifndef REPAIR_FORGETS_SEGMENT
            tail_segment = tail_intent;
#endif
            clear_hand_of(tail_part, tail_intent)
        :: tail == tail_before
        fi;
        tail_intent = 0
    :: tail_intent == 0
    fi
}

inline repair_head() {
    if
    :: head_intent != 0 ->
        if
        :: head_place != head_before ->
            assert(live[head_intent]);
#ifndef REPAIR_FORGETS_SEGMENT
            head_segment = next[head_intent]
#endif
        :: head_place == head_before -> clear_hand_of(head_part, head_intent)
        fi;
        head_intent = 0
    :: head_intent == 0
    fi
}

inline repair(m) {
    if
    :: m == TAIL -> repair_tail()
    :: m == HEAD -> repair_head()
    fi;
    died[m] = false
}

inline lock(m) {
    if
    :: atomic { owner[m] == 0 && !died[m] -> owner[m] = me }
    :: atomic { owner[m] == 0 && died[m] -> owner[m] = me }; repair(m)
    fi
}

inline settle(m) {
    if
    :: atomic { died[m] && owner[m] == 0 -> owner[m] = me };
        repair(m);
        unlock(m)
    :: !died[m]
    fi
}

/* ---- Producers ---- */

/* Consumers that are in an older segment have freed nothing here. A JUMP must
 * always have room beside. */
#define BASE base[tail_segment]
#define FROM (head_place < BASE -> BASE : head_place)
#define ROOM (tail_place - FROM + 2 <= size[tail_segment])

inline allocate() {
    atomic {
        if
        :: !live[1] -> spare = 1
        :: live[1] && !live[2] -> spare = 2
        :: live[1] && live[2] && !live[3] -> spare = 3
        :: live[1] && live[2] && live[3] && !live[4] -> spare = 4
        fi;
        live[spare] = true;
        if
        :: size[spare] = SMALL
        :: size[spare] = LARGE
        fi;
        hand[me] = spare
    };
    hand_mutex[me] = TAIL
}

inline place_here() {
    d_step {
        assert(live[tail_segment]);
        RECORD(tail_segment, tail_place) = tail + 1
    };
    d_step { tail++; tail_place++ } /* commit */
}

inline place_in_spare() {
    tail_part = me;
    tail_before = tail;
#ifndef NO_INTENT
    tail_intent = spare;
#endif
    base[spare] = tail_place + 1;
    next[tail_segment] = spare;
    d_step {
        assert(live[tail_segment]);
        RECORD(tail_segment, tail_place) = JUMP
    };
    record[spare * LARGE] = tail + 1;
#ifdef SEGMENT_BEFORE_COMMIT
    tail_segment = spare;
#endif
    d_step { tail++; tail_place = base[spare] + 1 }; /* commit */
    tail_segment = spare;
    hand[me] = 0;
    tail_intent = 0;
    spare = 0
}

proctype producer(byte me) {
    byte spare;
    {
        do
        :: tail < MESSAGES ->
            lock(TAIL);
            if
            :: tail == MESSAGES -> unlock(TAIL)
            :: tail < MESSAGES && ROOM -> place_here(); unlock(TAIL)
            :: tail < MESSAGES && spare != 0 -> place_in_spare(); unlock(TAIL)
            :: tail < MESSAGES && spare == 0 -> unlock(TAIL); allocate()
            fi
        :: tail == MESSAGES -> break
        od;
        if
        :: spare != 0 -> free_segment(me, spare); spare = 0
        :: spare == 0
        fi;
        hand_mutex[me] = NONE;
        finished()
    } unless { killed() }
}

/* ---- Consumers ---- */

inline leave_segment() {
    old = head_segment;
    head_before = head_place;
    head_part = me;
    head_intent = old;
    d_step { hand_mutex[me] = HEAD; hand[me] = old };
#ifdef FREED_IN_PLACE
    free_segment(me, old);
#endif
    head_place = base[next[old]]; /* commit */
    head_segment = next[old];
    head_intent = 0;
    unlock(HEAD);
    free_segment(me, old);
    hand_mutex[me] = NONE;
    old = 0
}

proctype consumer(byte me) {
    byte old;
    {
        do
        :: head < tail ->
            lock(HEAD);
            if
            :: head == tail -> unlock(HEAD)
            :: head < tail ->
                assert(live[head_segment]);
                if
                :: RECORD(head_segment, head_place) == JUMP -> leave_segment()
                :: RECORD(head_segment, head_place) != JUMP ->
                    assert(RECORD(head_segment, head_place) == head + 1);
                    d_step { head++; head_place++ }; /* commit */
                    unlock(HEAD)
                fi
            fi
        :: head == MESSAGES -> break
        od;
        finished()
    } unless { killed() }
}

/* ---- The reaper ---- */

#define CLAIMABLE(p)                                                          \
    (N >= p && dead[p] && state[p] != BURIED &&                               \
     (state[p] == ALIVE || dead[state[p]]))

inline reap(p) {
    if
#ifndef UNSETTLED
    :: hand_mutex[p] == TAIL -> settle(TAIL)
    :: hand_mutex[p] == HEAD -> settle(HEAD)
#endif
    :: else
    fi;
    hand_mutex[p] = NONE;
    if
    :: hand[p] != 0 -> free_segment(p, hand[p])
    :: hand[p] == 0
    fi;
    state[p] = BURIED
}

inline reap_all() {
    do
    :: atomic { CLAIMABLE(1) -> p = 1; state[1] = me }; reap(p)
    :: atomic { CLAIMABLE(2) -> p = 2; state[2] = me }; reap(p)
    :: atomic { CLAIMABLE(3) -> p = 3; state[3] = me }; reap(p)
    :: atomic { CLAIMABLE(4) -> p = 4; state[4] = me }; reap(p)
    :: atomic { CLAIMABLE(5) -> p = 5; state[5] = me }; reap(p)
    :: atomic { me == MAX && !CLAIMABLE(1) && !CLAIMABLE(2) &&
                !CLAIMABLE(3) && !CLAIMABLE(4) && !CLAIMABLE(5) -> break }
    od
}

proctype reaper(byte me) {
    byte p;
    { reap_all() } unless { killed() }
}

/* The segments from the consumers' one to the producers' are the queue's. */
#define AFTER(s) (s == tail_segment || s == 0 -> 0 : next[s])
#define IN_CHAIN(s)                                                           \
    (s == head_segment || s == AFTER(head_segment) ||                         \
     s == AFTER(AFTER(head_segment)) ||                                       \
     s == AFTER(AFTER(AFTER(head_segment))))

init {
    byte me = MAX, p, i;

    atomic {
        live[1] = true;
        size[1] = SMALL;
        do
        :: i < N ->
            i++;
            if
            :: i <= PRODUCERS -> run producer(i)
            :: i > PRODUCERS && i <= PRODUCERS + CONSUMERS -> run consumer(i)
            :: i > PRODUCERS + CONSUMERS -> run reaper(i)
            fi
        :: else -> break
        od;
        i = 0;
        run death()
    };
    timeout;
    reap_all();
    timeout;
    lock(TAIL);
    unlock(TAIL);
    lock(HEAD);
    unlock(HEAD);
    i = 1;
    do
    :: i <= SEGMENTS ->
        assert(live[i] == IN_CHAIN(i) ||
               hand[1] == i || hand[2] == i || hand[3] == i);
        i++
    :: else -> break
    od;
    i = 1;
    do
    :: i <= N -> assert(!dead[i] || hand[i] == 0); i++
    :: else -> break
    od;
    assert(head == tail ||
           (dead[PRODUCERS + 1] && dead[PRODUCERS + CONSUMERS]))
}
