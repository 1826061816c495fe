/* SPDX-License-Identifier: MIT */
/* Event.
 *
 * One word says whether the event is set, and counts how often it was cleared.
 * So a waiter that saw it not set knows from any other word that the event was
 * set meanwhile, even if it has been cleared since. Who sets has the bell armed:
 * dying after the commit, it is the kernel that wakes one, and that one wakes
 * the rest (bell/bell.c).
 *
 * A third part of the word is POLLED, from the first mp_event_fd() on: then who
 * sets tells the pollers before (bell/notice.c). It comes by the same word, so that
 * without pollers nothing is to be looked at for them. */
#include "sync/event.h"

#include "base/attr.h"
#include "base/error.h"
#include "bell/waitable.h"
#include "bell/waiters.h"

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
    return changes & MP__EVENT_SET;
}

/* Whether it was set, or cleared, between the two. */
static int
has_changed(uint32_t before, uint32_t after)
{
    return (before | MP__EVENT_POLLED) != (after | MP__EVENT_POLLED);
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
    struct mp__notice *notice;

    if (r != 0)
        return r < 0 ? (int)MP__FAR(r, event, MP__FAR_PLAIN, "") : 0;
    notice = atomic_load(&event->notice);
    r = mp__sync_destroy(event, sizeof(*event), MP__SLAB_EVENT,
                         "mp_event_destroy");
    if (r == 0)
        mp__notice_free(notice);
    return r;
}

/* `told`: POLLED if those who poll have been told; else 0, and if there are any
 * nothing is done: 0. */
static int
set_and_wake(mp_event *event, uint32_t told)
{
    uint32_t changes, untold;

#ifndef MP__MUTATION_SET_UNARMED
    mp__bell_arm(&event->bell);
#endif
    changes = mp__load(&event->changes);
    do
        untold = changes & MP__EVENT_POLLED & ~told;
    while (!is_set(changes) && !untold &&
           !mp__cas(&event->changes, &changes, changes | MP__EVENT_SET));
    /* Even if it was set: who did that may not have come as far as here. */
    if (mp__load(&event->bell.waiters))
        mp__futex_wake(&event->bell.word, INT_MAX);
    mp__bell_disarm();
    return is_set(changes) || !untold;
}

static MP__COLD void
tell_and_set(mp_event *event)
{
    struct mp__notice *notice = atomic_load(&event->notice);
    unsigned teller = mp__notice_begin(notice);

    set_and_wake(event, MP__EVENT_POLLED);
    mp__notice_end(notice, teller);
}

int
mp_event_set(mp_event *event)
{
    int r = enter(event, "mp_event_set");

    if (r < 0)
        return (int)MP__FAR(r, event, MP__FAR_PLAIN, "");
    if (MP__UNLIKELY(!set_and_wake(event, 0)))
        tell_and_set(event);
    return 0;
}

int
mp_event_clear(mp_event *event)
{
    int r = enter(event, "mp_event_clear");
    uint32_t changes;

    if (r < 0)
        return (int)MP__FAR(r, event, MP__FAR_PLAIN, "");
    changes = mp__load(&event->changes);
    while (is_set(changes) &&
           !mp__cas(&event->changes, &changes,
                    changes - MP__EVENT_SET + MP__EVENT_CHANGE))
        ;
    return 0;
}

/* It was not set: this process's descriptor becomes unreadable until it is. */
static MP__COLD void
arm_poller(mp_event *event)
{
    struct mp__notice *notice = atomic_load(&event->notice);
    struct mp__poller *poller =
        notice ? mp__poller_begin(&notice->pollers) : NULL;

    if (poller)
        mp__poller_end(poller, mp__notice_is_busy(notice)
#ifndef MP__MUTATION_EVENT_UNLOOKED
                                   || is_set(mp__load(&event->changes))
#endif
        );
}

static int
is_not_set(mp_event *event, uint32_t changes)
{
    if (is_set(changes))
        return 0;
    if (MP__UNLIKELY(changes & MP__EVENT_POLLED) && mp__pollers_exist())
        arm_poller(event);
    return 1;
}

int
mp_event_is_set(mp_event *event)
{
    int r = enter(event, "mp_event_is_set");

    if (MP__UNLIKELY(r < 0))
        return (int)MP__FAR(r, event, MP__FAR_PLAIN, "");
    return !is_not_set(event, mp__load(&event->changes));
}

uint32_t
mp__event_begin(mp_event *event)
{
    return mp__load(&event->changes);
}

int
mp__event_look(mp_event *event, uint32_t begun)
{
    uint32_t now = mp__load(&event->changes);

    return is_set(begun) || has_changed(begun, now) || !is_not_set(event, now);
}

int
mp_event_wait(mp_event *event, mp_time deadline)
{
    int r = enter(event, "mp_event_wait");
    uint32_t seen, now;

    if (r < 0)
        return (int)MP__FAR(r, event, deadline, "");
    now = seen = mp__load(&event->changes);
    if (is_set(seen))
        return 0;
    if (deadline == MP_NOW)
        return is_not_set(event, seen) ? -EAGAIN : 0;
    if (mp__sync_spin(&event->spins, &event->changes, seen))
        now = mp__load(&event->changes);
    if (has_changed(seen, now))
        return 0;
    mp__wait_begin(&event->bell);
#ifdef MP__MUTATION_SET_FORGOTTEN
    while (r == 0 && !is_set(now = mp__load(&event->changes)))
#else
    while (r == 0 && !has_changed(seen, now = mp__load(&event->changes)))
#endif
        r = mp__bell_wait(&event->bell, &event->changes, now, NULL, 0,
                          deadline);
    mp__wait_end();
    return r;
}

int
mp_event_fd(mp_event *event)
{
    static const struct mp__poller_kind kind = {"mp_event_fd", "event", 0};
    int r = enter(event, "mp_event_fd");
    struct mp__notice *notice;

    if (r < 0)
        return r;
    notice = mp__notice_make(&event->notice);
    if (!notice)
        return -ENOMEM;
    atomic_fetch_or(&event->changes, MP__EVENT_POLLED);
    return mp__poller_fd(&notice->pollers, &kind);
}

/* ---- For mp_wait() ---- */

static int
look_at(void *event)
{
    return is_set(mp__load(&((mp_event *)event)->changes));
}

static int
fd_of(void *event)
{
    return mp_event_fd(event);
}

static int
is_ready(void *event)
{
    return mp_event_is_set(event);
}

static struct mp__pollers *
pollers_of(void *event)
{
    struct mp__notice *notice = atomic_load(&((mp_event *)event)->notice);

    return notice ? &notice->pollers : NULL;
}

__attribute__((constructor)) static void
register_waitable(void)
{
    static const struct mp__waitable event = {
        .slab = MP__SLAB_EVENT,
        .look = look_at,
        .fd = fd_of,
        .ready = is_ready,
        .pollers = pollers_of,
    };

    mp__waitable_register(&event);
}
