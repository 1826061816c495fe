/* SPDX-License-Identifier: MIT */
#include "os/epoll.h"

#include "os/clock.h"
#include "os/descriptors.h"

#include <errno.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

int
mp__epoll_open(void)
{
    return mp__fd_high(epoll_create1(EPOLL_CLOEXEC));
}

static int
control(int epoll, int operation, int fd, uint32_t events, void *tag)
{
    struct epoll_event event = {.events = events, .data.ptr = tag};

    return epoll_ctl(epoll, operation, fd, &event) < 0 ? -errno : 0;
}

int
mp__epoll_add(int epoll, int fd, uint32_t events, void *tag)
{
    return control(epoll, EPOLL_CTL_ADD, fd, events, tag);
}

int
mp__epoll_change(int epoll, int fd, uint32_t events, void *tag)
{
    return control(epoll, EPOLL_CTL_MOD, fd, events, tag);
}

void
mp__epoll_remove(int epoll, int fd)
{
    control(epoll, EPOLL_CTL_DEL, fd, 0, NULL);
}

int
mp__epoll_look(int epoll, struct epoll_event *events, int most)
{
    int n;

    do
        n = epoll_wait(epoll, events, most, 0);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

/* Before Linux 5.11 it sleeps in milliseconds, rounded up. */
int
mp__epoll_wait(int epoll, struct epoll_event *events, int most,
               mp_time deadline)
{
    static int coarse;
    mp_time left = deadline == MP_NOW ? 0 : deadline;
    struct timespec t;
    int n;

    if (deadline != MP_NOW && deadline != MP_FOREVER) {
        left = deadline - mp__now();
        left = left > 0 ? left : 0;
    }
    t = (struct timespec){left / 1000000000, left % 1000000000};
    n = coarse ? -1
               : (int)syscall(SYS_epoll_pwait2, epoll, events, most,
                              deadline == MP_FOREVER ? NULL : &t, NULL, 0);
    if (coarse || (n < 0 && errno == ENOSYS)) {
        coarse = 1;
        left = left / 1000000 < 60000 ? (left + 999999) / 1000000 : 60000;
        n = epoll_wait(epoll, events, most, (int)left);
    }
    if (n < 0)
        return errno == EINTR ? 0 : -errno;
    return n;
}

int
mp__alarm_open(void)
{
    return mp__fd_high(
        timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
}

void
mp__alarm_set(int alarm, mp_time when)
{
    struct itimerspec t = {0};

    /* A time of 0 would mean never. */
    if (when != MP_FOREVER) {
        when = when < 1 ? 1 : when;
        t.it_value = (struct timespec){when / 1000000000, when % 1000000000};
    }
    timerfd_settime(alarm, TFD_TIMER_ABSTIME, &t, NULL);
}
