/* SPDX-License-Identifier: MIT */
/* What this process has of its own about processes: pidfds. See local.c. */
#pragma once

#include "process/record.h"

struct mp__local {
    struct mp__local *next;
    mp_process *process;
    uint32_t serial;
    uint32_t generation; /* in which this process started it; 0: it did not */
    uint32_t users;      /* calls that use the entry; guarded by the table */
    int fd;              /* a pidfd, or what polls readable if it is gone */
    pid_t pid;
    uint8_t gone;   /* it had ended, and was reaped, before we looked */
    uint8_t ours;   /* it is a child of this process for the kernel too */
    uint8_t hidden; /* not the program's: not listed, not joined at exit */
    uint8_t daemon;
    uint8_t detached;
    uint8_t removed; /* out of the table: the last user frees it */
};

/* A number that differs between a process and the copies that fork makes of
 * it; never 0. */
uint32_t mp__generation(void);

/* An entry for a child that is about to be started; NULL: no memory. It is
 * freed by free() or entered into the table, which takes `pidfd` (-1: it is
 * opened when needed). */
struct mp__local *mp__local_new(mp_process *process, uint32_t serial);
void mp__local_add(struct mp__local *local, pid_t pid, int pidfd);

/* The entry of a process, made if need be; to be given back by
 * mp__local_put(). 0, -EBADF (closed meanwhile), -ENOMEM, -EMFILE, ... */
int mp__local_get(mp_process *process, struct mp__local **ret_local);
void mp__local_put(struct mp__local *local);

/* Ends the entry: its descriptor is closed after its last use, its zombie
 * taken out of the process table. */
void mp__local_remove(mp_process *process, uint32_t serial);

/* The children that this process started and that were not closed: an array
 * for free(), of entries to be given back each; NULL if there is no memory.
 * Entries of handles that other processes have closed are dropped before. */
struct mp__local **mp__local_children(size_t *ret_n);

/* Whether this process has started any process. */
int mp__local_has_children(void);
