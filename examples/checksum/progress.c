/* SPDX-License-Identifier: MIT */
/* The bar: [=====>     ] 43%  812 MB/s  12034 files/s  ETA 0:03
 *
 * What is done, the workers tell in the counts of their batches; a batch that
 * is tried again counts from its beginning. */
#include "checksum.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* What a small file costs, as bytes of a large one: opening it takes as long
 * as reading so many. Only the guess of the time left depends on it. */
enum { FILE_COST = 16 << 10, BAR = 24 };

static const struct plan *plan;
static double begin, shown;
static bool visible;

static double
seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

void
progress_begin(const struct plan *of)
{
    begin = shown = seconds();
    plan = isatty(STDERR_FILENO) ? of : NULL;
}

static void
draw(double part, double bytes, double files, double passed)
{
    double left = part > 0 ? passed / part - passed : 0;
    int filled = (int)(part * BAR);
    char bar[BAR + 1];

    memset(bar, ' ', BAR);
    memset(bar, '=', (size_t)filled);
    if (filled < BAR)
        bar[filled] = '>';
    bar[BAR] = '\0';
    fprintf(stderr,
            "\r[%s] %3.0f%%  %.0f MB/s  %.0f files/s  ETA %d:%02d\033[K", bar,
            part * 100, bytes / passed / 1e6, files / passed, (int)left / 60,
            (int)left % 60);
    visible = true;
}

void
progress_show(void)
{
    double bytes = 0, files = 0, all;
    double moment = seconds();

    if (!plan || moment - shown < 0.1)
        return;
    shown = moment;
    for (size_t i = 0; i < plan->batch_count; i++) {
        struct batch *batch = &plan->batches[i];

        bytes += (double)atomic_load_explicit(&batch->bytes_done,
                                              memory_order_relaxed);
        files +=
            atomic_load_explicit(&batch->files_done, memory_order_relaxed);
    }
    all = (double)plan->bytes + (double)plan->file_count * FILE_COST;
    bytes = bytes < (double)plan->bytes ? bytes : (double)plan->bytes;
    draw((bytes + files * FILE_COST) / all, bytes, files, moment - begin);
}

void
progress_clear(void)
{
    if (visible)
        fputs("\r\033[K", stderr);
    visible = false;
}

void
progress_end(void)
{
    progress_clear();
    plan = NULL;
}
