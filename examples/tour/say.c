/* SPDX-License-Identifier: MIT */
/* The small helpers of the tour. */
#include "tour.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* One write() for the whole line: the kernel does not mix it with those of
 * others, be the output a terminal, a pipe or a file. stdio would, as each
 * process has a buffer of its own. */
void
say(const char *format, ...)
{
    const char *name = mp_process_name(mp_current_process());
    char line[512];
    va_list args;
    int n;

    n = snprintf(line, sizeof(line), "%12.40s | ", name ? name : "?");
    va_start(args, format);
    vsnprintf(line + n, sizeof(line) - (size_t)n - 1, format, args);
    va_end(args);
    strcat(line, "\n");
    if (write(STDOUT_FILENO, line, strlen(line)) < 0)
        exit(1);
}

void
say_value(mp_any any)
{
    char *text = NULL;
    size_t size;
    FILE *file = open_memstream(&text, &size);

    CLAIM(file != NULL);
    MUST(mp_any_print(any, file));
    fclose(file);
    say("%s", text);
    free(text);
}

long
must(long result, const char *call)
{
    if (result >= 0)
        return result;
    fprintf(stderr, "%s: %s. %s\n", call, mp_strerror((int)result),
            mp_last_error());
    exit(1);
}

void
check_claim(int is_true, const char *claim)
{
    if (is_true)
        return;
    fprintf(stderr, "%s: this does not hold: %s\n",
            mp_process_name(mp_current_process()), claim);
    exit(1);
}

void
work_for(double seconds)
{
    struct timespec left = {
        .tv_sec = (time_t)seconds,
        .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9),
    };

    while (nanosleep(&left, &left) < 0 && errno == EINTR)
        ;
}

double
seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}
