/* SPDX-License-Identifier: MIT */
/* The count is in the group's own file, whatever ran out of memory, the group,
 * one above it, or the machine: "oom_kill" of memory.events (version 2) or of
 * memory.oom_control (1). The topmost group has no such file; /proc/vmstat
 * counts for the machine.
 *
 * To find that file costs ten times as much as to read it: a process looks for
 * it once. Should it be moved to another group later, it goes on to read the
 * old one's, and may take a death for one of those, or miss one. */
#include "os/oom.h"

#include "os/cgroup.h"

#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

struct source {
    char path[2 * PATH_MAX + 32]; /* "": not looked for yet */
};

/* The number of the line "oom_kill NUMBER": 1; 0: there is none. */
static int
read_count(const char *path, uint64_t *ret_count)
{
    unsigned long long count;
    char line[128], name[64];
    int found = 0;
    FILE *file = fopen(path, "re");

    while (file && !found && fgets(line, sizeof(line), file))
        if (sscanf(line, "%63s %llu", name, &count) == 2 &&
            strcmp(name, "oom_kill") == 0) {
            *ret_count = count;
            found = 1;
        }
    if (file)
        fclose(file);
    return found;
}

/* The first group that counts is the innermost one. */
static void
look_into(const char *folder, int version, void *arg)
{
    struct source *source = arg;
    uint64_t count;

    if (source->path[0])
        return;
    snprintf(source->path, sizeof(source->path), "%s/%s", folder,
             version == 2 ? "memory.events" : "memory.oom_control");
    if (!read_count(source->path, &count))
        source->path[0] = '\0';
}

static void
find_source(const char *root, struct source *source)
{
    source->path[0] = '\0';
    mp__cgroup_each(root, "memory", look_into, source);
    if (!source->path[0])
        snprintf(source->path, sizeof(source->path), "%s/proc/vmstat", root);
}

static struct source own;

static void
find_own(void)
{
    find_source("", &own);
}

uint64_t
mp__oom_kills(const char *root)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    uint64_t count = 0;
    struct source made_up;

    if (root[0]) {
        find_source(root, &made_up);
        read_count(made_up.path, &count);
    } else {
        pthread_once(&once, find_own);
        read_count(own.path, &count);
    }
    return count;
}
