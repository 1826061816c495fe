/* SPDX-License-Identifier: MIT */
/* Processors: affinity and the CPU quota of control groups. A quota holds for a
 * group and all below it, so every group from ours up to the root counts, and
 * the smallest wins. */
#include "os/cpu.h"

#include "os/cgroup.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CPUS_MAX 65536

int
mp__cpu_affinity_count(void)
{
    for (int n = 1024; n <= CPUS_MAX; n *= 2) {
        cpu_set_t *set = CPU_ALLOC((size_t)n);
        size_t size = CPU_ALLOC_SIZE((size_t)n);
        int count = 0;

        if (set && sched_getaffinity(0, size, set) == 0)
            count = CPU_COUNT_S(size, set);
        CPU_FREE(set);
        if (count > 0)
            return count;
        if (errno != EINVAL) /* EINVAL: the kernel's mask is larger */
            break;
    }
    long online = sysconf(_SC_NPROCESSORS_ONLN);

    return online > 0 ? (int)online : 1;
}

/* The limit of one group, in processors rounded up; 0: none. */
static int
quota_of_group(const char *path, int version)
{
    int64_t quota = 0, period = 0;

    if (version == 2) {
        if (mp__cgroup_read(path, "cpu.max", &quota, &period) < 2)
            return 0;
    } else if (!mp__cgroup_read(path, "cpu.cfs_quota_us", &quota, NULL) ||
               !mp__cgroup_read(path, "cpu.cfs_period_us", &period, NULL)) {
        return 0;
    }
    if (quota <= 0 || period <= 0)
        return 0;
    return (int)((quota + period - 1) / period);
}

static void
take_smallest(const char *path, int version, void *arg)
{
    int quota = quota_of_group(path, version);
    int *smallest = arg;

    if (quota && (*smallest == 0 || quota < *smallest))
        *smallest = quota;
}

int
mp__cpu_quota(const char *root)
{
    int smallest = 0;

    mp__cgroup_each(root, "cpu", take_smallest, &smallest);
    return smallest;
}

/* Reads "N" or "N-M" and what follows. 1: there is another; 0: that was the
 * last; -EINVAL. */
static int
next_range(const char **list, unsigned long *first, unsigned long *last)
{
    const char *at = *list;
    char *end;

    if (*at < '0' || *at > '9')
        return -EINVAL;
    *first = *last = strtoul(at, &end, 10);
    if (*end == '-') {
        at = end + 1;
        if (*at < '0' || *at > '9')
            return -EINVAL;
        *last = strtoul(at, &end, 10);
    }
    if (*first > *last || *last >= CPUS_MAX || (*end && *end != ','))
        return -EINVAL;
    *list = end + 1;
    return *end == ',';
}

static int
parse_list(const char *list, cpu_set_t *set, size_t size)
{
    unsigned long first, last;
    int r;

    do {
        r = next_range(&list, &first, &last);
        for (; r >= 0 && first <= last; first++)
            CPU_SET_S(first, size, set);
    } while (r > 0);
    return r;
}

static int
put(uint32_t *cpus, int n, int count, unsigned long cpu)
{
    if (count < n)
        cpus[count] = (uint32_t)cpu;
    return count + 1;
}

static int
list_affinity(uint32_t *cpus, int n)
{
    cpu_set_t *set = CPU_ALLOC(CPUS_MAX);
    size_t size = CPU_ALLOC_SIZE(CPUS_MAX);
    int count = 0;

    if (!set)
        return -ENOMEM;
    CPU_ZERO_S(size, set);
    if (sched_getaffinity(0, size, set) < 0)
        count = -errno;
    for (unsigned long cpu = 0; count >= 0 && cpu < CPUS_MAX; cpu++)
        if (CPU_ISSET_S(cpu, size, set))
            count = put(cpus, n, count, cpu);
    CPU_FREE(set);
    return count;
}

int
mp__cpu_list(const char *list, uint32_t *cpus, int n)
{
    unsigned long first, last;
    int count = 0, r = 0;

    if (strcmp(list, "all") == 0) {
        count = list_affinity(cpus, n);
    } else {
        do {
            r = next_range(&list, &first, &last);
            for (; r >= 0 && first <= last; first++)
                count = put(cpus, n, count, first);
        } while (r > 0);
    }
    if (r < 0)
        return r;
    return n > 0 && count > n ? n : count;
}

int
mp__cpu_bind(const char *list, int check)
{
    cpu_set_t *set = CPU_ALLOC(CPUS_MAX);
    size_t size = CPU_ALLOC_SIZE(CPUS_MAX);
    int r;

    if (!set)
        return -ENOMEM;
    CPU_ZERO_S(size, set);
    r = parse_list(list, set, size);
    if (r == 0 && !check && sched_setaffinity(0, size, set) < 0)
        r = -errno;
    CPU_FREE(set);
    return r;
}
