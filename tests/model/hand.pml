/* SPDX-License-Identifier: MIT */
/* Memory in hand: blocks that go from the heap through a queue to another
 * process, and the reaper that gives back what the dead held.
 *
 * `owner_of` is no part of the protocol: it records to whom a block belongs
 * after each commit store, and the assertions compare what the code does with
 * it. */
#ifndef PRODUCERS
#define PRODUCERS 1
#endif
#ifndef CONSUMERS
#define CONSUMERS 1
#endif
#ifndef USERS
#define USERS 0
#endif
#ifndef REAPERS
#define REAPERS 1
#endif
#ifndef CRASHES
#define CRASHES 2
#endif
#ifndef PUTS
#define PUTS 1
#endif
#define N (PRODUCERS + CONSUMERS + USERS + REAPERS)

#ifndef BLOCKS
#define BLOCKS 2
#endif
#define MUTEXES 3
#define BIN 0
#define TAIL 1
#define HEAD 2
#define NONE 3

#include "lock.pml"

#define NOBODY 0
#define QUEUE 6
#define USER 7 /* kept by the application: nobody's hand */

bool used[BLOCKS + 1]; /* allocated */
byte intent, intent_part;
byte slot[5], tail, head;
byte tail_block, tail_part, tail_count;
byte head_block, head_part, head_count;
byte hand[MAX], hand_mutex[MAX] = NONE;

#define ALIVE 0
#define FREE 7
byte state[MAX]; /* ALIVE, the index of its reaper, FREE */

byte owner_of[BLOCKS + 1];

inline clear_hand_of(p, b) {
#ifdef REPAIR_WITHOUT_HAND_CHECK
    hand[p] = 0
#else
    d_step { if :: hand[p] == b -> hand[p] = 0 :: else fi }
#endif
}

inline clear_used(b) {
    d_step {
        assert(owner_of[b] == NOBODY || owner_of[b] == me ||
               dead[owner_of[b]]);
        used[b] = false;
        owner_of[b] = NOBODY
    }
}

inline repair_bin() {
    if
    :: intent != 0 ->
        clear_hand_of(intent_part, intent);
        clear_used(intent);
        intent = 0
    :: else
    fi
}

/* A message that is in the queue is no longer in its producer's hand. */
inline repair_tail() {
    if
    :: tail_block != 0 ->
        if
#ifdef HAND_GUESSED
        :: tail > tail_count && used[tail_block] ->
#else
        :: tail > tail_count ->
#endif
            clear_hand_of(tail_part, tail_block)
        :: else
        fi;
        tail_block = 0
    :: else
    fi
}

/* A message that is still in the queue is not yet in its consumer's hand. */
inline repair_head() {
    if
    :: head_block != 0 ->
        if
        :: head == head_count -> clear_hand_of(head_part, head_block)
        :: else
        fi;
        head_block = 0
    :: else
    fi
}

inline lock_bin() {
    if
    :: atomic { owner[BIN] == 0 && !died[BIN] -> owner[BIN] = me }
    :: atomic { owner[BIN] == 0 && died[BIN] -> owner[BIN] = me };
        repair_bin();
        died[BIN] = false
    fi
}

inline lock_tail() {
    if
    :: atomic { owner[TAIL] == 0 && !died[TAIL] -> owner[TAIL] = me }
    :: atomic { owner[TAIL] == 0 && died[TAIL] -> owner[TAIL] = me };
        repair_tail();
        died[TAIL] = false
    fi
}

inline lock_head() {
    if
    :: atomic { owner[HEAD] == 0 && !died[HEAD] -> owner[HEAD] = me }
    :: atomic { owner[HEAD] == 0 && died[HEAD] -> owner[HEAD] = me };
        repair_head();
        died[HEAD] = false
    fi
}

/* Waits until a repair that is due has been done, by whomever: not for the
 * mutex, which a sleeping leader may hold for long. */
inline settle_tail() {
    if
    :: atomic { died[TAIL] && owner[TAIL] == 0 -> owner[TAIL] = me };
        repair_tail();
        died[TAIL] = false;
        unlock(TAIL)
    :: !died[TAIL]
    fi
}

inline settle_head() {
#ifdef SETTLE_BY_LOCK
    lock_head();
    unlock(HEAD)
#else
    if
    :: atomic { died[HEAD] && owner[HEAD] == 0 -> owner[HEAD] = me };
        repair_head();
        died[HEAD] = false;
        unlock(HEAD)
    :: !died[HEAD]
    fi
#endif
}

inline set_hand(b, m) {
    hand_mutex[me] = m;
    hand[me] = b
}

/* block = a block in my hand, or 0. */
inline allocate(block) {
    lock_bin();
    if
    :: !used[1] -> block = 1
    :: !used[2] -> block = 2
    :: BLOCKS > 2 && !used[BLOCKS] -> block = BLOCKS
    :: else -> block = 0
    fi;
    if
    :: block != 0 ->
        intent_part = me;
        intent = block;
        set_hand(block, NONE);
#ifdef CLEAR_INTENT_FIRST
        intent = 0;
#endif
        d_step { /* commit */
            assert(!used[block] && owner_of[block] == NOBODY);
            used[block] = true;
            owner_of[block] = me
        };
        intent = 0
    :: else
    fi;
    unlock(BIN)
}

/* On behalf of `p`, who may or may not have it in hand. */
inline release(p, block) {
    lock_bin();
    intent_part = p;
    d_step {
        intent = block;
        if :: owner_of[block] == USER -> owner_of[block] = p :: else fi
    };
    clear_hand_of(p, block);
#ifdef CLEAR_INTENT_FIRST
    intent = 0;
#endif
    assert(used[block]);
    clear_used(block); /* commit */
    intent = 0;
    unlock(BIN)
}

proctype producer(byte me) {
    byte block, n;
    {
        do
        :: n < PUTS ->
            n++;
            allocate(block);
            if
            :: block != 0 ->
                hand_mutex[me] = TAIL;
                lock_tail();
                tail_part = me;
                tail_count = tail;
                tail_block = block;
                slot[tail] = block;
                d_step { tail++; owner_of[block] = QUEUE }; /* commit */
#if defined(HAND_GUESSED)
                if
                :: used[block] -> hand[me] = 0
                :: !used[block] /* taken for one of another hand */
                fi;
#elif !defined(HAND_CLEARED_AFTER_UNLOCK)
                hand[me] = 0;
#endif
                tail_block = 0;
                unlock(TAIL);
#ifdef HAND_CLEARED_AFTER_UNLOCK
                hand[me] = 0
#endif
            :: else
            fi
        :: else -> break
        od;
        finished()
    }
#ifdef NEWCOMER
    unless { atomic { killed() -> over[me] = true } }
#else
    unless { killed() }
#endif
}

proctype consumer(byte me) {
    byte block;
    {
        do
        :: lock_head();
            if
            :: head < tail ->
                block = slot[head];
                head_part = me;
                head_count = head;
                head_block = block;
                set_hand(block, HEAD);
                d_step { /* commit */
                    head++;
                    assert(owner_of[block] == QUEUE);
                    owner_of[block] = me
                };
                head_block = 0;
                unlock(HEAD);
                release(me, block)
#ifdef LEADER_SLEEPS
            :: else ->
                head < tail; /* holding the mutex */
                unlock(HEAD)
#else
            :: else ->
                unlock(HEAD);
                break
#endif
            fi
        od;
        finished()
    } unless { killed() }
}

/* Reallocates a block that it has kept: frees it with another in hand. */
proctype user(byte me; byte old) {
    byte block;
    {
        allocate(block);
        if
        :: block != 0 ->
            release(me, old);
            d_step { hand[me] = 0; owner_of[block] = USER }
        :: else
        fi;
        finished()
    } unless { killed() }
}

#define CLAIMABLE(p)                                                        \
    (N >= p && dead[p] && state[p] != FREE &&                               \
     (state[p] == ALIVE || dead[state[p]]))

/* Lets whoever died in these mutexes be repaired: repair empties the hand if
 * the block was passed on (tail, head) or never was, or is no more, the dead
 * one's (bin). What is in the hand then is really its own. */
inline reap(p) {
    if
#ifdef SETTLE_IF_FULL
    :: hand[p] != 0 ->
#else
    :: true ->
#endif
#ifndef NO_HAND_MUTEX
        if
        :: hand_mutex[p] == NONE
        :: hand_mutex[p] == TAIL -> settle_tail()
        :: hand_mutex[p] == HEAD -> settle_head()
        fi;
#endif
#ifdef NO_BIN_SETTLE
        block = hand[p];
#else
        lock_bin();
        unlock(BIN);
        block = hand[p];
#endif
        if
        :: block != 0 -> release(p, block)
        :: else
        fi;
        block = 0
    :: else
    fi;
    state[p] = FREE
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

#ifdef NEWCOMER
/* A new thread in the slot of the first producer, after that was reaped. It
 * takes a block, which must be in its hand as long as it is its own. */
proctype newcomer() {
    byte me = 1, block;

    atomic { state[1] == FREE && over[1] ->
        state[1] = ALIVE; dead[1] = false; over[1] = false;
        /* What was its predecessor's is not its own. */
        if :: owner_of[1] == 1 -> owner_of[1] = NOBODY :: else fi;
        if :: owner_of[2] == 1 -> owner_of[2] = NOBODY :: else fi
    };
    {
        allocate(block);
        if
        :: block != 0 ->
            assert(hand[me] == block);
            release(me, block)
        :: else
        fi;
        finished()
    } unless { killed() }
}
#endif

#define IN_QUEUE(b)                                                         \
    ((head < tail && slot[head] == b) ||                                    \
     (head + 1 < tail && slot[head + 1] == b) ||                            \
     (head + 2 < tail && slot[head + 2] == b))
#define ACCOUNTED(b)                                                        \
    (used[b] -> ((IN_QUEUE(b) && owner_of[b] == QUEUE) ||                    \
                owner_of[b] == USER) : !IN_QUEUE(b))

init {
    byte me = MAX, p, block, i;

    atomic {
        do
        :: i < N ->
            i++;
            if
            :: i <= PRODUCERS -> run producer(i)
            :: i > PRODUCERS && i <= PRODUCERS + CONSUMERS ->
                run consumer(i)
            :: i > PRODUCERS + CONSUMERS && i <= N - REAPERS ->
                block = i - (PRODUCERS + CONSUMERS);
                used[block] = true;
                owner_of[block] = USER;
                run user(i, block)
            :: i > N - REAPERS -> run reaper(i)
            fi
        :: else -> break
        od;
        i = 0;
        block = 0;
#ifdef NEWCOMER
        run newcomer();
#endif
        run death()
    };
    timeout;
#ifdef LEADER_SLEEPS
    assert(!CLAIMABLE(1) || dead[N]); /* no reaper waits for a message */
    i = 1;
    do
    :: i <= N -> assert(!dead[i] || state[i] == FREE || dead[N]); i++
    :: else -> break
    od;
    goto end;
#endif
    reap_all(); /* if every reaper is dead */
    timeout;
    lock_bin(); unlock(BIN);
    lock_tail(); unlock(TAIL);
    lock_head(); unlock(HEAD);
    assert(ACCOUNTED(1));
    assert(ACCOUNTED(2));
    assert(ACCOUNTED(BLOCKS));
    assert(!(used[1] && used[2] && IN_QUEUE(1) && IN_QUEUE(2) &&
             slot[head] == slot[head + 1]));
end: skip
}
