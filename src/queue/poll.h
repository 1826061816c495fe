/* SPDX-License-Identifier: MIT */
/* Processes that wait for a queue's messages in poll(): mp_queue_fd(). */
#pragma once

#include "bell/pollers.h"

#include <errno.h>
#include <sys/types.h>

struct mp_queue;

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

/* Makes this process's descriptor unreadable until there is something. */
MP__COLD void mp__poll_arm(struct mp_queue *queue);

/* Whether a get would do other than find the queue empty and open. */
int mp__queue_has_news(struct mp_queue *queue);

/* For the end of a get, with no mutex held; returns `r`. If that says that
 * nothing was there, this process's descriptor becomes unreadable until there
 * is. */
static inline ssize_t
mp__poll_after(struct mp_queue *queue, ssize_t r)
{
    if (MP__UNLIKELY(mp__pollers_exist()) && (r == -EAGAIN || r == -ETIMEDOUT))
        mp__poll_arm(queue);
    return r;
}
