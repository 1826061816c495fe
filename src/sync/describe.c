/* SPDX-License-Identifier: MIT */
/* How locks, semaphores and events are described. */
#include "sync/describe.h"

#include "sync/event.h"
#include "sync/semaphore.h"

/* "; 2 wait", and a line for each. */
static void
report_waiters(struct mp__report *report, const void *from, size_t size)
{
    struct mp__waiting waiting;

    mp__waiting_in(&waiting, from, size);
    mp__report(report, "; ");
    mp__report_count(report, waiting.n);
    mp__report(report, "\n");
    mp__report_waiting(report, &waiting, "");
}

/* ---- Locks ---- */

void
mp__lock_report(struct mp__report *report, struct mp__lock *lock,
                uint32_t again)
{
    uint64_t awaited = mp__load_acquire(&lock->awaited_owner);
    mp_time since = (mp_time)mp__load_relaxed(&lock->awaited_since);
    uint64_t owner = mp__load(&lock->owner);
    int handed = mp__load(&lock->handed) != 0;

    if (handed)
        mp__report(report, " (handover)");
    if (owner == 0) {
        mp__report(report, ": free");
        return;
    }
    if (!mp__participant_find(owner)) {
        mp__report(report, handed ? ": held, by a thread that has ended"
                                  : ": left behind by a dead owner");
        return;
    }
    mp__report(report, ": held");
    if (again)
        mp__report(report, " %u times", again + 1);
    mp__report(report, " by ");
    if (!mp__report_participant(report, owner))
        mp__report(report, "a thread that has just died");
    else if (awaited == owner)
        mp__report_since(report, "for at least", since);
}

static int
describe_lock(struct mp__report *report, void *object)
{
    mp_lock *lock = object;

    mp__report_object(report, "lock", lock, lock->name, sizeof(lock->name));
    mp__lock_report(report, &lock->lock, 0);
    report_waiters(report, lock, sizeof(*lock));
    return 0;
}

static int
describe_rlock(struct mp__report *report, void *object)
{
    mp_rlock *lock = object;

    mp__report_object(report, "rlock", lock, lock->name, sizeof(lock->name));
    mp__lock_report(report, &lock->lock, mp__rlock_again(lock));
    report_waiters(report, lock, sizeof(*lock));
    return 0;
}

/* ---- Semaphore ---- */

#define HOLDERS_MOST 256u

/* Who has the permits of a tracked semaphore. */
struct holders {
    uint32_t left; /* permits that nobody living has */
    unsigned n;
    uint64_t more; /* permits of holders for whom there was no room */
    struct {
        uint64_t participant;
        uint32_t permits;
    } list[HOLDERS_MOST];
};

static void
add_holder(struct holders *holders, uint64_t participant)
{
    unsigned i = holders->n;

    /* The places of one holder are side by side as a rule. */
    while (i > 0 && holders->list[i - 1].participant != participant)
        i--;
    if (i > 0) {
        holders->list[i - 1].permits++;
    } else if (holders->n < HOLDERS_MOST) {
        holders->list[holders->n].participant = participant;
        holders->list[holders->n++].permits = 1;
    } else {
        holders->more++;
    }
}

/* The places are a block that goes with the semaphore. If it goes now, what is
 * read is something else's, but it is in the region still. */
static void
look_at_places(struct mp_semaphore *semaphore, struct holders *holders)
{
    uint32_t n = semaphore->bound;
    mp__a64 *places = semaphore->places;

    if (!mp__region_contains(places, n * sizeof(*places)))
        return;
    for (uint32_t i = 0; i < n; i++) {
        uint64_t participant = mp__load(&places[i]);

        if (mp__participant_find(participant) == NULL)
            holders->left++;
        else
            add_holder(holders, participant);
    }
}

static void
report_holders(struct mp__report *report, const struct holders *holders)
{
    for (unsigned i = 0; i < holders->n; i++) {
        mp__report(report, "  ");
        if (!mp__report_participant(report, holders->list[i].participant))
            mp__report(report, "a thread that has just died");
        mp__report(report, " has %u\n", holders->list[i].permits);
    }
    if (holders->more)
        mp__report(report, "  and others have %llu\n",
                   (unsigned long long)holders->more);
}

static int
describe_semaphore(struct mp__report *report, void *object)
{
    mp_semaphore *semaphore = object;
    struct holders holders = {0};
    struct mp__waiting waiting;
    uint32_t bound = semaphore->bound;
    int tracked = semaphore->places != NULL;

    mp__waiting_in(&waiting, semaphore, sizeof(*semaphore));
    if (tracked)
        look_at_places(semaphore, &holders);
    else
        holders.left = mp__load(&semaphore->permits);
    mp__report_object(report, "semaphore", semaphore, semaphore->name,
                      sizeof(semaphore->name));
    if (tracked || bound < MP_SEMAPHORE_MAX)
        mp__report(report, " (%s): %u of %u permits left; ",
                   tracked ? "tracked" : "bounded", holders.left, bound);
    else
        mp__report(report, ": %u permits left (%u at first); ", holders.left,
                   semaphore->value);
    mp__report_count(report, waiting.n);
    mp__report(report, "\n");
    report_holders(report, &holders);
    mp__report_waiting(report, &waiting, "");
    return 0;
}

/* ---- Event ---- */

static int
describe_event(struct mp__report *report, void *object)
{
    mp_event *event = object;

    mp__report_object(report, "event", event, event->name,
                      sizeof(event->name));
    mp__report(report, ": %s",
               mp__load(&event->changes) & 1 ? "set" : "not set");
    report_waiters(report, event, sizeof(*event));
    return 0;
}

void
mp__sync_describe(void)
{
    mp__describe_with(MP__SLAB_LOCK, "lock", describe_lock);
    mp__describe_with(MP__SLAB_RLOCK, "rlock", describe_rlock);
    mp__describe_with(MP__SLAB_SEMAPHORE, "semaphore", describe_semaphore);
    mp__describe_with(MP__SLAB_EVENT, "event", describe_event);
}
