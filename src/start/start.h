/* SPDX-License-Identifier: MIT */
/* A start in progress, and the three methods. See start.c. */
#pragma once

#include "os/life.h"
#include "process/local.h"
#include "start/setup.h"

struct mp__start {
    mp_target target;
    const void *arg;
    size_t size;
    mp_process_attr attr;
    mp_process *process;
    uint32_t serial;
    struct mp__local *local;
    struct mp__life_ends watch; /* the child's read ends, until it has them */
    int pdeathsig;              /* no watch to be had: the old way */
    struct mp__parcel *parcel;  /* in the record; NULL for fork */
    int signal; /* the child raises it when it is set up; -1: nobody waits */
    int server; /* socket of the fork server; -1 */
    pid_t pid;  /* of the kernel's own child; 0: the server has it */
    int pidfd;  /* -1: of the server's child, or it is gone already */
};

/* 0 or an error with its text; the second fills in what was left open. */
int mp__start_check_arguments(mp_process **ret_process, mp_target target,
                              const void *arg, size_t size);
int mp__start_check_attributes(mp_process_attr *attr);

/* Makes the child. 0 or an error with its text. */
int mp__start_fork(struct mp__start *start);
int mp__start_spawn(struct mp__start *start);
int mp__start_forkserver(struct mp__start *start);

/* Packs what the child needs into start->parcel. */
int mp__start_pack(struct mp__start *start, char **environment);

/* Tells the family who the child is, and ties its life to the others'. For
 * the child's parent in the kernel. */
void mp__start_identify(mp_process *process, pid_t pid, int pidfd);
void mp__start_arm(mp_process *process, const struct mp__life_ends *watch,
                   pid_t pid);

/* A child has ended: if it had not begun, the start has failed for that. */
int mp__start_died(mp_process *process, uint32_t serial, int code);

/* The descriptor of /dev/null, opened once. */
int mp__start_null(void);
