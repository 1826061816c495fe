/* SPDX-License-Identifier: MIT */
/* Event.
 *
 * One word counts how often the event was set and cleared: it is odd while the
 * event is set. So a waiter that saw an even number knows from any other that
 * the event was set meanwhile, even if it has been cleared since. Who sets has
 * the bell armed: dying after the commit, it is the kernel that wakes one, and
 * that one wakes the rest (bell.c). */
#include "sync/event.h"

#include "base/attr.h"
#include "base/error.h"
#include "region/waiters.h"

#include <errno.h>
#include <limits.h>

static int
enter(const mp_event *event, const char *function)
{
    return mp__object_enter(event, MP__SLAB_EVENT, function, "an event");
}

static int
is_set(uint32_t changes)
{
    return changes & 1;
}

int
mp_event_create(mp_event **ret_event, const mp_event_attr *attr)
{
    mp_event_attr a;
    mp_event *event;
    int r;

    if (ret_event == NULL)
        return mp__fail(-EINVAL, "mp_event_create: ret_event is NULL");
    r = mp__attr_read(&a, sizeof(a), attr, 0, "mp_event_create");
    if (r < 0 || (r = mp__enter()) < 0)
        return r;
    event = mp__object_alloc(MP__SLAB_EVENT, sizeof(*event));
    if (event == NULL)
        return -ENOMEM;
    mp__store_relaxed(&event->spins, MP__SPINS_FIRST);
    mp__sync_name(event->name, a.name);
    mp__object_publish(event, MP__SLAB_EVENT);
    *ret_event = event;
    return 0;
}

int
mp_event_destroy(mp_event *event)
{
    int r = event ? enter(event, "mp_event_destroy") : 1;

    if (r != 0)
        return r < 0 ? r : 0;
    return mp__sync_destroy(event, sizeof(*event), MP__SLAB_EVENT,
                            "mp_event_destroy");
}

int
mp_event_set(mp_event *event)
{
    int r = enter(event, "mp_event_set");
    uint32_t changes;

    if (r < 0)
        return r;
#ifndef MP__MUTATION_SET_UNARMED
    mp__bell_arm(&event->bell);
#endif
    changes = mp__load(&event->changes);
    while (!is_set(changes) &&
           !mp__cas(&event->changes, &changes, changes + 1))
        ;
    /* Even if it was set: who did that may not have come as far as here. */
    if (mp__load(&event->bell.waiters))
        mp__futex_wake(&event->bell.word, INT_MAX);
    mp__bell_disarm();
    return 0;
}

int
mp_event_clear(mp_event *event)
{
    int r = enter(event, "mp_event_clear");
    uint32_t changes;

    if (r < 0)
        return r;
    changes = mp__load(&event->changes);
    while (is_set(changes) && !mp__cas(&event->changes, &changes, changes + 1))
        ;
    return 0;
}

int
mp_event_is_set(mp_event *event)
{
    int r = enter(event, "mp_event_is_set");

    return MP__UNLIKELY(r < 0) ? r : is_set(mp__load(&event->changes));
}

int
mp_event_wait(mp_event *event, mp_time deadline)
{
    int r = enter(event, "mp_event_wait");
    uint32_t seen;

    if (r < 0)
        return r;
    seen = mp__load(&event->changes);
    if (is_set(seen))
        return 0;
    if (deadline == MP_NOW)
        return -EAGAIN;
    if (mp__sync_spin(&event->spins, &event->changes, seen))
        return 0;
    mp__wait_begin(&event->bell);
#ifdef MP__MUTATION_SET_FORGOTTEN
    while (r == 0 && !is_set(seen = mp__load(&event->changes)))
#else
    while (r == 0 && mp__load(&event->changes) == seen)
#endif
        r = mp__bell_wait(&event->bell, &event->changes, seen, NULL, 0,
                          deadline);
    mp__wait_end();
    return r;
}
