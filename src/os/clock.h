/* SPDX-License-Identifier: MIT */
/* The clock of all deadlines. */
#pragma once

#include <mproc/base.h>

/* CLOCK_MONOTONIC in nanoseconds. */
mp_time mp__now(void);

/* Whether `deadline` is over: 0, -EAGAIN (it is MP_NOW) or -ETIMEDOUT. */
int mp__expired(mp_time deadline);
