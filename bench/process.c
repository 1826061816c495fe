/* SPDX-License-Identifier: MIT */
/* process.METHOD[.1GiB]: starts a process whose target does nothing, joins
 * it, closes the handle; in .1GiB the parent has touched that much memory.
 *
 * The limits are the bare system calls that such a start cannot do without.
 * This program does some jobs for that in fresh copies of itself: --job-exit
 * ends at once, --job-fork OPS forks and reaps in a process that has no
 * memory worth mentioning. */
#include "harness.h"
#include "tools.h"

#include <fcntl.h>
#include <mproc.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define GIB  ((size_t)1 << 30)
#define SELF "/proc/self/exe"

extern char **environ;

/* A code that only the child can have given shows that it really ran. */
enum { RAN = 42 };

static int
target(void *arg)
{
    (void)arg;
    return RAN;
}

static void
grow(const struct load *load)
{
    if (load->size > 0)
        private_memory(load->size);
}

static void
start_and_join(int method)
{
    mp_process *p;
    int code = -1, r;

    r = mp_process_start(&p, target, NULL, 0,
                         MP_PROCESS_ATTR(.method = method));
    if (r < 0)
        fail("mp_process_start: %s: %s", mp_strerror(r), mp_last_error());
    must(mp_process_join(p, MP_FOREVER), "mp_process_join");
    must(mp_process_exitcode(p, &code), "mp_process_exitcode");
    if (code != RAN)
        fail("the child ended with %d", code);
    must(mp_process_close(p), "mp_process_close");
}

static double
measure_method(const struct load *load, int method)
{
    int64_t start;

    grow(load);
    start_and_join(method); /* the first one starts the fork server */
    start = now_ns();
    for (long i = 0; i < load->ops; i++)
        start_and_join(method);
    return (double)(now_ns() - start) / (double)load->ops;
}

static double
measure_fork(const struct load *load)
{
    return measure_method(load, MP_FORK);
}

static double
measure_spawn(const struct load *load)
{
    return measure_method(load, MP_SPAWN);
}

static double
measure_forkserver(const struct load *load)
{
    return measure_method(load, MP_FORKSERVER);
}

/* The limits */

static void
reap(pid_t pid)
{
    siginfo_t info;

    must(waitid(P_PID, (id_t)pid, &info, WEXITED), "waitid");
    if (info.si_status != RAN)
        fail("the child ended with %d", info.si_status);
}

static void
bare_fork(void)
{
    pid_t pid = fork();

    must(pid, "fork");
    if (pid == 0)
        _exit(RAN);
    reap(pid);
}

static double
limit_fork(const struct load *load)
{
    int64_t start;

    grow(load);
    bare_fork();
    start = now_ns();
    for (long i = 0; i < load->ops; i++)
        bare_fork();
    return (double)(now_ns() - start) / (double)load->ops;
}

static void
bare_spawn(void)
{
    char *argv[] = {(char *)"mproc-bench", (char *)"--job-exit", NULL};
    pid_t pid;

    must(-posix_spawn(&pid, SELF, NULL, NULL, argv, environ), "posix_spawn");
    reap(pid);
}

static double
limit_spawn(const struct load *load)
{
    int64_t start;

    grow(load);
    bare_spawn();
    start = now_ns();
    for (long i = 0; i < load->ops; i++)
        bare_spawn();
    return (double)(now_ns() - start) / (double)load->ops;
}

/* fork+_exit+waitid by a fresh copy of this program, which prints the time. */
static double
limit_small(const struct load *load)
{
    char ops[32], answer[64] = "";
    char *argv[] = {(char *)"mproc-bench", (char *)"--job-fork", ops, NULL};
    posix_spawn_file_actions_t actions;
    int fds[2], status;
    pid_t pid;

    snprintf(ops, sizeof(ops), "%ld", load->ops);
    must(pipe2(fds, O_CLOEXEC), "pipe2");
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, fds[1], 1);
    must(-posix_spawn(&pid, SELF, &actions, NULL, argv, environ),
         "posix_spawn");
    must(waitpid(pid, &status, 0), "waitpid");
    if (status != 0 || read(fds[0], answer, sizeof(answer) - 1) <= 0)
        fail("the small process failed");
    return strtod(answer, NULL);
}

int
process_job(int argc, char **argv)
{
    struct load load = {0};

    if (strcmp(argv[1], "--job-exit") == 0)
        _exit(RAN);
    if (strcmp(argv[1], "--job-fork") != 0 || argc != 3)
        fail("unknown job %s", argv[1]);
    load.ops = atol(argv[2]);
    printf("%f\n", limit_fork(&load));
    return 0;
}

#define FORK_IS   "fork+_exit+waitid"
#define SPAWN_IS  "posix_spawn of the same program, which exits, +waitid"
#define SERVER_IS "fork+_exit+waitid in a small process"

static const struct contender by_fork[] = {
    {"mproc", OURS, measure_fork, NULL, NULL},
    {"limit", LIMIT, limit_fork, NULL, FORK_IS},
    {"cpython", PEER, NULL, "cpython", NULL},
    {0},
};

static const struct contender by_spawn[] = {
    {"mproc", OURS, measure_spawn, NULL, NULL},
    {"limit", LIMIT, limit_spawn, NULL, SPAWN_IS},
    {"cpython", PEER, NULL, "cpython", NULL},
    {0},
};

static const struct contender by_server[] = {
    {"mproc", OURS, measure_forkserver, NULL, NULL},
    {"limit", LIMIT, limit_small, NULL, SERVER_IS},
    {"cpython", PEER, NULL, "cpython", NULL},
    {0},
};

static const struct contender by_server_large[] = {
    {"mproc", OURS, measure_forkserver, NULL, NULL},
    {"limit", LIMIT, limit_small, NULL, SERVER_IS},
    {"fork", PEER, limit_fork, NULL, NULL},
    {"cpython", PEER, NULL, "cpython", NULL},
    {0},
};

const struct bench process_benches[] = {
    {"process.fork", "fork", {0, 1, 0, 0, 4}, by_fork},
    {"process.spawn", "spawn", {0, 1, 0, 0, 4}, by_spawn},
    {"process.forkserver", "forkserver", {0, 1, 0, 0, 4}, by_server},
    {"process.fork.1GiB", "fork", {GIB, 1, 0, 0, 4}, by_fork},
    {"process.spawn.1GiB", "spawn", {GIB, 1, 0, 0, 4}, by_spawn},
    {"process.forkserver.1GiB",
     "forkserver",
     {GIB, 1, 0, 0, 4},
     by_server_large},
    {0},
};
