/* SPDX-License-Identifier: MIT */
#include "os/poll.h"

#include "os/clock.h"

#include <errno.h>
#include <time.h>

int
mp__poll(struct pollfd *fds, unsigned n, mp_time deadline)
{
    struct timespec left = {0};
    mp_time ns;
    int r;

    if (deadline != MP_NOW && deadline != MP_FOREVER) {
        ns = deadline - mp__now();
        if (ns > 0)
            left = (struct timespec){ns / 1000000000, ns % 1000000000};
    }
    r = ppoll(fds, n, deadline == MP_FOREVER ? NULL : &left, NULL);
    if (r != 0)
        return r > 0 ? r : -errno;
    return deadline == MP_NOW ? -EAGAIN : -ETIMEDOUT;
}
