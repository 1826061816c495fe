/* SPDX-License-Identifier: MIT */
/* Control groups: ours and all above it, for what they limit. */
#pragma once

#include <stdint.h>

/* `path` is the folder of one group, of a hierarchy of version 1 or 2. */
typedef void mp__cgroup_fn(const char *path, int version, void *arg);

/* Visits the group of this process and those above it, up to the root, in every
 * hierarchy that has the controller ("cpu", "memory"). `root` is put before
 * every path that is read: "" but in tests. */
void mp__cgroup_each(const char *root, const char *controller,
                     mp__cgroup_fn *visit, void *arg);

/* Reads the one or two numbers of a group's file; "max" counts as 0. Returns
 * how many there were. */
int mp__cgroup_read(const char *path, const char *name, int64_t *ret_first,
                    int64_t *ret_second);
