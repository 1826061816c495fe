/* SPDX-License-Identifier: MIT */
/* Event, served. Whoever waits for one holds nothing: it needs no guest, and does
 * not keep the event from being destroyed. What its first look saw is kept, so
 * that an event that is set and cleared again lets it go on. */
#include "service/sync.h"

#include "sync/event.h"

/* In state_words. */
enum {
    HAS_BEGUN,
    BEGUN_AT,
};

static ssize_t
serve_event_wait(struct mp__call *call)
{
    if (!call->state_words[HAS_BEGUN]) {
        call->state_words[HAS_BEGUN] = 1;
        call->state_words[BEGUN_AT] = mp__event_begin(call->object);
    }
    if (mp__event_look(call->object, (uint32_t)call->state_words[BEGUN_AT]))
        return 0;
    return mp__call_wait(call, -EAGAIN);
}

static int
fd_of(void *event)
{
    return mp_event_fd(event);
}

MP__SERVE_PLAIN(event_set)
MP__SERVE_PLAIN(event_clear)
MP__SERVE_PLAIN(event_is_set)

static const struct mp__op ops[] = {
    {"event_destroy", MP__SLAB_EVENT, .serve = mp__serve_destroy},
    {"event_set", MP__SLAB_EVENT, .serve = serve_event_set},
    {"event_clear", MP__SLAB_EVENT, .serve = serve_event_clear},
    {"event_is_set", MP__SLAB_EVENT, .serve = serve_event_is_set},
    {"event_wait", MP__SLAB_EVENT, .serve = serve_event_wait, .fd = fd_of},
};

void
mp__serve_event(void)
{
    mp__ops_register(ops, MP__LENGTH(ops));
}
