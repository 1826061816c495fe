/* SPDX-License-Identifier: MIT */
/* Callbacks: the process's own list of what it has been promised. */
#pragma once

#include "task/inbox.h"

struct mp__callback {
    mp_result_fn done, failed; /* either may be NULL */
    void *arg;
};

/* The inbox of this process at that pool, with room in the list for one more
 * callback: to be called before the submission. Then comes expect or forgo.
 * NULL: no memory. */
struct mp__inbox *mp__callback_prepare(mp_pool *pool);

/* The result, which was submitted with that inbox, has the callback. `owned`:
 * nobody else has its handle, it is freed after the call (but it must be one
 * that can be asked: not abandoned). Cannot fail after
 * mp__callback_prepare(). */
void mp__callback_expect(mp_pool *pool, mp_result *result, uint64_t number,
                         const struct mp__callback *callback, int owned);
/* ... and when the submission has failed. */
void mp__callback_forgo(mp_pool *pool);

/* For mp_result_free() of what has an inbox: 1 if a callback of this process is
 * still to come, or running. Then the result is freed after that, not now. */
int mp__callback_adopt(mp_result *result, uint64_t number);

/* Runs what is due, unless a callback is running in this thread. Cheap when
 * this process has no callbacks at any pool. */
void mp__callbacks_run(mp_pool *pool);

/* At the end of the pool in this process: what was not run never is. */
void mp__callbacks_forget(mp_pool *pool);
