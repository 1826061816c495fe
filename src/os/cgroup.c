/* SPDX-License-Identifier: MIT */
/* Where a hierarchy is mounted is in mountinfo; our group is in
 * /proc/self/cgroup, as a path from the root of the cgroup namespace, of which
 * the mount may show only a part: a container sees its own group as "/" at the
 * mount point, while the mount's root field is the path of what is shown. */
#include "os/cgroup.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int
mp__cgroup_read(const char *path, const char *name, int64_t *ret_first,
                int64_t *ret_second)
{
    char file_name[2 * PATH_MAX];
    char first[32];
    long long second;
    FILE *file;
    int n;

    snprintf(file_name, sizeof(file_name), "%s/%s", path, name);
    file = fopen(file_name, "re");
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

/* All groups from `mount`/`group` up to `mount`. */
static void
visit_path(const char *root, const char *mount, const char *group, int version,
           mp__cgroup_fn *visit, void *arg)
{
    char path[2 * PATH_MAX];
    size_t top = strlen(root) + strlen(mount);

    if (snprintf(path, sizeof(path), "%s%s%s", root, mount, group) >=
        (int)sizeof(path))
        return;
    for (;;) {
        char *slash;

        visit(path, version, arg);
        slash = strrchr(path, '/');
        if (strlen(path) <= top || !slash || slash < path + top)
            return;
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

/* Our group in the controller's own hierarchy (1) or the unified one (2). */
static int
find_group(const char *root, int version, const char *controller,
           char group[PATH_MAX])
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
        if (version == 2 ? names[1] == '\0'
                         : has_word(names + 1, controller)) {
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
parse_mount(char *line, int version, const char *controller,
            struct mount *mount)
{
    char type[32], options[1024];
    char *rest = strstr(line, " - ");

    if (!rest || sscanf(rest, " - %31s %*s %1023s", type, options) < 2 ||
        sscanf(line, "%*s %*s %*s %4095s %4095s", mount->root, mount->point) <
            2)
        return 0;
    if (version == 2)
        return strcmp(type, "cgroup2") == 0;
    return strcmp(type, "cgroup") == 0 && has_word(options, controller);
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

static void
visit_version(const char *root, int version, const char *controller,
              mp__cgroup_fn *visit, void *arg)
{
    char line[3 * PATH_MAX];
    char group[PATH_MAX];
    char path[PATH_MAX];
    struct mount mount;
    FILE *file;

    if (!find_group(root, version, controller, group))
        return;
    snprintf(path, sizeof(path), "%s/proc/self/mountinfo", root);
    file = fopen(path, "re");
    while (file && fgets(line, sizeof(line), file))
        if (parse_mount(line, version, controller, &mount))
            visit_path(root, mount.point, below_mount(&mount, group), version,
                       visit, arg);
    if (file)
        fclose(file);
}

void
mp__cgroup_each(const char *root, const char *controller, mp__cgroup_fn *visit,
                void *arg)
{
    visit_version(root, 1, controller, visit, arg);
    visit_version(root, 2, controller, visit, arg);
}
