/* SPDX-License-Identifier: MIT */
/* The queue: a mutex for producers, one for consumers. Who finds it full (or
 * empty) sleeps with its mutex held, as the leader of its side; the others
 * sleep on the mutex. The other side wakes the leader before it commits.
 *
 * Nobody sleeps for ever while there is something for him to do, and each
 * committed message is taken once and whole. */
#ifndef PRODUCERS
#define PRODUCERS 1
#endif
#ifndef CONSUMERS
#define CONSUMERS 1
#endif
#ifndef CRASHES
#define CRASHES 1
#endif
#ifndef LIMIT
#define LIMIT 1 /* messages that fit */
#endif
#ifndef PUTS
#define PUTS 2 /* of all producers */
#endif
#ifndef IMPATIENT
#define IMPATIENT 0 /* processes up to this number have a deadline */
#endif
#ifndef CLOSERS
#define CLOSERS 0
#endif
#define N (PRODUCERS + CONSUMERS + CLOSERS)

#define MUTEXES 2
#define WORDS 6
#define TAIL 1
#define HEAD 2
#define NOT_FULL 5  /* 1: a producer sleeps, as leader */
#define NOT_EMPTY 6 /* 1: a consumer does */

#include "robust.pml"
#include "robust-mutex.pml"

byte tail, head; /* the commit words: messages put, messages taken */
byte slot[LIMIT];

byte closing;
#define CLOSING 1 /* no put begins any more */
#define CLOSED 2  /* and none is under way */

/* What the repair of either mutex does: the dead may have lowered the other
 * side's flag, and not yet woken. */
inline rouse(flag) {
    word[flag] = 0;
#ifndef NO_REPAIR_WAKE
    wake_all(flag)
#endif
}

inline wake_leader(flag) {
    if
    :: word[flag] != 0 ->
        word[flag] = 0;
        wake_all(flag)
    :: word[flag] == 0
    fi
}

/* Holding the mutex, sleeps unless `*word` is not `at` any more, or the stage
 * of closing not what the caller saw. Goes to expired if the time is over. */
inline lead(flag, other, position) {
    if
    :: impatient -> goto expired
    :: true
    fi;
#ifdef CLOSING_SEEN_LATE
    stage = closing;
#endif
    word[flag] = 1;
    /* One of the other side that is in its mutex may have looked at the flag
     * before we set it. Wait until it has left, or else sleep only for a
     * while. Who holds the mutex after it has seen the flag. */
    holder = word[other];
    if
    :: HAS_OWNER(holder) ->
        if
        :: word[other] != holder
        :: position != at
        :: busy = true
        fi
    :: else
    fi;
    holder = 0;
    if
    :: position != at
    :: position == at ->
        if
        :: closing != stage
        :: closing == stage ->
            if
            :: atomic { word[flag] == 1 -> asleep[me] = flag };
#ifdef TRUST_FLAG
                busy = false;
#endif
                if
                :: asleep[me] == 0
                :: atomic { (busy || impatient) && asleep[me] != 0 ->
                        asleep[me] = 0 }
                fi
            :: word[flag] == 0
            fi
        fi
    fi;
    busy = false
}

proctype producer(byte me) {
    byte seen, at, stage, holder;
    bool impatient = me <= IMPATIENT, busy;
    {
        do
        :: tail < PUTS ->
            lock(TAIL);
got:        acquired(TAIL);
            if
            :: seen == DIED -> rouse(NOT_EMPTY)
            :: else
            fi;
            do
            :: true ->
                stage = closing;
                if
                :: stage != 0 -> over[me] = true; goto expired
                :: else
                fi;
                at = head;
                if
                :: tail - at < LIMIT -> break
                :: else -> lead(NOT_FULL, HEAD, head)
                fi
            od;
#ifndef WAKE_AFTER_COMMIT
            wake_leader(NOT_EMPTY);
#endif
            slot[tail % LIMIT] = tail + 1;
            tail++; /* commit */
#ifdef WAKE_AFTER_COMMIT
            wake_leader(NOT_EMPTY);
#endif
expired:    at = 0;
            if
            :: waiters[TAIL] -> scrub(TAIL)
            :: true
            fi;
scrubbed:   release_word(TAIL);
            goto next;
gave_up:    leave(TAIL);
next:       if
            :: over[me] -> break
            :: else
            fi
        :: tail >= PUTS -> break
        od;
        over[me] = true
    } unless { killed() }
}

/* A producer that sleeps holding its mutex has to leave: also if a consumer
 * has lowered its flag, and died before it woke it. */
inline begin_to_finish_close() {
    rouse(NOT_FULL)
}

/* What is under the producers' mutex when a queue is closed. */
inline finish_close() {
    wake_leader(NOT_EMPTY);
    closing = CLOSED
}

proctype consumer(byte me) {
    byte seen, at, stage, holder, m = HEAD;
    bool impatient = me <= IMPATIENT, busy;
    {
        do
        :: true ->
            lock(m);
got:        acquired(m);
            if
            :: seen == DIED && m == HEAD -> rouse(NOT_FULL)
            :: seen == DIED && m == TAIL -> rouse(NOT_EMPTY)
            :: else
            fi;
            if
            :: m == TAIL -> finish_close(); goto expired
            :: else
            fi;
            do
            :: true ->
                stage = closing;
                at = tail;
                if
                :: at != head -> break
                :: at == head && stage == CLOSED ->
                    over[me] = true;
                    goto expired
                :: at == head && stage == CLOSING -> goto expired
                :: at == head && stage == 0 -> lead(NOT_EMPTY, TAIL, tail)
                fi
            od;
            stage = 0;
#ifndef WAKE_AFTER_COMMIT
            wake_leader(NOT_FULL);
#endif
            assert(slot[head % LIMIT] == head + 1);
            head++; /* commit */
#ifdef WAKE_AFTER_COMMIT
            wake_leader(NOT_FULL);
#endif
expired:    at = 0;
            if
            :: waiters[m] -> scrub(m)
            :: true
            fi;
scrubbed:   release_word(m);
            if
            :: over[me] -> break
            :: m == HEAD && stage == CLOSING && !over[me] ->
                begin_to_finish_close();
                m = TAIL /* to finish the close */
            :: else -> m = HEAD
            fi;
            goto next;
gave_up:    leave(m);
            over[me] = true;
            break;
next:       stage = 0
        od
    } unless { killed() }
}

proctype closer(byte me) {
    byte seen;
    bool impatient = false;
    {
        atomic { closing == 0 -> closing = CLOSING };
        begin_to_finish_close();
        lock(TAIL);
got:    acquired(TAIL);
        if
        :: seen == DIED -> rouse(NOT_EMPTY)
        :: else
        fi;
        finish_close();
        if
        :: waiters[TAIL] -> scrub(TAIL)
        :: true
        fi;
scrubbed:
        release_word(TAIL);
gave_up:
        over[me] = true
    } unless { killed() }
}

#define GONE(p) (dead[p] || over[p])
#define CONSUMERS_GONE (GONE(PRODUCERS + 1) && GONE(PRODUCERS + CONSUMERS))
#define PRODUCERS_GONE (GONE(1) && GONE(PRODUCERS))

init {
    byte i;

    atomic {
        do
        :: i < PRODUCERS -> i++; run producer(i)
        :: i >= PRODUCERS && i < PRODUCERS + CONSUMERS ->
            i++;
            run consumer(i)
        :: i >= PRODUCERS + CONSUMERS && i < N -> i++; run closer(i)
        :: else -> break
        od;
        run death()
    };
    timeout;
    assert(head == tail || CONSUMERS_GONE);
    assert(tail - head == LIMIT || PRODUCERS_GONE);
    assert(closing != CLOSED || (CONSUMERS_GONE && PRODUCERS_GONE));
    assert(CLOSERS == 0 || dead[N] || closing == CLOSED)
}
