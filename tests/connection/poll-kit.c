/* SPDX-License-Identifier: MIT */
#include "connection/poll-kit.h"

#include <errno.h>
#include <sys/epoll.h>

int
epoll_with(int fd, uint32_t events)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = events, .data.fd = fd};

    ck_assert_int_ge(epoll, 0);
    ck_assert_int_eq(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event), 0);
    return epoll;
}

static int
epoll_for(int epoll, int timeout)
{
    struct epoll_event events[16];
    int n;

    do
        n = epoll_wait(epoll, events, LENGTH(events), timeout);
    while (n < 0 && errno == EINTR);
    ck_assert_int_ge(n, 0);
    return n;
}

int
epoll_now(int epoll)
{
    return epoll_for(epoll, 0);
}

int
epoll_await(int epoll)
{
    return epoll_for(epoll, (int)(20000 * mp_test_scale()));
}

static void
warm_up(void)
{
    mp_event *event;

    must(mp_event_create(&event, NULL));
    must(mp_event_fd(event));
    must(mp_event_destroy(event));
    mp_test_leaks_mark();
}

TCase *
poll_case(Suite *suite, const char *name, double seconds)
{
    TCase *tcase = fd_case(suite, name, seconds);

    tcase_add_checked_fixture(tcase, warm_up, NULL);
    return tcase;
}
