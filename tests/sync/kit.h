/* SPDX-License-Identifier: MIT */
/* What the unit tests of the synchronisation objects share. */
#pragma once

#include "region/kin.h"

/* An object of each kind that one could be mistaken for. */
enum kind {
    KIND_LOCK,
    KIND_RLOCK,
    KIND_SEMAPHORE,
    KIND_EVENT,
    KIND_QUEUE,
    KIND_BLOCK,
    KINDS,
};

/* A function of one kind of object, with arguments that are in order but for
 * the handle. */
struct handle_call {
    const char *name;
    int (*call)(void *handle);
};

/* Each of the calls refuses each handle that is none of `kind`: -EBADF, and it
 * says which function it was. `gone` is one that was destroyed. */
void calls_refuse_strangers(const struct handle_call *calls, size_t n,
                            enum kind kind, void *gone);

/* In a child, where the kernel kills who makes a system call: fn(arg), which
 * gives 0, many times. (It has been called once before, to register.) */
void needs_no_system_call(int (*fn)(void *arg), void *arg);

/* What every create function says of attributes: `create` makes an object
 * with them, and gives it back. */
void attributes_are_checked(int (*create)(const void *attr), size_t size,
                            uint32_t known_flags);

/* Makes this process, and its children, look and wait without luck: nobody
 * spins, and whose wake-up is lost sleeps for an hour. (On kernels that need
 * the slices they stay.) */
void rely_on_wake_ups(void);

/* SIGUSR1 does nothing but interrupt. (The kernel goes on with a futex_waitv
 * after a handler that was installed with SA_RESTART.) */
void catch_signals(void);
