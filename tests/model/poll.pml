/* SPDX-License-Identifier: MIT */
/* Waiting for a queue's messages in poll(). A poller that finds nothing makes
 * its descriptor unreadable, says so, and looks again. A message is put under
 * TAIL, one of a dead consumer is returned under HEAD (which a consumer that
 * sleeps holds as well), the queue is closed under CLOSERS; and each time the
 * pollers are paged before.
 *
 * No poller sleeps while there is a message, or when the queue is closed.
 *
 * Taking a message, which is queue.pml's, is one step here. */
#ifndef POLLERS
#define POLLERS 1
#endif
#ifndef PRODUCERS
#define PRODUCERS 1
#endif
#ifndef RETURNERS
#define RETURNERS 0
#endif
#ifndef LEADERS
#define LEADERS 0
#endif
#ifndef CLOSERS
#define CLOSERS 0
#endif
#ifndef CRASHES
#define CRASHES 1
#endif
#ifndef PUTS
#define PUTS 2 /* of all producers */
#endif
#ifndef IMPATIENT
#define IMPATIENT 0 /* so many producers may find no room, and give up */
#endif
#define N (POLLERS + PRODUCERS + RETURNERS + LEADERS + CLOSERS)

#define MUTEXES 3
#define TAIL 0
#define HEAD 1
#define CLOSING 2
#include "lock.pml"

#define SLEEPER 1
#define POLLER 2
byte flag;
bool armed[3];    /* one word: bits 1, 2 */
bool readable[3]; /* the descriptors of pollers 1, 2 */
byte put, returned, taken;
bool closed;

#define EMPTY (put + returned == taken)

inline page_all() {
    readable[1] = true;
    if
    :: POLLERS > 1 -> readable[2] = true
    :: else
    fi
}

/* By a producer, who takes away what he has seen. */
inline page_armed() {
    if
    :: flag != 0 ->
        atomic { was = flag; flag = 0 };
        if
        :: was & POLLER ->
#ifdef DISARMED_AFTER_PAGING
            one = armed[1];
            two = armed[2];
#else
            d_step {
                one = armed[1];
                two = armed[2];
                armed[1] = false;
                armed[2] = false
            };
#endif
            if :: one -> readable[1] = true :: else fi;
            if :: two -> readable[2] = true :: else fi;
#ifdef DISARMED_AFTER_PAGING
            d_step {
                if :: one -> armed[1] = false :: else fi;
                if :: two -> armed[2] = false :: else fi
            };
#endif
            one = false;
            two = false
        :: else
        fi;
        was = 0
    :: else
    fi
}

/* Whoever is inside has perhaps paged already: if he does not leave, the
 * descriptor is made readable. */
inline look_inside(m) {
    holder = owner[m];
    if
    :: holder != 0 ->
        if
        :: owner[m] != holder
        :: readable[me] = true
        fi
    :: else
    fi;
    holder = 0
}

proctype poller(byte me) {
    byte was, holder;
    {
        do
        :: readable[me] ->
            if
            :: atomic { !EMPTY -> taken++ }
            :: EMPTY && closed -> break
            :: EMPTY && !closed ->
                readable[me] = false;
                armed[me] = true;
                atomic { was = flag; flag = flag | POLLER };
#ifndef PUTTER_UNSEEN
                look_inside(TAIL);
#endif
#ifndef CLOSER_UNSEEN
                look_inside(CLOSING);
#endif
#ifndef RETURNER_UNSEEN
                if
                :: RETURNERS > 0 && !(was & SLEEPER) -> look_inside(HEAD)
                :: else
                fi;
#endif
                was = 0;
#ifndef UNLOOKED
                if
                :: !EMPTY || closed -> readable[me] = true
                :: else
                fi
#endif
            fi
        od;
        finished()
    } unless { killed() }
}

proctype producer(byte me) {
    byte was;
    bool one, two, impatient = me <= POLLERS + IMPATIENT;
    {
        do
        :: put < PUTS ->
            atomic { owner[TAIL] == 0 -> owner[TAIL] = me };
            if
            :: died[TAIL] ->
#ifdef FLAG_AFTER_PAGING
                page_all();
                flag = 0;
#elif defined(REPAIR_PAGES_ARMED)
                page_armed();
#else
                flag = 0;
                page_all();
#endif
                died[TAIL] = false
            :: else
            fi;
            if
            :: closed || put == PUTS || impatient
            :: !closed && put < PUTS ->
#ifdef WAKE_AFTER_COMMIT
                put++;
                page_armed()
#else
                page_armed();
                put++ /* commit */
#endif
            fi;
            unlock(TAIL);
            if
            :: closed -> break
            :: else
            fi
        :: put >= PUTS -> break
        od;
        finished()
    } unless { killed() }
}

/* A consumer that waits in a get: it only matters that it holds the mutex. */
proctype leader(byte me) {
    {
        atomic { owner[HEAD] == 0 -> owner[HEAD] = me };
        died[HEAD] = false;
        flag = flag | SLEEPER; /* one step */
        unlock(HEAD);
        finished()
    } unless { killed() }
}

proctype returner(byte me) {
    byte was;
    bool one, two;
    {
        atomic { owner[HEAD] == 0 -> owner[HEAD] = me };
        died[HEAD] = false;
#ifndef SLEEPER_STAYS
        flag = flag & ~SLEEPER;
#endif
#ifdef RETURNER_PAGES_ARMED
        page_armed();
#else
        page_all();
#endif
        returned++; /* commit */
        unlock(HEAD);
        finished()
    } unless { killed() }
}

proctype closer(byte me) {
    byte was;
    bool one, two;
    {
        atomic { owner[CLOSING] == 0 -> owner[CLOSING] = me };
        died[CLOSING] = false;
#ifdef CLOSER_PAGES_ARMED
        page_armed();
#else
        page_all();
#endif
        closed = true; /* commit */
        unlock(CLOSING);
        finished()
    } unless { killed() }
}

#define GONE(p) (dead[p] || over[p])

init {
    byte i;

    atomic {
        readable[1] = true;
        readable[2] = true;
        do
        :: i < POLLERS -> i++; run poller(i)
        :: i >= POLLERS && i < POLLERS + PRODUCERS -> i++; run producer(i)
        :: i >= POLLERS + PRODUCERS &&
            i < POLLERS + PRODUCERS + RETURNERS ->
            i++;
            run returner(i)
        :: i >= POLLERS + PRODUCERS + RETURNERS &&
            i < POLLERS + PRODUCERS + RETURNERS + LEADERS ->
            i++;
            run leader(i)
        :: i >= N - CLOSERS && i < N -> i++; run closer(i)
        :: else -> break
        od;
        run death()
    };
    timeout;
    assert((EMPTY && !closed) || (GONE(1) && (POLLERS == 1 || GONE(2))))
}
