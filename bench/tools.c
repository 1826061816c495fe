/* SPDX-License-Identifier: MIT */
#include "tools.h"

#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

int64_t
now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void
fail(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fputs("mproc-bench: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    fflush(stderr);
    _exit(1);
}

void
fail_by(long r, const char *what)
{
    fail("%s: %s", what, strerror(r == -1 ? errno : (int)-r));
}

static void *
touched_memory(size_t size, int flags)
{
    char *p =
        mmap(NULL, size, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED)
        fail("no memory: %zu bytes", size);
    memset(p, 0, size); /* touches every page */
    return p;
}

void *
shared_memory(size_t size)
{
    return touched_memory(size, MAP_SHARED);
}

void *
private_memory(size_t size)
{
    return touched_memory(size, MAP_PRIVATE);
}

void
release_memory(void *p, size_t size)
{
    munmap(p, size);
}

void
pin_to(int nth)
{
    cpu_set_t all, one;

    sched_getaffinity(0, sizeof(all), &all);
    nth %= CPU_COUNT(&all);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &all) || nth-- > 0)
            continue;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        sched_setaffinity(0, sizeof(one), &one);
        return;
    }
}
