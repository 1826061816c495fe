/* SPDX-License-Identifier: MIT */
/* The line of those who wait in a condition.
 *
 * A waiter draws a ticket, and stands in line as long as its slot of the
 * participants' table names the condition: from before it gives up the lock
 * until it has it back. To notify the first n is to raise `granted` to the
 * ticket of the n-th: the commit, one store however many they are. All whose
 * ticket is not above it have been notified, and need only be told: each
 * sleeps on a doorbell of its own, and on the low half of `granted`.
 *
 * A notifier that dies before all are told. `ringer` names it, and the
 * condition's bell, on which nobody rings, is in its pending slot: the kernel
 * wakes one of those who sleep there, which is everybody in line. Whoever
 * looks and finds that `granted` is not what was rung last, and no living
 * ringer, rings in its stead; that one has the same bell armed, as has each
 * waiter whenever it looks or sleeps.
 *
 * A waiter that dies, notified but not back, has taken a notification with it.
 * Those behind it watch its life (the 32 before them: there is always one who
 * watches, unless 32 have left within a slice). They reap it, and the burial
 * notifies one more. While a dead waiter is in the hands of a reaper, who may
 * die as well, they only nap.
 *
 * Nothing here needs the lock to be held, for the burial is done without it,
 * and a lock that is handed over may have two holders. A notifier looks after
 * its commit whether those that it chose stand in line still; a leaver looks
 * at `granted` after it has left. So one of them sees the other. Where both
 * do, one too many is notified: rare, and legal, as is one spurious wake-up
 * for each burial that is done twice. */
#include "bell/waiters.h"
#include "os/clock.h"
#include "sync/condition.h"

#include <errno.h>

#define NEAREST 32u
#define NAP     2000000 /* ns: while a dead waiter is not buried yet */

/* In a slot's `condition`: its reaper has settled what it was notified of, or
 * is about to. Nobody counts on it any more. */
#define BURIED 1u

struct place {
    uint64_t ticket;
    uint64_t id; /* of the participant */
    struct mp__participant *part;
    int buried;
};

/* ---- Looking along the line ---- */

struct walk {
    struct mp_condition *condition;
    uint32_t words, at; /* of the line; `at` is the next one */
    uint64_t bits;      /* that are left of the one before */
};

static struct walk
walk_along(struct mp_condition *condition)
{
    return (struct walk){.condition = condition,
                         .words = mp__participants_high() / 64 + 1};
}

/* Reads a slot; 0: its participant does not stand in this line. It may leave
 * in the middle, and step in another: then what was read may be wrong. But a
 * ticket that was not given here is never used. */
static int
read_place(struct mp_condition *condition, uint32_t index, struct place *place)
{
    struct mp__participant *part = mp__participant_at(index);
    uint64_t where, again;

    place->part = part;
    place->id = mp__participant_id(part);
    where = mp__load(&part->condition);
    if ((where & ~(uint64_t)BURIED) != (uintptr_t)condition)
        return 0;
    place->ticket = mp__load(&part->ticket);
    again = mp__load(&part->condition);
    place->buried = ((where | again) & BURIED) != 0;
    return (again & ~(uint64_t)BURIED) == (uintptr_t)condition &&
           place->ticket <= mp__load(&condition->tickets);
}

/* The next one in line, in no order. 0: that was all. */
static int
walk_on(struct walk *walk, struct place *place)
{
    for (;;) {
        uint32_t bit;

        while (walk->bits == 0) {
            if (walk->at == walk->words)
                return 0;
            walk->bits = mp__load(&walk->condition->line[walk->at++]);
        }
        bit = (uint32_t)__builtin_ctzll(walk->bits);
        walk->bits &= walk->bits - 1;
        if (read_place(walk->condition, (walk->at - 1) * 64 + bit, place))
            return 1;
    }
}

static int
is_dead(const struct place *place)
{
    return place->buried || mp__participant_find(place->id) == NULL;
}

enum direction {
    BEFORE,
    BEHIND,
};

/* Those who stand next to a ticket, the nearest first. */
struct row {
    unsigned n;
    unsigned dead; /* how many are, in the whole direction: not listed */
    struct place places[NEAREST];
};

static int
is_nearer(const struct place *a, const struct place *b, enum direction way)
{
    return way == BEFORE ? a->ticket > b->ticket : a->ticket < b->ticket;
}

static void
insert(struct row *row, const struct place *place, enum direction way)
{
    unsigned i = row->n < NEAREST ? row->n++ : NEAREST;

    if (i == NEAREST && !is_nearer(place, &row->places[--i], way))
        return;
    for (; i > 0 && is_nearer(place, &row->places[i - 1], way); i--)
        row->places[i] = row->places[i - 1];
    row->places[i] = *place;
}

static void
look_along(struct mp_condition *condition, struct row *row, uint64_t ticket,
           enum direction way)
{
    struct walk walk = walk_along(condition);
    struct place place;

    row->n = row->dead = 0;
    while (walk_on(&walk, &place)) {
        if (way == BEFORE ? place.ticket >= ticket : place.ticket <= ticket)
            continue;
        if (is_dead(&place))
            row->dead++;
        else
            insert(row, &place, way);
    }
}

int
mp__line_any(struct mp_condition *condition)
{
    uint32_t words = mp__participants_high() / 64 + 1;

    for (uint32_t i = 0; i < words; i++)
        if (mp__load(&condition->line[i]))
            return 1;
    return 0;
}

size_t
mp__line_length(struct mp_condition *condition)
{
    struct walk walk = walk_along(condition);
    struct place place;
    size_t n = 0;

    while (walk_on(&walk, &place))
        n += !is_dead(&place);
    return n;
}

void
mp__line_settle(struct mp_condition *condition)
{
    struct walk walk = walk_along(condition);
    struct place place;

    while (walk_on(&walk, &place)) {
        if (is_dead(&place)) {
            mp__reap();
            return;
        }
    }
}

/* ---- Ringing ---- */

static void
wake(struct mp__participant *part)
{
    if (mp__load(&part->doorbell.waiters))
        mp__futex_wake(&part->doorbell.word, 1);
}

/* Wakes all whose ticket is not above `granted`, the first in line first. */
static void
wake_up_to(struct mp_condition *condition, uint64_t granted)
{
    uint64_t last = 0;
    struct row row;

    do {
        look_along(condition, &row, last, BEHIND);
        for (unsigned i = 0; i < row.n && last < granted; i++) {
            last = row.places[i].ticket;
            if (last <= granted)
                wake(row.places[i].part);
        }
    } while (row.n == NEAREST && last < granted);
}

static int
nobody_rings(struct mp_condition *condition)
{
    return mp__load(&condition->granted) != mp__load(&condition->rung) &&
           mp__participant_find(mp__load(&condition->ringer)) == NULL;
}

/* The condition's bell is armed. What another ringer writes meanwhile may be
 * older: then there is one ringing more than need be. Who looked while we were
 * the ringer may have relied on us for what another has granted, and died: so
 * we look again when we are it no more. */
static void
ring(struct mp_condition *condition)
{
    do {
        uint64_t granted, me = mp__me.id;

        while ((granted = mp__load(&condition->granted)) !=
               mp__load(&condition->rung)) {
            mp__store(&condition->ringer, me);
            wake_up_to(condition, granted);
            mp__store(&condition->rung, granted);
        }
        mp__cas(&condition->ringer, &me, 0);
    } while (nobody_rings(condition));
}

/* ---- Notifying ---- */

/* The ticket of the n-th living one behind `granted`, or of the last if there
 * are fewer; *n: how many these are. */
static uint64_t
choose(struct mp_condition *condition, uint64_t granted, size_t *n)
{
    uint64_t last = granted;
    size_t left = *n;
    struct row row;

    do {
        unsigned take;

        look_along(condition, &row, last, BEHIND);
        take = row.n < left ? row.n : (unsigned)left;
        if (take)
            last = row.places[take - 1].ticket;
        left -= take;
    } while (row.n == NEAREST && left);
    *n -= left;
    return last;
}

/* How many have a ticket above `from`, and up to `to`, and will know of it:
 * themselves, or, if they are dead, their reaper. */
static size_t
count_reached(struct mp_condition *condition, uint64_t from, uint64_t to)
{
    struct walk walk = walk_along(condition);
    struct place place;
    size_t n = 0;

    while (walk_on(&walk, &place))
        n += place.ticket > from && place.ticket <= to && !place.buried;
    return n;
}

/* Notifies up to `n`; how many of those have left meanwhile. */
static size_t
grant(struct mp_condition *condition, size_t n)
{
    uint64_t granted = mp__load(&condition->granted), last;
    size_t chosen, reached;

    do {
        chosen = n;
        last = choose(condition, granted, &chosen);
        if (chosen == 0)
            return 0;
        mp__store(&condition->ringer, mp__me.id);
    } while (!mp__cas(&condition->granted, &granted, last));
    reached = count_reached(condition, granted, last);
    return reached < chosen ? chosen - reached : 0;
}

void
mp__line_notify(struct mp_condition *condition, size_t n)
{
#ifndef MP__MUTATION_NOTIFY_UNARMED
    mp__bell_arm(&condition->bell);
#endif
    do {
#ifdef MP__MUTATION_NOTIFY_ONE_BY_ONE
        for (; n > 1 && mp__line_any(condition); n--)
            if (grant(condition, 1) == 0 &&
                mp__load(&condition->granted) == mp__load(&condition->tickets))
                break;
#endif
        n = grant(condition, n);
        ring(condition);
    } while (n);
    mp__bell_disarm();
}

/* ---- Waiting ---- */

static uint64_t
bit_of(uint32_t index)
{
    return (uint64_t)1 << index % 64;
}

uint64_t
mp__line_join(struct mp_condition *condition)
{
    struct mp__participant *me = mp__me.part;
    uint64_t ticket = mp__add(&condition->tickets, 1) + 1;

    mp__store(&me->doorbell.waiters, 0); /* of a life that died asleep */
    mp__store(&me->ticket, ticket);
    mp__store(&me->condition, (uintptr_t)condition);
    atomic_fetch_or(&condition->line[mp__me.index / 64], bit_of(mp__me.index));
    return ticket;
}

static mp__a32 *
futex_of(mp__a64 *granted)
{
    _Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "");
    return (mp__a32 *)(void *)granted;
}

/* What has been granted; sees to it that all who are concerned know. */
static uint64_t
look(struct mp_condition *condition)
{
    uint64_t granted = mp__load(&condition->granted);

#ifndef MP__MUTATION_RUNG_BY_NOBODY
    if (nobody_rings(condition))
        ring(condition);
#endif
    return granted;
}

/* Watches those before us. How many of them are dead. */
static unsigned
watch_row(struct mp_condition *condition, struct mp__watch *watch,
          uint64_t ticket)
{
    struct row row;

    look_along(condition, &row, ticket, BEFORE);
    for (unsigned i = 0; i < row.n; i++)
        row.dead += !mp__watch_life(watch, row.places[i].id);
    return row.dead;
}

static void
reap_unarmed(struct mp_condition *condition)
{
    mp__bell_disarm();
    mp__reap();
    mp__bell_arm(&condition->bell);
}

/* Sleeps once, unless `granted` is outdated. *reaped: the dead before us are in
 * somebody's hands. */
static int
sleep_in_line(struct mp_condition *condition, uint64_t ticket,
              uint64_t granted, int *reaped, mp_time deadline)
{
    struct mp__bell *doorbell = &mp__me.part->doorbell;
    mp__a32 *futex = futex_of(&condition->granted);
    struct mp__watch watch;
    unsigned dead;

    mp__watch_begin(&watch, doorbell);
    mp__watch_word(&watch, &condition->bell.word, 0);
    mp__watch_word(&watch, futex, (uint32_t)granted);
#ifdef MP__MUTATION_LINE_UNWATCHED
    dead = 0;
    (void)watch_row;
    (void)ticket;
#else
    dead = watch_row(condition, &watch, ticket);
#endif
    if (dead && !*reaped) {
        reap_unarmed(condition);
        *reaped = 1;
        return 0;
    }
    *reaped = 0;
    if (dead)
        return mp__bell_nap(doorbell, &watch, condition, NAP, deadline);
    /* Only the first in line may expect to be notified soon. */
    if (watch.lives == 0 &&
        mp__sync_spin(&condition->spins, futex, (uint32_t)granted))
        return 0;
    return mp__bell_sleep(doorbell, &watch, condition, deadline);
}

int
mp__line_wait(struct mp_condition *condition, uint64_t ticket,
              mp_time deadline)
{
    int reaped = 0, r = 0;
    uint64_t granted;

    mp__wait_begin(condition);
    mp__bell_arm(&condition->bell);
    while ((granted = look(condition)) < ticket) {
        if (r == -EINTR || (r = mp__expired(deadline)) < 0)
            break;
        r = sleep_in_line(condition, ticket, granted, &reaped, deadline);
    }
    mp__bell_disarm();
    mp__wait_end();
    return granted < ticket ? r : 0;
}

int
mp__line_look(struct mp_condition *condition, uint64_t ticket)
{
    uint64_t granted;

    mp__line_settle(condition);
    mp__bell_arm(&condition->bell);
    granted = look(condition);
    mp__bell_disarm();
    return granted >= ticket;
}

int
mp__line_has(struct mp_condition *condition, uint64_t ticket)
{
    struct mp__participant *me = mp__me.part;

    return mp__load(&me->condition) == (uintptr_t)condition &&
           mp__load(&me->ticket) == ticket;
}

/* First the bit, so that none is left behind by who dies in the middle. */
static void
step_out(struct mp_condition *condition, struct mp__participant *part)
{
    uint32_t index = (uint32_t)(part - mp__participant_at(0));

    atomic_fetch_and(&condition->line[index / 64], ~bit_of(index));
    mp__store(&part->condition, 0);
}

int
mp__line_leave(struct mp_condition *condition, uint64_t ticket)
{
    step_out(condition, mp__me.part);
    return mp__load(&condition->granted) >= ticket;
}

/* ---- Burying ---- */

/* The condition may be gone, or another may be in its cell: then what is done
 * here does no harm, as the cell is still one of a condition. */
static void
bury(struct mp__participant *dead)
{
    uint64_t where = mp__load(&dead->condition);
    struct mp_condition *condition = (void *)(where & ~(uint64_t)BURIED);

    if (mp__object_ok(condition, MP__SLAB_CONDITION)) {
        mp__store(&dead->condition, where | BURIED);
#ifndef MP__MUTATION_BURIED_SILENTLY
        if (mp__load(&condition->granted) >= mp__load(&dead->ticket))
            mp__line_notify(condition, 1);
#endif
        step_out(condition, dead);
    }
    mp__store(&dead->condition, 0);
}

/* As if dead: while it is at that, its burial would do the same. */
void
mp__line_quit(void)
{
#ifdef MP__MUTATION_QUIT_UNMARKED
    struct mp_condition *condition =
        (void *)(uintptr_t)mp__load(&mp__me.part->condition);

    if (mp__line_leave(condition, mp__load(&mp__me.part->ticket)))
        mp__line_notify(condition, 1);
#else
    bury(mp__me.part);
#endif
}

__attribute__((constructor)) static void
register_burial(void)
{
    mp__participant_bury_with(bury);
}
