/* SPDX-License-Identifier: MIT */
/* Descriptors through a pipe.
 *
 * A descriptor cannot lie in memory. What is sent is where to fetch it: the
 * sender's process, the number of a duplicate that it keeps for this, and what
 * file that is. The receiver opens a pidfd of the sender and has the system
 * duplicate it once more, while it is inside of the ring, before its commit:
 * killed in between, it has taken nothing.
 *
 * The sender learns from the receiver's position, at one of its next calls,
 * that its duplicate was taken, and closes it. It does so too when nobody is
 * left to take it. If the sender ends, the duplicate does.
 *
 * What is kept is in a list of this process; a fork's child closes its copies:
 * nobody would fetch them there. */
#include "base/error.h"
#include "os/descriptors.h"
#include "os/fork.h"
#include "os/pidfd.h"
#include "pipe/pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NEVER UINT64_MAX

/* The body of the record. */
struct reference {
    uint64_t process;
    int32_t fd;
    uint32_t reserved;
    uint64_t device, inode; /* to know it by */
};

struct kept {
    struct kept *next;
    struct mp__pipe_end *end; /* that it was sent to: may be no more, */
    uint64_t number;          /* which its holders' number tells */
    uint64_t until;           /* the position at which it was taken */
    int fd;
};

static struct {
    pthread_mutex_t lock; /* guards all below; held across fork */
    struct kept *first;
    pid_t pid; /* whose they are */
} kept = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* ---- What is kept ---- */

static void
drop(struct kept **at)
{
    struct kept *k = *at;

    __atomic_store_n(at, k->next, __ATOMIC_RELEASE);
    close(k->fd);
    free(k);
}

static void
drop_all(void)
{
    while (kept.first)
        drop(&kept.first);
}

MP__HELD_ACROSS_FORK(kept.lock, drop_all());

static void
lock_kept(void)
{
    pthread_mutex_lock(&kept.lock);
    /* A copy that was made behind fork's back. */
    if (kept.pid != getpid()) {
        drop_all();
        kept.pid = getpid();
    }
}

static int
is_done(const struct kept *k)
{
    struct mp__holders *holders = &k->end->holders;

    return !mp__object_ok(k->end, MP__SLAB_CONN) ||
           holders->number != k->number ||
           mp__load(&k->end->in.head) >= k->until || mp__holders_gone(holders);
}

void
mp__pipe_release_kept(void)
{
    struct kept **at = &kept.first;

    if (__atomic_load_n(&kept.first, __ATOMIC_ACQUIRE) == NULL)
        return;
    lock_kept();
    while (*at)
        if (is_done(*at))
            drop(at);
        else
            at = &(*at)->next;
    pthread_mutex_unlock(&kept.lock);
}

static struct kept *
keep(struct mp__pipe_end *end, int fd)
{
    struct kept *k = malloc(sizeof(*k));

    if (k == NULL)
        return NULL;
    *k = (struct kept){
        .end = end, .number = end->holders.number, .until = NEVER, .fd = fd};
    lock_kept();
    k->next = kept.first;
    __atomic_store_n(&kept.first, k, __ATOMIC_RELEASE);
    pthread_mutex_unlock(&kept.lock);
    return k;
}

/* Sent: it may be closed when the receiver is as far as the sender is now. Or
 * not sent. */
static void
settle(struct kept *k, int r)
{
    struct kept **at = &kept.first;

    lock_kept();
    while (*at && *at != k)
        at = &(*at)->next;
    if (*at && r == 0)
        k->until = mp__load(&k->end->in.tail);
    else if (*at)
        drop(at);
    pthread_mutex_unlock(&kept.lock);
}

/* ---- Sending ---- */

static int
make_reference(int fd, struct reference *ret_reference)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return -errno;
    *ret_reference = (struct reference){.process = mp__kin.self(),
                                        .fd = fd,
                                        .device = st.st_dev,
                                        .inode = st.st_ino};
    return ret_reference->process ? 0 : -ENOMEM;
}

static int
send_kept(struct mp__pipe_end *end, int fd, mp_time deadline)
{
    struct reference reference;
    struct kept *k;
    int r = make_reference(fd, &reference);

    k = r == 0 ? keep(end->peer, fd) : NULL;
    if (k == NULL) {
        close(fd);
        return r < 0 ? r : -ENOMEM;
    }
    r = mp__pipe_send_kind(end, MP__PIPE_DESCRIPTOR, &reference,
                           sizeof(reference), deadline);
    settle(k, r);
    return r;
}

int
mp__pipe_send_fd(mp_conn *conn, int fd, mp_time deadline)
{
    struct mp__pipe_end *end = (struct mp__pipe_end *)(void *)conn;
    int copy;

    mp__pipe_release_kept();
    copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (copy < 0)
        return mp__fail(-errno, "mp_conn_send_fd: descriptor %d: %s", fd,
                        mp_strerror(-errno));
    return send_kept(end, copy, deadline);
}

/* ---- Receiving ---- */

static int
is_the_same(int fd, const struct reference *reference)
{
    struct stat st;

    return fstat(fd, &st) == 0 && st.st_dev == reference->device &&
           st.st_ino == reference->inode;
}

static int
fetch(const struct reference *reference)
{
    int pidfd = mp__kin.pidfd(reference->process);
    int fd;

    if (pidfd < 0)
        return pidfd;
    fd = mp__pidfd_fetch(pidfd, reference->fd);
    close(pidfd);
    if (fd == -EBADF)
        return -ESRCH;
    if (fd >= 0 && !is_the_same(fd, reference)) {
        close(fd);
        return -ESRCH;
    }
    return fd;
}

/* What can never be had is taken out of the pipe all the same. */
static int
look(const void *data, size_t size, void *ret_fd)
{
    struct reference reference;
    int fd;

    (void)size;
    memcpy(&reference, data, sizeof(reference));
    fd = fetch(&reference);
    *(int *)ret_fd = fd;
    return fd >= 0 || fd == -ESRCH || fd == -EPERM ? 0 : fd;
}

int
mp__pipe_recv_fd(mp_conn *conn, mp_time deadline)
{
    struct mp__pipe_end *end = (struct mp__pipe_end *)(void *)conn;
    int fd = -ENOMSG;
    int r;

    mp__pipe_release_kept();
    r = mp__pipe_take(end, MP__PIPE_DESCRIPTOR, look, &fd, deadline);
    if (r < 0)
        return r;
    if (fd == -ESRCH)
        return mp__fail(fd, "mp_conn_recv_fd: the process that sent it has "
                            "ended, or closed it");
    if (fd == -EPERM)
        return mp__fail(fd, "mp_conn_recv_fd: the system forbids to fetch it "
                            "from the process that sent it");
    return fd;
}
