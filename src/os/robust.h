/* SPDX-License-Identifier: MIT */
/* The kernel's robust list of this thread, as the C library has set it up. We
 * use one field of it: the pending slot. The kernel looks at it when the
 * thread dies: if the futex word it names carries the thread's id, the word
 * becomes FUTEX_OWNER_DIED and one waiter is woken; if the word has no owner,
 * one waiter is woken as well (Linux 6.2 on). */
#pragma once

#include "base/atomic.h"

#include <pthread.h>
#include <stddef.h>

struct mp__robust_list {
    struct mp__robust_list *next;
};

struct mp__robust_head {
    struct mp__robust_list list;
    long futex_offset;
    struct mp__robust_list *pending;
};

/* The calling thread's head; NULL where the system has none. */
struct mp__robust_head *mp__robust_head(void);

static inline void
mp__robust_arm(struct mp__robust_head *head, mp__a32 *word)
{
    head->pending = (void *)((char *)word - head->futex_offset);
    mp__compiler_barrier();
}

static inline void
mp__robust_disarm(struct mp__robust_head *head)
{
    mp__compiler_barrier();
    head->pending = NULL;
}

/* A mutex of the C library that processes share, and that is linked into the
 * list of its owner. */
void mp__robust_mutex_init(pthread_mutex_t *mutex);
