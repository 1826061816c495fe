/* SPDX-License-Identifier: MIT */
/* What a worker leaves behind when it crashes.
 *
 * The handler notes, in the worker's post, which signal it was, what address,
 * and the calls that led there (os/backtrace.c); then the same signal ends the
 * process, as if nobody had caught it, with a core file if there is to be one.
 * It runs on a stack of its own, since that of the program may be used up;
 * threads that the program makes have none, and leave nothing if they overflow
 * theirs. Who buries the worker looks for names: the process that died had no
 * business to open files.
 *
 * What is in the post counts if it bears the epoch of the worker that is
 * buried, and is never cleared. It is written by a process that is broken: the
 * reader takes any bytes there. A process that dies while the handler runs
 * leaves the frames that have been written by then. A child that a task forks
 * has the handler too, but not the post. */
#include "pool/crash.h"

#include "base/macros.h"
#include "os/symbols.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define STACK      ((size_t)128 << 10)
#define STACK_NEAR ((uint64_t)64 << 10) /* a frame may be so large */

static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL,
                              SIGABRT, SIGSYS, SIGTRAP};

static struct {
    struct mp__worker *post;
    pid_t pid;
    uint64_t epoch;
    mp__a32 busy;
} watch;

/* ---- In the worker ---- */

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
mp__crash_watch(struct mp__worker *w)
{
    struct sigaction action = {.sa_sigaction = handle,
                               .sa_flags = SA_SIGINFO | SA_ONSTACK};
    struct sigaction before;

    watch.post = w;
    watch.pid = getpid();
    watch.epoch = mp__load(&w->stage) >> 8;
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

/* ---- Who buries it ---- */

struct text {
    char *at;
    size_t left;
};

static void __attribute__((format(printf, 2, 3)))
add(struct text *text, const char *format, ...)
{
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(text->at, text->left, format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= text->left)
        n = (int)text->left - 1;
    text->at += n;
    text->left -= (size_t)n;
}

/* A copy in memory that no longer changes, in which all is within bounds. */
struct frames {
    uint32_t count;
    struct frame {
        uint64_t address;
        const struct mp__code_file *file; /* NULL: none */
        struct mp__symbol symbol;
    } frame[MP__BACKTRACE_FRAMES];
    struct mp__code_file file[MP__BACKTRACE_FILES];
};

static const struct mp__code_file *
file_of(const struct frames *frames, uint64_t address)
{
    for (size_t i = 0; i < MP__BACKTRACE_FILES; i++)
        if (address >= frames->file[i].start && address < frames->file[i].end)
            return &frames->file[i];
    return NULL;
}

static void
copy_frames(const struct mp__backtrace *trace, struct frames *frames)
{
    uint32_t n = mp__load((mp__a32 *)&trace->frames);

    frames->count = n < MP__BACKTRACE_FRAMES ? n : MP__BACKTRACE_FRAMES;
    memcpy(frames->file, trace->file, sizeof(frames->file));
    for (size_t i = 0; i < MP__BACKTRACE_FILES; i++)
        frames->file[i].path[sizeof(frames->file[i].path) - 1] = '\0';
    for (uint32_t i = 0; i < frames->count; i++) {
        struct frame *frame = &frames->frame[i];

        *frame = (struct frame){.address = trace->frame[i]};
        frame->file = file_of(frames, frame->address);
    }
}

/* The path under which it can be opened: a program that was built anew since
 * it was started, is still to be had as the reader's own. */
static const char *
path_to_open(const struct mp__code_file *file)
{
    char own[sizeof(file->path) + 1];
    ssize_t n = readlink("/proc/self/exe", own, sizeof(own) - 1);

    own[n > 0 ? n : 0] = '\0';
    return strcmp(own, file->path) == 0 ? "/proc/self/exe" : file->path;
}

/* Names for all frames of one file. */
static void
find_names(struct frames *frames, const struct mp__code_file *file)
{
    struct mp__symbol list[MP__BACKTRACE_FRAMES];
    uint32_t which[MP__BACKTRACE_FRAMES];
    size_t n = 0;

    for (uint32_t i = 0; i < frames->count; i++)
        if (frames->frame[i].file == file) {
            list[n].offset =
                frames->frame[i].address - file->start + file->offset;
            which[n++] = i;
        }
    if (n == 0)
        return;
    mp__symbols_find(path_to_open(file), list, n);
    for (size_t i = 0; i < n; i++)
        frames->frame[which[i]].symbol = list[i];
}

/* The last part of the path, without the kernel's mark. */
static void
add_place(struct text *text, const struct frame *frame)
{
    static const char mark[] = " (deleted)";
    const char *path = frame->file->path, *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    size_t n = strlen(name), m = sizeof(mark) - 1;

    if (n > m && strcmp(name + n - m, mark) == 0)
        n -= m;
    add(text, "%.*s+0x%llx", (int)n, name,
        (unsigned long long)(frame->symbol.address
                                 ? frame->symbol.address
                                 : frame->address - frame->file->start +
                                       frame->file->offset));
}

/* Without what compilers append to the names of variants: "f.isra.0". */
static int
name_length(const char *name)
{
    return 1 + (int)strcspn(name + 1, ".");
}

static void
add_frame(struct text *text, const struct frame *frame)
{
    const char *name = frame->symbol.name;

    if (!frame->file) {
        add(text, "0x%llx", (unsigned long long)frame->address);
    } else if (name[0]) {
        add(text, "%.*s (", name_length(name), name);
        add_place(text, frame);
        add(text, ")");
    } else {
        add_place(text, frame);
    }
}

/* Calls of the same function, or from the same place of an unknown one. */
static int
is_same(const struct frame *a, const struct frame *b)
{
    if (a->file != b->file)
        return 0;
    if (a->symbol.name[0])
        return strcmp(a->symbol.name, b->symbol.name) == 0;
    return a->address == b->address;
}

static uint32_t
count_same(const struct frames *frames, uint32_t first)
{
    uint32_t n = 1;

    while (first + n < frames->count &&
           is_same(&frames->frame[first], &frames->frame[first + n]))
        n++;
    return n;
}

static void
add_cause(struct text *text, const struct mp__crash *crash)
{
    if (crash->cause == MP__CRASH_STACK)
        add(text, ", out of stack");
    else if (crash->cause == MP__CRASH_ACCESS)
        add(text, ", accessing 0x%llx", (unsigned long long)crash->touched);
}

void
mp__crash_describe(struct mp__worker *w, char *buf, size_t size)
{
    struct mp__crash *crash = &w->crash;
    struct text text = {buf, size};
    struct frames frames;
    uint32_t same;

    if (size == 0)
        return;
    buf[0] = '\0';
    if (mp__load(&crash->epoch) != mp__load(&w->stage) >> 8)
        return;
    copy_frames(&crash->trace, &frames);
    for (size_t i = 0; i < MP__BACKTRACE_FILES; i++)
        find_names(&frames, &frames.file[i]);
    for (uint32_t i = 0; i < frames.count; i += same) {
        same = count_same(&frames, i);
        add(&text, "  at ");
        add_frame(&text, &frames.frame[i]);
        if (same > 1)
            add(&text, ", %s%u times",
                same + i < frames.count ? "" : "at least ", (unsigned)same);
        if (i == 0)
            add_cause(&text, crash);
        add(&text, "\n");
    }
}
