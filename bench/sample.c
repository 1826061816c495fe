/* SPDX-License-Identifier: MIT */
/* Each sample runs in a fresh child of the driver, so that none inherits
 * another's threads, memory, descriptors or mproc family, and one that hangs
 * or crashes ends that bench only. The child leads a process group, which is
 * killed as a whole when the sample is over. */
#include "sample.h"
#include "tools.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define TIME_LIMIT_MS 30000

#define SCHEME "unix:"

static double *shared_result;
static char address[64]; /* of a local socket: SCHEME and a path */

static void
run_child(measure_fn *measure, const struct load *load)
{
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    *shared_result = measure(load);
    _exit(0);
}

/* 1 if `pid` ended in time. */
static int
wait_for(pid_t pid)
{
    struct pollfd p = {.events = POLLIN};
    int r;

    p.fd = (int)syscall(SYS_pidfd_open, pid, 0);
    must(p.fd, "pidfd_open");
    do
        r = poll(&p, 1, TIME_LIMIT_MS);
    while (r < 0 && errno == EINTR);
    close(p.fd);
    return r > 0;
}

static void
prepare(void)
{
    if (!shared_result)
        shared_result = shared_memory(sizeof(*shared_result));
    *shared_result = NAN;
    snprintf(address, sizeof(address), SCHEME "/tmp/mproc-bench-%d",
             (int)getpid());
}

const char *
sample_socket(void)
{
    return address;
}

double
sample_take(measure_fn *measure, const struct load *load)
{
    int status = 0;
    pid_t pid;

    prepare();
    pid = fork();
    must(pid, "fork");
    if (pid == 0)
        run_child(measure, load);
    setpgid(pid, pid);
    if (!wait_for(pid))
        fprintf(stderr, "mproc-bench: no end after %d s: killed\n",
                TIME_LIMIT_MS / 1000);
    kill(-pid, SIGKILL); /* the leader is not reaped yet: the group is ours */
    waitpid(pid, &status, 0);
    unlink(address + strlen(SCHEME));
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return NAN;
    return *shared_result;
}
