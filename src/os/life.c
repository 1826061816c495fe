/* SPDX-License-Identifier: MIT */
/* Life pipes: how a family ends with its root, to the last grandchild,
 * without a helper process and however the root ends.
 *
 * A process that starts others holds the only write end of a pipe. Each child
 * holds a read end with an open file description of its own, whose owner is
 * the child and whose signal is SIGKILL: when the last write end is closed,
 * which the kernel does for a dying process, the kernel signals the owner of
 * every read end. That hits busy and stopped processes as well. A new
 * description comes from opening /proc/self/fd/N of any end of the pipe, so a
 * child can make read ends of its root's pipe for its own children, without
 * ever having seen the write end.
 *
 * PR_SET_PDEATHSIG is no substitute: it fires when the starting *thread* ends,
 * and reaches no grandchild. It is used only where /proc is not mounted.
 *
 * The write end must stay out of all other processes: it is close-on-exec, and
 * fork's child closes it in an atfork handler, before anything else runs. */
#include "os/life.h"

#include "os/descriptors.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

static struct {
    pthread_mutex_t lock;      /* guards making the pipe; held across fork */
    int write;                 /* our own pipe's write end; -1: none yet */
    struct mp__life_ends mine; /* what we watch ourselves */
} life = {PTHREAD_MUTEX_INITIALIZER, -1, {{-1, -1}}};

static __thread int fork_is_ours;

static int
open_read_end(int fd)
{
    char path[32];

    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return mp__fd_high(open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC));
}

static void
before_fork(void)
{
    pthread_mutex_lock(&life.lock);
}

static void
after_fork_in_parent(void)
{
    pthread_mutex_unlock(&life.lock);
}

static void
after_fork_in_child(void)
{
    int fd = life.write;

    life.write = -1;
    pthread_mutex_unlock(&life.lock);
    if (fd < 0)
        return;
    /* A fork by the program itself: such a child is not killed with the root,
     * but those that it starts are. */
    if (!fork_is_ours && life.mine.fd[MP__LIFE_ROOT] < 0) {
        int end = open_read_end(fd);

        if (end >= 0)
            life.mine.fd[MP__LIFE_ROOT] = end;
    }
    close(fd);
}

__attribute__((constructor)) static void
register_fork_handlers(void)
{
    pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

void
mp__life_fork_begin(void)
{
    fork_is_ours = 1;
}

void
mp__life_fork_end(void)
{
    fork_is_ours = 0;
}

static int
own_pipe(void)
{
    int ends[2];
    int fd;

    pthread_mutex_lock(&life.lock);
    if (life.write < 0) {
        if (pipe2(ends, O_CLOEXEC) == 0) {
            close(ends[0]); /* read ends are opened when needed */
            life.write = mp__fd_high(ends[1]);
        } else {
            life.write = -errno;
        }
    }
    fd = life.write;
    if (fd < 0)
        life.write = -1;
    pthread_mutex_unlock(&life.lock);
    return fd;
}

/* A descriptor of the pipe of that life: its own pipe in the root. */
static int
source_of(enum mp__life which)
{
    int fd = life.mine.fd[MP__LIFE_ROOT];

    return which == MP__LIFE_ROOT && fd >= 0 ? fd : own_pipe();
}

static int
open_watched(enum mp__life which)
{
    int fd = source_of(which);
    int end;

    if (fd < 0)
        return fd;
    end = open_read_end(fd);
    if (end == -ENOENT || end == -EACCES || end == -ENOTDIR)
        return -ENOSYS;
    if (end >= 0 && fcntl(end, F_SETSIG, SIGKILL) < 0) {
        int error = errno;

        close(end);
        return -error;
    }
    return end;
}

int
mp__life_open(struct mp__life_ends *ret_watch, unsigned lives)
{
    struct mp__life_ends watch = MP__LIFE_NONE;

    /* In the root the parent's life is the root's: one read end will do. */
    if (life.mine.fd[MP__LIFE_ROOT] < 0 && (lives & 1u << MP__LIFE_ROOT))
        lives &= ~(1u << MP__LIFE_PARENT);
    for (int i = 0; i < MP__LIVES; i++) {
        if (!(lives & 1u << i))
            continue;
        watch.fd[i] = open_watched((enum mp__life)i);
        if (watch.fd[i] < 0) {
            int r = watch.fd[i];

            mp__life_close(&watch);
            return r;
        }
    }
    *ret_watch = watch;
    return 0;
}

static int
end_has_come(int fd)
{
    struct pollfd p = {.fd = fd};

    return poll(&p, 1, 0) > 0 && (p.revents & POLLHUP);
}

int
mp__life_arm(const struct mp__life_ends *watch, pid_t pid)
{
    for (int i = 0; i < MP__LIVES; i++) {
        int fd = watch->fd[i];

        if (fd < 0)
            continue;
        if (fcntl(fd, F_SETOWN, pid) < 0 ||
            fcntl(fd, F_SETFL, O_NONBLOCK | O_ASYNC) < 0)
            return -errno;
        /* The signal is sent once, at the moment of the end. If that has not
         * passed by now, it finds this read end. */
        if (end_has_come(fd))
            return -ESRCH;
    }
    return 0;
}

void
mp__life_close(struct mp__life_ends *watch)
{
    for (int i = 0; i < MP__LIVES; i++)
        if (watch->fd[i] >= 0)
            close(watch->fd[i]);
    *watch = MP__LIFE_NONE;
}

void
mp__life_adopt(const struct mp__life_ends *watch)
{
    mp__life_close(&life.mine);
    life.mine = *watch;
}

int
mp__life_is_root(void)
{
    return life.mine.fd[MP__LIFE_ROOT] < 0;
}

int
mp__life_pdeathsig(pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    return getppid() == parent ? 0 : -ESRCH;
}
