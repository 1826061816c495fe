/* SPDX-License-Identifier: MIT */
/* A descriptor that is readable when one of several processes has ended: an
 * epoll instance with their pidfds in it, which are changed as the processes
 * do. */
#pragma once

#include <mproc/base.h>

#include <stddef.h>
#include <stdint.h>

struct mp__pidfd_entry;

struct mp__pidfd_set {
    int fd;               /* the epoll instance */
    int timer;            /* -1: there is none yet */
    int ticks;            /* it runs */
    size_t n, room, next; /* where to look for a key first */
    unsigned round;
    struct mp__pidfd_entry *entry;
};

/* 0, -EMFILE, -ENFILE, -ENOMEM. */
int mp__pidfd_set_open(struct mp__pidfd_set *set);
void mp__pidfd_set_close(struct mp__pidfd_set *set);

/* Something else that makes it readable, and no more. 0 or -errno. */
int mp__pidfd_set_beside(struct mp__pidfd_set *set, int fd);
void mp__pidfd_set_without(struct mp__pidfd_set *set, int fd);

/* Begins to say anew which processes it is about. Each has a key of the
 * caller's. */
void mp__pidfd_set_begin(struct mp__pidfd_set *set);
/* Whether the process of that key was in it before, and so stays. */
int mp__pidfd_set_keep(struct mp__pidfd_set *set, uint64_t key);
/* Adds it; takes the pidfd. 0; -ENOMEM, ... */
int mp__pidfd_set_add(struct mp__pidfd_set *set, uint64_t key, int pidfd);
/* All others are out of it. Unless `soon` is 0 it is readable in so many ns
 * all the same. */
int mp__pidfd_set_end(struct mp__pidfd_set *set, mp_time soon);
