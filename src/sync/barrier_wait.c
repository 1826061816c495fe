/* SPDX-License-Identifier: MIT */
/* Waiting at a barrier.
 *
 * Each party takes a seat, a word that names it and the turn, and then counts
 * itself in the barrier's state. Who comes last begins the next turn, by one
 * compare-and-swap: that is the release, the commit of everything. To break
 * the barrier, or to reset it, is to begin the next turn as well; whether a
 * turn has ended with a release tells PARITY. A party leaves its seat when it
 * leaves. So no round can be complete before all who live have left the last
 * one, and the slowest of them can still tell how its own has ended.
 *
 * Deaths. The seat comes before the count, and the living always go on from
 * one to the other, or give the seat back. A dead thread in a seat of this
 * turn breaks the barrier, whether it counts or not: so a wrong count never
 * matters. Seats of the dead of earlier turns are free.
 *
 * How it becomes known. A party has the bell armed from before it takes its
 * seat: when it dies, the kernel wakes one who sleeps for this turn, and that
 * one looks at all seats. It might be about to sleep, and nobody yet asleep.
 * Therefore each, when it goes to sleep, watches the life of one that was
 * there before it: of its neighbour, in the circle of seats. And that its
 * neighbour is still the same, the kernel sees by the step in the state. The
 * first of the circle also watches the roster; all watch the actor, who has no
 * bell armed while it runs the action, for that may use the library. Whoever
 * goes while the turn goes on wakes the others: their neighbours change.
 *
 * Even turns have another bell than odd ones. So who is slow to leave cannot
 * be woken in the place of somebody of the next turn.
 *
 * To wait is to come, to look until the turn is over, and to leave. Threads
 * sleep in between. One that acts for others (a guest's host) must not: it looks
 * again and again. It has no bell armed meanwhile; so its guest, having come,
 * wakes the sleepers, and from then on is the neighbour whom one of them
 * watches. */
#include "sync/barrier.h"

#include "base/error.h"
#include "bell/waiters.h"
#include "os/clock.h"
#include "sync/gate.h"

#include <errno.h>

#define SPINS_LEAST 16u
#define SPINS_MOST  800u
#define TRIAL       256u /* turns from one to the next */

/* How a visitor fares when it counts itself. */
enum {
    TURN_IS_OVER,
    OTHERS_COME, /* they have to */
    ALL_ARE_HERE,
};

static int
refuse(const struct mp__visit *v)
{
    return mp__fail(-ECANCELED, "%s: the barrier is broken, or was reset",
                    v->function);
}

static struct mp__bell *
bell_of(const struct mp__visit *v)
{
    return mp__barrier_bell(v->barrier, v->state);
}

static int
is_turn_of(const struct mp__visit *v, uint64_t state)
{
    return mp__barrier_turn(v->state) == mp__barrier_turn(state);
}

/* ---- Seats ---- */

/* The seat's index; -1: all are taken. */
static int
take_seat(struct mp_barrier *b, uint64_t state)
{
    uint64_t mine = mp__seat_of(state, mp__me.id);
    uint32_t at = mp__me.index % b->parties; /* as a rule the one of before */

    for (uint32_t i = 0; i < b->parties; i++) {
        uint64_t seat = mp__load(&b->seats[at]);

        if (mp__seat_is_free(b, seat) && mp__cas(&b->seats[at], &seat, mine))
            return (int)at;
        at = at + 1 < b->parties ? at + 1 : 0;
    }
    return -1;
}

/* The bell is still armed after that. */
static void
leave_seat(const struct mp__visit *v)
{
    struct mp_barrier *b = v->barrier;

    mp__store(&b->seats[v->seat], 0);
    /* seq_cst: who wants one says so before it looks for the last time. */
    if (mp__load(&b->wanted) && mp__swap(&b->wanted, 0))
        mp__barrier_wake(&b->hall);
}

/* Leaves while the turn goes on. */
static void
withdraw(const struct mp__visit *v)
{
    struct mp_barrier *b = v->barrier;
    uint64_t state;

    leave_seat(v);
    /* Whoever has found us beside it in the meantime must not fall asleep. */
    state = mp__load(&b->state);
    while (is_turn_of(v, state) &&
           !mp__cas(&b->state, &state, mp__barrier_step(state)))
        ;
    mp__barrier_wake(bell_of(v));
    mp__bell_disarm();
}

static int
is_broken(uint64_t state)
{
    return (state & MP__BARRIER_BROKEN) != 0;
}

/* All have come: it is too late to go. */
static int
is_acting(uint64_t state)
{
    return (state & MP__BARRIER_ACTING) != 0;
}

/* Sleeps until somebody leaves a seat; never for long, for it may have died.
 * `wanted` has been set. */
static int
sleep_in_hall(const struct mp__visit *v, uint64_t state)
{
    struct mp_barrier *b = v->barrier;
    int full = is_acting(state); /* it is not our round */
    struct mp__watch watch;
    int r;

    mp__watch_begin(&watch, &b->hall);
    mp__watch_word(&watch, &b->wanted, 1);
    watch.partial = 1;
    r = mp__bell_sleep(&b->hall, &watch, b, full ? MP_FOREVER : v->deadline);
    if (r == -ETIMEDOUT &&
        !mp__barrier_end_turn(b, state, MP__BARRIER_BROKEN)) {
        mp__bell_disarm();
        return 0;
    }
    return r < 0 ? r : 0;
}

/* Takes a seat, and arms the bell. */
static int
sit_down(struct mp__visit *v)
{
    struct mp_barrier *b = v->barrier;
    int asked = 0;

    for (;;) {
        uint64_t state = mp__load(&b->state);
        int seat, r;

        if (is_broken(state))
            return refuse(v);
#ifndef MP__MUTATION_PARTY_UNARMED
        mp__bell_arm(mp__barrier_bell(b, state));
#endif
        seat = take_seat(b, state);
        if (seat >= 0) {
            v->state = state;
            v->seat = (uint32_t)seat;
            return 0;
        }
        mp__bell_disarm();
        if (is_broken(mp__barrier_settle(b)))
            return refuse(v);
        if (v->deadline == MP_NOW || v->awake)
            return -EAGAIN;
        if (asked && (r = sleep_in_hall(v, state)) < 0)
            return r;
        mp__store(&b->wanted, 1);
        asked = 1;
    }
}

/* ---- Coming ---- */

/* Counts the visitor, who has a seat. */
static int
count_in(const struct mp__visit *v, int with_action)
{
    struct mp_barrier *b = v->barrier;
    uint64_t state = v->state, next;

    while (is_turn_of(v, state)) {
        int last = mp__barrier_count(state) + 1 == b->parties;

        if (!last && v->deadline == MP_NOW) {
            withdraw(v);
            return -EAGAIN;
        }
        if (last && mp__barrier_has_dead(b, state)) {
            mp__barrier_end_turn(b, state, MP__BARRIER_BROKEN);
            break;
        }
        if (last)
            mp__store_relaxed(&b->actor, mp__me.id);
        next = mp__barrier_step(state + MP__BARRIER_ONE);
        if (last && with_action)
            next |= MP__BARRIER_ACTING;
        else if (last)
            next = mp__barrier_next(state) ^ MP__BARRIER_PARITY;
        if (mp__cas(&b->state, &state, next))
            return last ? ALL_ARE_HERE : OTHERS_COME;
    }
    leave_seat(v);
    mp__bell_disarm();
    return TURN_IS_OVER;
}

/* Whether it makes no sense to come: others would have to, and that may not be
 * waited for. 0, -EAGAIN, -ECANCELED. */
static int
look_from_outside(const struct mp__visit *v)
{
    struct mp_barrier *b = v->barrier;
    uint64_t state;

    if (v->deadline != MP_NOW ||
        mp__barrier_count(mp__load(&b->state)) + 1 == b->parties)
        return 0;
    state = mp__barrier_settle(b);
    return is_broken(state) ? refuse(v) : -EAGAIN;
}

static int
come(struct mp__visit *v, int with_action)
{
    int r;

    do {
        r = look_from_outside(v);
        if (r == 0)
            r = sit_down(v);
        if (r == 0)
            r = count_in(v, with_action);
    } while (r == TURN_IS_OVER);
    return r;
}

/* ---- Sleeping ---- */

/* Looks at the state until the turn is over, for as long as that has paid of
 * late; in some turns for long, to see whether it would pay. Not where the
 * parties have to share processors: who looks keeps the others from coming. */
static void
spin(const struct mp__visit *v)
{
    struct mp_barrier *b = v->barrier;
    uint32_t usual = mp__load_relaxed(&b->spins);
    uint32_t n = mp__barrier_turn(v->state) % TRIAL == 0 ? SPINS_MOST : usual;

    if (b->parties > mp__view.cpus)
        return;
    for (uint32_t i = 0; i < n; i++) {
        if (!is_turn_of(v, mp__load_relaxed(&b->state))) {
            if (i > usual / 2)
                mp__store_relaxed(&b->spins, SPINS_MOST / 2);
            return;
        }
        mp__cpu_relax();
    }
    if (usual > SPINS_LEAST)
        mp__store_relaxed(&b->spins, usual / 2);
}

/* The next one in the circle of those who have a seat in this turn; 0: there
 * is no other. *ret_first: whether the circle begins with the visitor. */
static uint64_t
neighbour(const struct mp__visit *v, int *ret_first)
{
    struct mp_barrier *b = v->barrier;
    uint32_t at = v->seat;

    for (uint32_t i = 1; i < b->parties; i++) {
        uint64_t seat;

        at = at > 0 ? at - 1 : b->parties - 1;
        seat = mp__load(&b->seats[at]);
        if (mp__seat_is_of(seat, v->state)) {
            *ret_first = at > v->seat;
            return mp__seat_participant(seat);
        }
    }
    *ret_first = 1;
    return 0;
}

/* 0: one of them is dead. */
static int
watch_roster(struct mp_barrier *b, struct mp__watch *watch)
{
    for (uint32_t i = 0; i < b->parties; i++) {
        uint64_t id = mp__load(&b->roster[i]);

        if (id && id != mp__me.id && !mp__watch_life(watch, id))
            return 0;
    }
    return 1;
}

/* Sleeps once; somebody may be dead after that. `state`: of this turn. Whoever
 * dies in its seat, but not counted yet, has changed nothing that would keep
 * others from falling asleep: so they look again soon, until they have found
 * nothing once (`calm`). */
static int
sleep_once(const struct mp__visit *v, uint64_t state, int calm)
{
    struct mp_barrier *b = v->barrier;
    mp_time deadline = is_acting(state) ? MP_FOREVER : v->deadline;
    uint32_t registrations = mp__load(&b->registrations);
    struct mp__watch watch;
    uint64_t beside;
    int first;

    _Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "");
    beside = neighbour(v, &first);
    mp__watch_begin(&watch, bell_of(v));
    mp__watch_word(&watch, (mp__a32 *)(void *)&b->state, (uint32_t)state);
    if (first)
        mp__watch_word(&watch, &b->registrations, registrations);
#ifndef MP__MUTATION_NEIGHBOUR_UNWATCHED
    if (beside && !mp__watch_life(&watch, beside))
        return 0;
#endif
#ifndef MP__MUTATION_ACTOR_UNWATCHED
    if (is_acting(state) && !mp__watch_life(&watch, mp__load(&b->actor)))
        return 0;
#endif
    if (first && registrations && !watch_roster(b, &watch))
        return 0;
    if (calm)
        return mp__bell_sleep(bell_of(v), &watch, b, deadline);
    return mp__bell_nap(bell_of(v), &watch, b, mp__gate_slice, deadline);
}

/* Takes the visitor out of the count, and gives the seat back. 0: it is too
 * late, the turn is over or all are here. */
static int
go_back(const struct mp__visit *v, uint64_t state)
{
    struct mp_barrier *b = v->barrier;

    while (is_turn_of(v, state) && !is_acting(state)) {
        if (mp__cas(&b->state, &state,
                    mp__barrier_step(state - MP__BARRIER_ONE))) {
            withdraw(v);
            return 1;
        }
    }
    return 0;
}

/* What a sleep ended with, as long as the turn goes on. 0: the turn is over, or
 * sleep again. Else the visitor has left: -EINTR, -ETIMEDOUT, -ECANCELED. */
static int
settle(const struct mp__visit *v, uint64_t state, int r)
{
    struct mp_barrier *b = v->barrier;
    int late = r == -ETIMEDOUT && !is_acting(state);

    if (r == -EINTR && go_back(v, state))
        return r;
    if ((late || mp__barrier_has_dead(b, state)) &&
        mp__barrier_end_turn(b, state, MP__BARRIER_BROKEN)) {
        leave_seat(v);
        return late ? r : refuse(v);
    }
    return 0;
}

static int
was_released(const struct mp__visit *v, uint64_t state)
{
    return ((state ^ v->state) & MP__BARRIER_PARITY) != 0;
}

/* We have slept, and the turn is over. The kernel may have woken us for one
 * who died before it had woken the others; or, if turns have gone by since,
 * for somebody of a later one. */
static void
pass_on(const struct mp__visit *v, uint64_t state)
{
    struct mp_barrier *b = v->barrier;
    uint64_t next = mp__barrier_next(v->state);

    if (mp__barrier_turn(state) == mp__barrier_turn(next) &&
        was_released(v, state) && mp__participant_find(mp__load(&b->actor)))
        return;
    mp__barrier_wake(bell_of(v));
}

/* Waits until the turn is over; then 0, and the bell is still armed. */
static int
await_others(const struct mp__visit *v)
{
    struct mp_barrier *b = v->barrier;
    int slept = 0, calm = 0;
    uint64_t state;

    spin(v);
    while (state = mp__load(&b->state), is_turn_of(v, state)) {
        int r;

        if (!slept)
            mp__wait_begin(b); /* told once, for all sleeps */
        r = sleep_once(v, state, calm);
        slept = 1;
        calm = r == MP__SLICE_OVER;
        state = mp__load(&b->state);
        if (is_turn_of(v, state) && (r = settle(v, state, r)) < 0) {
            mp__wait_end();
            return r;
        }
    }
    if (slept) {
        mp__wait_end();
#ifndef MP__MUTATION_ROUND_NOT_PASSED_ON
        pass_on(v, state);
#else
        (void)pass_on;
#endif
    }
    return 0;
}

/* ---- Leaving ---- */

/* The turn is over. Gives the bell back. */
static int
leave(const struct mp__visit *v)
{
    uint64_t state = mp__load(&v->barrier->state);

    leave_seat(v);
    mp__bell_disarm();
    return was_released(v, state) ? (int)v->seat : refuse(v);
}

/* All are here, and wait for us. One is enough to watch us. */
static void
begin_action(const struct mp__visit *v)
{
    struct mp__bell *bell = bell_of(v);

    if (mp__load(&bell->waiters))
        mp__futex_wake(&bell->word, 1);
    mp__bell_disarm();
}

int
mp__barrier_acted(const struct mp__visit *v, int r)
{
    struct mp_barrier *b = v->barrier;
    struct mp__bell *bell = bell_of(v);
    uint64_t state;

    mp__bell_arm(bell);
    state = mp__load(&b->state);
    if (r < 0) {
        mp__barrier_end_turn(b, v->state, MP__BARRIER_BROKEN);
    } else if (is_turn_of(v, state) &&
               mp__cas(&b->state, &state,
                       mp__barrier_next(state) ^ MP__BARRIER_PARITY)) {
        mp__barrier_wake(bell);
    }
    if (r >= 0)
        return leave(v);
    leave_seat(v);
    mp__bell_disarm();
    return r;
}

/* ---- Waiting ---- */

int
mp__barrier_come(struct mp__visit *v, int with_action)
{
    int r = come(v, with_action);

    if (r < 0)
        return r;
    if (r == ALL_ARE_HERE && with_action) {
        begin_action(v);
        return MP__BARRIER_ACTS;
    }
    if (r == ALL_ARE_HERE) {
        mp__barrier_wake(bell_of(v));
        return leave(v);
    }
#ifndef MP__MUTATION_GUEST_UNWATCHED
    mp__barrier_wake(bell_of(v)); /* one of them is to watch us */
#endif
    mp__bell_disarm();
    return MP__BARRIER_WAITS;
}

int
mp__barrier_look(const struct mp__visit *v)
{
    uint64_t state = mp__load(&v->barrier->state);

    mp__bell_arm(bell_of(v));
    if (is_turn_of(v, state)) {
        int r = settle(v, state, mp__expired(v->deadline));

        if (r < 0)
            return r;
        if (is_turn_of(v, mp__load(&v->barrier->state))) {
            mp__bell_disarm();
            return MP__BARRIER_WAITS;
        }
    }
    return leave(v);
}

void
mp__barrier_quit(const struct mp__visit *v)
{
    mp__barrier_end_turn(v->barrier, v->state, MP__BARRIER_BROKEN);
    leave_seat(v);
    mp__bell_disarm();
}

int
mp__barrier_may_act(const struct mp__visit *v)
{
    struct mp_barrier *b = v->barrier;
    uint64_t state = mp__load(&b->state);

    return v->seat < b->parties &&
           mp__load(&b->seats[v->seat]) == mp__seat_of(v->state, mp__me.id) &&
           (!is_turn_of(v, state) ||
            (is_acting(state) && mp__load(&b->actor) == mp__me.id));
}

static int
wait_at(struct mp__visit *v, int (*action)(void *arg), void *arg)
{
    int r = come(v, action != NULL);

    if (r < 0)
        return r;
    if (r == OTHERS_COME) {
        r = await_others(v);
        return r < 0 ? r : leave(v);
    }
    if (action) {
        begin_action(v);
        return mp__barrier_acted(v, action(arg));
    }
    mp__barrier_wake(bell_of(v));
    return leave(v);
}

int
mp_barrier_wait(mp_barrier *barrier, mp_time deadline)
{
    struct mp__visit v = {barrier, "mp_barrier_wait", deadline, 0, 0, 0};
    int r =
        mp__object_enter(barrier, MP__SLAB_BARRIER, v.function, "a barrier");

    if (MP__UNLIKELY(r < 0))
        return mp__barrier_wait_far(r, barrier, NULL, NULL, deadline);
    return wait_at(&v, NULL, NULL);
}

int
mp_barrier_wait_with(mp_barrier *barrier, int (*action)(void *arg), void *arg,
                     mp_time deadline)
{
    struct mp__visit v = {barrier, "mp_barrier_wait_with", deadline, 0, 0, 0};
    int r =
        mp__object_enter(barrier, MP__SLAB_BARRIER, v.function, "a barrier");

    if (MP__UNLIKELY(r < 0))
        return mp__barrier_wait_far(r, barrier, action, arg, deadline);
    return wait_at(&v, action, arg);
}
