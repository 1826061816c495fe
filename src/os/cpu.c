/* SPDX-License-Identifier: MIT */
/* Processors: affinity and the CPU quota of control groups.
 *
 * A quota holds for a group and all below it, so every group from ours up to
 * the root counts, and the smallest wins. Where a hierarchy is mounted is in
 * mountinfo; the group is in /proc/self/cgroup, as a path from the root of
 * the cgroup namespace, of which the mount may show only a part: a container
 * sees its own group as "/" at the mount point, while the mount's root field
 * is the path of what is shown. */
#include "os/cpu.h"

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

/* Reads the one or two numbers of a small file; "max" counts as 0. Returns
 * how many there were. */
static int
read_numbers(const char *root, const char *dir, const char *name,
             int64_t *ret_first, int64_t *ret_second)
{
    char path[2 * PATH_MAX];
    char first[32];
    long long second;
    FILE *file;
    int n;

    snprintf(path, sizeof(path), "%s%s/%s", root, dir, name);
    file = fopen(path, "re");
    if (!file)
        return 0;
    n = fscanf(file, "%31s %lld", first, &second);
    fclose(file);
    if (n >= 1)
        *ret_first = strcmp(first, "max") == 0 ? 0 : atoll(first);
    if (n == 2 && ret_second)
        *ret_second = second;
    return n > 0 ? n : 0;
}

/* The limit of one group, in processors rounded up; 0: none. */
static int
quota_of_group(const char *root, const char *dir, int version)
{
    int64_t quota = 0, period = 0;

    if (version == 2) {
        if (read_numbers(root, dir, "cpu.max", &quota, &period) < 2)
            return 0;
    } else if (!read_numbers(root, dir, "cpu.cfs_quota_us", &quota, NULL) ||
               !read_numbers(root, dir, "cpu.cfs_period_us", &period,
                             NULL)) {
        return 0;
    }
    if (quota <= 0 || period <= 0)
        return 0;
    return (int)((quota + period - 1) / period);
}

static int
smaller(int a, int b)
{
    if (a == 0 || b == 0)
        return a + b;
    return a < b ? a : b;
}

/* All groups from `mount`/`group` up to `mount`. */
static int
quota_of_path(const char *root, const char *mount, const char *group,
              int version)
{
    char dir[PATH_MAX];
    size_t top = strlen(mount);
    int quota = 0;

    if (snprintf(dir, sizeof(dir), "%s%s", mount, group) >= (int)sizeof(dir))
        return 0;
    for (;;) {
        char *slash;

        quota = smaller(quota, quota_of_group(root, dir, version));
        slash = strrchr(dir, '/');
        if (strlen(dir) <= top || !slash || slash < dir + top)
            return quota;
        *slash = '\0';
    }
}

/* Whether the comma-separated `list` has `word`. */
static int
has_word(const char *list, const char *word)
{
    size_t n = strlen(word);

    for (; list; list = strchr(list, ',')) {
        list += *list == ',';
        if (strncmp(list, word, n) == 0 && (!list[n] || list[n] == ','))
            return 1;
    }
    return 0;
}

/* Our group in the hierarchy with the cpu controller (1) or the unified one
 * (2). */
static int
find_group(const char *root, int version, char group[PATH_MAX])
{
    char path[PATH_MAX];
    char line[PATH_MAX + 256];
    int found = 0;
    FILE *file;

    snprintf(path, sizeof(path), "%s/proc/self/cgroup", root);
    file = fopen(path, "re");
    while (file && !found && fgets(line, sizeof(line), file)) {
        char *names = strchr(line, ':');
        char *where = names ? strchr(names + 1, ':') : NULL;

        if (!where)
            continue;
        *where++ = '\0';
        where[strcspn(where, "\n")] = '\0';
        if (version == 2 ? names[1] == '\0' : has_word(names + 1, "cpu")) {
            snprintf(group, PATH_MAX, "%s", where);
            found = 1;
        }
    }
    if (file)
        fclose(file);
    return found;
}

struct mount {
    char root[PATH_MAX]; /* the group that the mount point shows */
    char point[PATH_MAX];
};

static int
parse_mount(char *line, int version, struct mount *mount)
{
    char type[32], options[1024];
    char *rest = strstr(line, " - ");

    if (!rest || sscanf(rest, " - %31s %*s %1023s", type, options) < 2 ||
        sscanf(line, "%*s %*s %*s %4095s %4095s", mount->root,
               mount->point) < 2)
        return 0;
    if (version == 2)
        return strcmp(type, "cgroup2") == 0;
    return strcmp(type, "cgroup") == 0 && has_word(options, "cpu");
}

/* The path of `group` below the mount point. */
static const char *
below_mount(const struct mount *mount, const char *group)
{
    size_t n = strlen(mount->root);

    if (strcmp(group, "/") == 0)
        return "";
    if (strcmp(mount->root, "/") == 0)
        return group;
    if (strncmp(group, mount->root, n) == 0 &&
        (group[n] == '/' || group[n] == '\0'))
        return group + n;
    return ""; /* a group outside of what is mounted here: its top counts */
}

static int
quota_of_version(const char *root, int version)
{
    char line[3 * PATH_MAX];
    char group[PATH_MAX];
    char path[PATH_MAX];
    struct mount mount;
    int quota = 0;
    FILE *file;

    if (!find_group(root, version, group))
        return 0;
    snprintf(path, sizeof(path), "%s/proc/self/mountinfo", root);
    file = fopen(path, "re");
    while (file && fgets(line, sizeof(line), file))
        if (parse_mount(line, version, &mount))
            quota = smaller(quota,
                            quota_of_path(root, mount.point,
                                          below_mount(&mount, group),
                                          version));
    if (file)
        fclose(file);
    return quota;
}

int
mp__cpu_quota(const char *root)
{
    return smaller(quota_of_version(root, 1), quota_of_version(root, 2));
}

static int
parse_list(const char *list, cpu_set_t *set, size_t size)
{
    do {
        char *end;
        unsigned long first, last;

        if (*list < '0' || *list > '9')
            return -EINVAL;
        first = last = strtoul(list, &end, 10);
        if (*end == '-') {
            list = end + 1;
            if (*list < '0' || *list > '9')
                return -EINVAL;
            last = strtoul(list, &end, 10);
        }
        if (first > last || last >= CPUS_MAX)
            return -EINVAL;
        for (unsigned long cpu = first; cpu <= last; cpu++)
            CPU_SET_S(cpu, size, set);
        list = end;
    } while (*list++ == ',');
    return list[-1] == '\0' ? 0 : -EINVAL;
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
