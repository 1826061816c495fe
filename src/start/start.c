/* SPDX-License-Identifier: MIT */
/* Starting a process.
 *
 * The parent makes the record, then the child by one of three methods, tells
 * the family the child's pid and identity, ties its life to the root's, and
 * declares it running; only then does anybody have the handle. All work that
 * can be done in the parent is done there: each system call in a fresh copy of
 * a process costs many times its usual price, because of cold pages.
 *
 * Where the child has something to tell (it was executed afresh, or has
 * settings to apply), the parent waits until the child has moved the record's
 * state to BEGUN or FAILED, or has died. The compare-and-swap that leaves
 * STARTING has one winner: a child that finds the start given up does not run
 * its target. A parent that is killed on the way leaves a record that nobody
 * has a handle of. */
#include "start/start.h"

#include "base/attr.h"
#include "base/error.h"
#include "base/macros.h"
#include "os/descriptors.h"
#include "os/pidfd.h"
#include "pipe/kin.h"
#include "process/kin.h"
#include "process/record.h"
#include "region/heap.h"
#include "region/region.h"
#include "start/forkserver.h"
#include "start/leave.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static int
fail(int r, const char *what)
{
    return mp__fail(r, "mp_process_start: %s", what);
}

int
mp__start_null(void)
{
    static int null = -1;
    int fd = __atomic_load_n(&null, __ATOMIC_ACQUIRE);
    int expected = -1;

    if (fd >= 0)
        return fd;
    fd = mp__fd_null();
    if (fd < 0 ||
        __atomic_compare_exchange_n(&null, &expected, fd, 0, __ATOMIC_ACQ_REL,
                                    __ATOMIC_ACQUIRE))
        return fd;
    close(fd);
    return expected;
}

static int
new_record(struct mp__start *s, int hidden)
{
    mp_process *me = mp__process_self();
    mp_process *p = me ? mp__process_new(s->attr.name, &s->serial) : NULL;

    if (!p)
        return -ENOMEM;
    p->method = s->attr.method;
    p->daemon = s->attr.daemon;
    p->on_death = s->attr.on_parent_death;
    p->tree = s->attr.tree;
    p->default_method = mp_get_start_method();
    p->parent_pid = (pid_t)mp__load_relaxed(&me->pid);
    p->serves = s->target == mp__forkserver_serve;
    s->process = p;
    s->local = mp__local_new(p, s->serial);
    if (!s->local)
        return fail(-ENOMEM, "no memory");
    s->local->hidden = (uint8_t)hidden;
    s->local->daemon = s->attr.daemon != 0;
    s->local->detached = s->attr.on_parent_death == MP_DEATH_DETACH;
    return 0;
}

/* The child holds the ends of pipes that it gets from its first instant. */
static int
give_ends(struct mp__start *s)
{
    int n = mp__ends_give(s->arg, s->size, mp__kin_key(s->process));

    if (n < 0)
        return mp__fail(n,
                        "mp_process_start: an end of a pipe in the "
                        "argument is held by %u processes: no more can",
                        MP__HOLDERS);
    s->process->arg_ends = n ? (uint32_t)mp__ends_reach(s->size) : 0;
    return 0;
}

static void
take_ends_back(struct mp__start *s)
{
    if (s->process->arg_ends)
        mp__ends_take_back(s->arg, s->size, mp__kin_key(s->process));
}

/* What the parent prepares for the child's life. */
static int
new_watch(struct mp__start *s)
{
    unsigned lives = 0;
    int r;

    if (s->attr.on_parent_death != MP_DEATH_DETACH)
        lives |= 1u << MP__LIFE_ROOT;
    if (s->attr.on_parent_death == MP_DEATH_KILL)
        lives |= 1u << MP__LIFE_PARENT;
    r = mp__life_open(&s->watch, lives);
    if (r == -ENOSYS) {
        s->pdeathsig = 1;
        return 0;
    }
    if (r < 0)
        return mp__fail(r, "mp_process_start: cannot watch the root: %s",
                        mp_strerror(r));
    return 0;
}

static int
new_signal(struct mp__start *s)
{
    struct mp__setup setup;

    mp__setup_of(&s->attr, &setup);
    if (s->attr.method == MP_FORK && !mp__setup_needed(&setup))
        return 0;
    s->signal = mp__signal_open();
    if (s->signal < 0)
        return mp__fail(s->signal, "mp_process_start: %s",
                        mp_strerror(s->signal));
    return 0;
}

int
mp__start_pack(struct mp__start *s, char **environment)
{
    struct mp__function target;
    int r = mp__function_export((mp__code *)s->target, &target,
                                "mp_process_start");

    if (r < 0)
        return r;
    s->parcel = mp__parcel_make(s->arg, s->size, &s->attr, environment);
    if (!s->parcel)
        return -ENOMEM;
    s->parcel->target = target;
    s->parcel->pdeathsig = s->pdeathsig;
    mp__block_keep(s->parcel);
    mp__store_release(&s->process->parcel, s->parcel);
    return 0;
}

void
mp__start_identify(mp_process *p, pid_t pid, int pidfd)
{
    mp__store_relaxed(&p->pid, (uint32_t)pid);
    /* release: who reads the identity sees the pid */
    mp__store_release(&p->identity, mp__pidfd_identity(pidfd, pid));
}

void
mp__start_arm(mp_process *p, const struct mp__life_ends *watch, pid_t pid)
{
    /* If it fails the child finds itself unarmed, and sees why. */
    if (mp__life_arm(watch, pid) == 0)
        mp__store_release(&p->armed, 1);
}

int
mp__start_died(mp_process *p, uint32_t serial, int code)
{
    char how[64];

    if (mp__load_acquire(&p->state) != mp__state(serial, MP__STARTING, 0))
        return 0; /* it had begun */
    snprintf(p->error, sizeof(p->error),
             "mp_process_start: %s died before its target: %s", p->name,
             mp__process_describe_code(code, how, sizeof(how)));
    return mp__process_decide(p, serial, MP__FAILED, ESRCH);
}

/* 1: no verdict yet. */
static int
look_at_state(struct mp__start *s)
{
    uint64_t state = mp__load_acquire(&s->process->state);

    if (mp__state_phase(state) == MP__STARTING)
        return 1;
    if (mp__state_phase(state) == MP__FAILED)
        return mp__fail(-mp__state_code(state), "%s", s->process->error);
    return 0;
}

/* 1: the child is gone, and how; 0: no news. */
static int
see_death(struct mp__start *s, int *ret_code)
{
    *ret_code = MP__CODE_NONE;
    if (s->pid && s->pidfd < 0)
        return 1;
    return s->pid && mp__pidfd_wait_child(s->pidfd, MP_NOW, ret_code) == 0;
}

/* Who could end before the child has told us is the child itself or, while it
 * is not known, the fork server. */
static int
await_verdict(struct mp__start *s)
{
    int r, code;

    while ((r = look_at_state(s)) == 1) {
        struct pollfd p[2] = {
            {.fd = s->signal, .events = POLLIN},
            {.fd = s->pid ? s->pidfd : s->server,
             .events = s->pid ? POLLIN : 0},
        };

        if (see_death(s, &code)) {
            mp__start_died(s->process, s->serial, code);
            continue;
        }
        if (poll(p, 2, -1) <= 0 || p[0].revents || !p[1].revents || s->pid)
            continue;
        if (mp__process_decide(s->process, s->serial, MP__FAILED, ECONNRESET))
            return -ECONNRESET;
    }
    return r;
}

/* The kernel's own child: from its number to its pidfd. There is none if the
 * child has ended and was reaped already: by another thread, or because the
 * program ignores SIGCHLD. */
static int
take_child(struct mp__start *s)
{
    int pidfd = mp__pidfd_open(s->pid);

    mp__store_relaxed(&s->process->pid, (uint32_t)s->pid);
    if (pidfd == -ESRCH)
        return 0;
    if (pidfd < 0) {
        kill(s->pid, SIGKILL);
        waitpid(s->pid, NULL, 0);
        return mp__fail(pidfd, "mp_process_start: pidfd: %s",
                        mp_strerror(pidfd));
    }
    if (!mp__pidfd_is_child(pidfd)) { /* the number is somebody else's */
        close(pidfd);
        return 0;
    }
    s->pidfd = pidfd;
    mp__start_identify(s->process, s->pid, pidfd);
    mp__start_arm(s->process, &s->watch, s->pid);
    return 0;
}

static int
make_child(struct mp__start *s)
{
    int r;

    if (s->attr.method == MP_FORK)
        r = mp__start_fork(s);
    else if (s->attr.method == MP_SPAWN)
        r = mp__start_spawn(s);
    else
        r = mp__start_forkserver(s);
    if (r == 0 && s->pid)
        r = take_child(s);
    if (r == 0 && s->signal >= 0)
        r = await_verdict(s);
    if (r < 0)
        return r;
    mp__process_advance(s->process, s->serial, MP__RUNNING, 0);
    s->local->ours = s->pid != 0;
    mp__local_add(s->local, s->pid, s->pidfd);
    s->local = NULL;
    s->pidfd = -1;
    return 0;
}

/* Gives back what the parent had for the start; after a failure the child is
 * on its way out, too. */
static void
finish(struct mp__start *s)
{
    int code;

    if (s->pidfd >= 0) {
        while (mp__pidfd_wait_child(s->pidfd, MP_FOREVER, &code) == -EINTR)
            ;
        mp__pidfd_reap(s->pidfd);
        close(s->pidfd);
    }
    mp__life_close(&s->watch);
    if (s->signal >= 0)
        close(s->signal);
    if (s->server >= 0)
        close(s->server);
    free(s->local);
}

static int
try_start(struct mp__start *s, int hidden)
{
    int r = new_record(s, hidden);

    if (r == 0)
        r = give_ends(s);
    if (r == 0)
        r = new_watch(s);
    if (r == 0)
        r = new_signal(s);
    if (r == 0)
        r = make_child(s);
    finish(s);
    if (r < 0 && s->process) {
        take_ends_back(s);
        mp__process_delete(s->process);
    }
    return r;
}

int
mp__process_start(mp_process **ret_process, mp_target target, const void *arg,
                  size_t size, const mp_process_attr *attr, int hidden)
{
    struct mp__start template = {.target = target,
                                 .arg = size ? arg : NULL,
                                 .size = size,
                                 .watch = MP__LIFE_NONE,
                                 .signal = -1,
                                 .server = -1,
                                 .pidfd = -1};
    struct mp__start s;
    int r = mp__start_check_arguments(ret_process, target, arg, size);

    if (r == 0)
        r = mp__attr_read(&template.attr, sizeof(template.attr), attr,
                          MP_PROCESS_STDIN, "mp_process_start");
    if (r == 0)
        r = mp__start_check_attributes(&template.attr);
    if (r == 0)
        r = mp__enter();
    if (r < 0)
        return r;
    mp__leave_at_exit();
    /* A fork server that dies is replaced; one that keeps dying is not. */
    for (int tries = 0; tries < 3; tries++) {
        s = template;
        r = try_start(&s, hidden);
        if (r != -ECONNRESET)
            break;
    }
    if (r == -ECONNRESET)
        return fail(-ESRCH, "the fork server died, and died again");
    if (r < 0)
        return r;
    mp__log(mp__process_log_level(s.process), "process %s (pid %d) started",
            s.process->name, (int)mp__load_relaxed(&s.process->pid));
    *ret_process = s.process;
    return 0;
}

int
mp_process_start(mp_process **ret_process, mp_target target, const void *arg,
                 size_t size, const mp_process_attr *attr)
{
    return mp__process_start(ret_process, target, arg, size, attr, 0);
}
