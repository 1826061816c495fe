/* SPDX-License-Identifier: MIT */
/* The progress bar.
 *
 * It is honest: what is counted has ended; it says 100% when all has; what has
 * failed is named; the rate is that of about the last third of the time so far,
 * and the time left is what that rate makes of the rest. When nothing ends any
 * more the rate falls, and the time left grows.
 *
 * There is one bar at a time in the family: its drawer has put its participant
 * id into a word of the region, and a dead drawer counts as none. Workers look
 * there before they write a line: the bar is wiped away by the same write, and
 * is back with the next drawing. So neither ever stands in the middle of the
 * other. Where standard error is no terminal there is nothing to wipe away, and
 * the bar is a line now and then, less and less often. */
#include "progress/bar.h"

#include "base/atomic.h"
#include "base/macros.h"
#include "os/clock.h"
#include "os/terminal.h"
#include "region/participant.h"

#include <stdio.h>
#include <stdio_ext.h>
#include <string.h>
#include <unistd.h>

#define ERR         STDERR_FILENO
#define QUIET       500000000   /* ns: shorter work is not worth a bar */
#define FRAME       100000000   /* ns between two drawings */
#define FIRST_GAP   1000000000  /* ns between two lines, */
#define LONGEST_GAP 60000000000 /*   which is doubled each time */
#define LEAST_BAR   8           /* columns */
#define MOST_BAR    40
#define LEAST_LABEL 8

#define WIPE "\r\033[K"

/* ---- Who draws ---- */

/* The bar that this process may draw. */
static _Atomic(struct mp__bar *) current;
static _Atomic(pid_t) drawing; /* the process: a copy of it may not */

static _Atomic(void *) *
drawer(void)
{
    return mp__region_root(MP__ROOT_DRAWER);
}

/* Becomes the drawer, if nobody is. */
static int
take_screen(struct mp__bar *bar)
{
    struct mp__bar *none = NULL;
    void *seen = atomic_load(drawer());
    void *me = (void *)(uintptr_t)mp__participant_id(mp__me.part);

    if (atomic_exchange(&drawing, getpid()) != getpid())
        atomic_store(&current, NULL);
    if (!atomic_compare_exchange_strong(&current, &none, bar))
        return none == bar;
    if (mp__participant_find((uintptr_t)seen) == NULL &&
        atomic_compare_exchange_strong(drawer(), &seen, me))
        return 1;
    atomic_store(&current, NULL);
    return 0;
}

/* The thread that gives it back need not be the one that took it. */
static void
give_screen(void)
{
    atomic_store(drawer(), NULL);
    atomic_store(&current, NULL);
}

/* ---- What it says ---- */

/* Columns of the text, if no letter is wider than one. */
static int
columns(const char *text)
{
    int n = 0;

    for (; *text; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

/* Cuts the text after so many columns. */
static void
cut(char *text, int most)
{
    for (; *text; text++)
        if (((unsigned char)*text & 0xc0) != 0x80 && most-- == 0) {
            *text = '\0';
            return;
        }
}

static const char *
format_time(double seconds, char *buf, size_t size)
{
    unsigned long long s = (unsigned long long)(seconds + 0.5);

    if (s < 3600)
        snprintf(buf, size, "%llu:%02llu", s / 60, s % 60);
    else if (s < 100 * 3600)
        snprintf(buf, size, "%llu:%02llu:%02llu", s / 3600, s / 60 % 60,
                 s % 60);
    else
        snprintf(buf, size, "%llu days", s / 86400);
    return buf;
}

static const char *
format_rate(double rate, char *buf, size_t size)
{
    if (rate >= 1e6)
        snprintf(buf, size, "%.1fM/s", rate / 1e6);
    else if (rate >= 1e4)
        snprintf(buf, size, "%.1fk/s", rate / 1e3);
    else
        snprintf(buf, size, "%.*f/s",
                 rate >= 100  ? 0
                 : rate >= 10 ? 1
                              : 2,
                 rate);
    return buf;
}

static double
elapsed(const struct mp__bar *p)
{
    return (double)(mp__now() - p->begun) / 1e9;
}

static int
is_over(const struct mp__bar *p)
{
    return p->total && p->done >= p->total;
}

static int
digits(uint64_t n)
{
    int count = 1;

    for (; n >= 10; n /= 10)
        count++;
    return count;
}

/* "430/1000  85.3/s  0:07 left  2 failed" */
static void
describe(const struct mp__bar *p, int ended, char *buf, size_t size)
{
    char rate[32], time[32], failed[40] = "", count[48];
    double mean = p->done ? (double)p->done / elapsed(p) : 0;

    if (p->total)
        snprintf(count, sizeof(count), "%*llu/%llu", digits(p->total),
                 (unsigned long long)p->done, (unsigned long long)p->total);
    else
        snprintf(count, sizeof(count), "%llu", (unsigned long long)p->done);
    if (p->failed)
        snprintf(failed, sizeof(failed), "  %llu failed",
                 (unsigned long long)p->failed);
    format_rate(ended ? mean : p->rate, rate, sizeof(rate));
    if (ended)
        snprintf(buf, size, "%s  %s  in %s%s", count, rate,
                 format_time(elapsed(p), time, sizeof(time)), failed);
    else if (p->total && p->rate > 0)
        snprintf(buf, size, "%s  %s  %s left%s", count, rate,
                 format_time((double)(p->total - p->done) / p->rate, time,
                             sizeof(time)),
                 failed);
    else
        snprintf(buf, size, "%s  %s  %s so far%s", count, rate,
                 format_time(elapsed(p), time, sizeof(time)), failed);
}

/* In whole percents, rounded down: 100 is all. */
static unsigned
percent(const struct mp__bar *p)
{
    return p->total ? (unsigned)((double)p->done * 100 / (double)p->total) : 0;
}

/* ---- Drawing ---- */

/* "label  43% [#####.......]  ..." in less than `width` columns. */
static void
compose(const struct mp__bar *p, int ended, int width, char *buf, size_t size)
{
    char label[sizeof(p->label)], text[160], bar[MOST_BAR + 1];
    int room, filled;

    describe(p, ended, text, sizeof(text));
    snprintf(label, sizeof(label), "%s", p->label);
    room = width - 1 - columns(text) - (int)strlen("  100% []  ");
    if (columns(label) > room - LEAST_BAR)
        cut(label,
            room - LEAST_BAR > LEAST_LABEL ? room - LEAST_BAR : LEAST_LABEL);
    room -= columns(label);
    room = room > MOST_BAR ? MOST_BAR : room;
    if (p->total && room >= LEAST_BAR) {
        filled = (int)((double)room * (double)p->done / (double)p->total);
        memset(bar, '.', (size_t)room);
        memset(bar, '#', (size_t)(filled < room ? filled : room));
        bar[room] = '\0';
        snprintf(buf, size, "%s  %3u%% [%s]  %s", label, percent(p), bar,
                 text);
    } else if (p->total) {
        snprintf(buf, size, "%s  %3u%%  %s", label, percent(p), text);
    } else {
        snprintf(buf, size, "%s  %s", label, text);
    }
    cut(buf, width - 1);
}

static void
draw(struct mp__bar *p, int ended)
{
    char line[512], text[400];
    int n;

    if (p->terminal) {
        if (!mp__terminal_is_ours(ERR))
            return;
        compose(p, ended, mp__terminal_width(ERR), text, sizeof(text));
        n = snprintf(line, sizeof(line), "\r%s\033[K%s", text,
                     ended ? "\n" : "");
    } else {
        describe(p, ended, text, sizeof(text));
        n = p->total
                ? snprintf(line, sizeof(line), "%s: %u%%  %s\n", p->label,
                           percent(p), text)
                : snprintf(line, sizeof(line), "%s: %s\n", p->label, text);
    }
    mp__terminal_write(ERR, line, (size_t)n, "", 0);
    p->shown = 1;
}

/* What is of late weighs most: about the last third of the time. */
static void
measure(struct mp__bar *p, mp_time now)
{
    double time = (double)(now - p->measured) / 1e9;
    double memory = elapsed(p) / 3;

    if (p->measured == 0)
        p->rate = (double)p->done / elapsed(p);
    else
        p->rate += ((double)(p->done - p->counted) / time - p->rate) * time /
                   (memory + time);
    p->measured = now;
    p->counted = p->done;
}

/* ---- The bar ---- */

void
mp__bar_begin(struct mp__bar *p, const char *label, uint64_t total)
{
    *p = (struct mp__bar){
        .begun = mp__now(),
        .total = total,
        .gap = FIRST_GAP,
        .terminal = mp__terminal_is(ERR),
    };
    p->next = p->begun + QUIET;
    snprintf(p->label, sizeof(p->label), "%s", label);
    for (char *c = p->label; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = ' ';
}

mp_time
mp__bar_show(struct mp__bar *p, uint64_t total, uint64_t done, uint64_t failed)
{
    mp_time now = mp__now();

    p->total = total;
    p->done = total && done > total ? total : done;
    p->failed = failed;
    if (now < p->next)
        return p->next;
    p->next = now + FRAME;
    if (is_over(p) || !take_screen(p))
        return p->next;
    if (!p->terminal) {
        p->next = now + p->gap;
        p->gap = p->gap * 2 < LONGEST_GAP ? p->gap * 2 : LONGEST_GAP;
    }
    if (p->measured == 0 || p->done >= p->counted)
        measure(p, now);
    draw(p, 0);
    return p->next;
}

void
mp__bar_end(struct mp__bar *p)
{
    if (p->shown)
        draw(p, 1);
    if (atomic_load(&current) == p)
        give_screen();
    p->shown = 0;
}

/* ---- Workers ---- */

#ifdef __GLIBC__
static int
somebody_draws(void)
{
    return mp__participant_find((uintptr_t)atomic_load(drawer())) != NULL;
}

/* A bar in the way is wiped away by the same write. */
static ssize_t
write_line(void *unused, const char *data, size_t size)
{
    const char *wipe = somebody_draws() ? WIPE : "";

    (void)unused;
    mp__terminal_write(ERR, wipe, strlen(wipe), data, size);
    return (ssize_t)size;
}

/* Old streams stay what they are for who has kept their address. */
static void
replace_stderr(void)
{
    const cookie_io_functions_t functions = {.write = write_line};
    FILE *stream = fopencookie(NULL, "w", functions);

    if (!stream)
        return;
    setvbuf(stream, NULL, _IOLBF, BUFSIZ);
    stderr = stream;
}
#else
static void
replace_stderr(void)
{
}
#endif

void
mp__bar_whole_lines(void)
{
    static int done;

    __fpurge(stderr); /* what the process that we are a copy of has in it */
    if (done)
        return;
    done = 1;
    setvbuf(stderr, NULL, _IOLBF, BUFSIZ);
    if (mp__terminal_is(ERR))
        replace_stderr();
}
