/* SPDX-License-Identifier: MIT */
#include "os/futex.h"

#include <errno.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif

/* The kernel's struct futex_waitv; headers older than Linux 5.16 lack it. */
struct waitv {
    uint64_t value;
    uint64_t address;
    uint32_t flags;
    uint32_t reserved;
};
#define WAITV_32BIT_SHARED 2

static struct timespec *
time_of(mp_time deadline, struct timespec *t)
{
    if (deadline == MP_FOREVER)
        return NULL;
    t->tv_sec = deadline / 1000000000;
    t->tv_nsec = deadline % 1000000000;
    return t;
}

/* The outcome of a wait: a word that differs is as good as a wake-up. */
static int
outcome(long r)
{
    if (r >= 0 || errno == EAGAIN)
        return 0;
    return -errno;
}

int
mp__futex_wait(mp__a32 *word, uint32_t seen, mp_time deadline)
{
    struct timespec t;

    /* The BITSET form, because it takes an absolute monotonic time. */
    return outcome(syscall(SYS_futex, word, FUTEX_WAIT_BITSET, seen,
                           time_of(deadline, &t), NULL,
                           FUTEX_BITSET_MATCH_ANY));
}

int
mp__futex_wake(mp__a32 *word, int n)
{
    long r = syscall(SYS_futex, word, FUTEX_WAKE, n, NULL, NULL, 0);

    return r < 0 ? -errno : (int)r;
}

int
mp__futex_waitv(const struct mp__futex_word *words, unsigned n,
                mp_time deadline)
{
    struct waitv waiters[MP__FUTEX_WAITV_MAX];
    struct timespec t;

    if (n > MP__FUTEX_WAITV_MAX)
        return -EINVAL;
    for (unsigned i = 0; i < n; i++) {
        waiters[i] = (struct waitv){
            .value = words[i].seen,
            .address = (uintptr_t)words[i].word,
            .flags = WAITV_32BIT_SHARED,
        };
    }
    return outcome(syscall(SYS_futex_waitv, waiters, n, 0,
                           time_of(deadline, &t), CLOCK_MONOTONIC));
}
