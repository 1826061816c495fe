/* SPDX-License-Identifier: MIT */
/* A biased mutex, which the library does not have yet: who it is biased to
 * enters and leaves with plain stores, to a word of its own, `in_op`; a
 * contender takes the mutex behind it, revokes the bias, has a membarrier
 * empty the other's store buffer, and waits until it is out, or dead.
 *
 * Two are never inside; who comes in after a death in there repairs; what the
 * biased one stored is to be seen by the next; nobody sleeps on when he has
 * left.
 *
 * The store buffer: plain stores of the biased one become visible in order,
 * but any time later. A membarrier, an atomic operation of its own, a system
 * call and its death empty it. */
#ifndef N
#define N 3
#endif
#ifndef CRASHES
#define CRASHES 1
#endif
#ifndef ROUNDS
#define ROUNDS 2
#endif

#define MUTEXES 1
#define M 0
#include "lock.pml"

#define REVOKED 8
byte bias = 1; /* to whom, REVOKED or not; 0: to nobody */
bool in_op[MAX];
byte data; /* 0: in order */

byte asleep[MAX]; /* on whose in_op, and life; 0: awake */

byte inside; /* not of the protocol: who is, dead ones too */
bool stray;  /* somebody died in there, and nobody has repaired yet */

/* ---- The store buffers ---- */

#define ENTERED 1
#define LEFT 2
#define CHANGING 3
#define CHANGED 4
chan buffer[MAX] = [4] of { byte };
byte e;

inline make_visible(p) {
    buffer[p]?e;
    if
    :: e == ENTERED -> in_op[p] = true
    :: e == LEFT -> in_op[p] = false
    :: e == CHANGING -> data = p
    :: e == CHANGED -> data = 0
    fi;
    e = 0
}

inline flush(p) {
    do
    :: len(buffer[p]) > 0 -> make_visible(p)
    :: else -> break
    od
}

proctype time() {
    do
    :: atomic { len(buffer[1]) > 0 -> make_visible(1) }
    :: atomic { len(buffer[2]) > 0 -> make_visible(2) }
    :: atomic { len(buffer[3]) > 0 -> make_visible(3) }
    od
}

inline membarrier() {
#ifndef NO_MEMBARRIER
    atomic { flush(1); flush(2); flush(3) }
#else
    skip
#endif
}

/* ---- Inside ---- */

inline enter() {
    atomic {
        assert(inside == 0 || dead[inside]);
        if
        :: inside != 0 -> stray = true
        :: else
        fi;
        inside = me
    }
}

/* ---- The biased one ---- */

inline fast() {
#ifdef BIAS_CHECKED_BEFORE
    quick = bias == me;
    buffer[me]!ENTERED;
#else
    buffer[me]!ENTERED;
    quick = bias == me;
#endif
    if
    :: quick ->
        enter();
        buffer[me]!CHANGING;
#ifdef LEFT_BEFORE_LAST_STORE
        buffer[me]!LEFT;
        d_step { inside = 0 };
        buffer[me]!CHANGED;
#else
        buffer[me]!CHANGED;
        d_step { buffer[me]!LEFT; inside = 0 };
#endif
        wake_contender()
    :: !quick ->
        buffer[me]!LEFT;
        wake_contender()
    fi
}

/* The system call empties the buffer. */
inline wake_contender() {
#ifndef NEVER_WAKES
    if
    :: bias == (me | REVOKED) ->
        atomic {
            flush(me);
            if :: asleep[1] == me -> asleep[1] = 0 :: else fi;
            if :: asleep[2] == me -> asleep[2] = 0 :: else fi;
            if :: asleep[3] == me -> asleep[3] = 0 :: else fi
        }
    :: bias != (me | REVOKED)
    fi
#else
    skip
#endif
}

/* ---- The others ---- */

inline revoke() {
    other = bias & 7;
    bias = other | REVOKED;
    membarrier();
    do
    :: !in_op[other] -> break
    :: dead[other] -> break
    :: in_op[other] && !dead[other] ->
        /* Queued, then compared. */
        asleep[me] = other;
        if
        :: in_op[other] && !dead[other] -> asleep[me] == 0
        :: !in_op[other] || dead[other] -> asleep[me] = 0
        fi
    od;
    dirty = dirty || in_op[other];
    if
    :: dirty -> data = 0; in_op[other] = false
    :: !dirty
    fi;
    bias = 0
}

inline slow() {
    atomic { flush(me) };
    if
    :: atomic { owner[M] == 0 -> owner[M] = me; dirty = died[M] }
    fi;
    if
    :: bias != 0 && bias != me && bias != (me | REVOKED) -> revoke()
    :: bias == 0
    :: bias == me || bias == (me | REVOKED) -> bias = 0
    fi;
    if
    :: dirty -> data = 0; died[M] = false
    :: !dirty
    fi;
    enter();
    d_step { assert(!stray || dirty); stray = false };
    assert(data == 0);
    data = me;
    data = 0;
    d_step { inside = 0; dirty = false; other = 0 };
    if
    :: bias = me
    :: true
    fi;
    unlock(M)
}

proctype thread(byte me) {
    byte n, other;
    bool quick, dirty;
    {
        do
        :: n < ROUNDS ->
            n++;
            quick = false;
            if
            :: bias == me -> fast()
            :: bias != me
            fi;
            if
            :: !quick -> slow()
            :: quick
            fi
        :: else -> break
        od;
        finished()
    } unless { killed() }
}

/* Whatever it had stored is to be seen; who watches it wakes. */
inline die(p) {
    flush(p);
    bury(p);
    if
#ifndef LIFE_UNWATCHED
    :: asleep[1] == p -> asleep[1] = 0
    :: asleep[2] == p -> asleep[2] = 0
    :: asleep[3] == p -> asleep[3] = 0
#endif
    :: else
    fi
}

proctype deaths() {
    byte m;
    do
    :: atomic { MAY_DIE(1) -> die(1) }
    :: atomic { MAY_DIE(2) -> die(2) }
    :: atomic { MAY_DIE(3) -> die(3) }
    :: break
    od
}

init {
    byte i;

    atomic {
        do
        :: i < N -> i++; run thread(i)
        :: else -> break
        od;
        i = 0;
        run time();
        run deaths()
    };
    timeout;
    do
    :: i < N -> i++; assert(over[i] || dead[i])
    :: else -> break
    od
}
