/* SPDX-License-Identifier: MIT */
/* What a worker leaves behind when it crashes.
 *
 * The handler notes, in the worker's post, which signal it was, what address,
 * and the calls that led there (module/backtrace.c); then the same signal ends
 * the process, as if nobody had caught it, with a core file if there is to be
 * one. It runs on a stack of its own, since that of the program may be used
 * up; threads that the program makes have none, and leave nothing if they
 * overflow theirs. Who buries the worker looks for names: the process that
 * died had no business to open files.
 *
 * What is in the post counts if it bears the epoch of the worker that is
 * buried, and is never cleared. It is written by a process that is broken: the
 * reader takes any bytes there. A process that dies while the handler runs
 * leaves the frames that have been written by then. A child that a task forks
 * has the handler too, but not the post. */
#include "worker/crash.h"

#include "base/macros.h"
#include "keeper/birth.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define STACK      ((size_t)128 << 10)
#define STACK_NEAR ((uint64_t)64 << 10) /* a frame may be so large */

static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL,
                              SIGABRT, SIGSYS, SIGTRAP};

static struct {
    struct mp__post *post;
    pid_t pid;
    uint64_t epoch;
    mp__a32 busy;
} watch;

/* The pending signal is delivered as the handler returns, with the registers
 * of the crash, and with what the first one told of its origin. */
static void
die_of(int sig, siginfo_t *info)
{
    signal(sig, SIG_DFL);
    if (syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), sig, info) < 0)
        _exit(128 + sig);
}

/* What a fault says; of a signal that was sent, and of what the processor does
 * not tell about, there is no address. */
static enum mp__crash_cause
cause_of(int sig, const siginfo_t *info, uint64_t stack)
{
    uint64_t touched = (uint64_t)(uintptr_t)info->si_addr;

    if ((sig != SIGSEGV && sig != SIGBUS) || info->si_code <= 0 ||
        info->si_code == SI_KERNEL)
        return MP__CRASH_UNKNOWN;
    if (stack != 0 && touched - stack + STACK_NEAR < 2 * STACK_NEAR)
        return MP__CRASH_STACK;
    return MP__CRASH_ACCESS;
}

static void
note(struct mp__crash *crash, int sig, const siginfo_t *info, void *context)
{
    crash->cause = cause_of(sig, info, mp__backtrace_stack(context));
    crash->touched = crash->cause ? (uint64_t)(uintptr_t)info->si_addr
                                  : MP__BACKTRACE_NOTHING;
    mp__store(&crash->trace.frames, 0);
    mp__store(&crash->epoch, watch.epoch);
    mp__backtrace_take(&crash->trace, context, crash->touched,
                       (uint64_t)(uintptr_t)mp__worker_main);
}

/* All of the crash's signals are blocked in here: a fault of the handler ends
 * the process at once. Of several threads the first tells. */
static void
handle(int sig, siginfo_t *info, void *context)
{
    if (watch.pid == getpid()) {
        while (mp__swap(&watch.busy, 1))
            pause();
        note(&watch.post->crash, sig, info, context);
    }
    die_of(sig, info);
}

/* With a page below it that nothing may touch; for as long as the process
 * lives. A stack that is there already is the program's, or a sanitizer's. */
static void
make_stack(void)
{
    size_t guard = (size_t)sysconf(_SC_PAGESIZE);
    stack_t stack = {.ss_size = STACK}, before;
    char *p;

    if (sigaltstack(NULL, &before) < 0 || !(before.ss_flags & SS_DISABLE))
        return;
    p = mmap(NULL, guard + STACK, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (p == MAP_FAILED)
        return;
    mprotect(p, guard, PROT_NONE);
    stack.ss_sp = p + guard;
    sigaltstack(&stack, NULL);
}

void
mp__crash_watch(struct mp__post *post)
{
    struct sigaction action = {.sa_sigaction = handle,
                               .sa_flags = SA_SIGINFO | SA_ONSTACK};
    struct sigaction before;

    watch.post = post;
    watch.pid = getpid();
    watch.epoch = mp__load(&post->stage) >> 8;
    mp__store(&watch.busy, 0);
    make_stack();
    mp__backtrace_prepare();
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < MP__LENGTH(signals); i++)
        sigaddset(&action.sa_mask, signals[i]);
    for (size_t i = 0; i < MP__LENGTH(signals); i++)
        if (sigaction(signals[i], &action, &before) == 0 &&
            before.sa_handler != SIG_DFL)
            sigaction(signals[i], &before, NULL);
}
