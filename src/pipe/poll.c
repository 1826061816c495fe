/* SPDX-License-Identifier: MIT */
/* Waiting for a pipe's messages in poll(): mp_conn_fd(), and mp_wait().
 *
 * The descriptors are bell/pollers.c's, the way to sleep is a queue's
 * (queue/poll.c). Invariant: a descriptor is readable, or its bit is set and
 * the receivers' flag says POLLER; or else a sender is inside, and who repairs
 * its side pages everybody. A sender that owns its side by bias looks at the
 * flag before others see it inside: hence the fence, as in wait.c.
 *
 * That the other end is gone is told in two ways. Who leaves it says so first,
 * and pages then; he may be killed in between. So the descriptor has also the
 * pidfds of all processes that hold the other end, renewed whenever it is armed:
 * who comes to hold it pages everybody, who comes but is killed before it could
 * say so is of no concern. Where somebody cannot be named, a timer lets the
 * program look now and then. */
#include "pipe/pipe.h"

#include <errno.h>

#define NOW_AND_THEN 10000000 /* ns, while not all holders are known */

/* ---- Who holds the other end ---- */

struct naming {
    struct mp__pidfd_set *set;
    int partial;
    int r;
};

static void
name_one(uint64_t process, void *arg)
{
    struct naming *naming = arg;
    int fd;

    if (naming->r < 0 || mp__pidfd_set_keep(naming->set, process))
        return;
    fd = mp__kin.pidfd(process);
    if (fd >= 0)
        naming->r = mp__pidfd_set_add(naming->set, process, fd);
    else if (fd == -EAGAIN || fd == -ESRCH)
        naming->partial = 1; /* on its way, or gone since the look */
    else
        naming->r = fd;
}

/* 0, or there was no descriptor left. */
static int
name_holders(struct mp__pidfd_set *set, struct mp__holders *holders)
{
    struct naming naming = {.set = set};

    mp__pidfd_set_begin(set);
    naming.partial |= mp__holders_each(holders, name_one, &naming);
    if (naming.r < 0)
        return naming.r;
    return mp__pidfd_set_end(set, naming.partial ? NOW_AND_THEN : 0);
}

/* ---- Arming ---- */

/* Whether there is, or may be, something after all. */
static int
must_look(struct mp__pipe_end *end)
{
    struct mp__pipe_ring *ring = &end->in;

#ifdef MP__MUTATION_PIPE_POLL_UNLOOKED
    return 0;
#endif
    mp__bias_fence(&ring->sender.bias);
    if (mp__bias_stays_held(&ring->sender.bias, NULL, 0))
        return 1;
    return mp__load(&ring->tail) != mp__load(&ring->head) ||
           mp__holders_gone(&end->peer->holders);
}

void
mp__pipe_arm(struct mp__pipe_end *end)
{
    struct mp__poller *poller = mp__poller_begin(&end->pollers);
    int r;

    if (!poller)
        return;
    atomic_fetch_or(&end->in.receiver_sleeps, MP__PIPE_POLLER);
    r = name_holders(&poller->lives, &end->peer->holders);
    mp__pipe_raise_again(end, mp__poller_end(poller, r < 0 || must_look(end)));
}

/* ---- The descriptor ---- */

int
mp__pipe_fd(struct mp__pipe_end *end)
{
    static const struct mp__poller_kind kind = {"mp_conn_fd", "connection", 1};

    return mp__poller_fd(&end->pollers, &kind);
}

void
mp__pipe_fd_forget(struct mp__pipe_end *end)
{
    mp__poller_forget(&end->pollers);
}

/* ---- For mp_wait() ---- */

int
mp__pipe_look(mp_conn *conn)
{
    struct mp__pipe_end *end = (struct mp__pipe_end *)(void *)conn;

    if (mp__holders_left(&end->holders))
        return -EBADF;
    return mp__load(&end->in.tail) != mp__load(&end->in.head) ? 1 : -EAGAIN;
}

struct mp__pollers *
mp__pipe_pollers(mp_conn *conn)
{
    return &((struct mp__pipe_end *)(void *)conn)->pollers;
}
