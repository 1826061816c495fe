/* SPDX-License-Identifier: MIT */
#include "os/spawn.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <unistd.h>

#define SELF "/proc/self/exe"

/* The program's path, so that ps and the like show it. A program that was
 * replaced or deleted since (an upgrade) is reached through /proc: the child
 * has to be of our own build. */
static const char *
program_path(char buffer[PATH_MAX])
{
    static const char deleted[] = " (deleted)";
    const size_t tail = sizeof(deleted) - 1;
    ssize_t n = readlink(SELF, buffer, PATH_MAX - 1);

    if (n <= 0)
        return SELF;
    buffer[n] = '\0';
    if ((size_t)n > tail && strcmp(buffer + n - tail, deleted) == 0)
        return SELF;
    return buffer;
}

static int
prepare_attributes(posix_spawnattr_t *attr)
{
    sigset_t all, none;
    int r;

    sigfillset(&all);
    sigemptyset(&none);
    r = posix_spawnattr_init(attr);
    if (r == 0)
        r = posix_spawnattr_setsigdefault(attr, &all);
    if (r == 0)
        r = posix_spawnattr_setsigmask(attr, &none);
    if (r == 0)
        r = posix_spawnattr_setflags(attr, POSIX_SPAWN_SETSIGDEF |
                                               POSIX_SPAWN_SETSIGMASK);
    return r;
}

static int
prepare_files(posix_spawn_file_actions_t *actions, int input, const int *fds,
              size_t n)
{
    int r = posix_spawn_file_actions_init(actions);

    if (r == 0 && input >= 0)
        r = posix_spawn_file_actions_adddup2(actions, input, 0);
    /* Onto itself: takes close-on-exec off, in the child only. */
    for (size_t i = 0; i < n && r == 0; i++)
        r = posix_spawn_file_actions_adddup2(actions, fds[i], fds[i]);
    return r;
}

int
mp__spawn_self(pid_t *ret_pid, char *const *env, int input, const int *fds,
               size_t n)
{
    char *argv[] = {program_invocation_name, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    char buffer[PATH_MAX];
    const char *path = program_path(buffer);
    int r;

    r = prepare_attributes(&attr);
    if (r != 0)
        return -r;
    r = prepare_files(&actions, input, fds, n);
    if (r == 0)
        r = posix_spawn(ret_pid, path, &actions, &attr, argv, env);
    if (r == ENOENT || r == EACCES || r == ENOTDIR) /* not seen from here */
        r = posix_spawn(ret_pid, SELF, &actions, &attr, argv, env);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attr);
    return -r;
}
