/* SPDX-License-Identifier: MIT */
/* The calibrated spin.
 *
 * A chain of dependent multiplications takes the same time whenever it is
 * run on a core of its own. A probe runs it in two processes at once, each
 * pinned to a processor, and compares the slower one with the best time ever
 * seen. Another program on either processor, or a host that withholds one,
 * shows as a factor near 2, so the tolerance can be wide. The best time ever
 * seen is the reference, because a calibration may itself be disturbed.
 *
 * Probes stand before and after every sample, never inside one: what lasts
 * shorter than a sample goes unseen, and is left to the median. */
#include "cores.h"
#include "tools.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

/* Some 4 ms: longer than a turn of the scheduler, in which a busy machine
 * looks like an idle one. */
#define SPINS     3000000
#define TOLERANCE 1.25
#define SETTLE_US 20000

struct probe {
    _Atomic int ready;
    int64_t took;
};

static struct probe *probe;
static int64_t best = INT64_MAX;

static int64_t
spin(void)
{
    int64_t start = now_ns();
    uint64_t x = (uint64_t)start | 1;

    for (int i = 0; i < SPINS; i++) {
        x *= 6364136223846793005u;
        __asm__ volatile("" : "+r"(x));
    }
    return now_ns() - start;
}

/* Both sides leave this together: neither spins while the other is born. */
static void
meet(void)
{
    probe->ready++;
    while (probe->ready < 2)
        cpu_relax();
}

static void
other_side(void)
{
    pin_to(1);
    meet();
    probe->took = spin();
    _exit(0);
}

/* The time of the slower one of two spins at once. */
static int64_t
spin_twice(void)
{
    cpu_set_t mine;
    pid_t other;
    int64_t took;

    probe->ready = 0;
    other = fork();
    must(other, "fork");
    if (other == 0)
        other_side();
    sched_getaffinity(0, sizeof(mine), &mine);
    pin_to(0);
    meet();
    took = spin();
    sched_setaffinity(0, sizeof(mine), &mine);
    waitpid(other, NULL, 0);
    return took > probe->took ? took : probe->took;
}

static int
processors(void)
{
    cpu_set_t mine;

    sched_getaffinity(0, sizeof(mine), &mine);
    return CPU_COUNT(&mine);
}

void
cores_calibrate(void)
{
    probe = shared_memory(sizeof(*probe));
    if (processors() < 2) {
        fprintf(stderr, "only one processor: rounds are not checked\n");
        return;
    }
    for (int i = 0; i < 10; i++)
        cores_quiet();
}

int
cores_quiet(void)
{
    int64_t took;

    if (processors() < 2)
        return 1;
    took = spin_twice();
    if (took < best)
        best = took;
    return (double)took < (double)best * TOLERANCE;
}

int
cores_wait_quiet(double seconds)
{
    int64_t end = now_ns() + (int64_t)(seconds * 1e9);

    while (!cores_quiet()) {
        if (now_ns() > end)
            return 0;
        usleep(SETTLE_US);
    }
    return 1;
}
