/* SPDX-License-Identifier: MIT */
/* The command serve: a manager, and somebody who looks after its server.
 *
 * The objects lie in the memory of this family, which is this process and the
 * server's. The server may be killed: this process sees its end, starts another
 * one, and that one finds all objects. If it happens too often, something is
 * wrong that a restart does not heal; so there is a bound.
 *
 * Signals come through a descriptor, beside the server's end: none comes too
 * early or too late. */
#include "commands.h"
#include "key.h"
#include "objects.h"
#include "say.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#define MINUTE 60.0

/* In the server's process: whoever presses ctrl-C means the program, which ends
 * the server in order. */
static int
leave_signals(void *arg)
{
    sigset_t none;

    (void)arg;
    signal(SIGINT, SIG_IGN);
    sigemptyset(&none);
    return -pthread_sigmask(SIG_SETMASK, &none, NULL);
}

static int
open_signals(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* The signal that has come; 0: none. */
static int
next_signal(int fd)
{
    struct signalfd_siginfo info;

    return read(fd, &info, sizeof(info)) == sizeof(info) ? (int)info.ssi_signo
                                                         : 0;
}

/* ---- A server that has ended ---- */

struct watch {
    mp_manager *manager;
    int signals;
    long restarts, left; /* at most, and how many of them in this minute */
    double since;
};

static double
seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Whether it may be started once more. */
static int
may_restart(struct watch *watch)
{
    double now = seconds();

    if (now - watch->since > MINUTE) {
        watch->since = now;
        watch->left = watch->restarts;
    }
    return watch->left-- > 0;
}

/* Until another server runs: 0; or the exit status. */
static int
restart(struct watch *watch)
{
    int r = -ECANCELED;

    while (may_restart(watch)) {
        r = mp_manager_restart(watch->manager);
        if (r >= 0) {
            say("serving %s again", mp_manager_address(watch->manager));
            return 0;
        }
        complain(r, "cannot start the server again");
    }
    say("the server has ended too often: that is the end");
    return 1;
}

/* 1: somebody has stopped it; 0: it died. */
static int
was_stopped(mp_process *server)
{
    int code = 0;

    if (mp_process_exitcode(server, &code) == 0 && code == 0)
        return 1;
    if (code < 0)
        say("the server was killed by signal %d (%s)", -code,
            strsignal(-code));
    else
        say("the server failed with exit code %d", code);
    return 0;
}

/* ---- The time between ---- */

/* Sleeps until the server ends, or a signal comes: its number. */
static int
sleep_on(struct watch *watch, mp_process *server)
{
    void *objects[] = {server, MP_FD(watch->signals)};
    int r;

    do
        r = mp_wait(objects, 2, NULL, MP_FOREVER);
    while (r == -EINTR);
    return r < 0 ? r : next_signal(watch->signals);
}

static int
end(struct watch *watch, int signal)
{
    int r;

    say("%s: ending", strsignal(signal));
    r = mp_manager_shutdown(watch->manager);
    if (r < 0)
        return complain(r, "the server does not end in order");
    return signal == SIGINT ? 128 + SIGINT : 0;
}

/* What became of the server: -1: it goes on; or the exit status. */
static int
see(struct watch *watch, mp_process *server)
{
    int signal = sleep_on(watch, server);

    if (signal < 0)
        return complain(signal, "cannot watch the server");
    if (signal > 0)
        return end(watch, signal);
    if (mp_process_is_alive(server))
        return -1;
    if (!was_stopped(server))
        return restart(watch) ? 1 : -1;
    say("a client has stopped it");
    mp_manager_shutdown(watch->manager);
    return 0;
}

/* Until all is over: the exit status. */
static int
look_after(struct watch *watch)
{
    int status = -1;

    while (status < 0) {
        mp_process *server = mp_manager_process(watch->manager);

        if (!server)
            return complain(-ESRCH, "the server is not there");
        status = see(watch, server);
    }
    return status;
}

int
serve(struct options *options)
{
    struct watch watch = {.restarts = options->restarts, .since = seconds()};
    int r = key_read(options, 1);

    if (r != 0)
        return r;
    watch.left = watch.restarts;
    watch.signals = open_signals();
    if (watch.signals < 0)
        return complain(-errno, "signalfd");
    mp_log_to_stderr(MP_LOG_WARNING);
    options->attr.address = options->address;
    options->attr.initializer = leave_signals;
    r = mp_manager_start(&watch.manager, &options->attr);
    if (r < 0)
        return complain(r, "%s", options->address);
    r = objects_make(watch.manager, options);
    if (r == 0) {
        say("serving %s", mp_manager_address(watch.manager));
        r = look_after(&watch);
    } else
        mp_manager_shutdown(watch.manager);
    close(watch.signals);
    return r;
}
