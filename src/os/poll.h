/* SPDX-License-Identifier: MIT */
/* poll() by a deadline. */
#pragma once

#include <mproc/base.h>
#include <poll.h>

/* How many of the descriptors have something to tell (`revents`), waiting for
 * the first until `deadline`. -EAGAIN, -ETIMEDOUT; -EINTR: a signal handler
 * ran, whatever its flags; -ENOMEM, ... */
int mp__poll(struct pollfd *fds, unsigned n, mp_time deadline);
