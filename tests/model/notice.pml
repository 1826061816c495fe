/* SPDX-License-Identifier: MIT */
/* Waiting in poll() for an object that changes by one store: an event that is
 * set. Who sets it without having seen that anybody polls does so by a
 * compare-and-swap of the word in which that would stand; else he enters himself
 * as a teller, pages those who are armed, and sets it then.
 *
 * No poller sleeps when the event is set. */
#ifndef POLLERS
#define POLLERS 1
#endif
#ifndef SETTERS
#define SETTERS 2
#endif
#ifndef CRASHES
#define CRASHES 1
#endif
#define N (POLLERS + SETTERS)

#define MUTEXES 1 /* there is none */
#include "lock.pml"

bool polled, set;    /* one word */
bool armed[MAX];     /* one word: a bit for each poller */
bool readable[MAX];  /* the descriptors of the pollers */
bool teller[MAX];    /* has entered himself */

#define ALIVE(p) (teller[p] && !dead[p])
#define LEFT(p)  (teller[p] && dead[p])

inline page_all() {
    readable[1] = true;
    if :: POLLERS > 1 -> readable[2] = true :: else fi
}

inline page_armed() {
    d_step {
        one = armed[1];
        two = armed[2];
        armed[1] = false;
        armed[2] = false
    };
    if :: one -> readable[1] = true :: else fi;
    if :: two -> readable[2] = true :: else fi;
    one = false;
    two = false
}

inline forget(p) {
    if :: LEFT(p) -> teller[p] = false :: else fi
}

proctype poller(byte me) {
    {
        polled = true;
        readable[me] = true;
        do
        :: readable[me] ->
            if
            :: set -> break
            :: !set ->
                readable[me] = false;
                armed[me] = true;
#ifndef TELLER_UNSEEN
                /* One at a time, as the poller looks. */
                if :: ALIVE(2) -> readable[me] = true :: else fi;
                if :: ALIVE(3) -> readable[me] = true :: else fi;
                if :: ALIVE(4) -> readable[me] = true :: else fi;
#endif
#ifndef UNLOOKED
                if :: set -> readable[me] = true :: else fi
#endif
            fi
        od;
        finished()
    } unless { killed() }
}

#define OTHER(p) (p != me && teller[p])

inline tell() {
#ifndef OTHERS_UNSEEN
    if
#ifdef LIVING_OTHERS_UNSEEN
    :: LEFT(2) || LEFT(3) || LEFT(4) ->
#else
    :: OTHER(2) || OTHER(3) || OTHER(4) ->
#endif
#ifdef OTHERS_DISARMED
        d_step { armed[1] = false; armed[2] = false };
#endif
#ifdef FORGOTTEN_BEFORE_PAGING
        forget(2);
        forget(3);
        forget(4);
        page_all()
#else
        page_all();
        forget(2);
        forget(3);
        forget(4)
#endif
    :: else -> page_armed()
    fi
#else
    page_armed()
#endif
}

proctype setter(byte me) {
    bool one, two, done;
    {
        atomic {
#ifdef POLLED_UNSEEN
            true -> set = true; done = true
#else
            if
            :: !polled -> set = true; done = true
            :: else
            fi
#endif
        };
        if
        :: done
        :: !done ->
            teller[me] = true;
#ifdef TOLD_AFTER
            set = true;
            tell();
#else
            tell();
            set = true; /* commit */
#endif
            teller[me] = false
        fi;
        finished()
    } unless { killed() }
}

#define GONE(p) (dead[p] || over[p])

init {
    byte i;

    atomic {
        do
        :: i < POLLERS -> i++; run poller(i)
        :: i >= POLLERS && i < N -> i++; run setter(i)
        :: else -> break
        od;
        run death()
    };
    timeout;
    assert(!set || (GONE(1) && (POLLERS == 1 || GONE(2))))
}
