/* SPDX-License-Identifier: MIT */
/* How the end of a process becomes known, to whichever process asks.
 *
 * The end itself is told by the pidfd to everybody. The exit code is told by
 * the kernel to the parent only, and only until the child is reaped; so the
 * parent looks without reaping, writes the code into the record, and reaps
 * then: killed in between, it has left the code to the others, and the zombie
 * to init. Others read the record, or the zombie while there is one. What
 * remains is a program that reaps children itself: the pidfd may know the
 * code then, and the child itself has left a hint unless it was killed. */
#include "process/record.h"

#include "base/error.h"
#include "bell/waitable.h"
#include "os/pidfd.h"
#include "process/local.h"
#include "region/participant.h"

#include <errno.h>

/* Enters the library and checks the handle. */
static int
check(mp_process *p, const char *function)
{
    int r = mp__enter();

    if (r < 0)
        return r;
    if (!mp__process_ok(p))
        return mp__fail_handle(function, p, "a process");
    return 0;
}

/* Why there is no pidfd to be had. */
static int
fail(int r, const mp_process *p, const char *function)
{
    if (r == -EBADF)
        return mp__fail_handle(function, p, "a process");
    return mp__fail(r, "%s: %s: %s", function, p->name, mp_strerror(r));
}

static int
await_end(struct mp__local *l, mp_time deadline, int *ret_code)
{
    int r;

    *ret_code = MP__CODE_NONE;
    if (l->gone)
        return 0;
    if (l->ours && l->generation == mp__generation())
        r = mp__pidfd_wait_child(l->fd, deadline, ret_code);
    else
        r = mp__pidfd_wait(l->fd, deadline);
    if (r == 0 && *ret_code == MP__CODE_NONE)
        *ret_code = mp__pidfd_code(l->fd, l->pid);
    return r;
}

/* Writes into the record what was learnt, unless a better source may yet
 * come. */
static void
publish(mp_process *p, struct mp__local *l, int code)
{
    uint64_t state = mp__load_acquire(&p->state);

    if (mp__state_phase(state) != MP__RUNNING)
        return; /* its parent's start is under way and will do it */
    if (code == MP__CODE_UNKNOWN && !l->gone &&
        mp__pidfd_signal(l->fd, 0) != -ESRCH)
        return; /* its parent can still tell */
    mp__process_advance(p, l->serial, MP__ENDED, code);
}

int
mp__process_wait(struct mp__local *l, mp_time deadline, int *ret_code)
{
    mp_process *p = l->process;
    uint32_t hint;
    int code;
    int r = await_end(l, deadline, &code);

    if (r < 0)
        return r;
    hint = mp__load_acquire(&p->hint);
    if (code == MP__CODE_NONE)
        code = hint ? (int)hint - 1 : MP__CODE_UNKNOWN;
    publish(p, l, code);
    if (l->ours && l->generation == mp__generation() && !l->gone)
        mp__pidfd_reap(l->fd);
    /* Somebody else may have known better, and been quicker. */
    if (mp__state_serial(mp__load_acquire(&p->state)) == l->serial &&
        mp__state_phase(mp__load_acquire(&p->state)) == MP__ENDED)
        code = mp__state_code(mp__load_acquire(&p->state));
    *ret_code = code;
    return 0;
}

static int
wait_for_end(mp_process *p, mp_time deadline, int *ret_code,
             const char *function)
{
    uint64_t state = mp__load_acquire(&p->state);
    struct mp__local *l;
    int r;

    if (mp__state_phase(state) == MP__ENDED) {
        *ret_code = mp__state_code(state);
        return 0;
    }
    r = mp__local_get(p, &l);
    if (r < 0)
        return fail(r, p, function);
    r = mp__process_wait(l, deadline, ret_code);
    mp__local_put(l);
    return r;
}

int
mp_process_join(mp_process *p, mp_time deadline)
{
    int r = check(p, "mp_process_join");
    int code;

    if (r < 0)
        return r;
    if (mp__process_is_self(p))
        return mp__fail(-EDEADLK, "mp_process_join: %s would wait for itself",
                        p->name);
    r = wait_for_end(p, deadline, &code, "mp_process_join");
    /* What it held is given back before the caller goes on. */
    if (r == 0)
        mp__reap();
    return r;
}

int
mp_process_is_alive(mp_process *p)
{
    int r = check(p, "mp_process_is_alive");
    int code;

    if (r < 0)
        return r;
    if (mp__process_is_self(p))
        return 1;
    r = wait_for_end(p, MP_NOW, &code, "mp_process_is_alive");
    return r == -EAGAIN ? 1 : r;
}

int
mp_process_exitcode(mp_process *p, int *ret_code)
{
    int r = check(p, "mp_process_exitcode");
    int code;

    if (r < 0)
        return r;
    if (!ret_code)
        return mp__fail(-EINVAL, "mp_process_exitcode: ret_code is NULL");
    if (mp__process_is_self(p))
        return -EAGAIN;
    r = wait_for_end(p, MP_NOW, &code, "mp_process_exitcode");
    if (r < 0)
        return r;
    if (code == MP__CODE_UNKNOWN)
        return mp__fail(-ENODATA,
                        "mp_process_exitcode: %s has ended, but was "
                        "reaped by others, and the system keeps no "
                        "record of how it ended",
                        p->name);
    *ret_code = code;
    return 0;
}

int
mp_process_close(mp_process *p)
{
    uint32_t serial;
    int code;
    int r;

    if (!p)
        return 0;
    r = check(p, "mp_process_close");
    if (r < 0)
        return r;
    serial = mp__state_serial(mp__load_acquire(&p->state));
    r = mp__process_is_self(p)
            ? -EAGAIN
            : wait_for_end(p, MP_NOW, &code, "mp_process_close");
    if (r < 0 && r != -EAGAIN)
        return r;
    if (r == -EAGAIN ||
        mp__state_phase(mp__load_acquire(&p->state)) < MP__ENDED)
        return mp__fail(-EBUSY, "mp_process_close: %s is running", p->name);
    if (!mp__process_advance(p, serial, MP__CLOSED, 0))
        return mp__fail_handle("mp_process_close", p, "a process");
    mp__local_remove(p, serial);
    return mp__process_delete(p);
}

pid_t
mp_process_pid(mp_process *p)
{
    int r = check(p, "mp_process_pid");

    return r < 0 ? r : (pid_t)mp__load_acquire(&p->pid);
}

const char *
mp_process_name(mp_process *p)
{
    return check(p, "mp_process_name") < 0 ? NULL : p->name;
}

int
mp_process_is_daemon(mp_process *p)
{
    int r = check(p, "mp_process_is_daemon");

    return r < 0 ? r : p->daemon;
}

int
mp_process_fd(mp_process *p)
{
    int r = check(p, "mp_process_fd");
    struct mp__local *l;

    if (r < 0)
        return r;
    r = mp__local_get(p, &l);
    if (r < 0)
        return fail(r, p, "mp_process_fd");
    r = l->fd;
    mp__local_put(l);
    return r;
}

/* ---- For mp_wait() ---- */

static int
look_at(void *object)
{
    mp_process *p = object;

    return mp__state_phase(mp__load_acquire(&p->state)) == MP__ENDED
               ? 1
               : -EAGAIN;
}

static int
fd_of(void *object)
{
    return mp_process_fd(object);
}

__attribute__((constructor)) static void
register_waitable(void)
{
    static const struct mp__waitable process = {
        .slab = MP__SLAB_PROCESS,
        .look = look_at,
        .fd = fd_of,
    };

    mp__waitable_register(&process);
}
