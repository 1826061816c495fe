/* SPDX-License-Identifier: MIT */
/* Processes that wait for a queue's messages in poll(): mp_queue_fd(). */
#pragma once

#include "region/mutex.h"

#include <errno.h>
#include <sys/types.h>

struct mp_queue;

#define MP__POLLERS 64u /* processes, for each queue */

/* In the queue. */
struct mp__pollers {
    mp__a64 armed; /* bit i: pager[i] is to be paged before the next commit */
    mp__a64 pager[MP__POLLERS]; /* numbers, see os/pager.h; 0: free. Writers:
                                   the process that has it, and who finds
                                   that it is gone */
    struct mp__mutex closers;   /* who is about to close the queue */
};

/* Pages those who are armed; before a commit, by who holds the producers'
 * mutex and has lowered the flag. */
MP__COLD void mp__poll_wake(struct mp_queue *queue);

/* Pages all, armed or not: by who repairs the producers' side, and before the
 * queue's end. */
MP__COLD void mp__poll_wake_all(struct mp_queue *queue);

/* Before a message is returned; by who holds the consumers' mutex. */
MP__COLD void mp__poll_wake_for_return(struct mp_queue *queue);

/* Moves the queue from OPEN to CLOSING: no poller will miss that. */
void mp__poll_begin_close(struct mp_queue *queue);

/* Closes this process's descriptor of a queue that is about to go, and lets
 * the others' look. */
void mp__poll_forget(struct mp_queue *queue);

MP__COLD void mp__poll_arm(struct mp_queue *queue);

/* How many descriptors this process has. */
extern mp__a32 mp__poll_descriptors;

/* For the end of a get, with no mutex held; returns `r`. If that says that
 * nothing was there, this process's descriptor becomes unreadable until there
 * is. */
static inline ssize_t
mp__poll_after(struct mp_queue *queue, ssize_t r)
{
    if (MP__UNLIKELY(mp__load_relaxed(&mp__poll_descriptors)) &&
        (r == -EAGAIN || r == -ETIMEDOUT))
        mp__poll_arm(queue);
    return r;
}
