/* SPDX-License-Identifier: MIT */
/* What the synchronisation objects have in common. */
#pragma once

#include "region/object.h"

#include <mproc/base.h>

#define MP__SYNC_NAME 32

/* What every attribute struct of this room begins with. */
struct mp__sync_attr {
    uint32_t size, flags;
    const char *name;
};

/* Copies a name, which may be NULL, into an object; cuts it if need be. */
void mp__sync_name(char target[MP__SYNC_NAME], const char *name);

/* Ends an object that nobody waits for (-EBUSY). `function` is its destroy
 * function. */
int mp__sync_destroy(void *object, size_t size, enum mp__slab slab,
                     const char *function);

/* Looks at `*word` until it differs from `seen`, for as long as that has paid
 * of late, which is remembered in `*spins` (a guess, shared). 1: it differs. */
#define MP__SPINS_FIRST 200u
int mp__sync_spin(mp__a32 *spins, mp__a32 *word, uint32_t seen);

/* mp_x_waiters(). */
int mp__sync_waiters(const void *object, size_t size, pid_t *pids, size_t n,
                     const char *function);

/* The same of an object elsewhere: `r` is mp__object_enter()'s. */
MP__COLD int mp__sync_far_waiters(int r, const void *object, pid_t *pids,
                                  size_t n, const char *function);

/* The pid of a participant; -EOWNERDEAD if it is dead; 0 of 0. */
pid_t mp__sync_pid(uint64_t participant);
