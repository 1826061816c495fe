/* SPDX-License-Identifier: MIT */
/* The kernel kills processes when the one they depend on ends: life pipes.
 * See life.c. */
#pragma once

#include <sys/types.h>

/* Whose end a process watches. */
enum mp__life {
    MP__LIFE_ROOT,   /* the end of the family's root */
    MP__LIFE_PARENT, /* the end of the process that started it */
    MP__LIVES,
};

/* Read ends made for one child: -1 where there is none. */
struct mp__life_ends {
    int fd[MP__LIVES];
};

#define MP__LIFE_NONE ((struct mp__life_ends){{-1, -1}})

/* Makes the read ends for a child that is about to be started, one for each
 * bit 1 << enum mp__life set in `lives`. 0; -ENOSYS where the system has no
 * /proc: the child calls mp__life_pdeathsig() then; -EMFILE, ... */
int mp__life_open(struct mp__life_ends *ret_watch, unsigned lives);

/* Directs the signals to the child `pid`. 0, or -ESRCH: the end to be watched
 * came before, or the child has ended. The parent and the child may both call
 * it, in any order. */
int mp__life_arm(const struct mp__life_ends *watch, pid_t pid);

void mp__life_close(struct mp__life_ends *watch);

/* In a child: `watch` is its own, and what it had from its parent is closed.
 * With no read end at all it is on its own: a root for those it starts. */
void mp__life_adopt(const struct mp__life_ends *watch);

/* Whether this process has nobody to watch: the root of its family. */
int mp__life_is_root(void);

/* To stand around a fork that will be followed by mp__life_adopt(): spares
 * its child the work for forks that are not ours. */
void mp__life_fork_begin(void);
void mp__life_fork_end(void);

/* In the child, without /proc: SIGKILL when the thread that started it ends.
 * -ESRCH if it has ended. */
int mp__life_pdeathsig(pid_t parent);
