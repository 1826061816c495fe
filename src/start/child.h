/* SPDX-License-Identifier: MIT */
/* The child's side of a start, common to all methods. See child.c. */
#pragma once

#include "os/life.h"
#include "start/setup.h"

struct mp__child {
    mp_process *process;
    uint32_t serial;
    struct mp__life_ends watch;
    int pdeathsig;
    const struct mp__setup *setup;   /* NULL: nothing to apply */
    const struct mp__parcel *parcel; /* has the target, if not NULL */
    mp_target target;
    void *arg;
    int signal;     /* raised once it has begun or failed; -1 */
    int keep_input; /* stdin is as it shall be */
    int null;       /* what stdin becomes otherwise */
};

/* Takes over the process: sets it up, runs the target and leaves. */
_Noreturn void mp__child_run(const struct mp__child *child);

/* Tells the parent that it will not be: the code, and mp_last_error(). */
_Noreturn void mp__child_fail(const struct mp__child *child, int r);
