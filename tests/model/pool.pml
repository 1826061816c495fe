/* SPDX-License-Identifier: MIT */
/* The life of a task after it was put into the queue (src/task/task.c): taken,
 * run, tried again when its worker has died, cancelled at any time. How a
 * message gets from the queue into the claim is claim.pml's; here that is one
 * step, and so is what is done under the pool's mutex, unless it may be left
 * half done.
 *
 *   - each task is answered once, and its inbox is told before that;
 *   - a task that somebody has cancelled is CANCELLED, whatever came after;
 *   - no worker is killed by a cancel that holds another task;
 *   - no task in the queue, and none that waits for another attempt, is lost;
 *   - nobody touches a cell that was given back, and each is settled, unless
 *     somebody has died in the one step between noting that and doing it;
 *   - an attempt gives no result of an earlier one.
 *
 * A submitter, who cancels, loses interest, or terminates the pool; a keeper
 * or two; workers, the first of them at the posts, the others to be started.
 * All of them may be killed. The rest is done by init, who is not: it keeps,
 * and works at whatever post is vacant. */
#ifndef POSTS
#define POSTS 1
#endif
#ifndef WORKERS
#define WORKERS 2
#endif
#ifndef KEEPERS
#define KEEPERS 1
#endif
#ifndef TASKS
#define TASKS 1
#endif
#ifndef CELLS
#define CELLS 1
#endif
#ifndef RETRIES
#define RETRIES 1
#endif
#ifndef LEAVES
#define LEAVES 0 /* workers that leave to be replaced */
#endif
#ifndef TERMINATES
#define TERMINATES 0
#endif
#ifndef CRASHES
#define CRASHES 1
#endif

#define KEEPER    WORKERS + 1 /* the first */
#define SUBMITTER (WORKERS + KEEPERS + 1)
#define INIT      9
#define NEVER     255

/* ---- Death ---- */

bool dead[10];
bool settling[10]; /* about to give up a reference that it has noted as such */
bool may_leak;
byte crashes;

#define killed() dead[me]
#define MAY_DIE(p) (SUBMITTER >= p && crashes < CRASHES && !dead[p])

/* Not of the protocol: the task that a worker has taken and that has not
 * ended; how many workers each task has cost. */
byte holds[10], lost[TASKS + 1];

inline die(p) {
    dead[p] = true;
    lost[holds[p]]++;
    may_leak = may_leak || settling[p]
}

proctype death() {
    do
    :: atomic { MAY_DIE(1) -> die(1); crashes++ }
    :: atomic { MAY_DIE(2) -> die(2); crashes++ }
    :: atomic { MAY_DIE(3) -> die(3); crashes++ }
    :: atomic { MAY_DIE(4) -> die(4); crashes++ }
    :: atomic { MAY_DIE(5) -> die(5); crashes++ }
    :: atomic { MAY_DIE(6) -> die(6); crashes++ }
    :: break
    od
}

/* ---- Cells: each line of a d_step is one compare-and-swap ---- */

#define FREE       0
#define QUEUED     1
#define AGAIN      2
#define RUNNING    3
#define DONE       4
#define FAILED     5
#define CANCELLED  6
#define TERMINATED 7

byte phase[CELLS + 1], at[CELLS + 1], attempt[CELLS + 1];
bool cancelling[CELLS + 1], settled[CELLS + 1], abandoned[CELLS + 1];
byte result[CELLS + 1]; /* of which attempt; 0: none */

/* Not of the protocol. */
byte number[CELLS + 1];
bool answered[TASKS + 1], told[TASKS + 1], asked[TASKS + 1];
byte runs[TASKS + 1];

/* Both sides have left: the cell is free for another task. */
inline release_cell(c) {
    d_step {
        assert(settled[c] && abandoned[c] && phase[c] >= DONE);
        phase[c] = FREE;
        at[c] = 0;
        attempt[c] = 0;
        cancelling[c] = false;
        settled[c] = false;
        abandoned[c] = false;
        result[c] = 0;
        number[c] = 0
    }
}

inline answer(c, n, how) {
    assert(number[c] == n && !answered[n] && told[n]);
    answered[n] = true;
    phase[c] = how
}

/* mp__inbox_put() */
inline tell(n) { told[n] = true }

/* end_task() */
inline end(c, n, how) {
#ifndef UNTOLD
    tell(n);
#endif
    d_step {
        assert(phase[c] == RUNNING);
        was_cancelled = cancelling[c];
        if
#ifdef CANCEL_UNSEEN
        :: cancelling[c] && how != DONE -> answer(c, n, CANCELLED)
        :: !cancelling[c] || how == DONE -> answer(c, n, how)
#else
        :: cancelling[c] -> answer(c, n, CANCELLED)
        :: !cancelling[c] -> answer(c, n, how)
#endif
        fi;
        assert(phase[c] == CANCELLED || !asked[n]);
        assert(phase[c] != DONE || result[c] == 0 ||
               result[c] == attempt[c]);
        assert(phase[c] != FAILED ||
               (lost[n] >= attempt[c] && attempt[c] == RETRIES + 1));
        settled[c] = true;
        alone = abandoned[c];
        holds[me] = 0
    };
    if
    :: alone -> release_cell(c)
    :: !alone
    fi;
    alone = false
}

/* Of one that somebody else has ended. */
inline settle_ended(c, n) {
    d_step {
        assert(number[c] == n && phase[c] >= DONE && !settled[c]);
        alone = abandoned[c];
        settled[c] = true;
        settling[me] = false;
        holds[me] = 0
    };
    if
    :: alone -> release_cell(c)
    :: !alone
    fi;
    alone = false
}

/* ---- The queue ---- */

byte slot[TASKS + 1], tail, head;
bool terminated;

/* ---- Posts ---- */

#define VACANT   0
#define STARTING 1
#define UP       2
#define RELIEVED 3
#define GONE     4
byte claim[POSTS + 1], sequence[POSTS + 1], begun[POSTS + 1] = NEVER;
byte stage[POSTS + 1], epoch[POSTS + 1], process[POSTS + 1];
byte keeper[POSTS + 1];
bool ready[POSTS + 1];
byte next_worker, leaves;
byte post_of[10], epoch_of[10]; /* what a worker is started with */

/* Whether the post owes a reference to what it has taken. */
#ifdef WAITS_BY_PHASE
#define OWES(p) (claim[p] != 0 && phase[claim[p]] == AGAIN)
#else
#define OWES(p) (claim[p] != 0 && begun[p] != sequence[p])
#endif

#define CONDEMNED(p)                                                        \
    (claim[p] != 0 && phase[claim[p]] == RUNNING && at[claim[p]] == p &&    \
     cancelling[claim[p]])
#define TO_BURY(p)                                                          \
    (((stage[p] == UP || stage[p] == RELIEVED) &&                           \
      (dead[process[p]] || terminated || CONDEMNED(p))) ||                  \
     (stage[p] == STARTING &&                                               \
      (process[p] == 0 || dead[process[p]] || terminated)))
#define TO_FILL(p)                                                          \
    (stage[p] == VACANT && (next_worker < WORKERS || terminated))
#define NEEDED(p)                                                           \
    (POSTS >= p && (keeper[p] == 0 || dead[keeper[p]]) &&                   \
     (TO_BURY(p) || TO_FILL(p)))

/* ---- Workers ---- */

/* mp__task_run(): what the post `p` has taken and not begun. */
inline run_task(p) {
    c = claim[p];
    n = sequence[p];
    d_step {
        assert(number[c] == n);
        mine = phase[c] == QUEUED || (phase[c] == AGAIN && at[c] == p);
        if
        :: mine ->
            phase[c] = RUNNING;
            at[c] = p;
            attempt[c] = (attempt[c] == 0 -> 1 : attempt[c])
        :: !mine
        fi
    };
    settling[me] = !mine;
    begun[p] = n;
    if
    :: mine ->
        d_step {
            runs[n]++;
            assert(!answered[n] && runs[n] <= attempt[c])
        };
        if
        :: result[c] = attempt[c]
        :: skip
        fi;
        end(c, n, DONE) /* commit */
    :: !mine -> settle_ended(c, n)
    fi;
    d_step { c = 0; n = 0; mine = false }
}

#ifdef TAKES_MORE
#define HAS_TO_GO(p) false
#else
#define HAS_TO_GO(p) (was_cancelled || stage[p] != UP)
#endif

/* Of an attempt that came to nothing. */
inline drop_result(p) {
#ifndef RESULT_STAYS
    d_step { assert(!settled[claim[p]]); result[claim[p]] = 0 }
#else
    skip
#endif
}

proctype worker(byte me) {
    byte p, c, n;
    bool mine, alone, was_cancelled;
    {
        p = post_of[me];
        if
        :: d_step { stage[p] == STARTING && epoch[p] == epoch_of[me] &&
                    !terminated ->
                stage[p] = UP; process[p] = me }
        :: else -> goto home
        fi;
        ready[p] = true;
        if
        :: d_step { OWES(p) -> holds[me] = sequence[p] };
            drop_result(p);
            run_task(p)
        :: else
        fi;
        do
        :: HAS_TO_GO(p) -> break
        :: d_step { !HAS_TO_GO(p) && leaves < LEAVES -> leaves++ }; break
        :: d_step { !HAS_TO_GO(p) && head < tail ->
                assert(claim[p] == 0 || begun[p] == sequence[p]);
                claim[p] = slot[head];
                head++;
                sequence[p] = head;
                holds[me] = head
            };
            run_task(p)
        od;
        stage[p] = RELIEVED;
home:   dead[me] = true
    } unless { killed() }
}

/* ---- Keepers ---- */

/* A task that nobody holds, of a pool that is terminated. */
inline overtake(c, n) {
    tell(n);
    d_step {
        assert(number[c] == n);
        if
        :: phase[c] == QUEUED || phase[c] == AGAIN -> answer(c, n, TERMINATED)
        :: else
        fi
    }
}

/* It was RUNNING at the post of a dead worker. */
inline fail_or_retry(p) {
    mine = attempt[c] <= RETRIES && !terminated;
    if
    :: mine ->
#ifndef BEGUN_AFTER_GRANT
        begun[p] = NEVER;
#endif
        d_step {
            assert(number[c] == n && phase[c] == RUNNING && at[c] == p);
#ifndef RETRIES_CANCELLED
            mine = !cancelling[c];
#endif
            if
            :: mine -> /* commit */
                phase[c] = AGAIN;
                attempt[c]++;
                assert(attempt[c] <= RETRIES + 1);
                cancelling[c] = false
            :: !mine
            fi
        }
#ifdef BEGUN_AFTER_GRANT
        if
        :: mine -> begun[p] = NEVER
        :: !mine
        fi
#endif
    :: !mine
    fi;
    if
    :: !mine ->
        begun[p] = n;
        end(c, n, (terminated -> TERMINATED : FAILED))
    :: mine
    fi
}

/* mp__task_settle() */
inline settle_task(p) {
    c = claim[p];
    n = sequence[p];
    do
    :: c == 0 -> break
    :: c != 0 ->
        d_step {
            seen = phase[c];
            mine = seen == RUNNING && at[c] == p
        };
        if
        :: mine -> fail_or_retry(p); break
#ifdef NO_BEGUN
        :: !mine && false -> break
#else
        :: !mine && begun[p] == n -> break /* it was through with it */
#endif
        :: else ->
            assert(number[c] == n);
            if
#ifdef AGAIN_FAILS
            :: seen == AGAIN ->
                d_step {
                    if
                    :: phase[c] == AGAIN -> phase[c] = RUNNING; at[c] = p
                    :: else
                    fi
                }
            :: seen == QUEUED && !terminated -> break
#else
            :: seen < RUNNING && !terminated -> break
#endif
            :: seen < RUNNING && terminated -> overtake(c, n)
            :: seen >= DONE ->
                settling[me] = true;
                begun[p] = n;
                settle_ended(c, n);
                break
            fi
        fi
    od;
    c = 0;
    d_step { n = 0; mine = false; seen = 0; was_cancelled = false }
}

inline kill_worker(v) {
    d_step {
        if
        :: v != 0 && !dead[v] ->
            assert(terminated || holds[v] == 0 || asked[holds[v]]);
            die(v)
        :: else
        fi
    }
}

/* One that is on its way must not take the post any more. */
inline bury_unborn(p) {
    d_step {
        victim = 0;
        if
        :: stage[p] == STARTING ->
            victim = process[p];
            process[p] = 0;
            stage[p] = VACANT
        :: else
        fi
    };
    kill_worker(victim)
}

/* condemn(): from then on it takes nothing any more. */
#define TO_END(p) (CONDEMNED(p) || terminated || dead[process[p]])

inline bury_worker(p) {
    d_step {
        if
        :: CONDEMNED(p) && stage[p] == UP -> stage[p] = RELIEVED
        :: else
        fi;
        mine = TO_END(p);
        victim = process[p]
    };
    if
    :: mine ->
        mine = false;
        kill_worker(victim);
        if
        :: ready[p] -> settle_task(p)
        :: !ready[p]
        fi;
        d_step { stage[p] = VACANT; process[p] = 0 }
    :: !mine
    fi
}

/* mp__pool_bury(): the stage may change until then. */
inline bury(p) {
    if
#ifdef UNBORN_AS_FOUND
    :: stage[p] == STARTING -> victim = process[p]; kill_worker(victim);
        d_step {
            if
            :: stage[p] == STARTING -> stage[p] = VACANT; process[p] = 0
            :: else
            fi
        }
#else
    :: stage[p] == STARTING -> bury_unborn(p)
#endif
    :: stage[p] == UP || stage[p] == RELIEVED -> bury_worker(p)
    :: else
    fi;
    victim = 0
}

/* begin_epoch() and mp__pool_fill() */
inline fill(p) {
    if
    :: !OWES(p) ->
#ifdef EPOCH_TURNED_ROUND
        begun[p] = NEVER;
        claim[p] = 0
#else
        claim[p] = 0;
        begun[p] = NEVER
#endif
    :: OWES(p)
    fi;
    d_step {
        ready[p] = false;
        epoch[p]++;
        was_epoch = epoch[p];
        stage[p] = STARTING
    };
    d_step {
        if
        :: next_worker < WORKERS ->
            next_worker++;
            victim = next_worker;
            post_of[victim] = p;
            epoch_of[victim] = epoch[p]
        :: else -> victim = 0
        fi
    };
    if
    :: victim != 0 -> run worker(victim)
    :: victim == 0
    fi;
    d_step {
        if
        :: epoch[p] == was_epoch && victim != 0 -> process[p] = victim
        :: epoch[p] == was_epoch && victim == 0 -> stage[p] = VACANT
        :: else
        fi;
        victim = 0;
        was_epoch = 0
    }
}

/* look_after(), by the keeper of the post. */
inline look_after(p) {
    do
    :: TO_BURY(p) -> bury(p)
    :: !TO_BURY(p) && stage[p] == VACANT && terminated ->
#ifndef CLOSED_UNSETTLED
        settle_task(p);
#endif
        stage[p] = GONE
    :: !TO_BURY(p) && TO_FILL(p) && !terminated -> fill(p)
    :: else -> break
    od;
    keeper[p] = 0
}

#define VARIABLES                                                           \
    byte c, n, seen, victim, was_epoch, round;                              \
    bool mine, alone, was_cancelled

proctype attendant(byte me) {
    VARIABLES;
    {
        do
        :: atomic { NEEDED(1) -> keeper[1] = me }; look_after(1)
#if POSTS > 1
        :: atomic { NEEDED(2) -> keeper[2] = me }; look_after(2)
#endif
        od
    } unless { killed() }
}

/* ---- The submitter ---- */

inline cancel(c, n) {
    do
    :: d_step { phase[c] == QUEUED || phase[c] == AGAIN -> seen = phase[c] };
#ifndef CANCELLED_UNTOLD
        tell(n);
#endif
        d_step {
            mine = phase[c] == seen;
            if
            :: mine -> answer(c, n, CANCELLED); asked[n] = true
            :: !mine
            fi
        };
        if
        :: mine -> break
        :: !mine
        fi
    :: d_step { phase[c] == RUNNING -> cancelling[c] = true;
                asked[n] = true }; break
    :: phase[c] >= DONE -> break
    od;
    mine = false
}

proctype submitter(byte me) {
    byte n, c, seen;
    bool mine, alone;
    {
        do
        :: n < TASKS && !terminated ->
            n++;
            if
            :: d_step { phase[1] == FREE -> c = 1; phase[c] = QUEUED }
            :: d_step { CELLS > 1 && phase[CELLS] == FREE ->
                    c = CELLS; phase[c] = QUEUED }
            fi;
            d_step { number[c] = n; slot[tail] = c; tail++ };
            if
            :: cancel(c, n)
            :: phase[c] >= DONE
            :: terminated -> overtake(c, n)
            :: TERMINATES -> terminated = true
            :: true
            fi;
            d_step {
                abandoned[c] = true;
                alone = settled[c]
            };
            if
            :: alone -> release_cell(c)
            :: !alone
            fi;
            d_step { c = 0; alone = false }
        :: else -> break
        od
    } unless { killed() }
}

/* ---- */

inline keep(p) {
    if
    :: atomic { NEEDED(p) -> keeper[p] = me }; look_after(p)
    :: else
    fi
}

/* Does the work of the post, if nobody else will: at most what is left. */
inline stand_in(p) {
    if
    :: atomic { stage[p] == VACANT && !terminated &&
                (keeper[p] == 0 || dead[keeper[p]]) -> keeper[p] = me };
        if
        :: OWES(p) -> drop_result(p); run_task(p)
        :: else
        fi;
        do
        :: head < tail ->
            claim[p] = slot[head];
            head++;
            sequence[p] = head;
            run_task(p)
        :: head == tail -> break
        od;
        keeper[p] = 0
    :: else
    fi
}

inline keep_all() {
    keep(1);
#if POSTS > 1
    keep(2)
#endif
}

inline stand_in_all() {
    stand_in(1);
#if POSTS > 1
    stand_in(2)
#endif
}

inline drain() {
    do
    :: head < tail ->
        c = slot[head];
        head++;
        overtake(c, head);
        settle_ended(c, head)
    :: head == tail -> break
    od
}

init {
    byte me = INIT;
    VARIABLES;

    atomic {
        do
        :: n < POSTS ->
            n++;
            stage[n] = STARTING;
            post_of[n] = n;
            process[n] = n;
            next_worker = n;
            run worker(n)
        :: else -> break
        od;
        n = 0;
        do
        :: n < KEEPERS -> run attendant(KEEPER + n); n++
        :: else -> break
        od;
        n = 0;
        run submitter(SUBMITTER);
        run death()
    };
    do
    :: round <= TASKS ->
        round++;
        timeout;
        keep_all();
        timeout; /* those that were started have come to rest, or are dead */
        keep_all();
        timeout;
        if
        :: !terminated -> stand_in_all()
        :: terminated -> drain()
        fi
    :: else -> break
    od;
    timeout;
    assert(head == tail);
    n = 0;
    do
    :: n < tail -> n++; assert(answered[n] && told[n])
    :: else -> break
    od;
    n = 0;
    do
    :: n < CELLS ->
        n++;
        assert(number[n] == 0 || settled[n] || may_leak)
    :: else -> break
    od
}
