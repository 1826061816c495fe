/* SPDX-License-Identifier: MIT */
/* What the kernel does for those who sleep at a bell (mp__bell_sleep()): on
 * the bell, on a data word, and on the lives of others, all at once. And
 * death: it takes up to CRASHES of the processes 1..N, each between any two
 * steps or in its sleep, several of them side by side.
 *
 * A model defines N and CRASHES. It starts its processes first, in order, so
 * that each has its number as its pid, and writes them as
 *
 *     proctype p(byte me) may_run {
 *         { ... over[me] = true } unless {
 *             d_step { killed(); all locals = 0; condemned = 0 }
 *         }
 *     }
 *
 * Nobody else moves before the condemned one has done that: so it does not
 * matter for the number of states where and with what it died. Bells are
 * numbered from 1; their words are always 0. */

#define MAX 6 /* processes are numbered 1..MAX-1 */

byte pending[MAX]; /* the bell in the thread's pending slot; 0: none */
byte queued[MAX];  /* the bell whose queue it is in; 0: none */
byte watched[MAX]; /* the lives in whose queues it is, as bits */
bool woken[MAX];   /* taken out of one of them */
bool dying[MAX], dead[MAX], over[MAX];
byte crashes;
byte condemned; /* its next step is its last, and the next of all */

#define killed() (condemned == me)
#define may_run provided (condemned == 0 || condemned == _pid)
#define LIFE(p) (1 << (p))
#define WATCHES(p, life) (watched[p] & LIFE(life))
#define ASLEEP(p) (queued[p] != 0 && !woken[p])

/* FUTEX_WAKE of one, of any in the queue. Who has been woken through one queue
 * stays in the others until it runs. */
inline ring_one(bell) {
    atomic {
        if
        :: queued[1] == bell -> queued[1] = 0; woken[1] = true
        :: queued[2] == bell -> queued[2] = 0; woken[2] = true
        :: queued[3] == bell -> queued[3] = 0; woken[3] = true
        :: queued[4] == bell -> queued[4] = 0; woken[4] = true
        :: queued[5] == bell -> queued[5] = 0; woken[5] = true
        :: else
        fi
    }
}

inline ring_all(bell) {
    d_step {
        if :: queued[1] == bell -> queued[1] = 0; woken[1] = true :: else fi;
        if :: queued[2] == bell -> queued[2] = 0; woken[2] = true :: else fi;
        if :: queued[3] == bell -> queued[3] = 0; woken[3] = true :: else fi;
        if :: queued[4] == bell -> queued[4] = 0; woken[4] = true :: else fi;
        if :: queued[5] == bell -> queued[5] = 0; woken[5] = true :: else fi
    }
}

#define UNWATCH(p, life)                                                      \
    watched[p] = watched[p] & ~LIFE(life);                                    \
    woken[p] = true

inline wake_one_watcher(life) {
    if
    :: WATCHES(1, life) -> UNWATCH(1, life)
    :: WATCHES(2, life) -> UNWATCH(2, life)
    :: WATCHES(3, life) -> UNWATCH(3, life)
    :: WATCHES(4, life) -> UNWATCH(4, life)
    :: WATCHES(5, life) -> UNWATCH(5, life)
    :: else
    fi
}

inline wake_all_watchers(life) {
    d_step {
        if :: WATCHES(1, life) -> UNWATCH(1, life) :: else fi;
        if :: WATCHES(2, life) -> UNWATCH(2, life) :: else fi;
        if :: WATCHES(3, life) -> UNWATCH(3, life) :: else fi;
        if :: WATCHES(4, life) -> UNWATCH(4, life) :: else fi;
        if :: WATCHES(5, life) -> UNWATCH(5, life) :: else fi
    }
}

inline dequeue() {
    d_step { queued[me] = 0; watched[me] = 0; woken[me] = false }
}

#ifndef UNARMED
#define arm(bell) pending[me] = bell
#else
#define arm(bell) skip
#endif
#define disarm() pending[me] = 0

#ifndef IMMORTAL
#define IMMORTAL 0 /* processes up to this number do not die */
#endif
#define MAY_DIE(p) (N >= p && p > IMMORTAL && crashes < CRASHES &&            \
    !dying[p] && !over[p])

/* A thread's end: it does nothing any more; its life is marked, and one who
 * watches it woken; its pending slot is looked at. */
proctype death() provided (condemned == 0) {
    byte p;

    atomic {
        if
        :: MAY_DIE(1) -> p = 1
        :: MAY_DIE(2) -> p = 2
        :: MAY_DIE(3) -> p = 3
        :: MAY_DIE(4) -> p = 4
        :: MAY_DIE(5) -> p = 5
        :: goto nobody
        fi;
        crashes++;
        dying[p] = true;
        condemned = p;
        queued[p] = 0;
        watched[p] = 0;
        woken[p] = false
    };

    atomic { dead[p] = true; wake_one_watcher(p) };
    if
#ifndef NEVER_FORWARDS
    :: atomic { pending[p] != 0 -> ring_one(pending[p]); pending[p] = 0 }
#endif
    :: else
    fi;
    p = 0;
nobody:
    skip
}
