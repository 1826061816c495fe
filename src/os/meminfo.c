/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "os/meminfo.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The kilobytes of a line such as "MemAvailable:   123 kB", in bytes. */
static uint64_t
field(const char *text, const char *name, uint64_t otherwise)
{
    const char *at = strstr(text, name);

    return at ? strtoull(at + strlen(name), NULL, 10) * 1024 : otherwise;
}

uint64_t
mp__memory_available(void)
{
    char text[4096];
    uint64_t available;
    ssize_t n;
    int fd = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);

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
