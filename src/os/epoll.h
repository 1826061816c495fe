/* SPDX-License-Identifier: MIT */
/* Many descriptors watched by one, which is readable when one of them has
 * something to tell. */
#pragma once

#include <mproc/base.h>
#include <sys/epoll.h>

/* A close-on-exec descriptor; -errno, as all here. */
int mp__epoll_open(void);

/* `events`: EPOLLIN, EPOLLOUT; level-triggered. `tag` comes back with them. */
int mp__epoll_add(int epoll, int fd, uint32_t events, void *tag);
int mp__epoll_change(int epoll, int fd, uint32_t events, void *tag);
/* Before the descriptor is closed: a copy of it in another process would keep
 * it in. */
void mp__epoll_remove(int epoll, int fd);

/* Who has something to tell, up to `most`; never waits. */
int mp__epoll_look(int epoll, struct epoll_event *events, int most);

/* The same, waiting for the first until `deadline`: 0 then, or when a signal
 * handler has run. */
int mp__epoll_wait(int epoll, struct epoll_event *events, int most,
                   mp_time deadline);

/* A close-on-exec descriptor that becomes readable at a time: MP_FOREVER is
 * never. */
int mp__alarm_open(void);
void mp__alarm_set(int alarm, mp_time when);
