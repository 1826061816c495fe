/* SPDX-License-Identifier: MIT */
/* The fork server's own process: one thread that waits for requests and for
 * the ends of its children.
 *
 * It is the kernel's parent of those it makes, so it tells the family their
 * pids and how they ended, and reaps them; killed at any point, it leaves to
 * the others what they can find out without it. It ignores SIGINT, which is
 * meant for the program, and ends with the root. */
#include "start/forkserver.h"

#include "os/descriptors.h"
#include "os/pidfd.h"
#include "process/record.h"
#include "region/region.h"
#include "start/child.h"
#include "start/start.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

struct ward {
    mp_process *process;
    uint32_t serial;
    pid_t pid;
    int signal; /* to be raised if it dies before it could; -1 */
};

static struct {
    int socket;
    int ended; /* signalfd of SIGCHLD */
    struct ward *wards;
    size_t count, room;
    struct mp__heritage heritage;
} server;

/* A request as it came: its descriptors by meaning. */
struct order {
    struct mp__fork_request request;
    int own[MP__REQUEST_FDS]; /* -1: not sent */
    int passed[MP__PASS_MAX];
    size_t count;
};

static char **
private_copy(char **strings)
{
    size_t n = 0, bytes = 0;
    char **copy;
    char *text;

    for (; strings[n]; n++)
        bytes += strlen(strings[n]) + 1;
    copy = malloc((n + 1) * sizeof(*copy) + bytes);
    if (!copy)
        return strings;
    text = (char *)(copy + n + 1);
    for (size_t i = 0; i < n; i++) {
        copy[i] = text;
        text = stpcpy(text, strings[i]) + 1;
    }
    copy[n] = NULL;
    return copy;
}

/* Gives what was sent the numbers it is to have. */
static int
place_descriptors(struct order *o, const struct mp__parcel *parcel)
{
    int from[MP__PASS_MAX + 3], to[MP__PASS_MAX + 3];
    size_t n = 0;

    for (int i = 0; i < 3; i++)
        if (o->own[MP__REQUEST_STDIN + i] >= 0) {
            from[n] = o->own[MP__REQUEST_STDIN + i];
            to[n++] = i;
        } else {
            close(i);
        }
    for (size_t i = 0; i < o->count; i++) {
        from[n] = o->passed[i];
        to[n++] = parcel->pass_fds[i];
    }
    return mp__fds_move(from, to, n);
}

/* Moves our own descriptors out of the way of the numbers to be given. */
static void
make_room(struct mp__child *child, const struct mp__parcel *parcel)
{
    int top = 2;

    mp__life_adopt(&MP__LIFE_NONE); /* what the server itself watches */
    for (uint64_t i = 0; i < parcel->pass_fds_count; i++)
        if (parcel->pass_fds[i] > top)
            top = parcel->pass_fds[i];
    mp__fd_above(&child->watch.fd[MP__LIFE_ROOT], top);
    mp__fd_above(&child->watch.fd[MP__LIFE_PARENT], top);
    mp__fd_above(&child->signal, top);
    mp__fd_above(&mp__view.fd, top);
    mp__forkserver_move_above(top);
}

/* Descriptors, directory and signals: as the caller has them. */
static void
become_like_caller(struct order *o, const struct mp__parcel *parcel)
{
    sigset_t none;

    close(server.socket);
    close(server.ended);
    if (o->own[MP__REQUEST_CWD] >= 0) {
        (void)!fchdir(o->own[MP__REQUEST_CWD]);
        close(o->own[MP__REQUEST_CWD]);
    }
    if (place_descriptors(o, parcel) < 0)
        _exit(1);
    signal(SIGINT, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    environ = private_copy(parcel->environment);
    mp__heritage_apply(&parcel->heritage, &server.heritage);
}

static _Noreturn void
be_child(struct order *o)
{
    mp_process *p = o->request.process;
    struct mp__parcel *parcel = mp__load_acquire(&p->parcel);
    struct mp__child child = {
        .process = p,
        .serial = o->request.serial,
        .watch = {{o->own[MP__REQUEST_ROOT], o->own[MP__REQUEST_PARENT]}},
        .pdeathsig = parcel->pdeathsig,
        .setup = &parcel->setup,
        .parcel = parcel,
        .arg = parcel->arg,
        .signal = o->own[MP__REQUEST_SIGNAL],
        .keep_input = 1,
    };

    make_room(&child, parcel);
    become_like_caller(o, parcel);
    mp_set_start_method(p->default_method);
    mp__child_run(&child);
}

static int
make_order(struct order *o, const int *fds, size_t n)
{
    size_t used = 0;

    for (int i = 0; i < MP__REQUEST_FDS; i++) {
        o->own[i] = -1;
        if ((o->request.has & 1u << i) && used < n)
            o->own[i] = fds[used++];
    }
    o->count = n - used;
    memcpy(o->passed, fds + used, o->count * sizeof(*fds));
    return mp__process_ok(o->request.process) &&
                   mp__state_serial(mp__load_acquire(
                       &o->request.process->state)) == o->request.serial
               ? 0
               : -EBADF;
}

static int
add_ward(const struct order *o, pid_t pid, int signal)
{
    if (server.count == server.room) {
        size_t room = server.room ? 2 * server.room : 64;
        struct ward *wards = realloc(server.wards, room * sizeof(*wards));

        if (!wards)
            return -ENOMEM;
        server.wards = wards;
        server.room = room;
    }
    server.wards[server.count++] =
        (struct ward){o->request.process, o->request.serial, pid, signal};
    return 0;
}

static void
refuse(const struct order *o, int r)
{
    mp_process *p = o->request.process;

    snprintf(p->error, sizeof(p->error), "mp_process_start: fork server: %s",
             mp_strerror(r));
    mp__process_decide(p, o->request.serial, MP__FAILED, -r);
    mp__signal_raise(o->own[MP__REQUEST_SIGNAL]);
}

/* The server's part after the fork. */
static void
take_ward(struct order *o, pid_t pid)
{
    const struct mp__life_ends watch = {
        {o->own[MP__REQUEST_ROOT], o->own[MP__REQUEST_PARENT]}};
    int pidfd = mp__pidfd_open(pid);
    int signal = fcntl(o->own[MP__REQUEST_SIGNAL], F_DUPFD_CLOEXEC, 3);

    if (pidfd < 0 || add_ward(o, pid, signal) < 0) {
        refuse(o, pidfd < 0 ? pidfd : -ENOMEM);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
    } else {
        mp__start_identify(o->request.process, pid, pidfd);
        mp__start_arm(o->request.process, &watch, pid);
    }
    if (pidfd >= 0)
        close(pidfd);
}

/* Signals of children that have begun are theirs alone. */
static void
drop_signals(void)
{
    for (size_t i = 0; i < server.count; i++) {
        struct ward *w = &server.wards[i];

        if (w->signal >= 0 && mp__load_acquire(&w->process->state) !=
                                  mp__state(w->serial, MP__STARTING, 0)) {
            close(w->signal);
            w->signal = -1;
        }
    }
}

/* 0: go on; 1: no more clients. */
static int
serve(void)
{
    struct order o;
    int fds[MP__PASS_MAX];
    size_t n;
    int r = mp__socket_receive(server.socket, &o.request, sizeof(o.request),
                               fds, &n);
    pid_t pid;

    if (r <= 0)
        return r == 0;
    drop_signals();
    if (make_order(&o, fds, n) == 0) {
        pid = fork();
        if (pid == 0)
            be_child(&o);
        if (pid > 0)
            take_ward(&o, pid);
        else
            refuse(&o, -errno);
    }
    for (size_t i = 0; i < n; i++)
        close(fds[i]);
    return 0;
}

static void
tell_end(pid_t pid, int code)
{
    for (size_t i = 0; i < server.count; i++) {
        struct ward *w = &server.wards[i];

        if (w->pid != pid)
            continue;
        if (!mp__start_died(w->process, w->serial, code))
            mp__process_advance(w->process, w->serial, MP__ENDED, code);
        if (w->signal >= 0) {
            mp__signal_raise(w->signal);
            close(w->signal);
        }
        *w = server.wards[--server.count];
        return;
    }
}

/* First told, then reaped: killed in between, it has told. */
static void
reap(void)
{
    struct signalfd_siginfo ignored;
    siginfo_t info = {0};

    (void)!read(server.ended, &ignored, sizeof(ignored));
    while (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid) {
        tell_end(info.si_pid, info.si_code == CLD_EXITED ? info.si_status
                                                         : -info.si_status);
        waitid(P_PID, (id_t)info.si_pid, &info, WEXITED | WNOHANG);
        info = (siginfo_t){0};
    }
}

int
mp__forkserver_serve(void *arg)
{
    const int *ends = arg;
    struct pollfd p[2];
    sigset_t set;

    server.socket = ends[1];
    mp__fd_set_cloexec(ends[0], 1);
    mp__fd_set_cloexec(ends[1], 1);
    mp__forkserver_inherit(ends[0]); /* for what it starts */
    signal(SIGINT, SIG_IGN);
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    server.ended = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (server.ended < 0)
        return 1;
    mp__heritage_read(&server.heritage);
    for (;;) {
        p[0] = (struct pollfd){.fd = server.socket, .events = POLLIN};
        p[1] = (struct pollfd){.fd = server.ended, .events = POLLIN};
        if (poll(p, 2, -1) < 0)
            continue;
        if (p[1].revents)
            reap();
        if (p[0].revents && serve())
            return 0;
    }
}
