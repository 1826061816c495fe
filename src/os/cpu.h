/* SPDX-License-Identifier: MIT */
/* Processors: how many may be used, and which. */
#pragma once

#include <stdint.h>

/* Processors of this process's affinity mask. */
int mp__cpu_affinity_count(void);

/* Processors' worth of time that the control group grants, rounded up; 0: no
 * limit. `root` is put before every path that is read: "" but in tests. */
int mp__cpu_quota(const char *root);

/* Binds the calling thread to a list such as "0,2-5". 0; -EINVAL if it is no
 * such list; or what the system says. With `check` it is only parsed. */
int mp__cpu_bind(const char *list, int check);

/* The processors of such a list in its order, or of the caller's affinity
 * mask if it is "all": writes up to `n`, returns how many were written (with n
 * 0: how many there are); -EINVAL. */
int mp__cpu_list(const char *list, uint32_t *cpus, int n);
