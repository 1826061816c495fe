/* SPDX-License-Identifier: MIT */
/* The barrier: its life, its limits, its state, and who is registered. The
 * waiting is in barrier_wait.c.
 *
 * The roster holds the ids of the threads that have registered. An entry is
 * written by its thread alone, and dropped by a reset when that is dead. Who
 * sleeps first in a turn watches the lives of all of them; so a registration
 * wakes the sleepers, for one of them to watch one more. */
#include "sync/barrier.h"

#include "base/attr.h"
#include "base/error.h"
#include "bell/waiters.h"
#include "os/clock.h"
#include "region/hand.h"
#include "region/heap.h"

#include <errno.h>

#define SPINS_FIRST 200u
#define GRACE       1000000000 /* ns: for those who just leave */

_Static_assert(sizeof(mp_barrier_attr) == sizeof(struct mp__sync_attr), "");
_Static_assert(MP_BARRIER_MAX * 2 * sizeof(mp__a64) <= 65536, "a small block");

static int
enter(const mp_barrier *barrier, const char *function)
{
    return mp__object_enter(barrier, MP__SLAB_BARRIER, function, "a barrier");
}

/* ---- Turns ---- */

int
mp__barrier_has_dead(struct mp_barrier *barrier, uint64_t state)
{
    for (uint32_t i = 0; i < barrier->parties; i++) {
        uint64_t seat = mp__load(&barrier->seats[i]);

        if (mp__seat_is_of(seat, state) &&
            mp__participant_find(mp__seat_participant(seat)) == NULL)
            return 1;
    }
    if (mp__load(&barrier->registrations) == 0)
        return 0;
    for (uint32_t i = 0; i < barrier->parties; i++) {
        uint64_t id = mp__load(&barrier->roster[i]);

        if (id && mp__participant_find(id) == NULL)
            return 1;
    }
    return 0;
}

int
mp__barrier_end_turn(struct mp_barrier *barrier, uint64_t state,
                     uint64_t flags)
{
    struct mp__bell *bell = mp__barrier_bell(barrier, state);
    uint64_t now = state;

    mp__bell_arm(bell);
    while (mp__barrier_turn(now) == mp__barrier_turn(state)) {
        if (mp__cas(&barrier->state, &now, mp__barrier_next(now) | flags)) {
            mp__barrier_wake(bell);
            mp__bell_disarm();
            return 1;
        }
    }
    return 0;
}

uint64_t
mp__barrier_settle(struct mp_barrier *barrier)
{
    uint64_t state = mp__load(&barrier->state);

    if ((state & MP__BARRIER_BROKEN) || !mp__barrier_has_dead(barrier, state))
        return state;
    mp__barrier_end_turn(barrier, state, MP__BARRIER_BROKEN);
    mp__bell_disarm();
    return mp__load(&barrier->state);
}

int
mp_barrier_abort(mp_barrier *barrier)
{
    int r = enter(barrier, "mp_barrier_abort");
    uint64_t state;

    if (r < 0)
        return (int)MP__FAR(r, barrier, MP__FAR_PLAIN, "");
    do
        state = mp__load(&barrier->state);
    while (!(state & MP__BARRIER_BROKEN) &&
           !mp__barrier_end_turn(barrier, state, MP__BARRIER_BROKEN));
    mp__bell_disarm();
    return 0;
}

/* ---- Elsewhere ---- */

int
mp__barrier_wait_far(int r, mp_barrier *barrier, int (*action)(void *arg),
                     void *arg, mp_time deadline)
{
    uint64_t state;
    uint32_t seat;
    int acted;

    if (r != -EREMOTE)
        return r;
    r = (int)mp__far_call(barrier, "mp_barrier_wait", deadline, "b > QI",
                          action != NULL, &state, &seat);
    if (r != MP__BARRIER_ACTS)
        return r;
    acted = action(arg);
    r = (int)mp__far_call(barrier, "mp_barrier_acted", MP__FAR_PLAIN, "QIb",
                          state, seat, acted >= 0);
    return acted < 0 ? acted : r;
}

/* ---- Reset ---- */

static void
drop_dead_from_roster(mp_barrier *barrier)
{
    for (uint32_t i = 0; i < barrier->parties; i++) {
        uint64_t id = mp__load(&barrier->roster[i]);

        if (id && mp__participant_find(id) == NULL)
            mp__cas(&barrier->roster[i], &id, 0);
    }
}

/* The seats of earlier turns, whose dead concern nobody any more. */
static void
drop_dead_from_seats(mp_barrier *barrier)
{
    for (uint32_t i = 0; i < barrier->parties; i++) {
        uint64_t seat = mp__load(&barrier->seats[i]);

        if (seat && mp__seat_is_free(barrier, seat))
            mp__cas(&barrier->seats[i], &seat, 0);
    }
}

int
mp_barrier_reset(mp_barrier *barrier)
{
    int r = enter(barrier, "mp_barrier_reset");

    if (r < 0)
        return (int)MP__FAR(r, barrier, MP__FAR_PLAIN, "");
    /* Before the turn begins: whoever comes in it would see them. */
    drop_dead_from_roster(barrier);
    while (!mp__barrier_end_turn(barrier, mp__load(&barrier->state), 0))
        ;
    drop_dead_from_seats(barrier);
    return 0;
}

/* ---- Who is registered ---- */

/* All sleepers look again. A turn may have begun meanwhile. */
static void
tell_of_registration(mp_barrier *barrier)
{
    mp__add(&barrier->registrations, 1);
#ifndef MP__MUTATION_REGISTER_SILENTLY
    mp__barrier_wake(&barrier->bells[0]);
    mp__barrier_wake(&barrier->bells[1]);
#endif
}

/* The index of the entry that has `id`, -1 if none has. */
static int
find_entry(mp_barrier *barrier, uint64_t id)
{
    for (uint32_t i = 0; i < barrier->parties; i++)
        if (mp__load(&barrier->roster[i]) == id)
            return (int)i;
    return -1;
}

int
mp_barrier_register(mp_barrier *barrier)
{
    int r = enter(barrier, "mp_barrier_register");

    if (r < 0)
        return (int)MP__FAR(r, barrier, MP__FAR_PLAIN, "");
    if (find_entry(barrier, mp__me.id) >= 0)
        return 0;
#ifndef MP__MUTATION_ROSTER_UNSEEN
    /* Before the commit: from now on everybody looks at the roster. */
    mp__add(&barrier->registrations, 1);
#endif
    for (uint32_t i = 0; i < barrier->parties; i++) {
        uint64_t id = 0;

        mp__bell_arm(mp__barrier_bell(barrier, mp__load(&barrier->state)));
        if (mp__cas(&barrier->roster[i], &id, mp__me.id)) {
            tell_of_registration(barrier);
            mp__bell_disarm();
            return 0;
        }
    }
    mp__bell_disarm();
    return mp__fail(-EOVERFLOW,
                    "mp_barrier_register: as many have registered as there "
                    "are parties (%u)",
                    barrier->parties);
}

int
mp_barrier_unregister(mp_barrier *barrier)
{
    int r = enter(barrier, "mp_barrier_unregister");
    int entry;

    if (r < 0)
        return (int)MP__FAR(r, barrier, MP__FAR_PLAIN, "");
    entry = find_entry(barrier, mp__me.id);
    if (entry >= 0)
        mp__store(&barrier->roster[entry], 0);
    return 0;
}

/* ---- State ---- */

int
mp_barrier_parties(mp_barrier *barrier)
{
    int r = enter(barrier, "mp_barrier_parties");

    if (r < 0)
        return (int)MP__FAR(r, barrier, MP__FAR_PLAIN, "");
    return (int)barrier->parties;
}

int
mp_barrier_n_waiting(mp_barrier *barrier)
{
    int r = enter(barrier, "mp_barrier_n_waiting");

    if (r < 0)
        return (int)MP__FAR(r, barrier, MP__FAR_PLAIN, "");
    return (int)mp__barrier_count(mp__barrier_settle(barrier));
}

int
mp_barrier_broken(mp_barrier *barrier)
{
    int r = enter(barrier, "mp_barrier_broken");

    if (r < 0)
        return (int)MP__FAR(r, barrier, MP__FAR_PLAIN, "");
    return (mp__barrier_settle(barrier) & MP__BARRIER_BROKEN) != 0;
}

/* ---- Life ---- */

static int
check_parties(uint32_t parties)
{
    if (parties == 0 || parties > MP_BARRIER_MAX)
        return mp__fail(-EINVAL,
                        "mp_barrier_create: %u parties (may be 1 to %d)",
                        parties, MP_BARRIER_MAX);
    return 0;
}

int
mp_barrier_create(mp_barrier **ret_barrier, uint32_t parties,
                  const mp_barrier_attr *attr)
{
    mp_barrier_attr a;
    mp_barrier *barrier;
    mp__a64 *seats;
    int r;

    if (ret_barrier == NULL)
        return mp__fail(-EINVAL, "mp_barrier_create: ret_barrier is NULL");
    r = mp__attr_read(&a, sizeof(a), attr, 0, "mp_barrier_create");
    if (r < 0 || (r = check_parties(parties)) < 0 || (r = mp__enter()) < 0)
        return r;
    seats = mp__block_alloc(parties * 2 * sizeof(*seats), 1);
    if (seats == NULL)
        return -ENOMEM;
    barrier = mp__object_alloc(MP__SLAB_BARRIER, sizeof(*barrier));
    if (barrier == NULL) {
        mp__block_free(seats);
        return -ENOMEM;
    }
    barrier->parties = parties;
    barrier->seats = seats;
    barrier->roster = seats + parties;
    mp__store_relaxed(&barrier->spins, SPINS_FIRST);
    mp__sync_name(barrier->name, a.name);
    mp__object_publish(barrier, MP__SLAB_BARRIER);
    mp__block_keep(seats);
    *ret_barrier = barrier;
    return 0;
}

/* How many living threads have a seat; *ret_leaving: so many of them have only
 * to leave. */
static uint32_t
count_seated(mp_barrier *barrier, uint32_t *ret_leaving)
{
    uint32_t seated = 0;

    *ret_leaving = 0;
    for (uint32_t i = 0; i < barrier->parties; i++) {
        uint64_t seat = mp__load(&barrier->seats[i]);

        if (mp__participant_find(mp__seat_participant(seat)) == NULL)
            continue;
        seated++;
        *ret_leaving += !mp__seat_is_of(seat, mp__load(&barrier->state));
    }
    return seated;
}

/* Who has been released may still have its seat when another destroys the
 * barrier already. The number of those who stay. */
static uint32_t
await_leavers(mp_barrier *barrier)
{
    mp_time until = mp__now() + GRACE;

    for (;;) {
        uint32_t leaving, seated;
        struct mp__watch watch;

        mp__store(&barrier->wanted, 1);
        seated = count_seated(barrier, &leaving);
        if (seated == 0 || leaving < seated || mp__now() >= until)
            return seated;
        mp__watch_begin(&watch, &barrier->hall);
        mp__watch_word(&watch, &barrier->wanted, 1);
        watch.partial = 1;
        mp__bell_sleep(&barrier->hall, &watch, barrier, until);
    }
}

int
mp_barrier_destroy(mp_barrier *barrier)
{
    int r = barrier ? enter(barrier, "mp_barrier_destroy") : 1;
    uint32_t waiters;
    mp__a64 *seats;

    if (r != 0)
        return r < 0 ? (int)MP__FAR(r, barrier, MP__FAR_PLAIN, "") : 0;
    waiters = await_leavers(barrier);
    if (waiters == 0)
        waiters = mp__waiters_of(barrier, sizeof(*barrier), NULL, 0);
    if (waiters)
        return mp__fail(-EBUSY, "mp_barrier_destroy: %u %s in it", waiters,
                        waiters == 1 ? "thread waits" : "threads wait");
    seats = barrier->seats;
    if (mp__object_retire(barrier, MP__SLAB_BARRIER) < 0)
        return mp__fail_handle("mp_barrier_destroy", barrier, "a barrier");
    mp__hand_set(mp__block_hand(seats), seats, NULL);
    mp__block_free(seats);
    mp__object_free(barrier, MP__SLAB_BARRIER);
    return 0;
}
