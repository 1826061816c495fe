/* SPDX-License-Identifier: MIT */
#include "os/clock.h"

#include <errno.h>
#include <time.h>

mp_time
mp__now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (mp_time)t.tv_sec * 1000000000 + t.tv_nsec;
}

int
mp__expired(mp_time deadline)
{
    if (deadline == MP_NOW)
        return -EAGAIN;
    if (deadline == MP_FOREVER || mp__now() < deadline)
        return 0;
    return -ETIMEDOUT;
}

mp_time
mp_timeout(double seconds)
{
    const double most = 4e9; /* 126 years: beyond it, for ever */

    if (seconds >= most)
        return MP_FOREVER;
    if (!(seconds > 0)) /* NaN too */
        return 1;       /* long past, but not MP_NOW */
    return mp__now() + (mp_time)(seconds * 1e9);
}
