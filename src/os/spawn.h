/* SPDX-License-Identifier: MIT */
/* Executing this program afresh. */
#pragma once

#include <stddef.h>
#include <sys/types.h>

/* Starts this program with the environment `env`, default signal handlers
 * and an empty signal mask. It keeps the standard streams (`input` in the
 * place of the first, if not -1), the descriptors `fds`, and those that are
 * not close-on-exec. 0 or -errno. */
int mp__spawn_self(pid_t *ret_pid, char *const *env, int input, const int *fds,
                   size_t n);
