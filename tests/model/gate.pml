/* SPDX-License-Identifier: MIT */
/* The gate (src/sync/gate.[ch]), and at it a lock (lock.[ch]); with
 * -DSEMAPHORE permits without owners (semaphore.c), with -DTRACKED two permits
 * that have owners (places.c).
 *
 * Two never own the lock, or the same permit, unless the first is dead. Nobody
 * sleeps on beside one that is free or left behind. And when all has come to
 * rest, each owner for whom others sleep has one of them watching its life.
 *
 * A short slice may end at any time, a long one never ends. Some owners keep
 * what they have got: until they die, or for good. */
#ifndef N
#define N 3
#endif
#ifndef STRANGERS
#define STRANGERS 0 /* so many of them only release, what others own */
#endif
#ifndef CRASHES
#define CRASHES 1
#endif
#ifndef ROUNDS
#define ROUNDS 1
#endif
#ifndef IMPATIENT
#define IMPATIENT 0 /* processes up to this number have a deadline */
#endif
#ifndef KEEPERS
#define KEEPERS 1 /* processes up to this number may keep what they get */
#endif
#ifndef HOARDERS
#define HOARDERS 0 /* 1: process 1 has both permits, and keeps them */
#endif
#ifndef COUNT
#define COUNT 1 /* of permits, at first */
#endif
#ifdef TRACKED
#define PERMITS 2
#else
#define PERMITS 1
#endif
#define BELL 1

#include "sleepers.pml"

byte owner[PERMITS];  /* 0: free */
byte inside[PERMITS]; /* who uses it; dead ones too */
bool handed;          /* a stranger has released it */
byte count = COUNT;   /* of a semaphore; tracked: how often one was given */
byte waiters;         /* of the bell */
bool waking;          /* of the gate */
byte calm;
bool keeps[MAX];

/* ---- The gate ---- */

inline gate_look() {
#ifndef WAKING_STAYS
    if
    :: waking -> waking = false
    :: !waking
    fi
#else
    skip
#endif
}

inline gate_open() {
    if
    :: !waking ->
        if
        :: atomic { !waking -> waking = true }; ring_one(BELL)
        :: waking
        fi
    :: waking
    fi
}

inline open_if_waited() {
    if
    :: waiters != 0 -> gate_open()
    :: waiters == 0
    fi
}

/* ---- What there is to get ---- */

/* take(): either `got`, or `seen` tells what there is. choose_lives(): whose
 * deaths would matter; looks again if somebody is dead already. */

#if defined(SEMAPHORE)

#define CHANGED (count != 0)

inline take() {
    atomic {
        if
        :: count > 0 -> count--; got = true
        :: else
        fi
    }
}

#define choose_lives() skip

inline any_left() {
#ifdef NO_PASSING_ON
    skip
#else
    more = more || count > 0
#endif
}

#elif defined(TRACKED)

#define CHANGED (count != seen)

inline take_from(i, whom) {
    atomic {
        if
        :: !got && (owner[i] == 0 || dead[whom]) ->
            owner[i] = me;
            place = i;
            got = true
        :: else
        fi
    }
}

inline take() {
    seen = count;
    take_from(0, 0);
    take_from(1, 0);
    take_from(0, owner[0]);
    take_from(1, owner[1])
}

inline choose_life(i, who) {
    atomic {
        who = owner[i];
        if
        :: who == 0 || dead[who] -> life = 0; life2 = 0; seen = 0; goto again
        :: else
        fi
    }
}

inline choose_lives() {
    choose_life(0, life);
    choose_life(1, life2)
}

#define LEFT(i) (owner[i] == 0 || dead[owner[i]])

inline any_left() {
    more = more || LEFT(0);
    more = more || LEFT(1)
}

#else

#define CHANGED (owner[0] != seen)
#define FREE (seen == 0 || (dead[seen] && !handed))

inline take() {
    do
    :: atomic {
            seen = owner[0];
            if
            :: FREE
            :: else -> break
            fi
        };
        atomic {
            if
            :: owner[0] == seen -> owner[0] = me; got = true; break
            :: else
            fi
        }
    od
}

inline choose_lives() {
    atomic {
        if
        :: FREE -> goto again
        :: !dead[seen] -> life = seen
        :: else
        fi
    }
}

#define any_left() more = more && !got

#endif

/* ---- Waiting ---- */

inline watch(who) {
    if
    :: atomic { who != 0 && !dead[who] ->
            watched[me] = watched[me] | LIFE(who) }
    :: who != 0 && dead[who] -> goto awake
    :: who == 0
    fi
}

inline pass_on(who) {
    if
    :: who != 0 && dead[who] -> wake_all_watchers(who)
    :: else
    fi
}

/* mp__gate_sleep(): `late` if the deadline has passed, `quiet` after a slice
 * without news. */
inline gate_sleep() {
    if
    :: atomic { quiet -> calm++ }; waiters++
    :: atomic { !quiet -> waiters++ }
    fi;
    queued[me] = BELL;
#ifndef WAKING_UNWATCHED
    if
    :: waking -> goto awake
    :: !waking
    fi;
#endif
    if
    :: CHANGED -> goto awake
    :: !CHANGED
    fi;
    watch(life);
#ifdef TRACKED
    watch(life2);
#endif
    if
    :: woken[me]
    :: !quiet && life != 0 -> slice_over = true
    :: me <= IMPATIENT -> late = true
    fi;
awake:
    dequeue();
    waiters--;
    atomic {
        if
        :: quiet -> calm--
        :: else
        fi;
        pass_on(life);
#ifdef TRACKED
        pass_on(life2);
        life2 = 0;
#endif
        slept = true;
        quiet = slice_over;
        slice_over = false;
        life = 0;
        seen = 0
    }
}

#ifdef NO_SENTINEL
#define WATCH_WANTED false
#else
#define WATCH_WANTED (calm != 0)
#endif

inline gate_leave() {
    atomic { slept -> more = late };
    any_left();
    gate_look();
    if
    :: waiters != 0 && (more || WATCH_WANTED) -> gate_open()
    :: waiters == 0 || (!more && !WATCH_WANTED)
    fi
}

inline acquire() {
    take();
    if
    :: atomic { !got -> arm(BELL); seen = 0 };
again:  gate_look();
        take();
        if
        :: atomic { !got && !late -> choose_lives() };
            gate_sleep();
            goto again
        :: atomic { !got && me <= IMPATIENT -> late = true };
            goto leave
        :: got || late ->
leave:      if
            :: gate_leave()
            :: !slept -> gate_look()
            fi
        fi
    :: got
    fi;
    d_step {
        disarm();
        slept = false;
        late = false;
        quiet = false;
        more = false;
        seen = 0
    }
}

/* ---- Releasing ---- */

#if defined(SEMAPHORE) || defined(TRACKED)

inline give() {
#ifdef TRACKED
    owner[place] = 0;
#endif
    count++
}

inline release() {
#ifdef ARM_AFTER_COMMIT
    give();
    arm(BELL);
#else
    arm(BELL);
    give();
#endif
    open_if_waited();
    disarm()
}

#else

/* Without waiters the bell is not armed before the commit. */
inline release() {
    if
    :: waiters == 0 ->
        if
        :: atomic { owner[0] == me -> owner[0] = 0 };
            if
            :: atomic { waiters != 0 -> arm(BELL) }; gate_open()
            :: waiters == 0
            fi;
            goto released
        :: owner[0] != me
        fi
    :: true
    fi;
    do
    :: atomic {
            seen = owner[0];
#ifndef ARM_AFTER_COMMIT
            arm(BELL);
#endif
            if
            :: seen == 0 -> goto released
            :: seen != 0
            fi
        };
        if
        :: atomic { seen != me -> handed = true }
        :: seen == me
        fi;
        atomic {
            if
            :: owner[0] == seen -> owner[0] = 0; break
            :: else
            fi
        }
    od;
    arm(BELL);
    open_if_waited();
released:
    disarm()
}

#endif

/* ---- Processes ---- */

inline enter() {
#ifdef SEMAPHORE
    skip
#else
    assert(inside[place] == 0 || dead[inside[place]] || handed);
    inside[place] = me
#endif
}

inline leave_it() {
#ifdef SEMAPHORE
    skip
#else
    if
    :: inside[place] == me -> inside[place] = 0
    :: else
    fi
#endif
}

proctype thread(byte me) may_run {
    byte n, place, seen, life, life2;
    bool got, late, more, slept, quiet, slice_over;
    {
        do
        :: n < ROUNDS ->
            n++;
            acquire();
            if
            :: atomic { got -> enter() };
                if
                :: atomic { me <= KEEPERS -> keeps[me] = true }; false
                :: true
                fi;
                atomic { leave_it(); got = false };
                release();
                d_step { place = 0; seen = 0 }
            :: !got
            fi
        :: else -> break
        od;
        over[me] = true
    } unless {
        d_step {
            killed();
            n = 0; place = 0; seen = 0; life = 0; life2 = 0;
            got = false; late = false; more = false; slept = false;
            quiet = false; slice_over = false;
            condemned = 0
        }
    }
}

proctype hoarder(byte me) may_run {
    {
        false
    } unless {
        d_step { killed(); condemned = 0 }
    }
}

proctype stranger(byte me) may_run {
    byte place, seen;
    {
        release();
        over[me] = true
    } unless {
        d_step { killed(); place = 0; seen = 0; condemned = 0 }
    }
}

/* ---- When all has come to rest ---- */

#define WAITS(p) (p <= N && !over[p] && !dead[p] && !keeps[p])

inline check_owner(i) {
    if
    :: !somebody || handed && owner[i] != 0
    :: else ->
        assert(owner[i] != 0 && !dead[owner[i]]);
        assert(lives & LIFE(owner[i]))
    fi
}

init {
    byte i, lives;
    bool somebody;

    atomic {
        do
        :: i < HOARDERS ->
            i++;
            run hoarder(i);
            keeps[i] = true;
            owner[0] = i;
            owner[PERMITS - 1] = i
        :: i >= HOARDERS && i < N - STRANGERS -> i++; run thread(i)
        :: i >= N - STRANGERS && i < N -> i++; run stranger(i)
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
        :: WAITS(i) ->
            assert(ASLEEP(i));
            somebody = true;
            lives = lives | watched[i]
        :: else
        fi
    :: else -> break
    od;
#if defined(SEMAPHORE)
    assert(!somebody || count == 0)
#elif defined(TRACKED)
    check_owner(0);
    check_owner(1)
#else
    check_owner(0)
#endif
}
