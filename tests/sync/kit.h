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
    KIND_CONDITION,
    KIND_BARRIER,
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

/* For this process, and its children: nobody spins, and whose wake-up is lost
 * sleeps for an hour. (Kernels that need slices keep them.) Not for tests in
 * which a sleeper gets a lock and dies with it: those who went to sleep before
 * find that out by slices. */
void rely_on_wake_ups(void);

/* SIGUSR1 does nothing but interrupt. (The kernel goes on with a futex_waitv
 * after a handler that was installed with SA_RESTART.) */
void catch_signals(void);
