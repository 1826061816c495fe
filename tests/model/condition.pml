/* SPDX-License-Identifier: MIT */
/* The line of a condition (src/sync/condition{,_line}.c).
 *
 * Who has been notified does not sleep on. A notification is not lost while
 * there is somebody to have it: neither with its notifier, once committed, nor
 * with a waiter that dies before it has the lock back, nor with one whose time
 * is over. Without deaths exactly as many as were to be are notified, the
 * first in line.
 *
 * The lock is what gate.pml shows it to be; with -DHANDED it keeps nobody
 * out. */
#ifndef WAITERS
#define WAITERS 2
#endif
#ifndef NOTIFIERS
#define NOTIFIERS 1
#endif
#ifndef REAPERS
#define REAPERS 0 /* processes that come by and bury the dead */
#endif
#ifndef CRASHES
#define CRASHES 1
#endif
#ifndef IMPATIENT
#define IMPATIENT 0 /* waiters up to this number have a deadline */
#endif
#ifndef MANY
#define MANY 1 /* so many are to be notified */
#endif
#ifndef STAGED
#define STAGED 0 /* 1: all sleep, then the first notifies, then the others */
#endif
#ifndef STANDING
#define STANDING 0 /* waiters up to this number stand in line already */
#endif
#define N (WAITERS + NOTIFIERS + REAPERS)
#define BELL 1

#include "sleepers.pml"

/* A waiter's own doorbell: as if its word were that of a life. */
#define DOOR 0

byte owner; /* of the lock; 0: free */

byte tickets, granted, rung, ringer;
byte line; /* as bits */

/* Slots of the participants' table. */
bool stands[MAX], buried[MAX];
byte ticket[MAX];
byte door[MAX]; /* the doorbell's waiters */
byte reaper[MAX];

byte sent, received; /* notifications */

#ifdef HANDED
#define ANYBODY_ENTERS true
#else
#define ANYBODY_ENTERS false
#endif

inline lock() {
    atomic {
        ANYBODY_ENTERS || owner == 0 || dead[owner] -> owner = me
    }
}

#define unlock() owner = 0

/* ---- Looking along the line ---- */

/* What a walk reads of one slot. `bits` is the line as it was at first. */
#define IN_LINE(p) ((bits & LIFE(p)) && stands[p])
#define IS_DEAD(p) (buried[p] || dead[p])

/* A walk: a step for each slot; or, with -DSTRIDES, a step for all. */
#ifdef STRIDES
#define WALK_BEGIN                                                            \
    atomic {                                                                  \
        i = 1;                                                                \
        bits = line;                                                          \
        do                                                                    \
        :: i <= WAITERS
#define WALK_END                                                              \
            i++                                                               \
        :: else -> break                                                      \
        od;                                                                   \
        i = 0;                                                                \
        bits = 0                                                              \
    }
#else
#define WALK_BEGIN                                                            \
    i = 1;                                                                    \
    do                                                                        \
    :: atomic {                                                               \
            if                                                                \
            :: i == 1 -> bits = line                                          \
            :: else                                                           \
            fi
#define WALK_END                                                              \
            i++;                                                              \
            if                                                                \
            :: i > WAITERS -> i = 0; bits = 0; break                          \
            :: else                                                           \
            fi                                                                \
        }                                                                     \
    od
#endif

/* ---- Ringing ---- */

/* Wakes all who are notified. */
inline wake_up_to(ticket_) {
    WALK_BEGIN;
    if
    :: IN_LINE(i) && !IS_DEAD(i) && ticket[i] <= ticket_ && door[i] != 0 ->
        if
        :: WATCHES(i, DOOR) -> UNWATCH(i, DOOR)
        :: else
        fi
    :: else
    fi;
    WALK_END
}

#ifdef LEAVES_UNLOOKED
#define LOOKS_AGAIN false
#else
#define LOOKS_AGAIN true
#endif

/* Who was woken meanwhile may have left it to us: so we look once more after we
 * have said that we are not at it. */
inline ring() {
    do
    :: granted_ = granted;
        if
        :: rung != granted_ ->
            ringer = me;
            wake_up_to(granted_);
            rung = granted_
        :: rung == granted_ ->
            atomic {
                granted_ = 0;
                if
                :: ringer == me -> ringer = 0
                :: else
                fi
            };
            granted_ = granted;
            if
            :: !LOOKS_AGAIN || rung == granted_ -> break
            :: LOOKS_AGAIN && rung != granted_ ->
                if
                :: ringer != 0 && !dead[ringer] -> break
                :: ringer == 0 || dead[ringer]
                fi
            fi
        fi
    od;
    granted_ = 0
}

/* ---- Notifying ---- */

/* The `n` first of `living`, a set of tickets. */
inline choose() {
    atomic {
        chosen = 0;
        i = 1;
        do
        :: i <= tickets && chosen < n ->
            if
            :: living & LIFE(i) -> chosen++; last = i
            :: else
            fi;
            i++
        :: else -> break
        od;
        i = 0;
        living = 0;
        if
        :: wanted == 0 -> wanted = chosen
        :: else
        fi
    }
}

#define REACHED(p) (!buried[p] && ticket[p] > granted_ && ticket[p] <= last)

/* For the claims: how many of the chosen it did reach. */
inline count_given(whose) {
    bits = line;
    i = (IN_LINE(1) && REACHED(1)) + (IN_LINE(2) && REACHED(2)) +
        (IN_LINE(3) && REACHED(3));
    bits = 0;
    i = (i < chosen -> i : chosen);
    given = given + i;
    if
    :: whose == me -> sent = sent + i
    :: else
    fi;
    i = 0
}

/* Nobody is there to have what a dead one leaves: who comes later need not. */
inline count_dropped(whose) {
    if
    :: whose != me && given == 0 && sent > 0 -> sent--
    :: else
    fi
}

/* `whose` it is: if not one's own, what a dead one was notified of. */
inline notify(many, whose) {
    n = many;
    do
    :: atomic { n > 0 -> arm(BELL); granted_ = granted };
        WALK_BEGIN;
        if
        :: IN_LINE(i) && !IS_DEAD(i) && ticket[i] > granted_ ->
            living = living | LIFE(ticket[i])
        :: else
        fi;
        WALK_END;
        choose();
        if
        :: atomic { chosen != 0 -> ringer = me };
            if
            :: atomic { granted == granted_ ->
                    granted = last;
                    count_given(whose) };
                WALK_BEGIN;
                if
                :: IN_LINE(i) && REACHED(i) -> reached++
                :: else
                fi;
                WALK_END;
                atomic {
                    n = (reached < chosen -> chosen - reached : 0);
#ifdef NO_RECOUNT
                    n = 0;
#endif
                    reached = 0
                };
                ring()
            :: granted != granted_
            fi
        :: atomic { chosen == 0 -> n = 0; count_dropped(whose) };
            ring()
        fi
    :: else -> break
    od;
    atomic {
        assert(given >= wanted || chosen == 0);
        disarm();
        chosen = 0; wanted = 0; last = 0; given = 0; granted_ = 0
    }
}

/* ---- Burying ---- */

#define MAY_REAP(p) (dead[p] && stands[p] &&                                  \
    (reaper[p] == 0 || dead[reaper[p]]))

#ifdef NO_PASSING_ON
#define PASSES_ON false
#else
#define PASSES_ON true
#endif

/* First the bit, so that none is left behind by who dies in the middle. */
inline bury(p) {
    buried[p] = true;
    if
    :: PASSES_ON && granted >= ticket[p] -> notify(1, p)
    :: !PASSES_ON || granted < ticket[p]
    fi;
    line = line & ~LIFE(p);
    stands[p] = false
}

inline reap() {
    do
    :: atomic { MAY_REAP(1) -> whom = 1; reaper[1] = me }; bury(whom)
    :: atomic { MAY_REAP(2) -> whom = 2; reaper[2] = me }; bury(whom)
    :: atomic { MAY_REAP(3) -> whom = 3; reaper[3] = me }; bury(whom)
    :: else -> break
    od;
    whom = 0
}

/* ---- Waiting ---- */

inline join() {
    atomic { tickets++; ticket[me] = tickets; door[me] = 0 };
    stands[me] = true;
    line = line | LIFE(me)
}

#ifdef LIVES_UNWATCHED
#define LIFE_WATCHED(p) 0
#else
#define LIFE_WATCHED(p) LIFE(p)
#endif

#define DEAD(p) (dead[p] << p)

inline pass_on(p) {
    if
    :: (lives & LIFE(p)) && dead[p] -> wake_all_watchers(p)
    :: else
    fi
}

/* Sleeps once; `reaped`: the dead before us are in somebody's hands. */
inline sleep_in_line() {
    WALK_BEGIN;
    if
    :: IN_LINE(i) && ticket[i] < ticket[me] && IS_DEAD(i) -> deaths = true
    :: IN_LINE(i) && ticket[i] < ticket[me] && !IS_DEAD(i) ->
        lives = lives | LIFE_WATCHED(i)
    :: else
    fi;
    WALK_END;
    if
    :: deaths && !reaped ->
        disarm();
        reap();
        atomic { arm(BELL); reaped = true; goto awake }
    :: !deaths || reaped
    fi;
    reaped = false;
    door[me]++;
    atomic { queued[me] = BELL; watched[me] = LIFE(DOOR) };
    if
    :: granted != seen -> goto dequeue_
    :: granted == seen
    fi;
    atomic {
        if
        :: lives & (DEAD(1) | DEAD(2) | DEAD(3)) -> goto dequeue_
        :: else -> watched[me] = watched[me] | lives
        fi
    };
    if
    :: woken[me]
    :: deaths
    :: me <= IMPATIENT -> late = true
    fi;
dequeue_:
    skip;
    dequeue();
    door[me]--;
    atomic {
        pass_on(1);
        pass_on(2);
        pass_on(3)
    };
awake:
    atomic { deaths = false; lives = 0 }
}

#ifdef NO_CASCADE
#define RINGS false
#else
#define RINGS true
#endif

/* Sees to it that all who are concerned know what has been granted. */
inline look() {
    seen = granted;
    if
    :: RINGS && rung != seen ->
        if
        :: ringer == 0 || dead[ringer] -> ring()
        :: ringer != 0 && !dead[ringer]
        fi
    :: !RINGS || rung == seen
    fi
}

inline wait_in_line() {
    arm(BELL);
    do
    :: true ->
        look();
        if
        :: seen < ticket[me] && !late -> sleep_in_line()
        :: seen >= ticket[me] || late -> break
        :: seen < ticket[me] && !late && me <= IMPATIENT -> break
        fi
    od;
    atomic { disarm(); late = false; reaped = false; seen = 0 }
}

inline leave() {
    atomic {
        line = line & ~LIFE(me);
        was_granted = granted >= ticket[me];
        received = received + was_granted
    };
    stands[me] = false;
    atomic {
        if
        :: !was_granted && granted >= ticket[me] -> received++
        :: else
        fi;
        was_granted = false
    }
}

/* ---- Processes ---- */

#define FORGET_NOTIFYING                                                      \
    i = 0; n = 0; bits = 0; living = 0; last = 0; chosen = 0; wanted = 0;     \
    given = 0; reached = 0; granted_ = 0; whom = 0; condemned = 0

proctype waiter(byte me) may_run {
    byte i, n, bits, living, last, chosen, wanted, given, reached, granted_,
        whom;
    byte seen, lives;
    bool deaths, reaped, late, was_granted;
    {
        if
        :: me > STANDING ->
            lock();
            join();
            unlock()
        :: me <= STANDING
        fi;
        wait_in_line();
        lock();
        leave();
        atomic { unlock(); over[me] = true }
    } unless {
        d_step {
            killed();
            FORGET_NOTIFYING;
            seen = 0; lives = 0; deaths = false; reaped = false;
            late = false; was_granted = false
        }
    }
}

#define ALL_SLEEP (queued[1] != 0 && queued[WAITERS] != 0)

proctype notifier(byte me) may_run {
    byte i, n, bits, living, last, chosen, wanted, given, reached, granted_,
        whom;
    {
        !STAGED || granted != 0 || (me == WAITERS + 1 && ALL_SLEEP);
        lock();
        if
        :: line != 0 -> reap(); notify(MANY, me)
        :: line == 0
        fi;
        atomic { unlock(); over[me] = true }
    } unless {
        d_step { killed(); FORGET_NOTIFYING }
    }
}

proctype undertaker(byte me) may_run {
    byte i, n, bits, living, last, chosen, wanted, given, reached, granted_,
        whom;
    {
        reap();
        over[me] = true
    } unless {
        d_step { killed(); FORGET_NOTIFYING }
    }
}

/* ---- When all has come to rest ---- */

init {
    byte i;
    bool somebody;

    atomic {
        do
        :: i < WAITERS ->
            i++;
            run waiter(i);
            if
            :: i <= STANDING ->
                tickets++;
                ticket[i] = tickets;
                stands[i] = true;
                line = line | LIFE(i)
            :: else
            fi
        :: i >= WAITERS && i < WAITERS + NOTIFIERS -> i++; run notifier(i)
        :: i >= WAITERS + NOTIFIERS && i < N -> i++; run undertaker(i)
        :: else -> break
        od;
        i = 0;
        do
        :: i < CRASHES -> i++; run death()
        :: else -> break
        od;
        i = 0
    };
    timeout;
    do
    :: i < N ->
        i++;
        if
        :: !over[i] && !dead[i] ->
            assert(ASLEEP(i));
            assert(ticket[i] > granted);
            somebody = true
        :: else
        fi
    :: else -> break
    od;
    assert(!somebody || received >= sent);
#ifndef HANDED
    assert(CRASHES != 0 || received == sent)
#endif
}
