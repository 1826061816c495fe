/* SPDX-License-Identifier: MIT */
/* Waiting for callbacks in poll(): mp_pool_fd().
 *
 * It is the descriptor of the inbox's queue, which news make readable, and
 * tells of the pool's workers besides (lookout.h): should one be killed while
 * everybody sleeps in poll(), the program comes, and mp_pool_callbacks() looks
 * after the pool. */
#include "result/callback_fd.h"

#include "base/error.h"
#include "keeper/attend.h"
#include "queue/ring.h"
#include "result/lookout.h"

#include <errno.h>

static struct mp__pollers *
pollers_of(struct mp__ledger *l)
{
    return &atomic_load(&l->inbox->queue)->pollers;
}

static int
open_fd(struct mp__ledger *l)
{
    static const struct mp__poller_kind kind = {"mp_pool_fd", "pool", 1};
    int fd = mp__poller_fd(pollers_of(l), &kind), r = 0;
    struct mp__poller *poller = fd < 0 ? NULL : mp__poller_get(pollers_of(l));

    if (!poller)
        return fd;
    if (!poller->lookout)
        r = mp__lookout_join(poller, l->pool);
    mp__poller_end(poller, 0);
    if (r < 0)
        mp__poller_forget(pollers_of(l));
    return r < 0 ? mp__fail(r, "mp_pool_fd: no descriptor: %s", mp_strerror(r))
                 : fd;
}

int
mp_pool_fd(mp_pool *pool)
{
    int r = mp__object_enter(pool, MP__SLAB_POOL, "mp_pool_fd", "a pool");
    struct mp__ledger *l;

    if (r < 0)
        return r;
    l = mp__ledger_make(pool);
    if (!l)
        return -ENOMEM;
    r = open_fd(l);
    mp__ledger_put(l);
    return r;
}

/* Of the end of the pool it tells once more: nobody tells of what that ends. */
void
mp__callback_fd_rearm(struct mp__ledger *l)
{
    struct mp__poller *poller;
    int r;

    mp__pool_attend(l->pool);
    poller = mp__poller_get(pollers_of(l));
    if (poller && poller->lookout) {
        r = mp__lookout_renew(poller);
        mp__poller_end(poller, r != 0);
    } else if (poller) {
        mp__poller_end(poller, 0);
    }
}
