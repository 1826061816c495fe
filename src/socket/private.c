/* SPDX-License-Identifier: MIT */
/* What one process alone has behind a handle.
 *
 * A socket's descriptor, the state of TLS and what was received in part are of
 * no use to another process. They are in the process's own memory; in the region
 * there is a cell, so that the handle is one like any other. It says whose it
 * is, and there leads to the private half.
 *
 * `here.lock` guards the list of halves, and the way from a cell to its half.
 * It is held for a few instructions. Who has pinned a half keeps it from being
 * freed, not from being closed.
 *
 * Closing wakes those who wait in poll(), by a descriptor that is in all their
 * sets: the alarm. It rings for all objects of the process, and once: those who
 * wait for others go on with the next alarm.
 *
 * fork's child closes the descriptors: else the other end would not learn that
 * this one is closed. A process that dies leaves its cells behind, to be
 * collected by others now and then. */
#include "socket/private.h"

#include "os/clock.h"
#include "os/descriptors.h"
#include "os/fork.h"
#include "os/pidfd.h"
#include "os/poll.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#define SLICE  ((mp_time)50 * 1000000) /* without an alarm */
#define BIRTHS 64                      /* between two collections */

struct alarm {
    int fd;
    unsigned waiters;
};

static struct {
    pthread_mutex_t lock; /* guards all below; held across fork */
    struct mp__private *first;
    struct alarm *alarm; /* NULL: none yet, or it has rung */
    uint64_t name;       /* of this process: a participant's id; 0: none yet */
    uint32_t pid;        /* whose all this is */
    unsigned births;
} here = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* ---- Forks ---- */

static void
dispose(struct alarm *alarm)
{
    close(alarm->fd);
    free(alarm);
}

/* In a copy of the process. What is in memory is left alone: the threads that
 * used it are not here. */
static void
orphan_all(void)
{
    for (struct mp__private *half = here.first; half; half = half->next)
        half->ops->orphan(half);
    if (here.alarm)
        close(here.alarm->fd);
    here.first = NULL;
    here.alarm = NULL;
    here.name = 0;
}

MP__HELD_ACROSS_FORK(here.lock, orphan_all());

static void
lock(void)
{
    uint32_t pid = mp__load_relaxed(&mp__me.part->pid);

    pthread_mutex_lock(&here.lock);
    if (here.pid != pid) { /* a copy that was made behind fork's back */
        orphan_all();
        here.pid = pid;
    }
}

static void
unlock(void)
{
    pthread_mutex_unlock(&here.lock);
}

/* ---- The alarm ---- */

/* NULL: there is none to be had. */
static struct alarm *
enter_alarm(void)
{
    struct alarm *alarm;

    lock();
    alarm = here.alarm;
    if (!alarm && (alarm = calloc(1, sizeof(*alarm))) != NULL) {
        alarm->fd = mp__signal_open();
        if (alarm->fd < 0) {
            free(alarm);
            alarm = NULL;
        }
        here.alarm = alarm;
    }
    if (alarm)
        alarm->waiters++;
    unlock();
    return alarm;
}

static void
leave_alarm(struct alarm *alarm)
{
    if (!alarm)
        return;
    lock();
    if (--alarm->waiters == 0 && (alarm != here.alarm || !here.first)) {
        if (alarm == here.alarm)
            here.alarm = NULL;
        dispose(alarm);
    }
    unlock();
}

/* With the lock held: rings if others are inside of the half, and puts it away
 * with the last half. */
static void
ring_alarm(int others)
{
    if (!here.alarm)
        return;
    if (here.alarm->waiters > 0) {
        if (!others)
            return;
        mp__signal_raise(here.alarm->fd);
        here.alarm = NULL; /* the last of them disposes of it */
    } else if (!here.first) {
        dispose(here.alarm);
        here.alarm = NULL;
    }
}

static int
wait_once(struct mp__private *half, struct pollfd *p, mp_time deadline)
{
    struct alarm *alarm = enter_alarm();
    struct pollfd both[2] = {*p, {.events = POLLIN}};
    mp_time until = deadline, soon;
    int r;

    if (alarm) {
        both[1].fd = alarm->fd;
    } else {
        soon = mp__now() + SLICE;
        until = soon < deadline ? soon : deadline;
    }
    /* Closed before: this alarm will not ring for it. */
    r = mp__load(&half->closed) ? -EBADF
                                : mp__poll(both, alarm ? 2 : 1, until);
    leave_alarm(alarm);
    p->revents = r > 0 ? both[0].revents : 0;
    return r == -ETIMEDOUT && until != deadline ? 1 : r;
}

int
mp__private_wait(struct mp__private *half, struct pollfd *p, mp_time deadline)
{
    int r;

    do {
        r = deadline == MP_NOW ? mp__poll(p, 1, MP_NOW)
                               : wait_once(half, p, deadline);
    } while (r > 0 && !p->revents);
    return r > 0 ? 0 : r;
}

/* ---- Coming and going ---- */

void
mp__private_publish(struct mp__private *half,
                    const struct mp__private_ops *ops, void *object,
                    const struct mp__private_class *class)
{
    half->ops = ops;
    half->cell = class->cell(object);
    mp__store_relaxed(&half->uses, 1);
    lock();
    if (here.name == 0)
        here.name = mp__me.id;
    mp__store_relaxed(&half->cell->owner, here.name);
    mp__store_relaxed(&half->cell->pid, here.pid);
    half->cell->half = half;
    half->next = here.first;
    half->at = &here.first;
    if (half->next)
        half->next->at = &half->next;
    here.first = half;
    unlock();
    mp__object_publish(object, class->slab);
}

/* With the lock held. */
static int
find(struct mp__private **ret_half, void *object,
     const struct mp__private_class *class, const char *function)
{
    struct mp__private_cell *cell;

    if (!mp__object_ok(object, class->slab) ||
        (cell = class->cell(object)) == NULL)
        return mp__fail_handle(function, object, class->what);
    if (here.name == 0 || mp__load_relaxed(&cell->owner) != here.name)
        return mp__fail(-ENOTSUP,
                        "%s: it was opened by process %u, and can be used "
                        "there only",
                        function, mp__load_relaxed(&cell->pid));
    *ret_half = cell->half;
    return 0;
}

int
mp__private_pin(struct mp__private **ret_half, void *object,
                const struct mp__private_class *class, const char *function)
{
    int r;

    lock();
    r = find(ret_half, object, class, function);
    if (r == 0)
        mp__add(&(*ret_half)->uses, 1);
    unlock();
    return r;
}

void
mp__private_unpin(struct mp__private *half)
{
    if (mp__sub(&half->uses, 1) == 1)
        half->ops->free(half);
}

int
mp__private_close(void *object, const struct mp__private_class *class,
                  const char *function)
{
    struct mp__private *half = NULL;
    int r;

    lock();
    r = find(&half, object, class, function);
    if (r == 0) {
        mp__object_retire(object, class->slab);
        *half->at = half->next;
        if (half->next)
            half->next->at = half->at;
        mp__store(&half->closed, 1);
        half->ops->wake(half);
        ring_alarm(mp__load(&half->uses) > 1);
    }
    unlock();
    if (r < 0)
        return r;
    mp__object_free(object, class->slab);
    mp__private_unpin(half);
    return 0;
}

int
mp__private_each(int (*visit)(struct mp__private *half, void *arg), void *arg)
{
    int r = 0;

    lock();
    for (struct mp__private *half = here.first; half && r == 0;
         half = half->next)
        r = visit(half, arg);
    unlock();
    return r;
}

/* ---- What the dead left ---- */

static int
is_dead(uint32_t pid)
{
    int fd = mp__pidfd_open((pid_t)pid);

    if (fd >= 0)
        close(fd);
    return fd == -ESRCH;
}

static void
collect_cell(void *object, void *arg)
{
    const struct mp__private_class *class = arg;
    struct mp__private_cell *cell;
    uint64_t owner;

    if (!mp__object_ok(object, class->slab) ||
        (cell = class->cell(object)) == NULL)
        return;
    owner = mp__load(&cell->owner);
    if (owner == 0 || owner == here.name ||
        !is_dead(mp__load_relaxed(&cell->pid)))
        return;
    /* Of several who find it one collects; and if the cell has become
     * another's meanwhile, nobody does. */
    if (mp__cas(&cell->owner, &owner, 0) &&
        mp__object_retire(object, class->slab) == 0)
        mp__object_free(object, class->slab);
}

void
mp__private_collect(const struct mp__private_class *class, int now)
{
    lock();
    now = now || ++here.births % BIRTHS == 0;
    unlock();
    if (now)
        mp__object_each(class->slab, collect_cell, (void *)class);
}
