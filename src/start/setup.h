/* SPDX-License-Identifier: MIT */
/* What a child changes about itself before its target, and what it is sent.
 * See setup.c. */
#pragma once

#include "module/function.h"
#include "os/life.h"

#include <mproc/process.h>

/* The part of mp_process_attr that the child applies. */
struct mp__setup {
    const char *const *env; /* changes; NULL: none */
    const char *cwd;
    const char *cpus;
    int32_t nice;
    uint64_t rlimit[4]; /* as, core, cpu, nofile; 0: as it is */
};

/* What a process inherits: for a child that comes from the fork server, but
 * is to have it from the caller. */
struct mp__heritage {
    int32_t nice;
    uint32_t has_cpus;
    uint64_t rlimit[4];
    uint64_t cpus[16]; /* affinity */
};

/* All that is sent to a child which shares no image with its parent: one
 * block of the region, its pointers point into itself. */
struct mp__parcel {
    struct mp__function target;
    void *arg;
    uint64_t size;
    struct mp__setup setup;
    struct mp__heritage heritage; /* fork server */
    char **environment;           /* fork server; ends with NULL */
    int32_t *pass_fds;
    uint64_t pass_fds_count;
    /* Descriptor numbers in a spawned child: */
    struct mp__life_ends watch;
    int32_t pdeathsig;
    int32_t signal; /* to be raised once it has begun or failed */
    int32_t server; /* of the fork server; -1 */
};

void mp__setup_of(const mp_process_attr *attr, struct mp__setup *ret_setup);

/* Whether there is anything to apply. */
int mp__setup_needed(const struct mp__setup *setup);

/* 0, or an error with its text. */
int mp__setup_apply(const struct mp__setup *setup);

void mp__heritage_read(struct mp__heritage *ret_heritage);
/* Applies what differs from `have`. */
void mp__heritage_apply(const struct mp__heritage *wanted,
                        const struct mp__heritage *have);

/* The caller's environment with the changes, and `extra` (NULL: none) at its
 * end: an array for free(); the strings are not copied. NULL: no memory. */
char **mp__environment_make(const char *const *changes, const char *extra);

/* Packs a parcel; `environment` may be NULL. NULL: no memory. The block is
 * in the thread's hand. */
struct mp__parcel *mp__parcel_make(const void *arg, size_t size,
                                   const mp_process_attr *attr,
                                   char **environment);
