/* SPDX-License-Identifier: MIT */
/* What is told of a worker's crash: a line for each function that it was in.
 *
 * What is in the post was written by a process that is broken: any bytes are
 * taken there. Who buries the worker looks for names, in the symbol tables of
 * the files; the process that died had no business to open files. */
#include "keeper/crash_text.h"

#include "module/symbols.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

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
mp__crash_describe(struct mp__post *post, char *buf, size_t size)
{
    struct mp__crash *crash = &post->crash;
    struct text text = {buf, size};
    struct frames frames;
    uint32_t same;

    if (size == 0)
        return;
    buf[0] = '\0';
    if (mp__load(&crash->epoch) != mp__load(&post->stage) >> 8)
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
