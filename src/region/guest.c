/* SPDX-License-Identifier: MIT */
/* Guests.
 *
 * A guest's slot is a participant's like any other: others see no difference.
 * Its life mutex is in the robust list of its host, so the kernel marks it
 * when the host dies, whatever the host was doing. A guest that is ended while
 * its host lives has its life mutex released: its word is no longer that of
 * the living then, and the reaper finds it.
 *
 * The kernel goes through no more than 2048 entries of a robust list, from the
 * latest to the first, which is the host's own life: hence a limit. */
#include "region/guest.h"

#include "base/error.h"

#include <errno.h>

#define MOST 1792u

/* A forked child has a copy of its parent's count, and another id. */
static __thread struct {
    uint64_t host;
    unsigned n;
} guests;

static unsigned *
count(void)
{
    if (guests.host != mp__me.id) {
        guests.host = mp__me.id;
        guests.n = 0;
    }
    return &guests.n;
}

int
mp__guest_begin(struct mp__guest *ret_guest)
{
    int r;

    if (*count() >= MOST)
        return mp__fail(-EAGAIN,
                        "one thread acts for %u threads of other programs: no "
                        "more can be known to the system",
                        MOST);
    r = mp__participant_host(&ret_guest->self);
    if (r == 0)
        ++*count();
    return r;
}

void
mp__guest_end(struct mp__guest *guest)
{
    mp__participant_end(&guest->self);
    --*count();
}
