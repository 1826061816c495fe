/* SPDX-License-Identifier: MIT */
/* Processes by descriptor.
 *
 * A number is reused, a pidfd never names another process. From Linux 6.9 on
 * the inode number of a pidfd is unique as long as the machine runs, and so
 * names a life of a process; before, the start time of the process does.
 * How a process ended is told by three sources, each of which may be dry:
 * waitid() (only to the parent, only once), the zombie's entry in /proc (only
 * before it is reaped), and the pidfd itself (after, from Linux 6.15 on). */
#include "os/pidfd.h"

#include "os/clock.h"
#include "os/descriptors.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <fcntl.h>
#include <unistd.h>

#define PIDFS_MAGIC_NUMBER 0x50494446

/* Linux 6.13's struct pidfd_info, with the exit code of 6.15. */
struct info {
    uint64_t mask;
    uint64_t cgroup;
    uint32_t ids[11];
    int32_t exit_code;
};
#define INFO_EXIT 8u
#define GET_INFO  _IOWR(0xFF, 11, struct info)

enum stat_field {
    STAT_STATE = 3,
    STAT_START_TIME = 22,
    STAT_EXIT_CODE = 52,
};

int
mp__pidfd_open(pid_t pid)
{
    return mp__fd_high((int)syscall(SYS_pidfd_open, pid, 0));
}

int
mp__pidfd_signal(int pidfd, int signal)
{
    long r = syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0);

    return r < 0 ? -errno : 0;
}

int
mp__pidfd_fetch(int pidfd, int fd)
{
    return mp__fd_high((int)syscall(SYS_pidfd_getfd, pidfd, fd, 0));
}

/* The fields of /proc/PID/stat from the third on: what is before may hold
 * blanks and brackets of the program's choice. NULL: no such process. */
static const char *
read_stat(pid_t pid, char *buffer, size_t size)
{
    char path[40];
    ssize_t n;
    char *end;
    int fd;

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return NULL;
    n = read(fd, buffer, size - 1);
    close(fd);
    if (n <= 0)
        return NULL;
    buffer[n] = '\0';
    end = strrchr(buffer, ')');
    return end ? end + 2 : NULL;
}

static const char *
stat_field(const char *fields, enum stat_field wanted)
{
    for (int i = STAT_STATE; fields && i < (int)wanted; i++) {
        fields = strchr(fields, ' ');
        if (fields)
            fields++;
    }
    return fields;
}

static uint64_t
start_time(pid_t pid)
{
    char buffer[1024];
    const char *field =
        stat_field(read_stat(pid, buffer, sizeof(buffer)), STAT_START_TIME);

    return field ? strtoull(field, NULL, 10) + 1 : 0;
}

static int
inodes_are_unique(int pidfd)
{
    static int known; /* -1 no, 1 yes; every thread finds the same */
    int answer = __atomic_load_n(&known, __ATOMIC_RELAXED);
    struct statfs fs;

    if (answer == 0) {
        answer = fstatfs(pidfd, &fs) == 0 && fs.f_type == PIDFS_MAGIC_NUMBER
                     ? 1
                     : -1;
        __atomic_store_n(&known, answer, __ATOMIC_RELAXED);
    }
    return answer > 0;
}

uint64_t
mp__pidfd_identity(int pidfd, pid_t pid)
{
    struct stat st;
    uint64_t time;

    if (inodes_are_unique(pidfd))
        return fstat(pidfd, &st) == 0 ? (uint64_t)st.st_ino : 0;
    time = start_time(pid);
    /* The entry read may be of a later owner of the number: not if ours is
     * still there. */
    return mp__pidfd_signal(pidfd, 0) == -ESRCH ? 0 : time;
}

int
mp__pidfd_wait(int pidfd, mp_time deadline)
{
    struct pollfd p = {.fd = pidfd, .events = POLLIN};
    struct timespec left = {0};
    mp_time ns;
    int n;

    if (deadline > 0 && deadline != MP_FOREVER) {
        ns = deadline - mp__now();
        if (ns > 0)
            left = (struct timespec){ns / 1000000000, ns % 1000000000};
    }
    n = ppoll(&p, 1, deadline == MP_FOREVER ? NULL : &left, NULL);
    if (n < 0)
        return errno == EINTR ? -EINTR : -errno;
    if (n > 0)
        return 0;
    return deadline == MP_NOW ? -EAGAIN : -ETIMEDOUT;
}

static int
code_of_siginfo(const siginfo_t *info)
{
    return info->si_code == CLD_EXITED ? info->si_status : -info->si_status;
}

int
mp__pidfd_wait_child(int pidfd, mp_time deadline, int *ret_code)
{
    siginfo_t info = {0};
    int flags = WEXITED | WNOWAIT;
    int r;

    if (deadline != MP_FOREVER) {
        r = deadline == MP_NOW ? 0 : mp__pidfd_wait(pidfd, deadline);
        if (r < 0)
            return r;
        flags |= WNOHANG;
    }
    if (waitid(P_PIDFD, (id_t)pidfd, &info, flags) == 0) {
        if (info.si_pid == 0)
            return -EAGAIN;
        *ret_code = code_of_siginfo(&info);
        return 0;
    }
    if (errno != ECHILD)
        return -errno;
    /* Reaped behind our back, or about to be: the end itself is known by the
     * pidfd. */
    r = mp__pidfd_wait(pidfd, deadline);
    if (r == 0)
        *ret_code = MP__CODE_NONE;
    return r;
}

int
mp__pidfd_is_child(int pidfd)
{
    siginfo_t info;

    return waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOHANG | WNOWAIT) ==
           0;
}

void
mp__pidfd_reap(int pidfd)
{
    siginfo_t info;

    waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOHANG);
}

static int
code_of_status(int status)
{
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static int
code_of_zombie(int pidfd, pid_t pid)
{
    char buffer[1024];
    const char *fields = read_stat(pid, buffer, sizeof(buffer));
    const char *code = stat_field(fields, STAT_EXIT_CODE);

    /* Still there after the look: so the look was at this process. */
    if (!code || *fields != 'Z' || mp__pidfd_signal(pidfd, 0) == -ESRCH)
        return MP__CODE_NONE;
    return code_of_status((int)strtol(code, NULL, 10));
}

int
mp__pidfd_code(int pidfd, pid_t pid)
{
    int code = code_of_zombie(pidfd, pid);
    struct info info = {.mask = INFO_EXIT};

    if (code != MP__CODE_NONE)
        return code;
    /* C libraries differ about the type of the request. */
    if (syscall(SYS_ioctl, pidfd, GET_INFO, &info) == 0 &&
        (info.mask & INFO_EXIT))
        return code_of_status(info.exit_code);
    return MP__CODE_NONE;
}
