/* SPDX-License-Identifier: MIT */
/* Turns: one thread of this process at a time, for as long as it takes. */
#pragma once

#include "base/atomic.h"

#include <mproc/base.h>

struct mp__turn {
    mp__a32 word; /* see turn.c; starts as 0 */
};

/* 0; -EAGAIN, -ETIMEDOUT, -EINTR; -EBADF: it is over. */
int mp__turn_take(struct mp__turn *turn, mp_time deadline);
void mp__turn_give(struct mp__turn *turn);

/* Nobody gets it any more; those who wait for it return. */
void mp__turn_over(struct mp__turn *turn);
