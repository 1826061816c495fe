/* SPDX-License-Identifier: MIT */
/* The frames are found by the compiler's unwinder, from the tables that
 * exceptions need: frame pointers may be absent. Of its frames those of the
 * handler come first; the one behind the kernel's signal frame is told by its
 * address, which is that of an instruction and not of a return.
 *
 * All this runs in a signal handler of a program that is broken: nothing is
 * allocated, no lock is taken (glibc 2.35 and gcc 12 find the tables without
 * the loader's one; older ones take it, which another thread would hold for
 * moments only), and a wild frame may end the process at any point: then that
 * is the crash, and what has been noted before stays. Files are told by the
 * kernel, whose list of mappings is right whatever has been loaded since.
 *
 * Without an unwinder (MP__UNWINDER: one that can be linked, which gcc's for
 * another C library cannot) there is the frame alone that was interrupted. */
#include "module/backtrace.h"

#include <fcntl.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>
#include <unwind.h>

/* ---- Registers ---- */

#if defined(__x86_64__)
#define PC(context) ((uint64_t)(context)->uc_mcontext.gregs[REG_RIP])
#define SP(context) ((uint64_t)(context)->uc_mcontext.gregs[REG_RSP])
#elif defined(__aarch64__)
#define PC(context) ((context)->uc_mcontext.pc)
#define SP(context) ((context)->uc_mcontext.sp)
#endif

uint64_t
mp__backtrace_stack(const void *context)
{
#ifdef SP
    return SP((const ucontext_t *)context);
#else
    (void)context;
    return 0;
#endif
}

#if defined(PC) && defined(MP__UNWINDER)
/* A call of something that is no code has left no frame, and no tables tell
 * of one. As if it had returned at once: to the end of the call. */
static void
undo_call(ucontext_t *context)
{
#if defined(__x86_64__)
    greg_t *registers = context->uc_mcontext.gregs;

    registers[REG_RIP] = *(greg_t *)registers[REG_RSP] - 1;
    registers[REG_RSP] += (greg_t)sizeof(greg_t);
#elif defined(__aarch64__)
    context->uc_mcontext.pc = context->uc_mcontext.regs[30] - 1;
#endif
}
#endif

/* ---- Frames ---- */

static void
add_frame(struct mp__backtrace *trace, uint64_t address)
{
    uint32_t n = mp__load_relaxed(&trace->frames);

    trace->frame[n] = address;
    /* release: who reads the count reads the frame */
    mp__store_release(&trace->frames, n + 1);
}

#ifdef MP__UNWINDER
struct walk {
    struct mp__backtrace *trace;
    uint64_t bottom;
    int begun; /* the handler's own frames are over */
};

/* Whether the walk is still in the handler; its last step is to find the frame
 * that was interrupted, which may have been noted before. */
static int
is_above(struct walk *walk, uint64_t address, int is_instruction)
{
    if (walk->begun)
        return 0;
    walk->begun = is_instruction;
    return !is_instruction || (mp__load_relaxed(&walk->trace->frames) == 1 &&
                               walk->trace->frame[0] == address);
}

static _Unwind_Reason_Code
visit(struct _Unwind_Context *frame, void *arg)
{
    struct walk *walk = arg;
    int is_instruction = 0;
    uint64_t address = _Unwind_GetIPInfo(frame, &is_instruction);

    if (is_above(walk, address, is_instruction))
        return _URC_NO_REASON;
    if (address == 0 || _Unwind_GetRegionStart(frame) == walk->bottom)
        return _URC_END_OF_STACK;
    add_frame(walk->trace, is_instruction ? address : address - 1);
    return mp__load_relaxed(&walk->trace->frames) < MP__BACKTRACE_FRAMES
               ? _URC_NO_REASON
               : _URC_END_OF_STACK;
}

static void
walk_frames(struct mp__backtrace *trace, ucontext_t *context, uint64_t touched,
            uint64_t bottom)
{
    struct walk walk = {.trace = trace, .bottom = bottom};
#ifdef PC
    ucontext_t before = *context;

    if (PC(context) == touched)
        undo_call(context);
    _Unwind_Backtrace(visit, &walk);
    *context = before;
#else
    (void)context;
    (void)touched;
    _Unwind_Backtrace(visit, &walk);
#endif
}

static _Unwind_Reason_Code
stop_at_once(struct _Unwind_Context *frame, void *arg)
{
    (void)frame;
    (void)arg;
    return _URC_END_OF_STACK;
}
#endif

/* ---- Files ---- */

/* A reader of lines. Longer ones than fit are cut. */
struct lines {
    int fd;
    size_t used, next; /* of what is in `text` */
    char text[1024], line[512];
};

static int
next_byte(struct lines *lines)
{
    if (lines->next == lines->used) {
        ssize_t n = read(lines->fd, lines->text, sizeof(lines->text));

        if (n <= 0)
            return -1;
        lines->used = (size_t)n;
        lines->next = 0;
    }
    return (unsigned char)lines->text[lines->next++];
}

static int
next_line(struct lines *lines)
{
    size_t n = 0;
    int c;

    while ((c = next_byte(lines)) >= 0 && c != '\n')
        if (n < sizeof(lines->line) - 1)
            lines->line[n++] = (char)c;
    lines->line[n] = '\0';
    return c >= 0;
}

static uint64_t
parse_hex(const char **at)
{
    static const char digits[] = "0123456789abcdef";
    const char *digit;
    uint64_t value = 0;

    for (; **at && (digit = strchr(digits, **at)); ++*at)
        value = value * 16 + (uint64_t)(digit - digits);
    return value;
}

/* "start-end rwxp offset major:minor inode   path" */
static int
parse_mapping(const char *line, struct mp__code_file *file)
{
    const char *at = line, *path = strchr(line, '/');
    size_t n = path ? strlen(path) : 0;

    file->start = parse_hex(&at);
    at += *at == '-';
    file->end = parse_hex(&at);
    if (n == 0 || n >= sizeof(file->path) || strlen(at) < sizeof(" rwxp ") - 1)
        return 0;
    at += sizeof(" rwxp ") - 1;
    file->offset = parse_hex(&at);
    memcpy(file->path, path, n + 1);
    return 1;
}

static int
has_frame(const struct mp__backtrace *trace, const struct mp__code_file *file)
{
    uint32_t n = mp__load_relaxed(&trace->frames);

    for (uint32_t i = 0; i < n; i++)
        if (trace->frame[i] >= file->start && trace->frame[i] < file->end)
            return 1;
    return 0;
}

static void
find_files(struct mp__backtrace *trace)
{
    struct lines lines = {.fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC)};
    struct mp__code_file file;
    size_t found = 0;

    while (lines.fd >= 0 && found < MP__BACKTRACE_FILES && next_line(&lines))
        if (parse_mapping(lines.line, &file) && has_frame(trace, &file))
            trace->file[found++] = file;
    if (lines.fd >= 0)
        close(lines.fd);
}

/* ---- All of it ---- */

/* What is sure, in case the walk is the end. */
static void
begin(struct mp__backtrace *trace, const ucontext_t *context)
{
    mp__store(&trace->frames, 0);
    memset(trace->file, 0, sizeof(trace->file));
#ifdef PC
    add_frame(trace, PC(context));
    find_files(trace);
#else
    (void)context;
#endif
}

void
mp__backtrace_take(struct mp__backtrace *trace, void *context,
                   uint64_t touched, uint64_t bottom)
{
    begin(trace, context);
#ifdef MP__UNWINDER
    walk_frames(trace, context, touched, bottom);
    find_files(trace);
#else
    (void)touched;
    (void)bottom;
#endif
}

void
mp__backtrace_prepare(void)
{
#ifdef MP__UNWINDER
    _Unwind_Backtrace(stop_at_once, NULL);
#endif
}
