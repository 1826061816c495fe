/* SPDX-License-Identifier: MIT */
/* Sets of pidfds, of one process.
 *
 * A pidfd belongs to its set alone, for the kernel forgets a descriptor in an
 * epoll instance only when its last copy is closed, and fork makes copies: so
 * each is taken out before it is closed. One that names a process that has
 * ended stays readable until it is taken out.
 *
 * Where not every process can be named, a timer makes the set readable after a
 * while: whoever reads then looks for himself. */
#include "os/pidfd_set.h"

#include "os/descriptors.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

struct mp__pidfd_entry {
    uint64_t key;
    int fd;
    unsigned round; /* in which it was named last */
};

int
mp__pidfd_set_open(struct mp__pidfd_set *set)
{
    *set = (struct mp__pidfd_set){.timer = -1};
    set->fd = mp__fd_high(epoll_create1(EPOLL_CLOEXEC));
    return set->fd < 0 ? set->fd : 0;
}

void
mp__pidfd_set_close(struct mp__pidfd_set *set)
{
    close(set->fd);
    if (set->timer >= 0)
        close(set->timer);
    for (size_t i = 0; i < set->n; i++)
        close(set->entry[i].fd);
    free(set->entry);
}

int
mp__pidfd_set_beside(struct mp__pidfd_set *set, int fd)
{
    struct epoll_event event = {.events = EPOLLIN};

    return epoll_ctl(set->fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

void
mp__pidfd_set_without(struct mp__pidfd_set *set, int fd)
{
    epoll_ctl(set->fd, EPOLL_CTL_DEL, fd, NULL);
}

void
mp__pidfd_set_begin(struct mp__pidfd_set *set)
{
    set->round++;
    set->next = 0;
}

int
mp__pidfd_set_keep(struct mp__pidfd_set *set, uint64_t key)
{
    for (size_t k = 0; k < set->n; k++) {
        /* As a rule they come in the order of the last time. */
        size_t i = (set->next + k) % set->n;

        if (set->entry[i].key == key) {
            set->entry[i].round = set->round;
            set->next = i + 1;
            return 1;
        }
    }
    return 0;
}

static int
make_room(struct mp__pidfd_set *set)
{
    size_t room = set->room ? 2 * set->room : 4;
    struct mp__pidfd_entry *larger;

    if (set->n < set->room)
        return 0;
    larger = realloc(set->entry, room * sizeof(*larger));
    if (!larger)
        return -ENOMEM;
    set->entry = larger;
    set->room = room;
    return 0;
}

int
mp__pidfd_set_add(struct mp__pidfd_set *set, uint64_t key, int pidfd)
{
    int r = make_room(set);

    if (r == 0)
        r = mp__pidfd_set_beside(set, pidfd);
    if (r < 0) {
        close(pidfd);
        return r;
    }
    set->entry[set->n++] = (struct mp__pidfd_entry){key, pidfd, set->round};
    return 0;
}

static void
remove_at(struct mp__pidfd_set *set, size_t i)
{
    int fd = set->entry[i].fd;

    epoll_ctl(set->fd, EPOLL_CTL_DEL, fd, NULL);
    close(fd);
    set->entry[i] = set->entry[--set->n];
}

/* Makes the timer go off in `ns`, or, with 0, never. */
static int
set_timer(struct mp__pidfd_set *set, mp_time ns)
{
    struct itimerspec when = {
        .it_value = {ns / 1000000000, ns % 1000000000},
    };
    int r;

    if (ns == 0 && !set->ticks)
        return 0;
    if (set->timer < 0) {
        set->timer = mp__fd_high(
            timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
        if (set->timer < 0)
            return set->timer;
        r = mp__pidfd_set_beside(set, set->timer);
        if (r < 0) {
            close(set->timer);
            set->timer = -1;
            return r;
        }
    }
    set->ticks = ns != 0;
    return timerfd_settime(set->timer, 0, &when, NULL) < 0 ? -errno : 0;
}

int
mp__pidfd_set_end(struct mp__pidfd_set *set, mp_time soon)
{
    for (size_t i = set->n; i-- > 0;)
        if (set->entry[i].round != set->round)
            remove_at(set, i);
    return set_timer(set, soon);
}
