/* SPDX-License-Identifier: MIT */
/* How a process is described, and how those named in other reports get their
 * names.
 *
 * The record tells what the family knows. A process may have ended and nobody
 * has asked yet: the system is asked for that, by a pidfd that is opened and
 * closed at once, so that nothing of this process's own tables is touched. */
#include "os/pidfd.h"
#include "process/record.h"
#include "report/describe.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- Names ---- */

/* The record that has the pid, and whose process runs: the last, if there are
 * several, for then the others' have ended unnoticed. */
struct search {
    uint32_t pid, serial;
    mp_process *found;
};

static void
look_at_record(void *object, void *arg)
{
    mp_process *p = object;
    struct search *search = arg;
    uint64_t state = mp__load_acquire(&p->state);
    enum mp__phase phase = mp__state_phase(state);

    if (mp__load_relaxed(&p->pid) != search->pid || phase == MP__FAILED ||
        phase >= MP__ENDED)
        return;
    if (search->found == NULL || mp__state_serial(state) > search->serial) {
        search->found = p;
        search->serial = mp__state_serial(state);
    }
}

static void
name_process(pid_t pid, char *name, size_t size)
{
    struct search search = {.pid = (uint32_t)pid};

    mp__object_each(MP__SLAB_PROCESS, look_at_record, &search);
    if (search.found) {
        memcpy(name, search.found->name, size - 1);
        name[size - 1] = 0;
    }
}

/* ---- A process ---- */

/* Whether the process has ended, as the system knows it. */
static int
has_ended(mp_process *p)
{
    uint64_t identity = mp__load_acquire(&p->identity);
    pid_t pid = (pid_t)mp__load_relaxed(&p->pid);
    int fd, ended;

    if (pid == 0 || identity == 0)
        return 0;
    fd = mp__pidfd_open(pid);
    if (fd < 0)
        return fd == -ESRCH;
    ended = mp__pidfd_identity(fd, pid) != identity ||
            mp__pidfd_wait(fd, MP_NOW) == 0;
    close(fd);
    return ended;
}

/* Whether it runs. */
static int
report_phase(struct mp__report *report, mp_process *p, uint64_t state)
{
    char how[64];
    int runs = 0;

    switch (mp__state_phase(state)) {
    case MP__STARTING:
    case MP__BEGUN:
    case MP__RUNNING:
        runs = !has_ended(p);
        if (!runs)
            mp__report(report, "has ended, nobody has asked how yet");
        else
            mp__report(report, mp__state_phase(state) == MP__RUNNING
                                   ? "runs"
                                   : "is being started");
        break;
    case MP__FAILED:
        mp__report(report, "could not be started");
        break;
    default:
        mp__report(report, "has ended: %s",
                   mp__process_describe_code(mp__state_code(state), how,
                                             sizeof(how)));
    }
    return runs;
}

/* "; child of pid 12 (name)" */
static void
report_parent(struct mp__report *report, mp_process *p)
{
    mp_process *parent = p->parent;
    uint32_t serial = p->parent_serial;

    if (parent == NULL || !mp__process_ok(parent) ||
        mp__state_serial(mp__load_acquire(&parent->state)) != serial)
        return;
    mp__report(report, "; child of pid %u (", mp__load_relaxed(&parent->pid));
    mp__report_name(report, parent->name, sizeof(parent->name));
    mp__report(report, ")");
}

static int
describe_process(struct mp__report *report, void *object)
{
    mp_process *p = object;
    uint64_t state = mp__load_acquire(&p->state);
    int runs;

    if (mp__state_phase(state) == MP__CLOSED)
        return -EBADF;
    mp__report_object(report, "process", p, p->name, sizeof(p->name));
    mp__report(report, ": pid %u ", mp__load_relaxed(&p->pid));
    runs = report_phase(report, p, state);
    if (p->daemon)
        mp__report(report, "; a daemon");
    report_parent(report, p);
    mp__report(report, "\n");
    if (runs)
        mp__report_threads(report, (pid_t)mp__load_relaxed(&p->pid));
    return 0;
}

void
mp__process_describe(void)
{
    mp__describe_with(MP__SLAB_PROCESS, "process", describe_process);
    mp__describe_processes_with(name_process);
}
