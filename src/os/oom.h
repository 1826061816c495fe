/* SPDX-License-Identifier: MIT */
/* Processes that the system kills because it has run out of memory. */
#pragma once

#include <stdint.h>

/* How often that has happened so far in the control group of this process; on
 * the whole system if the group does not count. Who finds a process killed,
 * and the count greater than it was when that one started, knows the likely
 * reason. `root` is put before every path that is read: "" but in tests. */
uint64_t mp__oom_kills(const char *root);
