/* SPDX-License-Identifier: MIT */
/* Who notices what becomes of messages that consumers hold: the leader of the
 * consumers, who sleeps with their mutex held, on a flag and, if the queue
 * redelivers, on the lives of all who hold some; and those in join(): they
 * sleep at a bell, on the count of finishes and on the lives of all who take.
 *
 * When all has come to rest: no message is in the queue while a consumer
 * sleeps, none is held by the dead while somebody is there to notice it,
 * nobody is in join() when all is done, nor in get() when the queue is closed
 * and nothing can come back.
 *
 * All messages are there from the beginning; taking one, and giving it back,
 * are one step (shelf.pml). The mutex is what mutex.pml shows it to be. A
 * thread holds the mutex or has the bell armed, never both.
 *
 * A burial may take two steps and its reaper die between; who waits for it
 * naps, that is, it waits for it to be over. */
#ifndef CONSUMERS
#define CONSUMERS 2
#endif
#ifndef JOINERS
#define JOINERS 1
#endif
#ifndef CRASHES
#define CRASHES 1
#endif
#ifndef MESSAGES
#define MESSAGES 1
#endif
#ifndef KEEPERS
#define KEEPERS 0 /* consumers up to this number may keep what they hold */
#endif
#ifdef REDELIVER
#define redeliver true
#else
#define redeliver false
#endif
#define N (CONSUMERS + JOINERS)
#define BELL 1
#define FLAG 2

#include "sleepers.pml"

#define FREE 0
#define WAITING 7
byte slot[MESSAGES + 1] = WAITING;

byte owner; /* of the consumers' mutex */
bool flag;  /* the leader sleeps */
byte joining, finishes;
byte takers; /* those who have ever taken something, as bits */
bool buried[MAX];
byte reaper[MAX];

#ifdef CLOSED
#define closed true
#else
#define closed false
#endif

#define HELD(s) (slot[s] != FREE && slot[s] != WAITING)
#define AVAILABLE (slot[1] == WAITING || slot[MESSAGES] == WAITING)
#define GONE(s) (HELD(s) && buried[slot[s]])
#define UNBURIED(s) (HELD(s) && dead[slot[s]] && !buried[slot[s]])

inline lock() {
    atomic { owner == 0 || dead[owner] -> owner = me }
}

#define unlock() owner = 0

/* ---- Burials ---- */

#define CLAIMABLE(p)                                                          \
    (N >= p && dead[p] && !buried[p] && (reaper[p] == 0 || dead[reaper[p]]))

inline drop_slot(s, p) {
    if
    :: slot[s] == p -> slot[s] = FREE
    :: slot[s] != p
    fi
}

/* mp__reap(). Without redelivery what the dead held is lost. */
inline bury_dead(p) {
    reaper[p] = me;
#ifndef REDELIVER
    drop_slot(1, p);
#if MESSAGES > 1
    drop_slot(2, p);
#endif
#endif
    takers = takers & ~LIFE(p);
#ifndef REDELIVER
    finished();
#endif
    atomic { buried[p] = true; wake_all_watchers(p) }
}

inline reap() {
    do
    :: atomic { CLAIMABLE(1) -> reaper[1] = me; p = 1 }; bury_dead(p)
    :: atomic { CLAIMABLE(2) -> reaper[2] = me; p = 2 }; bury_dead(p)
    :: atomic { CLAIMABLE(3) -> reaper[3] = me; p = 3 }; bury_dead(p)
    :: atomic { CLAIMABLE(4) -> reaper[4] = me; p = 4 }; bury_dead(p)
    :: atomic { CLAIMABLE(5) -> reaper[5] = me; p = 5 }; bury_dead(p)
    :: atomic { !CLAIMABLE(1) && !CLAIMABLE(2) && !CLAIMABLE(3) &&
                !CLAIMABLE(4) && !CLAIMABLE(5) -> p = 0; break }
    od
}

/* ---- Being done ---- */

/* all_is_done(): the queue is empty, then each slot free. */
inline look() {
    done = !AVAILABLE;
    if
    :: done ->
        done = slot[1] == FREE;
#if MESSAGES > 1
        if
        :: done -> done = slot[2] == FREE
        :: !done
        fi
#endif
    :: !done
    fi
}

inline ring_joiners() {
    arm(BELL);
    finishes++;
    ring_all(BELL);
    disarm()
}

/* Whatever the flag says: who lowered it may have died before the wake-up. */
inline wake_leader() {
#if !defined(CLOSED) || !defined(REDELIVER)
    skip
#elif defined(WAKES_BY_FLAG)
    if
    :: flag -> flag = false; ring_all(FLAG)
    :: !flag
    fi
#else
    flag = false;
    ring_all(FLAG)
#endif
}

/* mp__task_finished(). */
inline finished() {
    if
    :: joining != 0 ->
        look();
        if
        :: done -> ring_joiners()
        :: !done
        fi
    :: joining == 0
    fi;
    done = false;
    wake_leader()
}

#define MINE(s) (slot[s] == me)

inline ack() {
    arm(BELL);
    if
    :: atomic { MINE(1) -> slot[1] = FREE }
#if MESSAGES > 1
    :: atomic { MINE(2) -> slot[2] = FREE }
#endif
    fi;
    finished();
    disarm()
}

/* ---- Sleeping ---- */

inline pass_on(lives) {
    d_step {
        if :: (lives & LIFE(1)) && dead[1] -> wake_all_watchers(1) :: else fi;
        if :: (lives & LIFE(2)) && dead[2] -> wake_all_watchers(2) :: else fi;
        if :: (lives & LIFE(3)) && dead[3] -> wake_all_watchers(3) :: else fi;
        if :: (lives & LIFE(4)) && dead[4] -> wake_all_watchers(4) :: else fi;
        if :: (lives & LIFE(5)) && dead[5] -> wake_all_watchers(5) :: else fi
    }
}

/* Queued behind each life, unless one is over already. */
#define ONE_IS_OVER(lives)                                                    \
    (((lives & LIFE(1)) && dead[1]) || ((lives & LIFE(2)) && dead[2]) ||      \
     ((lives & LIFE(3)) && dead[3]) || ((lives & LIFE(4)) && dead[4]) ||      \
     ((lives & LIFE(5)) && dead[5]))

inline watch_lives(lives) {
    if
    :: atomic { !ONE_IS_OVER(lives) -> watched[me] = lives }; woken[me]
    :: ONE_IS_OVER(lives)
    fi
}

/* ---- The leader ---- */

#define OTHERS_HOLD(s) (HELD(s) && slot[s] != me)

inline list_owner(s) {
    atomic {
        if
        :: HELD(s) && slot[s] != me -> lives = lives | LIFE(slot[s])
        :: else
        fi
    }
}

inline list_owners() {
#ifdef REDELIVER
    list_owner(1);
#if MESSAGES > 1
    list_owner(2)
#endif
#else
    skip
#endif
}

inline give_back(s) {
    atomic {
        if
        :: GONE(s) -> slot[s] = WAITING
        :: else
        fi
    }
}

/* settle_dead(): with the mutex held. */
inline settle_dead() {
    do
#ifdef REDELIVER
    :: true ->
        give_back(1);
#if MESSAGES > 1
        give_back(2);
#endif
        if
        :: UNBURIED(1) || UNBURIED(MESSAGES) ->
            unlock();
            reap();
            /* another is at it: nap */
            if
            :: !UNBURIED(1) && !UNBURIED(MESSAGES)
            :: CLAIMABLE(1) || CLAIMABLE(2) || CLAIMABLE(3) || CLAIMABLE(4)
            fi;
            lock()
        :: !UNBURIED(1) && !UNBURIED(MESSAGES) -> break
        fi
#else
    :: true -> break
#endif
    od
}

/* The mutex is held. `got`, or the queue is over: then it is not. */
inline await() {
    do
    :: true ->
#ifdef LIST_BEFORE_LOCK
        skip;
#else
        lives = 0;
#endif
        settle_dead();
        if
        :: atomic { slot[1] == WAITING -> slot[1] = me; break }
#if MESSAGES > 1
        :: atomic { slot[2] == WAITING -> slot[2] = me; break }
#endif
        :: !AVAILABLE
        fi;
#ifndef LIST_BEFORE_FLAG
        flag = true;
#endif
#ifndef LIST_BEFORE_LOCK
        list_owners();
#endif
#ifdef LIST_BEFORE_FLAG
        flag = true;
#endif
#ifdef LIVES_UNWATCHED
        lives = 0;
#endif
        if
        :: closed && (!redeliver || lives == 0) -> over[me] = true; break
        :: !closed || (redeliver && lives != 0)
        fi;
        queued[me] = FLAG;
        if
        :: flag -> watch_lives(lives)
        :: !flag
        fi;
        dequeue();
#ifdef LIST_BEFORE_LOCK
        break
#endif
    od;
    lives = 0;
    unlock()
}

/* Before it may take anything. */
inline note_taker() {
    if
    :: atomic { !(takers & LIFE(me)) -> takers = takers | LIFE(me) };
        if
        :: joining != 0 -> ring_joiners()
        :: joining == 0
        fi
    :: takers & LIFE(me)
    fi
}

proctype consumer(byte me) may_run {
    byte p, lives;
    bool done;
    {
        do
        :: true ->
#ifndef NOTED_LATE
            note_taker();
#endif
#ifdef LIST_BEFORE_LOCK
            lives = 0;
            list_owners();
#endif
            lock();
            await();
#ifdef NOTED_LATE
            note_taker();
#endif
            if
            :: MINE(1) || MINE(MESSAGES) ->
                if
                :: me <= KEEPERS -> false
                :: true -> ack()
                fi
            :: over[me] -> break
            :: !MINE(1) && !MINE(MESSAGES) && !over[me]
            fi
        od
    } unless {
        d_step { killed(); p = 0; lives = 0; done = false; condemned = 0 }
    }
}

/* ---- Joiners ---- */

inline list_takers() {
#ifdef TAKERS_UNWATCHED
    lives = 0
#else
    lives = takers & ~LIFE(me)
#endif
}

proctype joiner(byte me) may_run {
    byte p, lives, seen;
    bool done;
    {
#ifndef UNCOUNTED
        joining++;
#endif
        do
        :: true ->
            seen = finishes;
            list_takers();
            if
            :: ONE_IS_OVER(lives) ->
                reap();
                /* another is at it: nap */
                if
                :: !ONE_IS_OVER(takers)
                :: CLAIMABLE(1) || CLAIMABLE(2) || CLAIMABLE(3) ||
                        CLAIMABLE(4)
                fi
#ifdef REDELIVER
            :: !ONE_IS_OVER(lives) && (GONE(1) || GONE(MESSAGES)) ->
                /* nap, while another has the mutex and does not sleep */
                if
                :: atomic { owner == 0 || dead[owner] -> owner = me };
                    settle_dead();
                    unlock()
                :: !GONE(1) && !GONE(MESSAGES)
                fi
            :: !ONE_IS_OVER(lives) && !GONE(1) && !GONE(MESSAGES) ->
#else
            :: !ONE_IS_OVER(lives) ->
#endif
                arm(BELL);
                look();
                if
                :: done -> goto finish
                :: !done
                fi;
#ifdef UNCOUNTED
                joining++;
#endif
                queued[me] = BELL;
                if
                :: finishes == seen -> watch_lives(lives)
                :: finishes != seen
                fi;
                dequeue();
#ifndef NO_CASCADE
                pass_on(lives);
#endif
#ifdef UNCOUNTED
                joining--;
#endif
                look();
                if
                :: done ->
finish:             ring_joiners();
                    break
                :: !done
                fi;
                disarm()
            fi
        od;
        disarm();
        d_step { over[me] = true; lives = 0; seen = 0; done = false }
    } unless {
        d_step {
            killed();
            p = 0;
            lives = 0;
            seen = 0;
            done = false;
            condemned = 0
        }
    }
}

#define IS_CONSUMER(p) (p <= CONSUMERS)
#define SLEEPS(p) (N >= p && ASLEEP(p) && !dead[p])
#define CONSUMER_SLEEPS(p) (SLEEPS(p) && IS_CONSUMER(p))
#define JOINS(p) (N >= p && p > CONSUMERS && !dead[p] && !over[p])
#define ALL_DONE (slot[1] == FREE && slot[MESSAGES] == FREE)
#define HELD_BY_DEAD(s) (HELD(s) && dead[slot[s]])
#define GETS(p)                                                               \
    (p <= CONSUMERS && !dead[p] && !over[p] && slot[1] != p &&                \
     slot[MESSAGES] != p)
#define SOMEBODY_GETS (GETS(1) || GETS(2) || GETS(3) || GETS(4))

init {
    byte i;

    atomic {
        do
        :: i < CONSUMERS -> i++; run consumer(i)
        :: i >= CONSUMERS && i < N -> i++; run joiner(i)
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
    /* Nothing is there for a consumer that waits. */
    assert(!(AVAILABLE && SOMEBODY_GETS));
    /* Nor with one of the dead. */
    assert(!redeliver || !SOMEBODY_GETS ||
           !(HELD_BY_DEAD(1) || HELD_BY_DEAD(MESSAGES)));
    /* Nobody waits when all is done. */
    assert(!ALL_DONE || !(JOINS(1) || JOINS(2) || JOINS(3) || JOINS(4) ||
                          JOINS(5)));
    /* Nor for what the dead held. */
    assert(!(HELD_BY_DEAD(1) || HELD_BY_DEAD(MESSAGES)) ||
           !(JOINS(1) || JOINS(2) || JOINS(3) || JOINS(4) || JOINS(5)));
    /* Nor at the end of the queue. */
    assert(!closed || !ALL_DONE || !SOMEBODY_GETS)
}
