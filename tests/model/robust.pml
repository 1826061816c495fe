/* SPDX-License-Identifier: MIT */
/* What the kernel does: sleeping on futex words, and the robust list's pending
 * slot. Death takes up to CRASHES of the processes 1..N, each between any two
 * steps or in its sleep.
 *
 * A model defines N, WORDS and CRASHES and writes each process as
 * { ... } unless { killed() }. Words are numbered from 1. A word is 0 (free),
 * the number of its owner, DIED, or AWAKE, which is no owner either.
 *
 * Who sleeps on two words at once is in two queues; woken through one, it
 * stays in the other until it runs. */

#define MAX 6 /* processes are numbered 1..MAX-1 */
#define DIED 8
#define AWAKE 9

byte word[WORDS + 1];
byte pending[MAX]; /* the word in the thread's pending slot; 0: none */
byte asleep[MAX];  /* the word it sleeps on; 0: awake */
byte also[MAX];    /* a second one; 0: none, or awake */
byte waiting[MAX]; /* the participant's slot: what it may sleep on */
bool dead[MAX], over[MAX];
byte crashes;

#define HAS_OWNER(w) (w != 0 && w < DIED)

/* FUTEX_WAKE of one: any of the sleepers. */
inline wake_one(w) {
    atomic {
        if
        :: asleep[1] == w -> asleep[1] = 0
        :: asleep[2] == w -> asleep[2] = 0
        :: asleep[3] == w -> asleep[3] = 0
        :: asleep[4] == w -> asleep[4] = 0
        :: asleep[5] == w -> asleep[5] = 0
        :: also[1] == w -> also[1] = 0
        :: also[2] == w -> also[2] = 0
        :: also[3] == w -> also[3] = 0
        :: also[4] == w -> also[4] = 0
        :: also[5] == w -> also[5] = 0
        :: else
        fi
    }
}

inline wake_all(w) {
    d_step {
        if :: asleep[1] == w -> asleep[1] = 0 :: else fi;
        if :: asleep[2] == w -> asleep[2] = 0 :: else fi;
        if :: asleep[3] == w -> asleep[3] = 0 :: else fi;
        if :: asleep[4] == w -> asleep[4] = 0 :: else fi;
        if :: asleep[5] == w -> asleep[5] = 0 :: else fi
    }
}

/* Before Linux 6.2 a wake-up was only passed on if the whole word was 0. */
#if defined(NEVER_FORWARDS)
#define FORWARDS(w) false
#elif defined(NO_FORWARDING)
#define FORWARDS(w) (word[w] == 0)
#else
#define FORWARDS(w) (!HAS_OWNER(word[w]))
#endif

/* The kernel's end of a thread; and the reaper's clearing of its slot, which
 * comes later, but at worst at once. */
inline bury(p) {
    dead[p] = true;
    crashes++;
    asleep[p] = 0;
    also[p] = 0;
    slot = pending[p];
    pending[p] = 0;
    if
    :: slot != 0 && word[slot] == p ->
        word[slot] = DIED;
        wake_one(slot)
    :: slot != 0 && word[slot] != p && FORWARDS(slot) -> wake_one(slot)
    :: else
    fi;
    slot = 0;
    waiting[p] = 0
}

#define MAY_DIE(p) (N >= p && crashes < CRASHES && !dead[p] && !over[p])

proctype death() {
    byte slot;
    do
    :: atomic { MAY_DIE(1) -> bury(1) }
    :: atomic { MAY_DIE(2) -> bury(2) }
    :: atomic { MAY_DIE(3) -> bury(3) }
    :: atomic { MAY_DIE(4) -> bury(4) }
    :: atomic { MAY_DIE(5) -> bury(5) }
    :: break
    od
}

#define killed() dead[me]
