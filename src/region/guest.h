/* SPDX-License-Identifier: MIT */
/* Guests: participants that stand for threads of other families.
 *
 * What a remote client holds (a lock, a permit, a place in a line) is held by a
 * guest, a slot like any thread's, whose life mutex its host holds: the thread of
 * this family that acts for it. A guest that is ended is a dead thread to all
 * others, and so are all guests of a host that has died. */
#pragma once

#include "region/participant.h"

struct mp__guest {
    struct mp__self self; /* what mp__me is while it acts */
};

/* By the host; 0; -EAGAIN: the table of participants is full, -ENOMEM. */
int mp__guest_begin(struct mp__guest *ret_guest);

/* It dies. */
void mp__guest_end(struct mp__guest *guest);

/* The calling thread, its host, is the guest until mp__guest_rest(). It must not
 * sleep, nor have a mutex or a block in hand at either. */
static inline struct mp__self
mp__guest_act(const struct mp__guest *guest)
{
    struct mp__self host = mp__me;

    mp__me = guest->self;
    return host;
}

static inline void
mp__guest_rest(const struct mp__self *host)
{
    mp__me = *host;
}
