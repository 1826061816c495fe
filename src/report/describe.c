/* SPDX-License-Identifier: MIT */
/* mp_describe(): what is the matter with an object.
 *
 * An object's class is told by its stamp, and each room has registered how to
 * describe its own. All that is printed is read without a lock, each field
 * once, from objects that go on changing: a report is a glance, and two facts
 * in it may be a moment apart. It can be made from a debugger as well, while
 * threads are stopped inside of the object.
 *
 * Threads are told by the slots of the participants; the names of their
 * processes by the room of processes, which knows them. */
#include "report/describe.h"

#include "base/error.h"
#include "os/clock.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

static struct {
    const char *kind;
    mp__describe_fn *describe; /* NULL: no object that has a handle */
} classes[MP__SLABS];
static mp__name_process_fn *process_namer;

void
mp__describe_with(enum mp__slab slab, const char *kind,
                  mp__describe_fn *describe)
{
    classes[slab].kind = kind;
    classes[slab].describe = describe;
}

void
mp__describe_processes_with(mp__name_process_fn *name_process)
{
    process_namer = name_process;
}

/* The class of a live object, or -1. */
static int
class_of(const void *object)
{
    for (int slab = 0; slab < MP__SLABS; slab++)
        if (classes[slab].describe &&
            mp__object_ok(object, (enum mp__slab)slab))
            return slab;
    return -1;
}

/* ---- Writing ---- */

static void
end_line(struct mp__report *report)
{
    size_t n = report->length;

    report->length = 0;
    if (fwrite(report->line, 1, n, report->out) != n)
        report->failed = 1;
}

/* A line that is too long loses its end. */
static void
add(struct mp__report *report, const char *text, size_t n)
{
    size_t room = sizeof(report->line) - 1 - report->length;

    if (n > room)
        n = room;
    memcpy(report->line + report->length, text, n);
    report->length += n;
}

void
mp__report(struct mp__report *report, const char *format, ...)
{
    char text[MP__REPORT_LINE];
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (n <= 0)
        return;
    if ((size_t)n >= sizeof(text))
        n = (int)sizeof(text) - 1;
    if (format[strlen(format) - 1] != '\n') {
        add(report, text, (size_t)n);
        return;
    }
    add(report, text, (size_t)n - 1);
    report->line[report->length++] = '\n';
    end_line(report);
}

void
mp__report_name(struct mp__report *report, const char *name, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        char c = *(const volatile char *)&name[i];

        if (c == 0)
            break;
        if ((unsigned char)c < ' ' || c == 0x7f)
            c = '?';
        add(report, &c, 1);
    }
}

void
mp__report_object(struct mp__report *report, const char *kind,
                  const void *object, const char *name, size_t size)
{
    mp__report(report, "%s %p", kind, object);
    if (size == 0 || name[0] == 0)
        return;
    mp__report(report, " \"");
    mp__report_name(report, name, size);
    mp__report(report, "\"");
}

void
mp__report_thread(struct mp__report *report, pid_t pid, pid_t tid)
{
    char name[64] = "";

    mp__report(report, "pid %d", (int)pid);
    if (process_namer)
        process_namer(pid, name, sizeof(name));
    if (name[0]) {
        mp__report(report, " (");
        mp__report_name(report, name, sizeof(name));
        mp__report(report, ")");
    }
    if (tid != pid)
        mp__report(report, ", thread %d", (int)tid);
}

int
mp__report_participant(struct mp__report *report, uint64_t participant)
{
    struct mp__participant *part = mp__participant_find(participant);
    uint32_t pid, tid;

    if (part == NULL)
        return 0;
    pid = mp__load_relaxed(&part->pid);
    tid = mp__load_relaxed(&part->tid);
    if (mp__participant_find(participant) == NULL)
        return 0;
    mp__report_thread(report, (pid_t)pid, (pid_t)tid);
    return 1;
}

int
mp__report_holder(struct mp__report *report, uint32_t tid)
{
    uint32_t high = mp__participants_high();

    for (uint32_t i = 0; i < high && tid; i++) {
        struct mp__participant *part = mp__participant_at(i);
        uint64_t id = mp__participant_id(part);

        if (mp__load_relaxed(&part->tid) == tid &&
            mp__report_participant(report, id))
            return 1;
    }
    return 0;
}

void
mp__report_since(struct mp__report *report, const char *words, mp_time since)
{
    mp_time time = since < report->now ? report->now - since : 0;

    mp__report(report, " %s %.2f s", words, (double)time / 1e9);
}

/* ---- Who waits ---- */

static void
sort(struct mp__waiting_thread *list, unsigned n)
{
    for (unsigned i = 1; i < n; i++) {
        struct mp__waiting_thread waiter = list[i];
        unsigned at = i;

        for (; at > 0 && list[at - 1].since > waiter.since; at--)
            list[at] = list[at - 1];
        list[at] = waiter;
    }
}

void
mp__waiting_also_in(struct mp__waiting *waiting, const void *from, size_t size)
{
    unsigned room = MP__WAITING_MOST - waiting->listed;
    unsigned n =
        mp__waiters_of(from, size, waiting->list + waiting->listed, room);

    waiting->n += n;
    waiting->listed += n < room ? n : room;
    sort(waiting->list, waiting->listed);
}

void
mp__waiting_in(struct mp__waiting *waiting, const void *from, size_t size)
{
    waiting->n = waiting->listed = 0;
    mp__waiting_also_in(waiting, from, size);
}

void
mp__report_count(struct mp__report *report, unsigned waiting)
{
    if (waiting == 0)
        mp__report(report, "nobody waits");
    else
        mp__report(report, "%u %s", waiting, waiting == 1 ? "waits" : "wait");
}

void
mp__report_waiting(struct mp__report *report,
                   const struct mp__waiting *waiting, const char *what)
{
    for (unsigned i = 0; i < waiting->listed; i++) {
        const struct mp__waiting_thread *waiter = &waiting->list[i];

        mp__report(report, "  ");
        mp__report_thread(report, waiter->pid, waiter->tid);
        mp__report_since(report, "waits for", waiter->since);
        mp__report(report, "%s\n", what);
    }
    if (waiting->listed < waiting->n)
        mp__report(report, "  and %u more%s\n", waiting->n - waiting->listed,
                   what);
}

void
mp__report_threads(struct mp__report *report, pid_t pid)
{
    uint32_t high = mp__participants_high();

    for (uint32_t i = 0; i < high; i++) {
        struct mp__participant *part = mp__participant_at(i);
        uint64_t id = mp__participant_id(part);
        uint64_t where = mp__load_acquire(&part->waiting);
        mp_time since = (mp_time)mp__load_relaxed(&part->waiting_since);
        pid_t tid = (pid_t)mp__load_relaxed(&part->tid);
        void *object = mp__object_around((void *)(uintptr_t)where);
        int slab = object ? class_of(object) : -1;

        if (slab < 0 || (pid_t)mp__load_relaxed(&part->pid) != pid ||
            mp__participant_find(id) == NULL)
            continue;
        mp__report(report, "  ");
        mp__report_thread(report, pid, tid);
        mp__report_since(report, "waits for", since);
        mp__report(report, ", for %s %p\n", classes[slab].kind, object);
    }
}

/* ---- mp_describe() ---- */

static int
describe(struct mp__report *report, void *object)
{
    int slab = class_of(object);

    return slab < 0 ? -EBADF : classes[slab].describe(report, object);
}

int
mp_describe(const void *object, FILE *out)
{
    struct mp__report report = {.out = out};
    int r;

    if (out == NULL)
        return mp__fail(-EINVAL, "mp_describe: out is NULL");
    r = mp__enter();
    if (r < 0)
        return r;
    report.now = mp__now();
    report.failed = ferror(out) != 0;
    if (!report.failed)
        r = describe(&report, (void *)(uintptr_t)object);
    if (r < 0)
        return mp__fail_handle("mp_describe", object, "an object");
    if (report.failed || fflush(out) != 0)
        return mp__fail(-EIO, "mp_describe: the stream has an error");
    return 0;
}
