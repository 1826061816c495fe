/* SPDX-License-Identifier: MIT */
/* Messages that go from a slot into a ring: the commit of a reservation, and
 * what was taken too often, on its way to the queue of dead letters. The
 * slot's shelf has one mutex, under which slots are given out; the ring has
 * another, or (-DSAME, a reservation) that is the same one.
 *
 * A block is put once at most, freed once, and not while the ring, a slot, or
 * the living have it; a slot is freed by its owner, or for him if he is dead,
 * and never after it was given to another.
 *
 * Who takes messages out of the ring is not modelled, nor are the steps of the
 * heap. */
#ifndef SENDERS
#define SENDERS 2
#endif
#ifndef REAPERS
#define REAPERS 1
#endif
#ifndef CRASHES
#define CRASHES 2
#endif
#ifndef ROUNDS
#define ROUNDS 1
#endif
#ifndef SLOTS
#define SLOTS 1
#endif
#define N (SENDERS + REAPERS)
#define BLOCKS (SENDERS * ROUNDS)

#ifdef SAME
#define MUTEXES 1
#define SHELF 0
#define RING 0
#else
#define MUTEXES 2
#define SHELF 0
#define RING 1
#endif
#define NONE 2
#include "lock.pml"

#define FREE 0
#define BUSY 8
#define OWNER(word) ((word) & 7)

byte slot[SLOTS + 1], slot_block[SLOTS + 1];
byte ring[BLOCKS], tail, head;
byte blocks; /* so many were ever made */

byte intent_slot, intent_owner, intent_tail;

byte hand[8], hand_mutex[8] = NONE, holding[8];
#define ALIVE 0
#define BURIED 7
byte state[8]; /* ALIVE, the index of its reaper, BURIED */

/* What ought to be. */
bool live[BLOCKS + 1], sent[BLOCKS + 1];

#ifdef TAKEOVER_BEFORE_BURIAL
#define GONE(p) (p != FREE && dead[p])
#else
#define GONE(p) (p != FREE && state[p] == BURIED)
#endif
#define LEFT(s) (SLOTS >= s && GONE(OWNER(slot[s])))

#define IN_SLOT(s, b) (SLOTS >= s && slot[s] != FREE && slot_block[s] == b)
#define IN_RING(b)                                                            \
    ((tail > head && ring[head] == b) ||                                      \
     (tail > head + 1 && ring[head + 1] == b))

inline free_block(p, b) {
    d_step {
        assert(live[b] && !IN_RING(b));
        assert(!IN_SLOT(1, b) && !IN_SLOT(2, b));
        live[b] = false;
        if :: hand[p] == b -> hand[p] = 0 :: else fi
    }
}

/* Of the ring's side. The slot may be another's by now: its shelf does not ask
 * for the ring's mutex. */
inline repair() {
    if
    :: intent_slot != 0 ->
        if
        :: tail != intent_tail ->
#ifdef REPAIR_BY_STORE
            slot[intent_slot] = FREE
#else
            d_step {
                if
                :: slot[intent_slot] == intent_owner ->
                    slot[intent_slot] = FREE
                :: else
                fi
            }
#endif
        :: tail == intent_tail
        fi;
        intent_slot = 0
    :: intent_slot == 0
    fi
}

inline lock(m) {
    if
    :: atomic { owner[m] == 0 && !died[m] -> owner[m] = me }
    :: atomic { owner[m] == 0 && died[m] -> owner[m] = me };
        if
        :: m == RING -> repair()
        :: m != RING
        fi;
        died[m] = false
    fi
}

inline settle(m) {
    if
    :: atomic { died[m] && owner[m] == 0 -> owner[m] = me };
        if
        :: m == RING -> repair()
        :: m != RING
        fi;
        died[m] = false;
        unlock(m)
    :: !died[m]
    fi
}

/* A block in hand goes into a free slot. s = 0: there is none. */
inline fill() {
    hand_mutex[me] = SHELF;
    lock(SHELF);
    if
    :: slot[1] == FREE -> s = 1
    :: SLOTS > 1 && slot[SLOTS] == FREE -> s = SLOTS
    :: else -> s = 0
    fi;
    if
    :: s != 0 ->
        slot_block[s] = block;
#ifndef HOLDING_LATE
        holding[me] = s;
#endif
        d_step { assert(slot[s] == FREE); slot[s] = me };
#ifdef HOLDING_LATE
        holding[me] = s;
#endif
        hand[me] = 0;
        holding[me] = 0
    :: else -> free_block(me, block)
    fi;
    unlock(SHELF);
    hand_mutex[me] = NONE;
    block = 0
}

/* mp__queue_put_slot(): a slot of mine, BUSY. */
inline put_slot() {
#ifndef NOT_UNDER
    hand_mutex[me] = RING;
#endif
    lock(RING);
    intent_owner = me | BUSY;
    intent_tail = tail;
#ifndef NO_INTENT
    intent_slot = s;
#endif
    ring[tail] = slot_block[s];
#ifdef FREED_BEFORE_COMMIT
    slot[s] = FREE;
#endif
    d_step { /* commit */
        assert(!sent[slot_block[s]]);
        sent[slot_block[s]] = true;
        tail++
    };
#ifndef FREED_BEFORE_COMMIT
    d_step { assert(slot[s] == (me | BUSY)); slot[s] = FREE };
#endif
    intent_slot = 0;
    unlock(RING);
    hand_mutex[me] = NONE
}

/* mp__slot_release() and mp__slot_discard(): the same. */
inline cancel() {
    block = slot_block[s];
    holding[me] = s;
    hand[me] = block;
    d_step { assert(slot[s] == (me | BUSY)); slot[s] = FREE };
    free_block(me, block);
    holding[me] = 0;
    block = 0
}

inline put_or_cancel() {
    if
    :: put_slot()
    :: cancel()
    fi;
    s = 0
}

proctype sender(byte me) {
    byte n, s, block;
    {
        do
        :: atomic { n < ROUNDS ->
                n++;
                blocks++;
                block = blocks;
                live[block] = true;
                hand[me] = block
            };
            fill();
            if
            :: s != 0 -> slot[s] = me | BUSY; put_or_cancel()
            :: else
            fi
        :: atomic { LEFT(1) -> slot[1] = me | BUSY; s = 1 }; put_or_cancel()
        :: atomic { LEFT(2) -> slot[2] = me | BUSY; s = 2 }; put_or_cancel()
        od
    } unless { killed() }
}

/* Takes the messages out, at once. */
proctype receiver() {
    byte b;
    do
    :: d_step { head < tail ->
            b = ring[head];
            assert(live[b]);
            live[b] = false;
            head++;
            b = 0
        }
    od
}

#define CLAIMABLE(p)                                                          \
    (N >= p && dead[p] && state[p] != BURIED &&                               \
     (state[p] == ALIVE || dead[state[p]]))

inline reap(p) {
    if
    :: hand_mutex[p] != NONE ->
#ifdef SAME
        settle(RING);
#else
        if
        :: hand_mutex[p] == SHELF -> settle(SHELF)
        :: hand_mutex[p] == RING -> settle(RING)
        fi;
#endif
        hand_mutex[p] = NONE
    :: hand_mutex[p] == NONE
    fi;
    block = hand[p];
    if
#ifndef NO_HOLDING_CHECK
    :: block != 0 && holding[p] != 0 && OWNER(slot[holding[p]]) == p ->
        if
        :: slot_block[holding[p]] == block -> hand[p] = 0; block = 0
        :: else
        fi
#endif
    :: else
    fi;
    if
    :: block != 0 -> free_block(p, block)
    :: else
    fi;
    block = 0;
    holding[p] = 0;
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
    byte p, block;
    { reap_all() } unless { killed() }
}

init {
    byte me = MAX, p, s, block, i;

    atomic {
        do
        :: i < N ->
            i++;
            if
            :: i <= SENDERS -> run sender(i)
            :: i > SENDERS -> run reaper(i)
            fi
        :: else -> break
        od;
        i = 0;
        run receiver();
        run death()
    };
    timeout;
    reap_all(); /* if the reaper is dead */
    timeout;
    do
    :: atomic { LEFT(1) -> slot[1] = me | BUSY; s = 1 }; put_or_cancel()
    :: atomic { LEFT(2) -> slot[2] = me | BUSY; s = 2 }; put_or_cancel()
    :: else -> break
    od;
    timeout;
    lock(RING);
    unlock(RING);
    assert(head == tail);
    i = 1;
    do
    :: i <= BLOCKS -> assert(!live[i]); i++
    :: else -> break
    od;
    assert(slot[1] == FREE && slot[SLOTS] == FREE);
    assert(hand[1] + hand[2] + hand[3] + hand[4] + hand[5] == 0)
}
