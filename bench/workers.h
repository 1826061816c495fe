/* SPDX-License-Identifier: MIT */
/* What the benches of pools share. */
#pragma once

#include "tools.h"

#include <mproc.h>

enum { WORKERS = 2 };

/* Like must(), for calls of mproc: with the text of the error. */
static inline void
ok(long r, const char *what)
{
    if (r < 0)
        fail("%s: %s: %s", what, mp_strerror((int)r), mp_last_error());
}

static inline mp_pool *
pool_new(void)
{
    mp_pool *pool;

    ok(mp_pool_create(&pool, WORKERS, NULL), "mp_pool_create");
    return pool;
}
