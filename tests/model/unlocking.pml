/* SPDX-License-Identifier: MIT */
/* The mutex with a release by a plain store, which the library does not have
 * yet: the store may wait in the releaser's buffer while it looks whether
 * somebody sleeps. So each sleeper has a membarrier empty all buffers, after
 * it has raised the flag and before it looks at the word. Who finds somebody
 * asleep has emptied its own before it looks further.
 *
 * Claims as in mutex.pml. Only the release is buffered; an atomic operation of
 * its own, a system call, a membarrier of anybody and its death empty a
 * buffer. */
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
#define WORDS 2
#define M 1
#define impatient false

#include "robust.pml"
#include "robust-mutex.pml"

byte inside;      /* who; dead ones too */
bool broken;      /* what the mutex guards is in disorder */
bool buffer[MAX]; /* the store of the release */

inline flush(p) {
    if
    :: buffer[p] -> buffer[p] = false; word[M] = 0
    :: else
    fi
}

inline membarrier() {
#ifndef NO_MEMBARRIER
    d_step { flush(1); flush(2); flush(3); flush(4) }
#else
    skip
#endif
}

proctype time() {
    do
    :: d_step { buffer[1] -> flush(1) }
    :: d_step { buffer[2] -> flush(2) }
    :: d_step { buffer[3] -> flush(3) }
    :: d_step { buffer[4] -> flush(4) }
    od
}

/* lock() of robust-mutex.pml, with the membarrier. */
inline lock_asymmetric() {
    pending[me] = M;
    d_step { flush(me) };
    if
    :: atomic { word[M] == 0 -> seen = 0; word[M] = me; goto got }
    :: word[M] != 0
    fi;
    try_word(M);
    do
    :: true ->
        waiting[me] = M;
        waiters[M] = true;
        membarrier();
        seen = word[M];
        if
        :: HAS_OWNER(seen) ->
            pending[me] = WAKING(M);
            sleep(M);
            begin_look(M)
        :: else
        fi;
        try_word(M)
    od
}

inline release_plainly() {
    buffer[me] = true; /* word[M] = 0, in a while */
    if
    :: waiters[M] ->
#ifndef NO_FENCE
        d_step { flush(me) };
#endif
        rouse_one(M)
    :: !waiters[M]
    fi;
    pending[me] = 0
}

proctype thread(byte me) {
    byte seen, n;
    {
        do
        :: n < ROUNDS ->
            n++;
            lock_asymmetric();
got:        acquired(M);
            d_step {
                assert(inside == 0 || dead[inside]);
                inside = me;
                if
                :: seen == DIED -> broken = false /* repair */
                :: else
                fi;
                assert(!broken);
                broken = true
            };
            d_step { broken = false; inside = 0 };
            if
            :: waiters[M] -> scrub(M)
            :: true
            fi;
scrubbed:   release_plainly()
        :: else -> break
        od;
        over[me] = true
    } unless { killed() }
}

proctype deaths() {
    byte slot;
    do
    :: atomic { MAY_DIE(1) -> flush(1); bury(1) }
    :: atomic { MAY_DIE(2) -> flush(2); bury(2) }
    :: atomic { MAY_DIE(3) -> flush(3); bury(3) }
    :: atomic { MAY_DIE(4) -> flush(4); bury(4) }
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
