/* SPDX-License-Identifier: MIT */
/* Between pipe/ and the rooms of processes, which are above: what the ends of
 * pipes have to know of processes, and what starting one means for ends. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define MP__HOLDERS 64u /* living processes, for each end */

/* Names one life of a process of the family, in MP__KIN_BITS bits; 0: nobody.
 * What that is knows process/, which is above and has these. None of them takes
 * a mutex of the region but self(). */
#define MP__KIN_BITS 62
struct mp__kin_ops {
    uint64_t (*self)(void); /* 0: no memory */
    int (*alive)(uint64_t process);
    pid_t (*pid)(uint64_t process); /* 0: nobody knows yet */
    /* A pidfd of it, the caller's; -ESRCH, -EMFILE, ... */
    int (*pidfd)(uint64_t process);
    /* How many processes have been started in the family; and whether one of
     * those that were after `since` is alive that `left` does not name. */
    uint32_t (*started)(void);
    int (*alive_since)(uint32_t since,
                       int (*left)(uint64_t process, void *arg), void *arg);
};
extern const struct mp__kin_ops mp__kin;

/* ---- Children: see argument.c ---- */

/* How many bytes of an argument are looked through. */
size_t mp__ends_reach(size_t size);
/* Before the child `process` exists: enters it as a holder of all pipe ends
 * whose handles are in the argument it is to be started with. How many; or
 * -EMFILE. */
int mp__ends_give(const void *arg, size_t size, uint64_t process);
/* There will be no such child. */
void mp__ends_take_back(const void *arg, size_t size, uint64_t process);
/* In the child, if there were any. */
void mp__ends_arrive(const void *arg, size_t size);
