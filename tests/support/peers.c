/* SPDX-License-Identifier: MIT */
/* Plain children, and waiting for what only the system can tell. */
#include "support/support.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

pid_t
child(int (*fn)(void *), void *arg)
{
    pid_t pid;

    fflush(NULL);
    pid = fork();
    if (pid == 0)
        _exit(fn(arg));
    ck_assert_msg(pid > 0, "fork: %s", strerror(errno));
    return pid;
}

int
reap(pid_t pid)
{
    int status = 0;
    pid_t r;

    do
        r = waitpid(pid, &status, 0);
    while (r < 0 && errno == EINTR);
    ck_assert_msg(r == pid, "waitpid(%d): %s", (int)pid, strerror(errno));
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

void
kill_and_reap(pid_t pid)
{
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    expect_killed(pid, SIGKILL);
}

static char
state_in(const char *path)
{
    char text[512];
    FILE *file = fopen(path, "re");
    const char *end;
    size_t n;

    if (file == NULL)
        return 0;
    n = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    text[n] = 0;
    end = strrchr(text, ')'); /* a program's name may hold any character */
    return end != NULL && end[1] == ' ' ? end[2] : 0;
}

char
process_state(pid_t pid)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    return state_in(path);
}

char
thread_state(pid_t pid, pid_t tid)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", (int)pid, (int)tid);
    return state_in(path);
}

static int64_t
nanoseconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t
mp_test_deadline(double seconds)
{
    return nanoseconds() + (int64_t)(seconds * mp_test_scale() * 1e9);
}

int
mp_test_poll(int64_t deadline)
{
    struct timespec pause = {.tv_nsec = 200000};

    nanosleep(&pause, NULL);
    return nanoseconds() < deadline;
}
