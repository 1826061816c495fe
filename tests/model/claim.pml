/* SPDX-License-Identifier: MIT */
/* A pool's claim on the message it takes from the queue, and the burial of a
 * dead worker (src/task/task.c): each task is run and answered, or failed,
 * once; none is run twice and none is lost.
 *
 * One submitter, who does not die, makes TASKS tasks in CELLS cells, which are
 * used again. Workers 1 and, at the same post after its burial, 2; worker 3 at
 * the other post; 4 and 5 bury. Task n is the nth message of the queue. */
#ifndef TASKS
#define TASKS 2
#endif
#ifndef CELLS
#define CELLS 2
#endif
#ifndef CRASHES
#define CRASHES 1
#endif
#ifndef N
#define N 4
#endif

#define MUTEXES 1
#include "lock.pml"

/* A cell's state word: {post, SETTLED, ABANDONED, phase}; 0: free. */
#define QUEUED 1
#define RUNNING 2
#define DONE 4
#define FAILED 5
#define CANCELLED 6
#define ABANDONED 8
#define SETTLED 16
#define PHASE(s) (s & 7)
#define POST(s) (s >> 5)

byte state[CELLS + 1];
byte number[CELLS + 1]; /* not of the protocol: which task it is */
bool ran[TASKS + 1], answered[TASKS + 1];

/* The queue's consumer side. */
byte slot[TASKS + 1], tail, head;
byte head_claim, head_count;

/* Posts. */
#define UP 0
#define VACANT 1
#define STARTING 2
#define NEVER 255
byte claim[3], sequence[3], begun[3] = NEVER;
byte stage[3], who[3], keeper[3];

inline repair() {
    if
    :: head_claim != 0 ->
        if
        :: head == head_count -> claim[head_claim] = 0
        :: else
        fi;
        head_claim = 0
    :: else
    fi
}

inline lock() {
    if
    :: atomic { owner[0] == 0 && !died[0] -> owner[0] = me }
    :: atomic { owner[0] == 0 && died[0] -> owner[0] = me; died[0] = false }
        repair()
    fi
}

/* Both sides have left: the cell is free for another task. */
inline release_cell(c) {
    d_step {
        assert((state[c] & SETTLED) != 0 && (state[c] & ABANDONED) != 0);
        state[c] = 0;
        number[c] = 0
    }
}

/* QUEUED -> RUNNING at `post`, or somebody has ended it before. */
inline begin(c, post, n) {
    d_step {
        assert(number[c] == n);
        mine = PHASE(state[c]) == QUEUED;
        if
        :: mine -> state[c] = (state[c] & ABANDONED) | RUNNING | (post << 5)
        :: else
        fi
    }
}

inline end(c, phase, n) {
    d_step {
        assert(number[c] == n && PHASE(state[c]) == RUNNING);
        assert(!answered[n]);
        answered[n] = true;
        alone = (state[c] & ABANDONED) != 0;
        state[c] = (state[c] & ABANDONED) | SETTLED | phase
    };
    if
    :: alone -> release_cell(c)
    :: else
    fi
}

inline settle_ended(c, n) {
    d_step {
        assert(number[c] == n && PHASE(state[c]) >= DONE);
        alone = (state[c] & ABANDONED) != 0;
        state[c] = state[c] | SETTLED
    };
    if
    :: alone -> release_cell(c)
    :: else
    fi
}

proctype submitter() {
    byte n, c;
    bool alone;

    do
    :: n < TASKS ->
        n++;
        if
        :: atomic { state[1] == 0 -> c = 1; state[c] = QUEUED }
        :: atomic { CELLS > 1 && state[CELLS] == 0 ->
                c = CELLS; state[c] = QUEUED }
        fi;
        d_step { number[c] = n; slot[tail] = c; tail++ };
        if /* cancel, wait, or lose interest */
        :: d_step { PHASE(state[c]) == QUEUED ->
                state[c] = state[c] & ~7 | CANCELLED; answered[n] = true }
        :: PHASE(state[c]) >= DONE
        :: true
        fi;
        d_step {
            alone = (state[c] & SETTLED) != 0;
            state[c] = state[c] | ABANDONED
        };
        if
        :: alone -> release_cell(c)
        :: else
        fi
    :: else -> break
    od
}

proctype worker(byte me; byte post) {
    byte c;
    bool mine, alone;
    {
        if /* the successor's turn */
        :: atomic { me == 2 && stage[post] == STARTING ->
                stage[post] = UP; who[post] = me }
        :: me != 2
        fi;
        do
        :: head < tail ->
            lock();
            if
            :: head == tail -> unlock(0); goto next
            :: else
            fi;
            c = slot[head];
#ifdef CLAIM_BEFORE_INTENT
            claim[post] = c;
            sequence[post] = head;
#endif
            head_count = head;
            head_claim = post;
#ifdef CLAIM_AFTER_COMMIT
            head++;
#endif
            sequence[post] = head_count;
            claim[post] = c;
#ifndef CLAIM_AFTER_COMMIT
            head++; /* commit: the message is this post's */
#endif
            head_claim = 0;
            unlock(0);
#ifdef BEGUN_BEFORE_RUNNING
            begun[post] = sequence[post];
#endif
            begin(c, post, sequence[post] + 1);
            begun[post] = sequence[post];
            if
            :: mine ->
                d_step {
                    assert(!ran[sequence[post] + 1]);
                    ran[sequence[post] + 1] = true
                };
                end(c, DONE, sequence[post] + 1) /* commit */
            :: else -> settle_ended(c, sequence[post] + 1)
            fi;
            c = 0;
next:       skip
        od
    } unless { killed() }
}

/* mp__task_settle(): the task that the dead worker of the post had. */
inline settle_task(post) {
    c = claim[post];
    if
    :: c != 0 ->
        mine = PHASE(state[c]) == RUNNING && POST(state[c]) == post;
        if
#ifdef NO_BEGUN
        :: !mine && false -> skip
#else
        :: !mine && begun[post] == sequence[post] -> skip
#endif
        :: else ->
            if
            :: !mine -> begin(c, post, sequence[post] + 1)
            :: else
            fi;
            begun[post] = sequence[post];
            if
            :: mine -> end(c, FAILED, sequence[post] + 1)
            :: else -> settle_ended(c, sequence[post] + 1)
            fi
        fi
    :: else
    fi;
    c = 0
}

inline bury_worker(post) {
    if
    :: stage[post] == UP ->
#ifndef NO_SETTLE
        lock();
        unlock(0);
#endif
        settle_task(post);
        stage[post] = VACANT
    :: else
    fi;
    claim[post] = 0;
    begun[post] = NEVER;
    stage[post] = STARTING;
    keeper[post] = 0
}

#define NEEDED(post)                                                        \
    ((stage[post] == VACANT || (stage[post] == UP && dead[who[post]])) &&   \
     (keeper[post] == 0 || dead[keeper[post]]))

proctype attendant(byte me) {
    byte c;
    bool mine, alone;
    {
        do
        :: atomic { NEEDED(1) -> keeper[1] = me }; bury_worker(1)
        :: atomic { NEEDED(2) -> keeper[2] = me }; bury_worker(2)
        od
    } unless { killed() }
}

init {
    byte me = MAX, c, n;
    bool mine, alone;

    atomic {
        who[1] = 1;
        who[2] = 3;
        run submitter();
        run worker(1, 1);
        run worker(2, 1);
        if :: N >= 3 -> run worker(3, 2) :: else fi;
        if :: N >= 4 -> run attendant(4) :: else fi;
        if :: N >= 5 -> run attendant(5) :: else fi;
        run death()
    };
    timeout;
    if :: NEEDED(1) -> keeper[1] = me; bury_worker(1) :: else fi;
    timeout;
    if :: NEEDED(1) -> keeper[1] = me; bury_worker(1) :: else fi;
    if :: NEEDED(2) -> keeper[2] = me; bury_worker(2) :: else fi;
    timeout;
    do
    :: n < head -> n++; assert(answered[n]) /* taken: answered */
    :: else -> break
    od;
#ifdef NO_CELL_LOST
    n = 0;
    do
    :: n < CELLS -> n++; assert(state[n] == 0 || number[n] > head)
    :: else -> break
    od
#endif
}
