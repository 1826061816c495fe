/* SPDX-License-Identifier: MIT */
/* Halting a child after any of its instructions.
 *
 * The child is a plain fork, so that addresses of this program mean the same
 * in it. Two marks surround what it has to do: functions whose addresses are
 * put into its debug registers. A jump uses one more of these; a step is the
 * processor's single step. Debug registers belong to a thread and are not
 * inherited, so children of the traced child are left alone (a breakpoint
 * written into the code would kill them).
 *
 * A step into a system call may last: the child is asleep if the kernel says
 * so for longer than any nap of the library. Whoever steps it then does what
 * wakes it, and waits for the same step again. */
#define _GNU_SOURCE
#include "trace.h"

#include "base/atomic.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define STUCK_AFTER 10000000000 /* ns that a step may last without a sleep */

int64_t trace_nap = 1500000;

#if defined(__x86_64__)
#define DEBUG_REGISTER(n) (offsetof(struct user, u_debugreg) + (n)*8)
#define PC                offsetof(struct user, regs.rip)
#define NOWHERE           1 /* no instruction is there */

__attribute__((noinline)) static void
mark_begin(void)
{
    __asm__ volatile("nop");
}

__attribute__((noinline)) static void
mark_end(void)
{
    __asm__ volatile("nop; nop");
}

static struct {
    mp__a32 pid; /* of one that waits to be adopted */
    mp__a32 released;
} * offer;

static int64_t
now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static char
state_of(pid_t pid)
{
    char path[64], text[256], *end;
    ssize_t n;
    int fd;

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return '?';
    n = read(fd, text, sizeof(text) - 1);
    close(fd);
    if (n <= 0)
        return '?';
    text[n] = 0;
    end = strrchr(text, ')');
    return end && end[1] ? end[2] : '?';
}

int
trace_sleeps(pid_t pid)
{
    const struct timespec pause = {.tv_nsec = trace_nap / 4};
    int i;

    for (i = 0; i < 4; i++) {
        if (state_of(pid) != 'S')
            return 0;
        nanosleep(&pause, NULL);
    }
    return state_of(pid) == 'S';
}

uintptr_t
trace_pc(const struct trace *t)
{
    return (uintptr_t)ptrace(PTRACE_PEEKUSER, t->pid, PC, NULL);
}

static int
set_breakpoint(const struct trace *t, unsigned n, uintptr_t address)
{
    return (int)ptrace(PTRACE_POKEUSER, t->pid, DEBUG_REGISTER(n), address);
}

/* Which of the registers 0 and 1 are on. The end's is always. */
static int
enable_breakpoints(struct trace *t, int jump)
{
    t->armed = jump;
    return (int)ptrace(PTRACE_POKEUSER, t->pid, DEBUG_REGISTER(7),
                       jump ? 5L : 4L);
}

static void
resume(struct trace *t)
{
    int signal = t->signal;

    t->signal = 0;
    ptrace(t->jump ? PTRACE_CONT : PTRACE_SINGLESTEP, t->pid, NULL,
           (void *)(intptr_t)signal);
}

static int
is_fault(int signal)
{
    return signal == SIGSEGV || signal == SIGBUS || signal == SIGILL ||
           signal == SIGFPE || signal == SIGABRT || signal == SIGSYS;
}

/* What a status of waitpid() means; -1: nothing, it runs on. */
static int
read_status(struct trace *t, int status)
{
    uintptr_t pc;

    if (!WIFSTOPPED(status)) {
        t->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
        t->pid = 0;
        return TRACE_GONE;
    }
    if (WSTOPSIG(status) != SIGTRAP) {
        t->signal = WSTOPSIG(status);
        if (is_fault(t->signal))
            return TRACE_GONE;
        resume(t);
        return -1;
    }
    pc = trace_pc(t);
    if (pc == (uintptr_t)mark_end)
        return TRACE_AT_END;
    if (t->jump && pc == t->jump && t->skip > 0) {
        t->skip--;
        resume(t);
        return -1;
    }
    return TRACE_HALTED;
}

enum trace_event
trace_wait(struct trace *t)
{
    const struct timespec look = {.tv_nsec = trace_nap * 2 / 3};
    int64_t start = now();
    sigset_t child;
    int status, r;

    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    for (;;) {
        /* The signal says that some child changed, not which; without one
         * this child may be asleep. */
        r = sigtimedwait(&child, NULL, &look);
        if (waitpid(t->pid, &status, WNOHANG | __WALL) == t->pid) {
            int event = read_status(t, status);
            if (event >= 0)
                return (enum trace_event)event;
            continue;
        }
        if (r >= 0)
            continue;
        if (trace_sleeps(t->pid))
            return TRACE_ASLEEP;
        if (now() - start > STUCK_AFTER)
            return TRACE_STUCK;
    }
}

enum trace_event
trace_step(struct trace *t)
{
    t->jump = 0;
    if (t->armed)
        enable_breakpoints(t, 0);
    resume(t);
    return trace_wait(t);
}

enum trace_event
trace_jump(struct trace *t, uintptr_t address, unsigned count)
{
    t->jump = address;
    t->skip = count - 1;
    set_breakpoint(t, 0, address);
    enable_breakpoints(t, 1);
    resume(t);
    return trace_wait(t);
}

/* The rounds of a string instruction may be hundreds of thousands, so a
 * breakpoint is put behind it. */
enum trace_event
trace_step_whole(struct trace *t)
{
    uintptr_t pc = trace_pc(t);
    enum trace_event event = trace_step(t);
    const unsigned char *code = (const unsigned char *)pc;

    if (event != TRACE_HALTED || trace_pc(t) != pc)
        return event;
    if (t->breakpoints && (*code == 0xf3 || *code == 0xf2))
        return trace_jump(t, pc + ((code[1] & 0xf0) == 0x40 ? 3 : 2), 1);
    while (event == TRACE_HALTED && trace_pc(t) == pc)
        event = trace_step(t);
    return event;
}

enum trace_event
trace_finish(struct trace *t)
{
    enum trace_event event;

    if (t->breakpoints)
        return trace_jump(t, NOWHERE, 1);
    do
        event = trace_step(t);
    while (event == TRACE_HALTED);
    return event;
}

/* Waits for its tracer in memory that both share. */
void
trace_offer(void)
{
    const struct timespec look = {.tv_nsec = 100000};

    mp__store(&offer->released, 0);
    mp__store(&offer->pid, (uint32_t)getpid());
    while (!mp__load(&offer->released))
        nanosleep(&look, NULL);
    mark_begin();
}

static void
be_child(void (*prepare)(void), void (*run)(void))
{
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (prepare)
        prepare();
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
        _exit(77);
    raise(SIGSTOP);
    mark_begin();
    run();
    mark_end();
    _exit(0);
}

static enum trace_event
run_to_begin(struct trace *t)
{
    if (ptrace(PTRACE_SETOPTIONS, t->pid, NULL, (void *)PTRACE_O_EXITKILL) < 0)
        return TRACE_GONE;
    t->breakpoints = set_breakpoint(t, 1, (uintptr_t)mark_end) == 0 &&
                     enable_breakpoints(t, 0) == 0;
    if (t->breakpoints)
        return trace_jump(t, (uintptr_t)mark_begin, 1);
    for (;;) {
        enum trace_event event = trace_step(t);
        if (event != TRACE_HALTED || trace_pc(t) == (uintptr_t)mark_begin)
            return event;
    }
}

static enum trace_event
await_stop(struct trace *t)
{
    int status;

    if (waitpid(t->pid, &status, __WALL) != t->pid || !WIFSTOPPED(status)) {
        t->pid = 0;
        return TRACE_GONE;
    }
    return run_to_begin(t);
}

enum trace_event
trace_start(struct trace *t, void (*prepare)(void), void (*run)(void))
{
    *t = (struct trace){0};
    t->pid = fork();
    if (t->pid == 0)
        be_child(prepare, run);
    return t->pid < 0 ? TRACE_GONE : await_stop(t);
}

enum trace_event
trace_adopt(struct trace *t)
{
    int64_t deadline = now() + STUCK_AFTER;
    uint32_t pid;

    *t = (struct trace){0};
    while ((pid = mp__swap(&offer->pid, 0)) == 0) {
        if (now() > deadline)
            return TRACE_STUCK;
        usleep(50);
    }
    if (ptrace(PTRACE_ATTACH, (pid_t)pid, NULL, NULL) < 0)
        return TRACE_GONE;
    t->pid = (pid_t)pid;
    mp__store(&offer->released, 1);
    return await_stop(t);
}

void
trace_kill(struct trace *t)
{
    int status;

    if (t->pid <= 0)
        return;
    kill(t->pid, SIGKILL);
    while (waitpid(t->pid, &status, __WALL) == t->pid && WIFSTOPPED(status))
        ;
    t->pid = 0;
}

static void
do_nothing(void)
{
}

const char *
trace_refused(void)
{
    struct trace t;
    enum trace_event event;

    offer = mmap(NULL, sizeof(*offer), PROT_READ | PROT_WRITE,
                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (offer == MAP_FAILED)
        return "there is no memory";
    event = trace_start(&t, NULL, do_nothing);
    trace_kill(&t);
    return event == TRACE_HALTED ? NULL : "ptrace is not permitted here";
}
#else
const char *
trace_refused(void)
{
    return "single steps are implemented for x86-64 only";
}

enum trace_event
trace_start(struct trace *t, void (*prepare)(void), void (*run)(void))
{
    (void)prepare;
    (void)run;
    *t = (struct trace){0};
    return TRACE_GONE;
}

enum trace_event
trace_adopt(struct trace *t)
{
    *t = (struct trace){0};
    return TRACE_GONE;
}

void
trace_offer(void)
{
}

enum trace_event
trace_step(struct trace *t)
{
    (void)t;
    return TRACE_GONE;
}

enum trace_event
trace_step_whole(struct trace *t)
{
    return trace_step(t);
}

enum trace_event
trace_jump(struct trace *t, uintptr_t address, unsigned count)
{
    (void)address;
    (void)count;
    return trace_step(t);
}

enum trace_event
trace_finish(struct trace *t)
{
    return trace_step(t);
}

enum trace_event
trace_wait(struct trace *t)
{
    return trace_step(t);
}

uintptr_t
trace_pc(const struct trace *t)
{
    (void)t;
    return 0;
}

void
trace_kill(struct trace *t)
{
    (void)t;
}

int
trace_sleeps(pid_t pid)
{
    (void)pid;
    return 0;
}
#endif
