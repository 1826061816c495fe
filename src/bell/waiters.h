/* SPDX-License-Identifier: MIT */
/* Who waits for an object, as seen from outside. */
#pragma once

#include "region/participant.h"

/* Says in the caller's slot what it waits for, until mp__wait_end(): it may
 * sleep any number of times meanwhile. Each sleep of a bell, or for a mutex,
 * says so by itself if nobody has; but then the time begins with that sleep.
 * mp__wait_resume() knows since when. */
void mp__wait_begin(const void *object);
void mp__wait_resume(const void *object, mp_time since);
void mp__wait_end(void);

struct mp__waiting_thread {
    uint64_t participant;
    pid_t pid, tid;
    mp_time since;
};

/* The living threads that wait for the object, or for what lies inside of it:
 * how many, and up to `most` of them. The caller itself does not count. */
unsigned mp__waiters_of(const void *object, size_t size,
                        struct mp__waiting_thread *waiters, unsigned most);
