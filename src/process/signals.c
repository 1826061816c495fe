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
    r = mp_process_join(p, mp_timeout(grace));
    if (r != -ETIMEDOUT)
        return r;
    r = send_signal(p, SIGKILL, "mp_process_stop");
    return r < 0 ? r : mp_process_join(p, MP_FOREVER);
}
