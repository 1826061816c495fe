/* SPDX-License-Identifier: MIT */
/* The bell (src/region/bell.{h,c}): whoever waits for a word to change does
 * not sleep on after it has, whoever dies.
 *
 * The data word is a semaphore's count (a waiter takes one; each post rings
 * for one), or with -DEVENT a flag that is raised once and rings for all. */
#ifndef WAITERS
#define WAITERS 2
#endif
#ifndef NOTIFIERS
#define NOTIFIERS 2
#endif
#ifndef CRASHES
#define CRASHES 1
#endif
#ifndef IMPATIENT
#define IMPATIENT 0 /* waiters up to this number may come back any time */
#endif
#define N (WAITERS + NOTIFIERS)

#define WORDS 1
#define BELL 1 /* always 0 */

#include "robust.pml"

byte data, waiters;
byte posted, taken;

inline count_up() {
#ifdef FLAG_INSTEAD_OF_COUNT
    waiters = 1
#else
    waiters++
#endif
}

inline count_down() {
#ifdef FLAG_INSTEAD_OF_COUNT
    waiters = 0
#else
    waiters--
#endif
}

inline arm() {
    pending[me] = BELL
}

/* Sleeps while data == 0: enqueues on the bell, then compares the data. */
inline bell_wait() {
#ifndef WAITER_NOT_ARMED
    arm();
#endif
    count_up();
    if
    :: data == 0 ->
#ifdef COMPARE_BEFORE_ENQUEUE
        asleep[me] = BELL;
        goto sleeping;
#else
        asleep[me] = BELL;
#endif
        if
        :: data == 0 ->
sleeping:   if
            :: asleep[me] == 0
            :: atomic { me <= IMPATIENT && asleep[me] != 0 -> asleep[me] = 0 }
            fi
        :: data != 0 -> asleep[me] = 0
        fi
    :: data != 0
    fi;
    count_down();
#ifndef NO_CASCADE
    if
    :: data != 0 ->
        if
        :: waiters != 0 -> wake_all(BELL)
        :: waiters == 0
        fi
    :: data == 0
    fi;
#endif
    pending[me] = 0
}

proctype waiter(byte me) {
    {
        do
#ifdef EVENT
        :: data != 0 -> break
#else
        :: atomic { data != 0 -> data--; taken++ }; break
#endif
        :: data == 0 -> bell_wait()
        od;
        over[me] = true
    } unless { killed() }
}

proctype notifier(byte me) {
    {
#ifndef NOTIFIER_NOT_ARMED
        arm();
#endif
#ifdef RING_BEFORE_COMMIT
        if
        :: waiters != 0 -> wake_all(BELL)
        :: waiters == 0
        fi;
#endif
#ifdef EVENT
        data = 1;
        if
        :: waiters != 0 -> wake_all(BELL)
        :: waiters == 0
        fi;
#else
        atomic { data++; posted++ };
#ifndef RING_BEFORE_COMMIT
        if
        :: waiters != 0 -> wake_one(BELL)
        :: waiters == 0
        fi;
#endif
#endif
        pending[me] = 0;
        over[me] = true
    } unless { killed() }
}

init {
    byte i;

    atomic {
        do
        :: i < WAITERS -> i++; run waiter(i)
        :: i >= WAITERS && i < N -> i++; run notifier(i)
        :: else -> break
        od;
        i = 0;
        run death()
    };
    timeout;
    do
    :: i < WAITERS -> i++; assert(data == 0 || over[i] || dead[i])
    :: else -> break
    od;
#ifndef EVENT
    assert(posted == taken + data)
#endif
}
