/* SPDX-License-Identifier: MIT */
/* An event: a flag that threads and processes of one family wait for.
 *
 * Process death. A process may be killed at any instruction of any function
 * here. If it had set the event, everybody who waits is woken; if not, nothing
 * has happened. A killed waiter leaves nothing behind.
 *
 * All functions are thread-safe, and none may be called in a signal handler.
 * mp_event_is_set(), and mp_event_set() when nobody waits, make no system
 * call. A handle that is not a live event gives -EBADF.
 *
 * An event of another family (manager.h) may be used alike, but mp_event_fd() is
 * -EREMOTE, and who waits for it here does not keep it from being destroyed
 * there: -EBADF then. */
#ifndef MPROC_EVENT_H
#define MPROC_EVENT_H

#include <mproc/base.h>

MP__BEGIN

typedef struct mp_event mp_event;

typedef struct mp_event_attr {
    uint32_t size;    /* set by MP_EVENT_ATTR */
    uint32_t flags;   /* none yet: 0 */
    const char *name; /* for mp_describe(); copied, up to 31 bytes of it */
} mp_event_attr;

/* MP_EVENT_ATTR(.name = "green"): attributes for this call. */
#define MP_EVENT_ATTR(...) MP__ATTR(mp_event_attr, __VA_ARGS__)

/* Makes an event that is not set. Errors: -EINVAL, -E2BIG (a field this
 * library does not know), -ENOMEM. */
MP_API int mp_event_create(mp_event **ret_event, const mp_event_attr *attr);

/* Gives the event's memory back. NULL is allowed. -EBUSY: a living thread
 * waits for it. */
MP_API int mp_event_destroy(mp_event *event);

/* Sets the event: all who wait for it go on, even if it is cleared at once. */
MP_API int mp_event_set(mp_event *event);

/* Clears it: who comes from now on waits. */
MP_API int mp_event_clear(mp_event *event);

/* 1 or 0. Never waits. */
MP_API int mp_event_is_set(mp_event *event);

/* Waits until the event is set, at most until `deadline`. 0: it is, or was
 * meanwhile. -EAGAIN (the deadline is MP_NOW: never sleeps), -ETIMEDOUT,
 * -EINTR (a signal handler ran). */
MP_API int mp_event_wait(mp_event *event, mp_time deadline);

/* A file descriptor for poll(), select() or epoll, of this process, which is
 * readable when the event may be set: then ask mp_event_is_set(), which makes it
 * unreadable, if it is not, until it is. It may be readable for no reason. It
 * belongs to the library: do not read, write or close it; it is the same at each
 * call, and closed by mp_event_destroy() in this process. Costs who sets the
 * event nothing while nobody has one. -EMFILE, -ENFILE; -ENOMEM, also if 64
 * processes have one of this event. */
MP_API int mp_event_fd(mp_event *event);

MP__END

#endif
