/* SPDX-License-Identifier: MIT */
/* The barrier (src/sync/barrier{,_wait}.c).
 *
 * Nobody is released before all seats of the turn are taken; all who have one
 * then, and live, learn that they are released, and nobody else does. Nobody
 * sleeps on when one who came to the same turn has died, or one who is
 * registered, or when the turn is over. */
#ifndef PARTIES
#define PARTIES 2
#endif
#ifndef COMERS
#define COMERS PARTIES /* so many processes wait at it, */
#endif
#ifndef ROUNDS
#define ROUNDS 2 /* and so often each */
#endif
#ifndef MEMBERS
#define MEMBERS 0 /* 1: a process registers, and does not come */
#endif
#ifndef RESETS
#define RESETS 0 /* 1: a process resets it */
#endif
#ifndef CRASHES
#define CRASHES 1
#endif
#ifndef ACTIONS
#define ACTIONS 0 /* 1: who comes last has to act */
#endif
#ifndef IMPATIENT
#define IMPATIENT 0 /* comers up to this number have a deadline */
#endif
#ifndef SIGNALLED
#define SIGNALLED 0 /* comers up to this number may be interrupted */
#endif
#ifndef SEATED
#define SEATED 0 /* comers up to this number have come, and counted */
#endif
#define N (COMERS + MEMBERS + RESETS)
#define BELL_OF(turn_) (1 + (turn_) % 2)

#include "sleepers.pml"

/* The state, one word: `turn` and `step` tell every value from every other. */
byte turn, step, count;
bool parity, broken, acting;
byte actor;

byte seat[PARTIES], since[PARTIES]; /* who, and the turn: one word */
byte roster, registrations;
byte waiters[3]; /* of the bells */

/* For the claims. A death before one is counted, which nobody has seen, need
 * not be noticed: the dead had not come yet. */
bool released[16]; /* how each turn has ended */
bool sits[MAX];    /* it waits, */
byte at[MAX];      /* in this turn, */
bool counts[MAX];  /* and has counted itself */

#define IS_OF(i, turn_) (seat[i] != 0 && since[i] == turn_)
#define DEAD_IN(i, turn_) (IS_OF(i, turn_) && dead[seat[i]])

#ifdef DEAD_COUNT
#define DEATH_BREAKS false
#else
#define DEATH_BREAKS true
#endif

/* ---- Turns ---- */

inline wake(turn_) {
    if
    :: waiters[BELL_OF(turn_)] != 0 -> ring_all(BELL_OF(turn_))
    :: waiters[BELL_OF(turn_)] == 0
    fi
}

inline next_turn() {
    turn++;
    step = 0;
    count = 0;
    acting = false
}

/* The commit of a round. */
inline release() {
    released[turn] = true;
    i = 0;
    do
    :: i < PARTIES -> assert(IS_OF(i, turn)); i++
    :: else -> break
    od;
    i = 0;
    next_turn();
    parity = !parity
}

/* `ended`: by us. */
inline end_turn(turn_, flag) {
    arm(BELL_OF(turn_));
    if
    :: atomic { turn == turn_ ->
            next_turn();
            broken = flag;
            ended = true };
        wake(turn_);
        disarm()
    :: turn != turn_
    fi
}

inline look_for_dead(turn_) {
    do
    :: atomic {
            found = found || DEAD_IN(i, turn_);
            i++;
            if
            :: i == PARTIES -> i = 0; break
            :: else
            fi
        }
    od;
    if
    :: MEMBERS == 0
    :: MEMBERS != 0 && registrations == 0
    :: MEMBERS != 0 && registrations != 0 ->
        found = found || (roster != 0 && dead[roster])
    fi
}

/* ---- Coming ---- */

#define MAY_TAKE(i) (seat[i] == 0 || (dead[seat[i]] && since[i] != turn))

inline leave_seat() {
    atomic { seat[place] = 0; sits[me] = false; counts[me] = false }
}

/* Looks for a seat; `place` is PARTIES if there is none. */
inline take_seat() {
    place = 0;
    do
    :: place < PARTIES ->
        atomic { other = seat[place]; when = since[place] };
        if
        :: other == 0 || (dead[other] && when != turn) ->
            if
            :: atomic { seat[place] == other && since[place] == when ->
                    seat[place] = me;
                    since[place] = my_turn };
                break
            :: seat[place] != other || since[place] != when -> place++
            fi
        :: other != 0 && (!dead[other] || when == turn) -> place++
        fi
    :: else -> break
    od;
    atomic { other = 0; when = 0 }
}

/* Goes to seated; or to refused. */
inline sit_down() {
    do
    :: atomic {
            had_dead = false;
            my_turn = turn;
            my_step = step;
            my_count = count;
            my_parity = parity;
            if
            :: broken -> goto refused
            :: else
            fi
        };
        arm(BELL_OF(my_turn));
        take_seat();
        if
        :: atomic { place < PARTIES -> sits[me] = true; at[me] = my_turn };
            break
        :: place == PARTIES ->
            disarm();
            look_for_dead(my_turn);
            if
            :: found ->
                end_turn(my_turn, true);
                atomic { disarm(); found = false; ended = false }
            :: !found
            fi;
            /* The hall: nobody sleeps for long there. */
            broken || turn != my_turn || MAY_TAKE(0) ||
                MAY_TAKE(PARTIES - 1) || MAY_TAKE(1)
        fi
    od
}

/* Counts itself. Goes to others_come, all_are_here, or turn_is_over. */
inline count_in() {
    do
    :: atomic { my_count + 1 == PARTIES ->
            had_dead = DEAD_IN(0, my_turn) || DEAD_IN(1, my_turn) };
        look_for_dead(my_turn);
        if
        :: DEATH_BREAKS && found ->
            end_turn(my_turn, true);
            found = false;
            goto turn_is_over
        :: !DEATH_BREAKS || !found
        fi;
        actor = me;
        if
        :: atomic { turn == my_turn && step == my_step ->
                assert(!had_dead);
                if
                :: ACTIONS -> count++; step++; acting = true; counts[me] = true
                :: else -> release()
                fi };
            goto all_are_here
        :: atomic { turn == my_turn && step != my_step ->
                my_step = step; my_count = count }
        :: turn != my_turn -> goto turn_is_over
        fi
    :: my_count + 1 != PARTIES ->
        if
        :: atomic { turn == my_turn && step == my_step ->
                count++; step++; counts[me] = true };
            goto others_come
        :: atomic { turn == my_turn && step != my_step ->
                my_step = step; my_count = count }
        :: turn != my_turn -> goto turn_is_over
        fi
    od
}

/* ---- Sleeping ---- */

/* The next one in the circle, down from our seat. */
inline find_neighbour() {
    i = place;
    do
    :: atomic {
            i = (i > 0 -> i - 1 : PARTIES - 1);
            first = first || i > place;
            if
            :: i == place -> first = true; break
            :: i != place && IS_OF(i, my_turn) -> other = seat[i]; break
            :: else
            fi
        }
    od;
    atomic {
        i = 0;
#ifdef NO_CIRCLE
        other = 0
#endif
    }
}

inline watch(who) {
    if
    :: atomic { who != 0 && !dead[who] ->
            watched[me] = watched[me] | LIFE(who) }
    :: who != 0 && dead[who] -> goto awake
    :: who == 0
    fi
}

inline pass_on_death(who) {
    if
    :: who != 0 && dead[who] -> wake_all_watchers(who)
    :: else
    fi
}

/* `late` and `signal` say how it ended. */
inline sleep_once() {
    when = registrations;
    find_neighbour();
    if
    :: atomic { my_acting -> act = actor }
    :: atomic { !my_acting -> act = 0 }
    fi;
    if
    :: atomic { MEMBERS && first && when != 0 -> member = roster }
    :: atomic { !(MEMBERS && first && when != 0) -> member = 0 }
    fi;
    if
    :: dead[other] || dead[act] || dead[member] -> goto woken_
    :: else
    fi;
    waiters[BELL_OF(my_turn)]++;
    queued[me] = BELL_OF(my_turn);
    if
    :: turn != my_turn || step != my_step -> goto awake
    :: turn == my_turn && step == my_step
    fi;
    if
    :: MEMBERS && first && registrations != when -> goto awake
    :: !(MEMBERS && first && registrations != when)
    fi;
    watch(other);
    watch(act);
    watch(member);
    if
    :: woken[me]
    :: me <= IMPATIENT -> late = true
    :: me <= SIGNALLED -> signal = true
    fi;
awake:
    skip;
    dequeue();
    waiters[BELL_OF(my_turn)]--;
    atomic {
        pass_on_death(other);
        pass_on_death(act);
        pass_on_death(member)
    };
woken_:
    atomic { other = 0; act = 0; member = 0; first = false; when = 0 }
}

/* By a living one; it may be about to. */
#define OTHERS_ARE_TOLD (turn == my_turn + 1 && parity != my_parity &&        \
    !dead[actor])
#ifdef NO_CASCADE
#define CASCADES false
#else
#define CASCADES true
#endif

/* Until the turn is over; or to left, if we have ended it or gone. */
inline await_others() {
    do
    :: atomic {
            my_step = step;
            my_acting = acting;
            if
            :: turn != my_turn -> break
            :: else
            fi
        };
        sleep_once();
        slept = true;
        atomic {
            my_step = step;
            my_acting = acting;
            if
            :: turn != my_turn -> late = false; signal = false; break
            :: else
            fi
        };
        if
        :: signal && !my_acting ->
            signal = false;
            if
            :: atomic { turn == my_turn && !acting -> count--; step++ };
                leave_seat();
#ifndef NO_LAST_STEP
                if
                :: atomic { turn == my_turn -> step++ }
                :: turn != my_turn
                fi;
#endif
#ifndef GOES_SILENTLY
                wake(my_turn);
#endif
                goto left
            :: turn != my_turn || acting
            fi
        :: else ->
            look_for_dead(my_turn);
            if
            :: atomic { (late && !my_acting) || found -> found = false };
                end_turn(my_turn, true);
                if
                :: ended -> leave_seat(); goto left
                :: !ended
                fi
            :: (!late || my_acting) && !found
            fi
        fi;
        atomic { signal = false; late = false }
    od;
    if
    :: !CASCADES || !slept || OTHERS_ARE_TOLD
    :: CASCADES && slept && !OTHERS_ARE_TOLD -> wake(my_turn)
    fi
}

/* ---- Processes ---- */

#define FORGET                                                                \
    n = 0; i = 0; place = 0; other = 0; when = 0; my_turn = 0; my_step = 0;   \
    my_count = 0; act = 0; member = 0; my_parity = false; my_acting = false;  \
    found = false; ended = false; first = false; late = false;                \
    signal = false; slept = false; had_dead = false

proctype comer(byte me) may_run {
    byte n, i, place, other, when, my_turn, my_step, my_count, act, member;
    bool my_parity, my_acting, found, ended, first, late, signal, slept,
        had_dead;
    {
        do
        :: n < ROUNDS ->
            n++;
            if
            :: n == 1 && me <= SEATED -> place = me - 1; goto others_come
            :: else
            fi;
come:       sit_down();
            count_in();
turn_is_over:
            leave_seat();
            disarm();
            goto come;
all_are_here:
            if
            :: ACTIONS ->
                if
                :: waiters[BELL_OF(my_turn)] != 0 -> ring_one(BELL_OF(my_turn))
                :: waiters[BELL_OF(my_turn)] == 0
                fi;
                disarm();
                if
                :: true ->
                    end_turn(my_turn, true);
                    leave_seat();
                    goto left
                :: true
                fi;
                arm(BELL_OF(my_turn));
                if
                :: atomic { turn == my_turn -> release() }; wake(my_turn)
                :: turn != my_turn
                fi
            :: !ACTIONS -> wake(my_turn)
            fi;
            goto leave;
others_come:
            await_others();
leave:      atomic {
                assert((parity != my_parity) == released[my_turn]);
                slept = false;
                my_step = 0;
                my_count = 0
            };
            leave_seat();
            disarm()
        :: else -> break
        od;
left:   skip;
refused:
        atomic { disarm(); over[me] = true }
    } unless {
        d_step { killed(); FORGET; condemned = 0 }
    }
}

proctype member_(byte me) may_run {
    {
        registrations++;
        arm(BELL_OF(turn));
        roster = me;
        registrations++;
        wake(0);
        wake(1);
        disarm();
        false
    } unless {
        d_step { killed(); condemned = 0 }
    }
}

proctype resetter(byte me) may_run {
    byte my_turn;
    bool ended;
    {
        if
        :: roster != 0 && dead[roster] -> roster = 0
        :: roster == 0 || !dead[roster]
        fi;
        do
        :: !ended -> my_turn = turn; end_turn(my_turn, false)
        :: ended -> break
        od;
        atomic { disarm(); over[me] = true }
    } unless {
        d_step { killed(); my_turn = 0; ended = false; condemned = 0 }
    }
}

/* ---- When all has come to rest ---- */

#ifdef UNCOUNTED_TOO
#define MATTERS(p) true
#else
#define MATTERS(p) counts[p]
#endif

init {
    byte i, asleep;

    atomic {
        do
        :: i < COMERS ->
            i++;
            run comer(i);
            if
            :: i <= SEATED ->
                seat[i - 1] = i;
                sits[i] = true;
                counts[i] = true;
                pending[i] = BELL_OF(0);
                count++;
                step++
            :: else
            fi
        :: i >= COMERS && i < COMERS + MEMBERS -> i++; run member_(i)
        :: i >= COMERS + MEMBERS && i < N -> i++; run resetter(i)
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
    do
    :: i < COMERS ->
        i++;
        if
        :: !over[i] && !dead[i] && sits[i] ->
            assert(ASLEEP(i) && at[i] == turn && !broken);
            asleep++
        :: else
        fi
    :: else -> break
    od;
    assert(asleep == 0 || asleep == count && count < PARTIES);
    assert(asleep == 0 || roster == 0 || !dead[roster]);
    i = 0;
    do
    :: i < PARTIES ->
        assert(asleep == 0 || !DEAD_IN(i, turn) || !MATTERS(seat[i]));
        i++
    :: else -> break
    od
}
