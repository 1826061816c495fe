/* SPDX-License-Identifier: MIT */
/* The family's record of a process.
 *
 * A record is a cell of the region, so its address serves as the handle
 * everywhere. It is made by the parent before the child exists, and lives
 * until somebody closes the handle, long after the process if need be. All
 * that happens to it goes through the one word `state`, by compare-and-swap:
 * several processes may learn of the end at once, and whoever is killed in
 * between has either told the family or not. Who reads the pid also reads the
 * identity, and trusts neither before a pidfd has confirmed them (local.c).
 *
 * A process that the library did not start (the root, or one that the program
 * forked by itself) gets its record at its first use. */
#include "process/record.h"

#include "os/fork.h"
#include "os/pidfd.h"
#include "process/local.h"
#include "region/heap.h"
#include "region/region.h"
#include "report/log.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* What the processes of the family count in common. */
struct family {
    mp__a32 serial; /* records made */
    mp__a32 names;  /* names made up */
};

static struct {
    pthread_mutex_t lock; /* guards making the record */
    mp_process *process;
    uint32_t serial;
    uint32_t generation; /* in which it is ours: see mp__generation() */
} self = {.lock = PTHREAD_MUTEX_INITIALIZER};

MP__HELD_ACROSS_FORK(self.lock, (void)0);

static const char *
name_of_self(void)
{
    mp_process *me = mp__process_self();

    return me ? me->name : NULL;
}

__attribute__((constructor)) static void
register_names(void)
{
    mp__process_describe();
    mp__log_name_with(name_of_self);
}

static struct family *
shared_family(void)
{
    return mp__block_at_root(MP__ROOT_PROCESS, sizeof(struct family));
}

static uint32_t
next_serial(struct family *family)
{
    uint32_t serial;

    do
        serial = mp__add(&family->serial, 1) + 1;
    while (serial == 0);
    return serial;
}

uint32_t
mp__process_last_serial(void)
{
    struct family *family = shared_family();

    return family ? mp__load(&family->serial) : 0;
}

/* A record that is not known to anybody yet. */
static mp_process *
make_record(const char *name, uint32_t *ret_serial)
{
    struct family *family = shared_family();
    mp_process *p;

    p = family ? mp__object_alloc(MP__SLAB_PROCESS, sizeof(*p)) : NULL;
    if (!p)
        return NULL;
    if (name)
        snprintf(p->name, sizeof(p->name), "%s", name);
    else
        snprintf(p->name, sizeof(p->name), "Process-%u",
                 (unsigned)mp__add(&family->names, 1) + 1);
    p->parent = self.process;
    p->parent_serial = self.serial;
    *ret_serial = next_serial(family);
    mp__store_release(&p->state, mp__state(*ret_serial, MP__STARTING, 0));
    return p;
}

mp_process *
mp__process_new(const char *name, uint32_t *ret_serial)
{
    mp_process *p = make_record(name, ret_serial);

    if (p)
        mp__object_publish(p, MP__SLAB_PROCESS);
    return p;
}

int
mp__process_delete(mp_process *p)
{
    int r = mp__object_retire(p, MP__SLAB_PROCESS);
    void *parcel;

    if (r < 0)
        return r;
    parcel = mp__swap(&p->parcel, NULL);
    if (parcel)
        mp__block_free(parcel);
    mp__object_free(p, MP__SLAB_PROCESS);
    return 0;
}

int
mp__process_decide(mp_process *p, uint32_t serial, enum mp__phase phase,
                   int code)
{
    uint64_t starting = mp__state(serial, MP__STARTING, 0);

    return mp__cas(&p->state, &starting, mp__state(serial, phase, code));
}

static int
advance(mp_process *p, uint32_t serial, enum mp__phase phase, int code)
{
    uint64_t state = mp__load_acquire(&p->state);

    if (code == MP__CODE_NONE)
        code = MP__CODE_UNKNOWN;
    while (mp__state_serial(state) == serial &&
           mp__state_phase(state) < phase &&
           mp__state_phase(state) != MP__FAILED)
        if (mp__cas(&p->state, &state, mp__state(serial, phase, code)))
            return 1;
    return 0;
}

/* Once the end is known the handle may be closed: so it is read before. */
static MP__COLD int
end_and_log(mp_process *p, uint32_t serial, int code)
{
    int level = mp__process_log_level(p);
    int pid = (int)mp__load_relaxed(&p->pid);
    char name[MP__NAME_SIZE], how[64];

    memcpy(name, p->name, sizeof(name));
    if (!advance(p, serial, MP__ENDED, code))
        return 0;
    mp__log(level, "process %s (pid %d) ended: %s", name, pid,
            mp__process_describe_code(code, how, sizeof(how)));
    return 1;
}

int
mp__process_advance(mp_process *p, uint32_t serial, enum mp__phase phase,
                    int code)
{
    return phase == MP__ENDED && mp__log_level() <= MP_LOG_INFO
               ? end_and_log(p, serial, code)
               : advance(p, serial, phase, code);
}

static void
identify_self(mp_process *p)
{
    pid_t pid = getpid();
    int fd = mp__pidfd_open(pid);

    if (fd < 0)
        return;
    mp__store_relaxed(&p->pid, (uint32_t)pid);
    mp__store_release(&p->identity, mp__pidfd_identity(fd, pid));
    close(fd);
}

static mp_process *
make_self(void)
{
    mp_process *p;
    uint32_t serial;

    /* The parent of a process that the program forked by itself is whose
     * copy it is. */
    p = make_record(self.process ? NULL : "MainProcess", &serial);
    if (!p)
        return NULL;
    /* Before others see it: were it killed, nobody else would tell. */
    identify_self(p);
    mp__object_publish(p, MP__SLAB_PROCESS);
    p->parent_pid = getppid();
    p->default_method = mp_get_start_method();
    mp__process_advance(p, serial, MP__RUNNING, 0);
    mp__process_become(p, serial);
    return p;
}

mp_process *
mp__process_self(void)
{
    mp_process *p;

    if (__atomic_load_n(&self.generation, __ATOMIC_ACQUIRE) ==
        mp__generation()) {
        /* Its parent writes both soon; but it may be gone. */
        if (mp__load_acquire(&self.process->identity) == 0)
            identify_self(self.process);
        return self.process;
    }
    pthread_mutex_lock(&self.lock);
    p = self.generation == mp__generation() ? self.process : make_self();
    pthread_mutex_unlock(&self.lock);
    return p;
}

void
mp__process_become(mp_process *p, uint32_t serial)
{
    self.process = p;
    self.serial = serial;
    __atomic_store_n(&self.generation, mp__generation(), __ATOMIC_RELEASE);
}

int
mp__process_is_self(const mp_process *p)
{
    return self.process == p && self.generation == mp__generation();
}

mp_process *
mp_current_process(void)
{
    return mp__enter() < 0 ? NULL : mp__process_self();
}

mp_process *
mp_parent_process(void)
{
    mp_process *me = mp_current_process();
    mp_process *parent = me ? me->parent : NULL;

    if (!parent || !mp__process_ok(parent) ||
        mp__state_serial(mp__load_acquire(&parent->state)) !=
            me->parent_serial)
        return NULL;
    return parent;
}

static const char *const signal_names[] = {
    [SIGHUP] = "SIGHUP",   [SIGINT] = "SIGINT",   [SIGQUIT] = "SIGQUIT",
    [SIGILL] = "SIGILL",   [SIGTRAP] = "SIGTRAP", [SIGABRT] = "SIGABRT",
    [SIGBUS] = "SIGBUS",   [SIGFPE] = "SIGFPE",   [SIGKILL] = "SIGKILL",
    [SIGUSR1] = "SIGUSR1", [SIGSEGV] = "SIGSEGV", [SIGUSR2] = "SIGUSR2",
    [SIGPIPE] = "SIGPIPE", [SIGALRM] = "SIGALRM", [SIGTERM] = "SIGTERM",
    [SIGXCPU] = "SIGXCPU", [SIGXFSZ] = "SIGXFSZ", [SIGSYS] = "SIGSYS",
};

const char *
mp__process_describe_code(int code, char *buffer, size_t size)
{
    const char *name = code < 0 && -code < (int)MP__LENGTH(signal_names)
                           ? signal_names[-code]
                           : NULL;

    if (code == MP__CODE_UNKNOWN || code == MP__CODE_NONE)
        snprintf(buffer, size, "ended, nobody knows how");
    else if (code >= 0)
        snprintf(buffer, size, "exit code %d", code);
    else if (name)
        snprintf(buffer, size, "killed by signal %d (%s)", -code, name);
    else
        snprintf(buffer, size, "killed by signal %d", -code);
    return buffer;
}

const char *
mp__process_describe_end(mp_process *p, char *buffer, size_t size)
{
    int code;
    int r = mp_process_exitcode(p, &code);

    if (r == 0)
        return mp__process_describe_code(code, buffer, size);
    if (r == -ENODATA)
        return mp__process_describe_code(MP__CODE_NONE, buffer, size);
    snprintf(buffer, size, "%s", r == -EAGAIN ? "running" : "closed");
    return buffer;
}
