/* SPDX-License-Identifier: MIT */
/* How conditions and barriers are described, in which threads wait for one
 * another.
 *
 * The line of a condition is read from the slots of the participants, as its
 * own functions do. The seats of a barrier are a block that goes with it: if
 * it goes now, what is read is something else's, but in the region still. */
#include "sync/describe.h"

#include "sync/barrier.h"
#include "sync/condition.h"

/* ---- Condition ---- */

#define LINE_MOST 256u

struct place {
    uint64_t ticket, participant;
    mp_time since; /* 0: it does not wait just now */
};

/* Those who stand in line, by their tickets. */
struct line {
    unsigned n, listed, notified;
    struct place places[LINE_MOST];
};

static void
add_place(struct line *line, const struct place *place)
{
    unsigned i = line->listed;

    line->n++;
    if (i == LINE_MOST)
        return;
    line->listed++;
    for (; i > 0 && line->places[i - 1].ticket > place->ticket; i--)
        line->places[i] = line->places[i - 1];
    line->places[i] = *place;
}

static void
look_at_line(mp_condition *condition, uint64_t granted, struct line *line)
{
    uint32_t high = mp__participants_high();

    line->n = line->listed = line->notified = 0;
    for (uint32_t i = 0; i < high; i++) {
        struct mp__participant *part = mp__participant_at(i);
        struct place place = {.participant = mp__participant_id(part)};

        if (mp__load(&part->condition) != (uintptr_t)condition)
            continue;
        place.ticket = mp__load(&part->ticket);
        if (mp__load_acquire(&part->waiting) == (uintptr_t)condition)
            place.since = (mp_time)mp__load_relaxed(&part->waiting_since);
        if (mp__participant_find(place.participant) == NULL)
            continue;
        line->notified += place.ticket <= granted;
        add_place(line, &place);
    }
}

static int
is_listed(const struct mp__waiting *waiting, uint64_t participant)
{
    for (unsigned i = 0; i < waiting->listed; i++)
        if (waiting->list[i].participant == participant)
            return 1;
    return 0;
}

/* All but those who wait for the lock by now, and are told with that. */
static void
report_line(struct mp__report *report, const struct line *line,
            uint64_t granted, const struct mp__waiting *waiting)
{
    for (unsigned i = 0; i < line->listed; i++) {
        const struct place *place = &line->places[i];

        if (is_listed(waiting, place->participant))
            continue;
        mp__report(report, "  ");
        if (!mp__report_participant(report, place->participant))
            mp__report(report, "a thread that has just died");
        if (place->ticket <= granted)
            mp__report(report, " has been notified");
        else if (place->since)
            mp__report_since(report, "waits for", place->since);
        else
            mp__report(report, " waits");
        mp__report(report, "\n");
    }
    if (line->listed < line->n)
        mp__report(report, "  and %u more\n", line->n - line->listed);
}

/* "; rlock: held by ..., 1 waits for it", and who does. */
static void
report_lock(struct mp__report *report, mp_condition *condition,
            struct mp__waiting *waiting)
{
    mp_lock *lock = condition->lock;
    mp_rlock *rlock = condition->rlock;

    waiting->n = waiting->listed = 0;
    if (mp__object_ok(lock, MP__SLAB_LOCK)) {
        mp__report(report, "; ");
        mp__report_object(report, "lock", lock, lock->name,
                          sizeof(lock->name));
        mp__lock_report(report, &lock->lock, 0);
        mp__waiting_in(waiting, lock, sizeof(*lock));
    } else if (rlock == &condition->own ||
               mp__object_ok(rlock, MP__SLAB_RLOCK)) {
        mp__report(report, "; ");
        if (rlock == &condition->own)
            mp__report(report, "its rlock");
        else
            mp__report_object(report, "rlock", rlock, rlock->name,
                              sizeof(rlock->name));
        mp__lock_report(report, &rlock->lock, mp__rlock_again(rlock));
        mp__waiting_in(waiting, rlock, sizeof(*rlock));
    } else {
        mp__report(report, "; its lock is gone\n");
        return;
    }
    mp__report(report, ", ");
    mp__report_count(report, waiting->n);
    mp__report(report, " for it\n");
}

static int
describe_condition(struct mp__report *report, void *object)
{
    mp_condition *condition = object;
    uint64_t granted = mp__load(&condition->granted);
    struct mp__waiting waiting;
    struct line line;

    look_at_line(condition, granted, &line);
    mp__report_object(report, "condition", condition, condition->name,
                      sizeof(condition->name));
    mp__report(report, ": ");
    mp__report_count(report, line.n);
    if (line.notified)
        mp__report(report, ", %u of them notified", line.notified);
    report_lock(report, condition, &waiting);
    report_line(report, &line, granted, &waiting);
    mp__report_waiting(report, &waiting, ", for the lock");
    return 0;
}

/* ---- Barrier ---- */

/* Seats and roster, if they can be read. */
struct hall {
    mp__a64 *seats, *roster;
    uint32_t parties;
    uint64_t state;
    uint32_t registered;
    int dead; /* somebody is whose death breaks this turn */
};

static int
has_come(const struct hall *hall, uint64_t participant)
{
    uint64_t seat = mp__seat_of(hall->state, participant);

    for (uint32_t i = 0; i < hall->parties; i++)
        if (mp__load(&hall->seats[i]) == seat)
            return 1;
    return 0;
}

static void
look_at_hall(mp_barrier *barrier, struct hall *hall)
{
    hall->parties = barrier->parties;
    hall->seats = barrier->seats;
    hall->roster = hall->seats + hall->parties;
    hall->registered = 0;
    hall->dead = 0;
    if (!mp__region_contains(hall->seats,
                             2 * sizeof(*hall->seats) * hall->parties))
        hall->parties = 0;
    for (uint32_t i = 0; i < hall->parties; i++) {
        uint64_t seat = mp__load(&hall->seats[i]);
        uint64_t id = mp__load(&hall->roster[i]);

        hall->registered += id != 0;
        hall->dead |=
            (id && mp__participant_find(id) == NULL) ||
            (mp__seat_is_of(seat, hall->state) &&
             mp__participant_find(mp__seat_participant(seat)) == NULL);
    }
}

static void
report_missing(struct mp__report *report, const struct hall *hall)
{
    for (uint32_t i = 0; i < hall->parties; i++) {
        uint64_t id = mp__load(&hall->roster[i]);

        if (id == 0 || mp__participant_find(id) == NULL || has_come(hall, id))
            continue;
        mp__report(report, "  ");
        if (!mp__report_participant(report, id))
            mp__report(report, "a thread that has just died");
        mp__report(report, " is registered, and has not come\n");
    }
}

static void
report_actor(struct mp__report *report, mp_barrier *barrier)
{
    mp__report(report, "  ");
    if (!mp__report_participant(report, mp__load(&barrier->actor)))
        mp__report(report, "a thread that has died");
    mp__report(report, " runs the action\n");
}

static void
report_round(struct mp__report *report, const struct hall *hall,
             uint32_t parties)
{
    if (hall->state & MP__BARRIER_BROKEN)
        mp__report(report, ": broken");
    else
        mp__report(report, ": %u of %u have come",
                   mp__barrier_count(hall->state), parties);
    if (hall->registered)
        mp__report(report, "; %u registered", hall->registered);
    if (hall->dead && !(hall->state & MP__BARRIER_BROKEN))
        mp__report(report, "; one has died, nobody has noticed yet");
    mp__report(report, "; ");
}

static int
describe_barrier(struct mp__report *report, void *object)
{
    mp_barrier *barrier = object;
    struct hall hall = {.state = mp__load(&barrier->state)};
    struct mp__waiting waiting;

    look_at_hall(barrier, &hall);
    mp__waiting_in(&waiting, barrier, sizeof(*barrier));
    mp__report_object(report, "barrier", barrier, barrier->name,
                      sizeof(barrier->name));
    report_round(report, &hall, barrier->parties);
    mp__report_count(report, waiting.n);
    mp__report(report, "\n");
    if (hall.state & MP__BARRIER_ACTING)
        report_actor(report, barrier);
    mp__report_waiting(report, &waiting, "");
    if (!(hall.state & MP__BARRIER_BROKEN))
        report_missing(report, &hall);
    return 0;
}

void
mp__sync_describe_groups(void)
{
    mp__describe_with(MP__SLAB_CONDITION, "condition", describe_condition);
    mp__describe_with(MP__SLAB_BARRIER, "barrier", describe_barrier);
}
