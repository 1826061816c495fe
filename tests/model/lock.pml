/* SPDX-License-Identifier: MIT */
/* The mutex as its users see it (what mutex.pml proves about the real one):
 * nobody else is inside, and after the death of its holder the next one finds
 * `died` set and must repair. And death itself: it takes up to CRASHES of the
 * processes 1..N, each between any two steps.
 *
 * A model defines N, MUTEXES and CRASHES, includes this file, and writes each
 * process as { ... finished() } unless { killed() }: once dead[me] is set, a
 * process has no other step left. */

#define MAX 6 /* processes are numbered 1..MAX-1 */

byte owner[MUTEXES]; /* 0: free */
bool died[MUTEXES];  /* the last holder died inside */
bool dead[8];        /* 6 and 7 are no processes: owners that cannot die */
bool over[MAX];      /* came to its end alive: not worth killing */
byte crashes;

/* What the kernel does to the mutexes of a thread that ends. */
inline bury(p) {
    d_step {
        dead[p] = true;
        crashes++;
        m = 0;
        do
        :: m < MUTEXES && owner[m] == p -> owner[m] = 0; died[m] = true; m++
        :: m < MUTEXES && owner[m] != p -> m++
        :: else -> break
        od;
        m = 0
    }
}

#define MAY_DIE(p) (N >= p && crashes < CRASHES && !dead[p] && !over[p])

proctype death() {
    byte m;
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
#define finished() over[me] = true

inline unlock(m) { owner[m] = 0 }
