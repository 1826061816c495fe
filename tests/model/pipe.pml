/* SPDX-License-Identifier: MIT */
/* One direction of a pipe: senders 1..SENDERS, receivers after them, each side
 * with a biased lock. Its owner enters by plain stores, but only if there is
 * nothing to be waited for and nobody to be woken; all else goes by the mutex.
 * Who finds no room (or nothing there) sleeps holding it; the other side wakes
 * it before it commits. An end is held by each process until that closes it,
 * ends, or dies.
 *
 * Two are never inside of one side; nobody sleeps on beside a message, room, or
 * the end of the other side; who revokes a bias is not stuck.
 *
 * Plain stores are seen in order, but any time later, as in biased.pml. That
 * whoever is woken by a death wakes the others is shown in noticing.pml: here a
 * death wakes all who watch it. */
#ifndef SENDERS
#define SENDERS 1
#endif
#ifndef RECEIVERS
#define RECEIVERS 1
#endif
#ifndef REAPERS
#define REAPERS 0 /* strangers who have the mutexes of the dead repaired */
#endif
#ifndef CRASHES
#define CRASHES 1
#endif
#ifndef LIMIT
#define LIMIT 1 /* messages that fit */
#endif
#ifndef SENDS
#define SENDS 2 /* of the first sender; one of the second */
#endif
#ifndef IMPATIENT
#define IMPATIENT 0 /* this one may give up revoking, and begin anew */
#endif
#ifdef MAKER
#define MADE 1 /* the first sender has made the pipe, and does no more: it holds
                  its end only until another does */
#else
#define MADE 0
#endif
#define N (SENDERS + RECEIVERS + REAPERS)

#define MUTEXES 2
#include "lock.pml"

/* Of side 0, the senders, and side 1, the receivers. */
#define SIDE(p) ((p) > SENDERS)
byte position[2]; /* the commit words: messages sent, and received */
bool flag[2];     /* one of that side sleeps, inside */
byte bias[2];     /* whose; with REVOKING; SHARED; 0: nobody's yet */
bool busy[2];     /* whose it is is inside by it */
#define REVOKING 8
#define SHARED 16

byte changes; /* of who holds which end */
bool holds[MAX], ended[MAX];

bool asleep[MAX]; /* on its side's flag, the changes, and lives */
byte watched[MAX]; /* lives, as bits */
bool naps[MAX];
#define LIFE(p) (1 << (p))

byte known[2]; /* the changes that the side has seen to */

byte inside[2]; /* not of the protocol: who is */

#define ALIVE(p) (!dead[p] && !ended[p])
#define HOLDS(p) (holds[p] && ALIVE(p))
#ifdef MAKER
#define SENDERS_GONE (!HOLDS(2) && (came || !HOLDS(1)))
#elif SENDERS == 2
#define SENDERS_GONE (!HOLDS(1) && !HOLDS(2))
#else
#define SENDERS_GONE (!HOLDS(1))
#endif
#if RECEIVERS == 2
#define RECEIVERS_GONE (!HOLDS(SENDERS + 1) && !HOLDS(SENDERS + 2))
#else
#define RECEIVERS_GONE (!HOLDS(SENDERS + 1))
#endif
#define GONE(side) ((side) == 0 && SENDERS_GONE || \
    (side) == 1 && RECEIVERS_GONE)
bool came;

/* ---- The store buffers ---- */

#define ENTERS 1
#define COMMITS 2
#define LEAVES 3
chan buffer[MAX] = [4] of { byte };
byte e;

inline make_visible(p) {
    buffer[p]?e;
    if
    :: e == ENTERS -> busy[SIDE(p)] = true
    :: e == COMMITS -> position[SIDE(p)]++
    :: e == LEAVES -> busy[SIDE(p)] = false
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
    :: atomic { len(buffer[4]) > 0 -> make_visible(4) }
    od
}

inline fence() {
#ifndef NO_FENCE
    atomic { flush(1); flush(2); flush(3); flush(4) }
#else
    skip
#endif
}

/* ---- Sleep ---- */

#define WAKE_IF(p, condition)                                                 \
    if :: asleep[p] && (condition) -> asleep[p] = false :: else fi

inline wake(side) {
    d_step {
        WAKE_IF(1, SIDE(1) == side);
        WAKE_IF(2, SIDE(2) == side);
        WAKE_IF(3, SIDE(3) == side);
        WAKE_IF(4, SIDE(4) == side)
    }
}

/* Who holds an end has changed. */
inline tell_news() {
    changes++;
    d_step {
        WAKE_IF(1, true);
        WAKE_IF(2, true);
        WAKE_IF(3, true);
        WAKE_IF(4, true)
    }
}

inline wake_for_life(p) {
    WAKE_IF(1, watched[1] & LIFE(p));
    WAKE_IF(2, watched[2] & LIFE(p));
    WAKE_IF(3, watched[3] & LIFE(p));
    WAKE_IF(4, watched[4] & LIFE(p))
}

#define LIVES(p, side) (HOLDS(p) && SIDE(p) == (side) -> LIFE(p) : 0)
#define ALL_LIVE(lives)                                                       \
    (((lives) & LIFE(1)) == 0 || ALIVE(1)) &&                                 \
    (((lives) & LIFE(2)) == 0 || ALIVE(2)) &&                                 \
    (((lives) & LIFE(3)) == 0 || ALIVE(3)) &&                                 \
    (((lives) & LIFE(4)) == 0 || ALIVE(4))

/* ---- The biased lock ---- */

/* Whether the side is entered by its bias. */
#define HAS_OWNER(side) (bias[side] != 0 && bias[side] != SHARED &&           \
    ALIVE(bias[side] & 7))
#define STAYS_HELD(side) (owner[side] != 0 || busy[side] && HAS_OWNER(side))

/* The dead may have lowered the other side's flag, and not yet woken. It is not
 * lowered here: the owner of this side may be inside, and would believe that
 * the other is awake already. */
inline repair() {
    wake(1 - s)
}

inline entered() {
    atomic { assert(inside[s] == 0); inside[s] = me }
}

/* The bias of a living one is gone for good: it may be between its two looks,
 * and about to write `busy`. */
inline revoke() {
    other = bias[s] & 7;
    bias[s] = other | REVOKING;
#ifndef UNFENCED
    fence();
#endif
    if
    :: me == IMPATIENT && busy[s] -> goto gave_up
#ifdef NOT_AWAITED
    :: true
#else
    :: !busy[s] || !ALIVE(other)
#endif
    fi;
    busy[s] = false;
    bias[s] = SHARED;
    other = 0
}

inline settle() {
    if
    :: bias[s] == me
    :: bias[s] == SHARED
    :: bias[s] == (me | REVOKING) -> bias[s] = SHARED
    :: HAS_OWNER(s) && (bias[s] & 7) != me -> revoke()
    :: bias[s] != SHARED && !HAS_OWNER(s) ->
        busy[s] = false;
        bias[s] = me
    fi
}

inline enter_by_mutex() {
    atomic { flush(me) };
    if
    :: atomic { owner[s] == 0 -> owner[s] = me }
    fi;
    if
    :: died[s] -> repair(); died[s] = false
    :: !died[s]
    fi;
    settle();
    entered()
}

inline leave_mutex() {
    atomic { flush(me); inside[s] = 0; owner[s] = 0 }
}

/* ---- Sending and receiving ---- */

/* What is in the own buffer is known to oneself. */
#define READY (s == 0 && mine - position[1] < LIMIT ||                       \
    s == 1 && position[0] != mine)

/* The owner's quick way. Whether that was all is in `done`. */
inline go_quickly() {
    if
    :: bias[s] == me ->
        buffer[me]!ENTERS;
        if
#ifdef OWNER_CHECKED_ONCE
        :: true ->
#else
        :: bias[s] == me ->
#endif
            entered();
            if
            :: READY ->
                if
#ifdef NEVER_LOOKS
                :: true ->
#else
                :: !flag[1 - s] ->
#endif
#ifdef LEAVES_BEFORE_COMMIT
                    atomic { buffer[me]!LEAVES; inside[s] = 0 };
                    buffer[me]!COMMITS;
#else
                    buffer[me]!COMMITS;
                    atomic { buffer[me]!LEAVES; inside[s] = 0 };
#endif
                    mine++;
                    done = true
#ifndef NEVER_LOOKS
                :: flag[1 - s]
#endif
                fi
            :: !READY
            fi;
            if
            :: !done -> atomic { buffer[me]!LEAVES; inside[s] = 0 }
            :: done
            fi
#ifndef OWNER_CHECKED_ONCE
        :: bias[s] != me -> buffer[me]!LEAVES
#endif
        fi
    :: bias[s] != me
    :: true /* a large message */
    fi
}

inline wake_before_commit() {
    if
    :: flag[1 - s] ->
        atomic { flush(me); flag[1 - s] = false };
        wake(1 - s)
    :: !flag[1 - s]
    fi
}

#ifdef CHANGES_UNWATCHED
#define CHANGES_SEEN true
#else
#define CHANGES_SEEN (changes == known[s])
#endif

/* Something has changed: leaves the mutex meanwhile. */
inline catch_up() {
    leave_mutex();
    seen = changes;
    if
    :: s == 0 && RECEIVERS_GONE -> over[me] = true; goto left
    :: else
    fi;
    enter_by_mutex();
    known[s] = seen;
    seen = 0
}

/* With the mutex, and not ready. */
inline sleep() {
    atomic { flush(me); flag[s] = true };
#ifndef NO_FENCE
    if
    :: HAS_OWNER(1 - s) -> fence()
    :: !HAS_OWNER(1 - s)
    fi;
#endif
#ifdef LOOKS_BEFORE_INSIDE
    ready = READY;
#endif
#ifndef TRUSTS_FLAG
    nap = STAYS_HELD(1 - s);
#endif
#ifndef LOOKS_BEFORE_INSIDE
    ready = READY;
#endif
    if
    :: ready
    :: !ready ->
#ifndef HOLDERS_UNWATCHED
        d_step {
            watch = LIVES(1, 1 - s) | LIVES(2, 1 - s) | LIVES(3, 1 - s) |
                LIVES(4, 1 - s)
        };
#endif
        if
        :: GONE(1 - s) ->
#ifndef GONE_UNLOOKED
            if
            :: READY
            :: !READY -> over[me] = true; goto finished
            fi
#else
            over[me] = true;
            goto finished
#endif
        :: !GONE(1 - s) ->
            if
            :: atomic { flag[s] && CHANGES_SEEN && ALL_LIVE(watch) ->
                    asleep[me] = true;
                    naps[me] = nap;
                    watched[me] = watch
                };
                if
                :: !asleep[me]
                :: nap && (READY || !STAYS_HELD(1 - s))
                fi;
                d_step { asleep[me] = false; watched[me] = 0; naps[me] = false }
            :: !(flag[s] && CHANGES_SEEN && ALL_LIVE(watch))
            fi
        fi
    fi;
    d_step { ready = false; nap = false; watch = 0 }
}

inline go_by_mutex() {
    enter_by_mutex();
    mine = position[s];
    do
    :: changes != known[s] -> catch_up(); mine = position[s]
    :: changes == known[s] ->
        if
        :: READY -> break
        :: !READY -> sleep()
        fi
    od;
#ifndef WAKES_AFTER_COMMIT
    wake_before_commit();
#endif
    buffer[me]!COMMITS;
    mine++;
#ifdef WAKES_AFTER_COMMIT
    wake_before_commit();
#endif
finished:
    assert(!over[me] || s == 0 || !READY);
    d_step { ready = false; nap = false; watch = 0; seen = 0 };
    leave_mutex()
}

/* Comes to hold the end of which only the maker is known. */
inline begin_to_hold() {
#ifdef COUNTED_FIRST
    came = true;
    holds[me] = true;
    tell_news()
#else
    holds[me] = true;
    tell_news();
    came = true
#endif
}

/* Closes its end, and lives on. */
inline close() {
    atomic { flush(me); holds[me] = false };
    tell_news()
}

#define QUOTA (me == 1 -> SENDS : 1)

proctype user(byte me; byte s) {
    byte n, mine, other, seen, watch;
    bool done, nap, ready;
    {
        if
        :: MADE != 0 && me == 2 -> begin_to_hold()
        :: else
        fi;
        do
        :: s == 0 && n == QUOTA -> break
        :: s == 1 || n < QUOTA ->
            n = (s == 0 -> n + 1 : 0);
#ifdef QUITS
            if
            :: s == 1 -> break
            :: true
            fi;
#endif
            go_quickly();
            if
            :: done -> done = false
            :: !done -> go_by_mutex()
            fi;
left:       if
            :: over[me] -> break
            :: !over[me]
            fi;
            goto next;
gave_up:    other = 0;
            atomic { owner[s] = 0; n = (s == 0 -> n - 1 : 0) };
next:       seen = 0
        od;
        over[me] = true;
        d_step { mine = 0; n = 0; seen = 0 };
        if
        :: true -> close()
        :: atomic { flush(me); ended[me] = true; wake_for_life(me) }
        :: s == 0 /* does nothing any more, and holds its end */
        fi
    } unless { killed() }
}

/* Has repaired what the dead may have left: with the mutex, but the bias may be
 * another's. */
proctype reaper(byte me) {
    byte s;
    {
        do
        :: atomic { owner[0] == 0 && died[0] -> owner[0] = me; s = 0 };
repairs:    repair();
            died[s] = false;
            unlock(s);
            s = 0
        :: atomic { owner[1] == 0 && died[1] -> owner[1] = me; s = 1 };
            goto repairs
        od
    } unless { killed() }
}

/* Whatever it had stored is to be seen; who watches it wakes. */
inline die(p) {
    flush(p);
    if
    :: inside[SIDE(p)] == p -> inside[SIDE(p)] = 0
    :: else
    fi;
    bury(p);
    asleep[p] = false;
    watched[p] = 0;
    naps[p] = false;
    wake_for_life(p)
}

#define DIES(p) (p > MADE && MAY_DIE(p))

proctype deaths() {
    byte m;
    do
    :: atomic { DIES(1) -> die(1) }
    :: atomic { DIES(2) -> die(2) }
    :: atomic { DIES(3) -> die(3) }
    :: atomic { DIES(4) -> die(4) }
    :: atomic { DIES(5) -> die(5) }
    :: break
    od
}

init {
    byte i;

    atomic {
        do
        :: i < SENDERS + RECEIVERS ->
            i++;
            holds[i] = MADE == 0 || i != 2;
            if
            :: i > MADE -> run user(i, SIDE(i))
            :: else
            fi
        :: i >= SENDERS + RECEIVERS && i < N -> i++; run reaper(i)
        :: i == N -> break
        od;
        i = 0;
        run time();
        run deaths()
    };
    timeout;
    do
    :: i < SENDERS + RECEIVERS ->
        i++;
        assert(over[i] || dead[i] || i == MADE ||
            (SIDE(i) == 1 && position[0] == position[1] && !SENDERS_GONE));
        assert(!naps[i])
    :: else -> break
    od
}
