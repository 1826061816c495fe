/* SPDX-License-Identifier: MIT */
/* A peer program is started at its first request and kept until its bench is
 * over. It lies beside this program as mproc-bench-NAME; CPython's is a
 * script, run by Debian's python3. */
#include "peer.h"
#include "tools.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define TIME_LIMIT_MS 30000
#define PYTHON        "/usr/bin/python3"

struct peer {
    const char *name;
    pid_t pid; /* 0: does not run */
    int in, out;
};

static struct peer peers[16];
extern char **environ;

static void
program_path(const char *name, char *path, size_t size)
{
    char self[PATH_MAX] = "";
    char *slash;

    must(readlink("/proc/self/exe", self, sizeof(self) - 1), "readlink");
    slash = strrchr(self, '/');
    *slash = 0;
    snprintf(path, size, "%s/mproc-bench-%s", self, name);
}

static int
spawn_peer(struct peer *peer, char **argv)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    int to[2], from[2], r;

    must(pipe2(to, O_CLOEXEC), "pipe2");
    must(pipe2(from, O_CLOEXEC), "pipe2");
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, to[0], 0);
    posix_spawn_file_actions_adddup2(&actions, from[1], 1);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP);
    r = posix_spawn(&peer->pid, argv[0], &actions, &attr, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attr);
    close(to[0]);
    close(from[1]);
    peer->in = to[1];
    peer->out = from[0];
    if (r == 0)
        return 0;
    peer->pid = 0;
    close(peer->in);
    close(peer->out);
    return -r;
}

static int
start_peer(struct peer *peer)
{
    char path[PATH_MAX + 64];
    char *python[] = {(char *)PYTHON, (char *)BENCH_CPYTHON_SCRIPT, NULL};
    char *program[] = {path, NULL};

    if (strcmp(peer->name, "cpython") == 0)
        return access(PYTHON, X_OK) == 0 ? spawn_peer(peer, python) : -1;
    program_path(peer->name, path, sizeof(path));
    return access(path, X_OK) == 0 ? spawn_peer(peer, program) : -1;
}

static void
close_peer(struct peer *peer)
{
    struct pollfd ended = {.fd = peer->out, .events = POLLIN};

    if (!peer->pid)
        return;
    close(peer->in); /* the end of its input ends it */
    poll(&ended, 1, 1000);
    close(peer->out);
    kill(-peer->pid, SIGKILL); /* not reaped: the group is still its own */
    waitpid(peer->pid, NULL, 0);
    peer->pid = 0;
}

static struct peer *
find_peer(const char *name)
{
    struct peer *peer = peers;

    while (peer->name && strcmp(peer->name, name) != 0)
        peer++;
    peer->name = name;
    return peer;
}

/* One line without its end; 0 if there is none in time. */
static int
read_line(int fd, char *line, size_t size)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    size_t n = 0;

    while (n < size - 1) {
        if (poll(&p, 1, TIME_LIMIT_MS) <= 0 || read(fd, line + n, 1) != 1)
            return 0;
        if (line[n] == '\n')
            break;
        n++;
    }
    line[n] = 0;
    return 1;
}

double
peer_ask(const char *program, const char *kind, const struct load *load)
{
    struct peer *peer = find_peer(program);
    char line[200];

    if (!peer->pid && start_peer(peer) < 0)
        return LEFT_OUT;
    snprintf(line, sizeof(line), "%s %zu %d %d %d %ld\n", kind, load->size,
             load->producers, load->consumers, load->pinned, load->ops);
    if (write(peer->in, line, strlen(line)) < 0 ||
        !read_line(peer->out, line, sizeof(line))) {
        fprintf(stderr, "mproc-bench: no answer from %s\n", program);
        close_peer(peer);
        return NAN;
    }
    return strcmp(line, "-") == 0 ? LEFT_OUT : strtod(line, NULL);
}

void
peer_close_all(void)
{
    for (struct peer *peer = peers; peer->name; peer++)
        close_peer(peer);
}
