/* SPDX-License-Identifier: MIT */
#include "os/meminfo.h"

#include "os/cgroup.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RESERVE_LEAST ((uint64_t)16 << 20)

/* The kilobytes of a line such as "MemAvailable:   123 kB", in bytes. */
static uint64_t
field(const char *text, const char *name, uint64_t otherwise)
{
    const char *at = strstr(text, name);

    return at ? strtoull(at + strlen(name), NULL, 10) * 1024 : otherwise;
}

static uint64_t
system_available(const char *root)
{
    char text[4096], path[PATH_MAX];
    uint64_t available;
    ssize_t n;
    int fd;

    snprintf(path, sizeof(path), "%s/proc/meminfo", root);
    fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return UINT64_MAX;
    n = read(fd, text, sizeof(text) - 1);
    close(fd);
    if (n <= 0)
        return UINT64_MAX;
    text[n] = '\0';
    available = field(text, "MemAvailable:", UINT64_MAX);
    if (available == UINT64_MAX)
        return available;
    return available + field(text, "SwapFree:", 0);
}

/* What a group may still take, if it has a limit. */
static void
take_smallest(const char *path, int version, void *arg)
{
    const char *limit_file =
        version == 2 ? "memory.max" : "memory.limit_in_bytes";
    const char *usage_file =
        version == 2 ? "memory.current" : "memory.usage_in_bytes";
    int64_t limit = 0, usage = 0, left;
    uint64_t *smallest = arg;

    if (!mp__cgroup_read(path, limit_file, &limit, NULL) || limit <= 0 ||
        !mp__cgroup_read(path, usage_file, &usage, NULL))
        return;
    left = limit > usage ? limit - usage : 0;
    if ((uint64_t)left < *smallest)
        *smallest = (uint64_t)left;
}

uint64_t
mp__memory_available(const char *root)
{
    uint64_t available = system_available(root);

    mp__cgroup_each(root, "memory", take_smallest, &available);
    return available;
}

uint64_t
mp__memory_spare(uint64_t available)
{
    uint64_t reserve = available / 32;

    if (reserve < RESERVE_LEAST)
        reserve = RESERVE_LEAST;
    return available < reserve ? 0 : available - reserve;
}
