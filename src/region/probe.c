/* SPDX-License-Identifier: MIT */
/* What the kernel does when a thread dies with a futex word in its pending
 * slot: found by trying, since distributions carry the change back and a
 * version number would say nothing.
 *
 * The question: a thread dies, its pending word has no owner but
 * FUTEX_WAITERS; is a sleeper of that word woken? One thread sleeps, another
 * makes sure that it does (moving a sleeper from one word to a second tells
 * that there was one) and ends with the second word pending. */
#include "region/probe.h"

#include "os/clock.h"
#include "os/futex.h"
#include "os/robust.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PATIENCE 200000000 /* ns a sleeper waits for the kernel */

struct probe {
    mp__a32 first, second;
    mp__a32 given_up;
};

static long
move_sleeper(struct probe *probe)
{
    return syscall(SYS_futex, &probe->first, FUTEX_REQUEUE, 0, 1,
                   &probe->second, 0);
}

static void *
die_pending(void *arg)
{
    struct probe *probe = arg;
    struct mp__robust_head *head = mp__robust_head();

    while (move_sleeper(probe) != 1 && !mp__load(&probe->given_up))
        sched_yield();
    if (head)
        mp__robust_arm(head, &probe->second);
    return NULL;
}

static int
forwards_wakes(void)
{
    struct probe probe = {.second = FUTEX_WAITERS};
    pthread_t thread;
    mp_time until = mp__now() + PATIENCE;
    int r;

    if (pthread_create(&thread, NULL, die_pending, &probe) != 0)
        return 0;
    do
        r = mp__futex_wait(&probe.first, 0, until);
    while (r == -EINTR);
    mp__store(&probe.given_up, 1);
    pthread_join(thread, NULL);
    return r == 0;
}

uint32_t
mp__probe_tier(void)
{
    mp__a32 zero = 0;
    struct mp__futex_word word = {&zero, 1};

    if (mp__robust_head() == NULL)
        return MP__TIER_NO_ROBUST;
    if (mp__futex_waitv(&word, 1, MP_FOREVER) == -ENOSYS)
        return MP__TIER_NO_WAITV;
    return forwards_wakes() ? MP__TIER_FULL : MP__TIER_SLICED;
}
