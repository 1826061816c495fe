/* SPDX-License-Identifier: MIT */
/* The consumers' shelf: messages that have left the ring of a queue and are
 * not done. A slot is FREE, WAITING (in the queue), or somebody's, BUSY while
 * he fills or empties it. The head tells what is in the queue, {count, place},
 * and a store of it is the commit of each change but one: an ack is the store
 * of FREE, by the slot's owner, without a mutex.
 *
 * Each message is acked once, or lost once, and then its block is freed, once;
 * not while a slot, the ring, or one who copies it has it.
 *
 * How messages are taken:
 *   REDELIVER  ring -> WAITING slot -> slot of the taker, with the block; what
 *              the dead had goes back
 *   ORDERED    ring -> WAITING slots, all of them -> out, the block in hand
 *   TAKE       ring -> slot of the taker, with the block
 *   (none)     ring -> slot of the taker without, and the block in hand
 *
 * Producers' steps are not modelled here (hand.pml does), nor those of the
 * heap: a block is freed, and out of the hand, in one step. Message n is the
 * nth of the ring, and its block has the same number. */
#ifndef CONSUMERS
#define CONSUMERS 2
#endif
#ifndef REAPERS
#define REAPERS 1
#endif
#ifndef JOINERS
#define JOINERS 0
#endif
#ifndef CRASHES
#define CRASHES 1
#endif
#ifndef MESSAGES
#define MESSAGES 2
#endif
#ifndef SLOTS
#define SLOTS MESSAGES
#endif
#ifndef MATES
#define MATES 0 /* the consumers up to this number are of one process */
#endif
#define N (CONSUMERS + REAPERS + JOINERS)

#define MUTEXES 1
#define HEAD 0
#include "lock.pml"

#define FREE 0
#define WAITING 7
#define BUSY 8
#define OWNER(word) ((word) & 7)

byte slot[SLOTS + 1];       /* the owner word */
byte slot_block[SLOTS + 1]; /* 0: inline, or in the hand */
byte message[SLOTS + 1];    /* not of the protocol */

byte tail, count, place; /* messages put; the head */

#define DRAIN 1
#define POP 2
#define DIRECT 3
#define RETURN 4
byte intent_slot, intent_kind, intent_count, intent_place;
byte intent_part, intent_block;

byte hand[8], holding[8];
bool hand_mutex[8];

#define ALIVE 0
#define BURIED 7
byte state[8]; /* ALIVE, the index of its reaper, BURIED */

/* What ought to be. */
bool live[MESSAGES + 1], done[MESSAGES + 1], lost[MESSAGES + 1];

#ifdef TAKEOVER_BEFORE_BURIAL
#define GONE(p) (p != FREE && p != WAITING && dead[p])
#else
#define GONE(p) (p != FREE && p != WAITING && state[p] == BURIED)
#endif
#define LEFT(s) (SLOTS >= s && GONE(OWNER(slot[s])))
#define SOMETHING_LEFT (LEFT(1) || LEFT(2) || LEFT(3))

#if defined(INLINE)
#define BLOCK(m) 0
#else
#define BLOCK(m) (m)
#endif
#define IN_SLOT(s, b) (SLOTS >= s && slot[s] != FREE && slot_block[s] == b)

inline free_block(p, b) {
    d_step {
        assert(live[b]);
        assert(b <= place); /* not in the ring */
        assert(!IN_SLOT(1, b) && !IN_SLOT(2, b) && !IN_SLOT(3, b));
        live[b] = false;
        if :: hand[p] == b -> hand[p] = 0 :: else fi
    }
}

inline clear_hand_of(p, b) {
    d_step { if :: b != 0 && hand[p] == b -> hand[p] = 0 :: else fi }
}

/* The intent counts from its last store on, and no more from its first. */
inline intend(kind, s) {
    d_step {
        intent_kind = kind;
        intent_count = count;
        intent_place = place;
        intent_slot = s
    }
}

inline forget() {
    d_step {
        intent_slot = 0;
        intent_kind = 0;
        intent_count = 0;
        intent_place = 0;
        intent_part = 0;
        intent_block = 0
    }
}

#define COMMITTED (count != intent_count || place != intent_place)

inline repair() {
    if
#ifndef REPAIR_FORGETS
    :: intent_slot != 0 ->
        if
        :: intent_kind == DRAIN ->
            slot[intent_slot] = (COMMITTED -> WAITING : FREE)
        :: intent_kind == POP && !COMMITTED ->
            slot[intent_slot] = WAITING
#ifdef ORDERED
        :: intent_kind == POP && COMMITTED ->
            slot[intent_slot] = FREE
#endif
        :: intent_kind == DIRECT && !COMMITTED ->
            slot[intent_slot] = FREE
        :: intent_kind == RETURN && COMMITTED ->
            slot[intent_slot] = WAITING
        :: else
        fi;
        if
        :: !COMMITTED -> clear_hand_of(intent_part, intent_block)
        :: else
        fi;
        forget()
#else
    :: true -> forget()
#endif
    :: else
    fi
}

inline lock() {
    if
    :: atomic { owner[HEAD] == 0 && !died[HEAD] -> owner[HEAD] = me }
    :: atomic { owner[HEAD] == 0 && died[HEAD] -> owner[HEAD] = me };
        repair();
        died[HEAD] = false
    fi
}

inline settle() {
    if
    :: atomic { died[HEAD] && owner[HEAD] == 0 -> owner[HEAD] = me };
        repair();
        died[HEAD] = false;
        unlock(HEAD)
    :: !died[HEAD]
    fi
}

#define IS_WAITING(s) (SLOTS >= s && slot[s] == WAITING)
#define WAITERS (IS_WAITING(1) + IS_WAITING(2) + IS_WAITING(3))

/* With the mutex in order: what the head says. */
inline check_count() {
    assert(intent_slot != 0 || tail - count == tail - place + WAITERS)
}

inline find_free() {
    if
    :: slot[1] == FREE -> s = 1
    :: SLOTS >= 2 && slot[1] != FREE && slot[2] == FREE -> s = 2
    :: SLOTS >= 3 && slot[1] != FREE && slot[2] != FREE &&
            slot[SLOTS] == FREE -> s = SLOTS
    :: else -> s = 0
    fi
}

#define FIRST(s)                                                            \
    (IS_WAITING(s) && (!IS_WAITING(1) || message[s] <= message[1]) &&       \
     (!IS_WAITING(2) || message[s] <= message[2]) &&                        \
     (!IS_WAITING(3) || message[s] <= message[SLOTS]))

inline find_waiting() {
    if
    :: FIRST(1) -> s = 1
    :: SLOTS >= 2 && FIRST(2) -> s = 2
    :: SLOTS >= 3 && FIRST(SLOTS) -> s = SLOTS
    :: else -> s = 0
    fi
}

inline find_left() {
    if
    :: LEFT(1) -> s = 1
    :: !LEFT(1) && LEFT(2) -> s = 2
    :: !LEFT(1) && !LEFT(2) && LEFT(3) -> s = 3
    :: else -> s = 0
    fi
}

inline drain() {
    find_free();
    if
    :: s != 0 ->
        d_step { slot_block[s] = BLOCK(place + 1); message[s] = place + 1 };
        intend(DRAIN, s);
        slot[s] = WAITING;
        place++; /* commit */
        forget()
    :: else
    fi
}

/* Takes the message of slot s, and leaves the mutex. */
inline pop() {
#ifdef ORDERED
    block = slot_block[s];
    d_step { intend(POP, s); intent_part = me; intent_block = block };
    hand[me] = block;
#else
    intend(POP, s);
#ifndef OWNER_AFTER_COMMIT
    slot[s] = me | BUSY;
#endif
#endif
    d_step { /* commit */
        assert(!done[message[s]] && !lost[message[s]]);
#ifdef ORDERED
        done[message[s]] = true;
#endif
        count++
    };
#ifdef ORDERED
    slot[s] = FREE;
#endif
#ifdef OWNER_AFTER_COMMIT
    slot[s] = me | BUSY;
#endif
    forget()
}

/* The first message of the ring, at once into a slot of mine. */
inline direct() {
#ifdef TAKE
    d_step { slot_block[s] = BLOCK(place + 1); message[s] = place + 1 };
    intend(DIRECT, s);
#else
    block = BLOCK(place + 1);
    d_step { slot_block[s] = 0; message[s] = place + 1 };
    d_step { intend(DIRECT, s); intent_part = me; intent_block = block };
    hand[me] = block;
#endif
#ifndef OWNER_AFTER_COMMIT
    slot[s] = me | BUSY;
#endif
    d_step { /* commit */
        assert(!done[message[s]] && !lost[message[s]]);
        count++;
        place++
    };
#ifdef OWNER_AFTER_COMMIT
    slot[s] = me | BUSY;
#endif
    forget()
}

/* Puts what the dead had in slot s back into the queue. First of all the slot
 * is ours: a mate of the dead may be about to ack it. */
inline give_back() {
#ifdef RETURN_WITHOUT_TAKEOVER
    owned = LEFT(s);
#else
    atomic {
        owned = LEFT(s);
        if :: owned -> slot[s] = me | BUSY :: else fi
    };
#endif
    if
    :: owned ->
#ifndef RETURN_WITHOUT_INTENT
        intend(RETURN, s);
#endif
        d_step { /* commit */
            assert(!done[message[s]] && !lost[message[s]]);
            count--
        };
        slot[s] = WAITING;
        owned = false;
        forget()
    :: else
    fi
}

/* Slot s, which is mine and BUSY: done with, or else lost. */
inline finish(well) {
    block = slot_block[s];
    if
    :: block != 0 ->
#ifdef HAND_BEFORE_HOLDING
        hand[me] = block;
        holding[me] = s;
#else
        holding[me] = s;
        hand[me] = block;
#endif
#ifdef HOLDING_CLEARED_EARLY
        holding[me] = 0;
#endif
    :: else
    fi;
    d_step { /* commit */
        assert(!done[message[s]] && !lost[message[s]]);
        assert(slot[s] == (me | BUSY));
        if
        :: well -> done[message[s]] = true
        :: else -> lost[message[s]] = true
        fi;
        slot[s] = FREE
    };
    if
    :: block != 0 ->
        free_block(me, block);
        holding[me] = 0
    :: else
    fi;
    block = 0
}

inline get() {
#ifdef SETTLE_IF_BLOCK
    hand_mutex[me] = BLOCK(1) != 0;
#else
    hand_mutex[me] = true;
#endif
    lock();
#ifdef REDELIVER
    find_left();
    if
    :: s == 0
    :: s != 0 ->
        if
        :: give_back()
#ifdef MAY_DROP
        :: atomic { LEFT(s) -> slot[s] = me | BUSY };
            unlock(HEAD);
            finish(false);
            lock()
#endif
        fi
    fi;
#endif
#if defined(REDELIVER) || defined(ORDERED)
    do
    :: place < tail &&
#ifdef REDELIVER
            WAITERS == 0 ->
#else
            true ->
#endif
        drain();
        if
        :: s == 0 -> break
        :: else
        fi
    :: else -> break
    od;
    find_waiting();
    if
    :: s != 0 -> pop()
    :: else
    fi;
#else
    find_free();
    if
    :: place < tail && s != 0 -> direct()
    :: else -> s = 0
    fi;
#endif
    check_count();
    unlock(HEAD);
    hand_mutex[me] = false;
    if
    :: s != 0 ->
#if defined(REDELIVER) || defined(TAKE)
        /* The copying. */
        assert(slot_block[s] == 0 || live[slot_block[s]]);
#else
        if
        :: block != 0 ->
            assert(live[block]);
            free_block(me, block);
            block = 0
        :: else
        fi;
#endif
#ifndef ORDERED
        slot[s] = me;
#endif
    :: else
    fi;
    s = 0
}

#define MINE(s) (SLOTS >= s && slot[s] == me)
#define MATES_OWN(s)                                                        \
    (SLOTS >= s && me <= MATES && OWNER(slot[s]) <= MATES &&                \
     slot[s] != FREE && MATE_MAY(s))
#ifdef NO_BUSY
#define MATE_MAY(s) true
#else
#define MATE_MAY(s) (slot[s] < BUSY)
#endif
#define TO_ACK(s) (MINE(s) || MATES_OWN(s))

/* task_done(): the compare-and-swap in one. */
inline ack() {
    if
    :: atomic { TO_ACK(1) -> s = 1; slot[1] = me | BUSY }
    :: atomic { TO_ACK(2) -> s = 2; slot[2] = me | BUSY }
    :: atomic { TO_ACK(3) -> s = 3; slot[3] = me | BUSY }
    :: else
    fi;
    if
    :: s != 0 -> finish(true)
    :: else
    fi;
    s = 0
}

proctype consumer(byte me) {
    byte s, block;
    bool owned;
    {
        do
        :: tail != count || (SOMETHING_LEFT && owner[HEAD] == 0) -> get()
#ifndef ORDERED
        :: TO_ACK(1) || TO_ACK(2) || TO_ACK(3) -> ack()
#endif
        od
    } unless { killed() }
}

#define CLAIMABLE(p)                                                        \
    (N >= p && dead[p] && state[p] != BURIED &&                             \
     (state[p] == ALIVE || dead[state[p]]))

/* Without redelivery: what the dead had in slot s is lost. One of its process
 * may be about to take it; so it is made BUSY first. The dead one's hand holds
 * the block meanwhile. */
inline lose(s, p) {
    if
#ifdef LOST_BY_STORE
    :: SLOTS >= s && OWNER(slot[s]) == p && slot[s] != FREE ->
#else
    :: atomic { SLOTS >= s && OWNER(slot[s]) == p -> slot[s] = p | BUSY };
#endif
        block = slot_block[s];
        if
        :: block != 0 -> holding[p] = s; hand[p] = block
        :: block == 0
        fi;
        d_step {
            assert(!done[message[s]] && !lost[message[s]]);
            lost[message[s]] = true;
            slot[s] = FREE
        };
        if
        :: block != 0 -> free_block(p, block); block = 0
        :: block == 0
        fi;
        holding[p] = 0
    :: else
    fi
}

/* Repair first: it may empty the hand. If the slot has the block yet, it is
 * not the hand's. */
inline reap(p) {
    if
    :: hand_mutex[p] -> settle(); hand_mutex[p] = false
    :: else
    fi;
    block = hand[p];
    if
#ifndef NO_HOLDING_CHECK
    :: block != 0 && holding[p] != 0 && OWNER(slot[holding[p]]) == p ->
        if
        :: slot_block[holding[p]] == block -> hand[p] = 0; block = 0
        :: else
        fi
#endif
    :: else
    fi;
    if
    :: block != 0 -> free_block(p, block)
    :: else
    fi;
    block = 0;
    holding[p] = 0;
#ifndef REDELIVER
    lose(1, p);
    lose(2, p);
    lose(3, p);
#endif
    state[p] = BURIED
}

inline reap_all() {
    do
    :: atomic { CLAIMABLE(1) -> p = 1; state[1] = me }; reap(p)
    :: atomic { CLAIMABLE(2) -> p = 2; state[2] = me }; reap(p)
    :: atomic { CLAIMABLE(3) -> p = 3; state[3] = me }; reap(p)
    :: atomic { CLAIMABLE(4) -> p = 4; state[4] = me }; reap(p)
    :: atomic { CLAIMABLE(5) -> p = 5; state[5] = me }; reap(p)
    :: atomic { me == MAX && !CLAIMABLE(1) && !CLAIMABLE(2) &&
                !CLAIMABLE(3) && !CLAIMABLE(4) && !CLAIMABLE(5) -> break }
    od
}

proctype reaper(byte me) {
    byte p, block;
    { reap_all() } unless { killed() }
}

#define SEEN(s) (SLOTS >= s && slot[s] IS_OPEN)
#ifdef JOIN_SKIPS_WAITING
#define IS_OPEN % 7 != 0
#else
#define IS_OPEN != FREE
#endif

/* join(): nothing is in the queue, then nothing in any slot, and nothing was
 * put meanwhile. */
proctype joiner(byte me) {
    byte s, t;
    {
        do
        :: true ->
            t = tail;
            if
            :: t != count -> goto again
            :: else
            fi;
            s = 1;
            do
            :: s <= SLOTS ->
                if
                :: SEEN(s) -> goto again
                :: else -> s++
                fi
            :: else -> break
            od;
            if
            :: atomic { t == tail ->
                    assert(t < 1 || done[1] || lost[1]);
                    assert(t < 2 || done[2] || lost[2]);
                    assert(t < MESSAGES || done[MESSAGES] || lost[MESSAGES])
                };
                if
                :: t == MESSAGES -> break
                :: else
                fi
            :: t != tail
            fi;
again:      s = 0
        od;
        finished()
    } unless { killed() }
}

proctype producer() {
    do
    :: d_step { tail < MESSAGES -> tail++; live[tail] = BLOCK(1) != 0 }
    :: tail == MESSAGES -> break
    od
}

#define WAITS(m)                                                            \
    ((IS_WAITING(1) && message[1] == m) +                                   \
     (IS_WAITING(2) && message[2] == m) +                                   \
     (IS_WAITING(3) && message[SLOTS] == m))
#define CONSUMERS_DEAD                                                      \
    ((dead[1] || over[1]) && (CONSUMERS < 2 || dead[2] || over[2]) &&       \
     (CONSUMERS < 3 || dead[3] || over[3]))

init {
    byte me = MAX, p, s, block, i;
    bool owned;

    atomic {
        do
        :: i < N ->
            i++;
            if
            :: i <= CONSUMERS -> run consumer(i)
            :: i > CONSUMERS && i <= CONSUMERS + REAPERS -> run reaper(i)
            :: i > CONSUMERS + REAPERS -> run joiner(i)
            fi
        :: else -> break
        od;
        i = 0;
        run producer();
        run death()
    };
    timeout;
    reap_all(); /* if the reaper is dead */
    timeout;
    do
    :: SOMETHING_LEFT ->
        lock();
        find_left();
        if
        :: s != 0 -> give_back(); s = 0
        :: else
        fi;
        unlock(HEAD)
    :: else -> break
    od;
    timeout;
    lock();
    check_count();
    unlock(HEAD);
    assert(CONSUMERS_DEAD || count == MESSAGES);
    i = 1;
    do
    :: i <= MESSAGES ->
        assert(done[i] + lost[i] + (i > place) + WAITS(i) == 1);
        assert(BLOCK(i) == 0 || live[i] == (!done[i] && !lost[i]));
        i++
    :: else -> break
    od;
    assert(slot[1] == FREE || slot[1] == WAITING);
    assert(SLOTS < 2 || slot[SLOTS] == FREE || slot[SLOTS] == WAITING);
    assert(hand[1] + hand[2] + hand[3] + hand[4] + hand[5] == 0)
}
