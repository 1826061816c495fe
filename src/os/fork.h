/* SPDX-License-Identifier: MIT */
/* A lock of this process's own, and what it guards, in fork(): it is held
 * meanwhile, so that the child has a copy of all that in good order. */
#pragma once

#include <pthread.h>

/* At the top level of a file. `in_child` is what the child does before anything
 * else, the lock being held; (void)0: nothing. */
#define MP__HELD_ACROSS_FORK(lock, in_child)                              \
    static void before_fork(void)                                         \
    {                                                                     \
        pthread_mutex_lock(&(lock));                                      \
    }                                                                     \
    static void after_fork_in_parent(void)                                \
    {                                                                     \
        pthread_mutex_unlock(&(lock));                                    \
    }                                                                     \
    static void after_fork_in_child(void)                                 \
    {                                                                     \
        in_child;                                                         \
        pthread_mutex_unlock(&(lock));                                    \
    }                                                                     \
    __attribute__((constructor)) static void register_fork_handlers(void) \
    {                                                                     \
        pthread_atfork(before_fork, after_fork_in_parent,                 \
                       after_fork_in_child);                              \
    }                                                                     \
    struct mp__held_across_fork /* for the semicolon */
