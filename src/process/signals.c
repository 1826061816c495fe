/* SPDX-License-Identifier: MIT */
/* Signals to processes, by pidfd: whatever happened to the number since, the
 * signal reaches that process or nobody. */
#include "process/record.h"

#include "base/error.h"
#include "os/pidfd.h"
#include "process/local.h"
#include "region/participant.h"

#include <errno.h>
#include <signal.h>

static int
send_signal(mp_process *p, int signal, const char *function)
{
    struct mp__local *l;
    int r = mp__enter();

    if (r < 0)
        return r;
    if (!mp__process_ok(p))
        return mp__fail_handle(function, p, "a process");
    if (mp__state_phase(mp__load_acquire(&p->state)) >= MP__ENDED)
        return 0;
    r = mp__local_get(p, &l);
    if (r == -EBADF)
        return mp__fail_handle(function, p, "a process");
    if (r < 0)
        return mp__fail(r, "%s: %s: %s", function, p->name, mp_strerror(r));
    r = l->gone ? 0 : mp__pidfd_signal(l->fd, signal);
    mp__local_put(l);
    if (r == -ESRCH)
        r = 0;
    if (r < 0)
        return mp__fail(r, "%s: %s (pid %d): %s", function, p->name,
                        (int)mp__load_relaxed(&p->pid), mp_strerror(r));
    return 0;
}

int
mp_process_interrupt(mp_process *p)
{
    return send_signal(p, SIGINT, "mp_process_interrupt");
}

int
mp_process_terminate(mp_process *p)
{
    return send_signal(p, SIGTERM, "mp_process_terminate");
}

int
mp_process_kill(mp_process *p)
{
    return send_signal(p, SIGKILL, "mp_process_kill");
}

/* ---- Trees ---- */

#define DEPTH_MOST 1000 /* of a line of parents; a longer one is a circle */

struct tree {
    mp_process *root;
    uint32_t serial;
    int signal;
    int alive; /* how many it was sent to */
};

static int
descends(const mp_process *p, const struct tree *tree)
{
    for (int depth = 0; depth < DEPTH_MOST; depth++) {
        const mp_process *parent = p->parent;
        uint32_t serial = p->parent_serial;

        if (parent == tree->root && serial == tree->serial)
            return 1;
        if (!parent || !mp__process_ok(parent) ||
            mp__state_serial(mp__load_acquire((mp__a64 *)&parent->state)) !=
                serial)
            return 0;
        p = parent;
    }
    return 0;
}

static void
signal_descendant(void *object, void *arg)
{
    struct tree *tree = arg;
    mp_process *p = object;

    if (mp__process_is_self(p) || !descends(p, tree) ||
        mp_process_is_alive(p) != 1)
        return;
    tree->alive++;
    send_signal(p, tree->signal, "mp_process_stop");
    if (tree->signal == SIGKILL)
        while (mp_process_join(p, MP_FOREVER) == -EINTR)
            ;
}

static int
signal_descendants(mp_process *root, int signal)
{
    struct tree tree = {
        .root = root,
        .serial = mp__state_serial(mp__load_acquire(&root->state)),
        .signal = signal,
    };

    if (root->tree)
        mp__object_each(MP__SLAB_PROCESS, signal_descendant, &tree);
    return tree.alive;
}

static int
stop_alone(mp_process *p, double grace)
{
    int r = mp_process_join(p, mp_timeout(grace));

    if (r != -ETIMEDOUT)
        return r;
    r = send_signal(p, SIGKILL, "mp_process_stop");
    return r < 0 ? r : mp_process_join(p, MP_FOREVER);
}

int
mp_process_stop(mp_process *p, double grace)
{
    int r;

    if (p && mp__process_is_self(p))
        return mp__fail(-EDEADLK, "mp_process_stop: %s would wait for itself",
                        p->name);
    r = send_signal(p, SIGTERM, "mp_process_stop");
    if (r < 0)
        return r;
    signal_descendants(p, SIGTERM);
    r = stop_alone(p, grace);
    /* Until none is left: they may have gone on to start others. */
    while (r == 0 && signal_descendants(p, SIGKILL) > 0)
        ;
    return r;
}
