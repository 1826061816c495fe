/* SPDX-License-Identifier: MIT */
/* A list that is changed: the change that is written down, made, and made again
 * after a death; the bundles, vectors and spares that come from a hand and go
 * back into one; and the burial of those who died with one in hand.
 *
 * Memory is B blocks of W words. A vector has items in them; a bundle, in the
 * first, how many of its values are kept. The first word of either is the next
 * one's number when it is spent. A value is 2 * bundle, or 2 * bundle + 1 if two
 * came at once; 1 if it needs no bundle. Taking a block into the hand, and
 * freeing it out of it, is one step here: hand.pml.
 *
 * `wanted` is no part of the protocol: what the list has as soon as the change is
 * committed. Whoever has the mutex must find just that. */
#ifndef ONE
#define ONE INSERT
#endif
#ifndef TWO
#define TWO REMOVE
#endif
#ifndef CRASHES
#define CRASHES 2
#endif
#ifndef ITEMS
#define ITEMS 2 /* at first */
#endif
#ifndef ROOM
#define ROOM ITEMS
#endif

#define NOTHING 0
#define SET 1
#define INSERT 2
#define REMOVE 3
#define EXTEND 4
#define REPLACE 5
#define ORDER 6
#define PLAN 7
#define DROP 8
#define SPARE 9
/* What is asked for, beside these. */
#define WORDS 10 /* to extend it by one that needs no bundle */
#define CLEAR 11
#define BURY 12
#define QUIET 13

#define N 3 /* two who change it, and a reaper */
#define MUTEXES 1
#define LIST 0
#define NONE 1
#define B 7
#define W 5

#include "lock.pml"

bool used[B + 1];
byte size[B + 1]; /* words of a vector */
byte values[B + 1]; /* of a bundle */
byte mem[(B + 1) * W];

byte vector, count, room;
byte spare, spare_size;
byte spent, spent_part;
byte trash, trash_at, trash_n;
bool borrowed; /* the trash is a part of the vector, which stays */

/* The change. */
byte kind, part, block, at, n, word, old, old_refs, from, to, to_size, done;
bool none;

byte hand[MAX + 1], hand_mutex[MAX + 1] = NONE;
bool all_quiet;
#define ALIVE 0
#define FREE 7
byte state[MAX]; /* ALIVE, the index of its reaper, FREE */

byte wanted[W], wants;

#define ITEM(b, i) mem[(b) * W + (i)]
#define REFS(b) mem[(b) * W]
#define NEXT(b) mem[(b) * W]
#define BUNDLE(v) ((v) / 2) /* 0: none */

/* ---- What must be ---- */

inline check_order() {
    d_step {
        assert(kind == 0 && count == wants && count <= room);
        assert(vector == 0 || (used[vector] && room <= size[vector]));
        i = 0;
        do
        :: i < count ->
            assert(ITEM(vector, i) == wanted[i]);
            assert(BUNDLE(wanted[i]) == 0 || used[BUNDLE(wanted[i])]);
            i++
        :: else -> break
        od;
        i = 0
    }
}

/* Nothing that the list has is freed, and nothing twice. */
inline check_free(b) {
    assert(used[b] && b != vector && b != spare && b != trash);
    i = 0;
    do
    :: i < wants -> assert(BUNDLE(wanted[i]) != b); i++
    :: else -> break
    od;
    i = spent;
    do
    :: i != 0 && i < B + 1 -> assert(i != b); i = NEXT(i)
    :: else -> break
    od;
    i = 0
}

/* When all is quiet, each block is the vector, the spare, or a bundle with as
 * many values in the list as it counts. */
inline check_memory() {
    d_step {
        assert(spent == 0 && trash == 0);
        b = 1;
        do
        :: b <= B ->
            need = 0;
            i = 0;
            do
            :: i < wants ->
                if :: BUNDLE(wanted[i]) == b -> need++ :: else fi;
                i++
            :: else -> break
            od;
            assert(used[b] == (b == vector || b == spare || need != 0));
            assert(need == 0 || REFS(b) == need);
            b++
        :: else -> break
        od
    }
}

/* ---- Hands ---- */

inline take(b, words) {
    d_step {
        b = 1;
        do
        :: b <= B && used[b] -> b++
        :: else -> break
        od;
        if
        :: b > B -> b = 0
        :: else ->
            used[b] = true;
            size[b] = words;
            hand[me] = b;
            hand_mutex[me] = NONE
        fi
    };
#ifndef HAND_UNDER_NOTHING
    if
    :: b != 0 -> hand_mutex[me] = LIST
    :: else
    fi
#endif
}

inline give(p, b) {
    d_step {
        check_free(b);
        used[b] = false;
        size[b] = 0;
        values[b] = 0;
        ITEM(b, 0) = 0; ITEM(b, 1) = 0; ITEM(b, 2) = 0; ITEM(b, 3) = 0;
        ITEM(b, 4) = 0;
        if :: hand[p] == b -> hand[p] = 0 :: else fi
    }
}

inline clear_hand_of(p, b) {
    d_step { if :: hand[p] == b -> hand[p] = 0 :: else fi }
}

/* What the list has from now on. `none`: the bundle's values need none. */
#define BROUGHT(b, i) (none -> 1 : 2 * b + i)

inline note(k, b) {
    i = 0;
    if
    :: k == SET -> wanted[at] = word
    :: k == INSERT ->
        i = wants;
        do
        :: i > at -> wanted[i] = wanted[i - 1]; i--
        :: else -> break
        od;
        wanted[at] = word;
        wants++
    :: k == REMOVE ->
        i = at + 1;
        do
        :: i < wants -> wanted[i - 1] = wanted[i]; i++
        :: else -> break
        od;
        wants--;
        wanted[wants] = 0
    :: k == EXTEND ->
        do
        :: i < values[b] -> wanted[wants] = BROUGHT(b, i); wants++; i++
        :: else -> break
        od
    :: k == ORDER && wants > 1 ->
        word = wanted[0];
        wanted[0] = wanted[wants - 1];
        wanted[wants - 1] = word
    :: k == PLAN -> wanted[0] = 2 * b
    :: k == REPLACE && n > at ->
        wants = 0;
        do
        :: i < W -> wanted[i] = 0; i++
        :: else -> break
        od
    :: else
    fi;
    i = 0
}

inline drops(v) {
    old = v;
    old_refs = (BUNDLE(v) != 0 -> REFS(BUNDLE(v)) - 1 : 0)
}

/* ---- Making a change ---- */

/* Whether the block is in the chain: to `x`. */
inline look_through_chain(b) {
    d_step {
        i = spent;
#ifdef SPENT_TWICE
        i = 0;
#endif
        do
        :: i != 0 && i != b -> i = NEXT(i)
        :: else -> break
        od;
        x = (i != 0 || b == 0);
        i = 0
    }
}

inline spend(b) {
    look_through_chain(b);
    if
    :: !x ->
        NEXT(b) = spent;
        spent = b
    :: else
    fi;
    x = 0
}

inline drop() {
    if
    :: BUNDLE(old) != 0 && old_refs == 0 -> spend(BUNDLE(old))
#ifdef REFS_COUNTED
    :: BUNDLE(old) != 0 && old_refs != 0 -> REFS(BUNDLE(old))--
#else
    :: BUNDLE(old) != 0 && old_refs != 0 -> REFS(BUNDLE(old)) = old_refs
#endif
    :: BUNDLE(old) == 0
    fi
}

inline make_insert() {
    do
    :: at + done < n ->
        ITEM(vector, n - done) = ITEM(vector, n - done - 1);
        done++
    :: else -> break
    od;
    ITEM(vector, at) = word;
    count = n + 1
}

inline make_remove() {
#ifdef NOT_COUNTED
    done = 0;
#endif
    do
    :: at + done + 1 < n ->
        ITEM(vector, at + done) = ITEM(vector, at + done + 1);
        done++
    :: else -> break
    od;
    count = n - 1
}

inline make_extend() {
    d_step {
        i = 0;
        do
        :: i < values[block] -> ITEM(vector, n + i) = BROUGHT(block, i); i++
        :: else -> break
        od;
        i = 0
    };
    count = n + values[block]
}

/* Of `from`, which has `word` items, all but [at, n). */
inline make_replace() {
    d_step {
        assert(to == 0 || word - (n - at) <= size[to]);
        i = 0;
        do
        :: i < word && to != 0 ->
            if
            :: i < at -> ITEM(to, i) = ITEM(from, i)
            :: i >= n -> ITEM(to, i - (n - at)) = ITEM(from, i)
            :: else
            fi;
            i++
        :: else -> break
        od;
        i = 0
    };
    vector = to;
    room = to_size;
    count = word - (n - at);
    if
    :: to != 0 -> spare = 0; spare_size = 0
    :: else
    fi;
    trash_at = at;
    trash_n = n - at;
    borrowed = false;
    trash = from
}

/* The same items in another order: here, the ends have changed places. */
inline write_order() {
    d_step {
        i = 0;
        do
        :: i < count -> ITEM(spare, i) = ITEM(vector, i); i++
        :: else -> break
        od;
        if
        :: count != 0 ->
            ITEM(spare, count - 1) = ITEM(vector, 0);
            ITEM(spare, 0) = ITEM(vector, count - 1)
        :: else
        fi;
        i = 0;
        from = vector;
        to = spare;
        to_size = spare_size;
        k = ORDER
    }
}

/* A dict's way of changing many entries: what they become, and behind it what
 * is dropped for it, is written where there is room yet. */
inline write_plan() {
    d_step {
        ITEM(vector, count) = 2 * b;
        ITEM(vector, count + 1) = ITEM(vector, 0);
        n = count;
        k = PLAN
    }
}

/* The one process that there is: what it does is `op`. It is written with jumps,
 * for each of these parts would be copied into each of those that call it: NAME
 * goes back to where `back_NAME` says. */
#define LOCK(i)   back_lock = i;   goto lock_it;   locked_##i:   back_lock = 0
#define COMMIT(i) back_commit = i; goto commit_it; committed_##i: \
                  back_commit = 0
#define UNLOCK(i) back_unlock = i; goto unlock_it; unlocked_##i: \
                  back_unlock = 0
#define CLEAN(i)  back_clean = i;  goto clean_it;  cleaned_##i:  back_clean = 0
#define GET_SPARE(i) back_spare = i; goto spare_it; spared_##i: \
                     back_spare = 0
#define MOVE(i)   back_move = i;   goto move_it;   moved_##i:    back_move = 0
#define LEAVE(i)  back_leave = i;  goto leave_it;  left_##i:     back_leave = 0
#define ROOM_(i)  back_room = i;   goto room_it;   roomy_##i:    back_room = 0

#define CLEAN_NOW (spent == 0 && trash == 0)
#define MORE (op == INSERT || op == WORDS -> 1 : (op == EXTEND || op == PLAN -> 2 : 0))

#define CLAIMABLE(p)                                                        \
    (N >= p && dead[p] && state[p] != FREE &&                               \
     (state[p] == ALIVE || dead[state[p]]))

proctype process(byte me; byte op) {
    byte b, i, need, mine, p, k;
    bool x;
    byte back_lock, back_commit, back_unlock, back_clean, back_room;
    byte back_spare, back_move, back_leave;
    bool repairing, no_memory;
    {
        if
        :: op == REMOVE || op == CLEAR || op == ORDER -> goto take_out
        :: op == BURY || op == QUIET -> goto burial
        :: else -> goto put
        fi;

        /* ---- Makes the change that is written down. ---- */
make_it:
        if
        :: kind == SET -> ITEM(vector, at) = word
        :: kind == INSERT -> make_insert()
        :: kind == REMOVE -> make_remove()
        :: kind == EXTEND -> make_extend()
        :: kind == REPLACE -> make_replace()
        :: kind == ORDER ->
            vector = to;
            room = to_size;
            spare = 0;
            spare_size = 0;
            spend(from)
        :: kind == PLAN ->
#ifdef PLAN_NOT_COUNTED
            done = 0;
#endif
            if
            :: done == 0 -> ITEM(vector, 0) = ITEM(vector, n)
            :: else
            fi;
            done = 1;
            ITEM(vector, n) = 0; /* it belongs to where it is used */
            trash_at = n + 1;
            trash_n = 1;
            borrowed = true;
            trash = vector
        :: kind == DROP -> trash_n = n
        :: kind == SPARE -> spend(from); spare = block; spare_size = n
        fi;
        if
        :: kind == SET || kind == REMOVE || kind == DROP -> drop()
        :: else
        fi;
#ifndef NEVER_STORED
        if
        :: block != 0 && none -> spend(block)
        :: else
        fi;
#endif
        kind = 0;
        block = 0;
        if
        :: repairing -> goto repaired
        :: else -> goto made
        fi;

        /* ---- Commits the change `k`, with a bundle `b`. ---- */
commit_it:
        skip;
        d_step {
            part = me;
            done = 0;
            none = (b != 0 && k != SPARE && REFS(b) == 0)
        };
#ifdef HAND_EMPTIED_FIRST
        if :: b != 0 -> hand[me] = 0 :: else fi;
#endif
#ifndef BLOCK_LAST
        block = b;
#endif
        d_step { note(k, b); kind = k };
#ifdef BLOCK_LAST
        block = b;
#endif
#if !defined(HAND_EMPTIED_LAST) && !defined(HAND_EMPTIED_FIRST)
        if :: b != 0 -> hand[me] = 0 :: else fi;
#endif
        goto make_it;
made:
#ifdef HAND_EMPTIED_LAST
        if :: b != 0 -> hand[me] = 0 :: else fi;
#endif
        if :: b != 0 -> hand_mutex[me] = NONE :: else fi;
        b = 0;
        if
        :: back_commit == 1 -> goto committed_1
        :: back_commit == 2 -> goto committed_2
        :: back_commit == 3 -> goto committed_3
        :: back_commit == 4 -> goto committed_4
        :: back_commit == 5 -> goto committed_5
        :: back_commit == 6 -> goto committed_6
        fi;

        /* ---- Acquires the mutex. ---- */
lock_it:
        if
        :: atomic { owner[LIST] == 0 && !died[LIST] -> owner[LIST] = me };
            goto in_order
        :: atomic { owner[LIST] == 0 && died[LIST] -> owner[LIST] = me }
        fi;
repair_it:
#ifndef SPENT_IN_HAND
        if
        :: spent != 0 -> clear_hand_of(spent_part, spent)
        :: else
        fi;
#endif
#ifndef TRASH_STAYS
        if
        :: spent != 0 && spent == trash -> trash = 0
        :: else
        fi;
#endif
        if
        :: kind == 0 -> block = 0; goto repaired
        :: else
        fi;
#ifndef HAND_STAYS
        if
        :: block != 0 -> clear_hand_of(part, block)
        :: else
        fi;
#endif
        repairing = true;
        goto make_it;
repaired:
        repairing = false;
        died[LIST] = false;
in_order:
        skip;
        check_order();
        if
        :: back_lock == 1 -> goto locked_1
        :: back_lock == 2 -> goto locked_2
        :: back_lock == 3 -> goto locked_3
        :: back_lock == 4 -> goto locked_4
        :: back_lock == 5 -> goto locked_5
#ifndef UNSETTLED
        :: back_lock == 6 -> back_lock = 0; unlock(LIST); goto buried
#endif
        fi;

        /* ---- Frees what is to be freed, and releases it. ---- */
unlock_it:
        do
        :: spent == 0 && trash != 0 && trash_n != 0 ->
            d_step {
                drops(ITEM(trash, trash_at + trash_n - 1));
                n = trash_n - 1;
                k = DROP
            };
            COMMIT(1)
        :: spent == 0 && trash != 0 && trash_n == 0 ->
#ifndef BORROWED_IS_SPENT
            if
            :: !borrowed -> spend(trash)
            :: else
            fi;
#else
            spend(trash);
#endif
            trash = 0
        :: spent != 0 ->
            d_step { mine = spent; spent_part = me };
#ifdef SPENT_FIRST
            spent = NEXT(mine);
#endif
            hand_mutex[me] = LIST;
            hand[me] = mine;
#ifndef SPENT_FIRST
            spent = NEXT(mine);
#endif
            unlock(LIST);
            give(me, mine);
            mine = 0;
            hand_mutex[me] = NONE;
            LOCK(1)
        :: CLEAN_NOW -> break
        od;
        unlock(LIST);
        if
        :: back_unlock == 1 -> goto unlocked_1
        :: back_unlock == 2 -> goto unlocked_2
        :: back_unlock == 3 -> goto unlocked_3
        :: back_unlock == 4 -> goto unlocked_4
        :: back_unlock == 6 -> goto unlocked_6
        :: back_unlock == 7 -> goto unlocked_7
        :: back_unlock == 8 -> goto unlocked_8
        :: back_unlock == 9 -> goto unlocked_9
        fi;

        /* ---- Acquires it, and all has been freed. ---- */
clean_it:
        LOCK(2);
        do
        :: !CLEAN_NOW -> UNLOCK(1); LOCK(3)
        :: else -> break
        od;
        if
        :: back_clean == 1 -> goto cleaned_1
        :: back_clean == 2 -> goto cleaned_2
        :: back_clean == 3 -> goto cleaned_3
        :: back_clean == 4 -> goto cleaned_4
        :: back_clean == 5 -> goto cleaned_5
        fi;

        /* ---- Gets a spare for `need` words; the mutex is held. ---- */
spare_it:
        UNLOCK(2);
        take(b, need);
        if
        :: b != 0 ->
            LOCK(4);
            if
#ifndef FREES_WITH_HAND
            :: CLEAN_NOW ->
#else
            :: true ->
#endif
                d_step { from = spare; n = need; k = SPARE };
                COMMIT(2);
                UNLOCK(3)
#ifndef FREES_WITH_HAND
            :: else ->
                unlock(LIST);
                give(me, b)
#endif
            fi
        :: else -> no_memory = true
        fi;
        d_step { b = 0; need = 0; hand_mutex[me] = NONE };
        CLEAN(2);
        if
        :: back_spare == 1 -> goto spared_1
        :: back_spare == 3 -> goto spared_3
#ifdef SHRINKS
        :: back_spare == 4 -> goto spared_4
#endif
        fi;

        /* ---- The spare becomes the vector; the mutex is held. ---- */
move_it:
        skip;
        d_step {
            at = count; n = count; word = count; from = vector; to = spare;
            to_size = spare_size; k = REPLACE
        };
        COMMIT(3);
        if
#ifdef ROOM_UNSEEN
        :: back_move == 1 -> goto moved_1
#endif
        :: back_move == 2 -> goto moved_2
#ifdef SHRINKS
        :: back_move == 3 -> goto moved_3
#endif
        fi;

        /* ---- Releases it; there need be no spare. ---- */
leave_it:
        if
        :: spare != 0 ->
            d_step { from = spare; n = 0; k = SPARE; b = 0 };
            COMMIT(6)
        :: else
        fi;
        UNLOCK(4);
        if
        :: back_leave == 1 -> goto left_1
        :: back_leave == 2 -> goto left_2
        fi;

        /* ---- Makes room for what `op` brings. ---- */
room_it:
        CLEAN(1);
        do
        :: count + MORE > room && spare_size < count + MORE && !no_memory ->
            need = count + MORE;
            GET_SPARE(1)
#ifdef ROOM_UNSEEN
            ;
            if
            :: count + MORE > room && spare != 0 -> MOVE(1)
            :: else
            fi
#endif
        :: count + MORE > room && spare_size >= count + MORE ->
            MOVE(2);
            UNLOCK(8);
            CLEAN(3)
        :: else -> break
        od;
        LEAVE(1);
        if
        :: no_memory -> goto leave
        :: back_room == 1 && !no_memory -> goto roomy_1
        :: back_room == 2 && !no_memory -> goto roomy_2
        fi;

        /* ---- What brings a bundle. ---- */
put:
        ROOM_(1);
again:
        take(b, 0);
        if
        :: b == 0 -> goto leave /* no memory */
        :: else
        fi;
        d_step {
            values[b] = (op == EXTEND -> 2 : 1);
            REFS(b) = (op == WORDS -> 0 : values[b])
        };
        LOCK(5);
        if
#ifndef FREES_WITH_HAND
        :: CLEAN_NOW && count + MORE <= room ->
#else
        :: count + MORE <= room ->
#endif
            if
            :: count == 0 && (op == SET || op == PLAN) ->
                UNLOCK(9); /* there is nothing to be set */
                goto give_up
            :: op == PLAN && count != 0 -> write_plan()
            :: else ->
                d_step {
                    n = count;
                    at = 0;
                    word = 2 * b;
                    k = (op == WORDS -> EXTEND : op);
                    if
                    :: op == SET -> drops(ITEM(vector, 0))
                    :: else
                    fi
                }
            fi;
            COMMIT(4);
            goto release
        :: else
        fi;
        unlock(LIST);
        give(me, b);
        d_step { b = 0; hand_mutex[me] = NONE };
        ROOM_(2);
        goto again;
give_up:
        give(me, b);
        d_step { b = 0; hand_mutex[me] = NONE };
        goto leave;

        /* ---- What brings none. ---- */
take_out:
        CLEAN(4);
        do
        :: op == ORDER && count != 0 && spare_size < count && !no_memory ->
            need = count;
            GET_SPARE(3)
        :: else -> break
        od;
        if
        :: op == REMOVE && count != 0 ->
            d_step { at = 0; n = count; drops(ITEM(vector, 0)); k = REMOVE }
        :: op == CLEAR && vector != 0 ->
            d_step {
                at = 0; n = count; word = count; from = vector; to = 0;
                to_size = 0; k = REPLACE
            }
        :: op == ORDER && count != 0 && spare_size >= count -> write_order()
        :: else -> goto release
        fi;
        COMMIT(5);
#ifdef SHRINKS
        if
        :: op == REMOVE && count < room && count != 0 ->
            if
            :: spare_size < count -> need = count; GET_SPARE(4)
            :: else
            fi;
            if
            :: count < room && spare_size >= count && count != 0 -> MOVE(3)
            :: else
            fi
        :: else
        fi;
#endif
        LEAVE(2);
        goto leave;
release:
        UNLOCK(6);
        goto leave;

        /* ---- Buries the dead. ---- */
burial:
        do
        :: atomic { CLAIMABLE(1) -> p = 1; state[1] = me }; goto one
        :: atomic { CLAIMABLE(2) -> p = 2; state[2] = me }; goto one
        :: atomic { CLAIMABLE(3) -> p = 3; state[3] = me }; goto one
        :: atomic { op == QUIET && !CLAIMABLE(1) && !CLAIMABLE(2) &&
                    !CLAIMABLE(3) -> goto quiet }
        od;
one:
#ifndef UNSETTLED
        if
        :: hand_mutex[p] != LIST || !died[LIST]
        :: atomic { hand_mutex[p] == LIST && died[LIST] && owner[LIST] == 0 ->
                owner[LIST] = me };
            back_lock = 6;
            goto repair_it
        fi;
buried:
#endif
        hand_mutex[p] = NONE;
        if
        :: hand[p] != 0 -> give(p, hand[p])
        :: else
        fi;
        d_step { state[p] = FREE; p = 0 };
        goto burial;
quiet:
        CLEAN(5);
        UNLOCK(7);
        check_memory();
        all_quiet = true;
        goto end;
leave:
        finished();
end:    skip
    } unless { killed() }
}

init {
    byte i;

    atomic {
        vector = 1; room = ROOM; used[1] = true; size[1] = ROOM;
        do
        :: count < ITEMS ->
            used[2] = true;
            values[2] = ITEMS;
            REFS(2) = ITEMS;
            ITEM(1, count) = 4 + count;
            wanted[count] = 4 + count;
            count++;
            wants++
        :: else -> break
        od;
        run process(1, ONE);
        run process(2, TWO);
        run process(3, BURY);
        run death()
    };
    timeout;
    run process(MAX, QUIET);
    timeout;
    assert(all_quiet)
}
