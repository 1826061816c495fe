/* SPDX-License-Identifier: MIT */
/* Those beside the victim: processes that report through memory which does
 * not belong to the library under test, and that the harness waits for with
 * a bound, so that whoever hangs is found. */
#define _GNU_SOURCE
#include "sweep.h"
#include "trace.h"

#include "os/clock.h"
#include "os/futex.h"
#include "region/participant.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define ACTORS 8
#define NOTES  64

static struct sweep_actor *actors;
static unsigned used;

int
sweep_actors_init(void)
{
    size_t size = ACTORS * sizeof(*actors) + NOTES * sizeof(mp__a64);

    actors = mmap(NULL, size, PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (actors == MAP_FAILED)
        return -1;
    sweep.note = (mp__a64 *)(void *)(actors + ACTORS);
    return 0;
}

static void
be_actor(struct sweep_actor *actor, void (*run)(struct sweep_actor *))
{
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (mp__enter() < 0)
        sweep_complain(actor, "cannot register: %s", mp_last_error());
    mp__store(&actor->begun, 1);
    run(actor);
    mp__store(&actor->ended, 1);
    _exit(actor->complaint[0] != 0);
}

struct sweep_actor *
sweep_actor(void (*run)(struct sweep_actor *))
{
    struct sweep_actor *actor = &actors[used++ % ACTORS];
    pid_t pid;

    memset(actor, 0, sizeof(*actor));
    pid = fork();
    if (pid == 0)
        be_actor(actor, run);
    sweep_check(pid > 0, "cannot fork");
    actor->pid = pid;
    return actor;
}

void
sweep_done(struct sweep_actor *actor)
{
    mp__add(&actor->done, 1);
    mp__futex_wake(&actor->done, 1);
}

void
sweep_complain(struct sweep_actor *actor, const char *format, ...)
{
    va_list list;

    if (actor->complaint[0])
        return;
    va_start(list, format);
    vsnprintf(actor->complaint, sizeof(actor->complaint), format, list);
    va_end(list);
}

static int
report_complaint(const struct sweep_actor *actor)
{
    return sweep_check(actor->complaint[0] == 0, "a survivor says: %s",
                       actor->complaint);
}

int
sweep_await_sleep(struct sweep_actor *actor)
{
    mp_time deadline = mp_timeout(SWEEP_BOUND);

    while (mp__now() < deadline) {
        if (mp__load(&actor->begun) && trace_sleeps(actor->pid))
            return 1;
        usleep(50);
    }
    return sweep_check(0, "a survivor that should wait does not sleep");
}

void
sweep_let_come(struct sweep_actor *actor)
{
    mp_time deadline = mp_timeout(SWEEP_BOUND), naps = MP_FOREVER;

    while (mp__now() < deadline && mp__now() < naps) {
        if (mp__load(&actor->ended))
            return;
        if (mp__load(&actor->begun)) {
            if (trace_sleeps(actor->pid))
                return;
            if (naps == MP_FOREVER)
                naps = mp_timeout(0.02);
        }
        usleep(50);
    }
}

int
sweep_await_done(struct sweep_actor *actor, uint32_t n)
{
    mp_time deadline = mp_timeout(SWEEP_BOUND);
    uint32_t done;

    while ((done = mp__load(&actor->done)) < n && mp__now() < deadline)
        mp__futex_wait(&actor->done, done, deadline);
    if (!report_complaint(actor))
        return 0;
    return sweep_check(done >= n, "a survivor hangs: it did %u of %u", done,
                       n);
}

int
sweep_await_end(struct sweep_actor *actor)
{
    mp_time deadline = mp_timeout(SWEEP_BOUND);
    int status;

    while (waitpid(actor->pid, &status, WNOHANG) != actor->pid) {
        if (mp__now() > deadline)
            return sweep_check(0, "a survivor does not end: it did %u",
                               mp__load(&actor->done));
        usleep(50);
    }
    actor->pid = 0;
    if (!report_complaint(actor))
        return 0;
    return sweep_check(status == 0, "a survivor ended with status 0x%x",
                       (unsigned)status);
}

void
sweep_actors_clear(void)
{
    unsigned i, n = used < ACTORS ? used : ACTORS;

    for (i = 0; i < n; i++) {
        if (actors[i].pid <= 0)
            continue;
        kill(actors[i].pid, SIGKILL);
        waitpid(actors[i].pid, NULL, 0);
        actors[i].pid = 0;
    }
    used = 0;
    memset(sweep.note, 0, NOTES * sizeof(mp__a64));
}
