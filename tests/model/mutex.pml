/* SPDX-License-Identifier: MIT */
/* The internal mutex: nobody sleeps for ever beside a free mutex, two are
 * never inside, and after a death the repair comes before anything else. */
#ifndef N
#define N 3
#endif
#ifndef CRASHES
#define CRASHES 1
#endif
#ifndef ROUNDS
#define ROUNDS 1
#endif
#ifndef IMPATIENT
#define IMPATIENT 0 /* so many of them have a deadline */
#endif
#define MUTEXES 1
#define WORDS 2
#define M 1

#include "robust.pml"
#include "robust-mutex.pml"

byte inside; /* who; dead ones too */
bool broken; /* what the mutex guards is in disorder */

inline enter() {
    d_step {
        assert(inside == 0 || dead[inside]);
        inside = me
    }
}

proctype thread(byte me) {
    byte seen, n;
    bool impatient = me <= IMPATIENT;
    {
        do
        :: n < ROUNDS ->
            n++;
            lock(M);
got:        acquired(M);
            enter();
            if
            :: seen == DIED -> broken = false /* repair */
            :: else
            fi;
            d_step { assert(!broken); broken = true };
            d_step { broken = false; inside = 0 };
            if
            :: waiters[M] -> scrub(M)
            :: true
            fi;
scrubbed:   release_word(M);
            goto next;
gave_up:    leave(M);
next:       skip
        :: else -> break
        od;
        over[me] = true
    } unless { killed() }
}

init {
    byte i;

    atomic {
        do
        :: i < N -> i++; run thread(i)
        :: else -> break
        od;
        i = 0;
        run death()
    };
    timeout;
    do
    :: i < N -> i++; assert(over[i] || dead[i])
    :: else -> break
    od
}
