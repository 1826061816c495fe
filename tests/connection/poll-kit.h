/* SPDX-License-Identifier: MIT */
/* What the tests of descriptors, and of mp_wait(), share beside queue/fd-kit.h
 * (is_readable(), await()). */
#pragma once

#include "queue/fd-kit.h"

/* An epoll instance with the descriptor in it. */
int epoll_with(int fd, uint32_t events);

/* How many events it has now; how many within 20 s. */
int epoll_now(int epoll);
int epoll_await(int epoll);

/* A case in which what the library keeps for good is there: see fd_case(). */
TCase *poll_case(Suite *suite, const char *name, double seconds);
